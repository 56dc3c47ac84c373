//! Sending the events of a file: in order, in batches, from where the server's watermark stands.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::make::Made;
use crate::client::{Auth, Call, Client};

/// Most events of one call.
pub(super) const BATCH_EVENTS_MAX: usize = 500;
/// Largest body of one call, with room for what surrounds the events: a server takes 1 MiB as it travels.
pub(super) const BATCH_BYTES_MAX: usize = 960 * 1024;
/// How often a call whose answer was lost is repeated.
const LOST_TRIES: u32 = 8;

/// Consecutive events of a file, and how many rows of it they settle.
#[derive(Debug, Default)]
pub(super) struct Batch {
    events: Vec<Made>,
    bytes: usize,
    /// Rows of the file that are settled once this batch is: those of its events and those that made none.
    pub(super) rows: u64,
}

impl Batch {
    /// Whether another event of `bytes` still fits.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.events.len() < BATCH_EVENTS_MAX && self.bytes + bytes <= BATCH_BYTES_MAX
    }

    /// Adds the next event of the file.
    pub(super) fn push(&mut self, made: Made) {
        self.bytes += made.json.len() + 1;
        self.rows += made.rows;
        self.events.push(made);
    }

    /// How many events it holds.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Places of its events that the watermark has not reached: first and one past the last.
    fn open_range(&self, watermark: u64) -> Option<(u64, u64)> {
        let first = self.events.first()?.row.max(watermark);
        let end = self.events.last()?.row + 1;
        (first < end).then_some((first, end))
    }

    fn body(&self, first: u64, end: u64) -> String {
        let events = self.events.iter().filter(|made| made.row >= first);
        let events: Vec<&str> = events.map(|made| made.json.as_str()).collect();
        format!("{{\"first_row\":{first},\"end_row\":{end},\"events\":[{}]}}", events.join(","))
    }
}

/// Sends batches and follows the watermark.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    client: &'a Client,
    import: String,
    watermark: u64,
    /// Events that this run applied.
    pub(super) applied: u64,
    /// Events that were applied before.
    pub(super) applied_before: u64,
    /// Events that the server set aside.
    pub(super) quarantined: u64,
}

impl<'a> Sender<'a> {
    /// Asks where the import stands.
    pub(super) fn new(client: &'a Client, import: String) -> anyhow::Result<Self> {
        let watermark = watermark(client, &import)?;
        Ok(Self { client, import, watermark, applied: 0, applied_before: 0, quarantined: 0 })
    }

    /// The event the import continues at.
    pub(super) fn watermark(&self) -> u64 {
        self.watermark
    }

    /// Sends a batch, or what the watermark has not reached of it.
    ///
    /// An answer that was lost on its way, and a server that is restarting, are followed by asking
    /// for the watermark: what was applied moved it, so nothing is sent twice.
    pub(super) fn send(&mut self, batch: &Batch) -> anyhow::Result<()> {
        for attempt in 0..LOST_TRIES {
            let Some((first, end)) = batch.open_range(self.watermark) else {
                self.count_before(batch);
                return Ok(());
            };
            match self.send_rows(first, end, batch) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if attempt + 1 == LOST_TRIES => return Err(error),
                Err(error) if error.downcast_ref::<Refused>().is_some() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, attempt, "a batch got no answer; asking where the import stands");
                    std::thread::sleep(Duration::from_millis(200) * 2_u32.pow(attempt));
                }
            }
            if let Ok(watermark) = watermark(self.client, &self.import) {
                self.watermark = watermark;
            }
        }
        bail!("the import moves while it is written: is another import of the same file running?")
    }

    /// Sends rows; false when the server stands elsewhere.
    fn send_rows(&mut self, first: u64, end: u64, batch: &Batch) -> anyhow::Result<bool> {
        let path = format!("/api/v1/imports/{}/rows", self.import);
        let body = batch.body(first, end);
        let answer = self.client.call(&Call {
            method: "POST",
            path: &path,
            auth: Auth::Token,
            body: Some(body.as_bytes()),
        })?;
        if answer.status == 409 {
            return Ok(false);
        }
        if !answer.is_success() {
            return Err(answer.problem().into_error(&path).context(Refused));
        }
        let answer = answer.json()?;
        let quarantined = answer.get("quarantined").and_then(Value::as_u64).unwrap_or(0);
        self.quarantined += quarantined;
        let before = (batch.len() as u64).saturating_sub(end - first);
        self.applied_before += before;
        self.applied += (end - first).saturating_sub(quarantined);
        self.watermark = end;
        Ok(true)
    }

    fn count_before(&mut self, batch: &Batch) {
        self.applied_before += batch.len() as u64;
    }
}

/// The server understood and said no: asking again would not help.
#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server refused a batch; what was applied before it stays, and the import can continue")
    }
}

fn watermark(client: &Client, import: &str) -> anyhow::Result<u64> {
    let path = format!("/api/v1/imports/{import}");
    let answer = client.get(&path)?;
    answer.get("watermark").and_then(Value::as_u64).context("the server's answer has no watermark")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: std::ops::Range<u64>) -> Batch {
        let mut batch = Batch::default();
        for row in rows {
            batch.push(Made { row, json: format!("{{\"r\":{row}}}"), rows: 2 });
        }
        batch
    }

    #[test]
    fn only_what_the_watermark_has_not_reached_is_sent() {
        let batch = batch(10..13);
        assert_eq!(batch.open_range(0), Some((10, 13)));
        assert_eq!(batch.open_range(12), Some((12, 13)));
        assert_eq!(batch.open_range(13), None);
        assert_eq!(batch.body(12, 13), r#"{"first_row":12,"end_row":13,"events":[{"r":12}]}"#);
        assert_eq!(batch.rows, 6);
    }

    #[test]
    fn batches_are_bounded_by_count_and_bytes() {
        assert!(batch(0..499).has_room(10));
        assert!(!batch(0..500).has_room(10));
        assert!(!batch(0..1).has_room(BATCH_BYTES_MAX));
    }
}
