//! Sequences, by trying every event for every step.

use super::{Known, Possible, duration, holds, known, order, property};
use crate::{
    Timestamp, Value,
    condition::{EventName, Fact, Facts, Rows},
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
    start: i64,
    /// The events found, by their steps.
    found: Vec<Option<usize>>,
}

struct Search<'a> {
    steps: &'a [Value],
    span: Option<i64>,
    events: Vec<Happened>,
    /// The oldest event held of each name of which older ones are lost.
    lost: Vec<(String, i64)>,
    now: i64,
    /// What may not be read is what is wanted, and never what must stay away.
    hopeful: bool,
}

pub(super) fn possible(document: &Value, facts: &dyn Facts, now: Timestamp) -> Possible {
    let steps = document["sequence"].as_array().map(Vec::as_slice).unwrap_or_default();
    let floor = duration(&document["within"]).map(|within| now.0 - within);
    let (mut events, mut lost, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
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
        let counts = |time: i64| time <= now.0 && floor.is_none_or(|floor| time > floor);
        events.extend(rows.rows.iter().filter(|row| counts(row.time.0)).map(|row| Happened {
            name: name.clone(),
            time: row.time.0,
            known: row.purposes.contains(rows.purpose).then(|| known(row, rows.paths)),
        }));
        names.push(name);
    }
    let span = duration(&document["span"]);
    let mut search = Search { steps, span, events, lost, now: now.0, hopeful: true };
    let yes = search.begins();
    search.hopeful = false;
    Possible { yes, no: !search.begins() }
}

fn what(step: &Value) -> &Value {
    step.get("not").unwrap_or(step)
}

impl Search<'_> {
    fn begins(&self) -> bool {
        (0..self.events.len()).any(|first| {
            let event = &self.events[first];
            let mut found = vec![None; self.steps.len()];
            found[0] = Some(first);
            let place = (event.time, false);
            self.is_wanted(0, first, &found)
                && self.goes_on(&Reached { step: 1, place, start: event.time, found })
        })
    }

    /// Whether the rest can be found after what has been.
    fn goes_on(&self, reached: &Reached) -> bool {
        if self.span.is_some_and(|span| reached.place.0 - reached.start >= span) {
            return false;
        }
        let rest = &self.steps[reached.step..];
        let timeless = |step: &&Value| step.get("not").is_some() && step.get("within").is_none();
        let guards = rest.iter().take_while(timeless).count();
        let guards = reached.step..reached.step + guards;
        let next = guards.end;
        let is_clear =
            |step: usize, until: &dyn Fn(&Happened) -> bool| self.is_clear(step, reached, until);
        let Some(step) = self.steps.get(next) else {
            return guards.into_iter().all(|guard| is_clear(guard, &|_| true));
        };
        let within = duration(&step["within"]);
        if step.get("not").is_some() {
            let end = reached.place.0 + within.unwrap_or_default();
            return end <= self.now
                && guards.chain([next]).all(|step| is_clear(step, &|event| event.time < end))
                && self.goes_on(&Reached {
                    step: next + 1,
                    place: (end, true),
                    ..reached.clone()
                });
        }
        (0..self.events.len()).any(|index| {
            let event = &self.events[index];
            let gap = event.time - reached.place.0;
            let before = |other: &Happened| other.time < event.time;
            let mut found = reached.found.clone();
            found[next] = Some(index);
            let place = (event.time, false);
            is_after(event, reached.place)
                && within.is_none_or(|within| gap < within)
                && self.is_wanted(next, index, &reached.found)
                && guards.clone().all(|guard| is_clear(guard, &before))
                && self.goes_on(&Reached { step: next + 1, place, found, ..*reached })
        })
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
                value
                    .zip(own)
                    .is_some_and(|(a, b)| order(a, b).is_some_and(std::cmp::Ordering::is_eq))
            })
    }
}

/// Whether an event is later than a place.
fn is_after(event: &Happened, (time, inclusive): (i64, bool)) -> bool {
    time < event.time || inclusive && time == event.time
}
