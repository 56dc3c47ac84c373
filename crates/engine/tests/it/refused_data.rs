//! Random histories that try to make a decision, a member list or an explanation show what was refused.
//!
//! What may be shown is worked out from the statements alone, by brute force over all that was ever
//! said; nothing of the engine's own reckoning is asked.

use std::collections::BTreeMap;

use engine::{decide::Decision, definitions::Kind, people::AudienceChoice, privacy::RequestKind};
use model::{Consents, Duration, Purpose, PurposeSet, Timestamp, Value, condition::Sight};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;

use crate::world::{Sent, World, request};

const PURPOSES: [(Purpose, &str); 2] =
    [(Purpose::PERSONALIZATION, "personalization"), (Purpose::ADVERTISING, "advertising")];
const DEVICES: usize = 4;

/// The user of a device: two each have two.
fn user_of(device: usize) -> usize {
    device % 2
}

/// All that was said and sent.
#[derive(Default)]
struct History {
    /// By device: what was said, and when.
    said: Vec<(usize, Timestamp, Consents)>,
    /// Devices whose user is known.
    linked: Vec<usize>,
    /// By secret: its device, and the purposes it was collected for.
    secrets: BTreeMap<u32, (usize, PurposeSet)>,
    restricted: Vec<usize>,
}

impl History {
    /// The devices that are known to be one person with this one.
    fn component(&self, device: usize) -> Vec<usize> {
        if !self.linked.contains(&device) {
            return vec![device];
        }
        let same = |other: &usize| user_of(*other) == user_of(device);
        self.linked.iter().copied().filter(same).collect()
    }

    /// The newest answer of a device; of one instant, a refusal.
    fn answer(&self, device: usize, purpose: Purpose) -> Option<bool> {
        let of = self.said.iter().filter(|(of, _, _)| *of == device);
        let answers = of.filter_map(|(_, at, said)| match said.basis(purpose) {
            model::Basis::Granted => Some((*at, true)),
            model::Basis::Denied => Some((*at, false)),
            model::Basis::Unknown => None,
        });
        answers.max_by_key(|(at, granted)| (*at, !granted)).map(|(_, granted)| granted)
    }

    /// The devices of the person that a request finds by a device, and by its user where it names one.
    fn found(&self, device: usize, names_user: bool) -> Vec<usize> {
        let of_user = |other: &usize| user_of(*other) == user_of(device);
        let known: Vec<usize> = self.linked.iter().copied().filter(of_user).collect();
        if names_user && !known.is_empty() { known } else { self.component(device) }
    }

    /// Whether data of the person with these devices may be used: when they are met on one of them, or
    /// as a whole.
    fn is_granted(&self, person: &[usize], met_on: Option<usize>, purpose: Purpose) -> bool {
        !person.iter().any(|device| self.restricted.contains(device))
            && self.allows(person, met_on, purpose)
    }

    fn allows(&self, person: &[usize], met_on: Option<usize>, purpose: Purpose) -> bool {
        if person.iter().any(|device| self.answer(*device, purpose) == Some(false)) {
            return false;
        }
        let counts = |device: &&usize| met_on.is_none_or(|met_on| **device == met_on);
        let mut agreed = person.iter().filter(counts);
        agreed.any(|device| self.answer(*device, purpose) == Some(true))
            || purpose == Purpose::PERSONALIZATION
    }
}

fn define(world: &World) {
    for (_, purpose) in PURPOSES {
        world.define(
            Kind::Placement,
            json!({"key": format!("show_{purpose}"), "purpose": purpose, "default": {"text": "-"}}),
        );
        world.define(
            Kind::Experience,
            json!({"key": format!("tell_{purpose}"), "placement": format!("show_{purpose}"),
                "purpose": purpose,
                "variants": [{"key": "a", "content": {"text": "{{ profile.traits.secret }}"}}]}),
        );
        world.define(
            Kind::Experience,
            json!({"key": format!("ask_{purpose}"), "placement": format!("show_{purpose}"),
                "purpose": purpose, "priority": 1,
                "eligibility": {"event": "Told", "last": {"property": "trick", "op": "eq", "value": true}},
                "variants": [{"key": "a", "content": {"text": "tricked {{ profile.traits.secret }}"}}]}),
        );
        world.define(
            Kind::Audience,
            json!({"key": format!("told_{purpose}"), "purpose": purpose,
                "condition": {"trait": "secret", "op": "exists"}}),
        );
    }
}

fn ids(device: usize, with_user: bool) -> Vec<(String, String)> {
    let mut ids = vec![("anonymous_id".to_owned(), format!("d{device}"))];
    if with_user {
        ids.push(("user_id".to_owned(), format!("u{}", user_of(device))));
    }
    ids
}

fn borrowed(ids: &[(String, String)]) -> Vec<(&str, &str)> {
    ids.iter().map(|(kind, value)| (kind.as_str(), value.as_str())).collect()
}

fn some_consents(random: &mut SmallRng) -> Consents {
    let mut consents = Consents::default();
    for (purpose, _) in PURPOSES {
        match random.random_range(0..6) {
            0 => consents.granted = consents.granted.with(purpose),
            1 => consents.denied = consents.denied.with(purpose),
            _ => {}
        }
    }
    consents
}

