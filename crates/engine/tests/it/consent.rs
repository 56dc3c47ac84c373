//! Consent at the gates: collect and decide.

use engine::{definitions::Kind, ingest::EventVerdict};
use model::{Consents, Purpose, PurposeSet};
use serde_json::json;

use crate::world::{Sent, World};

const ANN: &[(&str, &str)] = &[("user_id", "ann")];

fn denied(purposes: &[Purpose]) -> Consents {
    let denied = purposes.iter().fold(PurposeSet::NONE, |set, &purpose| set.with(purpose));
    Consents { denied, ..Consents::default() }
}

fn shop(world: &World) {
    world.define(Kind::Placement, json!({"key": "hero", "default": {"title": "Welcome"}}));
    world.define(
        Kind::Experience,
        json!({
            "key": "not_buyers", "placement": "hero",
            "eligibility": {"not": {"event": "Order Completed"}},
            "variants": [{"key": "a", "content": {"title": "Your first order"}}],
        }),
    );
}

#[test]
fn withdrawn_consent_takes_effect_at_once_and_is_not_false() {
    let mut world = World::new();
    shop(&world);
    world.see(ANN, "Order Completed", json!({}));
    assert_eq!(world.shown(ANN, "hero"), r#"default {"title":"Welcome"}"#);
    let consents = denied(&[Purpose::PERSONALIZATION]);
    let verdict = world.send(Sent { ids: ANN, consents, ..Sent::default() });
    assert_eq!(verdict, EventVerdict::Accepted, "analytics is still allowed");
    // "Has not bought" must not become true because the purchase may not be read.
    assert_eq!(world.shown(ANN, "hero"), r#"no_consent {"title":"Welcome"}"#);
    world.restart();
    assert_eq!(world.shown(ANN, "hero"), r#"no_consent {"title":"Welcome"}"#);
}

#[test]
fn an_event_that_nothing_allows_is_not_kept() {
    let mut world = World::new();
    let all: Vec<Purpose> = (1..5).filter_map(Purpose::from_number).collect();
    let verdict = world.send(Sent { ids: ANN, consents: denied(&all), ..Sent::default() });
    assert_eq!(verdict, EventVerdict::Refused { code: "no_consent".into() });
    let later = world.send(Sent { ids: ANN, ..Sent::default() });
    assert_eq!(later, EventVerdict::Refused { code: "no_consent".into() });
    let profile = world.profile("user_id", "ann");
    assert_eq!(profile.map(|p| p["timeline"].clone()), None, "not even a name is known");
}

#[test]
fn a_grant_is_not_retroactive() {
    let mut world = World::new();
    shop(&world);
    world.define(
        Kind::Experience,
        json!({
            "key": "buyers", "placement": "hero", "priority": 1,
            "eligibility": {"event": "Order Completed"},
            "variants": [{"key": "a", "content": {"title": "Thanks"}}],
        }),
    );
    let consents = denied(&[Purpose::PERSONALIZATION]);
    world.send(Sent { ids: ANN, name: "Order Completed", consents, ..Sent::default() });
    let granted = PurposeSet::NONE.with(Purpose::PERSONALIZATION);
    let consents = Consents { granted, ..Consents::default() };
    world.send(Sent { ids: ANN, consents, ..Sent::default() });
    assert_eq!(world.shown(ANN, "hero"), r#"no_consent {"title":"Welcome"}"#);
    world.see(ANN, "Order Completed", json!({}));
    assert_eq!(world.shown(ANN, "hero"), r#"targeting_match {"title":"Thanks"}"#);
}
