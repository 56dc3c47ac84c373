//! Playing a world against a server, through the interface that any site has: batches of events, and decisions.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

use engine::{Clock as _, SystemClock};
use model::Timestamp;
use serde_json::{Value, json};

use super::{
    effect::Effect,
    generate::{Ask, Shown, Turn, Visit, World},
};
use crate::client::{Auth, Client};

/// Visits that are played side by side when time is not paced: enough to fill a batch.
const VISITS_TOGETHER: usize = 100;
/// Most events of one call.
const BATCH_EVENTS_MAX: usize = 500;

/// What was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) visits: u64,
    pub(crate) events: u64,
    pub(crate) decisions: u64,
    pub(crate) orders: u64,
    pub(crate) revenue_cents: i64,
    /// The true effect of every variant that was shown.
    pub(crate) effects: BTreeMap<(String, String), Effect>,
}

/// Plays a world against a server.
#[derive(Debug)]
pub(crate) struct Actor<'a> {
    client: &'a Client,
    seed: u64,
    /// Decide as of the visit's own instant, which lies in the past.
    in_the_past: bool,
    tally: Tally,
}

impl<'a> Actor<'a> {
    /// Plays all visits as fast as the server takes them; `progress` hears how many are done, of how many.
    pub(crate) fn play_past(
        client: &'a Client,
        world: &World,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<Tally> {
        let mut actor =
            Self { client, seed: world.seed, in_the_past: true, tally: Tally::default() };
        let visits = world.visits();
        let total = visits.len() as u64;
        for group in together(visits) {
            actor.play_group(group)?;
            progress(actor.tally.visits, total);
        }
        Ok(actor.tally)
    }

    /// Plays visits side by side: every round sends what all did, then asks what all want to know.
    fn play_group(&mut self, group: Vec<Visit>) -> anyhow::Result<()> {
        let mut playing: Vec<(Visit, Vec<Shown>)> =
            group.into_iter().map(|visit| (visit, Vec::new())).collect();
        while !playing.is_empty() {
            let mut events = Vec::new();
            let mut asking = Vec::new();
            for (mut visit, shown) in playing.drain(..) {
                let turn = visit.turn(&shown);
                events.extend(turn.events);
                match turn.ask {
                    Some(ask) => asking.push((visit, ask)),
                    None => self.count(&visit),
                }
            }
            self.send(&events)?;
            for (visit, ask) in asking {
                let shown = self.decide(&ask)?;
                playing.push((visit, shown));
            }
        }
        Ok(())
    }

    /// Plays visits of the world of `seed` at the instants at which they happen; ends with the last one.
    pub(crate) fn play_live(
        client: &'a Client,
        seed: u64,
        visits: Vec<Visit>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> anyhow::Result<Tally> {
        let mut actor = Self { client, seed, in_the_past: false, tally: Tally::default() };
        let total = visits.len() as u64;
        let mut agenda = Agenda::default();
        for visit in visits {
            agenda.add(visit.start(), Work::Turn(Box::new(visit), Vec::new()));
        }
        while let Some((due, work)) = agenda.next() {
            wait_until(due);
            match work {
                Work::Send(event) => actor.send(&[event])?,
                Work::Ask(visit, ask) => {
                    let shown = actor.decide(&ask)?;
                    agenda.add(due, Work::Turn(visit, shown));
                }
                Work::Turn(visit, shown) => {
                    actor.take_turn(visit, &shown, &mut agenda);
                    progress(actor.tally.visits, total);
                }
            }
        }
        Ok(actor.tally)
    }

    fn take_turn(&mut self, mut visit: Box<Visit>, shown: &[Shown], agenda: &mut Agenda) {
        let Turn { events, ask } = visit.turn(shown);
        for event in events {
            let at = event.get("timestamp").and_then(Value::as_str);
            let at = at.and_then(|text| text.parse().ok()).unwrap_or(visit.start());
            agenda.add(at, Work::Send(event));
        }
        match ask {
            Some(ask) => agenda.add(ask.at, Work::Ask(visit, Box::new(ask))),
            None => self.count(&visit),
        }
    }

    fn count(&mut self, visit: &Visit) {
        self.tally.visits += 1;
        if let Some(cents) = visit.ordered() {
            self.tally.orders += 1;
            self.tally.revenue_cents += cents;
        }
    }

    fn send(&mut self, events: &[Value]) -> anyhow::Result<()> {
        for batch in events.chunks(BATCH_EVENTS_MAX) {
            self.client.post("/v1/batch", Auth::WriteKey, &json!({"batch": batch}))?;
            self.tally.events += batch.len() as u64;
        }
        Ok(())
    }

    fn decide(&mut self, ask: &Ask) -> anyhow::Result<Vec<Shown>> {
        let mut request = json!({
            "identifiers": ask.identifiers, "placements": [ask.placement], "context": ask.context,
        });
        if let (true, Some(fields)) = (self.in_the_past, request.as_object_mut()) {
            fields.insert("at".into(), ask.at.to_string().into());
        }
        let answer = self.client.post("/v1/decide", Auth::Token, &request)?;
        self.tally.decisions += 1;
        let decisions = answer.get("decisions").and_then(Value::as_array);
        let shown: Vec<Shown> = decisions.into_iter().flatten().filter_map(shown).collect();
        for shown in &shown {
            let key = (shown.experience.clone(), shown.variant.clone());
            let effect = || Effect::of(self.seed, &shown.experience, &shown.variant);
            self.tally.effects.entry(key).or_insert_with(effect);
        }
        Ok(shown)
    }
}

/// What a decision shows; `None` where it is the placement's default, which does nothing.
fn shown(decision: &Value) -> Option<Shown> {
    let text = |key: &str| decision.get(key).and_then(Value::as_str).map(str::to_owned);
    if !matches!(text("reason")?.as_str(), "targeting_match" | "split") {
        return None;
    }
    Some(Shown {
        placement: text("placement")?,
        experience: text("experience")?,
        variant: text("variant")?,
        decision_id: text("id")?,
        token: text("token"),
    })
}

/// Neighbouring visits of different households, so that nobody's visits overtake each other.
fn together(visits: Vec<Visit>) -> Vec<Vec<Visit>> {
    let mut groups = Vec::new();
    let (mut group, mut households) = (Vec::new(), BTreeSet::new());
    for visit in visits {
        let is_new = households.insert(visit.shopper().household);
        if !is_new || group.len() == VISITS_TOGETHER {
            groups.push(std::mem::take(&mut group));
            households = BTreeSet::from([visit.shopper().household]);
        }
        group.push(visit);
    }
    groups.push(group);
    groups
}

/// What is to be done when its instant comes.
#[derive(Debug)]
enum Work {
    Turn(Box<Visit>, Vec<Shown>),
    Ask(Box<Visit>, Box<Ask>),
    Send(Value),
}

/// Work by instant; of the same instant, in the order in which it was added.
#[derive(Debug, Default)]
struct Agenda {
    order: BinaryHeap<Reverse<(Timestamp, u64)>>,
    work: BTreeMap<u64, Work>,
    added: u64,
}

impl Agenda {
    fn add(&mut self, due: Timestamp, work: Work) {
        self.order.push(Reverse((due, self.added)));
        self.work.insert(self.added, work);
        self.added += 1;
    }

    fn next(&mut self) -> Option<(Timestamp, Work)> {
        let Reverse((due, number)) = self.order.pop()?;
        Some((due, self.work.remove(&number)?))
    }
}

fn wait_until(due: Timestamp) {
    let left = due.since(SystemClock.now()).0;
    if let Ok(millis) = u64::try_from(left) {
        std::thread::sleep(Duration::from_millis(millis));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::simulate::{catalogue::Catalogue, shopper::population};

    #[test]
    fn visits_of_a_household_keep_their_order() {
        let world = World {
            seed: 2,
            from: Timestamp(0),
            days: 30,
            shoppers: population(2, 50).into_iter().map(Arc::new).collect(),
            catalogue: Arc::new(Catalogue::new()),
            placements: Vec::new().into(),
        };
        let visits = world.visits();
        let starts: Vec<Timestamp> = visits.iter().map(Visit::start).collect();
        let groups = together(visits);
        for group in &groups {
            let households: BTreeSet<u64> = group.iter().map(|v| v.shopper().household).collect();
            assert_eq!(households.len(), group.len());
            assert!(group.len() <= VISITS_TOGETHER);
        }
        let again: Vec<Timestamp> = groups.iter().flatten().map(Visit::start).collect();
        assert_eq!(again, starts);
    }

    #[test]
    fn only_what_an_experience_shows_is_seen() {
        let decision = |reason: &str| json!({"id": "d", "placement": "p", "experience": "e", "variant": "b", "reason": reason});
        assert_eq!(shown(&decision("split")).unwrap().variant, "b");
        assert_eq!(shown(&decision("holdout")), None);
        assert_eq!(shown(&json!({"id": "d", "placement": "p", "reason": "default"})), None);
    }

    #[test]
    fn the_agenda_goes_by_time() {
        let mut agenda = Agenda::default();
        agenda.add(Timestamp(2), Work::Send(json!(1)));
        agenda.add(Timestamp(1), Work::Send(json!(2)));
        agenda.add(Timestamp(1), Work::Send(json!(3)));
        let mut order = Vec::new();
        while let Some((_, Work::Send(value))) = agenda.next() {
            order.push(value);
        }
        assert_eq!(order, [json!(2), json!(3), json!(1)]);
    }
}
