//! One person's memberships: the incremental fold.

use std::sync::Arc;

use model::{
    Key, Purpose, Timestamp, UnitId, Value,
    condition::{Account, EventName, Fact, Facts, Membership, Rows, Truth, Verdict},
    consent::PurposeKey,
    value::Path,
    weight,
};
use serde::{Deserialize, Serialize};

use crate::{Audience, Catalog, Change, Touched};

/// What a person's data says, for each purpose.
pub trait FactsByPurpose {
    /// The facts as they may be seen for `purpose`. Nothing is asked of them about memberships.
    fn facts(&self, purpose: Purpose) -> &dyn Facts;
}

/// What is recorded of one person and one audience.
///
/// People have a dozen of these each, so the key is shared with the catalog and an instant takes no more than itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    key: Arc<Key>,
    since: Packed,
    previous: Packed,
    valid_until: Packed,
    version: u32,
    truth: Truth,
}

impl Entry {
    /// What the membership in an audience comes to, as of a version of it.
    pub fn new(key: Arc<Key>, version: u32, membership: Membership) -> Self {
        let Membership { truth, since, previous, valid_until } = membership;
        let (since, previous, valid_until) = (since.into(), previous.into(), valid_until.into());
        Self { key, since, previous, valid_until, version, truth }
    }

    /// The audience.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The version of the audience that was evaluated.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// In, out, or not to be known for the audience's purpose.
    pub fn truth(&self) -> Truth {
        self.truth
    }

    /// When they last went in or out, if they ever did.
    pub fn since(&self) -> Option<Timestamp> {
        self.since.into()
    }

    /// When they went the other way before that, if they ever did.
    pub fn previous(&self) -> Option<Timestamp> {
        self.previous.into()
    }

    /// The instant from which the answer may differ without anything new.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until.into()
    }

    /// All that is recorded but the version.
    pub fn membership(&self) -> Membership {
        Membership {
            truth: self.truth,
            since: self.since(),
            previous: self.previous(),
            valid_until: self.valid_until(),
        }
    }

    /// Whether it says no more than the absence of an entry does.
    fn is_blank(&self) -> bool {
        self.membership() == OUTSIDE
    }
}

/// An instant or none, which is written as the one instant that never comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(i64);

impl Packed {
    const NONE: Self = Self(i64::MIN);
}

impl From<Option<Timestamp>> for Packed {
    fn from(instant: Option<Timestamp>) -> Self {
        instant.map_or(Self::NONE, |instant| Self(instant.0))
    }
}

impl From<Packed> for Option<Timestamp> {
    fn from(packed: Packed) -> Self {
        (packed != Packed::NONE).then_some(Timestamp(packed.0))
    }
}

/// One person's memberships in all stored audiences of a catalog.
///
/// An audience without an entry is one they are not in, never were in, and will not enter by the
/// passing of time. That is known only of the audiences of the catalog they were last evaluated
/// with, whose fingerprint is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memberships {
    fingerprint: u64,
    evaluated_at: Timestamp,
    /// Sorted by key, without room to spare.
    entries: Vec<Entry>,
    /// The same of shadows. There is one for each that was evaluated, whatever it says.
    shadows: Vec<Entry>,
}

/// Whether someone went in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// They are a member from now on.
    Entered,
    /// They are no member from now on, or it may no longer be known whether they are.
    Left,
}

/// Someone went into or out of an audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The audience.
    pub audience: Key,
    /// The version of the audience that says so.
    pub version: u32,
    /// In or out.
    pub kind: TransitionKind,
    /// The logged instant.
    pub at: Timestamp,
}

