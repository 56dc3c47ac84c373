//! How many people are in an audience, told from a part of all people.
//!
//! Whether a person is in the part is decided by hashes of what says nothing about them, so each of the `N` people in
//! question is found in it with the same probability `f`, independently of the others: Bernoulli sampling (Särndal,
//! Swensson and Wretman, *Model Assisted Survey Sampling*, 1992, section 3.2). How many are found is then binomial, and
//! the interval holds every `N` that the score test does not reject, as Wilson's does for a share (*Probable inference,
//! the law of succession, and statistical inference*, 1927): those with `|found - N·f| ≤ z·√(N·f·(1 - f))`.

use serde::Serialize;

/// The quantile of the normal distribution for an interval that holds the true number 19 times in 20.
const Z: f64 = 1.96;

/// A number of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The likeliest number.
    pub value: u64,
    /// The least of the 95 % interval.
    pub low: u64,
    /// The greatest of it.
    pub high: u64,
}

impl Estimate {
    /// The number of all, where `found` of them are in a random `part` of all people: above 0, and at 1 exact.
    pub fn of(found: u64, part: f64) -> Self {
        if !(0.0 < part && part < 1.0) {
            return Self { value: found, low: found, high: found };
        }
        #[expect(clippy::cast_precision_loss, reason = "no workspace has as many people as that")]
        let k = found as f64;
        // The two roots of (k - N·f)² = z²·N·f·(1 - f) in N.
        let spread = Z * Z * (1.0 - part);
        let middle = k + spread / 2.0;
        let half = (spread * (k + spread / 4.0)).sqrt();
        let low = ((middle - half) / part).floor();
        let high = ((middle + half) / part).ceil();
        Self { value: whole(k / part), low: whole(low).max(found), high: whole(high) }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of people: neither negative nor anywhere near the largest integer, where it would saturate"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A generator of SplitMix64, after Steele, Lea and Flood, 2014.
    struct Random(u64);

    impl Random {
        fn below_one(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            f64::from(u32::try_from(mixed >> 32).unwrap()) / f64::from(u32::MAX)
        }
    }

    /// In how many of a thousand parts of all people the interval holds the true number.
    fn held(seed: u64, people: u64, part: f64) -> u32 {
        let mut random = Random(seed);
        let mut held = 0;
        for _ in 0..1_000 {
            let found = (0..people).filter(|_| random.below_one() < part).count();
            let Estimate { low, high, .. } = Estimate::of(u64::try_from(found).unwrap(), part);
            held += u32::from((low..=high).contains(&people));
        }
        held
    }

    #[test]
    fn the_interval_holds_the_true_number_as_often_as_it_says() {
        // A score interval reaches its level on the whole and falls a little short here and there, where the
        // number is small: that is what discreteness does to it.
        for part in [0.02_f64, 0.1, 0.5, 0.9] {
            for people in [10, 60, 400, 2_000] {
                let held = held(people ^ part.to_bits(), people, part);
                assert!(930 <= held, "{held} of 1000 for {people} people and a part of {part}");
            }
        }
    }

    #[test]
    fn an_empty_part_says_that_there_are_few_and_the_whole_is_exact() {
        assert_eq!(Estimate::of(0, 0.01), Estimate { value: 0, low: 0, high: 381 });
        assert_eq!(Estimate::of(7, 1.0), Estimate { value: 7, low: 7, high: 7 });
        assert_eq!(Estimate::of(100, 0.1), Estimate { value: 1000, low: 830, high: 1205 });
    }

    proptest! {
        #[test]
        fn the_interval_holds_its_middle_and_narrows_with_the_part(
            found in 0_u64..1_000_000, part in 0.001_f64..1.0, more in 0.001_f64..1.0,
        ) {
            let Estimate { value, low, high } = Estimate::of(found, part);
            prop_assert!(found <= low && low <= value && value <= high);
            // Of the same total, a greater part tells more.
            let greater = part + (1.0 - part) * more;
            let total = u64::from(u32::try_from(found).unwrap());
            let width = |part: f64| {
                let Estimate { low, high, .. } = Estimate::of(whole(total as f64 * part), part);
                high - low
            };
            // Rounding to whole people moves each end by up to a person, or by as many as one found stands for.
            prop_assert!(width(greater) <= width(part) + 2 + whole(4.0 / part));
        }
    }
}
