//! What is live while it is measured: audiences, placements and experiences as a busy shop would have them.

use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    events::{self, CATEGORIES, COUNTRIES, PLANS},
    exits,
    server::Server,
};

/// Audiences that look at one event name; so no event touches more.
const AUDIENCES_PER_EVENT: usize = 5;
/// Places in the shop.
pub(crate) const PLACEMENTS: usize = 20;

/// Saves all definitions.
pub(crate) fn save(arguments: &Arguments, server: &Server) -> anyhow::Result<()> {
    for number in 0..arguments.audiences {
        let path = format!("/api/v1/audiences/{}", audience_key(number));
        let condition = match number % 3 {
            2 if arguments.sequences => in_order(number),
            _ => condition(number),
        };
        server.put(&path, &json!({"state": "live", "condition": condition}))?;
    }
    let within = format!("{}s", exits::MEMBERS_FOR_SECONDS);
    let condition = json!({"event": exits::EVENT, "within": within});
    let path = format!("/api/v1/audiences/{}", exits::AUDIENCE);
    server.put(&path, &json!({"state": "live", "condition": condition}))?;
    for number in 0..PLACEMENTS {
        let default = json!({"title": "Things that last", "link": "/all"});
        let path = format!("/api/v1/placements/{}", placement_key(number));
        server.put(&path, &json!({"state": "live", "default": default}))?;
    }
    for number in 0..arguments.experiences {
        let path = format!("/api/v1/experiences/experience_{number}");
        server.put(&path, &experience(number, arguments.audiences))?;
    }
    Ok(())
}

pub(crate) fn placement_key(number: usize) -> String {
    format!("placement_{number}")
}

fn audience_key(number: usize) -> String {
    format!("audience_{number}")
}

/// Counts, sums and recency by turns, over as many event names as it takes for each to be looked at by five audiences.
fn condition(number: usize) -> Value {
    let name = events::name(number / AUDIENCES_PER_EVENT);
    let category = CATEGORIES.get(number % CATEGORIES.len());
    match number % AUDIENCES_PER_EVENT {
        0 => json!({"event": name, "within": "30d", "count": {"op": "gte", "value": 3}}),
        1 => {
            json!({"event": name, "within": "90d", "sum": {"property": "revenue", "op": "gte", "value": 500}})
        }
        2 => json!({"event": name, "within": "7d"}),
        3 => json!({"event": name, "since": {"op": "gt", "value": "14d"}}),
        _ => json!({
            "event": name, "where": [{"property": "category", "op": "eq", "value": category}],
            "within": "60d", "count": {"op": "gte", "value": 2},
        }),
    }
}

/// Sequences with an absence, absence, and sequences with a bound property, by turns.
fn in_order(number: usize) -> Value {
    let name = events::name(number / AUDIENCES_PER_EVENT);
    let next = events::name(number / AUDIENCES_PER_EVENT + 1);
    match number / 3 % 3 {
        0 => json!({
            "sequence": [{"event": name}, {"not": {"event": next}, "within": "1h"}], "within": "7d",
        }),
        1 => json!({"all": [
            {"event": name, "within": "30d"}, {"not": {"event": next, "within": "7d"}},
        ]}),
        _ => json!({
            "sequence": [
                {"event": name}, {"event": next, "within": "1d", "same": [{"property": "product_id"}]},
            ],
            "within": "30d",
        }),
    }
}

pub(crate) fn experience(number: usize, audiences: usize) -> Value {
    let key = |step: usize| audience_key((number * 7 + step) % audiences.max(1));
    let eligibility = match number % 4 {
        _ if audiences == 0 => json!({"trait": "plan", "op": "eq", "value": PLANS[0]}),
        0 => json!({"audience": key(0)}),
        1 => json!({"all": [{"audience": key(1)}, {"not": {"audience": key(3)}}]}),
        2 => {
            json!({"all": [{"trait": "plan", "op": "eq", "value": PLANS[0]}, {"audience": key(2)}]})
        }
        _ => json!({"any": [
            {"audience": key(4)}, {"trait": "country", "op": "in", "value": [COUNTRIES[0], COUNTRIES[1]]},
        ]}),
    };
    let title = match number % 3 {
        0 => "Hello {{ profile.traits.first_name | default: 'there' }}",
        _ => "New this week",
    };
    json!({
        "state": "live",
        "placement": placement_key(number % PLACEMENTS),
        "eligibility": eligibility,
        "priority": number % 7,
        "variants": [
            {"key": "control", "content": null},
            {"key": "shown", "content": {"title": title, "text": "See what came in.", "link": "/new"}},
        ],
    })
}
