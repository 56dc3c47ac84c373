//! What an operator may set about the server, with the defaults that suit a small machine.

use std::{sync::Arc, time::Duration};

use engine::{analytics::Analytics, enrich::Enricher};

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Largest body as it travels, in bytes.
    pub body_bytes_max: usize,
    /// Largest body after decompression, in bytes.
    pub decoded_bytes_max: usize,
    /// Most events in one batch call.
    pub batch_events_max: usize,
    /// Most connections at once; more wait in the listener's queue.
    pub connections_max: usize,
    /// How many trusted proxies stand in front: which address of `X-Forwarded-For` is the caller's,
    /// counted from the right. With 0 the header is not believed and the peer's address counts.
    pub proxies: usize,
    /// The address under which browsers reach the server, as in `https://events.example.org`; read
    /// from the call when absent.
    pub public_url: Option<String>,
    /// Completes what events and requests say of device, place and campaign.
    pub enricher: Arc<Enricher>,
    /// What answers SQL; such calls are refused when absent.
    pub analytics: Option<Arc<dyn Analytics>>,
    /// How long calls in flight may take to finish when the server stops.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            decoded_bytes_max: 4 * 1024 * 1024,
            batch_events_max: 500,
            connections_max: 10_000,
            proxies: 0,
            public_url: None,
            enricher: Arc::default(),
            analytics: None,
            drain: Duration::from_secs(20),
        }
    }
}
