//! Properties over many units and random catalogs.

use std::collections::BTreeMap;

use decision::{
    Catalog, ExperienceDocument, Outcome, Reason, Request, Versioned, decide,
    document::{Cap, Variant},
};
use model::{Duration, Key, LazyObject, Timestamp, UnitId, definition::State, hash};
use proptest::prelude::*;
use serde_json::json;

use crate::person::{TestPerson, Written, defined, key};

const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// Well spread units, the same in every run.
fn units(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn experience(name: &str, weights: &[u32]) -> ExperienceDocument {
    let document = json!({
        "key": name, "placement": "home", "state": "live",
        "variants": [{"key": "replaced"}],
    });
    let variants = weights.iter().enumerate();
    let variants = variants.map(|(i, weight)| Variant {
        key: key(&format!("v{i}")),
        name: None,
        weight: *weight,
        content: None,
        editions: Vec::new(),
    });
    let mut document: ExperienceDocument = serde_json::from_value(document).unwrap();
    document.variants = variants.collect();
    document
}

fn catalog(experiences: impl IntoIterator<Item = ExperienceDocument>) -> Catalog {
    let placement = json!({"key": "home", "state": "live", "default": {"title": "default"}});
    let placement = Versioned { version: 1, document: serde_json::from_value(placement).unwrap() };
    let experiences: Vec<_> =
        experiences.into_iter().map(|document| Versioned { version: 1, document }).collect();
    let (catalog, broken) = Catalog::compile(&[placement], &experiences, defined());
    assert_eq!(broken, []);
    catalog
}

fn ask(catalog: &Catalog, person: Written, explain: bool) -> Outcome {
    let context = LazyObject::default();
    let person = TestPerson::new(person, &context);
    let request = Request {
        placements: Some(&[key("home")]),
        context: &context,
        public: false,
        explain,
        forced: None,
    };
    decide(catalog, &person, &request, NOW).remove(0)
}

/// The variant each unit gets, none where it takes no part.
fn variants(catalog: &Catalog, count: u64) -> Vec<Option<Key>> {
    units(count).map(|unit| ask(catalog, Written::stranger(unit), false).variant).collect()
}

fn weights() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1..100_u32, 1..6)
}

