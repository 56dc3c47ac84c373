//! The layout of keys: which rows exist and how they sort. Part of the stored format.
//!
//! All integers are big-endian, so that bytes sort as the values do. `hash16` is the workspace's keyed hash.
//!
//! | table | key | value |
//! |---|---|---|
//! | Strand | lane u16, born u64 | the strand's page: see [`page`](crate::page) for it and what leaves it |
//! | Index | lane u16, `01`, hash16 of (routing, user or none) | strand |
//! | Index | lane u16, `02`, hash16 of (routing, none) | `record::StoredTurns`: the users seen with it |
//! | Index | lane u16, `03`, hash16 of identifier | up to 8 strands; `01` if others follow, `02` if it is closed |
//! | Index | lane u16, `03`, hash16 of identifier, strand | empty: one of the others |
//! | Index | lane u16, `04`, hash16 of an account, `01` | how many people belong to it, u32 |
//! | Index | lane u16, `04`, hash16 of an account, `02`, strand | empty: the strand tells of the account |
//! | Index | lane u16, `04`, hash16 of an account, `03`, trait u64, inverted position, strand | empty: who said it |
//! | Index | lane u16, `04`, hash16 of an account, `04`, version u32, audience | members in it and not, u32 each |
//! | Dedup | lane u16, hash16 of (source, message id) | received, seconds u32; or the quarantine's entry |
//! | Quarantine | `00`, instant u64, seq u64 | `quarantine::StoredHead` |
//! | Quarantine | `01`, instant u64, seq u64, a byte for each row | `quarantine::StoredRest`, sealed |
//! | Timer | lane u16, due u64, born u64 | empty |
//! | Log | seq u64 of its first entry | `record::LogRow` |
//! | Body | seq u64 of an event, then a byte for each continuation | `record::StoredEvent`, sealed |
//! | Decision | lane u16, born u64, time u64, decision u128 | `record::StoredDecision`, sealed |
//! | Meta | `45`, id of a lineup | `record::StoredLineup` |
//! | Meta | `46`, id of an act on people | `record::StoredAct`, cut into rows |
//! | Meta | `47`, id of an act on people | `record::ActState` |
//! | Meta | `48`, key of an audience | its edit: see `registry::edits` |
//! | Meta | `49` | the lake: see `archive::manifest` |
//! | Meta | `4a`, name of a sink | the next seq that it takes, u64 |
//! | Meta | `70`, hash16 and hash16 of the two sides' identifiers | `record::StoredProposal` |
//! | Meta | `71`, seq u64 inverted, the same pair | empty: proposals, newest first |
//! | Meta | `73`, head | `record::StoredLarge` |
//! | Meta | `74` | how many large people there are, and how many of them are full, u64 each |
//! | Meta | `72`, hash16 of an identifier or nothing | how many proposals name it, or are there, u64 |
//! | Meta | `75`, hash16 of an account | `accounts::record::StoredWalk` |
//! | Meta | `54` | `record::StoredRound` |
//! | Meta | `60` to `66` | privacy requests and what they bar: see `privacy::rows` |
//! | Import | digest, 32 bytes | rows applied u64 |

use model::{ActId, DecisionId, Lane, Seq, StrandId, Timestamp, event::Order};

use crate::record::Pair;

/// A 16-byte keyed hash.
pub(crate) type Hash16 = [u8; 16];

