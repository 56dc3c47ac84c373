//! Listening, and stopping without losing a call that was taken.

use std::{net::SocketAddr, pin::pin, sync::Arc, sync::atomic::Ordering, time::Duration};

use anyhow::Context as _;
use axum::Router;
use engine::Engine;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    app::{self, App},
    options::Options,
};

/// How long a connection may stay without the head of a next call. Longer than the idle time of common load balancers.
const HEAD_TIME_MAX: Duration = Duration::from_secs(75);
/// How long to wait when no connection can be taken, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves `engine` on `listener` until `shutdown` completes; then takes no more connections,
/// finishes the calls in flight within [`Options::drain`], and shuts the engine down.
pub async fn serve(
    engine: Engine,
    options: Options,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let drain = options.drain;
    let slots = Arc::new(Semaphore::new(options.connections_max));
    let app = App::new(engine.clone(), options);
    let router = app::build(app.clone());
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer, slot) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            taken = take(&listener, &slots) => taken,
        };
        connect(stream, peer, slot, router.clone(), &graceful);
    }
    app.is_draining.store(true, Ordering::Relaxed);
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            drain_seconds = drain.as_secs(),
            "calls were still in flight at the end of the drain"
        );
    }
    let stop = move || engine.flush_and_shutdown();
    tokio::task::spawn_blocking(stop).await.context("stopping the engine")
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
    stream: TcpStream,
    peer: SocketAddr,
    slot: Option<OwnedSemaphorePermit>,
    router: Router,
    graceful: &GracefulShutdown,
) {
    // Answers are small and written at once; waiting to fill a packet would only delay them.
    // Failing costs time, not sense.
    drop(stream.set_nodelay(true));
    let service = Peered { peer: Peer(peer), inner: TowerToHyperService::new(router) };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(slot);
    });
}

/// The router, with the peer's address beside each request.
struct Peered {
    peer: Peer,
    inner: TowerToHyperService<Router>,
}

impl Service<Request<Incoming>> for Peered {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.inner.call(request)
    }
}
