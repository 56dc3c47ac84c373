//! Batches of events, as clients of the Segment protocol send them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{client::Envelope, server::WRITE_KEY, zipf::Random};

/// Events in a batch.
pub(crate) const BATCH_EVENTS: u64 = 100;

/// The names of the events that are sent.
pub(crate) const SENT_NAMES: [&str; 20] = [
    "Product Viewed",
    "Order Completed",
    "Product Added",
    "Product List Viewed",
    "Products Searched",
    "Cart Viewed",
    "Checkout Started",
    "Product Removed",
    "Coupon Applied",
    "Product Clicked",
    "Wishlist Product Added",
    "Product Shared",
    "Product Reviewed",
    "Promotion Viewed",
    "Promotion Clicked",
    "Payment Info Entered",
    "Checkout Step Viewed",
    "Order Cancelled",
    "Order Refunded",
    "Email Opened",
];
pub(crate) const CATEGORIES: [&str; 6] = ["kitchen", "garden", "audio", "books", "outdoor", "toys"];
pub(crate) const PLANS: [&str; 4] = ["pro", "basic", "trial", "none"];
pub(crate) const COUNTRIES: [&str; 6] = ["SE", "NO", "DE", "FR", "GB", "US"];

/// Every event has an id of its own, in all loads of a run, so that none is taken for a repetition.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Takes ids that no earlier run on the same data has taken.
pub(crate) fn begin_anew() {
    #[expect(clippy::disallowed_methods, reason = "a client; it has no engine")]
    let now = jiff::Timestamp::now();
    NEXT_ID.store(now.as_second().unsigned_abs() << 28, Ordering::Relaxed);
}

/// The event name with a number; there are more names in definitions than are sent when there are many audiences.
pub(crate) fn name(number: usize) -> String {
    SENT_NAMES.get(number).map_or_else(|| format!("Custom Event {number}"), |&name| name.to_owned())
}

/// The user id of a person.
pub(crate) fn user_id(person: u64) -> String {
    format!("user-{person:09}")
}

/// Writes requests that carry a batch.
#[derive(Debug)]
pub(crate) struct BatchWriter {
    envelope: Envelope,
    body: Vec<u8>,
    timestamp: String,
}

impl BatchWriter {
    pub(crate) fn new() -> Self {
        let envelope = Envelope::new("POST", "/v1/batch", WRITE_KEY);
        Self { envelope, body: Vec::new(), timestamp: String::new() }
    }

    /// Begins a batch that is sent now.
    pub(crate) fn begin(&mut self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a client stamps its events; it has no engine"
        )]
        let now = jiff::Timestamp::now();
        self.begin_at(now);
    }

    /// Begins a batch of events of one instant.
    pub(crate) fn begin_at(&mut self, instant: jiff::Timestamp) {
        self.timestamp = format!("{instant:.3}");
        self.body.clear();
        self.body.extend_from_slice(b"{\"batch\":[");
    }

    /// Adds something that a person did.
    pub(crate) fn track(&mut self, person: u64, name: &str, random: &mut Random) {
        let product = random.below(500);
        let category = pick(&CATEGORIES, random);
        let revenue = random.below(20_000);
        let properties = format!(
            "\"event\":\"{name}\",\"properties\":{{\"product_id\":\"p-{product}\",\"category\":\"{category}\",\
             \"revenue\":{}.{:02},\"currency\":\"EUR\",\"quantity\":{}}},\
             \"context\":{{\"page\":{{\"path\":\"/{category}/p-{product}\",\"url\":\"https://shop.example/{category}/p-{product}\"}},\
             \"library\":{{\"name\":\"bench\",\"version\":\"1\"}}}}",
            revenue / 100,
            revenue % 100,
            1 + product % 3,
        );
        self.event("track", person, &properties);
    }

    /// Adds who a person is.
    pub(crate) fn identify(&mut self, person: u64, random: &mut Random) {
        let (plan, country) = (pick(&PLANS, random), pick(&COUNTRIES, random));
        let traits = format!(
            "\"anonymousId\":\"anonymous-{person:09}\",\"traits\":{{\"first_name\":\"Kim {person}\",\"plan\":\"{plan}\",\
             \"country\":\"{country}\",\"age\":{}}}",
            18 + random.below(60),
        );
        self.event("identify", person, &traits);
    }

    /// Adds that a person was met on another device.
    pub(crate) fn alias(&mut self, person: u64, device: &str) {
        self.event("identify", person, &format!("\"anonymousId\":\"{device}\""));
    }

    fn event(&mut self, kind: &str, person: u64, fields: &str) {
        if self.body.last() == Some(&b'}') {
            self.body.push(b',');
        }
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let (user, timestamp) = (user_id(person), &self.timestamp);
        let event = format!(
            "{{\"type\":\"{kind}\",\"messageId\":\"bench-{id:016x}\",\"userId\":\"{user}\",\"timestamp\":\"{timestamp}\",{fields}}}"
        );
        self.body.extend_from_slice(event.as_bytes());
    }

    /// Ends the batch as a request.
    pub(crate) fn finish(&mut self, request: &mut Vec<u8>) {
        self.body.extend_from_slice(b"]}");
        self.envelope.write(&self.body, request);
    }
}

fn pick<'a>(all: &[&'a str], random: &mut Random) -> &'a str {
    let last = all.len() as u64;
    let position = usize::try_from(random.below(last)).unwrap_or_default();
    all.get(position).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn batches_are_json() {
        let (mut writer, mut random, mut request) =
            (BatchWriter::new(), Random::new(1, 1), Vec::new());
        writer.begin();
        writer.identify(7, &mut random);
        writer.track(7, SENT_NAMES[0], &mut random);
        writer.finish(&mut request);
        let text = String::from_utf8(request).unwrap();
        let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        let events = body["batch"].as_array().unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[1]["userId"], "user-000000007");
        assert_ne!(events[0]["messageId"], events[1]["messageId"]);
    }
}
