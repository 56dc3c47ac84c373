//! Who is one person: from the links that were observed to components of strands.
//!
//! A [`Link`] says that a strand was seen with an identifier. [`resolve()`] folds all links of a
//! closure in canonical order into [`Component`]s and tells which links it refused. It looks at
//! nothing but the set of links and what operators said about them ([`Ruling`]s), so the order of
//! arrival, retries and replays cannot change the answer.

mod resolve;
mod rules;
mod ruling;
mod split;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use model::{Identifier, StrandId, Timestamp, event::Order, weight};
use serde::{Deserialize, Serialize};

pub use resolve::resolve;
pub use rules::{IdentityRules, Limit, Per, TypeRule};
pub use ruling::{Ruling, Says};
pub use split::{CannotSplit, Split, split};

/// Most identifiers one component holds; a link beyond that is refused as [`Reason::Full`].
pub const MAX_IDENTIFIERS: usize = 1_000;

/// Most strands of one component; a link that would need another is refused as [`Reason::Full`].
pub const MAX_STRANDS: usize = 1_000;

/// With more identifiers than this, two people who both were there before are not joined without review.
pub const REVIEWED_FROM: usize = 100;

/// Most merges one component goes through; a link that would need another is refused as [`Reason::Full`].
///
/// Only the joining of two components that both existed before the link counts. A known person who
/// arrives on a new strand is no merge, however often that happens.
pub const MAX_MERGES: u32 = 100;

/// A strand was seen with an identifier.
///
/// One link stands for all observations of the pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The strand.
    pub strand: StrandId,
    /// The identifier, normalised.
    pub identifier: Identifier,
    /// Canonical position of the earliest observation.
    pub order: Order,
    /// Event time of the latest observation.
    pub last: Timestamp,
    /// How many observations there were.
    pub count: u32,
    /// Whether it may join people; false for a claim from a public source that is set to `verified`
    /// and showed no identity token.
    pub trusted: bool,
}

impl Link {
    /// Takes in another state of the same link: what either knows, without adding up what both may have counted.
    ///
    /// Commutative, associative and idempotent, so that two copies of one link are one link. To
    /// count a further observation, raise [`Link::count`] first.
    pub fn absorb(&mut self, other: &Self) {
        debug_assert!(self.strand == other.strand && self.identifier == other.identifier);
        self.order = self.order.min(other.order);
        self.last = self.last.max(other.last);
        self.count = self.count.max(other.count);
        self.trusted |= other.trusted;
    }
}

/// One person: strands that accepted links hold together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The strand with which derived state lives: the earliest-born of those linked to the
    /// component's user id, else the earliest-born of all.
    pub head: StrandId,
    /// All its strands, sorted.
    pub strands: Vec<StrandId>,
    /// All identifiers it holds, sorted by type and value. No other component holds any of them.
    pub identifiers: Vec<KnownIdentifier>,
}

impl Component {
    /// A component of one strand that is known by no identifier yet.
    pub fn of(strand: StrandId) -> Self {
        Self { head: strand, strands: vec![strand], identifiers: Vec::new() }
    }

    /// The identifier that names it best: the strongest, of those the one seen first; `None` when it holds none.
    pub fn anchor(&self, rules: &IdentityRules) -> Option<&Identifier> {
        let best = self.identifiers.iter().min_by_key(|known| {
            (rules.rule(&known.identifier.kind).priority, known.first, &known.identifier)
        });
        best.map(|known| &known.identifier)
    }
}

/// A component in few bytes: all but its head is read when a person is shown, not when something is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedComponent {
    head: StrandId,
    /// The component as bytes; `None` for a strand by itself that is known by no identifier.
    whole: Option<Arc<[u8]>>,
}

impl PackedComponent {
    /// The strand with which derived state lives.
    pub fn head(&self) -> StrandId {
        self.head
    }

    /// The component.
    pub fn unpack(&self) -> Component {
        // What was packed here reads back; nobody else writes it.
        let whole = self.whole.as_ref().and_then(|bytes| postcard::from_bytes(bytes).ok());
        whole.unwrap_or_else(|| Component::of(self.head))
    }

    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        self.whole.as_ref().map_or(0, |bytes| weight::shared(bytes.len()))
    }
}

impl From<Component> for PackedComponent {
    fn from(component: Component) -> Self {
        let head = component.head;
        let is_bare = component == Component::of(head);
        let whole = (!is_bare).then(|| postcard::to_stdvec(&component).ok()).flatten();
        Self { head, whole: whole.map(Arc::from) }
    }
}

/// An identifier that a component holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownIdentifier {
    /// The identifier, normalised.
    pub identifier: Identifier,
    /// Event time of its first observation in the component.
    pub first: Timestamp,
    /// Event time of its latest.
    pub last: Timestamp,
    /// How many observations there were.
    pub count: u32,
}

/// Why a link did not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The person would have more identifiers of a type than its limit allows.
    Limit,
    /// It would make one person of two known users.
    TwoKnownUsers,
    /// Two users were seen with this anonymous or device id, so that it no longer tells who someone is.
    SharedDevice,
    /// The value is a placeholder that many people share.
    Blocked,
    /// Identifiers of this type join nobody, and another component holds it.
    NotJoinable,
    /// It is a claim without proof, from a source that demands proof.
    Unverified,
    /// The component is at its bound of identifiers, strands or merges.
    Full,
    /// An operator said that they are different people.
    KeptApart,
    /// Both were people before, and the one they would make has so many identifiers that somebody must look first.
    Large,
}

/// A link that did not join, and why. What is refused stays refused as long as the links before it stay the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The strand of the link.
    pub strand: StrandId,
    /// The identifier of the link.
    pub identifier: Identifier,
    /// The canonical position of the link.
    pub order: Order,
    /// Why.
    pub reason: Reason,
    /// The head of the component that holds the identifier in the end, if any does: the evidence of a merge proposal.
    pub holder: Option<StrandId>,
}

/// What a set of links comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The people, by head.
    pub components: Vec<Component>,
    /// The links that did not join, in canonical order.
    pub refusals: Vec<Refusal>,
    /// The identifiers that two users were seen with, and from when on. An anonymous event with one
    /// of these opens a new strand.
    pub contested: BTreeMap<Identifier, Order>,
}

impl Resolution {
    /// The component of a strand; `None` when the strand has no link.
    pub fn component_of(&self, strand: StrandId) -> Option<&Component> {
        self.components.iter().find(|c| c.strands.binary_search(&strand).is_ok())
    }
}
