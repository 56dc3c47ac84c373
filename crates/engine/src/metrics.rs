//! What the engine counts, in the Prometheus text format.

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// The engine's counters. Labels stay out: every series is known in advance.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) accepted: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) quarantined: Counter,
    pub(crate) refused: Counter,
    pub(crate) overloaded: Counter,
    pub(crate) tokens_refused: Counter,
    pub(crate) commits: Counter,
    pub(crate) committed_bytes: Counter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) transitions: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) decisions: Counter,
    pub(crate) decisions_cold: Counter,
    pub(crate) decisions_unrecorded: Counter,
    pub(crate) decisions_recorded: Counter,
    pub(crate) queue: Gauge,
    pub(crate) cached_people: Gauge,
    pub(crate) cached_bytes: Gauge,
    pub(crate) disk_bytes: Gauge,
    pub(crate) journal_bytes: Gauge,
    pub(crate) broken_definitions: Gauge,
    pub(crate) volumes_unusual: Gauge,
    pub(crate) quarantine_entries: Gauge,
    pub(crate) quarantine_bytes: Gauge,
    pub(crate) merge_proposals: Gauge,
    pub(crate) large_profiles: Gauge,
    pub(crate) full_profiles: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("concierge");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let accepted = counter("events_accepted", "Events made durable and applied");
        let duplicates = counter("events_duplicate", "Events that had been applied before");
        let quarantined = counter("events_quarantined", "Events set aside with a reason");
        let refused =
            counter("events_refused", "Events that consent or suppression forbids to keep");
        let overloaded = counter("ingest_overloaded", "Calls answered with 429");
        let tokens_refused = counter("identity_tokens_refused", "Tokens that proved nothing");
        let commits = counter("commits", "Batches committed, one sync each");
        let committed_bytes = counter("committed_bytes", "Bytes of keys and values committed");
        let transitions = counter("audience_transitions", "Entries into and exits from audiences");
        let unreadable = counter("rows_unreadable", "Rows that did not read back");
        let decisions = counter("decisions", "Placements decided");
        let decisions_cold = counter("decisions_cold", "Requests that had to read the store");
        let decisions_unrecorded =
            counter("decisions_unrecorded", "Requests whose record found the queue full");
        let decisions_recorded = counter("decisions_recorded", "Requests whose record is durable");
        let commit_seconds =
            Histogram::new([0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0]);
        registry.register_with_unit(
            "commit",
            "Time of one commit",
            Unit::Seconds,
            commit_seconds.clone(),
        );
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            queue: gauge("ingest_queue_events", "Events waiting for the writer"),
            cached_people: gauge("cached_people", "Decoded profiles in memory"),
            cached_bytes: gauge("cached_bytes", "Bytes of decoded profiles in memory"),
            disk_bytes: gauge("disk_bytes", "Bytes of the store on disk"),
            journal_bytes: gauge("journal_bytes", "Bytes of the store's journals"),
            volumes_unusual: gauge(
                "volumes_unusual",
                "Events of a source whose number in the last full hour was unusual",
            ),
            quarantine_entries: gauge("quarantine_entries", "Events that wait in the quarantine"),
            quarantine_bytes: gauge("quarantine_bytes", "Bytes of the events that wait there"),
            broken_definitions: gauge("broken_definitions", "Definitions that cannot act"),
            merge_proposals: gauge("merge_proposals", "Proposals to merge people"),
            large_profiles: gauge("large_profiles", "Profiles with more than 100 identifiers"),
            full_profiles: gauge("full_profiles", "Profiles that have stopped growing"),
            registry,
            accepted,
            duplicates,
            quarantined,
            refused,
            overloaded,
            tokens_refused,
            commits,
            committed_bytes,
            commit_seconds,
            transitions,
            unreadable,
            decisions,
            decisions_cold,
            decisions_unrecorded,
            decisions_recorded,
        }
    }
}

impl Metrics {
    /// All series as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}
