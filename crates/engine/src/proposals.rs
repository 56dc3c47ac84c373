//! People who may be one person: proposals that the rules or somebody's matching make, and that an operator
//! accepts or rejects.
//!
//! A proposal is known by the two identifiers that name its sides best, so that it is made once, however often
//! and from whichever side the reason for it is seen. It names nobody but by keyed hashes; what is shown is read
//! from the people themselves, as they are now.

pub(crate) mod list;

use std::{collections::BTreeSet, fmt, str::FromStr};

use compact_str::CompactString;
use model::{ActId, Identifier, StrandId};
use serde::Serialize;
use store::{Reader, Table};

use crate::{
    fold::Fold,
    join::{self, Unjoined},
    keys::{self, Hash16, Kind},
    page::Pages,
    record::{
        self, ActState, Named, Pair, ProposalState, Proposed, StoredProposal, Unreadable, decode,
        encode,
    },
    route,
    sealed::RowError,
};

/// Most proposals of a workspace, decided ones included: what is listed can be walked through. Beyond it none is made.
pub const PROPOSALS_MAX: u64 = 100_000;
/// Most proposals that name one identifier: with more, it says nothing about who is who.
pub const PROPOSALS_PER_SIDE_MAX: u64 = 50;
/// Most proposals handed in by one call.
pub const PROPOSED_MAX: usize = 500;
/// Most comparisons that a proposal handed in may give as its reason.
pub const WEIGHTS_MAX: usize = 32;
/// Longest name of such a comparison, in bytes.
pub const WEIGHT_NAME_BYTES_MAX: usize = 64;
/// Most identifiers that are kept as the evidence of one proposal.
const EVIDENCE_MAX: usize = 10;
/// Strands looked at to find who holds an identifier.
const HOLDERS_MAX: usize = 64;

/// The name of a proposal: 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalId(pub(crate) Pair);

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_flattened().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is not the id of a merge proposal")]
pub struct NotAProposal;

impl FromStr for ProposalId {
    type Err = NotAProposal;

    fn from_str(text: &str) -> Result<Self, NotAProposal> {
        let half = |text: &str| u128::from_str_radix(text, 16).map(u128::to_be_bytes);
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAProposal);
        }
        let (first, second) = text.split_at(32);
        Ok(Self([half(first), half(second)].map(|half| half.unwrap_or_default())))
    }
}

/// A proposal that is handed in.
#[derive(Clone, Debug, PartialEq)]
pub struct NewProposal {
    /// One person.
    pub a: Identifier,
    /// Another one.
    pub b: Identifier,
    /// How sure its maker is, 0 to 1.
    pub score: f64,
    /// How much each comparison speaks for it.
    pub weights: Vec<(CompactString, f64)>,
}

/// What became of a proposal that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Handed {
    /// It waits to be looked at.
    Proposed,
    /// It was made before; an open one has the new score now.
    Known,
    /// It was rejected before, and stays so.
    Rejected,
    /// They are one person already.
    OnePerson,
    /// Nobody holds one of the identifiers.
    Nobody,
    /// There are too many proposals, of the workspace or of one side.
    TooMany,
}

/// What two identifiers are known by, with the sides in that order.
pub(crate) fn paired(sides: [Named; 2]) -> (Pair, [Named; 2]) {
    let [a, b] = sides;
    let sides = if a.1 <= b.1 { [a, b] } else { [b, a] };
    (sides.map(|(_, hash)| hash), sides)
}

/// A proposal.
pub(crate) fn read(reader: &dyn Reader, pair: &Pair) -> Result<Option<StoredProposal>, RowError> {
    let row = reader.get(Table::Meta, &keys::proposal(pair))?;
    Ok(row.map(|row| decode(&row, "proposal")).transpose()?)
}

/// How many proposals name an identifier; of `None`, how many there are.
pub(crate) fn count(reader: &dyn Reader, of: Option<&Hash16>) -> Result<u64, RowError> {
    let row = reader.get(Table::Meta, &keys::proposal_count(of))?;
    let read = |row: bytes::Bytes| row[..].try_into().map(u64::from_be_bytes);
    Ok(row.map(read).transpose().map_err(|_| Unreadable("proposal"))?.unwrap_or_default())
}

/// What room there is for proposals, with those of one call counted in.
pub(crate) struct Room<'r> {
    reader: &'r dyn Reader,
    /// Pairs that were given room.
    given: BTreeSet<Pair>,
}

impl<'r> Room<'r> {
    pub(crate) fn of(reader: &'r dyn Reader) -> Self {
        Self { reader, given: BTreeSet::new() }
    }

    /// Gives a pair room, if there is some.
    fn give(&mut self, pair: &Pair) -> Result<bool, RowError> {
        let more = |of| self.given.iter().filter(|given| given.contains(of)).count() as u64;
        let is_new = count(self.reader, None)? + (self.given.len() as u64) < PROPOSALS_MAX
            && count(self.reader, Some(&pair[0]))? + more(&pair[0]) < PROPOSALS_PER_SIDE_MAX
            && count(self.reader, Some(&pair[1]))? + more(&pair[1]) < PROPOSALS_PER_SIDE_MAX;
        if is_new {
            self.given.insert(*pair);
        }
        Ok(is_new)
    }
}

