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
    pub(crate) flag_uses_refused: Counter,
    pub(crate) pages_looked_at: Counter,
    pub(crate) pages_written: Counter,
    pub(crate) queue: Gauge,
    pub(crate) cached_people: Gauge,
    pub(crate) cached_bytes: Gauge,
    pub(crate) disk_bytes: Gauge,
    pub(crate) journal_bytes: Gauge,
    pub(crate) clock_unbelieved: Gauge,
    pub(crate) broken_definitions: Gauge,
    pub(crate) volumes_unusual: Gauge,
    pub(crate) quarantine_entries: Gauge,
    pub(crate) quarantine_bytes: Gauge,
    pub(crate) merge_proposals: Gauge,
    pub(crate) large_profiles: Gauge,
    pub(crate) full_profiles: Gauge,
    pub(crate) lake: OfLake,
    pub(crate) watch: OfWatch,
}

/// What is looked at of live experiences again and again.
#[derive(Debug)]
pub(crate) struct OfWatch {
    pub(crate) looks: Counter,
    pub(crate) put_off: Counter,
    pub(crate) failed: Counter,
    pub(crate) stopped: Counter,
    pub(crate) learned: Counter,
}

impl OfWatch {
    fn of(registry: &mut Registry) -> Self {
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            learned: counter(
                "policies_learned",
                "Epochs that began since shares followed what units did",
            ),
            looks: counter("experience_looks", "Looks at live experiences that have guardrails"),
            put_off: counter(
                "experience_looks_put_off",
                "Such looks for which sums were not ready",
            ),
            failed: counter("experience_looks_failed", "Such looks that failed"),
            stopped: counter("experiences_stopped", "Experiences that their guardrails stopped"),
        }
    }
}

/// How large the lake is, and how far behind.
#[derive(Debug)]
pub(crate) struct OfLake {
    pub(crate) files: Gauge,
    pub(crate) bytes: Gauge,
    pub(crate) tail_rows: Gauge,
    pub(crate) behind: Gauge,
    pub(crate) removals: Gauge,
}

impl OfLake {
    fn of(registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            files: gauge("lake_files", "Files of the lake"),
            bytes: gauge("lake_bytes", "Bytes of the files of the lake"),
            tail_rows: gauge("lake_tail_rows", "Rows of the lake that are in no file yet"),
            behind: gauge("lake_behind_entries", "Entries of the log that the lake has not taken"),
            removals: gauge("lake_removals", "Removals that files are to be rewritten for"),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("concierge");
        let all = &mut registry;
        let counter = |all: &mut Registry, name: &str, help: &str| {
            let counter = Counter::default();
            all.register(name, help, counter.clone());
            counter
        };
        let gauge = |all: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::default();
            all.register(name, help, gauge.clone());
            gauge
        };
        let commit_seconds = Histogram::new(COMMIT_STEPS);
        let help = "Time of one commit";
        all.register_with_unit("commit", help, Unit::Seconds, commit_seconds.clone());
        Self {
            accepted: counter(all, "events_accepted", "Events made durable and applied"),
            duplicates: counter(all, "events_duplicate", "Events that had been applied before"),
            quarantined: counter(all, "events_quarantined", "Events set aside with a reason"),
            refused: counter(
                all,
                "events_refused",
                "Events that consent or suppression forbids to keep",
            ),
            overloaded: counter(all, "ingest_overloaded", "Calls answered with 429"),
            tokens_refused: counter(all, "identity_tokens_refused", "Tokens that proved nothing"),
            commits: counter(all, "commits", "Batches committed, one sync each"),
            committed_bytes: counter(all, "committed_bytes", "Bytes of keys and values committed"),
            transitions: counter(
                all,
                "audience_transitions",
                "Entries into and exits from audiences",
            ),
            unreadable: counter(all, "rows_unreadable", "Rows that did not read back"),
            decisions: counter(all, "decisions", "Placements decided"),
            decisions_cold: counter(all, "decisions_cold", "Requests that had to read the store"),
            decisions_unrecorded: counter(all, "decisions_unrecorded", DECISIONS_UNRECORDED),
            decisions_recorded: counter(
                all,
                "decisions_recorded",
                "Requests whose record is durable",
            ),
            flag_uses_refused: counter(all, "flag_uses_refused", FLAG_USES_REFUSED),
            pages_looked_at: counter(all, "pages_looked_at", "Pages that events were folded over"),
            pages_written: counter(all, "pages_written", "Pages that were changed"),
            queue: gauge(all, "ingest_queue_events", "Events waiting for the writer"),
            cached_people: gauge(all, "cached_people", "Decoded profiles in memory"),
            cached_bytes: gauge(all, "cached_bytes", "Bytes of decoded profiles in memory"),
            disk_bytes: gauge(all, "disk_bytes", "Bytes of the store on disk"),
            journal_bytes: gauge(all, "journal_bytes", "Bytes of the store's journals"),
            clock_unbelieved: gauge(all, "clock_unbelieved_seconds", CLOCK_UNBELIEVED),
            volumes_unusual: gauge(all, "volumes_unusual", VOLUMES_UNUSUAL),
            quarantine_entries: gauge(
                all,
                "quarantine_entries",
                "Events that wait in the quarantine",
            ),
            quarantine_bytes: gauge(all, "quarantine_bytes", "Bytes of the events that wait there"),
            broken_definitions: gauge(all, "broken_definitions", "Definitions that cannot act"),
            merge_proposals: gauge(all, "merge_proposals", "Proposals to merge people"),
            large_profiles: gauge(all, "large_profiles", "Profiles with more than 100 identifiers"),
            full_profiles: gauge(all, "full_profiles", "Profiles that have stopped growing"),
            lake: OfLake::of(all),
            watch: OfWatch::of(all),
            commit_seconds,
            registry,
        }
    }
}

/// The bounds of the steps that commits are counted in, in seconds.
const COMMIT_STEPS: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];
const CLOCK_UNBELIEVED: &str =
    "How far the machine's clock has stepped, while that is not believed";
const DECISIONS_UNRECORDED: &str = "Requests whose record found the queue full";
const FLAG_USES_REFUSED: &str = "Uses of flags whose token is forged, old or somebody else's";
const VOLUMES_UNUSUAL: &str = "Events of a source whose number in the last full hour was unusual";

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
