//! Results as a page that needs nothing else: no script, no font, no picture from elsewhere.

use serde_json::Value;

use super::{
    chance_best,
    chart::{self, escaped},
    difference, grouped, heading, list, needed, p_value, shares, stopped, text, valued, verdict,
};
use crate::screen;

/// Most arms whose development is drawn.
const SERIES_MAX: usize = 4;
const STYLE: &str = include_str!("report.css");

/// The page.
pub(super) fn page(results: &Value) -> String {
    let key = text(results, "experience");
    let name = results["name"].as_str().unwrap_or(key);
    let metrics: String = list(results, "metrics").map(metric).collect();
    let hypothesis = results["hypothesis"]
        .as_str()
        .map_or_else(String::new, |text| format!("<p class=\"hypothesis\">{}</p>", escaped(text)));
    let header =
        format!("<p class=\"key\">{}</p><h1>{}</h1>{hypothesis}", escaped(key), escaped(name),);
    let body = format!(
        "{}{}{}{metrics}{}{}",
        judged(results),
        exposed(results),
        series(results),
        groups(results),
        foot(results)
    );
    frame(&format!("{name}: results"), &header, &body)
}

/// A page with this title; header and body are HTML.
pub(super) fn frame(title: &str, header: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head><body><main><header>{header}</header>\
         {body}</main></body></html>\n",
        escaped(title),
    )
}

fn judged(results: &Value) -> String {
    let found = &results["verdict"];
    let word = text(found, "verdict");
    let notes = list(results, "notes").filter_map(Value::as_str);
    let alarms = list(results, "alarms").map(|alarm| text(alarm, "statement"));
    let notes: String =
        alarms.chain(notes).map(|note| format!("<p class=\"note\">{}</p>", coded(note))).collect();
    let stopped = stopped(results);
    let stopped = stopped.map_or_else(String::new, |stopped| {
        format!("<p class=\"note\">{}</p>", escaped(&capitalised(&stopped)))
    });
    let shares: String = shares(results)
        .iter()
        .map(|line| format!("<p class=\"note\">{}</p>", coded(&capitalised(line))))
        .collect();
    format!(
        "<section class=\"verdict {}\"><h2>{}</h2><p>{}</p></section>{stopped}{shares}{notes}",
        escaped(word),
        escaped(&capitalised(verdict(word))),
        coded(text(found, "reason")),
    )
}

pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Text in which what stands between backticks is code.
pub(super) fn coded(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(place, part)| match place % 2 {
            0 => escaped(part),
            _ => format!("<code>{}</code>", escaped(part)),
        })
        .collect()
}

fn exposed(results: &Value) -> String {
    let rows: String = list(results, "arms")
        .map(|arm| {
            let share = 100.0 * arm["share"].as_f64().unwrap_or(0.0);
            let planned = arm["planned_share"].as_f64();
            let planned = planned.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share));
            let control = if arm["is_control"] == true { " <span class=\"tag\">control</span>" } else { "" };
            format!(
                "<tr><th scope=\"row\">{}{control}</th><td>{}</td><td>{share:.1} %</td><td>{planned}</td>\
                 <td class=\"bar\"><span style=\"width:{share:.1}%\"></span></td></tr>",
                escaped(arm["name"].as_str().unwrap_or(text(arm, "arm"))),
                screen::thousands(arm["units"].as_u64().unwrap_or(0)),
            )
        })
        .collect();
    format!(
        "<section><h2>Who was exposed</h2><div class=\"wide\"><table><thead><tr><th></th><th>units</th><th>share</th>\
         <th>planned</th><th></th></tr></thead><tbody>{rows}</tbody></table></div><p>{}.</p><p>{}.</p></section>",
        coded(&capitalised(text(&results["split"], "statement"))),
        coded(&capitalised(text(&results["several"], "statement"))),
    )
}

fn metric(metric: &Value) -> String {
    let notes = list(metric, "notes").filter_map(Value::as_str);
    let notes: String =
        notes.map(|note| format!("<p class=\"note\">{}</p>", coded(note))).collect();
    let power = metric["power"]["statement"].as_str();
    let power =
        power.map_or_else(String::new, |power| format!("<p>{}.</p>", coded(&capitalised(power))));
    format!(
        "<section><h2>{}</h2>{notes}{}{power}</section>",
        escaped(&heading(metric)),
        compared(metric),
    )
}

/// Each metric by the groups of a breakdown.
fn groups(results: &Value) -> String {
    let groups: Vec<&Value> = list(results, "groups").collect();
    let of_metric = |(place, metric): (usize, &Value)| {
        let of_groups: String = groups
            .iter()
            .filter_map(|group| Some((group, list(group, "metrics").nth(place)?)))
            .map(|(group, metric)| {
                format!("<h3>{}</h3>{}", escaped(&grouped(group)), compared(metric))
            })
            .collect();
        format!("<section><h2>By group: {}</h2>{of_groups}</section>", escaped(&heading(metric)))
    };
    let metrics = groups.first().map(|group| list(group, "metrics").enumerate().map(of_metric));
    metrics.into_iter().flatten().collect()
}