/// Sends an event with a secret, and reckons what it may be used for.
fn tell(world: &mut World, history: &mut History, random: &mut SmallRng, secret: u32) {
    use engine::Clock as _;
    let device = random.random_range(0..DEVICES);
    let with_user = random.random_range(0..3) == 0;
    let consents = some_consents(random);
    let names = ids(device, with_user);
    // Some come late, and so some happen at the same instant as another one.
    let late =
        Duration(if random.random_range(0..4) == 0 { random.random_range(0..50) } else { 0 });
    let traits = json!({"secret": format!("secret-{secret}-")});
    let properties = json!({"trick": secret.is_multiple_of(2)});
    let sent = Sent {
        ids: &borrowed(&names),
        name: "Told",
        properties,
        traits,
        consents,
        ago: late,
        ..Sent::default()
    };
    world.send(sent);
    let at = world.clock.now().saturating_sub(late);
    if !consents.is_empty() {
        history.said.push((device, at, consents));
    }
    // An event is judged by all that whoever sent it had said, on this device or another.
    let mut person = history.component(device);
    person.extend(history.found(device, with_user));
    let mut purposes = PurposeSet::NONE;
    for (purpose, _) in PURPOSES {
        let denied = consents.basis(purpose) == model::Basis::Denied;
        if !denied && history.allows(&person, Some(device), purpose) {
            purposes = purposes.with(purpose);
        }
    }
    if with_user && !history.linked.contains(&device) {
        history.linked.push(device);
    }
    history.secrets.insert(secret, (device, purposes));
}

/// The secrets that a text tells.
fn secrets_in(text: &str) -> Vec<u32> {
    let parts = text.split("secret-").skip(1);
    parts.filter_map(|part| part.split('-').next()?.parse().ok()).collect()
}

fn look(world: &World, history: &History, seed: u64, step: usize) -> usize {
    let mut told = 0;
    for device in 0..DEVICES {
        for with_user in [false, true] {
            let names = ids(device, with_user);
            for (purpose, name) in PURPOSES {
                let mut asked = request(&borrowed(&names), &format!("show_{name}"));
                asked.explain = true;
                asked.record = false;
                let answer = world.engine.decide(&asked).unwrap();
                let Decision { content, explanation, .. } = &answer.decisions[0];
                let person = history.found(device, with_user);
                let is_open = |secret: u32, purpose: Purpose| {
                    let (_, purposes) = history.secrets[&secret];
                    purposes.contains(purpose) && history.is_granted(&person, Some(device), purpose)
                };
                let place =
                    format!("device {device}, user {with_user}, {name}, seed {seed}, step {step}");
                for secret in secrets_in(&json!(content).to_string()) {
                    told += 1;
                    assert!(is_open(secret, purpose), "{secret} shown: {place}, {content:?}");
                }
                // It tells of audiences for any purpose, each of what that purpose may read.
                for secret in secrets_in(&json!(explanation).to_string()) {
                    let is_open = PURPOSES.into_iter().any(|(purpose, _)| is_open(secret, purpose));
                    assert!(is_open, "{secret} told: {place}, {explanation:?}");
                }
            }
        }
    }
    told
}

/// Nobody is listed whose data may not be read.
fn look_at_members(world: &World, history: &History, seed: u64) {
    for (purpose, name) in PURPOSES {
        let choice = AudienceChoice::Saved(format!("told_{name}").parse().unwrap());
        for at in [None, Some(world.engine.now())] {
            let members = world.engine.members(&choice, at, None, 100).unwrap();
            for member in members.items {
                let profile = world.engine.profile(member.profile, Sight::Full).unwrap().unwrap();
                let names = profile["identifiers"].as_array().unwrap();
                let device = names.iter().find_map(|id| id["value"].as_str()?.strip_prefix('d'));
                let device: usize = device.unwrap().parse().unwrap();
                let shown: Value = profile["traits"]["secret"]["value"].clone();
                let person = history.component(device);
                assert!(history.is_granted(&person, None, purpose), "seed {seed}, {name}: {shown}");
                let secret = secrets_in(shown.as_str().unwrap())[0];
                assert!(history.secrets[&secret].1.contains(purpose), "seed {seed}: {shown}");
            }
        }
    }
}

fn restrict(world: &World, history: &mut History, random: &mut SmallRng) {
    let device = random.random_range(0..DEVICES);
    let value = format!("d{device}");
    if world.profile("anonymous_id", &value).is_none() {
        return;
    }
    let component = history.component(device);
    let is_on = component.iter().any(|device| history.restricted.contains(device));
    let kind = if is_on { RequestKind::Unrestrict } else { RequestKind::Restrict };
    world.file(kind, ("anonymous_id", &value), Value::Null);
    history.restricted.retain(|device| !component.contains(device));
    if !is_on {
        history.restricted.extend(component);
    }
}

fn history(seed: u64) -> usize {
    let mut random = SmallRng::seed_from_u64(seed);
    let (mut world, mut history) = (World::new(), History::default());
    define(&world);
    let mut told = 0;
    for step in 0..40 {
        match random.next_u32() % 12 {
            0 => world.pass(Duration(random.random_range(0..1_000))),
            1 => restrict(&world, &mut history, &mut random),
            2 if step % 4 == 0 => world.restart(),
            3 if step % 3 == 0 => {
                let state = if random.random_range(0..2) == 0 { "denied" } else { "granted" };
                // Personalization stays opt-out, as the reckoning has it; this makes a new version of it.
                let description = format!("step {step}, {state}");
                let purpose = json!({"key": "personalization", "description": description});
                world.define(Kind::Purpose, purpose);
            }
            _ => {
                let secret = u32::try_from(step).unwrap();
                tell(&mut world, &mut history, &mut random, secret);
            }
        }
        told += look(&world, &history, seed, step);
    }
    look_at_members(&world, &history, seed);
    told
}

#[test]
fn what_was_refused_is_never_shown() {
    let told: usize = (0..16).map(history).sum();
    assert!(told > 500, "there is something to be shown at all: {told}");
}
