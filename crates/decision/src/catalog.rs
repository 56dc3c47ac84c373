//! The compiled placements and experiences: an immutable snapshot that decisions read.

mod compile;
mod edition;
mod epoch;
mod schedule;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use model::{
    Drawn, Key, Purpose, Timestamp, UnitId,
    condition::{Fact, Facts, Names, Needs, Rule},
    consent::PurposeKey,
    definition::{Fault, State},
    value::Path,
};

use crate::{
    Awaited, Divisions, ExperienceDocument, PlacementDocument, PolicyDocument, RecordedTraits,
    Reference, Share,
    bucket::Salt,
    changes::Place,
    content::Content,
    document::{Cap, RampStep},
};

pub use compile::shares;
pub(crate) use edition::{Edition, fitting};
use epoch::Epoch;
use schedule::{Period, Schedule};

/// A document at a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<D> {
    /// The version, which decisions record.
    pub version: u64,
    /// The document.
    pub document: D,
}

/// What experiences may name that is defined elsewhere.
#[derive(Clone, Copy)]
pub struct Defined<'a> {
    /// Gives the number of a purpose, where there is such a purpose.
    pub purposes: &'a dyn Fn(&PurposeKey) -> Option<Purpose>,
    /// What conditions may name.
    pub names: &'a Names,
    /// Holdouts that experiences share, and exclusion groups.
    pub divisions: &'a Divisions,
    /// The policies of experiences whose shares follow what units did.
    pub policies: &'a [Versioned<PolicyDocument>],
}

impl fmt::Debug for Defined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Defined").field("names", self.names).finish_non_exhaustive()
    }
}

/// What kind of definition is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A placement.
    Placement,
    /// An experience.
    Experience,
}

/// A definition that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// What it is.
    pub kind: Kind,
    /// Its key.
    pub key: Key,
    /// What is wrong with it, at least one.
    pub faults: Vec<Fault>,
}

/// All placements and experiences that act, compiled.
///
/// Compiling never fails: a broken definition is left out and reported (I13).
#[derive(Clone, Debug)]
pub struct Catalog {
    placements: BTreeMap<Key, Entry>,
    /// What experiences do to pages; nothing of those that do nothing.
    pages: BTreeMap<Key, OnPage>,
    needs: Needs,
}

/// What an experience does to pages, whichever of its contents is shown.
#[derive(Clone, Debug)]
pub struct OnPage {
    /// The places that any of its contents changes; `None` where none are named.
    pub places: Option<Arc<[Place]>>,
    /// What finds the elements that look other with it than without it.
    altered: BTreeSet<String>,
    /// What a page waits for before anything of it is shown; `None` where it does not wait.
    pub awaited: Option<Awaited>,
}

/// What live experiences may change on some pages.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Changed {
    /// The pages, a `*` at the end standing for anything; every page when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// What finds the elements.
    pub selectors: Vec<String>,
}

/// What a placement's key leads to.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Sound(Box<Placement>),
    /// It has faults of its own and answers `error`.
    Broken {
        version: u64,
    },
}

/// A compiled placement.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) reference: Reference,
    pub(crate) state: State,
    pub(crate) default: Option<Content>,
    /// The address of its default, where its content is an address that visitors are led to.
    pub(crate) leads_to: Option<String>,
    pub(crate) matches: Option<Rule>,
    /// The paths where it may exist; `None` is anywhere.
    paths: Option<Vec<String>>,
    /// Live and paused experiences, in the order of arbitration.
    pub(crate) candidates: Vec<Experience>,
}

