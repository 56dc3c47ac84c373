//! From what an operator asks for to a deed that stands by itself: it names people by their identifiers,
//! so that a replay does the same to the same people.

use std::collections::BTreeSet;

use model::{ActId, Identifier, ProfileId, StrandId};
use profile::identity::{self, IdentityRules, MAX_IDENTIFIERS};

use crate::{
    acts::{ActError, Ask},
    join::{self, Closure},
    keys::{self, Kind},
    load,
    page::Pages,
    proposals::{self, Handed, NewProposal, ProposalId, Room},
    record::{ActState, Deed, Named, ProposalState, Proposed, StoredProposal},
    route,
    sealed::{Keys, RowError},
};

/// A deed, and what it will make of each proposal that is handed in.
pub(crate) struct Prepared {
    pub(crate) deed: Deed,
    pub(crate) proposals: Vec<Handed>,
}

/// The deed that does what is asked for.
pub(crate) fn deed(
    pages: &dyn Pages,
    keys: &Keys,
    rules: &IdentityRules,
    ask: &Ask,
) -> Result<Prepared, ActError> {
    let deed = match ask {
        Ask::Split { profile, how } => {
            let head = head(pages, *profile)?;
            let closure = Closure::of(pages, rules, head)?;
            let (links, rulings) = (closure.links(), closure.rulings());
            let parts = identity::split(&links, &rulings, rules, head, how)?;
            let named = |part: Vec<_>| part.iter().map(|i| named(keys, i)).collect();
            Deed::KeepApart { parts: parts.into_iter().map(named).collect() }
        }
        Ask::Undo { profile, act } => undo(pages, *profile, *act)?,
        Ask::Accept { proposal } => accept(pages, *proposal)?,
        Ask::Reject { proposal } => reject(pages, *proposal)?,
        Ask::Propose { proposals } => return Ok(propose(pages, keys, proposals)?),
    };
    Ok(Prepared { deed, proposals: Vec::new() })
}

/// Takes in those of the proposals that make sense and find room.
fn propose(pages: &dyn Pages, keys: &Keys, news: &[NewProposal]) -> Result<Prepared, RowError> {
    let mut room = Room::of(pages.reader());
    let (mut sound, mut told) = (Vec::new(), Vec::new());
    for new in news {
        let sides = [named(keys, &new.a), named(keys, &new.b)];
        let handed = proposals::handed(pages, &mut room, sides)?;
        if matches!(handed, Handed::Proposed | Handed::Known) {
            sound.push(Proposed { sides, score: new.score, weights: new.weights.clone() });
        }
        told.push(handed);
    }
    Ok(Prepared { deed: Deed::Propose { proposals: sound }, proposals: told })
}

fn reject(pages: &dyn Pages, proposal: ProposalId) -> Result<Deed, ActError> {
    let StoredProposal::V1 { state, .. } = undecided(pages, proposal)?;
    match state {
        ProposalState::Rejected(_) => Err(ActError::Decided(proposal, "rejected")),
        ProposalState::Open | ProposalState::Accepted(_) => {
            Ok(Deed::Reject { proposal: proposal.0 })
        }
    }
}

fn undo(pages: &dyn Pages, profile: ProfileId, act: ActId) -> Result<Deed, ActError> {
    let is_touched = touched_by(pages, head(pages, profile)?, act)?;
    let state = join::act_state(pages.reader(), act)?.filter(|_| is_touched);
    let ActState::V1 { in_force, .. } = state.ok_or(ActError::NoAct(act))?;
    if in_force { Ok(Deed::Undo { act }) } else { Err(ActError::NotInForce(act)) }
}

/// A merge of all that both sides of a proposal hold.
fn accept(pages: &dyn Pages, proposal: ProposalId) -> Result<Deed, ActError> {
    let StoredProposal::V1 { sides, .. } = undecided(pages, proposal)?;
    let heads = [proposals::holder(pages, &sides[0])?, proposals::holder(pages, &sides[1])?];
    let [Some(a), Some(b)] = heads else { return Err(ActError::Moot(proposal)) };
    if a == b {
        return Err(ActError::Moot(proposal));
    }
    let mut identifiers: BTreeSet<Named> = BTreeSet::new();
    for head in [a, b] {
        for strand in load::component_strands(pages, head)? {
            let links = join::links_of(&*pages.existing(strand)?)?;
            let held = links.into_iter().filter(|seen| seen.refused.is_none());
            let name = |seen: join::StoredObservation| {
                (route::holder_lane(&seen.link.identifier), seen.hash)
            };
            identifiers.extend(held.map(name));
        }
    }
    if identifiers.len() > MAX_IDENTIFIERS {
        return Err(ActError::CannotMerge(proposal));
    }
    let identifiers = identifiers.into_iter().collect();
    Ok(Deed::Merge { proposal: proposal.0, identifiers })
}

/// A proposal that is not accepted, or is no more.
fn undecided(pages: &dyn Pages, proposal: ProposalId) -> Result<StoredProposal, ActError> {
    let found = proposals::read(pages.reader(), &proposal.0)?;
    let found = found.ok_or(ActError::NoProposal(proposal))?;
    let StoredProposal::V1 { state, .. } = found;
    match proposals::accepted_by(pages.reader(), state)? {
        Some(_) => Err(ActError::Decided(proposal, "accepted")),
        None => Ok(found),
    }
}

/// An identifier as an act names it.
fn named(keys: &Keys, normalised: &Identifier) -> Named {
    (route::holder_lane(normalised), keys.identifier(normalised))
}

/// The head of the person whom an id names.
fn head(pages: &dyn Pages, profile: ProfileId) -> Result<StrandId, ActError> {
    let page = pages.page(profile.0)?;
    page.map(|page| page.meta().head).ok_or(ActError::NoProfile(profile))
}

/// Whether an act touched a person.
fn touched_by(pages: &dyn Pages, head: StrandId, act: ActId) -> Result<bool, RowError> {
    for strand in load::component_strands(pages, head)? {
        let page = pages.existing(strand)?;
        let mut acts = page.of_kind(Kind::Act).filter_map(|(name, _)| keys::parse_act_mark(name));
        if acts.any(|(id, _)| id == act) {
            return Ok(true);
        }
    }
    Ok(false)
}
