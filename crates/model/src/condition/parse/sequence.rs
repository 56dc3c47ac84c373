//! Sequences.

use super::{Reader, length, path, pattern};
use crate::{
    Value,
    condition::{Condition, EventPattern, Same, Sequence, SequenceStep},
    value::Object,
};

/// Most steps of a sequence.
const MAX_STEPS: usize = 8;
/// Most properties that one step shares with earlier ones.
const MAX_SAME: usize = 8;

pub(super) fn read(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let list = object.get("sequence")?;
    let steps = reader.inside("sequence", |reader| {
        let steps = reader.list(list, MAX_STEPS, "steps", step)?;
        in_order(reader, &steps).then_some(steps)
    });
    let within = length(reader, object, "within");
    let span = length(reader, object, "span");
    Some(Condition::Sequence(Box::new(Sequence::new(steps?, within?, span?))))
}

fn step(reader: &mut Reader, value: &Value) -> Option<SequenceStep> {
    const HELP: &str = "a step is an object, as in {\"event\":…} or {\"not\":{\"event\":…}}";
    let object = reader.object(value, HELP)?;
    let within = length(reader, object, "within");
    let (what, same, is_absent) = match object.get("not") {
        Some(absent) => {
            reader.refuse_unknown(object, &["not", "within"]);
            let (what, same) = reader.inside("not", |reader| {
                let object = reader.object(absent, "`not` is an object, as in {\"event\":…}")?;
                reader.refuse_unknown(object, &["event", "where", "same"]);
                event(reader, object)
            })?;
            (what, same, true)
        }
        None => {
            reader.refuse_unknown(object, &["event", "where", "same", "within"]);
            let (what, same) = event(reader, object)?;
            (what, same, false)
        }
    };
    Some(SequenceStep { what, same, is_absent, within: within? })
}

fn event(reader: &mut Reader, object: &Object) -> Option<(EventPattern, Vec<Same>)> {
    let what = pattern(reader, object);
    let same = match object.get("same") {
        Some(list) => reader.inside("same", |r| r.list(list, MAX_SAME, "properties", same)),
        None => Some(Vec::new()),
    };
    Some((what?, same?))
}

fn same(reader: &mut Reader, value: &Value) -> Option<Same> {
    const HELP: &str = "this is an object, as in {\"property\":\"product_id\",\"step\":0}";
    let object = reader.object(value, HELP)?;
    reader.refuse_unknown(object, &["property", "step", "as"]);
    let property = path(reader, object, "property");
    let of = if object.contains_key("as") { path(reader, object, "as") } else { property.clone() };
    let step = object.get("step").map_or(Some(0), Value::as_u64);
    let step = step.and_then(|step| usize::try_from(step).ok()).filter(|step| *step < MAX_STEPS);
    if step.is_none() {
        reader.fault_at("step", "`step` is the place of an earlier step; the first is 0");
    }
    Some(Same { property: property?, step: step?, of: of? })
}

/// Whether the steps can follow one another; tells what is wrong.
fn in_order(reader: &mut Reader, steps: &[SequenceStep]) -> bool {
    let before = reader.faults().len();
    if steps.len() < 2 {
        reader.fault("a sequence has at least two steps; for one, use an event condition");
    }
    for (place, step) in steps.iter().enumerate() {
        reader.inside(place, |reader| {
            if place == 0 && step.is_absent {
                reader.fault("a sequence begins with an event");
            } else if place == 0 && step.within.is_some() {
                reader.fault_at("within", "the first step follows no other; leave this out, or say `within` beside `sequence`");
            }
            let earlier = steps.get(..place).unwrap_or_default();
            let is_event = |same: &Same| earlier.get(same.step).is_some_and(|step| !step.is_absent);
            if !step.same.iter().all(is_event) {
                const HELP: &str = "each `step` here is the place of an earlier event; the first is 0";
                if step.is_absent {
                    reader.inside("not", |reader| reader.fault_at("same", HELP));
                } else {
                    reader.fault_at("same", HELP);
                }
            }
        });
    }
    reader.faults().len() == before
}
