//! Consent at the gates: collect and decide.

use engine::{definitions::Kind, ingest::EventVerdict, privacy::RequestKind};
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

fn granted(purpose: Purpose) -> Consents {
    Consents { granted: PurposeSet::NONE.with(purpose), ..Consents::default() }
}

#[test]
fn a_statement_that_repeats_what_holds_counts_from_when_it_was_repeated() {
    let laptop: &[(&str, &str)] = &[("anonymous_id", "laptop"), ("user_id", "ann")];
    let phone: &[(&str, &str)] = &[("anonymous_id", "phone"), ("user_id", "ann")];
    let mut world = World::new();
    shop(&world);
    let mut say = |ids, consents| {
        assert_eq!(world.send(Sent { ids, consents, ..Sent::default() }), EventVerdict::Accepted);
        world.shown(ids, "hero")
    };
    say(laptop, Consents::default());
    say(phone, Consents::default());
    let refusal = denied(&[Purpose::PERSONALIZATION]);
    assert!(say(laptop, refusal).starts_with("no_consent"));
    // The same once more, from another device: what holds does not change, but there are two who say it.
    assert!(say(phone, refusal).starts_with("no_consent"));
    assert!(say(laptop, granted(Purpose::PERSONALIZATION)).starts_with("no_consent"));
    world.restart();
    assert!(world.shown(laptop, "hero").starts_with("no_consent"), "the phone never agreed");
    world.send(Sent { ids: phone, consents: granted(Purpose::PERSONALIZATION), ..Sent::default() });
    assert!(!world.shown(laptop, "hero").starts_with("no_consent"));
}

#[test]
fn a_client_that_repeats_itself_does_not_grow_its_page() {
    let mut world = World::new();
    for _ in 0..200 {
        let consents = granted(Purpose::ANALYTICS);
        world.send(Sent { ids: ANN, consents, ..Sent::default() });
    }
    let newest = world.profile("user_id", "ann").unwrap();
    let statements = newest["consents"]["analytics"]["statements"].as_array().unwrap().len();
    assert_eq!(statements, 1, "{}", newest["consents"]);
    assert_eq!(newest["consents"]["analytics"]["statements"][0]["at"], newest["last_seen"]);
}

#[test]
fn silence_means_no_where_the_workspace_says_so() {
    let mut world = World::new();
    shop(&world);
    let regions = json!([{"countries": ["EEA", "GB"], "default": "denied"}]);
    world.define(Kind::Purpose, json!({"key": "personalization", "regions": regions}));
    world.see(ANN, "Page Viewed", json!({}));
    assert!(world.shown(ANN, "hero").starts_with("targeting_match"), "nobody knows where");
    let traits = json!({"address": {"country": "DE"}});
    world.send(Sent { ids: ANN, name: "Moved", traits, ..Sent::default() });
    assert!(world.shown(ANN, "hero").starts_with("no_consent"));
    world.restart();
    assert!(world.shown(ANN, "hero").starts_with("no_consent"), "where one was seen is kept");
    let timeline = world.profile("user_id", "ann").unwrap()["timeline"].clone();
    assert_eq!(timeline[0]["purposes"], json!(["analytics"]), "{timeline}");
    assert_eq!(timeline[1]["purposes"], json!(["personalization", "analytics"]));
    let traits = json!({"address": {"country": "US"}});
    world.send(Sent { ids: ANN, name: "Moved", traits, ..Sent::default() });
    assert!(!world.shown(ANN, "hero").starts_with("no_consent"));
}

#[test]
fn who_refused_everything_is_asked_first_when_they_come_by_another_way() {
    let laptop: &[(&str, &str)] = &[("anonymous_id", "laptop"), ("user_id", "ann")];
    let tablet: &[(&str, &str)] = &[("anonymous_id", "tablet"), ("user_id", "ann")];
    let no_consent = EventVerdict::Refused { code: "no_consent".into() };
    let all: Vec<Purpose> = (1..5).filter_map(Purpose::from_number).collect();
    let mut world = World::new();
    let refusal = Sent { ids: laptop, consents: denied(&all), ..Sent::default() };
    assert_eq!(world.send(refusal), no_consent);
    for _ in 0..2 {
        assert_eq!(world.send(Sent { ids: tablet, ..Sent::default() }), no_consent);
        assert_eq!(world.send(Sent { ids: ANN, ..Sent::default() }), no_consent);
        assert_eq!(world.profile("user_id", "ann"), None, "and nothing is known of them");
        world.restart();
    }
    world.see(&[("anonymous_id", "tablet"), ("user_id", "eve")], "Page Viewed", json!({}));
    let done = world.file(RequestKind::Erase, ("user_id", "ann"), json!({}));
    assert_eq!((&done["state"], &done["counts"]["strands"]), (&json!("done"), &json!(1)), "{done}");
    world.see(tablet, "Page Viewed", json!({}));
}

#[test]
fn what_was_refused_elsewhere_is_not_opened_by_a_later_grant() {
    let phone: &[(&str, &str)] = &[("anonymous_id", "phone"), ("user_id", "ann")];
    let laptop: &[(&str, &str)] = &[("anonymous_id", "laptop"), ("user_id", "ann")];
    let mut world = World::new();
    shop(&world);
    let consents = denied(&[Purpose::PERSONALIZATION]);
    world.send(Sent { ids: laptop, consents, ..Sent::default() });
    world.see(phone, "Order Completed", json!({}));
    for ids in [laptop, phone] {
        let consents = granted(Purpose::PERSONALIZATION);
        world.send(Sent { ids, consents, ..Sent::default() });
    }
    let shown = world.shown(phone, "hero");
    assert_eq!(shown, r#"no_consent {"title":"Welcome"}"#, "the purchase stays closed");
}
