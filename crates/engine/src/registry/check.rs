//! Whether a document is sound: its fields, what it refers to, and the windows it asks about.

use audience::{AudienceDocument, StagesDocument};
use decision::{
    ExclusionGroupDocument, ExperienceDocument, HoldoutDocument, PlacementDocument, PolicyDocument,
};
use experiment::MetricDocument;
use model::{
    Duration, Key, Purpose, Value,
    condition::Condition,
    consent::PurposeKey,
    definition::{Fault, State},
    value::{Object, Path},
};
use profile::{ComputedTraitDocument, Sensitivity, TraitDocument};
use quality::{EventSchemaDocument, traffic::TrafficRuleDocument};
use serde::de::DeserializeOwned;

use crate::{
    definitions::{Kind, PurposeDocument, Silence, SourceDocument},
    retention::RetentionRuleDocument,
};

use super::{
    difference::escaped,
    documents::{Documents, Known, Typed, acts},
    reach,
};

/// Most unknown fields that are told at once.
const MAX_UNKNOWN_FIELDS: usize = 20;
/// Most events that a purpose has to itself: they are compared with the name of each event.
const MAX_OWN_EVENTS: usize = 50;

/// A place in a document that names another definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Where it is named.
    pub(crate) pointer: String,
    /// What is named.
    pub(crate) kind: Kind,
    /// Its key.
    pub(crate) key: Key,
}

/// Reads the fields of a document.
pub(crate) fn typed(kind: Kind, document: &Object) -> Result<Typed, Vec<Fault>> {
    let document = Value::Object(document.clone());
    Ok(match kind {
        Kind::Purpose => Typed::Purpose(fields::<PurposeDocument>(document)?),
        Kind::Source => Typed::Source(fields::<SourceDocument>(document)?),
        Kind::Trait => Typed::Trait(Box::new(fields::<TraitDocument>(document)?)),
        Kind::ComputedTrait => {
            Typed::ComputedTrait(Box::new(fields::<ComputedTraitDocument>(document)?))
        }
        Kind::Audience => Typed::Audience(fields::<AudienceDocument>(document)?),
        Kind::Stages => Typed::Stages(fields::<StagesDocument>(document)?),
        Kind::Placement => Typed::Placement(fields::<PlacementDocument>(document)?),
        Kind::Experience => Typed::Experience(Box::new(fields::<ExperienceDocument>(document)?)),
        Kind::Policy => Typed::Policy(Box::new(fields::<PolicyDocument>(document)?)),
        Kind::Metric => Typed::Metric(Box::new(fields::<MetricDocument>(document)?)),
        Kind::EventSchema => Typed::EventSchema(Box::new(fields::<EventSchemaDocument>(document)?)),
        Kind::TrafficRule => Typed::TrafficRule(Box::new(fields::<TrafficRuleDocument>(document)?)),
        Kind::RetentionRule => Typed::RetentionRule(fields::<RetentionRuleDocument>(document)?),
        Kind::ExclusionGroup => Typed::ExclusionGroup(fields::<ExclusionGroupDocument>(document)?),
        Kind::Holdout => Typed::Holdout(fields::<HoldoutDocument>(document)?),
    })
}

/// Reads the fields of a document; all unknown ones are told at once, else the first fault.
fn fields<T: DeserializeOwned>(mut document: Value) -> Result<T, Vec<Fault>> {
    let mut unknown = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&document) {
            Ok(typed) if unknown.is_empty() => return Ok(typed),
            Ok(_) => return Err(unknown),
            Err(error) => error,
        };
        let detail = error.inner().to_string();
        let mut pointer = pointer(error.path());
        if let Some(field) = quoted_after(&detail, "unknown field") {
            let step = format!("/{}", escaped(field));
            // Inside a tagged variant the path ends before the field.
            let around = document.pointer(&pointer).and_then(|value| value.get(field));
            if around.is_some() && !pointer.ends_with(&step) {
                pointer.push_str(&step);
            }
            let removed = remove(&mut document, &pointer);
            unknown.push(Fault::new(pointer, detail));
            if removed && unknown.len() < MAX_UNKNOWN_FIELDS {
                continue;
            }
            return Err(unknown);
        }
        if let Some(field) = quoted_after(&detail, "missing field") {
            pointer.push('/');
            pointer.push_str(&escaped(field));
        }
        unknown.push(Fault::new(pointer, detail));
        return Err(unknown);
    }
}

