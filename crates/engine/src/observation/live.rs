//! What happens now, for whoever watches.
//!
//! A watcher has a buffer. Nothing waits for it: what does not fit is lost to this watcher, and it is
//! told how much. While nobody watches, an event costs one look at a number.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use compact_str::CompactString;
use model::{
    Event, Identifier, LazyObject, ProfileId, SourceKey, Timestamp, Value, condition::Sight,
    value::Object,
};
use parking_lot::Mutex;
use profile::TraitRules;
use quality::{
    name,
    shape::{TYPES, type_of},
};
use serde_json::{Map, json};
use tokio::sync::mpsc;

use crate::{
    ingest::EventVerdict, people::show, reading::Taken, sealed::RowError, state::Shared, who,
};

use super::Observed;

/// Most watchers at once: each costs a copy of every event that it asks for.
const WATCHERS_MAX: usize = 20;
/// Events that wait for a watcher.
const BUFFER_EVENTS: usize = 256;

/// What somebody wants to watch; what is left out is any.
#[derive(Clone, Debug, Default)]
pub struct LiveQuery {
    /// Of this source.
    pub source: Option<SourceKey>,
    /// Of this name.
    pub event: Option<CompactString>,
    /// With this identifier.
    pub identifier: Option<Identifier>,
    /// With this verdict.
    pub verdict: Option<CompactString>,
    /// One in so many of those that match; 0 and 1 are all.
    pub one_in: u64,
    /// Show what events say; without it, only their names, types and profiles.
    pub unmasked: bool,
    /// How much of what they say.
    pub sight: Sight,
}

/// A watcher's end: what it is shown, and how much it has lost.
#[derive(Debug)]
pub struct Watch {
    /// The events, as JSON.
    pub events: mpsc::Receiver<String>,
    lost: Arc<AtomicU64>,
}

impl Watch {
    /// How many events were lost since this was last asked.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// Everybody who watches.
#[derive(Debug, Default)]
pub(crate) struct Live {
    watchers: Mutex<Vec<Watcher>>,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Watcher {
    query: LiveQuery,
    events: mpsc::Sender<String>,
    lost: Arc<AtomicU64>,
    matched: u64,
}

impl Live {
    /// Begins to watch; `None` when as many watch as may.
    pub(crate) fn watch(&self, mut query: LiveQuery) -> Option<Watch> {
        query.identifier = query.identifier.map(|identifier| identifier.normalised());
        let mut watchers = self.watchers.lock();
        watchers.retain(|watcher| !watcher.events.is_closed());
        if watchers.len() >= WATCHERS_MAX {
            return None;
        }
        let (events, receiver) = mpsc::channel(BUFFER_EVENTS);
        let lost = Arc::new(AtomicU64::new(0));
        watchers.push(Watcher { query, events, lost: Arc::clone(&lost), matched: 0 });
        self.count.store(watchers.len(), Ordering::Release);
        Some(Watch { events: receiver, lost })
    }

