//! What a server says went wrong (RFC 9457), and how a person is told.

use serde_json::Value;

/// A problem document, reduced to what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// The stable code, when the answer had one.
    pub(crate) code: Option<String>,
    /// The sentence for people.
    pub(crate) detail: String,
    /// JSON pointers with what is wrong there.
    pub(crate) faults: Vec<(String, String)>,
}

impl Problem {
    /// Reads the body of a failed call; anything that is no problem document is shown as it is, cut.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        let raw = || String::from_utf8_lossy(body).chars().take(300).collect::<String>();
        let detail = text("detail").or_else(|| text("title")).unwrap_or_else(raw);
        let listed = document.get("faults").or_else(|| document.get("errors"));
        let fault = |entry: &Value| {
            let part = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
            Some((part("pointer").unwrap_or_default(), part("detail").or_else(|| part("message"))?))
        };
        let faults = listed.and_then(Value::as_array).into_iter().flatten().filter_map(fault);
        Self { status, code: text("code"), detail, faults: faults.collect() }
    }

    /// As an error that names the call, the faults and what to do.
    pub(crate) fn into_error(self, path: &str) -> anyhow::Error {
        let path = path.split('?').next().unwrap_or(path);
        let code = self.code.map(|code| format!(" ({code})")).unwrap_or_default();
        let mut message = format!("{path} answered {}{code}: {}", self.status, self.detail);
        for (pointer, detail) in &self.faults {
            message.push_str(&format!(
                "\n  {}: {detail}",
                if pointer.is_empty() { "/" } else { pointer }
            ));
        }
        match self.status {
            401 => message.push_str(
                "\n  check --token (CONCIERGE_TOKEN) and --write-key (CONCIERGE_WRITE_KEY)",
            ),
            403 => message
                .push_str("\n  the token lacks the right to do this: use one with a wider scope"),
            _ => {}
        }
        anyhow::anyhow!(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_listed_with_their_pointers() {
        let body = br#"{"title":"Invalid","status":422,"code":"invalid_document","detail":"the document has 1 fault",
            "faults":[{"pointer":"/condition/op","detail":"no such operator"}]}"#;
        let error = Problem::read(422, body).into_error("/api/v1/audiences/vip?x=1");
        assert_eq!(
            error.to_string(),
            "/api/v1/audiences/vip answered 422 (invalid_document): the document has 1 fault\n  \
             /condition/op: no such operator"
        );
    }

    #[test]
    fn anything_else_is_shown_as_it_is() {
        assert_eq!(Problem::read(502, b"Bad Gateway").detail, "Bad Gateway");
    }
}
