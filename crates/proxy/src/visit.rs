//! Who asks for a page, and what may be known of them.

use std::{borrow::Cow, net::IpAddr};

use hyper::{
    HeaderMap, Method,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
};
use serde_json::{Map, Value, json};

use crate::{Consent, Options};

/// The visitor's anonymous id, under the name by which the browser's client keeps it.
const VISITOR: &str = "ajs_anonymous_id";
/// How long a visitor is known, in seconds: 365 days.
const VISITOR_SECONDS: u32 = 365 * 86_400;
/// Longest id, in bytes.
const VISITOR_BYTES_MAX: usize = 512;
/// What the visitor answered when they were asked for consent, under the name by which the browser's client keeps it.
const ANSWER: &str = "concierge_consent";
/// The parameter that brings a preview, which the browser's client shows; then the cookie by which it says so.
const PREVIEW: &str = "concierge_preview";
/// What tells the server of a browser, and of what it does not want.
const TOLD: [&str; 9] = [
    "user-agent",
    "sec-gpc",
    "dnt",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-ch-ua-model",
    "from",
    "x-forwarded-for",
];

/// Somebody who is shown a page.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) visitor: String,
    /// Whether nobody has seen them before, so that their browser is to keep the id.
    pub(crate) is_new: bool,
    /// The address of the page.
    pub(crate) url: String,
    is_secure: bool,
    context: Value,
    /// Headers to ask with.
    pub(crate) headers: HeaderMap,
}

/// How a call came here.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) ip: IpAddr,
    pub(crate) scheme: String,
    pub(crate) host: String,
}

impl Visit {
    /// The visit that a call is; none where it is for no page, or nothing may be decided.
    pub(crate) fn of(parts: &Parts, origin: &Origin, options: &Options) -> Option<Self> {
        let headers = &parts.headers;
        let query = parts.uri.query().unwrap_or_default();
        let is_preview = cookie(headers, PREVIEW).is_some()
            || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == PREVIEW);
        if parts.method != Method::GET || !Self::is_for_page(headers) || is_preview {
            return None;
        }
        let answer = cookie(headers, ANSWER).and_then(|text| consent(&text));
        let is_allowed = match &answer {
            Some(answer) => answer.values().any(|granted| *granted == Value::Bool(true)),
            None => options.consent == Consent::Assumed,
        };
        if !is_allowed {
            return None;
        }
        let known = cookie(headers, VISITOR).and_then(|text| visitor(&text));
        let is_new = known.is_none();
        let visitor = known.or_else(new_id)?;
        let url = format!("{}://{}{}", origin.scheme, origin.host, parts.uri);
        Some(Self {
            visitor,
            is_new,
            context: context(parts, origin, &url, answer),
            url,
            is_secure: origin.scheme == "https",
            headers: told(headers),
        })
    }

    /// Whether a browser asks for a page that somebody is to see now.
    pub(crate) fn is_for_page(headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_page =
            text("sec-fetch-dest").is_none_or(|to| ["document", "frame", "iframe"].contains(&to));
        // What is fetched ahead may never be seen.
        let is_ahead = [text("sec-purpose"), text("purpose")]
            .iter()
            .flatten()
            .any(|why| why.contains("prefetch"));
        let is_part = headers.contains_key(header::RANGE);
        text("accept").is_some_and(|accepted| accepted.contains("text/html"))
            && is_page
            && !is_ahead
            && !is_part
    }

    /// The question to the server.
    pub(crate) fn question(&self, write_key: &str) -> Vec<u8> {
        let question = json!({
            "write_key": write_key,
            "identifiers": {"anonymous_id": self.visitor},
            "context": self.context,
        });
        question.to_string().into_bytes()
    }

    /// What a new visitor's browser is to keep.
    pub(crate) fn cookie(&self) -> Option<HeaderValue> {
        let (id, secure) = (&self.visitor, if self.is_secure { "; Secure" } else { "" });
        // Scripts of the page read it, so that what they report is of the same visitor.
        let cookie =
            format!("{VISITOR}={id}; Path=/; Max-Age={VISITOR_SECONDS}; SameSite=Lax{secure}");
        HeaderValue::from_str(&cookie).ok().filter(|_| self.is_new)
    }
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(name, _)| name.trim() == wanted).map(|(_, value)| value);
    // A plus is a plus in a cookie.
    let value = value?.trim().replace('+', "%2B");
    form_urlencoded::parse(value.as_bytes()).next().map(|(text, _)| Cow::into_owned(text))
}

