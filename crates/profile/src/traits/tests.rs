//! Folding traits, and its bounds.

use std::collections::BTreeMap;

use model::Timestamp;
use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::*;

fn source() -> SourceKey {
    "web".parse().unwrap()
}

fn at(time: i64, tie: u64) -> Order {
    Order { time: Timestamp(time), tie }
}

fn observe(traits: &mut Traits, time: i64, event: Value) -> Vec<RefusedTrait> {
    let Value::Object(event) = event else { panic!("{event} is not an object") };
    traits.observe(&event, &source(), at(time, 0), PurposeSet::ALL)
}

fn value<'a>(traits: &'a Traits, name: &str) -> Option<&'a Value> {
    traits.get(name).map(|t| &t.value)
}

fn is_shared(one: &Traits, other: &Traits) -> bool {
    std::ptr::eq(one.known.as_slice(), other.known.as_slice())
}

#[test]
fn the_newest_value_by_event_time_holds() {
    let mut traits = Traits::default();
    observe(&mut traits, 20, json!({"plan": "pro", "city": "Lund"}));
    observe(&mut traits, 10, json!({"plan": "free", "age": 30}));
    assert_eq!(value(&traits, "plan"), Some(&json!("pro")), "a late event does not win");
    assert_eq!(value(&traits, "age"), Some(&json!(30)), "but what only it says counts");
    assert_eq!(value(&traits, "city"), Some(&json!("Lund")));
}

#[test]
fn a_removed_trait_stays_removed_when_an_older_value_arrives() {
    let mut traits = Traits::default();
    observe(&mut traits, 20, json!({"plan": null}));
    observe(&mut traits, 10, json!({"plan": "free"}));
    assert_eq!(value(&traits, "plan"), Some(&Value::Null));
    observe(&mut traits, 30, json!({"plan": "pro"}));
    assert_eq!(value(&traits, "plan"), Some(&json!("pro")));
}

#[test]
fn a_newer_value_brings_its_own_purposes() {
    let mut traits = Traits::default();
    let event = json!({"plan": "pro"}).as_object().unwrap().clone();
    traits.observe(&event, &source(), at(1, 0), PurposeSet::ALL);
    traits.observe(&event, &source(), at(2, 0), PurposeSet::NONE);
    assert_eq!(traits.get("plan").unwrap().origin.purposes, PurposeSet::NONE);
}

#[test]
fn names_and_values_out_of_bounds_are_refused_and_the_rest_is_kept() {
    let mut traits = Traits::default();
    let long_name = "é".repeat(MAX_NAME_BYTES / 2 + 1);
    let event = json!({
        "": 1,
        long_name.as_str(): 1,
        "n".repeat(MAX_NAME_BYTES).as_str(): 1,
        "largest": "x".repeat(MAX_VALUE_BYTES - 2),
        "too_large": "x".repeat(MAX_VALUE_BYTES - 1),
    });
    let mut refused = observe(&mut traits, 1, event);
    refused.sort_by(|a, b| a.name.cmp(&b.name));
    let named = |name: &str, fault| RefusedTrait { name: name.into(), fault };
    let cut = "é".repeat(MAX_NAME_BYTES / 2);
    assert_eq!(
        refused,
        [named("", Fault::Name), named("too_large", Fault::Value), named(&cut, Fault::Name)]
    );
    assert_eq!(traits.len(), 2);
}

#[test]
fn beyond_the_bound_the_trait_set_longest_ago_goes() {
    let mut traits = Traits::default();
    for time in 0..500 {
        assert_eq!(observe(&mut traits, time, json!({format!("t{time}"): time})), []);
    }
    observe(&mut traits, 500, json!({"t0": "set again"}));
    let dropped = |name: &str| vec![RefusedTrait { name: name.into(), fault: Fault::Count }];
    assert_eq!(observe(&mut traits, 501, json!({"new": 1})), dropped("t1"));
    assert_eq!(observe(&mut traits, -1, json!({"late": 1})), dropped("late"));
    assert_eq!(traits.len(), MAX_TRAITS);
    assert_eq!(value(&traits, "t0"), Some(&json!("set again")));
}

#[test]
fn copies_share_their_memory_until_one_changes() {
    let mut traits = Traits::default();
    observe(&mut traits, 1, json!({"plan": "pro"}));
    let copy = traits.clone();
    assert!(is_shared(&traits, &copy));
    observe(&mut traits, 0, json!({"plan": "older"}));
    assert!(is_shared(&traits, &copy), "what changes nothing copies nothing");
    observe(&mut traits, 2, json!({"plan": "newer"}));
    assert_eq!(value(&copy, "plan"), Some(&json!("pro")));
}

type Write = (CompactString, TraitValue);

