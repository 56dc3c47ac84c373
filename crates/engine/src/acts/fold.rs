//! The fold of an act: from a deed to rows and people looked at anew.

use std::collections::BTreeSet;

use model::{ActId, Seq, StrandId};
use store::Table;

use crate::{
    fold::Fold,
    join::{self, CLOSURE_STRANDS_MAX},
    keys::{self, Kind},
    record::{ActKind, ActState, Deed, LogEntry, Named, StoredAct, Unreadable, encode},
    registry::rows,
    route,
    sealed::RowError,
};

/// Folds an act; returns the strands that it touched.
pub(crate) fn act(
    fold: &mut Fold<'_>,
    id: ActId,
    act: &StoredAct,
) -> Result<BTreeSet<StrandId>, RowError> {
    let StoredAct::V1 { deed, .. } = act;
    let seq = fold.log(LogEntry::Person { act: id });
    for (table, key, value) in rows::cut(Table::Meta, &keys::act(id), &encode(act))? {
        fold.pending.put(table, key, value.unwrap_or_default());
    }
    let touched = match deed {
        Deed::KeepApart { parts } => {
            write_state(fold, id, seq, ActKind::KeepApart);
            rule(fold, id, (0..).zip(parts.iter().map(Vec::as_slice)))?
        }
        Deed::PutTogether { identifiers } => {
            write_state(fold, id, seq, ActKind::PutTogether);
            rule(fold, id, std::iter::once((0, identifiers.as_slice())))?
        }
        Deed::Undo { act: undone } => {
            write_state(fold, id, seq, ActKind::Undo(*undone));
            undo(fold, id, *undone, seq)?
        }
    };
    let (lane, hash) = keys::act_holders(id);
    for &strand in &touched {
        route::hold(&mut fold.pending, lane, &hash, strand)?;
    }
    let mut seen = BTreeSet::new();
    for &strand in &touched {
        if !seen.contains(&strand) {
            seen.extend(fold.rejoin(strand)?);
        }
    }
    Ok(touched)
}

fn write_state(fold: &mut Fold<'_>, id: ActId, seq: Seq, kind: ActKind) {
    let at = fold.ground.now;
    let state = ActState::V1 { seq, at, kind, since: seq, in_force: true };
    fold.pending.put(Table::Meta, keys::act_state(id), encode(&state));
}

/// Writes what an act says about identifiers under every strand that was seen with one of them.
fn rule<'i>(
    fold: &mut Fold<'_>,
    id: ActId,
    parts: impl Iterator<Item = (u16, &'i [Named])>,
) -> Result<BTreeSet<StrandId>, RowError> {
    let mut touched = BTreeSet::new();
    for (part, identifiers) in parts {
        for (lane, hash) in identifiers {
            for strand in route::holders(&fold.pending, *lane, hash, CLOSURE_STRANDS_MAX)? {
                let page = fold.pending.page_mut(strand)?;
                page.put(Kind::Act, &keys::act_mark(id, hash), &part.to_be_bytes());
                touched.insert(strand);
            }
        }
    }
    Ok(touched)
}

/// Takes an act back: what it said no longer holds, or holds again where it took something back itself.
fn undo(
    fold: &mut Fold<'_>,
    id: ActId,
    undone: ActId,
    since: Seq,
) -> Result<BTreeSet<StrandId>, RowError> {
    let (lane, hash) = keys::act_holders(undone);
    let touched = route::holders(&fold.pending, lane, &hash, CLOSURE_STRANDS_MAX)?;
    for &strand in &touched {
        fold.pending.page_mut(strand)?.put(Kind::Act, &id.0.to_be_bytes(), &[]);
    }
    let mut next = Some(undone);
    while let Some(id) = next {
        let state = join::act_state(&fold.pending, id)?.ok_or(Unreadable("act"))?;
        let ActState::V1 { seq, at, kind, in_force, .. } = state;
        let turned = ActState::V1 { seq, at, kind, since, in_force: !in_force };
        fold.pending.put(Table::Meta, keys::act_state(id), encode(&turned));
        next = match kind {
            ActKind::Undo(of) => Some(of),
            ActKind::KeepApart | ActKind::PutTogether => None,
        };
    }
    Ok(touched.into_iter().collect())
}
