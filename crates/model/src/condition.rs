//! The condition language: one language for audiences, eligibility and journey branches.
//!
//! A [`Condition`] is the parsed document, a [`Rule`] is its compiled form. A rule is evaluated
//! against [`Facts`] at an instant and answers with a [`Verdict`]: true, false or withheld, and
//! until when that holds if nothing new happens (I5).
//!
//! What the words mean, beyond what their names say (`spec/conditions.json` holds the cases):
//!
//! - A missing value, JSON `null` included, makes every comparison false, `ne`, `not_in` and
//!   `not_contains` too; `missing` is how to ask for it. A value of another type is present, so it
//!   is not equal, and it has no order.
//! - Numbers compare by value, texts by code point unless `ignore_case`. Two texts that are both
//!   RFC 3339 date-times or full dates compare as instants. A number in a text stays a text.
//!   `contains` looks for a part of a text or an element of an array; `contains_any`, `contains_all` and
//!   `contains_none` ask that of each of a list. `matches` searches a text for a part that fits.
//! - `near` measures on a sphere; `inside` has straight edges on a map with parallel meridians, which own their
//!   lower and left ends. What is no point is in no area.
//! - Versions are ordered as semver.org has it; what is built differently is the same version, and a text
//!   that is none has no order. Two traits compare where both are present; a list or an object equals nothing.
//! - `older_than` and `newer_than` divide all instants: at `now − d` and before it, or after. A date is a day
//!   of its own where days are counted, and its midnight in UTC where time is.
//! - An event counts from its own time on, and in a window `(now − d, now]`. No events count 0 and
//!   sum to 0, but have no last, first or age, so that those are false.
//! - `most_frequent` and `share` are withheld where events that may not be read could change the answer by their
//!   number alone: to which value leads, and to the range in which the share lies. Sums are by any such event.
//! - The steps of a sequence follow one another in time; of events of the same instant none is later
//!   than another. An event lies less than `within` after the step before it. `not` with `within` is
//!   done when that time has passed without such an event; without it, none may lie between its
//!   neighbours, or up to now at the end.
//!   `same` wants a property equal to one of an earlier step's event; a missing one equals nothing, a list
//!   what it has an element in common with. `times` is that step so often; `within` then binds each to the
//!   one before. In a `strict` sequence no event of its events' names lies between two of its events.
//!   Beside `sequence`, `within` is the window in which all of it lies; less than `span` passes from
//!   its first event to its last step, and less than `finished_within` from that to now. Events of `any_order`
//!   follow one another in some order; the step is done with the last of them. With `same_visit` all events lie
//!   in one visit, of which an instant is part from its first event until it is over.
//! - An event that may not be read may be any event or none: an answer that could turn on it is
//!   withheld. Its time may be looked at, so one outside the window withholds nothing.
//! - Where older events are lost to overflow and the window reaches for them, what would need them
//!   is false: sums and first events always, counts unless the events held already settle it.
//! - Of a membership the last two transitions are recorded, at their logged instants: `for_at_least` and
//!   `entered_within` count from the last entry, `left_within` from the last time they left. Where none is
//!   recorded they are false. That it may no longer be known counts as leaving.
//! - `account` asks of the accounts that a person belongs to; what stands in `where` is asked of one account at a
//!   time. `all` and `none` hold for somebody who belongs to none, `any` and `current` do not. `members` counts
//!   everybody who belongs to the account, the person too; of whom it may not be known whether they are in the
//!   audience, they may be or not.
//! - A window `since` something holds what is later than that: than the newest such event, the instant in a
//!   trait, the last recorded entry into an audience. Without it nothing is measured and the condition is
//!   false; where it may not be read the answer is withheld.
//! - A visit goes on from its first event until half an hour after its last. The window of the visit that goes
//!   on holds what is no older than its first event, whoever reports it. Where no visit goes on the condition
//!   is false; where the visit may not be read the answer is withheld.

mod account;
mod area;
mod calendar;
mod comparison;
pub mod computed;
mod dated;
mod evaluate;
mod explain;
mod membership;
mod names;
mod packed;
mod pair;
mod parse;
mod pattern;
mod reader;
pub mod reference;
mod rows;
mod rule;
mod schema;
mod sequence;
mod stages;
mod statistic;
mod syntax;
mod timeline;
mod version;
pub mod visits;
mod window;

use compact_str::CompactString;

use crate::{Key, Purpose, Timestamp, UnitId, Value, consent::PurposeKey, value::Path};

