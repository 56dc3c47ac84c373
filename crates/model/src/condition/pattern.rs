//! Regular expressions of rules: matched in time linear in the text, and bounded in memory.
//!
//! Whoever may define audiences writes them, and texts come from anyone. The engine never backtracks,
//! so no pattern takes more than its size times the length of the text; the limits here keep both small.

use compact_str::CompactString;
use regex::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
pub(super) const MAX_PATTERN_BYTES: usize = 512;
/// Largest compiled pattern, in bytes: some hundred repetitions of a class of ASCII letters, or a dozen
/// of `\w`, which has the letters of all languages.
pub(super) const MAX_COMPILED_BYTES: usize = 256 * 1024;
/// Most patterns of one rule, so that no rule takes more than 4 MiB compiled.
pub(super) const MAX_PATTERNS: usize = 16;
/// Longest text that is searched, in bytes; a longer one matches nothing. Addresses of pages are
/// shorter, and the largest pattern is done with such a text in milliseconds.
pub(super) const MAX_TEXT_BYTES: usize = 8 * 1024;
/// Deepest nesting of groups and repetitions.
const MAX_NESTING: u32 = 50;

/// A regular expression of a rule.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: CompactString,
    regex: Regex,
}

/// Two patterns are equal where they are written alike; whether case counts stands beside them.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// Compiles a pattern; `None` when it is none, too long, or too large once compiled.
    pub(super) fn new(text: &str, ignore_case: bool) -> Option<Self> {
        if text.is_empty() || MAX_PATTERN_BYTES < text.len() {
            return None;
        }
        let regex = RegexBuilder::new(text)
            .case_insensitive(ignore_case)
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(MAX_COMPILED_BYTES)
            .nest_limit(MAX_NESTING)
            .build()
            .ok()?;
        Some(Self { text: text.into(), regex })
    }

    /// The pattern as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether some part of `text` fits.
    pub(super) fn fits(&self, text: &str) -> bool {
        text.len() <= MAX_TEXT_BYTES && self.regex.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_too_large_is_refused() {
        for bomb in ["a{1000}{1000}", r"(\w{30}){30}", "((a{60}){60}){60}", &"(".repeat(200)] {
            assert_eq!(Pattern::new(bomb, false), None, "{bomb}");
        }
        let nested = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        assert_eq!(Pattern::new(&nested, false), None);
        assert_eq!(Pattern::new(&"a".repeat(MAX_PATTERN_BYTES + 1), false), None);
        assert_eq!(Pattern::new("", false), None);
        assert_eq!(Pattern::new("(a)\\1", false), None, "what needs backtracking is no pattern");
    }

    #[test]
    fn useful_patterns_fit() {
        for (pattern, text) in [
            (r"^[\w.+-]+@[\w-]+\.[\w.]+$", "ann@example.org"),
            (r"^/(shop|butik)/[^/?]+/\d{4,}(\?|$)", "/shop/kitchen/10023?x=1"),
            (r"(?i)\b(sale|rea|ausverkauf)\b", "Sommar-REA"),
            (r"^\+46\d{7,10}$", "+46701234567"),
        ] {
            assert!(Pattern::new(pattern, false).unwrap().fits(text), "{pattern}");
        }
    }

    /// Each of these takes an engine that backtracks longer than the world has stood.
    #[test]
    fn bombs_are_answered_in_linear_time() {
        let text = "a".repeat(MAX_TEXT_BYTES);
        for bomb in ["(a*)*b", "(a+)+$b", "(a|aa)+b", "(a|a?)+b", "(.*a){20}b", "(a?){60}a{60}b"] {
            let pattern = Pattern::new(bomb, false).unwrap();
            assert!(!pattern.fits(&text), "{bomb}");
        }
        assert!(!Pattern::new("a", false).unwrap().fits(&format!("{text}a")), "too long a text");
    }
}
