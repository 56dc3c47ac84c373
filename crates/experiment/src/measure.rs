//! What one exposed unit did, by a metric.

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    reason = "whole numbers of some hours and coins"
)]
mod tests;

use std::ops::ControlFlow;

use model::{
    Timestamp,
    condition::{Fact, Facts, Row, Rows, Seen, Span, visits},
    value::Path,
};
use serde::{Deserialize, Serialize};

use crate::{Amount, Cap, Metric, MetricKind, metric::Part};

/// What one unit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measured {
    /// It counts, with these values.
    Counted(Values),
    /// It does not count, and why.
    Left(Unread),
}

impl Measured {
    /// The same with its value capped.
    #[must_use]
    pub fn at_most(self, most: Amount) -> Self {
        match self {
            Self::Counted(values) => {
                Self::Counted(Values { upper: values.upper.at_most(most), ..values })
            }
            Self::Left(_) => self,
        }
    }
}

/// Why a unit does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unread {
    /// Its window has not passed, and the metric waits for that.
    Waiting,
    /// What it did may not be read for the metric's purpose.
    Withheld,
    /// It did more than is kept.
    Overflow,
    /// It has nothing of which there could be a quantile.
    Nothing,
}

/// The values of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// What is averaged over units, or the unit's part of the upper sum of a ratio.
    pub upper: Amount,
    /// The unit's part of the lower sum of a ratio; 0 for other metrics.
    pub lower: Amount,
    /// The same as `upper`, of the time before the exposure; 0 where that may not be read.
    pub before: Amount,
    /// The same as `lower`, of that time. It came later than the stored form, which has it beside.
    #[serde(skip)]
    pub before_lower: Amount,
}

/// A stretch of time: after `from` or at it, and before `to`.
#[derive(Clone, Copy)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
}

/// What the events of a part come to.
#[derive(Default)]
struct Sum {
    total: Amount,
    events: usize,
    first: Option<Timestamp>,
}

/// What a unit that was exposed at `exposed_at` had done by `now`, and from when on that may be something else
/// although nothing more happened.
pub fn measure(
    metric: &Metric,
    exposed_at: Timestamp,
    facts: &dyn Facts,
    now: Timestamp,
) -> (Measured, Option<Timestamp>) {
    let from = exposed_at.saturating_add(metric.after);
    let end = metric.window.map_or(Timestamp::MAX, |window| from.saturating_add(window));
    let is_over = end <= now;
    let mut changes = (metric.waits_for_window() && !is_over).then_some(end);
    let stretch = Stretch { from, to: end };
    let found = after(metric, stretch, facts, now, &mut changes);
    let values = match found {
        Ok(_) if metric.waits_for_window() && !is_over => Err(Unread::Waiting),
        found => found,
    };
    let measured = match values {
        Ok(values) => {
            let (before, before_lower) = before(metric, exposed_at, facts);
            Measured::Counted(Values { before, before_lower, ..values })
        }
        Err(unread) => Measured::Left(unread),
    };
    (measured, changes)
}

fn after(
    metric: &Metric,
    stretch: Stretch,
    facts: &dyn Facts,
    now: Timestamp,
    changes: &mut Option<Timestamp>,
) -> Result<Values, Unread> {
    let upper = sum(metric, &metric.upper, stretch, facts, now, changes)?;
    let values = |upper: Amount| Values { upper, ..Values::default() };
    Ok(match metric.kind {
        MetricKind::Conversion | MetricKind::Retention => {
            values(if upper.events == 0 { Amount::ZERO } else { Amount::ONE })
        }
        MetricKind::Count => values(capped(metric, Amount::count(upper.events))),
        MetricKind::Sum => values(capped(metric, upper.total)),
        MetricKind::Quantile if upper.events == 0 => return Err(Unread::Nothing),
        MetricKind::Quantile => values(upper.total),
        MetricKind::Mean => Values {
            upper: capped(metric, upper.total),
            lower: Amount::count(upper.events),
            ..Values::default()
        },
        MetricKind::Ratio => {
            let lower = match &metric.lower {
                Some(part) => of_part(part, &sum(metric, part, stretch, facts, now, changes)?),
                None => Amount::ZERO,
            };
            Values {
                upper: capped(metric, of_part(&metric.upper, &upper)),
                lower,
                ..Values::default()
            }
        }
        MetricKind::TimeToEvent => {
            let length = upper.first.unwrap_or(stretch.to).since(stretch.from);
            values(Amount::of(length.0 as f64 / 1000.0).unwrap_or(Amount::MAX))
        }
    })
}

fn of_part(part: &Part, sum: &Sum) -> Amount {
    if part.property.is_some() { sum.total } else { Amount::count(sum.events) }
}

fn capped(metric: &Metric, amount: Amount) -> Amount {
    match metric.cap {
        Some(Cap::Amount(most)) => amount.at_most(most),
        _ => amount,
    }
}