/// The owner of each bucket, by the definition in `spec/assignment.json`.
fn owners(weights: &[u32]) -> Vec<usize> {
    let total: u32 = weights.iter().sum();
    (0..10_000_u32)
        .map(|bucket| {
            let ends = |i: usize| weights[..=i].iter().sum::<u32>() * 10_000 / total;
            (0..weights.len()).find(|i| bucket < ends(*i)).unwrap()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn units_spread_as_weighted_and_stay(weights in weights(), salt in "[a-z]{1,12}") {
        const COUNT: u32 = 4_000;
        let mut document = experience("hero", &weights);
        document.salt = Some(salt);
        let catalog = catalog([document]);
        let drawn = variants(&catalog, u64::from(COUNT));
        prop_assert_eq!(&drawn, &variants(&catalog, u64::from(COUNT)));
        let total: u32 = weights.iter().sum();
        for (index, weight) in weights.iter().enumerate() {
            let name = key(&format!("v{index}"));
            let got = drawn.iter().flatten().filter(|variant| **variant == name).count();
            let share = f64::from(*weight) / f64::from(total);
            let expected = share * f64::from(COUNT);
            // Six standard deviations: a failure means a bias, not chance.
            let bound = 6.0 * (expected * (1.0 - share)).sqrt() + 2.0;
            let got = f64::from(u32::try_from(got).unwrap());
            prop_assert!((got - expected).abs() < bound, "{got} of {expected} at {share}");
        }
    }

    #[test]
    fn reweighting_moves_only_units_between_the_boundaries(
        before in prop::collection::vec(1..100_u32, 3),
        after in prop::collection::vec(1..100_u32, 3),
    ) {
        let drawn_before = variants(&catalog([experience("hero", &before)]), 2_000);
        let drawn_after = variants(&catalog([experience("hero", &after)]), 2_000);
        let (owners_before, owners_after) = (owners(&before), owners(&after));
        for ((unit, old), new) in units(2_000).zip(drawn_before).zip(drawn_after) {
            let bucket = usize::try_from(hash::bucket("variant:hero", UnitId(unit))).unwrap();
            prop_assert_eq!(old == new, owners_before[bucket] == owners_after[bucket]);
        }
    }

    #[test]
    fn more_traffic_keeps_those_already_in(low in 0..=10_000_u32, high in 0..=10_000_u32) {
        let (low, high) = (low.min(high), low.max(high));
        let drawn = |traffic: u32| {
            let mut document = experience("hero", &[1, 1]);
            document.traffic = decision::Share::from_buckets(traffic).unwrap();
            variants(&catalog([document]), 500)
        };
        for (at_low, at_high) in drawn(low).into_iter().zip(drawn(high)) {
            prop_assert!(at_low.is_none() || at_low == at_high);
        }
    }
}

/// What a random candidate is made of; each part is one gate.
#[derive(Clone, Debug)]
struct Sketch {
    granted: bool,
    acts: bool,
    eligible: Eligible,
    paused: bool,
    traffic: u32,
    capped: bool,
    priority: i32,
    holdout: u32,
    assigned: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Eligible {
    Everyone,
    Yes,
    No,
    Withheld,
    NotWithheld,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    use Eligible::{Everyone, No, NotWithheld, Withheld, Yes};
    let eligible = prop::sample::select(vec![Everyone, Yes, No, Withheld, NotWithheld]);
    let often = || prop::bool::weighted(0.8);
    let traffic = prop::sample::select(vec![0, 5_000, 10_000, 10_000]);
    let holdout = prop::sample::select(vec![0, 0, 5_000]);
    let assigned = prop::option::weighted(0.3, any::<bool>());
    (often(), often(), eligible, often(), traffic, often(), 0..3_i32, holdout, assigned).prop_map(
        |(granted, acts, eligible, live, traffic, free, priority, holdout, assigned)| Sketch {
            granted,
            acts,
            eligible,
            paused: !live,
            traffic,
            capped: !free,
            priority,
            holdout,
            assigned,
        },
    )
}

impl Sketch {
    fn document(&self, name: &str) -> ExperienceDocument {
        let mut document = experience(name, &[1, 2]);
        let purpose = if self.granted { "personalization" } else { "marketing" };
        document.purpose = purpose.parse().unwrap();
        document.schedule.end = (!self.acts).then_some(NOW);
        let is = |name: &str| json!({"trait": name, "op": "eq", "value": 1});
        document.eligibility = match self.eligible {
            Eligible::Everyone => None,
            Eligible::Yes => Some(is("open")),
            Eligible::No => Some(json!({"not": is("open")})),
            Eligible::Withheld => Some(json!({"all": [is("open"), is("hidden")]})),
            Eligible::NotWithheld => Some(json!({"not": is("hidden")})),
        };
        document.state = if self.paused { State::Paused } else { State::Live };
        document.traffic = decision::Share::from_buckets(self.traffic).unwrap();
        document.caps.per_person = Some(Cap { count: 1, within: Duration::days(1) });
        document.priority = self.priority;
        document.holdout = decision::Share::from_buckets(self.holdout).unwrap();
        document
    }

    /// The reason why it cannot win, by every gate in its order; none when it can.
    fn stopped(&self, name: &str, unit: u64) -> Option<Reason> {
        let bucket = hash::bucket(&format!("traffic:{name}"), UnitId(unit));
        let sticky = self.assigned.is_some() && 0 < self.traffic;
        if !self.granted {
            Some(Reason::NoConsent)
        } else if !self.acts || self.eligible == Eligible::No {
            Some(Reason::Default)
        } else if matches!(self.eligible, Eligible::Withheld | Eligible::NotWithheld) {
            Some(Reason::NoConsent)
        } else if self.paused {
            Some(Reason::Paused)
        } else if self.traffic <= bucket && !sticky {
            Some(Reason::Excluded)
        } else {
            self.capped.then_some(Reason::FrequencyCap)
        }
    }
}

fn name(index: usize) -> String {
    format!("e{index}")
}

fn person(sketches: &[Sketch], unit: u64) -> Written {
    let mut person = Written::stranger(unit);
    person.traits = json!({"open": 1, "hidden": 1}).as_object().unwrap().clone();
    person.withheld = vec!["hidden".into()];
    for (index, sketch) in sketches.iter().enumerate() {
        if sketch.capped {
            person.wins.insert(key(&name(index)), vec![Timestamp(NOW.0 - 1)]);
        }
        if let Some(second) = sketch.assigned {
            let variant = if second { "v1" } else { "v0" };
            person.assignments.insert(key(&name(index)), key(variant));
        }
    }
    person
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_winner_is_the_first_of_all_that_pass(
        sketches in prop::collection::vec(sketch(), 0..7),
        unit: u64,
    ) {
        let documents = sketches.iter().enumerate().map(|(i, s)| s.document(&name(i)));
        let catalog = catalog(documents);
        let outcome = ask(&catalog, person(&sketches, unit), false);

        let stopped: BTreeMap<_, _> =
            sketches.iter().enumerate().map(|(i, s)| (i, s.stopped(&name(i), unit))).collect();
        let winner = (0..sketches.len())
            .filter(|i| stopped[i].is_none())
            .min_by_key(|i| (-sketches[*i].priority, *i));
        let won = outcome.won().map(|reference| reference.key.clone());
        prop_assert_eq!(won, winner.map(|i| key(&name(i))));
        match winner {
            Some(winner) => {
                let sketch = &sketches[winner];
                let bucket = hash::bucket(&format!("holdout:{}", name(winner)), UnitId(unit));
                let held = sketch.assigned.is_none() && bucket < sketch.holdout;
                prop_assert_eq!(outcome.reason == Reason::Holdout, held);
                prop_assert_eq!(outcome.assignment.is_none(), sketch.assigned.is_some());
                if let Some(second) = sketch.assigned {
                    prop_assert_eq!(outcome.variant, Some(key(if second { "v1" } else { "v0" })));
                }
            }
            None => {
                const NEAREST: [Reason; 5] = [
                    Reason::FrequencyCap,
                    Reason::Excluded,
                    Reason::Paused,
                    Reason::NoConsent,
                    Reason::Default,
                ];
                let found = |reason: &Reason| stopped.values().any(|why| *why == Some(*reason));
                let nearest = NEAREST.into_iter().find(found).unwrap_or(Reason::Default);
                prop_assert_eq!(outcome.reason, nearest);
                prop_assert!(outcome.assignment.is_none() && outcome.experience.is_none());
            }
        }
    }

    #[test]
    fn explaining_changes_nothing(
        sketches in prop::collection::vec(sketch(), 0..7),
        unit: u64,
    ) {
        let documents = sketches.iter().enumerate().map(|(i, s)| s.document(&name(i)));
        let catalog = catalog(documents);
        let plain = ask(&catalog, person(&sketches, unit), false);
        let explained = ask(&catalog, person(&sketches, unit), true);
        prop_assert!(plain.explanation.is_empty() && !explained.explanation.is_empty());
        prop_assert_eq!(Outcome { explanation: Vec::new(), ..explained }, plain);
    }

    #[test]
    fn propensities_of_all_outcomes_of_a_winner_sum_to_one(
        weights in weights(),
        holdout in 0..=10_000_u32,
    ) {
        let mut document = experience("hero", &weights);
        document.holdout = decision::Share::from_buckets(holdout).unwrap();
        let catalog = catalog([document]);
        let mut seen = BTreeMap::new();
        for unit in units(600) {
            let outcome = ask(&catalog, Written::stranger(unit), false);
            let arm = outcome.variant.map_or("held out".to_owned(), |variant| variant.to_string());
            seen.insert(arm, outcome.propensity);
        }
        let arms = weights.len() + usize::from(0 < holdout);
        let sum: f64 = seen.values().sum();
        // Rare arms may not have been met; then the sum falls short, and never exceeds one.
        prop_assert!(sum < 1.0 + 1e-9, "{seen:?}");
        prop_assert!(seen.len() < arms || holdout == 10_000 || (sum - 1.0).abs() < 1e-9, "{seen:?}");
    }
}
