//! Does a profile weigh what it takes? A file of its own, since the allocator counts for the whole process.

#![cfg(test)]

use std::{alloc::System, hint::black_box, sync::Arc};

use model::{
    Consents, Identifier, IdentifierType, Lane, PurposeSet, Seq, SourceKey, StrandId, Timestamp,
    UnitId, Value,
    condition::{EventName, EventRow, Layout, RowValues},
    event::Order,
    value::{Object, Path},
};
use profile::{Assignment, Component, KnownIdentifier, Observation, Observed, Profile};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn strand() -> StrandId {
    StrandId { born: Seq(1_000_000), lane: Lane::from_hash(7) }
}

/// What a person is made of.
#[derive(Clone, Copy, Debug)]
struct Made {
    events: i64,
    names: u32,
    traits: usize,
    identifiers: usize,
    assignments: usize,
}

fn layout() -> Arc<Layout> {
    let paths = || ["category", "revenue"].map(|path| Path::parse(path).unwrap());
    let name = |number| EventName::new(&format!("Event {number:02}"));
    Arc::new(Layout::new((0..20).map(|number| (name(number), paths().into())).collect()))
}

fn traits(count: usize) -> Object {
    let value = |n| match n % 4 {
        0 => json!("a text of a trait that is long"),
        1 => json!(n),
        2 => json!("SE"),
        _ => json!(["one", "two", n]),
    };
    (0..count).map(|n| (format!("trait_{n:03}"), value(n))).collect()
}

fn person(made: Made, layout: &Arc<Layout>) -> Profile {
    let mut profile = Profile::new(Component::of(strand()), UnitId(1));
    let source: SourceKey = "web".parse().unwrap();
    let (traits, none) = (traits(made.traits), Object::new());
    for n in 0..made.events {
        let order =
            Order { time: Timestamp(1_790_000_000_000 + n * 60_000), tie: n.unsigned_abs() };
        let number = u32::try_from(n).unwrap() % made.names;
        let values = [json!("kitchen"), Value::from(0.01 + order.time.0 as f64)];
        let place = |path: &Path| layout.paths(number).iter().position(|known| known == path);
        let values = RowValues::pack(layout.paths(number), |path| values.get(place(path)?));
        let purposes = PurposeSet(0b111);
        let row = EventRow { time: order.time, tie: order.tie, purposes, values };
        profile.observe(Observation {
            strand: strand(),
            device: UnitId(1),
            source: &source,
            order,
            identified: false,
            consents: Consents {
                granted: PurposeSet(u32::from(n == 0) << 3),
                ..Consents::default()
            },
            country: None,
            purposes,
            traits: if n == 0 { &traits } else { &none },
            row: Some(Observed { layout, number, row: &row }),
        });
    }
    for n in 0..made.assignments {
        let variant = "shown".parse().unwrap();
        let assignment = Assignment { seq: Seq(2_000_000), strand: strand(), variant, drawn: None };
        profile.assign(format!("experience_{n}").parse().unwrap(), assignment);
    }
    let known = |n| KnownIdentifier {
        identifier: Identifier::new(IdentifierType::AnonymousId, format!("anonymous-{n:09}")),
        first: Timestamp(1_790_000_000_000),
        last: Timestamp(1_790_000_000_000),
        count: 1,
    };
    let identifiers = (0..made.identifiers).map(known).collect();
    profile
        .recompose(Component { head: strand(), strands: vec![strand()], identifiers }, UnitId(1));
    profile
}

#[test]
fn a_profile_weighs_what_it_takes() {
    let made = |events, names, traits, identifiers, assignments| Made {
        events,
        names,
        traits,
        identifiers,
        assignments,
    };
    let layout = layout();
    for (made, at_most) in [
        (made(1, 1, 0, 1, 0), 260),
        (made(3, 3, 0, 1, 0), 360),
        (made(3, 3, 4, 2, 0), 900),
        (made(6, 3, 4, 3, 0), 1_100),
        (made(10, 4, 4, 3, 4), 1_700),
        (made(1_000, 1, 20, 5, 20), 60_000),
        (made(20_000, 20, 500, 50, 50), 1_050_000),
    ] {
        let region = Region::new(ALLOCATOR);
        let person = black_box(person(made, &layout));
        let change = region.change();
        let taken = change.bytes_allocated - change.bytes_deallocated;
        let weight = person.weight();
        println!(
            "{made:?}: {taken} bytes on the heap and {}, weight {weight}",
            size_of::<Profile>()
        );
        assert!(weight.abs_diff(taken) * 5 <= taken, "{made:?}: {weight} stands for {taken} bytes");
        assert!(taken <= at_most, "{made:?}: {taken} bytes are more than {at_most}");
    }
}