/// The head of the person who was given an identifier.
pub(crate) fn holder(pages: &dyn Pages, named: &Named) -> Result<Option<StrandId>, RowError> {
    let (lane, hash) = named;
    for strand in route::holders(pages.reader(), *lane, hash, HOLDERS_MAX)? {
        // A page that does not open was erased; then somebody else may have the identifier.
        let Ok(Some(page)) = pages.page(strand) else { continue };
        if page.get(Kind::Link, hash).is_some_and(|link| link.first() == Some(&0)) {
            return Ok(Some(page.meta().head));
        }
    }
    Ok(None)
}

/// By which act a proposal is accepted, if it is and that act is in force.
pub(crate) fn accepted_by(
    reader: &dyn Reader,
    state: ProposalState,
) -> Result<Option<ActId>, RowError> {
    let ProposalState::Accepted(act) = state else { return Ok(None) };
    let found = join::act_state(reader, act)?;
    Ok(found.and_then(|ActState::V1 { in_force, .. }| in_force.then_some(act)))
}

/// What will become of a proposal that is handed in.
pub(crate) fn handed(
    pages: &dyn Pages,
    room: &mut Room<'_>,
    sides: [Named; 2],
) -> Result<Handed, RowError> {
    let [a, b] = [holder(pages, &sides[0])?, holder(pages, &sides[1])?];
    let (pair, _) = paired(sides);
    if room.given.contains(&pair) {
        return Ok(Handed::Known);
    }
    Ok(match (a, b) {
        (Some(a), Some(b)) if a == b => Handed::OnePerson,
        (Some(_), Some(_)) => match read(pages.reader(), &pair)? {
            Some(StoredProposal::V1 { state: ProposalState::Rejected(_), .. }) => Handed::Rejected,
            Some(_) => Handed::Known,
            None if room.give(&pair)? => Handed::Proposed,
            None => Handed::TooMany,
        },
        _ => Handed::Nobody,
    })
}

/// Makes a proposal of what the rules did not let join, or adds to the evidence of one that is open.
pub(crate) fn propose(fold: &mut Fold<'_>, unjoined: &Unjoined) -> Result<(), RowError> {
    let Unjoined { sides, evidence, reason } = *unjoined;
    let (pair, sides) = paired(sides);
    let seen = (evidence, record::verdict(Some(reason)));
    match read(&fold.pending, &pair)? {
        None => create(fold, pair, sides, vec![seen], None),
        Some(mut known) => {
            let StoredProposal::V1 { evidence, .. } = &mut known;
            if evidence.len() < EVIDENCE_MAX && !evidence.contains(&seen) {
                evidence.push(seen);
                fold.pending.put(Table::Meta, keys::proposal(&pair), encode(&known));
            }
            Ok(())
        }
    }
}

/// Takes in a proposal that was handed in.
pub(crate) fn hand_in(fold: &mut Fold<'_>, proposed: &Proposed) -> Result<(), RowError> {
    let (pair, sides) = paired(proposed.sides);
    let news = Some((proposed.score, proposed.weights.clone()));
    match read(&fold.pending, &pair)? {
        None => create(fold, pair, sides, Vec::new(), news),
        Some(mut known) => {
            let StoredProposal::V1 { scored, .. } = &mut known;
            *scored = news;
            fold.pending.put(Table::Meta, keys::proposal(&pair), encode(&known));
            Ok(())
        }
    }
}

/// Says what has become of a proposal.
pub(crate) fn settle(
    fold: &mut Fold<'_>,
    pair: &Pair,
    settled: ProposalState,
) -> Result<(), RowError> {
    let Some(mut known) = read(&fold.pending, pair)? else { return Ok(()) };
    let StoredProposal::V1 { state, .. } = &mut known;
    *state = settled;
    fold.pending.put(Table::Meta, keys::proposal(pair), encode(&known));
    Ok(())
}

fn create(
    fold: &mut Fold<'_>,
    pair: Pair,
    sides: [Named; 2],
    evidence: Vec<(Named, u8)>,
    scored: Option<(f64, Vec<(CompactString, f64)>)>,
) -> Result<(), RowError> {
    if !Room::of(&fold.pending).give(&pair)? {
        return Ok(());
    }
    for of in [None, Some(&pair[0]), Some(&pair[1])] {
        let more = count(&fold.pending, of)?.saturating_add(1);
        fold.pending.put(Table::Meta, keys::proposal_count(of), more.to_be_bytes().to_vec());
    }
    let (seq, at) = (fold.next_seq, fold.ground.now);
    let state = ProposalState::Open;
    let made = StoredProposal::V1 { seq, at, sides, evidence, scored, state };
    fold.pending.put(Table::Meta, keys::proposal(&pair), encode(&made));
    fold.pending.put(Table::Meta, keys::proposal_place(seq, &pair), Vec::new());
    Ok(())
}