/// An anonymous id as clients write it: as it is, or as JSON text.
fn visitor(text: &str) -> Option<String> {
    let id = text.trim_matches('"');
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let is_sound = (1..=VISITOR_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_legal);
    is_sound.then(|| id.to_owned())
}

/// 128 random bits, as the browser's client writes them.
fn new_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// An answer, as far as it says yes or no to something.
fn consent(text: &str) -> Option<Map<String, Value>> {
    let mut answer: Map<String, Value> = serde_json::from_str(text).ok()?;
    answer.retain(|_, granted| granted.is_boolean());
    (!answer.is_empty()).then_some(answer)
}

fn context(
    parts: &Parts,
    origin: &Origin,
    url: &str,
    consent: Option<Map<String, Value>>,
) -> Value {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let search = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let languages = text(header::ACCEPT_LANGUAGE).unwrap_or_default();
    let language = languages.split([',', ';']).next().map(str::trim).filter(|one| !one.is_empty());
    json!({
        "page": {
            "url": url,
            "path": parts.uri.path(),
            "search": search,
            "referrer": text(header::REFERER).unwrap_or_default(),
        },
        "locale": language.filter(|language| *language != "*"),
        "user_agent": text(header::USER_AGENT),
        "ip": origin.ip.to_string(),
        "consent": {"categoryPreferences": consent},
    })
}

fn told(headers: &HeaderMap) -> HeaderMap {
    let mut told = HeaderMap::new();
    for name in TOLD {
        for value in headers.get_all(name) {
            told.append(HeaderName::from_static(name), value.clone());
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn visit(headers: &[(&str, &str)], consent: Consent) -> Option<Visit> {
        let mut request = Request::get("/a?b=c").header("accept", "text/html,*/*");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let origin = Origin {
            ip: "192.0.2.1".parse().unwrap(),
            scheme: "https".to_owned(),
            host: "shop.example".to_owned(),
        };
        let address = "http://a:1".parse().unwrap();
        let options = Options {
            consent,
            ..Options::new("http://a:1".parse().unwrap(), address, "k".to_owned())
        };
        Visit::of(&parts, &origin, &options)
    }

    #[test]
    fn a_visit_is_told_as_the_browsers_client_tells_it() {
        let headers = [
            (
                "cookie",
                "x=1; ajs_anonymous_id=%22a-1%22; concierge_consent=%7B%22analytics%22%3Atrue%7D",
            ),
            ("accept-language", "sv-SE,sv;q=0.9"),
            ("referer", "https://a.se/"),
            ("sec-gpc", "1"),
        ];
        let visit = visit(&headers, Consent::Required).unwrap();
        let question: Value = serde_json::from_slice(&visit.question("k")).unwrap();
        let expected = json!({
            "write_key": "k",
            "identifiers": {"anonymous_id": "a-1"},
            "context": {
                "page": {
                    "url": "https://shop.example/a?b=c", "path": "/a", "search": "?b=c", "referrer": "https://a.se/",
                },
                "locale": "sv-SE",
                "user_agent": null,
                "ip": "192.0.2.1",
                "consent": {"categoryPreferences": {"analytics": true}},
            },
        });
        assert_eq!(question, expected);
        assert_eq!(visit.headers.get("sec-gpc").unwrap(), "1");
        assert_eq!(visit.cookie(), None);
    }

    #[test]
    fn nothing_is_decided_against_a_visitors_will() {
        let no = [("cookie", "ajs_anonymous_id=a; concierge_consent={%22analytics%22:false}")];
        assert!(visit(&no, Consent::Assumed).is_none());
        assert!(visit(&[], Consent::Required).is_none());
        assert!(visit(&[("cookie", "ajs_anonymous_id=a")], Consent::Required).is_none());
        let new = visit(&[("cookie", "ajs_anonymous_id=<script>")], Consent::Assumed).unwrap();
        let cookie = new.cookie().unwrap();
        assert!(new.visitor.len() == 32 && cookie.to_str().unwrap().ends_with("; Secure"));
    }

    #[test]
    fn only_pages_that_are_seen_are_decided_for() {
        for other in [
            ("sec-fetch-dest", "image"),
            ("sec-purpose", "prefetch;prerender"),
            ("range", "bytes=0-1"),
        ] {
            assert!(visit(&[other], Consent::Assumed).is_none(), "{other:?}");
        }
    }
}
