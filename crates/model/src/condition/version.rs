//! Semantic versions, as apps write them.

use semver::Version;

/// The version that `text` names, if it is one after semver.org.
///
/// Apps leave out what is zero and put a `v` before it, so that `v2.1` is version 2.1.0. Four numbers,
/// or a zero before another digit, are no version.
pub(super) fn parse(text: &str) -> Option<Version> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let numbers = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(numbers)?;
    match numbers.matches('.').count() {
        0 => Version::parse(&format!("{numbers}.0.0{rest}")).ok(),
        1 => Version::parse(&format!("{numbers}.0{rest}")).ok(),
        _ => Version::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_read_as_apps_write_them() {
        let read = |text: &str| super::parse(text).map(|version| version.to_string());
        assert_eq!(read("v2"), Some("2.0.0".into()));
        assert_eq!(read("2.1-beta.3+5"), Some("2.1.0-beta.3+5".into()));
        assert_eq!(read("2.10.0"), Some("2.10.0".into()));
        for text in ["", "v", "1.2.3.4", "1.02.3", "1..2", "-1", "latest", "1.2.3 ", "１.2.3"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
