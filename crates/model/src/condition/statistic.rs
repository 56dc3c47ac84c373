//! What numbers come to: their sum, their mean, the least and the greatest of them.

/// What is asked of many numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Their sum; 0 without any.
    Sum,
    /// Their mean.
    Avg,
    /// The least of them.
    Min,
    /// The greatest of them.
    Max,
}

impl Statistic {
    /// Every statistic with the word it is asked with.
    pub(super) const ALL: [(Self, &'static str); 4] =
        [(Self::Sum, "sum"), (Self::Avg, "avg"), (Self::Min, "min"), (Self::Max, "max")];

    /// The statistic of that word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(statistic, _)| statistic)
    }

    /// The word it is asked with.
    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(known, _)| *known == self).map_or("", |(_, word)| word)
    }
}

/// A statistic of the numbers so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    statistic: Statistic,
    count: f64,
    value: f64,
}

impl Running {
    /// Of no numbers yet.
    pub(super) fn new(statistic: Statistic) -> Self {
        Self { statistic, count: 0.0, value: 0.0 }
    }

    /// Takes in one more number.
    pub(super) fn add(&mut self, number: f64) {
        self.value = match self.statistic {
            Statistic::Sum | Statistic::Avg => self.value + number,
            Statistic::Min | Statistic::Max if self.count == 0.0 => number,
            Statistic::Min => self.value.min(number),
            Statistic::Max => self.value.max(number),
        };
        self.count += 1.0;
    }

    /// What they come to; `None` where that takes a number and there is none.
    pub(super) fn value(&self) -> Option<f64> {
        match self.statistic {
            Statistic::Sum => Some(self.value),
            _ if self.count == 0.0 => None,
            Statistic::Avg => Some(self.value / self.count),
            Statistic::Min | Statistic::Max => Some(self.value),
        }
    }
}
