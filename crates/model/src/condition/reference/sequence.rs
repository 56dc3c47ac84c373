//! Sequences, by trying every event for every step.

use serde_json::json;

use super::{
    Known, Possible, duration, holds, known, order, property,
    window::{self, Lies},
};
use crate::{
    Timestamp, Value,
    condition::{EventName, Fact, Facts, Rows, visits::LAST},
};

/// An event as the search sees it: what is known of it, where it may be read.
struct Happened {
    name: String,
    time: i64,
    known: Option<Known>,
}

/// Where a search is.
#[derive(Clone)]
struct Reached {
    /// The step to be found next.
    step: usize,
    /// The place in time of the step before, and whether an event there is later.
    place: (i64, bool),
    /// That of the step before those that come in any order, and otherwise the same.
    from: i64,
    start: i64,
    /// The events found, by their steps.
    found: Vec<Option<usize>>,
}

struct Search {
    steps: Vec<Value>,
    span: Option<i64>,
    finished_within: Option<i64>,
    /// When visits begin and end, and whether that may be known, where it matters.
    visits: Option<Vec<(i64, i64, bool)>>,
    events: Vec<Happened>,
    /// The oldest event held of each name of which older ones are lost.
    lost: Vec<(String, i64)>,
    /// The last instant that is not after the window.
    end: i64,
    now: i64,
    /// What may not be read is what is wanted, and never what must stay away.
    hopeful: bool,
}

pub(super) fn possible(document: &Value, facts: &dyn Facts, now: Timestamp) -> Possible {
    let steps = orders(document);
    // As with single events, what may not be looked at at all is withheld wherever the window lies.
    let name = |step: &Value| EventName::new(what(step)["event"].as_str().unwrap_or_default());
    if steps.iter().flatten().any(|step| matches!(facts.events(&name(step)), Fact::Withheld)) {
        return Possible::EITHER;
    }
    let lies = match window::of(document, facts, now) {
        Ok(lies) => lies,
        Err(answer) => return answer,
    };
    // The last instant that is not after the window.
    let mut end = (now.0 - 10 * 366 * 86_400_000, now.0);
    while end.0 < end.1 {
        let middle = end.1 - (end.1 - end.0) / 2;
        end = if lies(middle) == Lies::After { (end.0, middle - 1) } else { (middle, end.1) };
    }
    let (mut events, mut lost, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps.iter().flatten() {
        let name = what(step)["event"].as_str().unwrap_or_default().to_owned();
        if names.contains(&name) {
            continue;
        }
        let rows = match facts.events(&EventName::new(&name)) {
            Fact::Known(rows) => rows,
            Fact::Missing => Rows::none(crate::Purpose::SERVICE),
            Fact::Withheld => return Possible::EITHER,
        };
        if rows.overflow {
            lost.push((name.clone(), rows.rows.first().map_or(i64::MAX, |row| row.time.0)));
        }
        let inside = rows.rows.iter().filter(|row| lies(row.time.0) == Lies::Inside);
        events.extend(inside.map(|row| Happened {
            name: name.clone(),
            time: row.time.0,
            known: row.purposes.contains(rows.purpose).then(|| known(row, rows.paths)),
        }));
        names.push(name);
    }
    let visits = match document["same_visit"] == Value::Bool(true) {
        true => match visits(facts) {
            Some(visits) => Some(visits),
            None => return Possible::EITHER,
        },
        false => None,
    };
    let mut search = Search {
        steps: Vec::new(),
        span: duration(&document["span"]),
        finished_within: duration(&document["finished_within"]),
        visits,
        events,
        lost,
        end: end.1,
        now: now.0,
        hopeful: true,
    };
    let mut found = |hopeful: bool| {
        search.hopeful = hopeful;
        steps.iter().any(|steps| {
            search.steps.clone_from(steps);
            search.begins()
        })
    };
    Possible { yes: found(true), no: !found(false) }
}

/// When visits begin and end, and whether that may be known; nothing where no visit may be looked at.
fn visits(facts: &dyn Facts) -> Option<Vec<(i64, i64, bool)>> {
    let rows = match facts.events(&EventName::new("Visit Started")) {
        Fact::Known(rows) => rows,
        Fact::Missing => return Some(Vec::new()),
        Fact::Withheld => return None,
    };
    let visit = |row: crate::condition::Row<'_>| {
        let last = row.value(rows.paths, &LAST).and_then(|last| last.to_value().as_i64());
        let end = last.unwrap_or(row.time.0) + 30 * 60_000;
        (row.time.0, end, row.purposes.contains(rows.purpose))
    };
    Some(rows.rows.iter().map(visit).collect())
}