/// Values of few names at few places, so that they collide, even at the same place.
fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write =
        (0..4_u8, 0..4_i64, 0..2_u64, 0..3_u8, 0..2_u8).prop_map(|(name, time, tie, v, source)| {
            let value = if v == 0 { Value::Null } else { json!(v) };
            let source = format!("s{source}").parse().unwrap();
            let purposes = PurposeSet(u32::from(v) % 2);
            let name = CompactString::from(format!("t{name}"));
            let origin = Arc::new(Origin { order: at(time, tie), source, purposes });
            (name, TraitValue { value, origin })
        });
    vec(write, 0..24)
}

fn fold(writes: &[Write]) -> Traits {
    fold_by(&Arc::default(), writes)
}

fn fold_by(rules: &Arc<TraitRules>, writes: &[Write]) -> Traits {
    let mut traits = Traits::folded_by(rules);
    for (name, value) in writes {
        traits.take(name.clone(), value.clone());
    }
    traits
}

fn policies() -> impl Strategy<Value = Merge> {
    let sources = ["s1", "s0"].map(|source| source.parse().unwrap());
    prop_oneof![
        Just(Merge::Last),
        Just(Merge::First),
        Just(Merge::Max),
        Just(Merge::Min),
        Just(Merge::Sum),
        (1..4_usize).prop_map(Merge::Union),
        (0..3_usize).prop_map(move |count| Merge::SourcePriority(sources[..count].to_vec())),
    ]
}

fn rules(names: &[&str], merge: &Merge) -> Arc<TraitRules> {
    let rule = TraitRule { merge: merge.clone(), ..TraitRule::default() };
    Arc::new(TraitRules::new(names.iter().map(|name| ((*name).into(), rule.clone())).collect()))
}

/// The value of a trait by looking at everything that was ever said about it.
fn naive(merge: &Merge, said: &[&TraitValue]) -> Option<Value> {
    let mut said = said.to_vec();
    said.sort_by_key(|t| {
        (t.origin.order, t.value.to_string(), t.origin.source.clone(), t.origin.purposes.0)
    });
    let number = |t: &&TraitValue| t.value.as_i64().unwrap_or(i64::MIN);
    let value = |t: &TraitValue| t.value.clone();
    match merge {
        Merge::Last => said.last().map(|t| value(t)),
        Merge::First => said.first().map(|t| value(t)),
        Merge::Max => said.iter().copied().max_by_key(number).map(value),
        Merge::Min => said.iter().copied().min_by_key(number).map(value),
        Merge::SourcePriority(sources) => {
            let of = |source: &SourceKey| said.iter().rfind(|t| t.origin.source == *source);
            let named = sources.iter().find_map(of);
            let other = || said.iter().rfind(|t| !sources.contains(&t.origin.source));
            named.or_else(other).map(|t| value(t))
        }
        Merge::Union(limit) => {
            let mut seen: Vec<Value> = Vec::new();
            for t in said.iter().rev() {
                if !seen.contains(&t.value) && seen.len() < *limit {
                    seen.push(t.value.clone());
                }
            }
            (!seen.is_empty()).then(|| seen.into())
        }
        Merge::Sum => {
            let by_event: BTreeMap<Order, i64> =
                said.iter().map(|t| (t.origin.order, number(t))).collect();
            (!by_event.is_empty()).then(|| by_event.values().sum::<i64>().into())
        }
    }
}