    /// Shows what was committed.
    pub(super) fn tell(&self, shared: &Shared, observed: &[Observed]) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut watchers = self.watchers.lock();
        for one in observed {
            watchers.iter_mut().for_each(|watcher| watcher.see(shared, one));
        }
        watchers.retain(|watcher| !watcher.events.is_closed());
        self.count.store(watchers.len(), Ordering::Release);
    }
}

impl Watcher {
    fn see(&mut self, shared: &Shared, one: &Observed) {
        if !self.query.takes(one) {
            return;
        }
        self.matched += 1;
        if self.query.one_in > 1 && !self.matched.is_multiple_of(self.query.one_in) {
            return;
        }
        // What would be lost need not be written.
        let is_sent = self.events.capacity() > 0
            && self.events.try_send(document(shared, one, &self.query)).is_ok();
        if !is_sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LiveQuery {
    fn takes(&self, one: &Observed) -> bool {
        let (source, event) = match &one.item {
            Taken::Event(ahead) => (&ahead.event.source, Some(&ahead.event)),
            Taken::Rejected(rejected) => (&rejected.source, None),
        };
        let has = |wanted: &Identifier| {
            event.is_some_and(|event| event.identifiers.iter().any(|i| i.normalised() == *wanted))
        };
        self.source.as_ref().is_none_or(|wanted| wanted == source)
            && self.event.as_ref().is_none_or(|name| event.is_some_and(|e| e.name == *name))
            && self.verdict.as_ref().is_none_or(|wanted| wanted == one.verdict.name())
            && self.identifier.as_ref().is_none_or(has)
    }
}

fn document(shared: &Shared, one: &Observed, query: &LiveQuery) -> String {
    let snapshot = shared.registry.snapshot();
    let rules = &snapshot.traits;
    let is_unmasked = query.unmasked;
    let mut shown = match &one.item {
        Taken::Event(ahead) => {
            let profile = profile(shared, ahead.address.as_ref()).unwrap_or_default();
            let mut shown = match is_unmasked {
                true => open(&ahead.event, rules, query.sight),
                false => masked(&ahead.event),
            };
            shown.insert("profile".into(), json!(profile));
            let violations = ahead.breach.iter().flat_map(|breach| &breach.violations);
            let violations: Vec<_> = violations.collect();
            if !violations.is_empty() {
                shown.insert("violations".into(), json!(violations));
            }
            shown
        }
        Taken::Rejected(rejected) => {
            let mut shown = around(&rejected.source, rejected.arrival.received_at);
            // A text that was not understood may hold anything.
            if is_unmasked && (query.sight == Sight::Full || !rules.has_sensitive()) {
                let body = String::from_utf8_lossy(&rejected.body);
                shown.insert("body".into(), body.into());
            }
            shown
        }
    };
    shown.insert("verdict".into(), one.verdict.name().into());
    match &one.verdict {
        EventVerdict::Quarantined { code, detail } => {
            shown.insert("code".into(), code.as_str().into());
            // It may repeat what was sent.
            if is_unmasked {
                shown.insert("detail".into(), detail.as_str().into());
            }
        }
        EventVerdict::Refused { code } => drop(shown.insert("code".into(), code.as_str().into())),
        EventVerdict::Accepted | EventVerdict::Duplicate => {}
    }
    Value::Object(shown).to_string()
}

fn around(source: &SourceKey, received_at: Timestamp) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("source".into(), json!(source));
    shown.insert("received_at".into(), json!(received_at));
    shown
}

fn open(event: &Event, rules: &TraitRules, sight: Sight) -> Map<String, Value> {
    let mut document = show::document(event.clone());
    if sight != Sight::Full {
        show::mask(rules, &mut document);
    }
    match document {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// The event without what it says about anybody: names that look like names, and the types of values.
fn masked(event: &Event) -> Map<String, Value> {
    let mut shown = around(&event.source, event.received_at);
    shown.insert("type".into(), event.kind.to_string().into());
    shown.insert("name".into(), name::shown(&event.name).into());
    shown.insert("at".into(), json!(event.event_time));
    let identifiers = event.identifiers.iter().map(|identifier| json!({"type": identifier.kind}));
    shown.insert("identifiers".into(), identifiers.collect());
    shown.insert("properties".into(), types(&event.properties));
    shown.insert("traits".into(), types(&LazyObject::from(event.traits.clone())));
    shown.insert("marks".into(), event.marks.words().collect());
    shown
}

fn types(object: &LazyObject) -> Value {
    let mut shown = Object::new();
    for member in object.names() {
        if let Some(value) = object.get(member) {
            let of = TYPES.get(type_of(value)).copied().unwrap_or_default();
            shown.insert(name::shown(member).to_owned(), of.into());
        }
    }
    Value::Object(shown)
}

/// The profile that an event went to, as it is now.
fn profile(
    shared: &Shared,
    address: Option<&crate::sealed::Address>,
) -> Result<Option<ProfileId>, RowError> {
    let Some(address) = address else { return Ok(None) };
    let Some(strand) = who::strand(shared, address)? else { return Ok(None) };
    Ok(who::page(shared, strand)?.map(|page| ProfileId(page.meta().head)))
}
