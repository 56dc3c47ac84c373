//! Metrics that are tried over the lake: who has gone is not waited for.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
};

use engine::archive::{Archive, ArchiveError, Limits, Rows, Scanned};
use model::table::{Part, Table, Wanted};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::{Call, post, put, server};

/// Files that are empty, and are not read before somebody says so.
#[derive(Debug)]
struct Slow {
    begun: UnboundedSender<()>,
    /// Whether the reader wanted no more.
    ended: UnboundedSender<bool>,
    go: Mutex<Receiver<()>>,
}

impl Slow {
    fn new() -> (Arc<Self>, UnboundedReceiver<()>, UnboundedReceiver<bool>, Sender<()>) {
        let ((begun, has_begun), (ended, has_ended)) = (unbounded_channel(), unbounded_channel());
        let (go, told) = channel();
        (Arc::new(Self { begun, ended, go: Mutex::new(told) }), has_begun, has_ended, go)
    }
}

impl Archive for Slow {
    fn write(&self, _: &'static Table, _: &str, rows: Rows) -> Result<u64, ArchiveError> {
        Ok(rows.count() as u64)
    }

    fn read(&self, _: &'static Table, _: &str) -> Result<Rows, ArchiveError> {
        Ok(Box::new(std::iter::empty()))
    }

    fn scan(
        &self,
        _: &'static Table,
        _: &str,
        _: &Wanted<'_>,
        visit: &mut Scanned<'_>,
    ) -> Result<(), ArchiveError> {
        self.begun.send(()).ok();
        // Once nobody can say so any more, it goes on.
        self.go.lock().unwrap().recv().ok();
        self.ended.send(visit(&Part::default()).is_break()).ok();
        Ok(())
    }

    fn strands(&self, _: &'static Table, _: &str) -> Result<Vec<String>, ArchiveError> {
        Ok(Vec::new())
    }

    fn remove(&self, _: &str) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, ArchiveError> {
        Ok(Vec::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
}

fn trial() -> Call {
    let metric = json!({"kind": "count", "event": "Order Completed", "window": "7d"});
    let body = json!({ "metric": metric }).to_string();
    post("/api/v1/experiences/test/results", body).admin()
}

#[tokio::test]
async fn a_trial_ends_when_its_caller_has_gone() {
    let server = server();
    let (archive, mut begun, mut ended, go) = Slow::new();
    // Every row is written at once, so that there are files to be read.
    let limits = Limits { tail_rows: 1, ..Limits::default() };
    server.engine.keep_lake(archive, limits).unwrap();
    let placement = json!({"state": "live", "default": {}});
    server.ok(put("/api/v1/placements/hero", &placement).admin()).await;
    let experience = json!({"state": "live", "placement": "hero", "variants": [{"key": "a"}]});
    server.ok(put("/api/v1/experiences/test", &experience).admin()).await;
    server.track(&json!({"type": "track", "event": "Order Completed", "userId": "u1"})).await;
    server.engine.catch_up();
    tokio::select! {
        answer = server.call(trial()) => panic!("nothing was read: {}", answer.summary()),
        read = begun.recv() => read.unwrap(),
    }
    drop(go);
    assert!(ended.recv().await.unwrap(), "the caller has gone, so that nothing more is read");
    // The next one is answered as soon as the first has ended.
    let busy = "503 unavailable: another metric is being tried";
    let mut answer = server.call(trial()).await;
    while !answer.status.is_success() {
        assert_eq!(answer.summary(), busy);
        answer = server.call(trial()).await;
    }
    while ended.try_recv().is_ok() {}
    assert!(server.call(trial()).await.status.is_success());
    assert!(!ended.recv().await.unwrap(), "whoever waits has everything read");
}
