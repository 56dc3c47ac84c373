use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use model::{
    Timestamp,
    condition::{Standing, reference, standing},
    hash,
};
use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::*;
use crate::{
    Catalog, Change, FactsByPurpose, InPlace, Memberships, Touched,
    fixture::{key, live as live_audience, paths, row},
    reference::{Learnt, Person},
};

const PAGE: &str = include_str!("../../../../docs/reference/stages.md");

fn document(value: Value) -> StagesDocument {
    serde_json::from_value(value).unwrap()
}

#[test]
fn every_example_of_the_reference_page_is_sound() {
    let blocks = PAGE.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for block in blocks {
        let example = document(serde_json::from_str(block).unwrap());
        assert_eq!(example.faults(), []);
        let live =
            LiveStages { document: example, version: 1, purpose: Some(Purpose::PERSONALIZATION) };
        let (_, faults) = Catalog::naming(Vec::new(), &[live], &Names::default());
        assert_eq!(faults, []);
        count += 1;
    }
    assert!(0 < count, "the page has examples");
}

#[test]
fn what_is_no_order_is_told_with_its_place() {
    let told = |stages: Value, expect: Expect| {
        let faults = document(json!({"key": "car", "stages": stages})).faults();
        let lines: Vec<_> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect();
        expect.assert_eq(&lines.join("\n"));
    };
    let here = json!({"all": []});
    told(json!([{"key": "a"}]), expect!["/stages: there are 2 to 12 stages, not 1"]);
    told(
        json!([{"key": "a", "condition": here}, {"key": "b"}, {"key": "a", "condition": here}]),
        expect![[r#"
            /stages/0/condition: everybody is in the first stage who is in no other; leave it out
            /stages/1/condition: say who has come to this stage
            /stages/2/key: there is another stage `a`"#]],
    );
}

fn car(policy: StagePolicy) -> LiveStages {
    let document = document(json!({"key": "car", "state": "live", "policy": policy, "stages": [
        {"key": "need"},
        {"key": "research", "condition": {"event": "A", "within": "10s", "count": {"op": "gte", "value": 2}}},
        {"key": "decision", "condition": {"event": "B", "within": "6s"}},
        {"key": "customer", "condition": {"event": "C", "within": "15s"}}
    ]}));
    LiveStages { document, version: 1, purpose: Some(Purpose::PERSONALIZATION) }
}

fn compiled(live: &LiveStages) -> (Catalog, NamedStages) {
    let named = live.document.named(live.version, Purpose::PERSONALIZATION);
    let stages = [(live.document.key.clone(), named.clone())].into();
    let names = Names { stages, ..Names::default() };
    let asking = live_audience(
        "deciding",
        1,
        "personalization",
        json!({"stage": "car", "in": ["decision"], "for_at_least": "2s"}),
    );
    let (catalog, faults) = Catalog::naming(vec![asking], std::slice::from_ref(live), &names);
    assert_eq!(faults, []);
    (catalog, named)
}

proptest! {
    #[test]
    fn a_person_is_in_the_furthest_stage_at_every_instant(
        events in vec((0..40_i64, "[ABC]"), 0..12), is_kept: bool
    ) {
        let policy = if is_kept { StagePolicy::AdvanceOnly } else { StagePolicy::MayReturn };
        let live = car(policy);
        let (catalog, named) = compiled(&live);
        // No two instants are the same, so that what is seen after each of them is all there is to see.
        let mut events: Vec<(Timestamp, String)> =
            (0..).zip(events).map(|(i, (second, name))| (Timestamp(second * 1000 + i), name)).collect();
        events.sort();
        let mut instants: BTreeSet<Timestamp> = BTreeSet::new();
        for (time, _) in &events {
            instants.extend([0, 6, 10, 15].map(|length| Timestamp(time.0 + length * 1000)));
        }
        let (mut person, mut memberships) = (Person::default(), Memberships::default());
        let mut naive = Standing { stage: Some(0), since: None, valid_until: None };
        let mut waiting = events.into_iter().peekable();
        for now in instants {
            memberships.advance(&catalog, &person, now);
            let mut touched = Touched::default();
            while let Some((time, name)) = waiting.next_if(|(time, _)| *time <= now) {
                let row = row(time, model::PurposeSet::ALL, None);
                person.learn(&Learnt::Event { name: name.clone(), row: row.clone(), paths: paths() });
                let (name_hash, paths) = (hash::event_name(&name), &paths());
                catalog.touch(&mut touched, &Change::Event { name_hash, row: row.as_row(), paths });
            }
            memberships.update(&catalog, &person, &touched, now);
            let facts = person.facts(Purpose::PERSONALIZATION);
            let holds = |stage: &StageDocument| {
                stage.condition.as_ref().is_none_or(|condition| {
                    reference::truth(condition, facts, now).is_true()
                })
            };
            let furthest = live.document.stages.iter().rposition(holds);
            let furthest = if is_kept { furthest.max(naive.stage) } else { furthest };
            if furthest != naive.stage {
                naive = Standing { stage: furthest, since: Some(now), valid_until: None };
            }
            let seen = InPlace::new(&catalog, &memberships, facts, Purpose::PERSONALIZATION, now);
            let found = standing(&named.reached, &seen, now);
            prop_assert_eq!((found.stage, found.since), (naive.stage, naive.since), "at {}", now);
            prop_assert!(found.valid_until.is_none_or(|until| now < until));
            let asked = memberships.entry(&key("deciding")).is_some_and(|e| e.truth().is_true());
            let ripe = naive.since.is_some_and(|since| since.0 + 2_000 <= now.0);
            prop_assert_eq!(asked, naive.stage == Some(2) && ripe, "at {}", now);
        }
    }
}

#[test]
fn of_two_parts_of_a_person_the_one_who_came_further_first_counts() {
    let live = car(StagePolicy::AdvanceOnly);
    let (catalog, named) = compiled(&live);
    let entry = |place: usize, truth, since| {
        let membership =
            model::condition::Membership { truth, since, previous: None, valid_until: None };
        crate::Entry::new(named.reached[place].clone().into(), 1, membership)
    };
    use model::condition::Truth::{False, True};
    let (early, late) = (Some(Timestamp(1)), Some(Timestamp(9)));
    let entries = vec![
        entry(1, False, late),
        entry(0, True, late),
        entry(0, True, early),
        entry(1, True, late),
    ];
    let mut memberships = Memberships::restore(&catalog, catalog.fingerprint(), entries);
    let person = Person::default();
    memberships.update(&catalog, &person, &catalog.touched(&Change::Everything), Timestamp(20));
    let facts = person.facts(Purpose::PERSONALIZATION);
    let seen = InPlace::new(&catalog, &memberships, facts, Purpose::PERSONALIZATION, Timestamp(20));
    let found = standing(&named.reached, &seen, Timestamp(20));
    assert_eq!((found.stage, found.since), (Some(2), late));
}

#[test]
fn stages_that_lead_back_to_themselves_are_refused() {
    let mut live = car(StagePolicy::MayReturn);
    live.document.stages[1].condition = Some(json!({"audience": "keen"}));
    let named = live.document.named(1, Purpose::PERSONALIZATION);
    let names = Names { stages: [(key("car"), named)].into(), ..Names::default() };
    let keen =
        live_audience("keen", 1, "personalization", json!({"stage": "car", "in": ["customer"]}));
    let (_, faults) = Catalog::naming(vec![keen], &[live], &names);
    let lines: Vec<String> = faults
        .iter()
        .flat_map(|(key, faults)| {
            faults.iter().map(move |f| format!("{key} {}: {}", f.pointer, f.detail))
        })
        .collect();
    expect![[r#"
        car.research /stages/1/condition/audience: audience `car.research` refers to itself through `keen`
        keen /condition/stage: audience `keen` refers to itself through `car.research`"#]].assert_eq(&lines.join("\n"));
}
