//! Who the simulated shoppers are: truths that are hidden from the server and written out only for those who check it.

use serde::Serialize;

use super::{catalogue::CATEGORIES, chance::Chance};

/// The share of shoppers who share a device with somebody.
const SHARING: f64 = 0.15;

/// What is true about a shopper.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shopper {
    /// From 0.
    pub(crate) number: u64,
    pub(crate) user_id: String,
    pub(crate) first_name: &'static str,
    pub(crate) email: String,
    pub(crate) home: Home,
    /// How much each category is liked; sums to one.
    pub(crate) tastes: Vec<f64>,
    /// From 0 (buys what is liked) to 1 (buys what is cheap).
    pub(crate) price_sensitivity: f64,
    /// From 0 (novice) to 1 (expert: searches, and finds quickly).
    pub(crate) skill: f64,
    /// Log-odds of ordering what is in the cart, before anything shown changes them.
    pub(crate) inclination: f64,
    pub(crate) visits_per_week: f64,
    /// The hour of the local day around which most visits begin.
    pub(crate) active_hour: i64,
    /// The part of the simulated time, from 0 to 1, in which the shopper comes at all.
    pub(crate) present: (f64, f64),
    /// How often a visit begins with a login.
    pub(crate) login_rate: f64,
    pub(crate) consents: Consents,
    pub(crate) devices: Vec<Device>,
    /// Shoppers with the same number live together and never act at the same time.
    pub(crate) household: u64,
}

/// What a shopper agrees to.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Consents {
    pub(crate) personalization: bool,
    pub(crate) analytics: bool,
    pub(crate) marketing: bool,
    pub(crate) advertising: bool,
}

/// Where a shopper lives.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Home {
    pub(crate) locale: &'static str,
    pub(crate) country: &'static str,
    pub(crate) city: &'static str,
    pub(crate) timezone: &'static str,
}

/// What a shopper uses to visit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Device {
    pub(crate) anonymous_id: String,
    /// `desktop`, `mobile` or `tablet`.
    pub(crate) kind: &'static str,
    /// Others of the household use it too.
    pub(crate) shared: bool,
}

const HOMES: [Home; 6] = [
    Home { locale: "sv-SE", country: "SE", city: "Malmö", timezone: "Europe/Stockholm" },
    Home { locale: "sv-SE", country: "SE", city: "Stockholm", timezone: "Europe/Stockholm" },
    Home { locale: "en-GB", country: "GB", city: "Leeds", timezone: "Europe/London" },
    Home { locale: "de-DE", country: "DE", city: "Köln", timezone: "Europe/Berlin" },
    Home { locale: "fr-FR", country: "FR", city: "Lyon", timezone: "Europe/Paris" },
    Home { locale: "en-US", country: "US", city: "Denver", timezone: "America/Denver" },
];
const HOME_WEIGHTS: [f64; 6] = [2.0, 2.0, 3.0, 2.0, 1.0, 2.0];

const NAMES: [&str; 24] = [
    "Ada", "Bo", "Clara", "Dag", "Elin", "Farid", "Greta", "Hugo", "Iris", "Jonas", "Karin", "Leo",
    "Maja", "Nils", "Olga", "Pia", "Quentin", "Rosa", "Sam", "Tove", "Ulf", "Vera", "Wim", "Yara",
];

/// The first `count` shoppers of the world of `seed`. Fewer shoppers are a prefix of more.
pub(crate) fn population(seed: u64, count: u64) -> Vec<Shopper> {
    let mut shoppers: Vec<Shopper> = Vec::new();
    for number in 0..count {
        let mut shopper = shopper(seed, number);
        // Every second shopper may live with the one before, and then both use one tablet.
        if number % 2 == 1
            && Chance::new(seed, "sharing", &number.to_string()).happens(SHARING)
            && let Some(other) = shoppers.last_mut()
        {
            shopper.household = other.household;
            shopper.home = other.home;
            let tablet = Device {
                anonymous_id: format!("sim-{seed}-home-{}", other.household),
                kind: "tablet",
                shared: true,
            };
            other.devices.push(tablet.clone());
            shopper.devices.push(tablet);
        }
        shoppers.push(shopper);
    }
    shoppers
}

fn shopper(seed: u64, number: u64) -> Shopper {
    let mut chance = Chance::new(seed, "shopper", &number.to_string());
    let first_name = chance.one_of(&NAMES).copied().unwrap_or("Ada");
    let home = HOMES[chance.pick(&HOME_WEIGHTS).min(HOMES.len() - 1)];
    Shopper {
        number,
        user_id: format!("sim-{seed}-u{number}"),
        first_name,
        email: format!("{}.{number}@shop-{seed}.example", first_name.to_lowercase()),
        home,
        tastes: tastes(&mut chance),
        price_sensitivity: chance.unit(),
        skill: chance.unit(),
        inclination: 0.6 * chance.normal() - 0.4,
        visits_per_week: 0.4 + 4.0 * chance.unit() * chance.unit(),
        active_hour: chance.between(7, 22),
        present: presence(&mut chance),
        login_rate: 0.2 + 0.6 * chance.unit(),
        consents: Consents {
            personalization: chance.happens(0.85),
            analytics: chance.happens(0.80),
            marketing: chance.happens(0.50),
            advertising: chance.happens(0.35),
        },
        devices: devices(&mut chance, seed, number),
        household: number,
    }
}

/// Most like one or two categories: squares of uniform numbers, scaled to sum to one.
fn tastes(chance: &mut Chance) -> Vec<f64> {
    let raw: Vec<f64> = CATEGORIES.iter().map(|_| chance.unit().powi(4) + 0.01).collect();
    let total: f64 = raw.iter().sum();
    raw.into_iter().map(|weight| weight / total).collect()
}

/// A half comes all the time, some are new, some stay away after a while.
fn presence(chance: &mut Chance) -> (f64, f64) {
    match chance.pick(&[0.5, 0.3, 0.2]) {
        0 => (0.0, 1.0),
        1 => (chance.unit(), 1.0),
        _ => (0.0, 0.1 + 0.6 * chance.unit()),
    }
}

fn devices(chance: &mut Chance, seed: u64, number: u64) -> Vec<Device> {
    let kinds = ["mobile", "desktop", "tablet"];
    let count = 1 + chance.pick(&[0.5, 0.35, 0.15]);
    let device = |kind: &&'static str| Device {
        anonymous_id: format!("sim-{seed}-a{number}-{kind}"),
        kind,
        shared: false,
    };
    kinds.iter().take(count).map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_shoppers_and_more_keep_the_first() {
        let text = |shoppers: &[Shopper]| serde_json::to_string(shoppers).unwrap();
        let many = population(3, 40);
        assert_eq!(text(&many), text(&population(3, 40)));
        assert_ne!(text(&many), text(&population(4, 40)));
        // A device that is shared with the next shopper is the one thing that a longer list may add.
        let last = text(&population(3, 39)[..38]);
        assert_eq!(last, text(&many[..38]));
    }

    #[test]
    fn some_share_a_device_and_each_other_has_its_own() {
        let shoppers = population(1, 400);
        let sharing = shoppers.iter().filter(|s| s.devices.iter().any(|d| d.shared)).count();
        assert!((40..100).contains(&sharing), "{sharing}");
        assert!(shoppers.iter().all(|s| (1..=4).contains(&s.devices.len())));
        let refuse = shoppers.iter().filter(|s| !s.consents.analytics).count();
        assert!((50..120).contains(&refuse), "{refuse}");
    }
}
