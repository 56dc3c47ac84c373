//! Listening, and passing calls on.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::{self, HeaderValue},
    http::uri::PathAndQuery,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use url::Url;

use crate::{
    Options,
    ask::{AskError, Decider},
    body::{self, Answer},
    forward,
    page::{Changes, Page},
    plan::Plan,
    tag,
    visit::{Origin, Visit},
};

/// How long a connection may stay without the head of a next call. Longer than the idle time of common load balancers.
const HEAD_TIME_MAX: Duration = Duration::from_secs(75);
/// Largest head of a call or of the site's answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long the site may take until it begins to answer.
const UPSTREAM_TIME_MAX: Duration = Duration::from_secs(60);
/// How long it may take until the site takes a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Some servers let go of an idle connection after five seconds, so it is not used again at that moment.
const IDLE_TIME_MAX: Duration = Duration::from_secs(4);
/// How long to wait when no connection can be taken, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all calls share.
struct Proxy {
    options: Options,
    upstream: Client<HttpConnector, Incoming>,
    decider: Arc<Decider>,
    tag: String,
}

/// Passes calls on, from connections of `listener`, until `shutdown` completes; then takes no more connections, and
/// finishes the calls in flight within [`Options::drain`].
pub async fn serve(options: Options, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(options.connections_max));
    let drain = options.drain;
    let proxy = Arc::new(Proxy::new(options));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer, slot) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            taken = take(&listener, &slots) => taken,
        };
        connect(&proxy, stream, peer, slot, &graceful);
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        let drain_seconds = drain.as_secs();
        tracing::warn!(drain_seconds, "calls were still in flight at the end of the drain");
    }
}