/// A compiled experience.
#[derive(Clone, Debug)]
pub(crate) struct Experience {
    pub(crate) reference: Reference,
    pub(crate) paused: bool,
    pub(crate) purpose: Purpose,
    pub(crate) purpose_key: PurposeKey,
    pub(crate) priority: i32,
    pub(crate) eligibility: Option<Rule>,
    pub(crate) never_after: Box<[Rule]>,
    pub(crate) schedule: Schedule,
    pub(crate) exclusion: Option<Exclusion>,
    pub(crate) page_group: Option<Key>,
    /// The share that takes part before the first step of the ramp.
    traffic: Share,
    ramp: Box<[RampStep]>,
    pub(crate) traffic_salt: Salt,
    pub(crate) cap: Option<Cap>,
    pub(crate) shared_caps: Box<[SharedCap]>,
    /// The shared holdouts that cover it, those of all experiences first, then by key.
    pub(crate) holdouts: Box<[SharedHoldout]>,
    pub(crate) holdout: Share,
    pub(crate) holdout_salt: Salt,
    pub(crate) variants: Vec<Variant>,
    pub(crate) variant_salt: Salt,
    /// Where shares follow what units did: those of now.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) public_fields: Box<[Path]>,
    /// Traits that are recorded when it wins.
    pub(crate) record_traits: Box<[Path]>,
}

/// A compiled variant: it owns the buckets `start..end`.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) key: Key,
    pub(crate) content: Option<Content>,
    pub(crate) editions: Box<[Edition]>,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A holdout that several experiences share.
#[derive(Clone, Debug)]
pub(crate) struct SharedHoldout {
    pub(crate) key: Key,
    /// The name under which it is kept whether a unit is in it.
    pub(crate) name: Key,
    pub(crate) share: Share,
    pub(crate) salt: Salt,
}

/// A cap on all experiences of a group together.
#[derive(Clone, Debug)]
pub(crate) struct SharedCap {
    pub(crate) group: Key,
    pub(crate) cap: Cap,
    /// All experiences of the group, live or paused.
    pub(crate) members: Arc<[Key]>,
}

/// An experience's slot in an exclusion group.
#[derive(Clone, Debug)]
pub(crate) struct Exclusion {
    pub(crate) group: Key,
    pub(crate) slot: Key,
    pub(crate) from: Share,
    pub(crate) to: Share,
    pub(crate) salt: Salt,
    /// The other live experiences of the group with their periods.
    pub(crate) rivals: Vec<(Key, Period)>,
}

impl Catalog {
    /// Compiles the documents. Drafts and archived ones take no part.
    pub fn compile(
        placements: &[Versioned<PlacementDocument>],
        experiences: &[Versioned<ExperienceDocument>],
        defined: Defined<'_>,
    ) -> (Self, Vec<Broken>) {
        compile::catalog(placements, experiences, defined)
    }

    /// Everything that is wrong with a placement, whatever its state: what saving it should refuse.
    pub fn check_placement(document: &PlacementDocument) -> Vec<Fault> {
        compile::check_placement(document)
    }

    /// Everything that is wrong with an experience in `placement`, whatever its state: what saving
    /// it should refuse.
    pub fn check_experience(
        document: &ExperienceDocument,
        placement: Option<&PlacementDocument>,
        defined: Defined<'_>,
    ) -> Vec<Fault> {
        compile::check_experience(document, placement, defined)
    }

    /// What the rules of live experiences read, taken together: what timelines must hold.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The live placements, by key.
    pub fn placements(&self) -> impl Iterator<Item = &Reference> {
        self.sound().filter(|placement| placement.state == State::Live).map(|p| &p.reference)
    }

    /// The placements that answer as feature flags, by key: live and paused ones, and broken ones, which say so.
    pub fn flags(&self) -> impl Iterator<Item = &Key> {
        self.placements.iter().filter(|(_, entry)| entry.is_flag()).map(|(key, _)| key)
    }

    /// Whether a placement is one of [`Catalog::flags`].
    pub fn is_flag(&self, placement: &Key) -> bool {
        self.placements.get(placement).is_some_and(Entry::is_flag)
    }

    /// Where a live placement whose content is an address leads by default; none where it is no such placement.
    pub fn leads_to(&self, placement: &Key) -> Option<&str> {
        let sound = self.placements.get(placement).and_then(Entry::sound);
        sound.filter(|placement| placement.state == State::Live)?.leads_to.as_deref()
    }

