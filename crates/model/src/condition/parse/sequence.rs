//! Sequences.

use super::{Reader, comparison::path, length, pattern};
use crate::{
    Value,
    condition::{Condition, EventPattern, Same, Sequence, SequenceStep, Window},
    value::Object,
};

/// Most steps of a sequence.
const MAX_STEPS: usize = 8;
/// Most repetitions of one step.
const MAX_TIMES: usize = 8;
/// Most events of a sequence, each repetition counted: each has chains of its own that wait for it.
const MAX_EVENTS: usize = 16;
/// Most properties that one step shares with earlier ones.
const MAX_SAME: usize = 8;

pub(super) fn read(reader: &mut Reader, object: &Object) -> Option<Condition> {
    let list = object.get("sequence")?;
    let steps = reader.inside("sequence", |reader| {
        let steps = reader.list(list, MAX_STEPS, "steps", step)?;
        in_order(reader, &steps).then_some(steps)
    });
    let within = window(reader, object);
    let span = length(reader, object, "span");
    let is_strict = match object.get("strict") {
        None => Some(false),
        Some(Value::Bool(is_strict)) => Some(*is_strict),
        Some(_) => {
            reader.fault_at("strict", "`strict` is true or false");
            None
        }
    };
    Some(Condition::Sequence(Box::new(Sequence::new(steps?, within?, span?, is_strict?))))
}

/// The window in which all of it lies. One that ended some time ago would have to be walked anew at
/// every instant, since the end up to which something stayed away moves with the clock.
#[expect(clippy::option_option, reason = "a field that may be left out, and may be wrong")]
fn window(reader: &mut Reader, object: &Object) -> Option<Option<Window>> {
    let within = super::window::read(reader, object)?;
    if let Some(Window::Ago { .. }) = within {
        reader.fault_at(
            "within",
            "the window of a sequence ends now or at an instant, not some time ago",
        );
        return None;
    }
    Some(within)
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
            reader.refuse_unknown(object, &["event", "where", "same", "within", "times"]);
            let (what, same) = event(reader, object)?;
            (what, same, false)
        }
    };
    let times = if is_absent { Some(1) } else { times(reader, object) };
    Some(SequenceStep { what, same, is_absent, times: times?, within: within? })
}

/// How many such events there must be one after the other.
fn times(reader: &mut Reader, object: &Object) -> Option<usize> {
    let times = object.get("times").map_or(Some(1), Value::as_u64);
    let times = times.and_then(|times| usize::try_from(times).ok());
    let times = times.filter(|times| (1..=MAX_TIMES).contains(times));
    if times.is_none() {
        reader.fault_at("times", format!("`times` is a whole number from 1 to {MAX_TIMES}"));
    }
    times
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
    let events: usize = steps.iter().map(|step| step.times).sum();
    if events < 2 {
        reader.fault("a sequence has at least two steps; for one, use an event condition");
    }
    if MAX_EVENTS < events {
        reader
            .fault(format!("a sequence has at most {MAX_EVENTS} events, each repetition counted"));
    }
    for (place, step) in steps.iter().enumerate() {
        reader.inside(place, |reader| {
            if place == 0 && step.is_absent {
                reader.fault("a sequence begins with an event");
            } else if place == 0 && step.times == 1 && step.within.is_some() {
                reader.fault_at("within", "the first step follows no other; leave this out, or say `within` beside `sequence`");
            }
            let earlier = steps.get(..place).unwrap_or_default();
            let is_event = |same: &Same| {
                let is_itself = same.step == place && 1 < step.times;
                is_itself || earlier.get(same.step).is_some_and(|step| !step.is_absent)
            };
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