/// The kinds of rows in a strand's page, in their order; the page is sealed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The strand itself: routing identifier and user id.
    Meta = 0x01,
    /// hash16 of an identifier → the observation of it.
    Link = 0x02,
    /// xxh3-64 of a trait name → the trait as seen through this strand.
    Trait = 0x03,
    /// time, tie → a consent statement.
    Consent = 0x04,
    /// experience key → the variant first assigned.
    Assignment = 0x05,
    /// Head only: one empty row for each strand of the component, where there is more than one.
    Component = 0x06,
    /// Head only: audience key → membership.
    Membership = 0x07,
    /// Head only: the one persisted timer, and which audiences were evaluated.
    State = 0x08,
    /// experience key, time → a recorded win, for experiences with caps.
    Win = 0x09,
    /// time of its first event, tie → a visit.
    Visit = 0x0a,
    /// id of an act on people, hash16 of an identifier → the part that the act puts it in; or the id alone,
    /// of an act that only changes what another one says.
    Act = 0x0b,
    /// The country that somebody was seen in last, where purposes make a difference between countries.
    Country = 0x0c,
    /// What was asked to be done about the person: to be left alone, to use nothing.
    Standing = 0x0d,
    /// xxh3-64 of a trait name → the trait as the person has put it right.
    Stated = 0x0e,
    /// Of an anonymous strand of a device that several users share: the time and tie from which on its events are.
    Since = 0x0f,
    /// Head only: audience key → what the version of it says that is to act next.
    Shadow = 0x10,
    /// hash16 of an account → that the person belongs to it, or has left it.
    Account = 0x11,
    /// hash16 of an account, xxh3-64 of a trait name → a trait of the account as this strand was told it.
    AccountTrait = 0x12,
    /// Head only: hash16 of an account → what the person was counted as among its members.
    Counted = 0x13,
    /// event name hash, time, seq → what audiences may ask about the event.
    Event = 0x80,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Meta,
            0x02 => Self::Link,
            0x03 => Self::Trait,
            0x04 => Self::Consent,
            0x05 => Self::Assignment,
            0x06 => Self::Component,
            0x07 => Self::Membership,
            0x08 => Self::State,
            0x09 => Self::Win,
            0x0a => Self::Visit,
            0x0b => Self::Act,
            0x0c => Self::Country,
            0x0d => Self::Standing,
            0x0e => Self::Stated,
            0x0f => Self::Since,
            0x10 => Self::Shadow,
            0x11 => Self::Account,
            0x12 => Self::AccountTrait,
            0x13 => Self::Counted,
            0x80 => Self::Event,
            _ => return None,
        })
    }
}

/// Length of the part of a key that names the strand.
pub(crate) const STRAND_BYTES: usize = 10;

/// The key of a strand's page, and the prefix of all rows of the strand.
pub(crate) fn strand(strand: StrandId) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(&strand.lane.get().to_be_bytes());
    key.extend_from_slice(&strand.born.0.to_be_bytes());
    key
}

/// Length of the name of an event's row.
pub(crate) const EVENT_BYTES: usize = 24;

/// The name of an event's row.
pub(crate) fn event(name: u64, time: Timestamp, seq: Seq) -> [u8; EVENT_BYTES] {
    let mut key = [0; EVENT_BYTES];
    key[..8].copy_from_slice(&name.to_be_bytes());
    key[8..16].copy_from_slice(&ordered(time));
    key[16..].copy_from_slice(&seq.0.to_be_bytes());
    key
}

/// The name of a trait's row.
pub(crate) fn trait_name(name: &str) -> [u8; 8] {
    model::hash::event_name(name).to_be_bytes()
}

/// The name of a row that stands at a canonical position.
pub(crate) fn order(order: Order) -> [u8; 16] {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&ordered(order.time));
    name[8..].copy_from_slice(&order.tie.to_be_bytes());
    name
}

/// Reads such a name.
pub(crate) fn parse_order(name: &[u8]) -> Option<Order> {
    let (time, tie) = name.split_at_checked(8)?;
    let tie = tie.try_into().map(u64::from_be_bytes).ok()?;
    Some(Order { time: parse_ordered(time)?, tie })
}

/// The parts of the name of an event's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventKey {
    pub(crate) name: u64,
    pub(crate) time: Timestamp,
    pub(crate) seq: Seq,
}

/// Reads a strand's name.
pub(crate) fn parse_strand(bytes: &[u8]) -> Option<StrandId> {
    let (lane, born) = bytes.split_at_checked(2)?;
    let lane = Lane::from_stored(u16::from_be_bytes(lane.try_into().ok()?))?;
    Some(StrandId { born: Seq(u64::from_be_bytes(born.try_into().ok()?)), lane })
}

/// Reads the name of an event's row.
pub(crate) fn parse_event(rest: &[u8]) -> Option<EventKey> {
    let (name, rest) = rest.split_at_checked(8)?;
    let (time, seq) = rest.split_at_checked(8)?;
    Some(EventKey {
        name: u64::from_be_bytes(name.try_into().ok()?),
        time: parse_ordered(time)?,
        seq: Seq(u64::from_be_bytes(seq.try_into().ok()?)),
    })
}

/// An instant as bytes that sort as the instants do, those before 1970 included.
pub(crate) fn ordered(time: Timestamp) -> [u8; 8] {
    (time.0 ^ i64::MIN).to_be_bytes()
}

/// Reads an instant written by [`ordered`].
pub(crate) fn parse_ordered(bytes: &[u8]) -> Option<Timestamp> {
    Some(Timestamp(i64::from_be_bytes(bytes.try_into().ok()?) ^ i64::MIN))
}