pub use account::{Account, AccountTest, Belonging, Quota, Share, Which};
pub use area::{Area, Point, Polygon};
pub use calendar::{Unit, Zone};
pub use comparison::{Bound, Literal, Op, Test, TextLiteral};
pub use computed::ComputedTrait;
pub use dated::{Dated, Near, When};
pub use membership::{Membership, Stay};
pub use names::{ComputedTest, NamedStages, NamedTrait, Names};
pub use packed::{List, Object, Packed, RowValues, Seen};
pub use pair::{Pair, Subject};
pub use pattern::Pattern;
pub use rows::{EventRow, Layout, Row, Run, Span};
pub use rule::{Needs, Rule, Step};
pub use sequence::{Same, Sequence, SequenceStep, StepEvent, Whole};
pub use stages::{StageTest, Standing, standing};
pub use statistic::Statistic;
pub use syntax::{Condition, EventCondition, EventPattern, Filter, Measure};
pub use window::{Anchor, Window};

/// Three-valued answer. Withheld absorbs through `not`, `any` and `all` unless the result is already decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// The answer would need data that may not be read for this purpose.
    Withheld,
}

/// An answer and the instant from which it may differ without anything new being observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer at the instant of evaluation.
    pub truth: Truth,
    /// The answer is the same at every instant before this one; `None` when the clock alone cannot change it.
    pub valid_until: Option<Timestamp>,
}

/// What is known about one question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact<T> {
    /// It is known and may be read.
    Known(T),
    /// There is no such value.
    Missing,
    /// Whether there is one may not be read for this purpose.
    Withheld,
}

/// A person's events of one name, oldest first by `(time, tie)`, for one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// All rows, those that may not be read for `purpose` included (only their time may be looked at).
    pub rows: Span<'a>,
    /// The properties that rows of this name keep, sorted.
    pub paths: &'a [Path],
    /// The purpose they are read for.
    pub purpose: Purpose,
    /// More rows exist than can be held; conditions over them are `overflow`: false, counted and shown.
    pub overflow: bool,
}

impl Rows<'_> {
    /// No rows.
    pub fn none(purpose: Purpose) -> Self {
        Self { rows: Span::default(), paths: &[], purpose, overflow: false }
    }
}

/// The name of an event with its stored hash, computed once when a rule is compiled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName {
    /// The name as sent.
    pub text: CompactString,
    /// `hash::event_name` of it.
    pub hash: u64,
}

impl EventName {
    /// The name `text`.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), hash: crate::hash::event_name(text) }
    }
}

/// How much of a person those may see to whom answers and explanations go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    #[default]
    Full,
    /// Answers may rest on sensitive values, and none of those is shown.
    Masked,
    /// Sensitive values are not even read: the caller proves nothing about who is asking.
    Public,
}

/// Everything a condition may ask about one person in one situation, for one purpose.
///
/// It is the only door to a person's data: an implementation holds what the purpose consented to allows, and answers
/// [`Fact::Withheld`] for the rest. One that has nothing of a kind leaves that kind out; everybody has a unit.
pub trait Facts {
    /// The current value of a trait.
    fn trait_value(&self, _: &Path) -> Fact<&Value> {
        Fact::Missing
    }
    /// A value of the request's context (`device.type`, `page.url`).
    fn context(&self, _: &Path) -> Fact<&Value> {
        Fact::Missing
    }
    /// The person's events of a name; `Missing` equals no rows.
    fn events(&self, _: &EventName) -> Fact<Rows<'_>> {
        Fact::Missing
    }
    /// Membership in another audience; `None` when there is no such live audience.
    fn membership(&self, _audience: &Key) -> Option<Membership> {
        None
    }
    /// Whether the purpose is granted now, by statement or by default; `None` when there is no such purpose.
    fn consents_to(&self, _: &PurposeKey) -> Option<bool> {
        None
    }
    /// What traffic buckets hash.
    fn unit(&self) -> UnitId;
    /// The account at a place among those that the person belongs to, the one that was told of last first;
    /// `None` behind the last.
    fn account(&self, _place: usize) -> Option<Fact<&dyn Account>> {
        None
    }
    /// The account that is asked about, inside a condition on accounts.
    fn this_account(&self) -> Option<&dyn Account> {
        None
    }
    /// How much those may see to whom the answer goes.
    fn sight(&self) -> Sight {
        Sight::Full
    }
    /// Whether the value of a trait may be shown to them.
    fn shows(&self, _: &Path) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
