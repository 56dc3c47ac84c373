//! Where a redirect may lead: to an address that the definition spells out, so that no visitor chooses it.
//!
//! A string of content whose schema has `"format": "redirect"` is such an address.

use crate::template;

/// The format of a schema that makes a string an address to be led to.
pub(crate) const FORMAT: &str = "redirect";
/// The member of content that has the address.
pub(crate) const MEMBER: &str = "url";
/// Longest address, in bytes: what browsers and proxies take.
const MAX_BYTES: usize = 2_048;
/// Where redirects are decided; an address below leads round in circles.
const OWN_PATH: &str = "/r/";

/// Why a text is no address that a visitor may be led to.
pub(crate) fn fault(text: &str) -> Option<&'static str> {
    if template::is_template(text) {
        return Some("the address of a redirect is written out, so it is no template");
    }
    if text.len() > MAX_BYTES {
        return Some("a redirect has at most 2048 bytes");
    }
    let is_legal = |byte: u8| byte.is_ascii_graphic() && !br#"\"<>^`{|}"#.contains(&byte);
    if !text.bytes().all(is_legal) {
        return Some(
            "write the address of a redirect as it travels: ASCII, everything else escaped",
        );
    }
    if text.starts_with(OWN_PATH) {
        return Some("this leads to another redirect");
    }
    let is_path = text.starts_with('/') && !text.starts_with("//");
    if is_path || has_host(text) {
        return None;
    }
    Some("a redirect begins with https://, http:// or a single slash")
}

/// Whether it is an absolute address of the web with a host and without a name and password before it.
fn has_host(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|host| !host.is_empty() && !host.contains('@') && !host.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_spelled_out_and_lead_to_the_web() {
        for sound in [
            "https://shop.example/new?a=1#top",
            "http://localhost:8080",
            "/landing/b",
            "/",
            "/?x=%20",
            "https://shop.example/r/other",
        ] {
            assert_eq!(fault(sound), None, "{sound}");
        }
        for unsound in [
            "",
            "landing",
            "//evil.example/",
            "/\\evil.example",
            "javascript:alert(1)",
            "https://",
            "https://:80/",
            "https://shop.example@evil.example/",
            "https://{{ context.page.url }}",
            "/{{ profile.id }}",
            "/r/landing",
            "/a b",
            "/å",
            "/a\r\nset-cookie:x",
        ] {
            assert!(fault(unsound).is_some(), "{unsound}");
        }
        assert!(fault(&format!("/{}", "x".repeat(MAX_BYTES))).is_some());
    }
}
