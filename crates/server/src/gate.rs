//! What stands before and after every path: who may pass, what is counted, what is logged, and that
//! a panic stays inside.

use std::{
    any::Any,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use engine::definitions::{Scope, Token};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    app::App,
    auth, cors,
    error::{ApiError, Private},
    metrics::Area,
    routes::{Access, Route},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A route's handler behind its gate.
pub(crate) fn guarded(route: &Route, app: &App) -> MethodRouter<App> {
    let handler = (route.handler)();
    match route.access {
        // The decide path has no layers: its handler does all of this itself, where it costs nothing.
        Access::WriteKeyOrToken => handler.options(cors::preflight),
        Access::WriteKey => handler.options(cors::preflight).route_layer(catch_panics(app)),
        Access::Open => handler.route_layer(catch_panics(app)),
        Access::Token(scope) => {
            let gate = Gate { app: app.clone(), scope };
            handler.route_layer(catch_panics(app)).route_layer(from_fn_with_state(gate, admit))
        }
    }
}

#[derive(Clone)]
struct Gate {
    app: App,
    /// What the token must allow; `None` where any token will do.
    scope: Option<Scope>,
}

async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&gate.app, request.headers());
    let result = match token(&gate, request.headers()) {
        Ok(token) => {
            request.extensions_mut().insert(Arc::new(token));
            Ok(next.run(request).await)
        }
        Err(error) => Err(error),
    };
    let mut response = finish(&gate.app, Area::Management, started, Some(&id), result);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn token(gate: &Gate, headers: &HeaderMap) -> Result<Token, ApiError> {
    let Some(secret) = auth::bearer(headers) else {
        let detail = "send a token: `Authorization: Bearer …`";
        return Err(ApiError::unauthorized("token_missing", detail));
    };
    let unknown = || {
        let detail = match secret.starts_with(engine::WRITE_KEYS_BEGIN) {
            true => "this is a write key, which sends events and asks for decisions: send a token",
            false => "the token is not known",
        };
        ApiError::unauthorized("token_unknown", detail)
    };
    let token = gate.app.engine.token(secret).ok_or_else(unknown)?;
    match gate.scope {
        Some(scope) if !token.allows(scope) => Err(missing_scope(scope)),
        _ => Ok(token),
    }
}

/// The error of a token that lacks a right.
pub(crate) fn missing_scope(scope: Scope) -> ApiError {
    ApiError::forbidden("missing_scope", format!("the token lacks the scope `{scope}`"))
}

/// The caller's own name for the call where it is harmless, else a new one.
fn request_id(app: &App, headers: &HeaderMap) -> String {
    let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    sent.filter(harmless).map_or_else(|| app.request_id(), str::to_owned)
}

/// Turns a result into the answer: counts it, logs what the caller may not see, and names a failed call.
pub(crate) fn finish(
    app: &App,
    area: Area,
    started: Instant,
    id: Option<&str>,
    result: Result<Response, ApiError>,
) -> Response {
    let mut response = result.unwrap_or_else(IntoResponse::into_response);
    let status = response.status();
    app.metrics.answered(area, status.as_u16(), started.elapsed());
    if status.as_u16() >= 400 {
        let id = id.map_or_else(|| app.request_id(), str::to_owned);
        if let Some(Private(detail)) = response.extensions_mut().remove::<Private>() {
            tracing::error!(request_id = %id, status = status.as_u16(), ?area, %detail, "call failed");
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }
    response
}

/// [`finish`] for what is neither ingest, decide nor management.
pub(crate) fn finish_other(app: &App, result: Result<Response, ApiError>) -> Response {
    app.metrics.answered(Area::Other, status_of(&result), Duration::ZERO);
    result.unwrap_or_else(IntoResponse::into_response)
}

fn status_of(result: &Result<Response, ApiError>) -> u16 {
    match result {
        Ok(response) => response.status().as_u16(),
        Err(error) => error.status().as_u16(),
    }
}

/// The last resort: a bug in one call answers that call with 500 and no other.
pub(crate) fn catch_panics(
    app: &App,
) -> CatchPanicLayer<impl FnMut(Box<dyn Any + Send>) -> Response + Clone + Send + Sync + 'static> {
    let app = app.clone();
    CatchPanicLayer::custom(move |_: Box<dyn Any + Send>| {
        cors::open(panicked(&app).into_response())
    })
}

/// Counts a caught panic. Its message went to the panic hook, and may hold what must not be sent.
pub(crate) fn panicked(app: &App) -> ApiError {
    app.metrics.panics.fetch_add(1, Ordering::Relaxed);
    tracing::error!("a call panicked: this is a bug");
    ApiError::internal("a call panicked")
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, routing::get};
    use engine::{Engine, ManualClock};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_answers_its_own_call_with_500_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, _) = Engine::open(engine::Options {
            dir: dir.path().join("data"),
            clock: Arc::new(ManualClock::default()),
            cache_bytes: 1 << 20,
            write_key: None,
            token: None,
        })
        .unwrap();
        let app = App::new(engine.clone(), crate::Options::default());
        async fn broken() -> Response {
            panic!("a bug with a secret in its message")
        }
        let route = get(broken).route_layer(catch_panics(&app));
        let router: Router = Router::new().route("/", route);
        let request = Request::new(Body::empty());
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 500);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("secret"), "{body}");
        assert_eq!(app.metrics.panics.load(Ordering::Relaxed), 1);
        engine.shutdown();
    }
}
