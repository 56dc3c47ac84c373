//! Who saw a variant keeps it (I8): across devices, logins, splits, other weights and restarts, held against brute
//! force over random histories.

use std::collections::{BTreeMap, BTreeSet};

use engine::{acts::Split, definitions::Kind};
use model::Key;
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::json;

use crate::world::World;

const DEVICES: usize = 9;
const USERS: usize = 3;

/// A strand, by the device and the user that it came through.
type Pair = (Option<usize>, Option<usize>);

/// What must hold, by brute force: every assignment that was ever written, and who is whom.
#[derive(Default)]
struct Expected {
    /// Which strand was given which variant, and when.
    rows: Vec<(Pair, usize, Key)>,
    /// Devices that came to be their user's.
    logged_in: BTreeSet<usize>,
    /// Devices that were taken from their user, for good.
    kept_apart: BTreeSet<usize>,
    count: usize,
}

/// The one user of a device.
fn user_of(device: usize) -> usize {
    device % USERS
}

impl Expected {
    /// The person of a strand: a device of its own, or a user with devices.
    fn person(&self, (device, user): Pair) -> Pair {
        let is_users =
            |device: &usize| self.logged_in.contains(device) && !self.kept_apart.contains(device);
        match (device, user) {
            (Some(device), None) if is_users(&device) => (None, Some(user_of(device))),
            (Some(device), None) => (Some(device), None),
            (_, user) => (None, user),
        }
    }

    /// The earliest variant of a person.
    fn kept(&self, person: Pair) -> Option<(usize, Key)> {
        let own = self.rows.iter().filter(|(pair, ..)| self.person(*pair) == person);
        own.map(|(_, at, variant)| (*at, variant.clone())).min()
    }

    fn assigned(&mut self, pair: Pair, variant: Key) {
        self.count += 1;
        self.rows.push((pair, self.count, variant));
    }

    /// Takes every device from a user; each side without a variant of its own keeps the common one.
    fn split(&mut self, user: usize) {
        let before = self.kept((None, Some(user)));
        let devices: Vec<_> = (0..DEVICES).filter(|device| user_of(*device) == user).collect();
        self.kept_apart.extend(devices.iter().filter(|d| self.logged_in.contains(d)));
        let sides = devices.into_iter().filter(|device| self.kept_apart.contains(device));
        let sides: Vec<Pair> =
            sides.map(|device| (Some(device), None)).chain([(None, Some(user))]).collect();
        for side in sides {
            if let (None, Some((at, variant))) = (self.kept(side), before.clone()) {
                self.rows.push((side, at, variant));
            }
        }
    }
}

/// Two variants, of which one is met nine times as often.
fn weigh(world: &World, heavy: usize) {
    let weight = |place: usize| if place == heavy { 9 } else { 1 };
    let variants = json!([{"key": "a", "weight": weight(0)}, {"key": "b", "weight": weight(1)}]);
    world.define(
        Kind::Experience,
        json!({"key": "test", "placement": "hero", "variants": variants}),
    );
}

fn names((device, user): Pair) -> Vec<(&'static str, String)> {
    let device = device.map(|device| ("anonymous_id", format!("d{device}")));
    device.into_iter().chain(user.map(|user| ("user_id", format!("u{user}")))).collect()
}

/// Decides for a strand, once it is there, and waits until what was drawn counts.
fn ask(world: &mut World, expected: &mut Expected, pair: Pair) {
    let names = names(pair);
    let ids: Vec<_> = names.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
    world.see(&ids, "View", json!({}));
    let variant = world.ask(&ids, "hero").decisions[0].variant.clone().unwrap();
    match expected.kept(expected.person(pair)) {
        Some((_, kept)) => assert_eq!(variant, kept, "{pair:?}"),
        None => {
            let (kind, value) = *ids.last().unwrap();
            world.wait(|world| {
                world.profile(kind, value).is_some_and(|p| p["assignments"]["test"].is_string())
            });
            world.see(&[("anonymous_id", "somebody else")], "View", json!({}));
            expected.assigned(pair, variant);
        }
    }
}

fn history(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = World::new();
    world.define(Kind::Placement, json!({"key": "hero"}));
    weigh(&world, 0);
    let mut expected = Expected::default();
    let mut met = BTreeSet::new();
    for _ in 0..40 {
        let device = random.random_range(0..DEVICES);
        let user = user_of(device);
        match random.random_range(0..12) {
            0..4 => {
                met.insert(device);
                ask(&mut world, &mut expected, (Some(device), None));
            }
            4..8 if met.contains(&device) => {
                let login: &[(&str, &str)] =
                    &[("anonymous_id", &format!("d{device}")), ("user_id", &format!("u{user}"))];
                world.see(login, "Login", json!({}));
                expected.logged_in.insert(device);
                ask(&mut world, &mut expected, (Some(device), Some(user)));
            }
            8 if expected.logged_in.iter().any(|device| user_of(*device) == user) => {
                ask(&mut world, &mut expected, (None, Some(user)));
            }
            9 => weigh(&world, random.random_range(0..2)),
            10 => {
                let id = format!("u{user}");
                let is_known = world.profile("user_id", &id).is_some();
                if is_known && world.split(("user_id", &id), Split::All).is_ok() {
                    expected.split(user);
                }
            }
            11 if random.random_range(0..3) == 0 => world.restart(),
            _ => {}
        }
    }
    let devices: Vec<usize> = met.into_iter().collect();
    for device in &devices {
        ask(&mut world, &mut expected, (Some(*device), None));
    }
    // Whoever saw two variants is told apart from those who saw one.
    let Some(device) = devices.choose(&mut random) else { return };
    let person = expected.person((Some(*device), None));
    let own = expected.rows.iter().filter(|(pair, ..)| expected.person(*pair) == person);
    let seen: BTreeMap<&Key, ()> = own.map(|(_, _, variant)| (variant, ())).collect();
    let profile = world.profile("anonymous_id", &format!("d{device}")).unwrap();
    let told = profile["assigned_apart"]["test"].as_array().map_or(1, Vec::len);
    assert_eq!(told, seen.len().max(1), "seed {seed}");
}

#[test]
fn the_variant_first_seen_is_kept_whatever_happens_to_identity() {
    for seed in 0..12 {
        history(seed);
    }
}
