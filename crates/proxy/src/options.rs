//! How to stand in front of a site.

use std::{fmt, str::FromStr, time::Duration};

use hyper::{Uri, header::HeaderValue, http::uri::Authority};

/// How the proxy stands in front of a site.
#[derive(Clone, Debug)]
pub struct Options {
    /// The site.
    pub upstream: Address,
    /// The server that decides.
    pub server: Address,
    /// The write key of a public source.
    pub write_key: String,
    /// How long a page waits for what is decided, once the site has begun to answer.
    pub patience: Duration,
    /// What holds for visitors who were not asked.
    pub consent: Consent,
    /// How many trusted proxies stand in front.
    pub proxies: usize,
    /// Where browsers reach the server that decides; with it, pages are given the tag.
    pub tag: Option<String>,
    /// How many connections are held at once.
    pub connections_max: usize,
    /// How long calls in flight may take once it is told to stop.
    pub drain: Duration,
}

impl Options {
    /// The usual case for this site, this server and this write key.
    pub fn new(upstream: Address, server: Address, write_key: String) -> Self {
        Self {
            upstream,
            server,
            write_key,
            patience: Duration::from_millis(50),
            consent: Consent::Assumed,
            proxies: 0,
            tag: None,
            connections_max: 10_000,
            drain: Duration::from_secs(10),
        }
    }
}

/// Whether visitors who were not asked for consent are treated by the workspace's defaults, or left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// By the defaults.
    Assumed,
    /// Left alone.
    Required,
}

/// Where a server listens, over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Authority);

/// A text is no [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write http://HOST:PORT, without a path")]
pub struct AddressError;

impl Address {
    pub(crate) fn as_header(&self) -> HeaderValue {
        // What an authority may be made of may stand in a header.
        HeaderValue::from_str(self.0.as_str()).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError)?;
        let is_plain =
            uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        authority.filter(|_| is_plain).cloned().map(Self).ok_or(AddressError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_plain_http() {
        let address: Address = "http://127.0.0.1:3000/".parse().unwrap();
        assert_eq!(address.to_string(), "127.0.0.1:3000");
        for bad in ["https://a", "a:1", "http://a/b", "http://", "http://u@a", "http://a?b"] {
            assert_eq!(bad.parse::<Address>(), Err(AddressError), "{bad}");
        }
    }
}
