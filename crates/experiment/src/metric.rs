//! Metrics, compiled.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Duration, Key, Purpose, Value,
    condition::{Condition, EventName, EventPattern, visits},
    consent::PurposeKey,
    definition::Fault,
    value::Path,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Amount, CapDocument, Direction, MetricDocument, MetricKind, PartDocument, Role};

/// Most metrics that are measured at once: each is computed for every exposed unit, and what one did fits into a row.
const MAX_LIVE: usize = 50;
/// The longest window after an exposure.
const MAX_WINDOW: Duration = Duration::days(366);
/// The property in which events say their currency.
const CURRENCY: &str = "currency";

/// Names what a metric computes: the same as long as its rule is, whatever people call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MetricId(pub u64);

/// A metric, ready to be computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The key of its definition.
    pub key: Key,
    /// What people call it; the key where they call it nothing.
    pub name: String,
    /// Names its rule.
    pub id: MetricId,
    /// What events are read for.
    pub purpose: Purpose,
    /// What it computes.
    pub kind: MetricKind,
    /// Which way is better.
    pub direction: Direction,
    /// What it is to an experience.
    pub role: Role,
    /// The least change that is worth finding, as a share of the control's value.
    pub smallest_effect: Option<f64>,
    /// The currency of its amounts.
    pub currency: Option<String>,
    /// What one unit counts for at most.
    pub cap: Option<Cap>,
    /// Which quantile.
    pub quantile: Option<f64>,
    pub(crate) upper: Part,
    pub(crate) lower: Option<Part>,
    pub(crate) after: Duration,
    pub(crate) window: Option<Duration>,
    /// How long before an exposure the same is measured.
    pub(crate) before: Duration,
}

/// What one unit counts for at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cap {
    /// An amount.
    Amount(Amount),
    /// A quantile of the amounts that are not 0 of all units of all arms.
    Quantile(f64),
}

/// A sum or a count of events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) pattern: EventPattern,
    pub(crate) property: Option<Path>,
}

impl Part {
    /// Whether it is about visits.
    pub(crate) fn is_of_visits(&self) -> bool {
        self.pattern.name.text == visits::STARTED
    }
}

impl Metric {
    /// Compiles a document. `purposes` gives the number of a purpose.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, with its places.
    pub fn compile(
        document: &MetricDocument,
        purposes: &dyn Fn(&PurposeKey) -> Option<Purpose>,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let purpose = purposes(&document.purpose).unwrap_or_else(|| {
            let detail =
                format!("there is no purpose `{}`; define it or name another", document.purpose);
            faults.push(Fault::new("/purpose", detail));
            Purpose::SERVICE
        });
        let upper =
            part(&document.event, &document.filters, document.property.as_deref(), "", &mut faults);
        let lower = document.denominator.as_ref().and_then(|lower| {
            let PartDocument { event, filters, property } = lower;
            part(event, filters, property.as_deref(), "/denominator", &mut faults)
        });
        shape_faults(document, &mut faults);
        let cap = document.cap.and_then(|cap| compile_cap(cap, &mut faults));
        match upper {
            Some(upper) if faults.is_empty() => Ok(Self {
                key: document.key.clone(),
                name: called(document),
                id: id(document),
                purpose,
                kind: document.kind,
                direction: document.direction,
                role: document.role,
                smallest_effect: document.smallest_effect,
                currency: document.currency.clone(),
                cap,
                quantile: document.quantile,
                upper,
                lower,
                after: document.after.unwrap_or_default(),
                window: document.window,
                before: document.before,
            }),
            _ => Err(faults),
        }
    }

    /// The events that it reads, with the properties of each.
    pub fn events(&self) -> impl Iterator<Item = (&EventName, BTreeSet<Path>)> {
        let currency = self.currency.as_ref().and_then(|_| Path::parse(CURRENCY));
        [Some(&self.upper), self.lower.as_ref()].into_iter().flatten().map(move |part| {
            let read = part.pattern.properties().cloned();
            let last = part.is_of_visits().then(|| visits::LAST.clone());
            let read = read.chain(part.property.clone()).chain(currency.clone()).chain(last);
            (&part.pattern.name, read.collect())
        })
    }

    fn names(&self) -> impl Iterator<Item = &EventName> {
        let parts = [Some(&self.upper), self.lower.as_ref()].into_iter().flatten();
        parts.map(|part| &part.pattern.name)
    }

    /// Whether it looks at properties of events to tell which of them count.
    pub fn has_filters(&self) -> bool {
        let parts = [Some(&self.upper), self.lower.as_ref()].into_iter().flatten();
        parts.into_iter().any(|part| part.pattern.properties().next().is_some())
    }