impl Memberships {
    /// Memberships as they were stored: the fingerprint of the catalog they were evaluated with,
    /// and their entries in any order. The keys are shared with `catalog`, where it has them.
    ///
    /// Where parts of a person that have become one were recorded each, the one who was in it counts, and
    /// of two the one who came first.
    pub fn restore(catalog: &Catalog, fingerprint: u64, mut entries: Vec<Entry>) -> Self {
        let rank = |entry: &Entry| (!entry.truth.is_true(), entry.since());
        entries.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| rank(a).cmp(&rank(b))));
        entries.dedup_by(|later, first| later.key == first.key);
        let (entries, shadows) = (in_order(catalog, entries), Vec::new());
        Self { fingerprint, evaluated_at: Timestamp::default(), entries, shadows }
    }

    /// The same, with what was stored of versions that are to act next.
    pub fn with_shadows(self, catalog: &Catalog, shadows: Vec<Entry>) -> Self {
        Self { shadows: in_order(catalog, shadows), ..self }
    }

    /// Begins with a new person, of whom nothing is known but what is about to be touched: every
    /// audience counts as evaluated that is not in [`Catalog::for_newborn`], which must be touched
    /// with it.
    pub fn begin(&mut self, catalog: &Catalog) {
        self.adopt(catalog);
    }

    /// Names the catalog they were evaluated with.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Bytes in memory, beside the memberships themselves and the keys, which are shared by all people.
    pub fn weight(&self) -> usize {
        let block = |entries: &Vec<Entry>| weight::block(entries.capacity() * size_of::<Entry>());
        block(&self.entries) + block(&self.shadows)
    }

    /// What is recorded, sorted by audience.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is recorded of versions that are to act next, sorted by audience.
    pub fn shadows(&self) -> &[Entry] {
        &self.shadows
    }

    /// The first instant at which some membership may change without anything new: when to call
    /// [`Memberships::advance`].
    pub fn next_due(&self) -> Option<Timestamp> {
        self.entries.iter().chain(&self.shadows).filter_map(Entry::valid_until).min()
    }

    /// Whether the person was last evaluated with another catalog than this one.
    pub fn is_outdated(&self, catalog: &Catalog) -> bool {
        self.fingerprint != catalog.fingerprint()
    }

    /// Re-evaluates what `touched` names and what is due, at `now`, and tells who went in or out.
    ///
    /// `now` never goes back between calls. After a change of definitions everything is evaluated
    /// once, whatever is touched; someone in both versions of an audience stays in without a
    /// transition, and audiences that are gone are forgotten without one.
    pub fn update(
        &mut self,
        catalog: &Catalog,
        facts: &dyn FactsByPurpose,
        touched: &Touched,
        now: Timestamp,
    ) -> Vec<Transition> {
        let mut transitions = Vec::new();
        self.shadows.retain(|entry| catalog.shadow(&entry.key).is_some());
        let due = self.next_due().is_some_and(|due| due <= now);
        if self.is_outdated(catalog) {
            self.adopt(catalog);
            let everything = catalog.touched(&Change::Everything);
            self.evaluate(catalog, facts, &everything, now, &mut transitions);
        } else if due {
            let touched = self.with_due(catalog, touched, now);
            self.evaluate(catalog, facts, &touched, now, &mut transitions);
        } else {
            self.evaluate(catalog, facts, touched, now, &mut transitions);
        }
        transitions
    }

    /// Lets the time pass to `now`: everything due is re-evaluated at its due instant, in order.
    pub fn advance(
        &mut self,
        catalog: &Catalog,
        facts: &dyn FactsByPurpose,
        now: Timestamp,
    ) -> Vec<Transition> {
        let mut transitions = Vec::new();
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            transitions.extend(self.update(catalog, facts, &Touched::default(), due));
            if self.next_due() == Some(due) {
                // An expiry always lies ahead of its evaluation; should one not, time must still pass.
                debug_assert!(false, "the expiry {due} of a membership did not move");
                break;
            }
        }
        transitions
    }

    /// The stored answer about `audience`, which `entry` holds, if it stands at `now`: given for the
    /// live version, and neither expired nor younger than `now`, which may lie in the past.
    pub(crate) fn standing(
        &self,
        catalog: &Catalog,
        audience: &Audience,
        entry: Option<&Entry>,
        now: Timestamp,
    ) -> Option<Membership> {
        // Others may have changed what an account says, and nobody has looked at this person since.
        if audience.request_only() || audience.reads_accounts() || now < self.evaluated_at {
            return None;
        }
        match entry {
            Some(entry) => {
                let is_same = entry.version == audience.version()
                    && !(audience.follows_others() && self.is_outdated(catalog));
                let stands = is_same && entry.valid_until().is_none_or(|until| now < until);
                stands.then(|| entry.membership())
            }
            None => (!self.is_outdated(catalog)).then_some(OUTSIDE),
        }
    }

    /// What `audience` was computed to be before it acted, if that still stands at `now`, and until when: for those
    /// who have not been evaluated since.
    ///
    /// What follows other definitions is not told: those may have changed with it.
    pub(crate) fn foreseen(
        &self,
        audience: &Audience,
        now: Timestamp,
    ) -> Option<(Truth, Option<Timestamp>)> {
        if audience.follows_others() || now < self.evaluated_at {
            return None;
        }
        let shadow = self.shadows.iter().find(|shadow| shadow.key() == audience.key())?;
        let stands = shadow.version == audience.version()
            && shadow.valid_until().is_none_or(|until| now < until);
        stands.then(|| (shadow.truth, shadow.valid_until()))
    }

    /// The entry of each audience of a catalog, by position: both are in the order of keys, so that
    /// one walk finds them all.
    pub(crate) fn by_position(&self, catalog: &Catalog) -> Vec<Option<&Entry>> {
        let mut found = vec![None; catalog.audiences().len()];
        let mut entries = self.entries.iter().peekable();
        for (position, audience) in catalog.by_key() {
            while entries.next_if(|entry| *entry.key < *audience.key()).is_some() {}
            if let Some(place) = found.get_mut(position) {
                *place = entries.next_if(|entry| *entry.key == *audience.key());
            }
        }
        found
    }

    /// The entry of an audience, whichever version it was evaluated for.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.place(key).ok().and_then(|place| self.entries.get(place))
    }

    /// What was recorded last about an audience, whatever has happened since.
    pub fn recorded(&self, key: &Key) -> Truth {
        self.entry(key).map_or(Truth::False, Entry::truth)
    }

    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.key().cmp(key))
    }

    /// Forgets the audiences that `catalog` does not store.
    fn adopt(&mut self, catalog: &Catalog) {
        self.entries.retain(|entry| catalog.get(&entry.key).is_some_and(|a| !a.request_only()));
        self.fingerprint = catalog.fingerprint();
    }

    fn with_due(&self, catalog: &Catalog, touched: &Touched, now: Timestamp) -> Touched {
        let mut touched = touched.clone();
        for entry in &self.entries {
            if entry.valid_until().is_some_and(|until| until <= now)
                && let Some(position) = catalog.position(&entry.key)
            {
                catalog.touch_position(&mut touched, position);
            }
        }
        for entry in &self.shadows {
            if entry.valid_until().is_some_and(|until| until <= now)
                && let Some((position, _)) = catalog.shadow(&entry.key)
            {
                catalog.touch_position(&mut touched, position);
            }
        }
        touched
    }

    fn evaluate(
        &mut self,
        catalog: &Catalog,
        facts: &dyn FactsByPurpose,
        touched: &Touched,
        now: Timestamp,
        transitions: &mut Vec<Transition>,
    ) {
        for position in touched.iter() {
            let Some((audience, is_shadow)) = catalog.at(position) else { continue };
            let person = facts.facts(audience.purpose());
            let verdict = audience.rule().evaluate(&Folded { person, memberships: self }, now);
            self.evaluated_at = now;
            if is_shadow {
                self.foresee(audience, verdict);
            } else {
                transitions.extend(self.record(audience, verdict, now));
            }
        }
        self.entries.shrink_to_fit();
    }

    /// Records what a version that is to act next says. Nobody enters or leaves before it acts.
    fn foresee(&mut self, shadow: &Audience, Verdict { truth, valid_until }: Verdict) {
        let membership = Membership { valid_until, ..Membership::unrecorded(truth) };
        let entry = Entry::new(Arc::clone(shadow.shared_key()), shadow.version(), membership);
        match self.shadows.binary_search_by(|known| known.key().cmp(shadow.key())) {
            Ok(place) => self.shadows.splice(place..=place, [entry]).for_each(drop),
            Err(place) => self.shadows.insert(place, entry),
        }
    }

    fn record(
        &mut self,
        audience: &Audience,
        verdict: Verdict,
        now: Timestamp,
    ) -> Option<Transition> {
        let place = self.place(audience.key());
        let before = place.ok().and_then(|place| self.entries.get(place));
        let was_member = before.is_some_and(|entry| entry.truth.is_true());
        let verdict = audience.kept(was_member, verdict);
        let kind = match (was_member, verdict.truth.is_true()) {
            (false, true) => Some(TransitionKind::Entered),
            (true, false) => Some(TransitionKind::Left),
            _ => None,
        };
        let (since, previous) = (before.and_then(Entry::since), before.and_then(Entry::previous));
        let (since, previous) = if kind.is_some() { (Some(now), since) } else { (since, previous) };
        let Verdict { truth, valid_until } = verdict;
        let membership = Membership { truth, since, previous, valid_until };
        let key = Arc::clone(audience.shared_key());
        let entry = Entry::new(key, audience.version(), membership);
        match place {
            Ok(place) if entry.is_blank() => {
                self.entries.remove(place);
            }
            Ok(place) => {
                if let Some(before) = self.entries.get_mut(place) {
                    *before = entry;
                }
            }
            Err(_) if entry.is_blank() => {}
            Err(place) => self.entries.insert(place, entry),
        }
        let (audience, version) = (audience.key(), audience.version());
        kind.map(|kind| Transition { audience: audience.clone(), version, kind, at: now })
    }
}