/// The plain steps of the sequence, in each order in which it may come.
fn orders(document: &Value) -> Vec<Vec<Value>> {
    let mut orders = vec![Vec::new()];
    for step in document["sequence"].as_array().into_iter().flatten() {
        let set = step["any_order"].as_array().cloned().unwrap_or_default();
        let ways: Vec<Value> = match set.is_empty() {
            true => vec![step.clone()],
            false => permutations(&set)
                .into_iter()
                .map(|events| json!({"in_order": events, "within": step["within"]}))
                .collect(),
        };
        let with = |way: &Value| {
            let add = |order: &Vec<Value>| order.iter().chain([way]).cloned().collect();
            orders.iter().map(add).collect::<Vec<Vec<Value>>>()
        };
        orders = ways.iter().flat_map(with).collect();
    }
    let is_strict = document["strict"] == Value::Bool(true);
    orders.iter().map(|order| plain(order, is_strict)).collect()
}

fn permutations(events: &[Value]) -> Vec<Vec<Value>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let first = |index: usize| {
        let mut rest = events.to_vec();
        let first = rest.remove(index);
        let with = move |rest: Vec<Value>| [vec![first.clone()], rest].concat();
        permutations(&rest).into_iter().map(with).collect::<Vec<_>>()
    };
    (0..events.len()).flat_map(first).collect()
}

/// The steps with each repetition and each of a set written out, and with what must not lie between in a
/// strict sequence.
fn plain(written: &[Value], is_strict: bool) -> Vec<Value> {
    let events = |step: &Value| match step["in_order"].as_array() {
        Some(events) => events.clone(),
        None => vec![step.clone()],
    };
    let all: Vec<Value> =
        written.iter().filter(|step| step.get("not").is_none()).flat_map(events).collect();
    let mut steps: Vec<Value> = Vec::new();
    let (mut firsts, mut guards) = (Vec::new(), Vec::new());
    for (place, step) in written.iter().enumerate() {
        let is_event = step.get("not").is_none();
        let times = step["times"].as_u64().unwrap_or(1);
        let set = (0..times).flat_map(|repetition| {
            let of = |event: Value| (repetition, event);
            events(step).into_iter().map(of).collect::<Vec<_>>()
        });
        for (index, (repetition, mut event)) in set.enumerate() {
            let is_in_set = step.get("in_order").is_some();
            if is_in_set {
                event["within"] = step["within"].clone();
                event["goes_on"] = (index > 0).into();
            }
            if is_in_set && index > 0 {
                steps.extend(guards.iter().cloned());
            }
            if is_strict && is_event && !steps.is_empty() {
                steps.extend(all.iter().map(|other| json!({"not": {"event": other["event"]}})));
            }
            if index == 0 {
                firsts.push(steps.len());
            }
            let what = if is_event { &mut event } else { &mut event["not"] };
            if let Some(same) = what.get_mut("same").and_then(Value::as_array_mut) {
                let step = |same: &Value| same["step"].as_u64().unwrap_or(0);
                let of = |same: &Value| usize::try_from(step(same)).unwrap_or(usize::MAX);
                same.retain(|same| of(same) != place || repetition > 0);
                for same in same {
                    same["step"] = firsts[of(same)].into();
                }
            }
            if steps.is_empty() {
                event["within"] = Value::Null;
            }
            steps.push(event);
        }
        if is_event || !step["within"].is_null() {
            guards.clear();
        } else {
            guards.extend(steps.last().cloned());
        }
    }
    steps
}

fn what(step: &Value) -> &Value {
    step.get("not").unwrap_or(step)
}

impl Search {
    fn begins(&self) -> bool {
        (0..self.events.len()).any(|first| {
            let event = &self.events[first];
            let mut found = vec![None; self.steps.len()];
            found[0] = Some(first);
            let (place, start) = ((event.time, false), event.time);
            self.is_wanted(0, first, &found)
                && self.visits.as_ref().is_none_or(|_| self.visit_at(start).is_some())
                && self.goes_on(&Reached { step: 1, place, from: start, start, found })
        })
    }