/// Takes the next connection once there is a slot for it.
async fn take(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there is always a slot to come.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn connect(
    proxy: &Arc<Proxy>,
    stream: TcpStream,
    peer: SocketAddr,
    slot: Option<OwnedSemaphorePermit>,
    graceful: &GracefulShutdown,
) {
    // Failing costs time, not sense.
    drop(stream.set_nodelay(true));
    let proxy = Arc::clone(proxy);
    let service = service_fn(move |request| {
        let proxy = Arc::clone(&proxy);
        async move { Ok::<_, Infallible>(proxy.pass_on(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(slot);
    });
}

impl Proxy {
    fn new(options: Options) -> Self {
        let connector = forward::connector(CONNECT_TIME_MAX);
        let upstream = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector);
        let decider = Arc::new(Decider::at(&options.server));
        Self { upstream, decider, tag: tag::tag(&options), options }
    }

    /// Answers a call with what the site answers, changed where something was decided for it in time.
    async fn pass_on(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Answer> {
        let (mut parts, body) = request.into_parts();
        let Some(uri) = self.upstream_uri(&parts.uri).filter(|_| parts.method != Method::CONNECT)
        else {
            return plain(StatusCode::NOT_IMPLEMENTED, "this is no proxy of that kind\n");
        };
        let origin = Origin::of(&parts, peer, &self.options);
        forward::call(&mut parts, peer, &origin, &self.options);
        let may_change = parts.method == Method::GET;
        parts.uri = relative(parts.uri);
        let visit = Visit::of(&parts, &origin, &self.options).filter(|_| self.decider.is_asked());
        let asked = visit.map(|visit| (self.ask(&visit), visit));
        if asked.is_some()
            || (may_change && !self.tag.is_empty() && Visit::is_for_page(&parts.headers))
        {
            forward::ask_for_page(&mut parts.headers);
        }
        parts.uri = uri;
        let answered = self.upstream.request(Request::from_parts(parts, body));
        let response = match tokio::time::timeout(UPSTREAM_TIME_MAX, answered).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the site cannot be reached");
                return plain(StatusCode::BAD_GATEWAY, "the site cannot be reached\n");
            }
            Err(_) => return plain(StatusCode::GATEWAY_TIMEOUT, "the site does not answer\n"),
        };
        self.finish(response, may_change, asked).await
    }

    /// Where the site has what is asked for.
    fn upstream_uri(&self, uri: &Uri) -> Option<Uri> {
        let authority = self.options.upstream.to_string();
        let place = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Uri::builder().scheme("http").authority(authority).path_and_query(place).build().ok()
    }

    /// Asks what is decided for a visit, while the site is asked for the page.
    fn ask(&self, visit: &Visit) -> JoinHandle<Option<String>> {
        let question = visit.question(&self.options.write_key);
        let (decider, headers) = (Arc::clone(&self.decider), visit.headers.clone());
        tokio::spawn(async move { decider.ask(question, headers).await })
    }

    async fn finish(
        &self,
        response: Response<Incoming>,
        may_change: bool,
        asked: Option<(JoinHandle<Option<String>>, Visit)>,
    ) -> Response<Answer> {
        let (mut parts, body) = response.into_parts();
        forward::answer(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let is_whole = !parts.status.is_redirection() && parts.status != StatusCode::NO_CONTENT;
        let is_page = may_change && is_whole && forward::is_page(&parts.headers);
        let (plan, visit) = match asked {
            Some((asking, visit)) if is_page => (self.planned(asking).await, Some(visit)),
            Some((asking, _)) => {
                asking.abort();
                (None, None)
            }
            None => (None, None),
        };
        let Some((plan, visit)) = plan.zip(visit) else {
            if !is_page || self.tag.is_empty() {
                return Response::from_parts(parts, body::as_it_is(body));
            }
            parts.headers.remove(header::CONTENT_LENGTH);
            let page = Page::new(Arc::new(Changes::new(Vec::new(), self.tag.clone())));
            return Response::from_parts(parts, body::changed(body, page));
        };
        if let Some(to) = plan.redirect.as_ref().and_then(|to| leads_away(to, &visit.url)) {
            let mut response = plain(StatusCode::FOUND, "");
            forward::make_personal(response.headers_mut());
            response.headers_mut().insert(header::LOCATION, to);
            keep_visitor(response.headers_mut(), &visit);
            return response;
        }
        forward::make_personal(&mut parts.headers);
        keep_visitor(&mut parts.headers, &visit);
        let head = format!("{}{}", plan.inlined, self.tag);
        let page = Page::new(Arc::new(Changes::new(plan.edits, head)));
        Response::from_parts(parts, body::changed(body, page))
    }

    /// What was decided, if that is known before the page has waited too long for it.
    async fn planned(&self, mut asking: JoinHandle<Option<String>>) -> Option<Plan> {
        match tokio::time::timeout(self.options.patience, &mut asking).await {
            Ok(answer) => Plan::read(&answer.ok()??),
            Err(_) => {
                asking.abort();
                self.decider.failed(&AskError::Late);
                None
            }
        }
    }
}

fn keep_visitor(headers: &mut HeaderMap, visit: &Visit) {
    if let Some(cookie) = visit.cookie() {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// An address as it is within its site.
fn relative(uri: Uri) -> Uri {
    let place = uri.path_and_query().cloned();
    place.map_or(uri, Uri::from)
}

/// Where a redirect leads, unless the visitor is there: one that comes back would never end.
fn leads_away(to: &str, page: &str) -> Option<HeaderValue> {
    let page = Url::parse(page).ok()?;
    let to = page.join(to).ok()?;
    let is_web = matches!(to.scheme(), "http" | "https");
    let is_here = to.origin() == page.origin() && to.path() == page.path();
    HeaderValue::from_str(to.as_str()).ok().filter(|_| is_web && !is_here)
}

/// An answer of our own.
fn plain(status: StatusCode, text: &'static str) -> Response<Answer> {
    let mut response = Response::new(body::text(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_other_pages() {
        let led =
            |to: &str| leads_away(to, "https://a.se/b?c").map(|to| to.to_str().unwrap().to_owned());
        assert_eq!(led("/d?e#f").as_deref(), Some("https://a.se/d?e#f"));
        assert_eq!(led("//b.se/b").as_deref(), Some("https://b.se/b"));
        assert_eq!(
            led("/d\r\nset-cookie: a=b").as_deref(),
            Some("https://a.se/dset-cookie:%20a=b")
        );
        for here in ["/b", "?x", "https://a.se/b#d", "mailto:a@b.se", "javascript:x"] {
            assert_eq!(led(here), None, "{here}");
        }
    }
}
