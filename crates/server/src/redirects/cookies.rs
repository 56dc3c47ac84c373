//! The cookies of a redirect: who the visitor is, and how often they were led on lately.

use axum::http::{HeaderMap, HeaderValue, header};
use model::IdentifierType;

/// The visitor's anonymous id, under the name by which the page's analytics client knows it too.
const VISITOR: &str = "ajs_anonymous_id";
/// How long a visitor is known, in seconds: 365 days.
const VISITOR_SECONDS: u32 = 365 * 86_400;
/// How often a visitor was led on within [`HOPS_SECONDS`].
const HOPS: &str = "concierge_redirects";
/// How long a step counts, in seconds: a circle takes a second or two for as many as are allowed.
const HOPS_SECONDS: u32 = 10;
/// After so many steps on end it is a circle; browsers stop at some twenty.
pub(super) const HOPS_MAX: u32 = 8;

/// What a browser brought.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Cookies {
    pub(super) visitor: Option<String>,
    pub(super) hops: u32,
}

impl Cookies {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = Self::default();
        for (name, value) in
            lines.flat_map(|line| line.split(';')).filter_map(|c| c.split_once('='))
        {
            match name.trim() {
                VISITOR if cookies.visitor.is_none() => cookies.visitor = visitor(value),
                HOPS => cookies.hops = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
        cookies
    }

    /// What the browser is to keep: the visitor only where something is recorded of them, which consent allows then.
    pub(super) fn written(&self, visitor: Option<&str>, is_secure: bool) -> Vec<HeaderValue> {
        let secure = if is_secure { "; Secure" } else { "" };
        let hops = format!(
            "{HOPS}={}; Path=/r; Max-Age={HOPS_SECONDS}; HttpOnly; SameSite=Lax{secure}",
            self.hops.saturating_add(1)
        );
        // Scripts of the page read it, so that what they report is of the same visitor.
        let visitor = visitor.filter(|_| self.visitor.is_none()).map(|visitor| {
            format!("{VISITOR}={visitor}; Path=/; Max-Age={VISITOR_SECONDS}; SameSite=Lax{secure}")
        });
        let all = [Some(hops), visitor].into_iter().flatten();
        all.filter_map(|cookie| HeaderValue::from_str(&cookie).ok()).collect()
    }
}

/// An anonymous id as clients write it: as it is, or as JSON text, escaped or not.
fn visitor(value: &str) -> Option<String> {
    let value = value.trim().replace("%22", "\"");
    let id = value.trim_matches('"');
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let is_sound = (1..=IdentifierType::MAX_VALUE_BYTES).contains(&id.len());
    (is_sound && id.bytes().all(is_legal)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Cookies {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, line.parse().unwrap());
        Cookies::read(&headers)
    }

    #[test]
    fn a_visitor_is_read_as_clients_write_them() {
        let known = |id: &str, hops| Cookies { visitor: Some(id.to_owned()), hops };
        assert_eq!(read("a=b; ajs_anonymous_id=3f-2; concierge_redirects=2"), known("3f-2", 2));
        assert_eq!(read("ajs_anonymous_id=%223f-2%22"), known("3f-2", 0));
        assert_eq!(read("ajs_anonymous_id=\"3f-2\""), known("3f-2", 0));
        assert_eq!(read("ajs_anonymous_id=; concierge_redirects=x"), Cookies::default());
        assert_eq!(read("ajs_anonymous_id=<script>"), Cookies::default());
    }
}