    /// Whether the rest can be found after what has been.
    fn goes_on(&self, reached: &Reached) -> bool {
        if self.span.is_some_and(|span| reached.place.0 - reached.start >= span) {
            return false;
        }
        let rest = &self.steps[reached.step..];
        let timeless = |step: &&Value| step.get("not").is_some() && step["within"].is_null();
        let guards = rest.iter().take_while(timeless).count();
        let guards = reached.step..reached.step + guards;
        let next = guards.end;
        let is_clear =
            |step: usize, until: &dyn Fn(&Happened) -> bool| self.is_clear(step, reached, until);
        let Some(step) = self.steps.get(next) else {
            let is_recent = |length: i64| self.now - reached.place.0 < length;
            return self.finished_within.is_none_or(is_recent)
                && guards.into_iter().all(|guard| is_clear(guard, &|_| true));
        };
        let within = duration(&step["within"]);
        if step.get("not").is_some() {
            let end = reached.place.0 + within.unwrap_or_default();
            return end <= self.end
                && guards.chain([next]).all(|step| is_clear(step, &|event| event.time < end))
                && self.goes_on(&Reached {
                    step: next + 1,
                    place: (end, true),
                    ..reached.clone()
                });
        }
        (0..self.events.len()).any(|index| {
            let event = &self.events[index];
            let from = if step["goes_on"] == true { reached.from } else { reached.place.0 };
            let gap = event.time - from;
            let before = |other: &Happened| other.time < event.time;
            let mut found = reached.found.clone();
            found[next] = Some(index);
            let place = (event.time, false);
            is_after(event, reached.place)
                && within.is_none_or(|within| gap < within)
                && self.is_in_visit(event.time, reached.start)
                && self.is_wanted(next, index, &reached.found)
                && guards.clone().all(|guard| is_clear(guard, &before))
                && self.goes_on(&Reached { step: next + 1, place, from, found, ..*reached })
        })
    }

    /// The visit that goes on at an instant, where one may be known to.
    fn visit_at(&self, time: i64) -> Option<i64> {
        let mut visits = self.visits.iter().flatten();
        let (start, end, may_know) = *visits.rfind(|(start, ..)| *start <= time)?;
        (time < end && (may_know || self.hopeful)).then_some(start)
    }

    fn is_in_visit(&self, time: i64, start: i64) -> bool {
        let visit = self.visit_at(time);
        self.visits.is_none() || visit.is_some() && visit == self.visit_at(start)
    }

    /// Whether nothing that a step rules out happened after a place and before an end.
    fn is_clear(&self, step: usize, reached: &Reached, until: &dyn Fn(&Happened) -> bool) -> bool {
        let name = what(&self.steps[step])["event"].as_str();
        let is_known = self
            .lost
            .iter()
            .all(|(lost, since)| Some(lost.as_str()) != name || *since <= reached.place.0);
        is_known
            && !self.events.iter().any(|event| {
                is_after(event, reached.place)
                    && until(event)
                    && self.matches(step, event, &reached.found, !self.hopeful)
            })
    }

    fn is_wanted(&self, step: usize, index: usize, found: &[Option<usize>]) -> bool {
        self.matches(step, &self.events[index], found, self.hopeful)
    }

    /// Whether an event is the one of a step; `unread` is the answer for what may not be known.
    fn matches(
        &self,
        step: usize,
        event: &Happened,
        found: &[Option<usize>],
        unread: bool,
    ) -> bool {
        let what = what(&self.steps[step]);
        if what["event"].as_str() != Some(&event.name) {
            return false;
        }
        let Some(known) = &event.known else { return unread };
        let list = |field: &str| what[field].as_array().cloned().unwrap_or_default();
        list("where").iter().all(|filter| holds(filter, property(known, filter)))
            && list("same").iter().all(|same| {
                let step = same["step"].as_u64().and_then(|step| usize::try_from(step).ok());
                let earlier = found[step.unwrap_or(0)].map(|index| &self.events[index].known);
                let Some(Some(earlier)) = earlier else { return unread };
                let of = if same.get("as").is_some() { &same["as"] } else { &same["property"] };
                let value = earlier.get(of.as_str().unwrap_or_default());
                let own = property(known, same);
                let all = |value: &Value| match value {
                    Value::Array(elements) => elements.clone(),
                    other => vec![other.clone()],
                };
                value.zip(own).is_some_and(|(a, b)| {
                    let (a, b) = (all(a), all(b));
                    let equal = |a: &Value, b: &Value| order(a, b).is_some_and(|o| o.is_eq());
                    a.iter().any(|a| b.iter().any(|b| equal(a, b)))
                })
            })
    }
}

/// Whether an event is later than a place.
fn is_after(event: &Happened, (time, inclusive): (i64, bool)) -> bool {
    time < event.time || inclusive && time == event.time
}