/// The same as the metric's upper and lower part, of the time before the exposure. What may not be read there is 0:
/// whatever is known of the time before may be used to make units comparable, so nothing is wrong with knowing less.
fn before(metric: &Metric, exposed_at: Timestamp, facts: &dyn Facts) -> (Amount, Amount) {
    if metric.before.0 <= 0 || metric.kind == MetricKind::TimeToEvent {
        return (Amount::ZERO, Amount::ZERO);
    }
    let stretch = Stretch { from: exposed_at.saturating_sub(metric.before), to: exposed_at };
    let of = |part| sum(metric, part, stretch, facts, exposed_at, &mut None).ok();
    let Some(sum) = of(&metric.upper) else { return (Amount::ZERO, Amount::ZERO) };
    let upper = match metric.kind {
        MetricKind::Conversion | MetricKind::Retention if sum.events == 0 => Amount::ZERO,
        MetricKind::Conversion | MetricKind::Retention => Amount::ONE,
        MetricKind::Count => capped(metric, Amount::count(sum.events)),
        MetricKind::Ratio => capped(metric, of_part(&metric.upper, &sum)),
        _ => capped(metric, sum.total),
    };
    let lower = match (metric.kind, &metric.lower) {
        (MetricKind::Mean, _) => Amount::count(sum.events),
        (MetricKind::Ratio, Some(part)) => {
            of(part).map(|sum| of_part(part, &sum)).unwrap_or_default()
        }
        _ => Amount::ZERO,
    };
    (upper, lower)
}

/// Adds up the events of a part within a stretch, as far as they have happened by `now`.
fn sum(
    metric: &Metric,
    part: &Part,
    stretch: Stretch,
    facts: &dyn Facts,
    now: Timestamp,
    changes: &mut Option<Timestamp>,
) -> Result<Sum, Unread> {
    let rows = match facts.events(&part.pattern.name) {
        Fact::Known(rows) => rows,
        Fact::Missing => return Ok(Sum::default()),
        Fact::Withheld => return Err(Unread::Withheld),
    };
    let oldest = rows.rows.first().map(|row| row.time);
    if rows.overflow && oldest.is_none_or(|oldest| stretch.from < oldest) {
        return Err(Unread::Overflow);
    }
    let (inside, ahead) = cut(&rows, stretch, now);
    if let Some(next) = ahead.first().map(|row| row.time).filter(|time| *time < stretch.to) {
        *changes = Some(changes.map_or(next, |known| known.min(next)));
    }
    let currency = metric.currency_path();
    let (mut sum, mut withheld) = (Sum::default(), false);
    let going_on = part.is_of_visits().then(|| going_on(&rows, stretch.from)).flatten();
    visit(going_on, inside, &mut |row| {
        if !row.purposes.contains(rows.purpose) {
            withheld = true;
            return ControlFlow::Break(());
        }
        if part.pattern.selects(row, rows.paths) && is_in(&currency, metric, row, &rows) {
            take(&mut sum, part, row, &rows);
        }
        ControlFlow::Continue(())
    });
    if withheld { Err(Unread::Withheld) } else { Ok(sum) }
}

/// The events from the beginning of a stretch up to its end or `now`, and those after that.
fn cut<'a>(rows: &Rows<'a>, stretch: Stretch, now: Timestamp) -> (Span<'a>, Span<'a>) {
    let just_before = |time: Timestamp| Timestamp(time.0.saturating_sub(1));
    let (_, from) = rows.rows.split_after(just_before(stretch.from));
    from.split_after(now.min(just_before(stretch.to)))
}

/// The visit that began before an instant and went on then: it belongs to what comes after.
fn going_on<'a>(rows: &Rows<'a>, from: Timestamp) -> Option<Row<'a>> {
    let (before, _) = rows.rows.split_after(Timestamp(from.0.saturating_sub(1)));
    before.last().filter(|row| match row.value(rows.paths, &visits::LAST) {
        Some(Seen::Number(last)) => last.as_i64().is_some_and(|last| from.0 <= last),
        _ => false,
    })
}

fn visit<'a>(
    first: Option<Row<'a>>,
    span: Span<'a>,
    each: &mut dyn FnMut(Row<'a>) -> ControlFlow<()>,
) {
    for row in first.into_iter().chain(span.iter()) {
        if each(row).is_break() {
            return;
        }
    }
}

/// Whether an event is in the metric's currency, or says none.
fn is_in(currency: &Option<Path>, metric: &Metric, row: Row<'_>, rows: &Rows<'_>) -> bool {
    let (Some(path), Some(wanted)) = (currency, &metric.currency) else { return true };
    match row.value(rows.paths, path) {
        Some(Seen::Text(said)) => said.eq_ignore_ascii_case(wanted),
        _ => true,
    }
}

fn take(sum: &mut Sum, part: &Part, row: Row<'_>, rows: &Rows<'_>) {
    if let Some(path) = &part.property {
        let number = row.value(rows.paths, path).and_then(|value| value.as_f64());
        let Some(amount) = number.and_then(Amount::of) else { return };
        sum.total = sum.total.plus(amount);
    }
    sum.events += 1;
    sum.first = sum.first.or(Some(row.time));
}
