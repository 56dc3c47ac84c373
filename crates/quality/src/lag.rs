//! How late events come, and how far senders' clocks are off: counts in steps that people think in.

use model::Duration;

/// The first is for events that happened after they came; each other counts what is below its bound.
const LATENESS: [(Duration, &str); 10] = [
    (Duration::seconds(-1), "ahead"),
    (Duration::seconds(1), "below 1 s"),
    (Duration::seconds(10), "below 10 s"),
    (Duration::seconds(60), "below 1 min"),
    (Duration::seconds(600), "below 10 min"),
    (Duration::hours(1), "below 1 h"),
    (Duration::hours(6), "below 6 h"),
    (Duration::hours(24), "below 1 d"),
    (Duration::hours(48), "below 2 d"),
    (Duration::days(7), "below 7 d"),
];
/// What is beyond the last bound.
const LATER: &str = "7 d or more";

/// By how much the sender's clock is behind the server's. The way through the network is in it.
const SKEW: [(Duration, &str); 8] = [
    (Duration::days(-1), "ahead by more than 1 d"),
    (Duration::hours(-1), "ahead by more than 1 h"),
    (Duration::seconds(-300), "ahead by more than 5 min"),
    (Duration::seconds(-5), "ahead by more than 5 s"),
    (Duration::seconds(5), "within 5 s"),
    (Duration::seconds(300), "behind by less than 5 min"),
    (Duration::hours(1), "behind by less than 1 h"),
    (Duration::days(1), "behind by less than 1 d"),
];
const FAR_BEHIND: &str = "behind by 1 d or more";

/// Counts of lateness, one for each of [`lateness_labels`].
pub type Lateness = [u64; LATENESS.len() + 1];
/// Counts of clock skew, one for each of [`skew_labels`].
pub type Skew = [u64; SKEW.len() + 1];

/// Where an event counts that came so long after it happened.
pub fn lateness_step(lateness: Duration) -> usize {
    step(&LATENESS, lateness)
}

/// Where a call counts whose sender's clock is behind by `skew`.
pub fn skew_step(skew: Duration) -> usize {
    step(&SKEW, skew)
}

fn step(bounds: &[(Duration, &str)], value: Duration) -> usize {
    bounds.iter().position(|(bound, _)| value < *bound).unwrap_or(bounds.len())
}

/// What each count of lateness is called.
pub fn lateness_labels() -> impl Iterator<Item = &'static str> {
    LATENESS.iter().map(|(_, label)| *label).chain([LATER])
}

/// What each count of skew is called.
pub fn skew_labels() -> impl Iterator<Item = &'static str> {
    SKEW.iter().map(|(_, label)| *label).chain([FAR_BEHIND])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lag_counts_in_its_step() {
        let late = |seconds| lateness_labels().nth(lateness_step(Duration::seconds(seconds)));
        assert_eq!(late(-60), Some("ahead"));
        assert_eq!(late(0), Some("below 1 s"));
        assert_eq!(late(1), Some("below 10 s"));
        assert_eq!(late(7 * 86_400), Some("7 d or more"));
        let off = |seconds| skew_labels().nth(skew_step(Duration::seconds(seconds)));
        assert_eq!(off(-86_401), Some("ahead by more than 1 d"));
        assert_eq!(off(0), Some("within 5 s"));
        assert_eq!(off(5), Some("behind by less than 5 min"));
        assert_eq!(off(86_400), Some("behind by 1 d or more"));
    }

    #[test]
    fn bounds_rise() {
        assert!(LATENESS.is_sorted() && SKEW.is_sorted());
    }
}