/// Which strand a (routing identifier, user id) pair opens.
pub(crate) fn route(lane: Lane, pair: &Hash16) -> Vec<u8> {
    index(lane, 0x01, pair)
}

/// The prefix of all routes of a lane.
pub(crate) fn routes(lane: Lane) -> [u8; 3] {
    let [high, low] = lane.get().to_be_bytes();
    [high, low, 0x01]
}

/// The turns at a device, by the pair that its anonymous events name.
pub(crate) fn turns(lane: Lane, anonymous: &Hash16) -> Vec<u8> {
    index(lane, 0x02, anonymous)
}

/// The row of the strands that observed an identifier first, and the prefix of those of the others.
pub(crate) fn holders(lane: Lane, identifier: &Hash16) -> Vec<u8> {
    index(lane, 0x03, identifier)
}

/// The row that says that `strand_id` observed an identifier, but not first.
pub(crate) fn holder(lane: Lane, identifier: &Hash16, strand_id: StrandId) -> Vec<u8> {
    let mut key = holders(lane, identifier);
    key.extend_from_slice(&strand(strand_id));
    key
}

fn index(lane: Lane, kind: u8, hash: &Hash16) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + 1 + 16 + STRAND_BYTES);
    key.extend_from_slice(&lane.get().to_be_bytes());
    key.push(kind);
    key.extend_from_slice(hash);
    key
}

/// The prefix of the rows of an account.
pub(crate) fn account(name: &Hash16) -> Vec<u8> {
    index(account_lane(name), ACCOUNT, name)
}

/// The lane of an account's rows.
fn account_lane(name: &Hash16) -> Lane {
    Lane::from_hash(name.first_chunk().map_or(0, |head| u64::from_be_bytes(*head)))
}

const ACCOUNT: u8 = 0x04;

/// The prefix of the accounts of a lane.
pub(crate) fn accounts(lane: Lane) -> [u8; 3] {
    let [high, low] = lane.get().to_be_bytes();
    [high, low, ACCOUNT]
}

/// Reads the name of an account in the key of one of its rows.
pub(crate) fn parse_account(key: &[u8]) -> Option<Hash16> {
    key.get(3..19)?.try_into().ok()
}

/// The prefix of how far members of accounts have been looked at.
pub(crate) const WALK: u8 = 0x75;

/// How far the members of an account have been looked at.
pub(crate) fn walk(account: &Hash16) -> Vec<u8> {
    [&[WALK], &account[..]].concat()
}

/// Reads the account in such a key.
pub(crate) fn parse_walk(key: &[u8]) -> Option<Hash16> {
    key.get(1..)?.try_into().ok()
}

/// An act on people; it is cut into rows.
pub(crate) fn act(id: ActId) -> Vec<u8> {
    [&[0x46], &id.0.to_be_bytes()[..]].concat()
}

/// What has become of it.
pub(crate) fn act_state(id: ActId) -> Vec<u8> {
    [&[0x47], &id.0.to_be_bytes()[..]].concat()
}

/// A proposal to merge two people.
pub(crate) fn proposal(pair: &Pair) -> Vec<u8> {
    [&[0x70], &pair[0][..], &pair[1]].concat()
}

/// The prefix of the list of proposals, newest first.
pub(crate) const PROPOSALS: u8 = 0x71;

/// A proposal's place in that list.
pub(crate) fn proposal_place(seq: Seq, pair: &Pair) -> Vec<u8> {
    [&[PROPOSALS], &(!seq.0).to_be_bytes()[..], &pair[0], &pair[1]].concat()
}

/// Reads a place in the list of proposals.
pub(crate) fn parse_proposal_place(key: &[u8]) -> Option<Pair> {
    let (first, second) = key.get(9..)?.split_at_checked(16)?;
    Some([first.try_into().ok()?, second.try_into().ok()?])
}

/// How many proposals name an identifier; of `None`, how many there are.
pub(crate) fn proposal_count(identifier: Option<&Hash16>) -> Vec<u8> {
    [&[0x72][..], identifier.map_or(&[][..], |hash| &hash[..])].concat()
}

/// The prefix of the list of large people.
pub(crate) const LARGE: u8 = 0x73;
/// Where they are counted.
pub(crate) const LARGE_COUNT: [u8; 1] = [0x74];

/// A large person's place in that list.
pub(crate) fn large(head: StrandId) -> Vec<u8> {
    [&[LARGE], &strand(head)[..]].concat()
}

/// The name of the row that says in which part an act puts an identifier.
pub(crate) fn act_mark(id: ActId, identifier: &Hash16) -> [u8; 32] {
    let mut name = [0; 32];
    name[..16].copy_from_slice(&id.0.to_be_bytes());
    name[16..].copy_from_slice(identifier);
    name
}

