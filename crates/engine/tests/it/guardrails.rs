//! Experiences that do harm are stopped, by a real engine over real exposures; those that do none go on.

use std::{cell::RefCell, collections::BTreeMap};

use engine::{
    ResultsQuery,
    definitions::{AuditEntry, Expect, Kind},
};
use model::{Duration, Value, definition::State};
use serde_json::json;

use crate::world::{World, admin};

/// How people are called. Which variant they get is drawn anew in each run.
fn user(number: usize) -> String {
    format!("u{number}")
}

struct Test {
    world: World,
    users: usize,
}

impl Test {
    /// An experience with two variants and this much more.
    fn of(more: Value) -> Self {
        let world = World::new();
        world.define(Kind::Placement, json!({"key": "hero", "default": {"title": "Welcome"}}));
        let complained = json!({"key": "complaints", "kind": "conversion", "event": "Complained",
            "direction": "lower", "role": "guardrail"});
        world.define(Kind::Metric, complained);
        let bought = json!({"key": "orders", "kind": "conversion", "event": "Bought"});
        world.define(Kind::Metric, bought);
        let test = Self { world, users: 0 };
        test.save(more);
        test
    }

    fn save(&self, more: Value) {
        let mut document = json!({"key": "test", "placement": "hero", "goal": "orders", "state": "live",
            "variants": [{"key": "a"}, {"key": "b"}]});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.world.define(Kind::Experience, document);
    }

    /// Exposes so many more people, of whom `complains` says by their number and variant who complains.
    fn expose(&mut self, count: usize, complains: impl Fn(usize, &str) -> bool) {
        let mut unhappy = Vec::new();
        for number in self.users..self.users + count {
            let user = user(number);
            let shown = self.world.ask(&[("user_id", &user)], "hero");
            let variant = shown.decisions[0].variant.clone();
            if variant.is_some_and(|variant| complains(number, variant.as_str())) {
                unhappy.push(user);
            }
        }
        self.users += count;
        self.world.see_all(unhappy.iter().map(String::as_str), "Complained");
        // Decisions are recorded with the next batch at the latest.
        self.world.see(&[("user_id", "nobody")], "Flush", json!({}));
        self.world.engine.catch_up();
    }

    fn look(&self) {
        self.world.engine.look_at_experiences();
    }

    fn state(&self) -> State {
        let key = "test".parse().unwrap();
        self.world.engine.definition(Kind::Experience, &key, None).unwrap().state
    }

    fn results(&self) -> Value {
        let key = "test".parse().unwrap();
        self.world.engine.results(&key, &ResultsQuery::default()).unwrap()
    }

    fn go_on(&self) {
        let (key, admin) = ("test".parse().unwrap(), admin());
        let saved = self.world.engine.set_definition_state(
            Kind::Experience,
            key,
            State::Live,
            Expect::Anything,
            &admin,
        );
        self.world.block_on(saved).unwrap();
    }

    /// All stops in the audit log, newest first.
    fn stops(&self) -> Vec<AuditEntry> {
        let all = self.world.engine.audit(None, 100).unwrap().items;
        all.into_iter().filter(|entry| entry.action == "experience.stop").collect()
    }

    fn counted(&self, series: &str) -> u64 {
        let text = self.world.engine.metrics();
        let series = format!("concierge_{series}_total ");
        let line = text.lines().find_map(|line| line.strip_prefix(series.as_str()));
        line.unwrap().parse().unwrap()
    }
}

/// Every eighth of `a`, every third of `b`.
fn b_annoys(number: usize, variant: &str) -> bool {
    number.is_multiple_of(if variant == "b" { 3 } else { 8 })
}

