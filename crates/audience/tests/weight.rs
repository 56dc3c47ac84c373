//! Do memberships weigh what they take? A file of its own, since the allocator counts for the whole process.

#![cfg(test)]

use std::{alloc::System, hint::black_box, sync::Arc};

use audience::{AudienceDocument, Catalog, Entry, Live, Memberships};
use model::{
    Key, Purpose, Timestamp,
    condition::{Membership, Truth},
};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn key(number: usize) -> Key {
    format!("audience_with_a_long_name_{number:03}").parse().unwrap()
}

fn catalog() -> Catalog {
    let live = |number| {
        let document = json!({"key": key(number), "condition": {"event": "Order"}});
        let document: AudienceDocument = serde_json::from_value(document).unwrap();
        Live { document, version: 1, purpose: Some(Purpose::PERSONALIZATION) }
    };
    let (catalog, faults) = Catalog::compile((0..100).map(live).collect());
    assert_eq!(faults, []);
    catalog
}

#[test]
fn memberships_weigh_what_they_take() {
    let catalog = catalog();
    for count in [1, 5, 15, 100] {
        let region = Region::new(ALLOCATOR);
        let until = Some(Timestamp(1_790_000_000_000));
        let membership =
            Membership { truth: Truth::True, since: until, previous: until, valid_until: until };
        let entry = |number| Entry::new(Arc::new(key(number)), 1, membership);
        let entries = (0..count).map(entry).collect();
        let memberships = black_box(Memberships::restore(&catalog, 1, entries));
        let change = region.change();
        let taken = change.bytes_allocated - change.bytes_deallocated;
        let weight = memberships.weight();
        assert!(weight.abs_diff(taken) * 5 <= taken, "{count}: {weight} stands for {taken} bytes");
        assert!(taken <= 40 * count, "{count} memberships take {taken} bytes");
    }
}