    /// The name of the events that count.
    pub fn event(&self) -> &str {
        &self.upper.pattern.name.text
    }

    /// The property whose numbers are taken, where one is.
    pub fn property(&self) -> Option<String> {
        self.upper.property.as_ref().map(|path| path.as_str().to_owned())
    }

    /// Whether it is one sum over all units divided by another.
    pub fn is_ratio(&self) -> bool {
        matches!(self.kind, MetricKind::Mean | MetricKind::Ratio)
    }

    /// Whether each unit counts 0 or 1.
    pub fn is_binary(&self) -> bool {
        matches!(self.kind, MetricKind::Conversion | MetricKind::Retention)
    }

    /// Whether sums do not tell it, and all units have to be looked at.
    pub fn needs_all_units(&self) -> bool {
        self.kind == MetricKind::Quantile || self.is_capped_by_quantile()
    }

    /// Whether what one unit counts for at most is a quantile of all units' values, which sums do not tell.
    pub fn is_capped_by_quantile(&self) -> bool {
        matches!(self.cap, Some(Cap::Quantile(_)))
    }

    /// Whether a unit counts only once its window has passed.
    pub fn waits_for_window(&self) -> bool {
        matches!(self.kind, MetricKind::Retention | MetricKind::TimeToEvent)
    }

    /// The property of events that says their currency, where that is asked.
    pub(crate) fn currency_path(&self) -> Option<Path> {
        self.currency.as_ref().and_then(|_| Path::parse(CURRENCY))
    }
}

fn called(document: &MetricDocument) -> String {
    if document.name.is_empty() { document.key.to_string() } else { document.name.clone() }
}

/// The hash of all that its numbers depend on.
fn id(document: &MetricDocument) -> MetricId {
    let MetricDocument {
        key,
        purpose,
        kind,
        event,
        filters,
        property,
        denominator,
        after,
        window,
        cap,
        currency,
        before,
        ..
    } = document;
    let amount = cap.and_then(|cap| cap.amount);
    let mut rule = json!([
        key,
        purpose,
        kind,
        event,
        filters,
        property,
        denominator,
        after,
        window,
        amount,
        currency,
        before,
    ]);
    // Since what a ratio's lower part was before is measured as well, ratios are others than they were: with some units
    // measured and some not, that would depend on who did something since.
    if matches!(kind, MetricKind::Mean | MetricKind::Ratio)
        && let Some(rule) = rule.as_array_mut()
    {
        rule.push("with the lower part before".into());
    }
    MetricId(xxhash_rust::xxh3::xxh3_64(rule.to_string().as_bytes()))
}

/// The events of a part, read by the condition language.
fn part(
    event: &str,
    filters: &[Value],
    property: Option<&str>,
    pointer: &str,
    faults: &mut Vec<Fault>,
) -> Option<Part> {
    let mut condition = json!({"event": event});
    if !filters.is_empty() {
        condition["where"] = Value::Array(filters.to_vec());
    }
    let parsed = Condition::parse(&condition);
    let property = property.map(|text| {
        Path::parse(text).ok_or_else(|| {
            Fault::new(format!("{pointer}/property"), format!("`{text}` is not a path"))
        })
    });
    let property = match property.transpose() {
        Ok(property) => property,
        Err(fault) => {
            faults.push(fault);
            return None;
        }
    };
    match parsed {
        Ok(Condition::Event(event)) => Some(Part { pattern: event.of, property }),
        Ok(_) => {
            faults.push(Fault::new(format!("{pointer}/event"), "name an event"));
            None
        }
        Err(found) => {
            let within =
                |fault: Fault| Fault::new(format!("{pointer}{}", fault.pointer), fault.detail);
            faults.extend(found.into_iter().map(within));
            None
        }
    }
}

