use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::simulate::shopper::population;

fn world(seed: u64) -> World {
    World {
        seed,
        from: "2026-03-01T00:00:00Z".parse().unwrap(),
        days: 14,
        shoppers: population(seed, 60).into_iter().map(Arc::new).collect(),
        catalogue: Arc::new(Catalogue::new()),
        placements: ["home_hero".to_owned(), "product_row".to_owned(), "exit_popup".to_owned()]
            .into(),
    }
}

/// Plays a visit to its end; every question is answered with `variant`.
fn play(visit: &mut Visit, variant: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut shown = Vec::new();
    loop {
        let turn = visit.turn(&shown);
        events.extend(turn.events);
        let Some(ask) = turn.ask else { return events };
        shown = vec![Shown {
            placement: ask.placement,
            experience: "e".into(),
            variant: variant.into(),
            decision_id: "d".into(),
            token: Some("t".into()),
        }];
    }
}

fn events(world: &World) -> Vec<Value> {
    world.visits().iter_mut().flat_map(|visit| play(visit, "b")).collect()
}

#[test]
fn the_same_seed_gives_the_same_events() {
    assert_eq!(events(&world(5)), events(&world(5)));
    assert_ne!(events(&world(5)), events(&world(6)));
}

#[test]
fn message_ids_are_unique_and_times_lie_within_the_world() {
    let world = world(5);
    let events = events(&world);
    let ids: BTreeSet<&str> = events.iter().map(|e| e["messageId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());
    assert!(events.len() > 300, "{}", events.len());
    for event in &events {
        let at: Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
        // A visit that begins before the end may go on behind it.
        let latest = world.until().saturating_add(Duration::hours(1));
        assert!(world.from <= at && at < latest, "{at}");
    }
}

#[test]
fn a_visits_clock_never_runs_back() {
    for mut visit in world(9).visits() {
        let events = play(&mut visit, "b");
        let times: Vec<&str> = events.iter().map(|e| e["timestamp"].as_str().unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{times:?}");
    }
}

#[test]
fn what_a_shopper_refused_is_not_said() {
    let told_only_with_analytics =
        ["Products Searched", "Product Viewed", "Experience Viewed", "Experience Clicked"];
    let mut refusing = 0;
    for mut visit in world(5).visits() {
        let consents = visit.shopper().consents;
        for event in play(&mut visit, "b") {
            let name = event["event"].as_str().unwrap_or_default();
            let analytics = event["type"] == "page" || told_only_with_analytics.contains(&name);
            assert!(consents.analytics || !analytics, "{event}");
            assert!(consents.marketing || event["traits"].get("email").is_none(), "{event}");
            assert!(consents.advertising || event["context"].get("campaign").is_none(), "{event}");
            let said = &event["context"]["consent"]["categoryPreferences"];
            assert_eq!(said["personalization"], consents.personalization);
            refusing += u32::from(!consents.analytics);
        }
    }
    assert!(refusing > 10, "the test saw {refusing} events of shoppers who refuse");
}

#[test]
fn what_is_shown_moves_orders_by_its_effect() {
    use crate::simulate::effect::Effect;
    // The first seed whose variant helps a lot, by the truth itself.
    let seed = (0..).find(|&seed| Effect::of(seed, "e", "b").log_odds > 0.6).unwrap();
    let orders = |variant: &str| {
        let mut world = world(seed);
        world.shoppers = population(seed, 600).into_iter().map(Arc::new).collect();
        let mut visits = world.visits();
        visits.iter_mut().for_each(|visit| drop(play(visit, variant)));
        visits.iter().filter(|visit| visit.ordered().is_some()).count()
    };
    let (control, better) = (orders("control"), orders("b"));
    assert!(better > control + control / 10, "{control} → {better}");
}

#[test]
fn shoppers_on_a_shared_device_are_told_apart_by_their_logins() {
    let mut world = world(5);
    world.shoppers = population(5, 400).into_iter().map(Arc::new).collect();
    let mut users_by_device = std::collections::BTreeMap::<String, BTreeSet<String>>::new();
    for event in events(&world) {
        if let Some(user) = event["userId"].as_str() {
            let device = event["anonymousId"].as_str().unwrap().to_owned();
            users_by_device.entry(device).or_default().insert(user.to_owned());
        }
    }
    assert!(users_by_device.values().any(|users| users.len() == 2));
    assert!(users_by_device.values().all(|users| users.len() <= 2));
}

#[test]
fn visits_at_even_intervals_are_the_same_otherwise() {
    let world = world(5);
    let usual = world.visits();
    let even = world.visits_every(Duration::seconds(2));
    let who = |visits: &[Visit]| visits.iter().map(|v| v.shopper().number).collect::<Vec<_>>();
    assert_eq!(who(&usual), who(&even));
    let starts: Vec<i64> = even.iter().map(|visit| visit.start().since(world.from).0).collect();
    assert_eq!(starts[..3], [0, 2_000, 4_000]);
}
