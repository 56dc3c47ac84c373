//! A site, a server that decides, and the proxy between them and a caller.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use proxy::Options;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Mutex as AsyncMutex, mpsc},
};

pub(crate) const PAGE: &str = "<!doctype html><html><head><title>Shop</title><script>1</script></head>\
    <body><p id=\"offer\">Shipping</p></body></html>";

/// Far longer than any test takes: what is decided is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

type Sent = Response<Full<Bytes>>;
type Answering = Arc<dyn Fn(&Value) -> Option<Sent> + Send + Sync>;

/// A server that decides: what it answers, or where nobody does.
pub(crate) enum Decider {
    Answering(Answering),
    At(String),
}

impl From<String> for Decider {
    fn from(address: String) -> Self {
        Self::At(address)
    }
}

/// What was asked of the server that decides.
type Questions = Arc<Mutex<Vec<Value>>>;

pub(crate) struct Stage {
    pub(crate) address: String,
    questions: Questions,
    calls: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl Stage {
    pub(crate) async fn new(
        site: impl Fn(&Request<()>) -> Sent + Send + Sync + 'static,
        decide: impl Fn(&Value) -> Sent + Send + Sync + 'static,
    ) -> Self {
        Self::with(site, Self::answering(decide), |_| ()).await
    }

    pub(crate) fn answering(
        decide: impl Fn(&Value) -> Sent + Send + Sync + 'static,
    ) -> Option<Decider> {
        Some(Decider::Answering(Arc::new(move |question| Some(decide(question)))))
    }

    pub(crate) fn stalling() -> Option<Decider> {
        Some(Decider::Answering(Arc::new(|_| None)))
    }

    pub(crate) async fn with(
        site: impl Fn(&Request<()>) -> Sent + Send + Sync + 'static,
        decider: Option<impl Into<Decider>>,
        adapt: impl FnOnce(&mut Options),
    ) -> Self {
        let calls: Arc<Mutex<Vec<(HeaderMap, String)>>> = Arc::default();
        let (site, told) = (Arc::new(site), Arc::clone(&calls));
        let upstream = serve(move |request: Request<()>, body: String| {
            told.lock().unwrap().push((request.headers().clone(), body));
            Some(site(&request))
        })
        .await;
        let (mut options, questions) = options(upstream, decider).await;
        adapt(&mut options);
        let address = proxy(options).await;
        Self { address, questions, calls }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> String {
        self.send("GET", path, headers, "").await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let mut caller = Caller::connect(&self.address).await;
        caller.ask(method, path, headers, body).await;
        caller.rest().await
    }

    pub(crate) fn questions(&self) -> Vec<Value> {
        self.questions.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> Vec<HeaderMap> {
        self.calls.lock().unwrap().iter().map(|(headers, _)| headers.clone()).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

/// The options for a site and a server that decides, and what that is asked.
pub(crate) async fn options(
    site: String,
    decider: Option<impl Into<Decider>>,
) -> (Options, Questions) {
    let questions = Questions::default();
    let server = match decider.expect("a server").into() {
        Decider::At(address) => address,
        Decider::Answering(answer) => {
            let asked = Arc::clone(&questions);
            serve(move |_, body: String| {
                let question = serde_json::from_str(&body).unwrap();
                let answer = answer(&question);
                asked.lock().unwrap().push(question);
                answer
            })
            .await
        }
    };
    let address = |text: String| format!("http://{text}").parse().unwrap();
    let options = Options::new(address(site), address(server), "k".to_owned());
    (Options { patience: PATIENCE, ..options }, questions)
}

/// Starts the proxy, and answers with its address.
pub(crate) async fn proxy(options: Options) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(proxy::serve(options, listener, std::future::pending()));
    address
}

/// Starts a server that answers each call, or never where there is no answer.
async fn serve(
    answer: impl Fn(Request<()>, String) -> Option<Sent> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let body = String::from_utf8(body.into()).unwrap();
                    match answer(Request::from_parts(parts, ()), body) {
                        Some(answer) => Ok::<_, Infallible>(answer),
                        None => std::future::pending().await,
                    }
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

pub(crate) fn body(text: &'static str) -> Sent {
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(text.into()).unwrap()
}

pub(crate) fn html(text: &'static str) -> Sent {
    let response = Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8");
    response.header(header::ETAG, "\"1\"").body(text.into()).unwrap()
}

/// An address at which nobody listens.
pub(crate) async fn gone() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// A site that answers one call, part by part.
pub(crate) struct SlowSite {
    pub(crate) address: String,
    parts: AsyncMutex<Option<mpsc::Sender<String>>>,
}

pub(crate) async fn slow_site() -> SlowSite {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (parts, mut taken) = mpsc::channel::<String>(1);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        while let Some(part) = taken.recv().await {
            stream.write_all(part.as_bytes()).await.unwrap();
        }
    });
    SlowSite { address, parts: AsyncMutex::new(Some(parts)) }
}

impl SlowSite {
    pub(crate) async fn send(&self, part: &str) {
        self.parts.lock().await.as_ref().unwrap().send(part.to_owned()).await.unwrap();
    }

    pub(crate) async fn close(&self) {
        self.parts.lock().await.take();
    }
}

/// A browser, as far as it matters.
pub(crate) struct Caller {
    stream: TcpStream,
    address: String,
    read: String,
}

impl Caller {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream, address: address.to_owned(), read: String::new() }
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        let mut call =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        call.push_str("accept: text/html,*/*;q=0.8\r\naccept-encoding: gzip\r\n");
        for (name, value) in headers {
            call.push_str(&format!("{name}: {value}\r\n"));
        }
        self.stream.write_all(format!("{call}\r\n{body}").as_bytes()).await.unwrap();
    }

    /// Reads on until something is there.
    pub(crate) async fn read_until(&mut self, wanted: &str) {
        let mut part = [0; 4096];
        while !self.read.contains(wanted) {
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut part)).await;
            let count = read.expect("more of it").unwrap();
            assert!(0 < count, "`{wanted}` is not in {}", self.read);
            self.read.push_str(std::str::from_utf8(&part[..count]).unwrap());
        }
    }

    /// All that comes; of a body in chunks the data alone.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.unwrap();
        let text = self.read.clone() + std::str::from_utf8(&bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        if !head.contains("transfer-encoding: chunked") {
            return text;
        }
        let (mut data, mut rest) = (String::new(), body);
        while let Some((size, chunk)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            data.push_str(&chunk[..size]);
            rest = &chunk[size + 2..];
        }
        format!("{head}\r\n\r\n{data}")
    }
}
