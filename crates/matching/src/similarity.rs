//! How alike are two texts?
//!
//! The distances themselves are `strsim`'s. Most pairs of a block are strangers, so a bound that
//! costs a few instructions is asked first, and spares nearly all of them the distance.

use compact_str::CompactString;

/// Characters of a common beginning that Winkler's bonus counts.
const PREFIX_CHARS_MAX: usize = 4;
/// What each of them adds of the way to 1.
const PREFIX_BONUS: f64 = 0.1;
/// What a bound is raised by, so that rounding never makes it smaller than the distance it bounds.
const ROUNDING: f64 = 1e-9;

/// Classes of characters that bounds count: by the character's code modulo this, so that the letters
/// of the Latin alphabet have one each.
const LETTERS: usize = 32;

/// A text of at most 255 characters, with what bounds need to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    text: CompactString,
    chars: u32,
    /// How many of its characters are of each class.
    letters: [u8; LETTERS],
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let mut chars = 0;
        let mut letters = [0_u8; LETTERS];
        for letter in text.chars() {
            chars += 1;
            if let Some(count) = letters.get_mut(u32::from(letter) as usize % LETTERS) {
                *count = count.saturating_add(1);
            }
        }
        Self { text: text.into(), chars, letters }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// At most so many characters have a partner of their own in the other text.
    fn common(&self, other: &Self) -> u32 {
        let differences = self.letters.iter().zip(&other.letters).map(|(a, b)| a.abs_diff(*b));
        let differing: u32 = differences.map(u32::from).sum();
        (self.chars + other.chars).saturating_sub(differing) / 2
    }
}

/// The Jaro–Winkler similarity, 0 to 1, or 0 where it is certain to lie below `least`.
///
/// Jaro's matching is greedy, so that it can depend on which text comes first; here the smaller does.
pub(crate) fn jaro_winkler(a: &Text, b: &Text, least: f64) -> f64 {
    if jaro_winkler_at_most(a, b) < least {
        return 0.0;
    }
    let (first, second) = if a.text <= b.text { (a, b) } else { (b, a) };
    strsim::jaro_winkler(&first.text, &second.text)
}

/// A bound: every character that the other text may have matches, in order.
fn jaro_winkler_at_most(a: &Text, b: &Text) -> f64 {
    let matching = a.common(b);
    if matching == 0 {
        return if a.chars == b.chars { 1.0 } else { 0.0 };
    }
    let matching = f64::from(matching);
    let jaro = (matching / f64::from(a.chars) + matching / f64::from(b.chars) + 1.0) / 3.0;
    let same = a.text.chars().zip(b.text.chars()).take(PREFIX_CHARS_MAX);
    let prefix = same.take_while(|(a, b)| a == b).fold(0.0, |length, _| length + 1.0);
    jaro + PREFIX_BONUS * prefix * (1.0 - jaro) + ROUNDING
}

/// The Damerau–Levenshtein distance in characters, or `None` where it is more than `most`.
pub(crate) fn edits(a: &Text, b: &Text, most: u32) -> Option<u32> {
    if a.chars.max(b.chars) - a.common(b) > most {
        return None;
    }
    let distance = u32::try_from(strsim::damerau_levenshtein(&a.text, &b.text)).ok()?;
    (distance <= most).then_some(distance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-d]{0,8}", "[a-zåäö ]{0,12}", "\\PC{0,6}"]
    }

    proptest! {
        #[test]
        fn bounds_change_no_answer(a in text(), b in text(), least in 0.5..1.0, most in 0_u32..4) {
            let (x, y) = (Text::new(&a), Text::new(&b));
            let similarity = strsim::jaro_winkler(a.as_str().min(&b), a.as_str().max(&b));
            let told = jaro_winkler(&x, &y, least);
            prop_assert_eq!(told >= least, similarity >= least, "{} for {}", told, similarity);
            let distance = strsim::damerau_levenshtein(&a, &b);
            let expected = u32::try_from(distance).ok().filter(|distance| *distance <= most);
            prop_assert_eq!(edits(&x, &y, most), expected);
        }

        #[test]
        fn likeness_has_no_direction(a in text(), b in text()) {
            let (x, y) = (Text::new(&a), Text::new(&b));
            prop_assert!((jaro_winkler(&x, &y, 0.0) - jaro_winkler(&y, &x, 0.0)).abs() < 1e-12);
            prop_assert_eq!(edits(&x, &y, 9), edits(&y, &x, 9));
        }
    }

    #[test]
    fn the_published_examples_hold() {
        // Winkler (1990), table 6; Damerau's transposition counts once.
        let similarity = |a: &str, b: &str| jaro_winkler(&Text::new(a), &Text::new(b), 0.0);
        assert!((similarity("martha", "marhta") - 0.961).abs() < 0.001);
        assert!((similarity("dixon", "dicksonx") - 0.813).abs() < 0.001);
        assert_eq!(edits(&Text::new("smith"), &Text::new("simth"), 2), Some(1));
    }
}