/// The path of a fault as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// The field that a message of this beginning names.
fn quoted_after<'a>(detail: &'a str, beginning: &str) -> Option<&'a str> {
    let quoted = detail.strip_prefix(beginning)?.strip_prefix(" `")?;
    // A field name may hold a backtick itself; what follows the name never begins with one.
    let end = quoted.find("`, ").or_else(|| quoted.rfind('`'))?;
    Some(&quoted[..end])
}

/// Takes the field at `pointer` away; false when there is none.
fn remove(document: &mut Value, pointer: &str) -> bool {
    let Some((parent, field)) = pointer.rsplit_once('/') else { return false };
    let field = field.replace("~1", "/").replace("~0", "~");
    let parent = document.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.is_some_and(|parent| parent.remove(&field).is_some())
}

/// The places of a document that hold conditions, as JSON pointers.
fn condition_places(kind: Kind, document: &Object) -> Vec<String> {
    match kind {
        Kind::Purpose
        | Kind::Source
        | Kind::Trait
        | Kind::ComputedTrait
        | Kind::Metric
        | Kind::EventSchema
        | Kind::RetentionRule
        | Kind::ExclusionGroup
        | Kind::Holdout
        | Kind::Policy => Vec::new(),
        // It asks about the event itself, so it refers to nothing.
        Kind::TrafficRule => Vec::new(),
        Kind::Audience => vec!["/condition".to_owned()],
        Kind::Stages => {
            let stages = document.get("stages").and_then(Value::as_array).map_or(0, Vec::len);
            (0..stages).map(|place| format!("/stages/{place}/condition")).collect()
        }
        Kind::Placement => vec!["/match".to_owned()],
        Kind::Experience => experience_places(document),
    }
}