/// Reads the name of an act's row in a page: the act, and the identifier if it speaks of one.
pub(crate) fn parse_act_mark(name: &[u8]) -> Option<(ActId, Option<Hash16>)> {
    let (id, identifier) = name.split_first_chunk::<16>()?;
    let identifier = match identifier {
        [] => None,
        hash => Some(hash.try_into().ok()?),
    };
    Some((ActId(u128::from_be_bytes(*id)), identifier))
}

/// Under which lane and name the strands are listed that an act touched: as if it were an identifier of theirs.
pub(crate) fn act_holders(id: ActId) -> (Lane, Hash16) {
    let hash = id.0.to_be_bytes();
    (Lane::from_hash(hash.first_chunk().map_or(0, |head| u64::from_be_bytes(*head))), hash)
}

/// The dedup entry of a message.
pub(crate) fn dedup(lane: Lane, message: &Hash16) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&lane.get().to_be_bytes());
    key[2..].copy_from_slice(message);
    key
}

/// The value of a dedup entry: when the message was applied.
pub(crate) fn seconds(at: Timestamp) -> [u8; 4] {
    u32::try_from(at.0 / 1000).unwrap_or(u32::MAX).to_be_bytes()
}

/// A timer of a component's head.
pub(crate) fn timer(head: StrandId, due: Timestamp) -> [u8; 18] {
    let mut key = [0; 18];
    key[..2].copy_from_slice(&head.lane.get().to_be_bytes());
    key[2..10].copy_from_slice(&ordered(due));
    key[10..].copy_from_slice(&head.born.0.to_be_bytes());
    key
}

/// Reads a timer's key.
pub(crate) fn parse_timer(key: &[u8]) -> Option<(StrandId, Timestamp)> {
    let (lane, rest) = key.split_at_checked(2)?;
    let (due, born) = rest.split_at_checked(8)?;
    let lane = Lane::from_stored(u16::from_be_bytes(lane.try_into().ok()?))?;
    let born = Seq(u64::from_be_bytes(born.try_into().ok()?));
    Some((StrandId { born, lane }, parse_ordered(due)?))
}

/// A log row, by the seq of its first entry.
pub(crate) fn log(first: Seq) -> [u8; 8] {
    first.0.to_be_bytes()
}

/// A row of an event's body; continuations count from 1.
pub(crate) fn body(seq: Seq, row: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.extend_from_slice(&seq.0.to_be_bytes());
    if row > 0 {
        key.push(row);
    }
    key
}

/// A decision record.
pub(crate) fn decision(strand_id: StrandId, at: Timestamp, id: DecisionId) -> Vec<u8> {
    let mut key = strand(strand_id);
    key.extend_from_slice(&ordered(at));
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

/// Reads when a decision was recorded in the key of any row of its record.
pub(crate) fn decided_at(key: &[u8]) -> Option<Timestamp> {
    parse_ordered(key.get(STRAND_BYTES..STRAND_BYTES + 8)?)
}

/// Reads when a decision was recorded, and its id, in the key of its record.
pub(crate) fn parse_decision(key: &[u8]) -> Option<(Timestamp, DecisionId)> {
    let (time, id) = key.get(STRAND_BYTES..)?.split_at_checked(8)?;
    Some((parse_ordered(time)?, DecisionId(u128::from_be_bytes(id.try_into().ok()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strand_id() -> StrandId {
        StrandId { born: Seq(7), lane: Lane::from_hash(1023) }
    }

    #[test]
    fn keys_read_back() {
        assert_eq!(parse_strand(&strand(strand_id())), Some(strand_id()));
        let parsed = parse_event(&event(42, Timestamp(-5), Seq(9))).unwrap();
        assert_eq!(parsed, EventKey { name: 42, time: Timestamp(-5), seq: Seq(9) });
        let due = timer(strand_id(), Timestamp(5));
        assert_eq!(parse_timer(&due), Some((strand_id(), Timestamp(5))));
        let (at, id) = (Timestamp(-5), DecisionId::new(3, 9));
        assert_eq!(parse_decision(&decision(strand_id(), at, id)), Some((at, id)));
        assert_eq!(parse_strand(b"short"), None);
    }

    #[test]
    fn instants_sort_as_bytes() {
        let instants = [i64::MIN, -1, 0, 1, i64::MAX].map(|ms| ordered(Timestamp(ms)));
        assert!(instants.is_sorted());
    }
}
