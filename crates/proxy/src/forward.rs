//! Calls and answers as they are passed on (RFC 9110, 7.6).

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hyper::{
    HeaderMap, Version,
    header::{self, Entry, HeaderName, HeaderValue},
    http::request::Parts,
};
use hyper_util::client::legacy::connect::HttpConnector;

use crate::{Options, visit::Origin};

/// Headers that are for the next hop alone, beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const VIA: HeaderValue = HeaderValue::from_static("1.1 concierge");
/// What says which bytes an answer has, and for how long and for whom they are kept.
const OF_THE_ORIGINAL: [HeaderName; 10] = [
    header::ACCEPT_RANGES,
    header::AGE,
    header::CONTENT_LENGTH,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("surrogate-control"),
];

/// Makes connections over which calls are passed on or asked: what is written goes out at once.
pub(crate) fn connector(time_max: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(time_max));
    connector
}

impl Origin {
    /// Where a call comes from, by what the trusted proxies in front say, where there are any.
    pub(crate) fn of(parts: &Parts, peer: SocketAddr, options: &Options) -> Self {
        let trusted = |name: &HeaderName| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .filter(|_| 0 < options.proxies)
        };
        let own = parts.uri.authority().map(|authority| authority.as_str());
        let own = own.or(parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()));
        let host = trusted(&FORWARDED_HOST).or(own).unwrap_or_default().to_owned();
        let scheme =
            trusted(&FORWARDED_PROTO).filter(|scheme| *scheme == "https").unwrap_or("http");
        let ip = forwarded(&parts.headers, options.proxies).unwrap_or(peer.ip());
        Self { ip: ip.to_canonical(), scheme: scheme.to_owned(), host }
    }
}

/// The address that the outermost trusted proxy saw: the so-manieth from the right.
fn forwarded(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    let position = listed.len().checked_sub(proxies).filter(|_| 0 < proxies)?;
    listed.get(position)?.trim().parse().ok()
}

/// Makes a call one that is passed on.
pub(crate) fn call(parts: &mut Parts, peer: SocketAddr, origin: &Origin, options: &Options) {
    let headers = &mut parts.headers;
    drop_hop_by_hop(headers);
    // It was heeded here.
    headers.remove(header::EXPECT);
    let peer = peer.ip().to_canonical().to_string();
    let lines = headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let way: Vec<&str> = lines.chain([peer.as_str()]).collect();
    set(headers, FORWARDED_FOR, &way.join(", "));
    set(headers, FORWARDED_PROTO, &origin.scheme);
    set(headers, FORWARDED_HOST, &origin.host);
    if let Some(authority) = parts.uri.authority() {
        set(headers, header::HOST, authority.as_str());
    } else if let Entry::Vacant(entry) = headers.entry(header::HOST) {
        entry.insert(options.upstream.as_header());
    }
    headers.append(header::VIA, VIA);
    parts.version = Version::HTTP_11;
}

/// Asks for a page as it is: whole, unpacked, and not only if it has changed.
pub(crate) fn ask_for_page(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(header::IF_MODIFIED_SINCE);
    headers.remove(header::IF_NONE_MATCH);
}

/// Makes an answer one that is passed on.
pub(crate) fn answer(headers: &mut HeaderMap) {
    drop_hop_by_hop(headers);
    headers.append(header::VIA, VIA);
}

/// Says that an answer is for one visitor: no cache may keep it, and what tells versions of the original apart tells
/// nothing of it.
pub(crate) fn make_personal(headers: &mut HeaderMap) {
    for name in &OF_THE_ORIGINAL {
        headers.remove(name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
}

/// Whether an answer is a page that can be changed: HTML, not packed, in an encoding that holds ASCII as it is.
pub(crate) fn is_page(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let is_html = kind.split(';').next().is_some_and(|kind| kind.trim() == "text/html");
    let is_other = ["utf-16", "utf-32", "utf-7", "iso-2022", "hz-gb", "ucs-2", "csunicode"]
        .iter()
        .any(|other| kind.contains(other));
    let is_plain = text(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    is_html && !is_other && is_plain && !headers.contains_key(header::CONTENT_RANGE)
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok());
    let named: Vec<HeaderName> = named.collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn passed_on(headers: &[(&str, &str)], proxies: usize) -> (Origin, HeaderMap) {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let address = || "http://a:1".parse().unwrap();
        let options = Options { proxies, ..Options::new(address(), address(), String::new()) };
        let peer = "192.0.2.9:5000".parse().unwrap();
        let origin = Origin::of(&parts, peer, &options);
        call(&mut parts, peer, &origin, &options);
        (origin, parts.headers)
    }

    #[test]
    fn what_is_for_one_hop_stays_there() {
        let (_, headers) = passed_on(
            &[
                ("connection", "close, X-Own"),
                ("x-own", "1"),
                ("upgrade", "h2c"),
                ("te", "trailers"),
                ("x", "y"),
            ],
            0,
        );
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["host", "via", "x", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
        );
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let said = [
            ("host", "shop.example"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "www.shop.example"),
        ];
        let (origin, headers) = passed_on(&said, 0);
        assert_eq!(
            (origin.ip.to_string(), origin.scheme, origin.host),
            ("192.0.2.9".into(), "http".into(), "shop.example".into())
        );
        assert_eq!(headers.get("x-forwarded-for").unwrap(), "192.0.2.1, 192.0.2.9");
        assert_eq!(headers.get("host").unwrap(), "shop.example");
        let (origin, _) = passed_on(&said, 1);
        assert_eq!(
            (origin.ip.to_string(), origin.scheme, origin.host),
            ("192.0.2.1".into(), "https".into(), "www.shop.example".into())
        );
    }

    #[test]
    fn pages_are_told_from_what_cannot_be_changed() {
        let is = |kind: &str, packed: Option<&str>| {
            let mut headers = HeaderMap::new();
            set(&mut headers, header::CONTENT_TYPE, kind);
            packed.iter().for_each(|packed| set(&mut headers, header::CONTENT_ENCODING, packed));
            is_page(&headers)
        };
        assert!(is("text/html", None) && is("Text/HTML; charset=UTF-8", Some("identity")));
        assert!(is("text/html;charset=iso-8859-1", None));
        assert!(
            !is("text/html", Some("gzip"))
                && !is("text/htmlx", None)
                && !is("application/json", None)
        );
        assert!(
            !is("text/html; charset=utf-16le", None) && !is("text/html; charset=ISO-2022-JP", None)
        );
    }
}
