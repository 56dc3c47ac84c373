//! What a purpose opens, and what stays closed.

use std::sync::Arc;

use model::{
    Lane, PurposeSet, Seq, StrandId, Timestamp,
    condition::{EventRow, Layout, RowValues},
    event::Order,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Component, Observation, Observed};

const P: Purpose = Purpose::PERSONALIZATION;
const ADS: Purpose = Purpose::ADVERTISING;

fn set(purposes: &[Purpose]) -> PurposeSet {
    purposes.iter().fold(PurposeSet::NONE, |set, &purpose| set.with(purpose))
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn order() -> EventName {
    EventName::new("Order Completed")
}

/// Orders have the number 0.
fn layout() -> Arc<Layout> {
    let other = EventName::new("Other");
    Arc::new(Layout::new([(order(), [path("revenue")].into()), (other, [].into())].into()))
}

/// Tells a profile an event at `time` through device 1, collected for `purposes`.
fn tell(profile: &mut Profile, time: i64, purposes: PurposeSet, traits: Value, consents: Consents) {
    let strand = profile.id().0;
    let order = Order { time: Timestamp(time), tie: 0 };
    let (layout, fifty) = (layout(), json!(50));
    let values = RowValues::pack(layout.paths(0), |_| Some(&fifty));
    let row = EventRow { time: order.time, tie: 0, purposes, values };
    let source = "web".parse().unwrap();
    profile.observe(Observation {
        strand,
        device: UnitId(1),
        source: &source,
        order,
        identified: false,
        consents,
        country: None,
        purposes,
        traits: traits.as_object().unwrap(),
        row: Some(Observed { layout: &layout, number: 0, row: &row }),
    });
}

fn person() -> Profile {
    let strand = StrandId { born: Seq(7), lane: Lane::from_hash(3) };
    let mut profile = Profile::new(Component::of(strand), UnitId(1));
    let both = set(&[Purpose::SERVICE, P, ADS]);
    let open = json!({"first_name": "Ann", "address": {"city": "Lund", "zip": null}, "a.b": 1, "a": {"b": 2, "c": 3}});
    tell(&mut profile, 1, both, open, Consents::default());
    let gone = json!({"plan": null});
    tell(&mut profile, 2, both, gone, Consents::default());
    let closed = json!({"salary": 1, "removed": null, "health": {"blood": "A"}});
    tell(
        &mut profile,
        3,
        set(&[Purpose::SERVICE, Purpose::ANALYTICS]),
        closed,
        Consents::default(),
    );
    profile
}

fn denies(purpose: Purpose) -> Consents {
    Consents { denied: set(&[purpose]), ..Consents::default() }
}

fn grants(purpose: Purpose) -> Consents {
    Consents { granted: set(&[purpose]), ..Consents::default() }
}

#[test]
fn paths_lead_to_traits_and_into_them() {
    let (profile, policy) = (person(), PurposePolicy::built_in());
    let view = profile.view(&policy, P);
    let read = |text: &str| view.trait_value(&path(text));
    assert_eq!(read("first_name"), Fact::Known(&json!("Ann")));
    assert_eq!(read("address.city"), Fact::Known(&json!("Lund")));
    assert_eq!(read("a.b"), Fact::Known(&json!(1)), "a name with dots comes first");
    assert_eq!(read("a.c"), Fact::Known(&json!(3)));
    for missing in
        ["address.zip", "address.street", "first_name.x", "plan", "plan.x", "shoe_size", "x.y"]
    {
        assert_eq!(read(missing), Fact::Missing, "{missing}");
    }
}

#[test]
fn what_was_collected_without_the_purpose_is_withheld_even_if_it_was_removed() {
    let (profile, policy) = (person(), PurposePolicy::built_in());
    let view = profile.view(&policy, P);
    for withheld in ["salary", "removed", "health", "health.blood", "health.height"] {
        assert_eq!(view.trait_value(&path(withheld)), Fact::Withheld, "{withheld}");
    }
    let analytics = profile.view(&policy, Purpose::ANALYTICS);
    assert_eq!(analytics.trait_value(&path("salary")), Fact::Known(&json!(1)));
    assert_eq!(analytics.trait_value(&path("first_name")), Fact::Withheld);
}

#[test]
fn rows_come_with_the_purpose_they_are_read_for() {
    let (profile, policy) = (person(), PurposePolicy::built_in());
    let view = profile.view(&policy, P);
    let Fact::Known(rows) = view.events(&order()) else { panic!("withheld") };
    let readable: Vec<_> =
        rows.rows.iter().map(|row| row.purposes.contains(rows.purpose)).collect();
    assert_eq!(readable, [true, true, false]);
    assert!(matches!(view.events(&EventName::new("Other")), Fact::Missing));

    let mut profile = profile;
    profile.records_mut().timeline.mark_overflow(&layout(), 1);
    let view = profile.view(&policy, P);
    assert!(matches!(view.events(&EventName::new("Other")), Fact::Known(rows) if rows.overflow));
}

/// Everything that a view could give away.
fn is_closed(view: &View<'_>) -> bool {
    let paths = ["first_name", "address.city", "plan", "salary", "nothing"].map(path);
    paths.iter().all(|path| view.trait_value(path) == Fact::Withheld)
        && [order(), EventName::new("Other")]
            .iter()
            .all(|n| matches!(view.events(n), Fact::Withheld))
        && view.fields(Derived::default(), &|_| false, None).is_empty()
        && view
            .fields(Derived::default(), &|_| false, Some(&[path("id"), path("traits.first_name")]))
            .is_empty()
}

#[test]
fn without_consent_everything_is_withheld() {
    let (mut profile, policy) = (person(), PurposePolicy::built_in());
    assert!(is_closed(&profile.view(&policy, ADS)), "opt-in, and nothing was said");
    assert!(is_closed(&profile.view(&policy, Purpose::SERVICE)), "service opens no data");
    assert!(
        is_closed(&profile.view(&policy, Purpose::from_number(20).unwrap())),
        "no such purpose"
    );
    tell(&mut profile, 4, set(&[Purpose::SERVICE]), json!({}), denies(P));
    assert!(is_closed(&profile.view(&policy, P)), "a withdrawal is immediate");
    assert_eq!(profile.view(&policy, P).basis(), Basis::Denied);
}

#[test]
fn a_grant_is_never_retroactive() {
    let (mut profile, policy) = (person(), PurposePolicy::built_in());
    let analytics_only = set(&[Purpose::SERVICE, Purpose::ANALYTICS]);
    tell(&mut profile, 4, analytics_only, json!({"before": 1}), denies(P));
    tell(&mut profile, 5, set(&[Purpose::SERVICE, P]), json!({"after": 1}), grants(P));
    let view = profile.view(&policy, P);
    assert!(view.granted());
    assert_eq!(view.trait_value(&path("before")), Fact::Withheld);
    assert_eq!(view.trait_value(&path("after")), Fact::Known(&json!(1)));
}

#[test]
fn a_request_narrows_and_never_widens() {
    let (profile, policy) = (person(), PurposePolicy::built_in());
    assert!(is_closed(&profile.view(&policy, P).narrowed(denies(P))));
    assert!(is_closed(&profile.view(&policy, ADS).narrowed(grants(ADS))));
    assert!(profile.view(&policy, P).narrowed(denies(ADS)).granted());
}

#[test]
fn a_grant_of_another_device_opens_nothing_here() {
    let (mut profile, policy) = (person(), PurposePolicy::built_in());
    tell(&mut profile, 4, set(&[Purpose::SERVICE]), json!({}), grants(ADS));
    assert!(profile.view(&policy, ADS).granted());
    assert!(profile.view(&policy, ADS).on_device(UnitId(1)).granted());
    assert!(is_closed(&profile.view(&policy, ADS).on_device(UnitId(2))));
}

#[test]
fn consent_itself_can_be_asked_about() {
    let (profile, policy) = (person(), PurposePolicy::built_in());
    let view = profile.view(&policy, ADS).narrowed(denies(Purpose::ANALYTICS));
    let ask = |key: &str| view.consents_to(&key.parse().unwrap());
    assert_eq!(ask("personalization"), Some(true));
    assert_eq!(ask("advertising"), Some(false));
    assert_eq!(ask("analytics"), Some(false));
    assert_eq!(ask("service"), Some(true));
    assert_eq!(ask("fortune_telling"), None);
}

#[test]
fn templates_see_what_may_be_read() {
    let (profile, policy) = (person(), PurposePolicy::built_in());
    let view = profile.view(&policy, P);
    let expected = json!({
        "id": "00030000000000000007",
        "traits": {"first_name": "Ann", "address": {"city": "Lund", "zip": null}, "a.b": 1, "a": {"b": 2, "c": 3}},
        "computed": {},
        "stages": {},
    });
    assert_eq!(Value::Object(view.fields(Derived::default(), &|_| false, None)), expected);
}

#[test]
fn the_public_sees_only_what_is_marked() {
    let (profile, policy) = (person(), PurposePolicy::built_in());
    let view = profile.view(&policy, P);
    let public = |paths: &[&str]| {
        let paths: Vec<Path> = paths.iter().map(|text| path(text)).collect();
        Value::Object(view.fields(Derived::default(), &|_| false, Some(&paths)))
    };
    assert_eq!(public(&[]), json!({}));
    assert_eq!(
        public(&["traits.first_name", "traits.address.city", "traits.salary", "traits.plan", "x"]),
        json!({"traits": {"first_name": "Ann", "address": {"city": "Lund"}}})
    );
    assert_eq!(public(&["traits.a.b"]), json!({"traits": {"a": {"b": 1}}}));
}

proptest! {
    /// Whatever was said and collected: a value is known only under a purpose that is granted now
    /// and was when it was collected.
    #[test]
    fn nothing_is_read_without_its_purpose(
        collected in any::<u32>(),
        said in prop::collection::vec((any::<u32>(), any::<u32>()), 0..4),
        purpose in 0..Purpose::COUNT,
    ) {
        let (mut profile, policy) = (person(), PurposePolicy::built_in());
        let purpose = Purpose::from_number(purpose).unwrap();
        tell(&mut profile, 10, PurposeSet(collected), json!({"secret": 1}), Consents::default());
        for (time, &(granted, denied)) in (11..).zip(&said) {
            let consents = Consents { granted: PurposeSet(granted), denied: PurposeSet(denied) };
            tell(&mut profile, time, PurposeSet::NONE, json!({}), consents);
        }
        let basis = profile.records().consents.basis(purpose);
        let allowed = policy.effective(basis, purpose, None);
        let may = allowed && purpose != Purpose::SERVICE && PurposeSet(collected).contains(purpose);
        let view = profile.view(&policy, purpose);
        let expected = if may { Fact::Known(&json!(1)) } else { Fact::Withheld };
        prop_assert_eq!(view.trait_value(&path("secret")), expected);
        prop_assert_eq!(view.fields(Derived::default(), &|_| false, None).get("traits").is_some_and(|t| t.get("secret").is_some()), may);
    }
}