    /// What an experience does to pages, whichever of its contents is shown; none where it does nothing.
    pub fn on_page(&self, experience: &Key) -> Option<&OnPage> {
        self.pages.get(experience)
    }

    /// What may be changed on which pages, placement by placement.
    pub fn changed(&self) -> Vec<Changed> {
        let live = self.sound().filter(|placement| placement.state == State::Live);
        let changed = live.map(|placement| {
            let acting = placement.candidates.iter().filter(|experience| !experience.paused);
            let pages = acting.filter_map(|known| self.pages.get(&known.reference.key));
            let selectors: BTreeSet<_> =
                pages.flat_map(|page| page.altered.iter().cloned()).collect();
            let selectors = selectors.into_iter().collect();
            Changed { paths: placement.paths.clone(), selectors }
        });
        changed.filter(|changed| !changed.selectors.is_empty()).collect()
    }

    /// The experiences that compete for a placement, paused ones included, in the order of
    /// arbitration.
    pub fn by_placement(&self, placement: &Key) -> impl Iterator<Item = &Reference> {
        self.candidates(placement).map(|experience| &experience.reference)
    }

    /// Whether the wins of the experiences of [`Catalog::by_placement`] are counted for a cap.
    pub fn capped(&self, placement: &Key) -> impl Iterator<Item = bool> {
        self.candidates(placement).map(Experience::is_capped)
    }

    /// The shared holdouts that cover an experience of a placement, in the order in which they are asked.
    pub fn shared_holdouts(&self, placement: &Key, experience: &Key) -> impl Iterator<Item = &Key> {
        let found = self.candidate(placement, experience);
        found.into_iter().flat_map(|known| &known.holdouts).map(|holdout| &holdout.key)
    }

    /// The traits that are recorded when an experience of a placement wins, as the facts for its purpose tell them.
    pub fn recorded<'f>(
        &self,
        placement: &Key,
        experience: &Key,
        facts: impl FnOnce(Purpose) -> &'f dyn Facts,
    ) -> RecordedTraits {
        let known = self.candidate(placement, experience);
        let known = known.filter(|known| !known.record_traits.is_empty());
        known.map_or_else(RecordedTraits::default, |known| known.recorded(facts(known.purpose)))
    }

    fn candidate(&self, placement: &Key, experience: &Key) -> Option<&Experience> {
        self.candidates(placement).find(|known| known.reference.key == *experience)
    }

    fn candidates(&self, placement: &Key) -> impl Iterator<Item = &Experience> {
        let sound = self.placements.get(placement).and_then(Entry::sound);
        sound.into_iter().flat_map(|placement| &placement.candidates)
    }

    pub(crate) fn entry(&self, placement: &Key) -> Option<&Entry> {
        self.placements.get(placement)
    }

    pub(crate) fn sound(&self) -> impl Iterator<Item = &Placement> {
        self.placements.values().filter_map(Entry::sound)
    }
}

/// A text that the request's context says, or else the person's trait of that name.
fn said_or_known<'f>(facts: &'f dyn Facts, name: &str) -> Option<&'f str> {
    let path = Path::parse(name)?;
    let said = match facts.context(&path) {
        Fact::Known(said) => Fact::Known(said),
        _ => facts.trait_value(&path),
    };
    let Fact::Known(said) = said else { return None };
    said.as_str()
}

impl Default for Catalog {
    fn default() -> Self {
        Self { placements: BTreeMap::new(), pages: BTreeMap::new(), needs: compile::nothing() }
    }
}

impl Entry {
    fn sound(&self) -> Option<&Placement> {
        match self {
            Self::Sound(placement) => Some(placement),
            Self::Broken { .. } => None,
        }
    }

    fn is_flag(&self) -> bool {
        self.sound().is_none_or(|placement| matches!(placement.state, State::Live | State::Paused))
    }
}

impl Experience {
    /// The traits that are recorded when it wins, as the facts for its purpose tell them.
    pub(crate) fn recorded(&self, facts: &dyn Facts) -> RecordedTraits {
        RecordedTraits::of(&self.record_traits, facts)
    }

