//! Sums over units, to which a unit can be added and from which it can be taken out.

use serde::{Deserialize, Serialize};

use crate::{Amount, Measured, Unread, Values};

/// What the units of one arm did by one metric, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Units that count.
    pub units: u64,
    /// Units that count and whose upper value is not 0.
    pub nonzero: u64,
    /// Units that wait for the end of their window.
    pub waiting: u64,
    /// Units whose events may not be read.
    pub withheld: u64,
    /// Units of which more happened than is kept.
    pub overflow: u64,
    /// Units with nothing of which there could be a quantile.
    pub nothing: u64,
    upper: i128,
    upper_squares: i128,
    lower: i128,
    lower_squares: i128,
    upper_lower: i128,
    before: i128,
    before_squares: i128,
    upper_before: i128,
    /// Not part of the stored form, which has it beside ([`Self::history`]).
    #[serde(skip)]
    history: History,
}

/// The sums of what the lower part of a ratio was before the exposure, with those that only a ratio needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    before_lower: i128,
    before_lower_squares: i128,
    before_both: i128,
    upper_before_lower: i128,
    lower_before: i128,
    lower_before_lower: i128,
}

impl History {
    fn each(&mut self, other: &Self, with: impl Fn(i128, i128) -> i128) {
        let sums = [
            (&mut self.before_lower, other.before_lower),
            (&mut self.before_lower_squares, other.before_lower_squares),
            (&mut self.before_both, other.before_both),
            (&mut self.upper_before_lower, other.upper_before_lower),
            (&mut self.lower_before, other.lower_before),
            (&mut self.lower_before_lower, other.lower_before_lower),
        ];
        sums.into_iter().for_each(|(sum, other)| *sum = with(*sum, other));
    }
}

/// The sums as doubles, for statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// How many units count.
    pub units: u64,
    /// Σ upper.
    pub upper: f64,
    /// Σ upper².
    pub upper_squares: f64,
    /// Σ lower.
    pub lower: f64,
    /// Σ lower².
    pub lower_squares: f64,
    /// Σ upper·lower.
    pub upper_lower: f64,
    /// Σ before.
    pub before: f64,
    /// Σ before².
    pub before_squares: f64,
    /// Σ upper·before.
    pub upper_before: f64,
    /// Σ lower before.
    pub before_lower: f64,
    /// Σ (lower before)².
    pub before_lower_squares: f64,
    /// Σ before·(lower before).
    pub before_both: f64,
    /// Σ upper·(lower before).
    pub upper_before_lower: f64,
    /// Σ lower·before.
    pub lower_before: f64,
    /// Σ lower·(lower before).
    pub lower_before_lower: f64,
}

/// Adding or taking out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Way {
    fn count(self, count: &mut u64) {
        *count = match self {
            Self::In => count.saturating_add(1),
            Self::Out => count.saturating_sub(1),
        };
    }

    fn sum(self, sum: &mut i128, first: Amount, second: Option<Amount>) {
        let first = i128::from(first.millionths());
        let product =
            second.map_or(first, |second| first.saturating_mul(second.millionths().into()));
        *sum = match self {
            Self::In => sum.saturating_add(product),
            Self::Out => sum.saturating_sub(product),
        };
    }
}

impl Tally {
    /// Adds a unit.
    pub fn add(&mut self, measured: &Measured) {
        self.go(measured, Way::In);
    }

    /// Takes out a unit that was added with the same values.
    pub fn take_out(&mut self, measured: &Measured) {
        self.go(measured, Way::Out);
    }

    /// Adds the units of another tally.
    pub fn merge(&mut self, other: &Self) {
        let counts = [
            (&mut self.units, other.units),
            (&mut self.nonzero, other.nonzero),
            (&mut self.waiting, other.waiting),
            (&mut self.withheld, other.withheld),
            (&mut self.overflow, other.overflow),
            (&mut self.nothing, other.nothing),
        ];
        counts.into_iter().for_each(|(count, more)| *count = count.saturating_add(more));
        let sums = [
            (&mut self.upper, other.upper),
            (&mut self.upper_squares, other.upper_squares),
            (&mut self.lower, other.lower),
            (&mut self.lower_squares, other.lower_squares),
            (&mut self.upper_lower, other.upper_lower),
            (&mut self.before, other.before),
            (&mut self.before_squares, other.before_squares),
            (&mut self.upper_before, other.upper_before),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
        self.history.each(&other.history, i128::saturating_add);
    }

    /// What is stored beside the rest: what only ratios have.
    pub fn history(&self) -> History {
        self.history
    }

    /// The tally with what was stored beside it.
    #[must_use]
    pub fn with_history(self, history: History) -> Self {
        Self { history, ..self }
    }

    /// What was added since another tally of the same arm; nothing of what that had more.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut history = self.history;
        history.each(&earlier.history, i128::saturating_sub);
        Self {
            history,
            units: self.units.saturating_sub(earlier.units),
            nonzero: self.nonzero.saturating_sub(earlier.nonzero),
            waiting: self.waiting.saturating_sub(earlier.waiting),
            withheld: self.withheld.saturating_sub(earlier.withheld),
            overflow: self.overflow.saturating_sub(earlier.overflow),
            nothing: self.nothing.saturating_sub(earlier.nothing),
            upper: self.upper.saturating_sub(earlier.upper),
            upper_squares: self.upper_squares.saturating_sub(earlier.upper_squares),
            lower: self.lower.saturating_sub(earlier.lower),
            lower_squares: self.lower_squares.saturating_sub(earlier.lower_squares),
            upper_lower: self.upper_lower.saturating_sub(earlier.upper_lower),
            before: self.before.saturating_sub(earlier.before),
            before_squares: self.before_squares.saturating_sub(earlier.before_squares),
            upper_before: self.upper_before.saturating_sub(earlier.upper_before),
        }
    }

