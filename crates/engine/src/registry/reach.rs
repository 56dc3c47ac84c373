//! How far into the past definitions look, and whether what they look for is kept for so long.

use model::{
    Duration,
    condition::{Condition, Measure, Window},
    definition::Fault,
    hash,
};

use crate::{definitions::Kind, retention::RetentionRuleDocument};

use super::{
    check::conditions,
    documents::{Documents, Known, Typed},
};

/// A look into the past.
struct Reach {
    /// Where the definition says so.
    pointer: String,
    /// How far.
    window: Duration,
    /// The hashes of the names of the events that are looked for.
    names: Vec<u64>,
}

/// The kinds that look into the past.
const LOOKING: [Kind; 6] = [
    Kind::ComputedTrait,
    Kind::Audience,
    Kind::Stages,
    Kind::Placement,
    Kind::Experience,
    Kind::Metric,
];

/// What a definition asks about that is not kept for so long: for `retention` at most, and for as long as
/// rules say.
pub(super) fn faults(known: &Known, documents: &Documents, retention: Duration) -> Vec<Fault> {
    let mut faults = Vec::new();
    for reach in reaches(known) {
        let rules = live_rules(documents)
            .filter(|rule| reach.names.iter().any(|name| rule.removes(*name)))
            .map(|rule| rule.keep);
        let kept = rules.chain([retention]).min().unwrap_or(retention);
        if kept < reach.window {
            faults.push(Fault::new(reach.pointer, beyond(kept, reach.window)));
        }
    }
    faults
}

/// The live definitions that ask about more than a rule would keep.
pub(super) fn rule_faults(rule: &RetentionRuleDocument, documents: &Documents) -> Vec<Fault> {
    let mut faults = Vec::new();
    for kind in LOOKING {
        for (key, known) in documents.of(kind).filter(|(_, known)| known.acts()) {
            let asks = |reach: &Reach| {
                rule.keep < reach.window && reach.names.iter().any(|name| rule.removes(*name))
            };
            if let Some(reach) = reaches(known).into_iter().find(asks) {
                let (singular, window) = (kind.singular(), reach.window);
                let detail = format!("{singular} `{key}` asks about {window} of such events");
                faults.push(Fault::new("/keep", detail));
            }
        }
    }
    faults
}

fn live_rules(documents: &Documents) -> impl Iterator<Item = &RetentionRuleDocument> {
    let live = documents.of(Kind::RetentionRule).filter(|(_, known)| known.acts());
    live.filter_map(|(_, known)| match &known.typed {
        Ok(Typed::RetentionRule(rule)) => Some(rule),
        _ => None,
    })
}

fn reaches(known: &Known) -> Vec<Reach> {
    let definition = &known.definition;
    if let Ok(Typed::Metric(document)) = &known.typed {
        // What comes after an exposure is measured when it comes; the past is looked at for as long as `before` says.
        let names = vec![hash::event_name(&document.event)];
        return vec![Reach { pointer: "/before".to_owned(), window: document.before, names }];
    }
    if let Ok(Typed::ComputedTrait(document)) = &known.typed {
        // What does not compile is told elsewhere.
        let window = document.compile().ok().and_then(|rule| rule.reach());
        let names = vec![hash::event_name(&document.event)];
        let reach = |window| Reach { pointer: "/within".to_owned(), window, names };
        return window.map(reach).into_iter().collect();
    }
    let mut found = Vec::new();
    for (condition, pointer) in conditions(definition.kind, &definition.document) {
        condition.visit(&mut |place, part| {
            if let Some((window, field)) = window(part) {
                let pointer = format!("{pointer}{place}/{field}");
                found.push(Reach { pointer, window, names: names(part) });
            }
        });
    }
    found
}

fn names(part: &Condition) -> Vec<u64> {
    match part {
        Condition::Event(event) => vec![event.of.name.hash],
        Condition::Sequence(sequence) => {
            let events = sequence.steps().iter().flat_map(|step| &step.events);
            events.map(|event| event.what.name.hash).collect()
        }
        _ => Vec::new(),
    }
}

fn beyond(kept: Duration, window: Duration) -> String {
    format!("events are kept for {kept}, so nothing is known about {window}")
}

/// The longest stretch of the past a condition on events asks about, with the field that says so;
/// `None` for the whole past.
fn window(condition: &Condition) -> Option<(Duration, &'static str)> {
    match condition {
        Condition::Event(event) if event.within.is_none() => match &event.measure {
            Measure::Since(bound) => Some((bound.ends().1, "since/value")),
            _ => None,
        },
        other => other.window().and_then(Window::reach).map(|reach| (reach, "within")),
    }
}
