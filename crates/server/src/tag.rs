//! Tags of answers that a caller may have already (RFC 9110, 8.8.3 and 13.1.2).

use axum::http::{HeaderMap, header};

/// The tag of an answer that has these bytes.
pub(crate) fn of(bytes: &[u8]) -> String {
    format!("\"{}\"", blake3::hash(bytes).to_hex())
}

/// Whether the caller has the answer with this tag already.
pub(crate) fn holds(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = listed.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    // Of an answer that is there, `*` always holds (RFC 9110, 13.1.2). Weak comparison passes over `W/`.
    tags.any(|one| matches!(one.trim(), one if one == "*" || one.trim_start_matches("W/") == tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let held = |sent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, sent.parse().unwrap());
            holds(&headers, "\"ab\"")
        };
        assert!(held("\"ab\"") && held("W/\"ab\"") && held("\"x\", W/\"ab\"") && held("*"));
        assert!(!held("\"abc\"") && !held("ab") && !held(""));
    }
}