/// Entries by key, which they share with the catalog where it has them, without room to spare.
fn in_order(catalog: &Catalog, mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    for entry in &mut entries {
        if let Some(audience) = catalog.get(&entry.key) {
            entry.key = Arc::clone(audience.shared_key());
        }
    }
    entries.shrink_to_fit();
    entries
}

/// Membership of someone of whom nothing is recorded.
const OUTSIDE: Membership = Membership::unrecorded(Truth::False);

/// A person's facts, with memberships answered from the fold in progress. Audiences are evaluated
/// after those they refer to, so what it answers is already brought up to date.
struct Folded<'a> {
    person: &'a dyn Facts,
    memberships: &'a Memberships,
}

impl Facts for Folded<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        self.person.trait_value(path)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        self.person.context(path)
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        self.person.events(name)
    }

    fn membership(&self, audience: &Key) -> Option<Membership> {
        // That the audience exists and is of the same purpose was seen to when the catalog was compiled.
        Some(self.memberships.entry(audience).map_or(OUTSIDE, Entry::membership))
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.person.consents_to(purpose)
    }

    fn unit(&self) -> UnitId {
        self.person.unit()
    }

    fn account(&self, place: usize) -> Option<Fact<&dyn Account>> {
        self.person.account(place)
    }
}

#[cfg(test)]
mod tests;
