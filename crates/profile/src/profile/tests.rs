//! A profile as a fold of observations.

use model::{
    Lane, Seq, Value,
    condition::{EventName, RowValues},
    value::Path,
};
use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::*;
use crate::{Origin, TraitValue};

fn strand(number: u64) -> StrandId {
    StrandId { born: Seq(number), lane: Lane::from_hash(number) }
}

fn empty() -> Profile {
    Profile::new(Component::of(strand(1)), UnitId(1))
}

/// One event: its time also tells it apart.
#[derive(Clone, Debug)]
struct Told {
    time: i64,
    strand: u64,
    trait_name: u8,
    purposes: u32,
    denied: bool,
}

fn layout() -> Arc<Layout> {
    let read = [Path::parse("n").unwrap()].into();
    Arc::new(Layout::new([(EventName::new("A"), read)].into()))
}

fn observe(profile: &mut Profile, told: &Told) {
    let n = Value::from(told.time);
    let source: SourceKey = "web".parse().unwrap();
    let layout = layout();
    let order = Order { time: Timestamp(told.time), tie: told.strand };
    let purposes = PurposeSet(told.purposes);
    let consents =
        Consents { denied: PurposeSet(u32::from(told.denied) << 1), ..Consents::default() };
    let values = RowValues::pack(layout.paths(0), |_| Some(&n));
    let row = EventRow { time: order.time, tie: order.tie, purposes, values };
    let traits = json!({ format!("t{}", told.trait_name): told.time });
    let refused = profile.observe(Observation {
        strand: strand(told.strand),
        device: UnitId(told.strand),
        source: &source,
        order,
        identified: told.strand == 1,
        consents,
        country: None,
        purposes,
        traits: traits.as_object().unwrap(),
        row: Some(Observed { layout: &layout, number: 0, row: &row }),
    });
    assert_eq!(refused, []);
}

fn fold(events: &[Told]) -> Profile {
    let mut profile = empty();
    events.iter().for_each(|told| observe(&mut profile, told));
    profile
}

fn assignment(seq: u64, variant: &str) -> Assignment {
    let (strand, variant) = (strand(seq), variant.parse().unwrap());
    Assignment { seq: Seq(seq), strand, variant, drawn: None }
}

#[test]
fn an_observation_reaches_every_part() {
    let told = |time| Told { time, strand: 2, trait_name: 0, purposes: 2, denied: true };
    let profile = fold(&[told(5), told(3)]);
    let records = profile.records();
    let expected = TraitValue {
        value: json!(5),
        origin: Arc::new(Origin {
            order: Order { time: Timestamp(5), tie: 2 },
            source: "web".parse().unwrap(),
            purposes: PurposeSet(2),
        }),
    };
    assert_eq!(records.traits.get("t0"), Some(&expected));
    let rows = records.timeline.rows(&EventName::new("A"), Purpose::PERSONALIZATION);
    assert_eq!(rows.rows.len(), 2);
    assert_eq!(records.consents.basis(Purpose::PERSONALIZATION), model::Basis::Denied);
    assert_eq!(records.seen, Some(Seen { first: Timestamp(3), last: Timestamp(5) }));
    assert_eq!(profile.id(), ProfileId(strand(1)));
}

#[test]
fn a_merge_keeps_the_earliest_variant_and_any_suppression() {
    let experience: Key = "hero".parse().unwrap();
    let (mut phone, mut laptop) = (empty(), empty());
    phone.assign(experience.clone(), assignment(20, "b"));
    laptop.assign(experience.clone(), assignment(10, "a"));
    phone.suppress(true);
    laptop.merge(&phone);
    assert_eq!(laptop.service().assignment(&experience), Some(&assignment(10, "a")));
    assert!(laptop.service().suppressed());
    let component =
        Component { head: strand(2), strands: vec![strand(1), strand(2)], identifiers: vec![] };
    laptop.recompose(component, UnitId(2));
    assert_eq!((laptop.id(), laptop.unit()), (ProfileId(strand(2)), UnitId(2)));
}

#[test]
fn weight_grows_with_what_is_held() {
    let told = |time| Told { time, strand: 1, trait_name: 0, purposes: 2, denied: false };
    let one = fold(&[told(1)]);
    let many: Vec<Told> = (0..1_500).map(told).collect();
    let many = fold(&many);
    assert!(empty().weight() < one.weight());
    let per_row = (many.weight() - one.weight()) / 999;
    assert!((30..50).contains(&per_row), "{per_row} bytes a row, and no more than 1000 rows");
}

fn events() -> impl Strategy<Value = Vec<Told>> {
    let told = (0..8_i64, 1..3_u64, 0..3_u8, any::<bool>(), 0..3_u8);
    vec(told, 0..16).prop_map(|events| {
        let mut events: Vec<Told> = events
            .into_iter()
            .map(|(time, strand, trait_name, denied, purposes)| Told {
                time,
                strand,
                trait_name,
                denied,
                purposes: u32::from(purposes),
            })
            .collect();
        // An event has one place and one content.
        events.sort_by_key(|told| (told.time, told.strand));
        events.dedup_by_key(|told| (told.time, told.strand));
        events
    })
}

proptest! {
    /// Merge algebra: strands folded apart and merged are the strands folded together, in any order
    /// and as often as one likes.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (events, shuffled) in events().prop_flat_map(|e| (Just(e.clone()), Just(e).prop_shuffle())),
        cut in 0..16_usize,
    ) {
        let whole = fold(&events);
        prop_assert_eq!(&fold(&[&shuffled[..], &events[..]].concat()), &whole);
        let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
        for (a, b) in [(left, right), (right, left), (&shuffled[..], right)] {
            let mut merged = fold(a);
            merged.merge(&fold(b));
            prop_assert_eq!(&merged, &whole);
        }
    }
}
