//! Uses of feature flags: the event `Flag Used` brings the token of an evaluation back, of which the server did not
//! know whether anybody would meet it, and with that it is recorded like any decision that was asked for by itself.
//! `Redirect Followed` does the same for a visitor who is about to be led somewhere. `Experience Viewed` restores the
//! record of a decision that was to be recorded and for which there was no room, which its token says; of one that was
//! recorded it is an event like others, whatever token it brings.
//!
//! A token that is forged, too old, or of somebody else is passed over, and counted; the event is kept as it is.
//! However often one evaluation is used, it is recorded once.

use audience::FactsByPurpose as _;
use decision::{RecordedTraits, Recording, TokenClaims};
use model::{Duration, Event, EventKind, Timestamp, UnitId, value::Path};
use profile::{Component, Profile};

use crate::{
    decide,
    facts::{Request, Views},
    keys,
    load::Person,
    route::Route,
    sealed::{Address, Keys},
    snapshot::Snapshot,
};

/// The names of the events that use what was offered.
const USES: [&str; 2] = ["Flag Used", REDIRECT_FOLLOWED];
/// The name of the event that says that a decision was seen.
const VIEWED: &str = "Experience Viewed";
/// The name of the event that the server sends itself before it leads a visitor somewhere.
pub const REDIRECT_FOLLOWED: &str = "Redirect Followed";
/// The property that has the token.
const TOKEN: &str = "token";
/// How old a token may be. As long as messages are told from their copies, since uses are by the same means.
const LASTS: Duration = Duration(crate::fold::DEDUP_WINDOW_SECONDS * 1_000);

/// An evaluation that was used.
#[derive(Debug)]
pub(crate) struct FlagUse {
    pub(crate) claims: TokenClaims,
    /// The key of the entry by which further uses of it are known.
    pub(crate) dedup: [u8; 18],
}

impl FlagUse {
    /// What an event tells of; `None` where that makes no record. An error where its token is none of ours.
    pub(crate) fn of(
        event: &Event,
        address: &Address,
        keys: &Keys,
    ) -> Option<Result<Self, Unbelieved>> {
        let is_use = USES.contains(&event.name.as_str());
        if !(is_use || event.name == VIEWED) || event.kind != EventKind::Track || event.historical {
            return None;
        }
        let token = event.properties.find(&Path::parse(TOKEN)?)?.as_str()?;
        Some(match TokenClaims::verify(token, &keys.token()) {
            Ok(TokenClaims { recording: Recording::Kept, .. }) => return None,
            Ok(claims) if !is_use && claims.recording != Recording::Lost => return None,
            Ok(claims) => {
                let dedup = keys::dedup(address.lane, &keys.flag_use(claims.decision));
                Ok(Self { claims, dedup })
            }
            Err(_) => Err(Unbelieved),
        })
    }

    /// The instant of the use that an event reports at `now`; none where the token is too old for it, or was given to
    /// none of `units`.
    pub(crate) fn instant(
        &self,
        event: &Event,
        now: Timestamp,
        units: [UnitId; 2],
    ) -> Result<Timestamp, Unbelieved> {
        let TokenClaims { at, unit, .. } = self.claims;
        let is_fresh = now <= at.saturating_add(LASTS);
        if !is_fresh || !units.contains(&unit) {
            return Err(Unbelieved);
        }
        // Nothing is used before it was evaluated, or in the future.
        Ok(event.event_time.min(now).max(at))
    }
}

impl FlagUse {
    /// The traits that the experience wants recorded, as they are before this event; somebody who is not in memory is
    /// new. What was said about consent in the same batch holds already.
    pub(crate) fn recorded(
        &self,
        person: Option<&Person>,
        (event, route): (&Event, &Route),
        snapshot: &Snapshot,
    ) -> RecordedTraits {
        let TokenClaims { placement, experience, .. } = &self.claims;
        let new;
        let profile = match person {
            Some(person) => &person.profile,
            None => {
                new = Profile::new(Component::of(route.strand), route.unit);
                &new
            }
        };
        let views = Views::of(profile, &snapshot.policy).within(Request {
            context: &event.context,
            said: event.consents.and(route.consents),
            device: Some(route.unit),
            country: decide::country(&event.context, &snapshot.policy),
        });
        let facts = |purpose| views.facts(purpose);
        snapshot.decisions.recorded(&placement.key, &experience.key, facts)
    }
}

/// A token that proves no use of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unbelieved;

#[cfg(test)]
mod tests;