proptest! {
    #[test]
    fn the_fold_knows_no_order_no_grouping_and_no_repetition(
        (writes, shuffled) in writes().prop_flat_map(|w| (Just(w.clone()), Just(w).prop_shuffle())),
        cut in 0..24_usize,
    ) {
        let whole = fold(&writes);
        for (name, kept) in whole.iter() {
            let newest = writes.iter().filter(|(n, _)| n == name).map(|(_, t)| t.origin.order).max();
            prop_assert_eq!(Some(kept.origin.order), newest);
        }
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        for (a, b) in [(left, right), (right, left), (&shuffled[..], right)] {
            let mut merged = fold(a);
            merged.merge(&fold(b));
            prop_assert_eq!(&merged, &whole);
        }
    }

    #[test]
    fn every_policy_knows_no_order_no_grouping_and_no_repetition(
        merge in policies(),
        (writes, shuffled) in writes().prop_flat_map(|w| (Just(w.clone()), Just(w).prop_shuffle())),
        cut in 0..24_usize,
    ) {
        let rules = rules(&["t0", "t1", "t2", "t3"], &merge);
        let is_said = |write: &&Write| merge.takes_removals() || !write.1.value.is_null();
        let said = |writes: &[Write]| writes.iter().filter(is_said).cloned().collect::<Vec<_>>();
        let (writes, shuffled) = (said(&writes), said(&shuffled));
        let whole = fold_by(&rules, &writes);
        for name in ["t0", "t1", "t2", "t3"] {
            let own: Vec<&TraitValue> =
                writes.iter().filter(|(n, _)| n == name).map(|(_, t)| t).collect();
            prop_assert_eq!(value(&whole, name).cloned(), naive(&merge, &own), "{}", name);
            // What is kept is enough to make the value again, as the rows of a page do.
            let kept: Vec<Write> = whole.kept(name).map(|t| (name.into(), t.clone())).collect();
            let again = fold_by(&rules, &kept);
            prop_assert_eq!(value(&again, name), value(&whole, name));
        }
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        for (a, b) in [(left, right), (right, left), (&shuffled[..], right)] {
            let mut merged = fold_by(&rules, a);
            merged.merge(&fold_by(&rules, b));
            prop_assert_eq!(&merged, &whole);
        }
    }

    /// The bound must not let the order of arrival in: the newest stay, as if all had been sorted first.
    #[test]
    fn the_bound_keeps_the_newest_in_any_order(
        places in vec((0..600_u32, 0..2_000_i64), 700..900),
        cut in 0..900_usize,
    ) {
        let write = |&(name, time): &(u32, i64)| {
            let value = TraitValue {
                value: json!(time),
                origin: Arc::new(Origin {
                    source: source(),
                    order: at(time, u64::from(name)),
                    purposes: PurposeSet::ALL,
                }),
            };
            (CompactString::from(format!("t{name}")), value)
        };
        let writes: Vec<Write> = places.iter().map(write).collect();
        let mut newest: BTreeMap<CompactString, Order> = BTreeMap::new();
        for (name, value) in &writes {
            let known = newest.entry(name.clone()).or_insert(value.origin.order);
            *known = value.origin.order.max(*known);
        }
        let mut expected: Vec<(Order, CompactString)> = newest.into_iter().map(|(n, o)| (o, n)).collect();
        expected.sort_by(|a, b| b.cmp(a));
        expected.truncate(MAX_TRAITS);

        let (left, right) = writes.split_at(cut.min(writes.len()));
        let mut merged = fold(right);
        merged.merge(&fold(left));
        let mut kept: Vec<_> = merged.iter().map(|(n, t)| (t.origin.order, n.clone())).collect();
        kept.sort_by(|a, b| b.cmp(a));
        prop_assert_eq!(kept, expected);
    }
}

#[test]
fn what_a_policy_cannot_merge_is_refused_and_removals_are_passed_over() {
    let greatest = TraitRule { merge: Merge::Max, ..TraitRule::default() };
    let texts = TraitRule { kind: Some(TraitType::Text), ..TraitRule::default() };
    let tags = TraitRule { merge: Merge::Union(3), ..TraitRule::default() };
    let named = [("best".into(), greatest), ("city".into(), texts), ("tags".into(), tags)];
    let mut traits = Traits::folded_by(&Arc::new(TraitRules::new(named.into())));
    let refused = observe(&mut traits, 1, json!({"best": [1], "city": 4, "tags": ["a", "b"]}));
    let faults: Vec<_> = refused.iter().map(|r| (r.name.as_str(), r.fault)).collect();
    assert_eq!(faults, [("best", Fault::Type), ("city", Fault::Type)]);
    observe(&mut traits, 2, json!({"best": 3, "city": "Lund", "tags": "a"}));
    observe(&mut traits, 3, json!({"best": null, "city": null, "tags": null}));
    assert_eq!(value(&traits, "best"), Some(&json!(3)));
    assert_eq!(value(&traits, "city"), Some(&Value::Null));
    assert_eq!(value(&traits, "tags"), Some(&json!(["a", "b"])));
}

#[test]
fn a_sum_of_more_than_can_be_kept_is_missing() {
    let rules = rules(&["points"], &Merge::Sum);
    let mut traits = Traits::folded_by(&rules);
    for time in 0..200 {
        observe(&mut traits, time, json!({"points": 2}));
    }
    assert_eq!(value(&traits, "points"), Some(&json!(400)));
    observe(&mut traits, 7, json!({"points": 2}));
    assert_eq!(value(&traits, "points"), Some(&json!(400)), "the same event again");
    observe(&mut traits, -1, json!({"points": 2}));
    assert_eq!(value(&traits, "points"), Some(&Value::Null));
}

#[test]
fn a_union_may_be_read_for_what_all_of_it_may_be() {
    let mut traits = Traits::folded_by(&rules(&["tags"], &Merge::Union(9)));
    let event = |tag: &str| json!({"tags": tag}).as_object().unwrap().clone();
    traits.observe(&event("a"), &source(), at(1, 0), PurposeSet(0b110));
    traits.observe(&event("b"), &source(), at(2, 0), PurposeSet(0b011));
    assert_eq!(traits.get("tags").unwrap().origin.purposes, PurposeSet(0b010));
}

const PAGE: &str = include_str!("../../../../docs/reference/traits.md");

#[test]
fn every_example_of_the_reference_page_is_sound() {
    let blocks = PAGE.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for block in blocks {
        for document in serde_json::Deserializer::from_str(block).into_iter() {
            let document: TraitDocument = document.unwrap_or_else(|e| panic!("{e} in {block}"));
            document.compile().unwrap_or_else(|faults| panic!("{block}: {faults:?}"));
            count += 1;
        }
    }
    assert!(2 < count, "the page has examples");
}
