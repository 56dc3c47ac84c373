//! What every path holds: the engine, the options, the counters, and the work that must not run on the request threads.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use axum::{Router, extract::State, response::Response};
use engine::Engine;
use tokio::sync::Semaphore;

use crate::{error::ApiError, gate, metrics::Metrics, ofrep, options::Options, routes, script};

/// How many reads that may touch the disk run at once; the rest wait.
const READS_MAX: usize = 16;
/// How many reads over all people run at once; the rest wait, so that they never take all cores from decisions.
const SCANS_MAX: usize = 1;
/// How many previews run at once; the rest wait. Each is bounded in time, so none waits behind a scan.
const PREVIEWS_MAX: usize = 1;
/// How many answers that hold a snapshot of everything may be on their way at once; more are refused, since each keeps
/// what is overwritten on disk.
const STREAMS_MAX: usize = 2;

/// Shared by all paths; clones are one.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    /// The server is stopping: it finishes what it has and is no longer ready.
    pub(crate) is_draining: AtomicBool,
    reads: Semaphore,
    scans: Semaphore,
    previews: Semaphore,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) flag_streams: Arc<Semaphore>,
    request_ids: RequestIds,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(engine: Engine, options: Options) -> Self {
        script::pack_ahead();
        Self(Arc::new(Shared {
            engine,
            options,
            metrics: Metrics::default(),
            is_draining: AtomicBool::new(false),
            reads: Semaphore::new(READS_MAX),
            scans: Semaphore::new(SCANS_MAX),
            previews: Semaphore::new(PREVIEWS_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            flag_streams: Arc::new(Semaphore::new(ofrep::STREAMS_MAX)),
            request_ids: RequestIds::new(),
        }))
    }

    /// Runs a read that may touch the disk away from the request threads.
    pub(crate) async fn read<T, E>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Send + 'static,
        ApiError: From<E>,
    {
        let _slot = self.reads.acquire().await;
        let engine = self.engine.clone();
        let done = tokio::task::spawn_blocking(move || read(&engine)).await;
        Ok(done.map_err(|error| ApiError::internal(error.to_string()))??)
    }

    /// [`App::read`] for a read over all people.
    pub(crate) async fn scan<T, E>(
        &self,
        scan: impl FnOnce(&Engine) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Send + 'static,
        ApiError: From<E>,
    {
        let _slot = self.scans.acquire().await;
        self.read(scan).await
    }

    /// [`App::read`] for a read over as many people as there is time for.
    pub(crate) async fn sample<T, E>(
        &self,
        sample: impl FnOnce(&Engine) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Send + 'static,
        ApiError: From<E>,
    {
        let _slot = self.previews.acquire().await;
        self.read(sample).await
    }

    /// A new name for one call, to find it in the log.
    pub(crate) fn request_id(&self) -> String {
        self.request_ids.next()
    }
}

/// Names of calls: the process's own random half and a count.
struct RequestIds {
    process: u32,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        // The hasher's keys are the standard library's only source of randomness, and ample for a name.
        use std::hash::{BuildHasher as _, Hasher as _, RandomState};
        let random = RandomState::new().build_hasher().finish();
        Self { process: u32::try_from(random >> 32).unwrap_or_default(), count: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:08x}-{:08x}", self.process, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

/// The whole HTTP surface over `engine`.
pub fn router(engine: Engine, options: Options) -> Router {
    build(App::new(engine, options))
}

/// Builds the router from the table of routes.
pub(crate) fn build(app: App) -> Router {
    let mut router = Router::new();
    for route in routes::all() {
        for path in route.all_paths() {
            router = router.route(&path, gate::guarded(route, &app));
        }
    }
    router.fallback(no_such_path).method_not_allowed_fallback(no_such_method).with_state(app)
}

async fn no_such_path(State(app): State<App>) -> Response {
    let error = ApiError::new(
        axum::http::StatusCode::NOT_FOUND,
        "no_such_path",
        "there is nothing under this path; see /openapi.json",
    );
    gate::finish_other(&app, Err(error))
}

async fn no_such_method(State(app): State<App>) -> Response {
    let error = ApiError::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not know the method; see /openapi.json",
    );
    gate::finish_other(&app, Err(error))
}
