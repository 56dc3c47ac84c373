//! Proposals as they are shown: newest first, with who the two sides are now.

use std::ops::ControlFlow;

use model::{ProfileId, StrandId, Value, condition::Sight};
use serde_json::json;
use store::{KeyRange, ScanOrder, Table};

use crate::{
    acts::history::identifier,
    definitions::Page,
    keys,
    page::{Pages, Stored},
    people::show,
    proposals::{ProposalId, accepted_by, holder, read},
    record::{self, Pair, ProposalState, StoredProposal, Unreadable},
    sealed::RowError,
    snapshot::Snapshot,
    state::Shared,
};

/// Most items of a page.
const MAX_PAGE: usize = 500;

/// Proposals in one state, newest first. A cursor that nobody gave out begins at the newest.
pub(crate) fn page(
    shared: &Shared,
    state: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Value>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let mut from = cursor.and_then(parse_cursor).unwrap_or(vec![keys::PROPOSALS]);
    let mut items = Vec::new();
    let mut last = None;
    loop {
        let mut places = Vec::new();
        let range = KeyRange::new(&from, &[keys::PROPOSALS + 1]).into_owned();
        frozen.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, _| {
            places.push(key.to_vec());
            if places.len() < MAX_PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let is_last = places.len() < MAX_PAGE;
        for place in places {
            // No place is a part of another, so that one byte more lies right behind it.
            from = [&place[..], &[0]].concat();
            let pair = keys::parse_proposal_place(&place).ok_or(Unreadable("proposal"))?;
            let Some(shown) = shown(&pages, &pair)?.filter(|shown| shown["state"] == state) else {
                continue;
            };
            if items.len() == limit {
                return Ok(Page { items, next_cursor: last });
            }
            items.push(shown);
            last = Some(write_cursor(&from));
        }
        if is_last {
            return Ok(Page { items, next_cursor: None });
        }
    }
}

/// One proposal with all that is known of both sides; `None` when there is none.
pub(crate) fn one(
    shared: &Shared,
    snapshot: &Snapshot,
    id: ProposalId,
    sight: Sight,
) -> Result<Option<Value>, RowError> {
    let pages = shared.stored();
    let Some(mut shown) = shown(&pages, &id.0)? else { return Ok(None) };
    let Some(StoredProposal::V1 { sides, .. }) = read(pages.reader(), &id.0)? else {
        return Ok(None);
    };
    let mut preview = Vec::new();
    for side in &sides {
        let Some(head) = holder(&pages, side)? else { continue };
        let shown = show::profile(shared, snapshot, ProfileId(head), sight)?;
        let Some(mut profile) = shown else { continue };
        if let Some(fields) = profile.as_object_mut() {
            fields.remove("timeline");
        }
        preview.push(profile);
    }
    shown["preview"] = preview.into();
    Ok(Some(shown))
}

fn shown(pages: &dyn Pages, pair: &Pair) -> Result<Option<Value>, RowError> {
    let Some(StoredProposal::V1 { at, sides, evidence, scored, state, .. }) =
        read(pages.reader(), pair)?
    else {
        return Ok(None);
    };
    let heads = [holder(pages, &sides[0])?, holder(pages, &sides[1])?];
    let mut shown_sides = Vec::new();
    for (side, head) in sides.iter().zip(heads) {
        let mut shown = identifier(pages, side)?.unwrap_or_else(|| json!({}));
        shown["profile"] = head.map(|head| ProfileId(head).to_string()).into();
        shown_sides.push(shown);
    }
    let mut reasons = Vec::new();
    for (named, verdict) in &evidence {
        let Some(mut shown) = identifier(pages, named)? else { continue };
        shown["reason"] = json!(record::refused(*verdict)?);
        reasons.push(shown);
    }
    let accepted = accepted_by(pages.reader(), state)?;
    let mut proposal = json!({
        "id": ProposalId(*pair).to_string(),
        "at": at,
        "state": word(state, accepted.is_some(), heads),
        "source": if scored.is_some() { "probabilistic" } else { "rules" },
        "sides": shown_sides,
        "evidence": reasons,
    });
    if let Some(act) = accepted {
        proposal["act"] = act.to_string().into();
    }
    if let Some((score, weights)) = scored {
        let weights = weights.into_iter().map(|(name, weight)| (name.to_string(), weight.into()));
        proposal["score"] = score.into();
        proposal["weights"] = Value::Object(weights.collect());
    }
    Ok(Some(proposal))
}

/// The state of a proposal in a word: one between people who have become one by themselves, or of whom one is no
/// longer there, is moot.
fn word(state: ProposalState, is_accepted: bool, heads: [Option<StrandId>; 2]) -> &'static str {
    match (state, heads) {
        (ProposalState::Rejected(_), _) => "rejected",
        (ProposalState::Accepted(_), _) if is_accepted => "accepted",
        (_, [Some(a), Some(b)]) if a != b => "open",
        _ => "moot",
    }
}

fn write_cursor(from: &[u8]) -> String {
    from.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_cursor(text: &str) -> Option<Vec<u8>> {
    let is_cursor = text.len() == 84 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_cursor {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok();
    (0..42).map(byte).collect::<Option<Vec<u8>>>().filter(|key| key[0] == keys::PROPOSALS)
}
