//! Which names may be shown and counted by themselves.
//!
//! Names of events and properties come from whoever has a write key. Usually they are words of a
//! vocabulary; now and then somebody puts a person's address or an order's number into one. What does
//! not look like a word is counted under a name that stands for all such.

/// Stands for every name that is not shown, and for every position of a list.
pub const ANY: &str = "*";

/// Longest name that is shown, in bytes.
const BYTES_MAX: usize = 100;
/// Most digits of a name that is shown: years and versions have four, numbers of orders and phones more.
const DIGITS_MAX: usize = 4;

/// The name as it may be shown.
pub fn shown(name: &str) -> &str {
    if is_word(name) { name } else { ANY }
}

fn is_word(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || " _-.:$/()&+'".contains(c);
    let digits = name.chars().filter(|c| c.is_numeric()).count();
    !name.is_empty()
        && name.len() <= BYTES_MAX
        && digits <= DIGITS_MAX
        && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_and_what_looks_like_data_is_not() {
        for name in ["Order Completed", "$browser_version", "Köp genomfört", "utm_2026", "a/b (c)"]
        {
            assert_eq!(shown(name), name);
        }
        let long = "x".repeat(BYTES_MAX + 1);
        for name in ["anna@example.com", "+46701234567", "order 12345", "", "a\nb", "<b>", &long] {
            assert_eq!(shown(name), ANY, "{name}");
        }
    }
}
