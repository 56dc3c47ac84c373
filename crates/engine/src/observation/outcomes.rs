//! What became of decisions on pages, as browsers report it with the signed tokens of the decisions.

use decision::{
    TokenClaims,
    health::{Became, Health},
};
use model::{Event, EventKind, Timestamp, Value, event::Marks};

use crate::sealed::Keys;

/// Most selectors of one report that are looked at, and the longest of them in bytes: what a definition may have.
const SELECTORS_MAX: usize = 50;
const SELECTOR_BYTES_MAX: usize = 500;
/// How often one report may say that a page undid changes.
const OVERWRITTEN_MAX: u64 = 10_000;

/// Counts what an event says of a decision; nothing where it says nothing, or brings no token of ours.
pub(super) fn observe(health: &mut Health, event: &Event, keys: &Keys, now: Timestamp) {
    let counts =
        event.kind == EventKind::Track && !event.historical && !event.marks.has(Marks::UNCOUNTED);
    let Some(what) = event.name.strip_prefix("Experience ").filter(|_| counts) else { return };
    let member = |name: &str| event.properties.get(name);
    let selectors = selectors(member("selectors"));
    let became = match (what, member("reason").and_then(Value::as_str)) {
        ("Applied", _) => Became::Applied,
        ("Viewed", _) => Became::Viewed,
        ("Overwritten", _) => Became::Overwritten(overwritten(member("changes"))),
        ("Missed", Some("late")) => Became::Late,
        ("Missed", Some("not_found")) => Became::NotFound(&selectors),
        _ => return,
    };
    let token = member("token").and_then(Value::as_str);
    let claims = token.and_then(|token| TokenClaims::verify(token, &keys.token()).ok());
    let Some(TokenClaims { decision, experience, variant, .. }) = claims else { return };
    health.observe(decision, (&experience, &variant), became, now);
}

fn selectors(sent: Option<&Value>) -> Vec<&str> {
    let texts = sent.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    texts.filter(|text| text.len() <= SELECTOR_BYTES_MAX).take(SELECTORS_MAX).collect()
}

fn overwritten(sent: Option<&Value>) -> u64 {
    let changes = sent.and_then(Value::as_array).into_iter().flatten();
    let times = changes.filter_map(|change| change.get("times")?.as_u64());
    times.fold(0, u64::saturating_add).min(OVERWRITTEN_MAX)
}