fn experience_places(document: &Object) -> Vec<String> {
    fn list(value: Option<&Value>) -> &[Value] {
        value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
    let mut places = vec!["/eligibility".to_owned()];
    let never_after = list(document.get("never_after"));
    places.extend((0..never_after.len()).map(|place| format!("/never_after/{place}")));
    for (variant, fields) in list(document.get("variants")).iter().enumerate() {
        let editions = 0..list(fields.get("editions")).len();
        places.extend(editions.map(|place| format!("/variants/{variant}/editions/{place}/when")));
    }
    places
}

/// The sound conditions of a document, with their places. Unsound ones are told by whoever compiles them.
pub(crate) fn conditions(kind: Kind, document: &Object) -> Vec<(Condition, String)> {
    let places = condition_places(kind, document);
    let read = places.into_iter().filter_map(|place| {
        let mut value: Option<&Value> = None;
        for step in place.split('/').skip(1) {
            value = match (value, step.parse::<usize>()) {
                (None, _) => document.get(step),
                (Some(Value::Array(list)), Ok(index)) => list.get(index),
                (Some(within), _) => within.get(step),
            };
            value?;
        }
        Some((Condition::parse(value?).ok()?, place))
    });
    read.collect()
}

/// Where an experience takes place, its placement and its exclusion group, and the metrics that stop and judge it.
fn places_of(document: &ExperienceDocument) -> impl Iterator<Item = Reference> {
    let reference = |pointer: &str, kind: Kind, key: &Key| Reference {
        pointer: pointer.to_owned(),
        kind,
        key: key.clone(),
    };
    let placement = reference("/placement", Kind::Placement, &document.placement);
    let group = document.exclusion_group.as_ref();
    let group =
        group.map(|slot| reference("/exclusion_group/group", Kind::ExclusionGroup, &slot.group));
    let guardrails = document.guardrails.iter().enumerate();
    let guardrails = guardrails
        .map(move |(place, key)| reference(&format!("/guardrails/{place}"), Kind::Metric, key));
    let goal = document.goal.as_ref().map(|key| reference("/goal", Kind::Metric, key));
    std::iter::once(placement).chain(group).chain(guardrails).chain(goal)
}

/// The other definitions a document names.
pub(crate) fn references(known: &Known) -> Vec<Reference> {
    let kind = known.definition.kind;
    let purpose = |key: &PurposeKey| Reference {
        pointer: "/purpose".to_owned(),
        kind: Kind::Purpose,
        key: key.0.clone(),
    };
    let mut found = match &known.typed {
        Ok(Typed::ComputedTrait(document)) => vec![purpose(&document.purpose)],
        Ok(Typed::Audience(document)) => vec![purpose(&document.purpose)],
        Ok(Typed::Stages(document)) => vec![purpose(&document.purpose)],
        Ok(Typed::Metric(document)) => vec![purpose(&document.purpose)],
        Ok(Typed::Placement(document)) => vec![purpose(&document.purpose)],
        Ok(Typed::Experience(document)) => {
            std::iter::once(purpose(&document.purpose)).chain(places_of(document)).collect()
        }
        Ok(Typed::Trait(document)) => {
            let named = document.sources.iter().enumerate().map(|(place, key)| Reference {
                pointer: format!("/sources/{place}"),
                kind: Kind::Source,
                key: key.clone(),
            });
            named.collect()
        }
        Ok(
            Typed::Purpose(_)
            | Typed::Source(_)
            | Typed::EventSchema(_)
            | Typed::TrafficRule(_)
            | Typed::RetentionRule(_)
            | Typed::ExclusionGroup(_)
            | Typed::Holdout(_)
            | Typed::Policy(_),
        )
        | Err(_) => Vec::new(),
    };
    for (condition, pointer) in conditions(kind, &known.definition.document) {
        condition.visit(&mut |place, part| {
            if let Some((field, key)) = part.audience() {
                found.push(Reference {
                    pointer: format!("{pointer}{place}{field}"),
                    kind: Kind::Audience,
                    key: key.clone(),
                });
            }
            match part {
                Condition::Stage(stage) => found.push(Reference {
                    pointer: format!("{pointer}{place}/stage"),
                    kind: Kind::Stages,
                    key: stage.stages.clone(),
                }),
                Condition::Computed(computed) => found.push(Reference {
                    pointer: format!("{pointer}{place}/computed"),
                    kind: Kind::ComputedTrait,
                    key: computed.key.clone(),
                }),
                Condition::Consent(key) => found.push(Reference {
                    pointer: format!("{pointer}{place}/consent"),
                    kind: Kind::Purpose,
                    key: key.0.clone(),
                }),
                _ => {}
            }
        });
    }
    found
}

/// Everything wrong with `known` that its own fields and the other documents tell; compiling it may tell more.
pub(super) fn faults(known: &Known, documents: &Documents, retention: Duration) -> Vec<Fault> {
    let mut faults = Vec::new();
    match &known.typed {
        Err(faults) => return faults.clone(),
        Ok(Typed::Purpose(document)) => {
            purpose_faults(document, &mut faults);
            own_event_faults(document, documents, &mut faults);
        }
        Ok(Typed::Trait(document)) => {
            trait_faults(document, documents, &mut faults);
            if known.acts() {
                faults.extend(of_recorded(document, documents));
            }
        }
        Ok(Typed::ComputedTrait(document)) => computed_trait_faults(document, &mut faults),
        Ok(Typed::RetentionRule(document)) => {
            faults.extend(document.faults());
            if known.acts() {
                faults.extend(reach::rule_faults(document, documents));
            }
        }
        Ok(Typed::ExclusionGroup(document)) => faults.extend(document.faults()),
        Ok(Typed::Holdout(document)) => faults.extend(document.faults()),
        Ok(Typed::Experience(document)) => {
            faults.extend(document.faults());
            if known.acts() {
                faults.extend(slot_fault(document, documents));
                faults.extend(guardrail_faults(document, documents));
                faults.extend(recorded_faults(document, documents));
            }
        }
        Ok(Typed::Metric(document)) if known.acts() => {
            faults.extend(of_guardrail(document, documents));
        }
        Ok(Typed::Stages(document)) => {
            faults.extend(document.faults());
            if document.state == State::Paused {
                let detail = "stages are draft, live or archived, never paused";
                faults.push(Fault::new("/state", detail));
            }
        }
        Ok(_) => {}
    }
    let Known { definition, .. } = known;
    let acting = acts(definition.kind, definition.state);
    for reference in references(known) {
        let wrong = missing(&reference, documents, acting)
            .or_else(|| of_other_purpose(known, &reference, documents));
        faults.extend(wrong.map(|detail| Fault::new(reference.pointer, detail)));
    }
    faults.extend(reach::faults(known, documents, retention));
    faults
}

fn purpose_faults(document: &PurposeDocument, faults: &mut Vec<Fault>) {
    let (_, service) = Purpose::BUILT_IN[0];
    if document.key.as_str() == service && document.default == Silence::Denied {
        let detail = "suppression and caps rest on the purpose `service`, so it is always granted";
        faults.push(Fault::new("/default", detail));
    }
    if document.state == State::Paused {
        faults.push(Fault::new("/state", "a purpose is draft, live or archived, never paused"));
    }
    region_faults(document, faults);
    let tcf = document.signals.iter().flat_map(|signals| &signals.tcf);
    for (place, _) in tcf.enumerate().filter(|(_, number)| !(1..=24).contains(*number)) {
        let detail = "the framework numbers its purposes from 1 to 24";
        faults.push(Fault::new(format!("/signals/tcf/{place}"), detail));
    }
}

/// An event belongs to one purpose, and the service purpose, which keeps nothing, has none.
fn own_event_faults(document: &PurposeDocument, documents: &Documents, faults: &mut Vec<Fault>) {
    let (_, service) = Purpose::BUILT_IN[0];
    if document.key.as_str() == service && !document.events.is_empty() {
        faults.push(Fault::new("/events", "nothing is kept for the purpose `service` alone"));
    }
    if MAX_OWN_EVENTS < document.events.len() {
        let detail = format!("a purpose has at most {MAX_OWN_EVENTS} events to itself");
        faults.push(Fault::new("/events", detail));
    }
    let others =
        documents.of(Kind::Purpose).filter(|(key, known)| **key != document.key && known.acts());
    for (other, known) in others {
        let Ok(Typed::Purpose(typed)) = &known.typed else { continue };
        for (at, name) in document.events.iter().enumerate() {
            if typed.events.contains(name) {
                let detail = format!("purpose `{other}` has `{name}` to itself");
                faults.push(Fault::new(format!("/events/{at}"), detail));
            }
        }
    }
}

/// Each country must be one, and belong to one region.
fn region_faults(document: &PurposeDocument, faults: &mut Vec<Fault>) {
    let (_, service) = Purpose::BUILT_IN[0];
    if document.key.as_str() == service && !document.regions.is_empty() {
        faults.push(Fault::new("/regions", "the purpose `service` is granted everywhere"));
    }
    let mut known = std::collections::BTreeSet::new();
    for (at, region) in document.regions.iter().enumerate() {
        match region.countries() {
            Err(place) => {
                let pointer = format!("/regions/{at}/countries/{place}");
                let detail = "a country is written with the two letters of ISO 3166-1, or `EEA`";
                faults.push(Fault::new(pointer, detail));
            }
            Ok(countries) => {
                if let Some(twice) = countries.into_iter().find(|country| !known.insert(*country)) {
                    let detail = format!("`{twice}` is named twice");
                    faults.push(Fault::new(format!("/regions/{at}/countries"), detail));
                }
            }
        }
    }
}

fn trait_faults(document: &TraitDocument, documents: &Documents, faults: &mut Vec<Fault>) {
    if document.state == State::Paused {
        faults.push(Fault::new("/state", "a trait is draft, live or archived, never paused"));
    }
    faults.extend(document.compile().err().into_iter().flatten());
    for (key, other) in documents.of(Kind::Trait).filter(|(_, known)| known.acts()) {
        if let Ok(Typed::Trait(other)) = &other.typed
            && *key != document.key
            && other.sent_as() == document.sent_as()
        {
            let detail = format!("the trait is defined by `{key}` already");
            faults.push(Fault::new("/trait", detail));
        }
    }
}

fn computed_trait_faults(document: &ComputedTraitDocument, faults: &mut Vec<Fault>) {
    if document.purpose.0.as_str() == Purpose::BUILT_IN[0].1 {
        faults.push(Fault::new("/purpose", "nothing is computed under the purpose `service`"));
    }
    if document.state == State::Paused {
        let detail = "a computed trait is draft, live or archived, never paused";
        faults.push(Fault::new("/state", detail));
    }
    faults.extend(document.compile().err().into_iter().flatten());
}

/// A slot has one experience at a time: two could both meet the same person.
fn slot_fault(document: &ExperienceDocument, documents: &Documents) -> Option<Fault> {
    let slot = document.exclusion_group.as_ref()?;
    let others =
        documents.of(Kind::Experience).filter(|(key, known)| **key != document.key && known.acts());
    let mut others = others.filter_map(|(_, known)| match &known.typed {
        Ok(Typed::Experience(other)) => Some(other),
        _ => None,
    });
    let holder = others.find(|other| {
        other.exclusion_group.as_ref() == Some(slot) && other.schedule.meets(&document.schedule)
    })?;
    let detail = format!("slot `{}` has the experience `{}` at that time", slot.slot, holder.key);
    Some(Fault::new("/exclusion_group/slot", detail))
}

/// A guardrail is looked at each minute, so sums must tell it.
fn guardrail_faults(document: &ExperienceDocument, documents: &Documents) -> Vec<Fault> {
    let named = document.guardrails.iter().enumerate();
    let untold =
        named.filter(|(_, key)| match documents.get(Kind::Metric, key).map(|m| &m.typed) {
            Some(Ok(Typed::Metric(metric))) => metric.needs_all_units(),
            _ => false,
        });
    let fault = |(place, key): (usize, &Key)| {
        let detail = format!(
            "metric `{key}` takes a quantile, so all units are looked at, and guardrails are looked at each minute"
        );
        Fault::new(format!("/guardrails/{place}"), detail)
    };
    untold.map(fault).collect()
}

/// The same, where the metric is what is saved.
fn of_guardrail(document: &MetricDocument, documents: &Documents) -> Option<Fault> {
    if !document.needs_all_units() {
        return None;
    }
    let acting = documents.of(Kind::Experience).filter(|(_, known)| known.acts());
    let mut stopped = acting.filter_map(|(key, known)| match &known.typed {
        Ok(Typed::Experience(experience)) if experience.guardrails.contains(&document.key) => {
            Some(key)
        }
        _ => None,
    });
    let experience = stopped.next()?;
    let pointer = if document.quantile.is_some() { "/quantile" } else { "/cap/quantile" };
    let detail = format!(
        "experience `{experience}` is stopped by it, and is looked at each minute: a quantile takes a look at all units"
    );
    Some(Fault::new(pointer, detail))
}

/// What is recorded with decisions is read by more people than may see sensitive values.
fn recorded_faults(document: &ExperienceDocument, documents: &Documents) -> Vec<Fault> {
    let acting = documents.of(Kind::Trait).filter(|(_, known)| known.acts());
    let sensitive: Vec<&TraitDocument> = acting
        .filter_map(|(_, known)| match &known.typed {
            Ok(Typed::Trait(document)) => Some(document.as_ref()),
            _ => None,
        })
        .filter(|document| document.sensitivity == Sensitivity::Sensitive)
        .collect();
    let fault = |(place, path): (usize, &Path)| {
        let known = sensitive.iter().find(|document| leads_into(path, document.sent_as()))?;
        let detail = format!(
            "trait `{}` is sensitive, so it is not recorded with decisions",
            known.sent_as()
        );
        Some(Fault::new(format!("/record_traits/{place}"), detail))
    };
    document.record_traits.iter().enumerate().filter_map(fault).collect()
}

/// The same, where the trait is what is saved.
fn of_recorded(document: &TraitDocument, documents: &Documents) -> Option<Fault> {
    if document.sensitivity != Sensitivity::Sensitive {
        return None;
    }
    let acting = documents.of(Kind::Experience).filter(|(_, known)| known.acts());
    let mut recording = acting.filter_map(|(key, known)| match &known.typed {
        Ok(Typed::Experience(experience)) => {
            let mut paths = experience.record_traits.iter();
            paths.any(|path| leads_into(path, document.sent_as())).then_some(key)
        }
        _ => None,
    });
    let experience = recording.next()?;
    let detail = format!(
        "experience `{experience}` has it recorded with decisions: take it out of its `record_traits` first"
    );
    Some(Fault::new("/sensitivity", detail))
}

/// Whether a path among traits leads to a trait or into it.
fn leads_into(path: &Path, name: &str) -> bool {
    let rest = path.as_str().strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Why a definition that is referred to is not there; one that acts needs those it names to act too.
fn missing(reference: &Reference, documents: &Documents, acting: bool) -> Option<String> {
    let Reference { kind, key, .. } = reference;
    if *kind == Kind::Purpose && is_built_in(key) {
        return None;
    }
    let singular = kind.singular();
    match documents.get(*kind, key) {
        None => Some(format!("{singular} `{key}` does not exist")),
        Some(known) if acting && !known.acts() => {
            let state = known.definition.state;
            Some(format!("{singular} `{key}` is {state}: make it live first"))
        }
        Some(_) => None,
    }
}

/// Why an experience can see nothing of an audience it asks about: audiences show only in views for their own purpose.
fn of_other_purpose(known: &Known, reference: &Reference, documents: &Documents) -> Option<String> {
    let Ok(Typed::Experience(experience)) = &known.typed else { return None };
    let other = documents.get(reference.kind, &reference.key)?;
    match &other.typed {
        Ok(Typed::Audience(audience)) if audience.purpose != experience.purpose => Some(format!(
            "audience `{}` is for the purpose `{}`, and this experience for `{}`; both need the same",
            audience.key, audience.purpose, experience.purpose
        )),
        _ => None,
    }
}

/// Whether a purpose exists without a definition.
pub(crate) fn is_built_in(key: &Key) -> bool {
    Purpose::BUILT_IN.into_iter().any(|(_, known)| known == key.as_str())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(kind: Kind, document: Value, expect: Expect) {
        let faults = typed(kind, document.as_object().unwrap()).err().unwrap_or_default();
        let line = |fault: &Fault| format!("{}: {}", fault.pointer, fault.detail);
        let lines: Vec<_> = faults.iter().map(line).collect();
        expect.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn each_fault_has_its_place() {
        check(
            Kind::Source,
            json!({"key": "a", "kind": "server", "a/b": 1, "zoo`, `": 2}),
            expect![[r#"
                /a~1b: unknown field `a/b`, expected one of `key`, `name`, `description`, `tags`, `state`, `kind`, `identity`, `party`
                /zoo`, `: unknown field `zoo`, ``, expected one of `key`, `name`, `description`, `tags`, `state`, `kind`, `identity`, `party`"#]],
        );
        check(
            Kind::Source,
            json!({"key": "a", "state": "on"}),
            expect![
                "/state: unknown variant `on`, expected one of `draft`, `live`, `paused`, `archived`"
            ],
        );
        check(Kind::Source, json!({"key": "a"}), expect!["/kind: missing field `kind`"]);
        check(
            Kind::Source,
            json!({"key": "A", "kind": "server"}),
            expect![
                "/key: `A` is not a key: use 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit"
            ],
        );
        check(
            Kind::Purpose,
            json!({"key": "a", "tags": ["x", 1]}),
            expect!["/tags/1: invalid type: integer `1`, expected a string"],
        );
        check(
            Kind::Experience,
            json!({"key": "a", "placement": "p", "variants": [{"key": "v", "wait": 1}]}),
            expect![
                "/variants/0/wait: unknown field `wait`, expected one of `key`, `name`, `weight`, `content`, `editions`"
            ],
        );
        check(
            Kind::Experience,
            json!({"key": "a", "placement": "p", "variants": [{"key": "v", "weight": -1}]}),
            expect!["/variants/0/weight: invalid value: integer `-1`, expected u32"],
        );
        let variants = json!([{"key": "v"}]);
        check(
            Kind::Experience,
            json!({"key": "a", "placement": "p", "variants": variants,
                   "allocation": {"kind": "fixed", "x": 1}}),
            expect!["/allocation/x: unknown field `x`, there are no fields"],
        );
        check(
            Kind::Audience,
            json!({"key": "a", "state": "live"}),
            expect!["/condition: missing field `condition`"],
        );
        check(Kind::Placement, json!({"key": "a"}), expect![[""]]);
    }
}
