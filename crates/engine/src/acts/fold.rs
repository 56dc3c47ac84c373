//! The fold of an act: from a deed to rows and people looked at anew.

use std::collections::BTreeSet;

use model::{ActId, Seq, StrandId};
use store::Table;

use crate::{
    fold::Fold,
    join::{self, CLOSURE_STRANDS_MAX},
    keys::{self, Kind},
    page::Pages,
    proposals,
    record::{
        ActKind, ActState, Deed, LogEntry, Named, ProposalState, StoredAct, Unreadable, encode,
    },
    registry::rows,
    route,
    sealed::RowError,
};

/// Folds an act; returns the people whom it touched, by their heads.
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
    write_state(fold, id, seq, kind(deed));
    let touched = match deed {
        Deed::KeepApart { parts } => rule(fold, id, parts.iter().map(Vec::as_slice))?,
        Deed::Merge { proposal, identifiers } => {
            proposals::settle(fold, proposal, ProposalState::Accepted(id))?;
            rule(fold, id, std::iter::once(identifiers.as_slice()))?
        }
        Deed::Undo { act: undone } => undo(fold, id, *undone, seq)?,
        Deed::Propose { proposals } => {
            proposals.iter().try_for_each(|proposed| proposals::hand_in(fold, proposed))?;
            BTreeSet::new()
        }
        Deed::Reject { proposal } => {
            proposals::settle(fold, proposal, ProposalState::Rejected(id))?;
            BTreeSet::new()
        }
    };
    look_again(fold, id, &touched)?;
    heads(fold, deed, &touched)
}

fn kind(deed: &Deed) -> ActKind {
    match deed {
        Deed::KeepApart { .. } => ActKind::KeepApart,
        Deed::Merge { .. } => ActKind::Merge,
        Deed::Undo { act } => ActKind::Undo(*act),
        Deed::Propose { .. } | Deed::Reject { .. } => ActKind::Other,
    }
}

/// Lists the strands that an act touches, and finds out anew who is whom among them.
fn look_again(
    fold: &mut Fold<'_>,
    id: ActId,
    touched: &BTreeSet<StrandId>,
) -> Result<(), RowError> {
    let (lane, hash) = keys::act_holders(id);
    for &strand in touched {
        route::hold(&mut fold.pending, lane, &hash, strand)?;
    }
    let mut seen = BTreeSet::new();
    for &strand in touched {
        if !seen.contains(&strand) {
            seen.extend(fold.rejoin(strand)?);
        }
    }
    Ok(())
}

/// The people of an act: who holds the identifiers that it names, else whose strands it touched.
fn heads(
    fold: &Fold<'_>,
    deed: &Deed,
    touched: &BTreeSet<StrandId>,
) -> Result<BTreeSet<StrandId>, RowError> {
    let named: Vec<&Named> = match deed {
        Deed::KeepApart { parts } => parts.iter().flatten().collect(),
        Deed::Merge { identifiers, .. } => identifiers.iter().collect(),
        _ => {
            let head = |&strand| Ok(fold.pending.existing(strand)?.meta().head);
            return touched.iter().map(head).collect();
        }
    };
    let holders = named.into_iter().map(|named| proposals::holder(&fold.pending, named));
    holders.filter_map(Result::transpose).collect()
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
    parts: impl Iterator<Item = &'i [Named]>,
) -> Result<BTreeSet<StrandId>, RowError> {
    let mut touched = BTreeSet::new();
    for (part, identifiers) in (0_u16..).zip(parts) {
        for (lane, hash) in identifiers {
            // Who was full may have room now.
            route::close(&mut fold.pending, *lane, hash, false)?;
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
            ActKind::KeepApart | ActKind::Merge | ActKind::Other => None,
        };
    }
    Ok(touched.into_iter().collect())
}
