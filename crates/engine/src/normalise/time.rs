//! When an event happened: the sender's time, corrected by the sender's clock error.

use model::{Duration, Timestamp};

use super::{Envelope, Unsound, wire::Wire};

/// How far ahead of arrival an event may lie after correction.
const FUTURE_MAX: Duration = Duration::hours(24);
/// Nothing tracked is older than 2000-01-01; such times come from unset clocks.
const OLDEST: Timestamp = Timestamp(946_684_800_000);
/// A larger difference between `sentAt` and arrival is no clock error but nonsense, and corrects nothing.
const SKEW_MAX: Duration = Duration::days(365);
/// A smaller difference is the way through the network. Correcting it would replace a good clock by
/// the jitter of the way, and turn round events that a browser sends one by one.
const SKEW_MIN: Duration = Duration::seconds(5);

/// The corrected event time.
///
/// `timestamp` is the sender's time; `originalTimestamp` stands in where it is absent. Both, when
/// they differ, mean that somebody on the way has set `timestamp` on purpose, and it is taken as it
/// is. Without either, the event happened when it arrived.
pub(super) fn event_time(wire: &Wire<'_>, envelope: &Envelope<'_>) -> Result<Timestamp, Unsound> {
    let timestamp = parse("timestamp", wire.timestamp.as_deref())?;
    let original = parse("originalTimestamp", wire.original_timestamp.as_deref())?;
    let Some(sent) = timestamp.or(original) else { return Ok(envelope.received_at) };
    let was_set_on_the_way = timestamp.is_some() && original.is_some() && timestamp != original;
    let corrected = if was_set_on_the_way || envelope.historical {
        sent
    } else {
        sent.saturating_add(skew(wire, envelope))
    };
    if corrected > envelope.judged_at.saturating_add(FUTURE_MAX) {
        let detail = format!("{corrected} is more than 24 h after arrival");
        return Err(Unsound::new("timestamp_in_future", detail));
    }
    if corrected < OLDEST {
        let detail = format!("{corrected} is before {OLDEST}");
        return Err(Unsound::new("timestamp_too_old", detail));
    }
    Ok(corrected)
}

/// When the sender sent the event or its call, by the sender's clock, where it says so.
pub(super) fn sent_at(wire: &Wire<'_>, envelope: &Envelope<'_>) -> Option<Timestamp> {
    let own = wire.sent_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    own.or(envelope.sent_at)
}

/// By how much the sender's clock is behind; zero where it cannot be known.
fn skew(wire: &Wire<'_>, envelope: &Envelope<'_>) -> Duration {
    let Some(sent_at) = sent_at(wire, envelope) else { return Duration::default() };
    let skew = envelope.received_at.since(sent_at);
    let size = skew.0.saturating_abs();
    if (SKEW_MIN.0..=SKEW_MAX.0).contains(&size) { skew } else { Duration::default() }
}

fn parse(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Unsound> {
    let Some(text) = text else { return Ok(None) };
    // The sent text stays out of the fault: anything can be sent by mistake, and faults are read by more people.
    text.parse().map(Some).map_err(|_| {
        let detail = format!("`{field}` is not a time: write RFC 3339, as in 2026-11-21T12:00:00Z");
        Unsound::new("bad_timestamp", detail)
    })
}
