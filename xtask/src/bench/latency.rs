//! How long did calls take?

use std::time::Duration;

/// The times of many calls, exactly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    all: Vec<Duration>,
}

impl Latencies {
    pub(crate) fn push(&mut self, took: Duration) {
        self.all.push(took);
    }

    /// All of several senders, in order.
    pub(crate) fn merged(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all: Vec<Duration> = parts.into_iter().flat_map(|part| part.all).collect();
        all.sort_unstable();
        Self { all }
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The least time that at least this many of a thousand calls did not exceed. Needs times in order.
    pub(crate) fn per_mille(&self, part: usize) -> Duration {
        let position = (self.all.len() * part).div_ceil(1000).saturating_sub(1);
        self.all.get(position).copied().unwrap_or_default()
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        self.all.last().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_occurred() {
        let ms = Duration::from_millis;
        let mut one = Latencies::default();
        let mut other = Latencies::default();
        for number in (1..=1000).rev() {
            if number % 3 == 0 { &mut one } else { &mut other }.push(ms(number));
        }
        let all = Latencies::merged([one, other]);
        assert_eq!(all.count(), 1000);
        assert_eq!(
            [500, 990, 999, 1000].map(|part| all.per_mille(part)),
            [ms(500), ms(990), ms(999), ms(1000)]
        );
        assert_eq!(all.max(), ms(1000));
        assert_eq!(Latencies::default().per_mille(500), Duration::ZERO);
    }
}