/// A chart of the arms' differences from the control, and a table of all arms.
pub(super) fn compared(metric: &Value) -> String {
    let rows: Vec<chart::Row<'_>> =
        list(metric, "arms").filter_map(|arm| interval(metric, arm)).collect();
    let label = |value: f64| scaled(metric, value);
    let chart = if rows.is_empty() { String::new() } else { chart::intervals(&rows, &label) };
    let table: String = list(metric, "arms").map(|arm| row(metric, arm)).collect();
    format!(
        "{chart}<div class=\"wide\"><table><thead><tr><th></th><th>units</th><th>value</th><th>best</th>\
         <th>difference</th><th>p</th></tr></thead><tbody>{table}</tbody></table></div>"
    )
}

/// A number of a chart's scale.
fn scaled(metric: &Value, value: f64) -> String {
    match text(metric, "kind") {
        _ if value == 0.0 => "0".to_owned(),
        "conversion" | "retention" => format!("{:+} pp", rounded(100.0 * value)),
        "time_to_event" => format!("{:+} s", rounded(value)),
        _ => format!("{:+}", rounded(value)),
    }
}

/// Without the noise of reckoning with decimals in binary.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// The interval of an arm.
fn interval<'a>(metric: &Value, arm: &'a Value) -> Option<chart::Row<'a>> {
    let comparison = &arm["comparison"];
    let number = |name: &str| comparison["absolute"][name].as_f64();
    let (low, middle, high) = (number("low")?, number("lift")?, number("high")?);
    let (lift, ends) = difference(metric, comparison)?;
    let class = comparison["surely"].as_str().unwrap_or("open");
    let name = text(arm, "arm");
    Some(chart::Row { name, title: format!("{name}: {lift} ({ends})"), class, low, middle, high })
}

fn row(metric: &Value, arm: &Value) -> String {
    let control =
        if arm["is_control"] == true { " <span class=\"tag\">control</span>" } else { "" };
    let value = arm["value"].as_f64().map_or_else(|| "–".to_owned(), |value| valued(metric, value));
    let comparison = &arm["comparison"];
    let compared = match difference(metric, comparison) {
        Some((lift, ends)) => format!(
            "<td><span class=\"{}\">{}</span><br><small>{}{}</small></td><td>{}</td>",
            escaped(comparison["surely"].as_str().unwrap_or("open")),
            escaped(&lift),
            escaped(&ends),
            needed(comparison).map(|needed| format!("<br>{needed}")).unwrap_or_default(),
            escaped(&p_value(comparison)),
        ),
        None => format!("<td colspan=\"2\" class=\"quiet\">{}</td>", coded(text(arm, "why_not"))),
    };
    format!(
        "<tr><th scope=\"row\">{}{control}</th><td>{}</td><td>{}</td><td>{}</td>{compared}</tr>",
        escaped(text(arm, "arm")),
        screen::thousands(arm["units"].as_u64().unwrap_or(0)),
        escaped(&value),
        chance_best(arm),
    )
}

/// How the first metric's differences developed from day to day, a chart for each arm.
fn series(results: &Value) -> String {
    let Some(metric) = list(results, "metrics").next() else { return String::new() };
    let days: Vec<&Value> = list(results, "series").collect();
    let arms = list(metric, "arms").filter(|arm| arm["is_control"] != true).take(SERIES_MAX);
    let charts: String =
        arms.filter_map(|arm| developed(metric, &days, text(arm, "arm"))).collect();
    if charts.is_empty() {
        return String::new();
    }
    let heading = escaped(&heading(metric));
    format!("<section><h2>How the difference developed: {heading}</h2>{charts}</section>")
}

fn developed(metric: &Value, days: &[&Value], arm: &str) -> Option<String> {
    let point = |day: &&Value| {
        let found = list(day, "arms").find(|result| text(result, "arm") == arm)?;
        let absolute = &found["comparison"]["absolute"];
        let number = |name: &str| absolute[name].as_f64();
        let at = text(day, "at").get(..10)?.to_owned();
        Some(chart::Point {
            at,
            low: number("low")?,
            middle: number("lift")?,
            high: number("high")?,
        })
    };
    let points: Vec<chart::Point> = days.iter().filter_map(point).collect();
    let label = |value: f64| scaled(metric, value);
    let chart = (1 < points.len()).then(|| chart::development(&points, &label))?;
    Some(format!("<p><code>{}</code></p>{chart}", escaped(arm)))
}

fn foot(results: &Value) -> String {
    let sure = 100.0 * results["confidence"].as_f64().unwrap_or(0.95);
    let how = match text(results, "method") {
        "planned_looks" => "They hold at the looks that were planned.",
        "fixed" => "They hold for one look at a time that was set before.",
        _ => "They hold however often somebody looks.",
    };
    format!(
        "<footer><p>Intervals are of {sure:.0} %, for all comparisons of a metric together. {how} \
         As of {}.</p></footer>",
        escaped(text(results, "as_of")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_need_nothing_else_and_say_what_was_said() {
        let page = page(&super::super::tests::example());
        assert!(page.contains("<h1>Welcome &lt;back&gt;</h1>"), "{page}");
        assert!(
            page.contains("<svg")
                && page.contains("+10.00 pp")
                && page.contains("<code>b</code> is surely better")
        );
        for foreign in ["http:", "https:", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