    /// Whether its wins are counted.
    fn is_capped(&self) -> bool {
        self.cap.is_some() || !self.shared_caps.is_empty()
    }

    /// The share of eligible units that take part at `now`.
    pub(crate) fn traffic(&self, now: Timestamp) -> Share {
        let begun = self.ramp.iter().rev().find(|step| step.at <= now);
        begun.map_or(self.traffic, |step| step.traffic)
    }

    /// The probability with which no shared holdout holds a unit.
    pub(crate) fn in_no_shared_holdout(&self) -> f64 {
        self.holdouts.iter().map(|holdout| holdout.share.rest()).product()
    }

    /// The probability with which a shared holdout is the first that holds a unit.
    pub(crate) fn held_by(&self, key: &Key) -> f64 {
        let before = self.holdouts.iter().take_while(|holdout| holdout.key != *key);
        let share = self.holdouts.iter().find(|holdout| holdout.key == *key).map(|one| one.share);
        before.map(|holdout| holdout.share.rest()).product::<f64>()
            * share.map_or(0.0, Share::fraction)
    }

    /// How many variants can still be drawn.
    pub(crate) fn arms(&self) -> usize {
        self.variants.iter().filter(|variant| variant.is_drawn()).count()
    }

    /// The variant that owns `unit`'s bucket, by weight.
    pub(crate) fn draw(&self, unit: UnitId) -> Option<Lot<'_>> {
        let bucket = self.variant_salt.bucket(unit);
        let variant = self.variants.iter().find(|v| v.start <= bucket && bucket < v.end)?;
        Some(Lot { variant, bucket, range: (variant.start, variant.end) })
    }

    /// The variant that owns the bucket of a unit in this cell, by the policy of now; by weight where there is none.
    pub(crate) fn draw_by_policy(&self, epoch: &Epoch, cell: u16, unit: UnitId) -> Option<Lot<'_>> {
        let Some((bucket, place, range)) = epoch.draw(cell, unit) else { return self.draw(unit) };
        let variant = self.variants.get(place)?;
        Some(Lot { variant, bucket, range })
    }

    /// The variant `key`, when it can still be drawn.
    pub(crate) fn variant(&self, key: &Key) -> Option<&Variant> {
        self.any_variant(key).filter(|variant| variant.is_drawn())
    }

    /// The variant with this key, drawn or not.
    pub(crate) fn any_variant(&self, key: &Key) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.key == *key)
    }
}

/// What a unit drew.
#[derive(Debug)]
pub(crate) struct Lot<'a> {
    pub(crate) variant: &'a Variant,
    pub(crate) bucket: u32,
    /// The buckets that the variant owns.
    pub(crate) range: (u32, u32),
}

impl Lot<'_> {
    /// What is kept of it.
    pub(crate) fn drawn(&self, policy: u64, cell: u16) -> Drawn {
        let (start, end) = self.range;
        Drawn { policy, cell, buckets: u16::try_from(end - start).unwrap_or(u16::MAX) }
    }
}

impl Variant {
    /// The probability with which it is drawn by weight.
    pub(crate) fn share(&self) -> Share {
        Share::from_buckets(self.end - self.start).unwrap_or_default()
    }

    /// Its share by weight, in ten-thousandths.
    pub(crate) fn buckets(&self) -> u16 {
        u16::try_from(self.end - self.start).unwrap_or(u16::MAX)
    }

    fn is_drawn(&self) -> bool {
        self.start < self.end
    }
}

impl Exclusion {
    /// Whether the slot's own range holds the bucket.
    pub(crate) fn contains(&self, bucket: u32) -> bool {
        self.from.buckets() <= bucket && self.to.contains(bucket)
    }

    /// The other experiences of the group that act at `now`.
    pub(crate) fn rivals(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.rivals.iter().filter(move |(_, period)| period.contains(now)).map(|(key, _)| key)
    }
}