#[test]
fn harm_stops_an_experience_once_and_is_told_where_somebody_looks() {
    let mut test = Test::of(json!({"guardrails": ["complaints"]}));
    test.expose(100, b_annoys);
    test.look();
    assert_eq!(test.state(), State::Live, "of so few the exact sequence is not sure");
    // `a` has some thirty complaints, too few for any other sequence.
    test.expose(400, b_annoys);
    test.look();
    assert_eq!(test.state(), State::Paused);
    test.look();
    let stops = test.stops();
    assert_eq!(stops.len(), 1, "once");
    let stop = &stops[0];
    assert_eq!((&*stop.actor, &*stop.subject), ("guardrails", "experiences/test"));
    let change = stop.change.as_ref().unwrap();
    let because = change["because"].as_str().unwrap();
    let beginning = "`b` is surely worse than `a` by the guardrail `complaints`: +";
    assert!(because.starts_with(beginning), "{because}");
    assert_eq!(change["cause"], json!({"guardrail": "complaints", "variant": "b"}));
    assert!(0.0 < change["found"]["absolute"]["low"].as_f64().unwrap(), "{change:#}");
    let results = test.results();
    assert_eq!(results["state"], "paused");
    assert_eq!(
        results["stopped"],
        json!({"at": stop.at, "by": "guardrails", "because": because, "guardrail": "complaints", "variant": "b"})
    );
    assert_eq!(results["verdict"]["verdict"], "stop");
    assert!(results["verdict"]["reason"].as_str().unwrap().ends_with(because));
    let shown = test.world.ask(&[("user_id", "somebody")], "hero");
    assert_eq!(shown.decisions[0].reason.to_string(), "paused");
    assert_eq!(test.counted("experiences_stopped"), 1);
}

#[test]
fn whoever_sets_it_live_again_is_not_overruled_by_the_same_harm() {
    let mut test = Test::of(json!({"guardrails": ["complaints", "orders"]}));
    test.expose(1_500, b_annoys);
    test.look();
    assert_eq!(test.state(), State::Paused);
    test.world.pass(Duration::seconds(60));
    test.world.restart();
    test.world.engine.catch_up();
    assert_eq!(test.results()["stopped"]["variant"], "b", "it is still known why");
    test.go_on();
    test.world.engine.catch_up();
    test.look();
    assert_eq!((test.state(), test.stops().len()), (State::Live, 1));
    assert_eq!(test.results()["stopped"], Value::Null);
    assert_eq!(test.results()["alarms"][0]["alarm"], "guardrail", "but it is told");
}

#[test]
fn nothing_is_stopped_that_does_not_ask_for_it() {
    let mut test = Test::of(json!({}));
    test.expose(1_500, b_annoys);
    test.look();
    assert_eq!(test.state(), State::Live);
    assert_eq!(test.results()["alarms"][0]["alarm"], "guardrail");
    assert_eq!(test.counted("experience_looks"), 0);
}

#[test]
fn a_wrong_split_stops_what_asks_for_that() {
    for (asks, expected) in [(false, State::Live), (true, State::Paused)] {
        let mut test = Test::of(json!({"stop_on_mismatch": asks, "guardrails": ["complaints"]}));
        // Half of those who got `b` are erased, as if something lost them.
        let got_b = RefCell::new(Vec::new());
        test.expose(600, |number, variant| {
            if variant == "b" {
                got_b.borrow_mut().push(number);
            }
            false
        });
        let lost = got_b.into_inner();
        for number in &lost[..lost.len() / 2] {
            let (erase, who) = (engine::privacy::RequestKind::Erase, user(*number));
            test.world.file(erase, ("user_id", &who), json!({}));
        }
        test.world.pass(Duration::seconds(5));
        test.world.engine.catch_up();
        test.world.pass(Duration::seconds(5));
        test.world.engine.catch_up();
        test.look();
        assert_eq!(test.results()["split"]["verdict"], "mismatch");
        assert_eq!(test.state(), expected);
        if asks {
            let change = test.stops()[0].change.clone().unwrap();
            assert_eq!(change["cause"], json!({"split": "mismatch"}));
        }
    }
}

#[test]
fn a_variant_like_the_control_goes_on_however_often_it_is_looked_at() {
    let mut test = Test::of(json!({"guardrails": ["complaints"], "mode": "aa"}));
    let seen = RefCell::new(BTreeMap::<String, usize>::new());
    for _ in 0..10 {
        // Every fourth of either complains.
        test.expose(100, |_, variant| {
            let mut seen = seen.borrow_mut();
            let count = seen.entry(variant.to_owned()).or_default();
            *count += 1;
            count.is_multiple_of(4)
        });
        test.look();
    }
    assert_eq!(test.state(), State::Live);
    let complaints = test.results()["metrics"][1].clone();
    assert_eq!(complaints["metric"], "complaints");
    assert_eq!(complaints["is_collecting"], false, "{complaints:#}");
    assert_eq!(test.counted("experience_looks"), 10);
}
