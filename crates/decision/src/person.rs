//! What a decision is asked about: a person behind a door, and the request.

use std::collections::BTreeMap;

use model::{
    Drawn, Key, LazyObject, Purpose, Timestamp, UnitId,
    condition::Facts,
    value::{Object, Path},
};

/// The person a decision is for: a profile's view, or a visitor nobody has seen yet.
///
/// It is the only door to a person's data, and every question about it names a purpose (I10).
pub trait Person {
    /// What conditions may ask, for `purpose`. Its context must be the request's context.
    fn facts(&self, purpose: Purpose) -> &dyn Facts;
    /// What may be asked under the purpose `service`, which is events only, and only to keep something
    /// from somebody.
    fn service_facts(&self) -> &dyn Facts;
    /// Whether `purpose` is granted now, by statement or by the workspace's default.
    fn granted(&self, purpose: Purpose) -> bool;
    /// Whether there is a profile.
    fn known(&self) -> bool;
    /// What draws hash.
    fn unit(&self) -> UnitId;
    /// Whether the person is suppressed, which the service purpose may always know.
    fn suppressed(&self) -> bool;
    /// The effective assignment to an experience: the earliest of the component (I8). A variant's
    /// key, or [`crate::HELD_OUT`]. Of a shared holdout, under its [`crate::holdout_name`],
    /// [`crate::HELD_OUT`] or something else.
    fn assignment(&self, name: &Key) -> Option<&Key>;
    /// How the effective assignment to an experience was drawn, where that is kept: of experiences whose shares
    /// follow what units did.
    fn drawn(&self, experience: &Key) -> Option<Drawn>;
    /// How many recorded wins of `experience`, shadow wins included, lie after `since`; asked under
    /// the service purpose.
    fn wins_since(&self, experience: &Key, since: Timestamp) -> u32;
    /// The fields that Liquid sees as `profile`, for `purpose`; only those at the given paths where
    /// some are given.
    fn fields(&self, purpose: Purpose, public_only: Option<&[Path]>) -> Object;
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The placements wanted, in order; `None` asks for every live placement whose `match` holds.
    pub placements: Option<&'a [Key]>,
    /// The context: page, locale, device and the like.
    pub context: &'a LazyObject,
    /// Whether the caller proved nothing about who is asking: only fields marked public are filled
    /// in.
    pub public: bool,
    /// Whether each outcome tells how it came about.
    pub explain: bool,
    /// Variants by their experiences that are shown whatever gates and draws say, so that each can be looked at.
    pub forced: Option<&'a BTreeMap<Key, Key>>,
}
