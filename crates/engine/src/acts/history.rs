//! Which acts touched a person, as they are shown.

use std::collections::BTreeSet;

use model::{ActId, Seq, StrandId, Value};
use serde_json::json;
use store::{Reader, Table};

use crate::{
    join::{self, CLOSURE_STRANDS_MAX},
    keys::{self, Kind},
    load,
    page::Pages,
    proposals::ProposalId,
    record::{ActState, Deed, Named, StoredAct, StoredLink, Unreadable, decode},
    registry::rows,
    route,
    sealed::RowError,
};

/// All acts that touched the person with this head, newest first.
pub(crate) fn of(pages: &dyn Pages, head: StrandId) -> Result<Vec<Value>, RowError> {
    let mut ids: BTreeSet<ActId> = BTreeSet::new();
    for strand in load::component_strands(pages, head)? {
        let page = pages.existing(strand)?;
        let marks = page.of_kind(Kind::Act).filter_map(|(name, _)| keys::parse_act_mark(name));
        ids.extend(marks.map(|(id, _)| id));
    }
    let mut acts: Vec<(Seq, Value)> = Vec::new();
    for id in ids {
        let state = join::act_state(pages.reader(), id)?.ok_or(Unreadable("act"))?;
        let ActState::V1 { seq, .. } = state;
        acts.push((seq, shown(pages, id, &state)?));
    }
    acts.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    Ok(acts.into_iter().map(|(_, act)| act).collect())
}

fn shown(pages: &dyn Pages, id: ActId, state: &ActState) -> Result<Value, RowError> {
    let ActState::V1 { at, in_force, .. } = *state;
    let StoredAct::V1 { actor, deed } = read(pages.reader(), id)?;
    let mut act = json!({
        "id": id.to_string(),
        "at": at,
        "actor": actor,
        "in_force": in_force,
    });
    match deed {
        Deed::KeepApart { parts } => {
            let parts = parts.iter().map(|part| identifiers(pages, part));
            act["kind"] = "split".into();
            act["parts"] = parts.collect::<Result<Vec<_>, _>>()?.into();
        }
        Deed::Merge { proposal, identifiers: named } => {
            act["kind"] = "merge".into();
            act["proposal"] = ProposalId(proposal).to_string().into();
            act["identifiers"] = identifiers(pages, &named)?.into();
        }
        // They touch nobody, so that they are in nobody's history.
        Deed::Propose { .. } | Deed::Reject { .. } => act["kind"] = "proposal".into(),
        Deed::Undo { act: undone } => {
            act["kind"] = "undo".into();
            act["of"] = undone.to_string().into();
        }
    }
    Ok(act)
}

/// The identifiers that an act names, but for those whose people were erased.
fn identifiers(pages: &dyn Pages, named: &[Named]) -> Result<Vec<Value>, RowError> {
    let told = named.iter().map(|named| identifier(pages, named));
    told.filter_map(Result::transpose).collect()
}

/// An identifier as any strand that saw it can tell; `None` when all of those were erased.
pub(crate) fn identifier(
    pages: &dyn Pages,
    (lane, hash): &Named,
) -> Result<Option<Value>, RowError> {
    for strand in route::holders(pages.reader(), *lane, hash, CLOSURE_STRANDS_MAX)? {
        let Ok(Some(page)) = pages.page(strand) else { continue };
        let Some(row) = page.get(Kind::Link, hash) else { continue };
        let (StoredLink::V1 { identifier, .. }, _) = route::parse_link(row)?;
        return Ok(Some(json!({"type": identifier.kind, "value": identifier.value})));
    }
    Ok(None)
}

/// Reads an act.
pub(crate) fn read(reader: &dyn Reader, id: ActId) -> Result<StoredAct, RowError> {
    let found = rows::first(reader, Table::Meta, &keys::act(id))?;
    let (_, row) = found.ok_or(Unreadable("act"))?;
    Ok(decode(&row, "act")?)
}