    /// Whether nobody was added, or everybody taken out again.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn go(&mut self, measured: &Measured, way: Way) {
        let Values { upper, lower, before, before_lower } = match measured {
            Measured::Counted(values) => *values,
            Measured::Left(unread) => {
                let count = match unread {
                    Unread::Waiting => &mut self.waiting,
                    Unread::Withheld => &mut self.withheld,
                    Unread::Overflow => &mut self.overflow,
                    Unread::Nothing => &mut self.nothing,
                };
                return way.count(count);
            }
        };
        way.count(&mut self.units);
        // Most units did nothing, and all their products are 0.
        if [upper, lower, before, before_lower] == [Amount::ZERO; 4] {
            return;
        }
        if upper != Amount::ZERO {
            way.count(&mut self.nonzero);
        }
        way.sum(&mut self.upper, upper, None);
        way.sum(&mut self.upper_squares, upper, Some(upper));
        way.sum(&mut self.lower, lower, None);
        way.sum(&mut self.lower_squares, lower, Some(lower));
        way.sum(&mut self.upper_lower, upper, Some(lower));
        way.sum(&mut self.before, before, None);
        way.sum(&mut self.before_squares, before, Some(before));
        way.sum(&mut self.upper_before, upper, Some(before));
        let history = &mut self.history;
        way.sum(&mut history.before_lower, before_lower, None);
        way.sum(&mut history.before_lower_squares, before_lower, Some(before_lower));
        way.sum(&mut history.before_both, before, Some(before_lower));
        way.sum(&mut history.upper_before_lower, upper, Some(before_lower));
        way.sum(&mut history.lower_before, lower, Some(before));
        way.sum(&mut history.lower_before_lower, lower, Some(before_lower));
    }

    /// The sums as doubles.
    pub fn totals(&self) -> Totals {
        #[expect(clippy::cast_precision_loss, reason = "statistics are computed with doubles")]
        let sum = |millionths: i128| millionths as f64 / 1e6;
        #[expect(clippy::cast_precision_loss, reason = "statistics are computed with doubles")]
        let squares = |millionths: i128| millionths as f64 / 1e12;
        Totals {
            units: self.units,
            upper: sum(self.upper),
            upper_squares: squares(self.upper_squares),
            lower: sum(self.lower),
            lower_squares: squares(self.lower_squares),
            upper_lower: squares(self.upper_lower),
            before: sum(self.before),
            before_squares: squares(self.before_squares),
            upper_before: squares(self.upper_before),
            before_lower: sum(self.history.before_lower),
            before_lower_squares: squares(self.history.before_lower_squares),
            before_both: squares(self.history.before_both),
            upper_before_lower: squares(self.history.upper_before_lower),
            lower_before: squares(self.history.lower_before),
            lower_before_lower: squares(self.history.lower_before_lower),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured() -> impl Strategy<Value = Measured> {
        let amount = || (-1e9..1e9_f64).prop_map(|number| Amount::of(number).unwrap());
        let counted = (amount(), amount(), amount(), amount());
        let counted = counted.prop_map(|(upper, lower, before, before_lower)| {
            Measured::Counted(Values { upper, lower, before, before_lower })
        });
        let left = prop_oneof![
            Just(Unread::Waiting),
            Just(Unread::Withheld),
            Just(Unread::Overflow),
            Just(Unread::Nothing)
        ];
        prop_oneof![4 => counted, 1 => left.prop_map(Measured::Left)]
    }

    proptest! {
        #[test]
        fn what_was_added_can_be_taken_out_in_any_order(
            units in proptest::collection::vec(measured(), 0..30),
            gone in proptest::collection::vec(measured(), 0..30),
        ) {
            let mut plain = Tally::default();
            units.iter().for_each(|unit| plain.add(unit));
            let mut other = Tally::default();
            gone.iter().chain(&units).for_each(|unit| other.add(unit));
            gone.iter().rev().for_each(|unit| other.take_out(unit));
            prop_assert_eq!(&other, &plain);
            let (left, right) = units.split_at(units.len() / 2);
            let (mut one, mut two) = (Tally::default(), Tally::default());
            right.iter().for_each(|unit| one.add(unit));
            left.iter().for_each(|unit| two.add(unit));
            one.merge(&two);
            prop_assert_eq!(&one, &plain);
            let mut rest = Tally::default();
            right.iter().for_each(|unit| rest.add(unit));
            prop_assert_eq!(one.since(&two), rest);
        }
    }
}
