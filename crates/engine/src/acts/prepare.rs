//! From what an operator asks for to a deed that stands by itself: it names people by their identifiers,
//! so that a replay does the same to the same people.

use model::{ActId, Identifier, ProfileId, Seq, StrandId};
use profile::identity::{self, IdentityRules};

use crate::{
    acts::{ActError, Ask},
    join::{self, Closure},
    keys::{self, Kind},
    page::Pages,
    record::{ActState, Deed, Named},
    route,
    sealed::{Keys, RowError},
};

/// The deed that does what is asked for.
pub(crate) fn deed(
    pages: &dyn Pages,
    keys: &Keys,
    rules: &IdentityRules,
    ask: &Ask,
) -> Result<Deed, ActError> {
    let profile = ask.profile();
    let head = head(pages, profile)?.ok_or(ActError::NoProfile(profile))?;
    match ask {
        Ask::Split { how, .. } => {
            let closure = Closure::of(pages, rules, head)?;
            let (links, rulings) = (closure.links(), closure.rulings());
            let parts = identity::split(&links, &rulings, rules, head, how)?;
            let named =
                |part: Vec<_>| part.iter().map(|identifier| named(keys, identifier)).collect();
            Ok(Deed::KeepApart { parts: parts.into_iter().map(named).collect() })
        }
        Ask::Undo { act, .. } => {
            let is_touched = touched_by(pages, head, *act)?;
            let state = join::act_state(pages.reader(), *act)?.filter(|_| is_touched);
            let ActState::V1 { in_force, .. } = state.ok_or(ActError::NoAct(*act))?;
            if !in_force {
                return Err(ActError::NotInForce(*act));
            }
            Ok(Deed::Undo { act: *act })
        }
    }
}

/// An identifier as an act names it.
fn named(keys: &Keys, normalised: &Identifier) -> Named {
    (route::holder_lane(normalised), keys.identifier(normalised))
}

/// The head of the person whom an id names; `None` when there is none.
fn head(pages: &dyn Pages, profile: ProfileId) -> Result<Option<StrandId>, RowError> {
    // What no strand was ever born under need not be looked for as if it were about to be.
    if profile.0.born == Seq(0) {
        return Ok(None);
    }
    Ok(pages.page(profile.0)?.map(|page| page.meta().head))
}

/// Whether an act touched a person.
fn touched_by(pages: &dyn Pages, head: StrandId, act: ActId) -> Result<bool, RowError> {
    for strand in crate::load::component_strands(pages, head)? {
        let page = pages.existing(strand)?;
        let mut acts = page.of_kind(Kind::Act).filter_map(|(name, _)| keys::parse_act_mark(name));
        if acts.any(|(id, _)| id == act) {
            return Ok(true);
        }
    }
    Ok(false)
}
