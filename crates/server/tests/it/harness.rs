//! A server under test, and short ways to call it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use engine::{Engine, ManualClock};
use http_body_util::BodyExt as _;
use model::{Timestamp, Value};
use serde_json::json;
use server::Options;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// 2026-11-22T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_795_348_800_000);
/// The write key of the first source.
pub(crate) const WRITE_KEY: &str = "wk_0123456789abcdef0123456789abcdef";
/// The token of the first administrator.
pub(crate) const TOKEN: &str = "tk_0123456789abcdef0123456789abcdef";

/// A server over a fresh engine.
pub(crate) struct Server {
    router: Router,
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<ManualClock>,
    tokens: AtomicU32,
    dir: TempDir,
}

/// A call that is being put together.
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn server() -> Server {
    server_with(Options::default())
}

pub(crate) fn server_with(options: Options) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let (engine, _) = open_by(&dir, &clock);
    let router = server::router(engine.clone(), options);
    Server { router, engine, clock, tokens: AtomicU32::new(0), dir }
}

/// An engine with known keys, whose clock stands at [`NOW`].
pub(crate) fn open(dir: &TempDir) -> (Engine, Option<engine::engine::FirstKeys>) {
    open_by(dir, &Arc::new(ManualClock::at(NOW)))
}

fn open_by(dir: &TempDir, clock: &Arc<ManualClock>) -> (Engine, Option<engine::engine::FirstKeys>) {
    let clock = Arc::clone(clock);
    Engine::open(engine::Options {
        dir: dir.path().join("data"),
        clock,
        cache_bytes: 16 << 20,
        write_key: Some(WRITE_KEY.to_owned()),
        token: Some(TOKEN.to_owned()),
    })
    .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.engine.shutdown();
    }
}

pub(crate) fn get(path: impl Into<String>) -> Call {
    Call::new("GET", path)
}

pub(crate) fn post(path: impl Into<String>, body: impl AsRef<[u8]>) -> Call {
    Call::new("POST", path).body(body)
}

pub(crate) fn put(path: impl Into<String>, body: &Value) -> Call {
    Call::new("PUT", path).body(body.to_string())
}

impl Call {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// As the administrator.
    pub(crate) fn admin(self) -> Self {
        self.header("authorization", format!("Bearer {TOKEN}"))
    }

    /// As the first source.
    pub(crate) fn source(self) -> Self {
        self.header("x-write-key", WRITE_KEY)
    }
}

impl Server {
    /// Stops it and starts another on what it has stored.
    pub(crate) fn restart(&mut self) {
        self.engine.shutdown();
        // The old engine must let go of the directory before the new one takes it.
        let elsewhere = server();
        self.router = elsewhere.router.clone();
        self.engine = elsewhere.engine.clone();
        (self.engine, _) = open_by(&self.dir, &self.clock);
        self.router = server::router(self.engine.clone(), Options::default());
    }

    /// Calls, and leaves the body to be read as it comes.
    pub(crate) async fn open(&self, call: Call) -> Response<Body> {
        let mut request = Request::builder().method(call.method).uri(&call.path);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(call.body)).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn call(&self, call: Call) -> Answer {
        let (parts, body) = self.open(call).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Calls, and expects that it worked.
    pub(crate) async fn ok(&self, call: Call) -> Value {
        let answer = self.call(call).await;
        assert!(answer.status.is_success(), "{}", answer.summary());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Calls, and says status and code.
    pub(crate) async fn verdict(&self, call: Call) -> String {
        self.call(call).await.summary()
    }

    /// A token with these scopes.
    pub(crate) async fn token(&self, scopes: &[&str]) -> String {
        // A name is taken once.
        let count = self.tokens.fetch_add(1, Ordering::Relaxed);
        let body = json!({"name": format!("test {count}"), "scopes": scopes});
        let made = self.ok(post("/api/v1/tokens", body.to_string()).admin()).await;
        made["secret"].as_str().unwrap().to_owned()
    }

    /// Sends one event and waits until it is durable.
    pub(crate) async fn track(&self, event: &Value) {
        self.ok(post("/v1/batch", json!({"batch": [event]}).to_string()).source()).await;
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&self.body));
        })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn etag(&self) -> String {
        self.header(header::ETAG.as_str()).to_owned()
    }

    /// Status, and for a problem its code and detail.
    pub(crate) fn summary(&self) -> String {
        if self.status.is_success() || self.status.is_redirection() {
            return self.status.as_u16().to_string();
        }
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        let text = |name: &str| problem[name].as_str().unwrap_or("missing").to_owned();
        assert_eq!(text("message"), text("detail"));
        format!("{} {}: {}", self.status.as_u16(), text("code"), text("detail"))
    }
}
