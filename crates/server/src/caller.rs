//! What a call shows of who made it, beside what it says.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header, request::Parts};
use engine::{
    caller::Caller,
    definitions::{Source, SourceKind},
};

use crate::{app::App, serve::Peer};

/// Who called; nobody in particular where the source is a server, whose address is not the person's.
pub(crate) fn of<'a>(app: &App, source: &Source, parts: &'a Parts) -> Caller<'a> {
    match source.kind {
        SourceKind::Public => {
            let user_agent = parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok());
            let is_automatic = is_automatic(&parts.headers);
            Caller { ip: ip(parts, app.options.proxies), user_agent, is_automatic }
        }
        SourceKind::Server => Caller::default(),
    }
}

/// Whether headers tell that no person is there. Crawlers give their operator's address (RFC 9110, 10.1.2);
/// browsers do not.
fn is_automatic(headers: &HeaderMap) -> bool {
    let brands = headers.get("sec-ch-ua").and_then(|value| value.to_str().ok());
    headers.contains_key(header::FROM) || brands.is_some_and(|brands| brands.contains("Headless"))
}

/// The caller's address, behind so many trusted proxies.
pub(crate) fn ip(parts: &Parts, proxies: usize) -> Option<IpAddr> {
    if proxies > 0
        && let Some(ip) = forwarded(&parts.headers, proxies)
    {
        return Some(ip);
    }
    let Peer(address): &Peer = parts.extensions.get()?;
    Some(SocketAddr::ip(address).to_canonical())
}

/// The address that the outermost trusted proxy saw: the `proxies`-th from the right.
fn forwarded(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let all = headers.get_all("x-forwarded-for");
    let listed: Vec<&str> = all
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .collect();
    let position = listed.len().checked_sub(proxies)?;
    let address: IpAddr = listed.get(position)?.trim().parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(forwarded: &[&str], peer: Option<&str>) -> Parts {
        let mut request = axum::http::Request::new(());
        for value in forwarded {
            request.headers_mut().append("x-forwarded-for", value.parse().unwrap());
        }
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        }
        request.into_parts().0
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let peer = Some("[::ffff:10.0.0.9]:5000");
        let chain: &[&str] = &["1.1.1.1, 2.2.2.2", "3.3.3.3"];
        let shown =
            |forwarded, proxies| ip(&parts(forwarded, peer), proxies).map(|ip| ip.to_string());
        assert_eq!(shown(chain, 0).as_deref(), Some("10.0.0.9"), "the header proves nothing");
        assert_eq!(shown(chain, 1).as_deref(), Some("3.3.3.3"));
        assert_eq!(shown(chain, 2).as_deref(), Some("2.2.2.2"));
        assert_eq!(shown(chain, 9).as_deref(), Some("10.0.0.9"));
        assert_eq!(shown(&["unknown"], 1).as_deref(), Some("10.0.0.9"));
        assert_eq!(ip(&parts(&[], None), 0), None);
    }
}
