//! Charts as SVG within a page: they need no script, and take their colours from the page's style.

use std::fmt::Write as _;

/// Width of a chart, in units of its own; the page scales it to the room there is.
const WIDTH: f64 = 640.0;
/// Height of a row of [`intervals`].
const ROW: f64 = 34.0;
/// Room for the names of rows.
const NAMES: f64 = 150.0;
/// Room on the right, and below for the scale.
const MARGIN: f64 = 24.0;

/// An interval with its middle.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    /// What is said for those who cannot see the chart, and beside the pointer.
    pub(super) title: String,
    /// A word for the style: `better`, `worse` or `open`.
    pub(super) class: &'a str,
    pub(super) low: f64,
    pub(super) middle: f64,
    pub(super) high: f64,
}

/// Intervals one below the other, around a line at 0. `label` writes a number of the scale.
pub(super) fn intervals(rows: &[Row<'_>], label: &dyn Fn(f64) -> String) -> String {
    let ends = rows.iter().flat_map(|row| [row.low, row.high]).chain([0.0]);
    let (low, high) =
        ends.fold((f64::MAX, f64::MIN), |(low, high), end| (low.min(end), high.max(end)));
    let room = if high - low <= 0.0 { 1.0 } else { (high - low) * 0.08 };
    let (low, high) = (low - room, high + room);
    let x = |value: f64| NAMES + (value - low) / (high - low) * (WIDTH - NAMES - MARGIN);
    let count = f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX));
    let height = count * ROW + MARGIN + 8.0;
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Differences from the control with their intervals\">"
    );
    let base = count * ROW + 4.0;
    for mark in marks(low, high) {
        let class = if mark == 0.0 { "zero" } else { "grid" };
        let at = x(mark);
        write(
            &mut svg,
            format_args!(
                "<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{base:.1}\"/>"
            ),
        );
        write(
            &mut svg,
            format_args!(
                "<text class=\"scale\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                base + 18.0,
                escaped(&label(mark))
            ),
        );
    }
    let mut y = ROW / 2.0;
    for Row { name, title, class, low, middle, high } in rows {
        let (from, to, at) = (x(*low), x(*high), x(*middle));
        write(
            &mut svg,
            format_args!(
                "<g class=\"{class}\"><title>{}</title>\
             <text class=\"name\" x=\"0\" y=\"{:.1}\">{}</text>\
             <line class=\"span\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <line class=\"end\" x1=\"{from:.1}\" x2=\"{from:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <line class=\"end\" x1=\"{to:.1}\" x2=\"{to:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <circle cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"5\"/></g>",
                escaped(title),
                y + 5.0,
                escaped(&shortened(name)),
                y - 6.0,
                y + 6.0,
                y - 6.0,
                y + 6.0
            ),
        );
        y += ROW;
    }
    svg.push_str("</svg>");
    svg
}

/// A difference at the end of a day.
pub(super) struct Point {
    /// The day.
    pub(super) at: String,
    pub(super) low: f64,
    pub(super) middle: f64,
    pub(super) high: f64,
}

/// Height of [`development`] without its scale.
const HEIGHT: f64 = 160.0;

/// How a difference and its interval developed from day to day. `label` writes a number of the scale.
pub(super) fn development(points: &[Point], label: &dyn Fn(f64) -> String) -> String {
    let ends = points.iter().flat_map(|point| [point.low, point.high]).chain([0.0]);
    let (low, high) =
        ends.fold((f64::MAX, f64::MIN), |(low, high), end| (low.min(end), high.max(end)));
    let high = if high - low <= 0.0 { low + 1.0 } else { high };
    let left = NAMES / 2.0;
    let last = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX)) - 1.0;
    let x = |place: usize| {
        let place = f64::from(u32::try_from(place).unwrap_or(u32::MAX));
        left + place / last * (WIDTH - left - MARGIN)
    };
    let y = |value: f64| 6.0 + (high - value) / (high - low) * (HEIGHT - 12.0);
    let mut svg = format!(
        "<svg class=\"chart open\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" \
         aria-label=\"The difference from the control, day by day\">",
        HEIGHT + MARGIN
    );
    for mark in marks(low, high) {
        let class = if mark == 0.0 { "zero" } else { "grid" };
        let at = y(mark);
        write(
            &mut svg,
            format_args!(
                "<line class=\"{class}\" x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"scale left\" x=\"0\" y=\"{:.1}\">{}</text>",
                WIDTH - MARGIN,
                at + 4.0,
                escaped(&label(mark))
            ),
        );
    }
    let along = |value: fn(&Point) -> f64| -> Vec<String> {
        let place =
            |(place, point): (usize, &Point)| format!("{:.1},{:.1}", x(place), y(value(point)));
        points.iter().enumerate().map(place).collect()
    };
    let mut band = along(|point| point.high);
    band.extend(along(|point| point.low).into_iter().rev());
    write(&mut svg, format_args!("<polygon class=\"band\" points=\"{}\"/>", band.join(" ")));
    let line = along(|point| point.middle).join(" ");
    write(&mut svg, format_args!("<polyline class=\"line\" points=\"{line}\"/>"));
    for (point, at, anchor) in
        [(points.first(), left, "start"), (points.last(), WIDTH - MARGIN, "end")]
    {
        let day = point.map(|point| escaped(&point.at)).unwrap_or_default();
        write(
            &mut svg,
            format_args!(
                "<text class=\"scale {anchor}\" x=\"{at:.1}\" y=\"{:.1}\">{day}</text>",
                HEIGHT + 18.0
            ),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Round numbers between two others: at most seven, 0 among them where it lies between.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| rough <= *step);
    let step = step.unwrap_or(power * 10.0);
    let first = (low / step).ceil();
    let mut marks = Vec::new();
    for number in 0..7_u32 {
        let mark = (first + f64::from(number)) * step;
        if high < mark {
            break;
        }
        // Not `-0`.
        marks.push(mark + 0.0);
    }
    marks
}

fn shortened(name: &str) -> String {
    const MAX: usize = 18;
    if name.chars().count() <= MAX {
        name.to_owned()
    } else {
        name.chars().take(MAX - 1).chain(['…']).collect()
    }
}

/// Writing to a text does not fail.
fn write(to: &mut String, what: std::fmt::Arguments<'_>) {
    to.write_fmt(what).ok();
}

/// Text within a page.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let told = |low, high| -> Vec<String> {
            marks(low, high).into_iter().map(|mark| format!("{mark:.1}")).collect()
        };
        assert_eq!(told(-0.12, 0.31), ["-0.1", "0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(told(-3.0, 40.0), ["0.0", "10.0", "20.0", "30.0", "40.0"]);
    }
}
