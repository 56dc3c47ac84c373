//! Sequences.

use super::{Reader, comparison::path, length, pattern};
use crate::{
    Value,
    condition::{
        Condition, Same, Sequence, SequenceStep, Window,
        sequence::{StepEvent, Whole},
    },
    value::Object,
};

/// Most steps of a sequence.
const MAX_STEPS: usize = 8;
/// Most repetitions of one step.
const MAX_TIMES: usize = 8;
/// Most events of one step in any order: chains may have come to each part of them.
const MAX_SET: usize = 5;
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
    let finished_within = length(reader, object, "finished_within");
    let is_strict = flag(reader, object, "strict");
    let is_of_one_visit = flag(reader, object, "same_visit");
    let whole = Whole {
        within: within?,
        span: span?,
        finished_within: finished_within?,
        is_strict: is_strict?,
        is_of_one_visit: is_of_one_visit?,
    };
    Some(Condition::Sequence(Box::new(Sequence::new(steps?, whole))))
}

fn flag(reader: &mut Reader, object: &Object, field: &str) -> Option<bool> {
    match object.get(field) {
        None => Some(false),
        Some(Value::Bool(holds)) => Some(*holds),
        Some(_) => {
            reader.fault_at(field, format!("`{field}` is true or false"));
            None
        }
    }
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
    const HELP: &str =
        "a step is an object, as in {\"event\":…}, {\"not\":{\"event\":…}} or {\"any_order\":[…]}";
    let object = reader.object(value, HELP)?;
    let within = length(reader, object, "within");
    if let Some(absent) = object.get("not") {
        reader.refuse_unknown(object, &["not", "within"]);
        let event = reader.inside("not", |reader| plain_event(reader, absent, "`not`"))?;
        return Some(SequenceStep {
            events: vec![event],
            is_absent: true,
            times: 1,
            within: within?,
        });
    }
    if let Some(list) = object.get("any_order") {
        reader.refuse_unknown(object, &["any_order", "within"]);
        let events = reader.inside("any_order", |reader| set(reader, list))?;
        return Some(SequenceStep { events, is_absent: false, times: 1, within: within? });
    }
    reader.refuse_unknown(object, &["event", "where", "same", "within", "times"]);
    let event = event(reader, object)?;
    let times = times(reader, object);
    Some(SequenceStep { events: vec![event], is_absent: false, times: times?, within: within? })
}

/// Events that come in any order.
fn set(reader: &mut Reader, list: &Value) -> Option<Vec<StepEvent>> {
    let one = |reader: &mut Reader, value: &Value| plain_event(reader, value, "each");
    let events = reader.list(list, MAX_SET, "events", one)?;
    if events.len() < 2 {
        reader.fault("at least two events come in any order; for one, name it as a step");
        return None;
    }
    Some(events)
}

/// An event of which nothing more is said than what it is.
fn plain_event(reader: &mut Reader, value: &Value, who: &str) -> Option<StepEvent> {
    let object = reader.object(value, &format!("{who} is an object, as in {{\"event\":…}}"))?;
    reader.refuse_unknown(object, &["event", "where", "same"]);
    event(reader, object)
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

fn event(reader: &mut Reader, object: &Object) -> Option<StepEvent> {
    let what = pattern(reader, object);
    let same = match object.get("same") {
        Some(list) => reader.inside("same", |r| r.list(list, MAX_SAME, "properties", same)),
        None => Some(Vec::new()),
    };
    Some(StepEvent { what: what?, same: same? })
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
    let events: usize = steps.iter().map(|step| step.times * step.events.len()).sum();
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
            } else if place == 0 && step.times * step.events.len() == 1 && step.within.is_some() {
                reader.fault_at("within", "the first step follows no other; leave this out, or say `within` beside `sequence`");
            }
            let earlier = steps.get(..place).unwrap_or_default();
            let is_event = |same: &Same| {
                let is_one = |step: &SequenceStep| !step.is_absent && step.events.len() == 1;
                let is_itself = same.step == place && 1 < step.times;
                is_itself || earlier.get(same.step).is_some_and(is_one)
            };
            for (index, event) in step.events.iter().enumerate() {
                if event.same.iter().all(is_event) {
                    continue;
                }
                const HELP: &str =
                    "each `step` here is the place of an earlier event; the first is 0";
                let tell = |reader: &mut Reader| reader.fault_at("same", HELP);
                match (step.is_absent, step.events.len()) {
                    (true, _) => reader.inside("not", tell),
                    (false, 1) => tell(reader),
                    _ => reader.inside("any_order", |reader| reader.inside(index, tell)),
                }
            }
        });
    }
    reader.faults().len() == before
}