/// What a document must and must not say for its kind.
fn shape_faults(document: &MetricDocument, faults: &mut Vec<Fault>) {
    use MetricKind::{Mean, Quantile, Ratio, Retention, Sum, TimeToEvent};
    let mut fault = |pointer: &str, detail: &str| faults.push(Fault::new(pointer, detail));
    let kind = document.kind;
    let adds = matches!(kind, Sum | Mean | Quantile);
    if adds && document.property.is_none() {
        fault("/property", "name the property whose numbers are taken");
    }
    if !adds && kind != Ratio && document.property.is_some() {
        fault("/property", "a metric of this kind counts events and takes no property");
    }
    if (kind == Ratio) != document.denominator.is_some() {
        fault("/denominator", "a ratio has a denominator, and no other kind has");
    }
    if (kind == Quantile) != document.quantile.is_some() {
        fault("/quantile", "a metric of kind `quantile` says which one, and no other kind does");
    }
    if document.quantile.is_some_and(|quantile| !(0.001..=0.999).contains(&quantile)) {
        fault("/quantile", "write a number from 0.001 to 0.999");
    }
    if matches!(kind, Retention | TimeToEvent) && document.window.is_none() {
        fault("/window", "say how long units are watched");
    }
    if document.window.is_some_and(|window| window.0 <= 0) {
        fault("/window", "a window has a length");
    }
    let reach =
        document.after.unwrap_or_default().0.saturating_add(document.window.unwrap_or_default().0);
    if MAX_WINDOW.0 < reach {
        fault("/window", "what units do is watched for at most 366 days");
    }
    if Duration::days(90).0 < document.before.0 {
        fault("/before", "what units did before is looked at for at most 90 days");
    }
    if document.smallest_effect.is_some_and(|share| !(0.0001..=10.0).contains(&share)) {
        fault("/smallest_effect", "write a share of the control's value from 0.0001 to 10");
    }
    let currency = document.currency.as_deref();
    if currency.is_some_and(|c| c.len() != 3 || !c.bytes().all(|b| b.is_ascii_uppercase())) {
        fault("/currency", "write three capital letters, as in EUR");
    }
    if document.cap.is_some()
        && matches!(kind, MetricKind::Conversion | Retention | TimeToEvent | Quantile)
    {
        fault("/cap", "a metric of this kind needs no cap");
    }
    if document.state == model::definition::State::Paused {
        fault("/state", "a metric is draft, live or archived, never paused");
    }
}

fn compile_cap(cap: CapDocument, faults: &mut Vec<Fault>) -> Option<Cap> {
    let amount = cap.amount.and_then(Amount::of).filter(|amount| Amount::ZERO < *amount);
    let quantile = cap.quantile.filter(|quantile| (0.5..=0.9999).contains(quantile));
    match (amount, quantile, cap) {
        (Some(amount), None, CapDocument { quantile: None, .. }) => Some(Cap::Amount(amount)),
        (None, Some(quantile), CapDocument { amount: None, .. }) => Some(Cap::Quantile(quantile)),
        _ => {
            let detail = "write either an `amount` above 0 or a `quantile` from 0.5 to 0.9999";
            faults.push(Fault::new("/cap", detail));
            None
        }
    }
}

/// The live metrics, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    all: BTreeMap<Key, Metric>,
    /// The names of the events that any of them reads.
    names: BTreeSet<String>,
}

impl Metrics {
    /// Compiles documents; a broken one is left out and told.
    pub fn compile<'a>(
        documents: impl IntoIterator<Item = &'a MetricDocument>,
        purposes: &dyn Fn(&PurposeKey) -> Option<Purpose>,
    ) -> (Self, Vec<(Key, Vec<Fault>)>) {
        let (mut all, mut broken) = (BTreeMap::new(), Vec::new());
        for document in documents {
            match Metric::compile(document, purposes) {
                Ok(_) if MAX_LIVE <= all.len() => {
                    let detail = format!("at most {MAX_LIVE} metrics are measured at once");
                    broken.push((document.key.clone(), vec![Fault::new("/state", detail)]));
                }
                Ok(metric) => drop(all.insert(document.key.clone(), metric)),
                Err(faults) => broken.push((document.key.clone(), faults)),
            }
        }
        let names = all.values().flat_map(Metric::names).map(|name| name.text.to_string());
        (Self { names: names.collect(), all }, broken)
    }

    /// All of them, in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Metric> {
        self.all.values()
    }

    /// The metric with this key.
    pub fn get(&self, key: &Key) -> Option<&Metric> {
        self.all.get(key)
    }

    /// Whether one of them reads events of a name.
    pub fn reads(&self, event: &str) -> bool {
        self.names.contains(event)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The events that they read, with the properties of each.
    pub fn events(&self) -> BTreeMap<EventName, BTreeSet<Path>> {
        let mut events: BTreeMap<EventName, BTreeSet<Path>> = BTreeMap::new();
        for (name, paths) in self.iter().flat_map(Metric::events) {
            events.entry(name.clone()).or_default().extend(paths);
        }
        events
    }

    /// The same for the same rules: what units were last measured by.
    pub fn fingerprint(&self) -> u64 {
        let ids: Vec<u8> = self.iter().flat_map(|metric| metric.id.0.to_be_bytes()).collect();
        xxhash_rust::xxh3::xxh3_64(&ids)
    }
}
