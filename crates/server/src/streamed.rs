//! Long answers that are sent while they are made, in bounded memory.

use std::{
    io,
    ops::ControlFlow,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use engine::{Engine, EngineError};
use hyper::body::Frame;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{app::App, error::ApiError};

/// Pieces that wait for the caller.
const PIECES_MAX: usize = 2;
/// How long a caller may take no piece before the answer is broken off: while it waits, everything that is overwritten
/// stays on disk.
const STALL_MAX: Duration = Duration::from_secs(60);
/// How often a piece that waits looks whether there is room.
const LOOK: Duration = Duration::from_millis(2);

/// Answers with what `make` hands to its sink, from a thread of its own.
///
/// What fails half-way breaks the answer off; so the form of the answer must show where its end is.
pub(crate) fn answer(
    app: &App,
    content_type: &'static str,
    make: impl FnOnce(&Engine, &mut Sink) -> Result<(), EngineError> + Send + 'static,
) -> Result<Response, ApiError> {
    let Ok(place) = app.streams.clone().try_acquire_owned() else {
        let detail = "other backups or exports are on their way; wait until they are done";
        return Err(
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail).with_retry_after(5)
        );
    };
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    let app = app.clone();
    let run = move || {
        let mut sink = Sink { app: app.clone(), pieces, stall: STALL_MAX };
        if let Err(error) = make(&app.engine, &mut sink) {
            sink.break_off(&error.to_string());
        }
        drop(place);
    };
    let thread = thread::Builder::new().name("long answer".to_owned()).spawn(run);
    thread.map_err(|error| ApiError::unavailable(error.to_string()))?;
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
    Ok((content_type, Body::new(Pieces(taken))).into_response())
}

/// Takes the pieces of an answer.
pub(crate) struct Sink {
    app: App,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    stall: Duration,
}

impl Sink {
    /// Breaks the answer off, so that nobody takes what was sent for the whole.
    pub(crate) fn break_off(&self, why: &str) {
        tracing::warn!(why, "a long answer broke off");
        let mut broken = Err(io::Error::other("it broke off"));
        let started = Instant::now();
        while let Err(TrySendError::Full(waiting)) = self.pieces.try_send(broken) {
            if self.stall <= started.elapsed() {
                return;
            }
            broken = waiting;
            thread::sleep(LOOK);
        }
    }

    /// Sends a piece as soon as there is room; breaks when nobody takes it, or the server stops.
    pub(crate) fn send(&mut self, piece: impl Into<Bytes>) -> ControlFlow<()> {
        let mut piece = Ok(piece.into());
        let started = Instant::now();
        loop {
            if self.app.is_draining.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            match self.pieces.try_send(piece) {
                Ok(()) => return ControlFlow::Continue(()),
                Err(TrySendError::Full(waiting)) if started.elapsed() < self.stall => {
                    piece = waiting;
                    thread::sleep(LOOK);
                }
                Err(TrySendError::Full(_)) => {
                    tracing::warn!("a long answer was broken off: its caller stopped reading");
                    return ControlFlow::Break(());
                }
                Err(TrySendError::Closed(_)) => return ControlFlow::Break(()),
            }
        }
    }
}

/// The answer's body. It ends with its last piece, whole or not.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::ManualClock;

    use super::*;
    use crate::Options;

    #[test]
    fn whoever_takes_nothing_or_has_gone_is_given_up_and_so_are_all_when_the_server_stops() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, _) = Engine::open(engine::Options {
            dir: dir.path().join("data"),
            clock: Arc::new(ManualClock::default()),
            cache_bytes: 1 << 20,
            write_key: None,
            token: None,
        })
        .unwrap();
        let app = App::new(engine.clone(), Options::default());
        let sink = || {
            let (pieces, taken) = mpsc::channel(PIECES_MAX);
            (Sink { app: app.clone(), pieces, stall: Duration::from_millis(20) }, taken)
        };
        let (mut stalled, _taken) = sink();
        for _ in 0..PIECES_MAX {
            assert!(stalled.send("piece").is_continue());
        }
        let started = Instant::now();
        assert!(stalled.send("piece").is_break());
        assert!(Duration::from_millis(20) <= started.elapsed(), "it waited before it gave up");
        let (mut left, taken) = sink();
        drop(taken);
        assert!(left.send("piece").is_break());
        let (mut stopped, _taken) = sink();
        app.is_draining.store(true, Ordering::Relaxed);
        assert!(stopped.send("piece").is_break());
        engine.shutdown();
    }
}
