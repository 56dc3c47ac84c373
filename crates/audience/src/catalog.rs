//! All live audiences, compiled: which work, in what order they are evaluated, what they need.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{
    Key, Purpose,
    condition::{Condition, EventName, Names, Quota, Rule, Truth, Verdict},
    consent::PurposeKey,
    definition::Fault,
    hash,
    value::Path,
};
use rustc_hash::FxHashMap;

use crate::{
    AudienceDocument, Change, LiveStages, StagePolicy, Touched,
    index::Index,
    newborn,
    stages::{self, Reached},
};

/// How many audiences deep a reference may go. Answering in place descends along references, so they are bounded.
pub const MAX_REFERENCE_DEPTH: usize = 16;

/// A live audience, as the catalog is compiled from it.
#[derive(Clone, Debug)]
pub struct Live {
    /// The definition.
    pub document: AudienceDocument,
    /// Its version.
    pub version: u32,
    /// The number of its purpose; `None` when the workspace has no purpose of that key.
    pub purpose: Option<Purpose>,
}

/// A compiled audience.
#[derive(Clone, Debug)]
pub struct Audience {
    key: Arc<Key>,
    version: u32,
    purpose_key: PurposeKey,
    purpose: Purpose,
    rule: Rule,
    request_only: bool,
    reads_accounts: bool,
    stage: Option<Stage>,
}

/// What an audience is that was compiled out of a stage: those who have reached it.
#[derive(Clone, Debug)]
struct Stage {
    /// Where its condition stands in the definition.
    place: String,
    is_furthest: bool,
    /// Who was in it stays in it.
    is_kept: bool,
}

impl Audience {
    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its key, to be held by what is recorded of people.
    pub(crate) fn shared_key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Whether it was compiled out of a stage, so that it is no audience to people.
    pub fn is_stage(&self) -> bool {
        self.stage.is_some()
    }

    /// What an evaluation comes to for somebody who was in it or was not: who has reached a stage
    /// that nobody goes back from stays there, unless that may no longer be known.
    pub(crate) fn kept(&self, was_member: bool, verdict: Verdict) -> Verdict {
        let is_kept = self.stage.as_ref().is_some_and(|stage| stage.is_kept);
        if is_kept && was_member && verdict.truth == Truth::False {
            return Verdict::lasting(Truth::True);
        }
        verdict
    }

    /// Where a part of its condition stands in the definition; `None` for what stands in none.
    fn pointer(&self, inside: &str) -> Option<String> {
        match &self.stage {
            Some(stage) => stages::original(&stage.place, inside, stage.is_furthest),
            None => Some(format!("/condition{inside}")),
        }
    }

    /// The version of its definition.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The key of the purpose it is folded and visible for.
    pub fn purpose_key(&self) -> &PurposeKey {
        &self.purpose_key
    }

    /// The purpose it is folded and visible for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Who is in it.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Its answer follows from other definitions too, so that it may change with them although its own version stays.
    pub(crate) fn follows_others(&self) -> bool {
        let needs = self.rule.needs();
        !needs.computed.is_empty() || !needs.audiences.is_empty() || needs.accounts
    }

    /// It asks about accounts, itself or through another, so it is looked at anew wherever an exact answer is needed:
    /// what others do can change it, and is recorded of this person a little later.
    pub fn reads_accounts(&self) -> bool {
        self.reads_accounts
    }

    /// It reads the request's context, itself or through another, so it is answered within requests and never stored.
    pub fn request_only(&self) -> bool {
        self.request_only
    }
}

/// The live audiences that work, in an order in which each refers only to earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    audiences: Vec<Audience>,
    /// Versions that are computed while others act. Their positions follow those of the audiences.
    shadows: Vec<Audience>,
    positions: FxHashMap<Key, usize>,
    /// The positions, in the order of keys.
    by_key: Vec<usize>,
    fingerprint: u64,
    index: Index,
    unconditional: Touched,
    /// Audiences that conditions ask about the members of accounts, and how many must be in.
    watched: Members,
    /// The purposes of those that are false for somebody without data.
    conditional_purposes: Vec<Purpose>,
}

/// Audiences, and how many members of an account must be in each of them.
type Members = BTreeMap<Key, BTreeSet<Quota>>;

/// What is wrong with which audience.
type Faults = BTreeMap<Key, Vec<Fault>>;

impl Catalog {
    /// Compiles the live audiences. Faulty ones, and those that refer to faulty ones, are left out
    /// and told; the others work.
    ///
    /// Conditions may name nothing but other audiences; [`Catalog::naming`] is for the others.
    pub fn compile(live: Vec<Live>) -> (Self, Vec<(Key, Vec<Fault>)>) {
        Self::naming(live, &[], &Names::default())
    }

    /// As [`Catalog::compile`], with stages and with what conditions may name beside audiences, the
    /// stages included. What is wrong with a stage stands under its name, as `car.decision`.
    pub fn naming(
        live: Vec<Live>,
        stages: &[LiveStages],
        names: &Names,
    ) -> (Self, Vec<(Key, Vec<Fault>)>) {
        Self::with_shadows(live, Vec::new(), stages, names)
    }

    /// As [`Catalog::naming`], with shadows: versions of live audiences that are to act next. They are evaluated and
    /// recorded like the others, but nothing refers to them and nobody enters or leaves them.
    ///
    /// One that does not work beside what acts now is left out: it is evaluated when it acts.
    pub fn with_shadows(
        live: Vec<Live>,
        shadows: Vec<Live>,
        stages: &[LiveStages],
        names: &Names,
    ) -> (Self, Vec<(Key, Vec<Fault>)>) {
        let mut faults = Faults::new();
        let mut sound = parse(live, names, &mut faults);
        for stages in stages {
            parse_stages(stages, names, &mut sound, &mut faults);
        }
        drop_dangling(&mut sound, &mut faults);
        let audiences = in_order(sound, &mut faults);
        let purposes: BTreeMap<&Key, Purpose> =
            audiences.iter().map(|audience| (audience.key(), audience.purpose)).collect();
        // What is wrong with a shadow was told when it was saved.
        let mut shadows = parse(shadows, names, &mut Faults::new());
        shadows.retain(|own, shadow| {
            let mut references = shadow.rule.needs().audiences.iter();
            references.all(|key| key != own && purposes.get(key) == Some(&shadow.purpose))
        });
        let shadows = shadows.into_values().collect();
        (Self::of(audiences, shadows, names.traits_epoch), faults.into_iter().collect())
    }

    fn of(mut audiences: Vec<Audience>, mut shadows: Vec<Audience>, traits_epoch: u64) -> Self {
        let mut request_only = BTreeSet::new();
        let mut of_accounts = BTreeSet::new();
        let asks_the_request = |audience: &Audience, request_only: &BTreeSet<Key>| {
            let needs = audience.rule.needs();
            !needs.contexts.is_empty()
                || needs.audiences.iter().any(|key| request_only.contains(key))
        };
        for audience in &mut audiences {
            audience.request_only = asks_the_request(audience, &request_only);
            if audience.request_only {
                request_only.insert(audience.key().clone());
            }
            let needs = audience.rule.needs();
            let follows = |key: &Key| of_accounts.contains(key);
            if needs.accounts || needs.audiences.iter().any(follows) {
                audience.reads_accounts = true;
                of_accounts.insert(audience.key().clone());
            }
        }
        // What is never stored has nothing to be computed ahead of time.
        shadows.retain(|shadow| !asks_the_request(shadow, &request_only));
        let positions = audiences.iter().enumerate().map(|(i, a)| (a.key().clone(), i)).collect();
        let mut by_key: Vec<usize> = (0..audiences.len()).collect();
        by_key.sort_by(|a, b| audiences[*a].key().cmp(audiences[*b].key()));
        let fingerprint = fingerprint(&audiences) ^ traits_epoch;
        let all: Vec<&Audience> = audiences.iter().chain(&shadows).collect();
        let mut watched = Members::new();
        for audience in &all {
            watch(&mut watched, &audience.rule.needs().members);
        }
        let index = Index::new(&all, audiences.len());
        let (mut unconditional, conditional_purposes) = newborn::unconditional(&audiences);
        index.touch(&mut unconditional, &Change::Shadows);
        Self {
            audiences,
            shadows,
            positions,
            by_key,
            fingerprint,
            index,
            unconditional,
            watched,
            conditional_purposes,
        }
    }

    /// The same where other conditions ask about the members of accounts too. Everyone is to be evaluated anew, since
    /// it is not known of anybody whether they are in one that nobody asked for before.
    #[must_use]
    pub fn watching(mut self, members: &Members) -> Self {
        let mut names = String::new();
        for key in members.keys() {
            names.push_str(&format!("{key};"));
        }
        if !names.is_empty() {
            self.fingerprint ^= hash::event_name(&names);
        }
        watch(&mut self.watched, members);
        self
    }

    /// The audiences that conditions ask about the members of accounts, and how many must be in.
    pub fn watched(&self) -> &Members {
        &self.watched
    }

    /// The audiences, each after those it refers to.
    pub fn audiences(&self) -> &[Audience] {
        &self.audiences
    }

    /// The versions that are computed while others act, in the order of keys.
    pub fn shadows(&self) -> &[Audience] {
        &self.shadows
    }

    /// The shadow of this key.
    pub(crate) fn shadow(&self, key: &Key) -> Option<(usize, &Audience)> {
        let place = self.shadows.binary_search_by(|shadow| shadow.key().cmp(key)).ok()?;
        Some((self.audiences.len() + place, self.shadows.get(place)?))
    }

    /// What is evaluated at a position, and whether it is a shadow.
    pub(crate) fn at(&self, position: usize) -> Option<(&Audience, bool)> {
        match position.checked_sub(self.audiences.len()) {
            None => self.audiences.get(position).map(|audience| (audience, false)),
            Some(place) => self.shadows.get(place).map(|shadow| (shadow, true)),
        }
    }

    /// The audience of this key.
    pub fn get(&self, key: &Key) -> Option<&Audience> {
        self.audiences.get(self.position(key)?)
    }

    /// Where the audience of this key stands in [`Catalog::audiences`].
    pub fn position(&self, key: &Key) -> Option<usize> {
        self.positions.get(key).copied()
    }

    /// The audiences with their positions, in the order of keys.
    pub(crate) fn by_key(&self) -> impl Iterator<Item = (usize, &Audience)> {
        self.by_key.iter().filter_map(|&position| Some((position, self.audiences.get(position)?)))
    }

    /// Names the set of audiences and versions: a person's memberships of another set are out of date.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Names the set of audiences, shadows and versions that everyone is to be evaluated with.
    pub fn fingerprint_with_shadows(&self) -> u64 {
        match self.shadows.as_slice() {
            [] => self.fingerprint,
            shadows => self.fingerprint ^ fingerprint(shadows),
        }
    }

    /// The audiences that must be evaluated for a new person whatever happened to them; every
    /// audience, if not all purposes are granted that the others need.
    pub fn for_newborn(&self, is_granted: &dyn Fn(Purpose) -> bool) -> Touched {
        if self.conditional_purposes.iter().all(|&purpose| is_granted(purpose)) {
            self.unconditional.clone()
        } else {
            self.touched(&Change::Everything)
        }
    }

    /// The audiences that `change` can touch and all that refer to them, those never stored left out.
    pub fn touched(&self, change: &Change<'_>) -> Touched {
        let mut touched = Touched::default();
        self.touch(&mut touched, change);
        touched
    }

    /// Adds what `change` can touch to `touched`, so that the changes of one event or batch are evaluated together.
    pub fn touch(&self, touched: &mut Touched, change: &Change<'_>) {
        self.index.touch(touched, change);
    }

    pub(crate) fn touch_position(&self, touched: &mut Touched, position: usize) {
        self.index.insert(touched, position);
    }

    /// Every event name any audience reads, each with the properties read of it: what timelines must hold.
    pub fn needed_events(&self) -> BTreeMap<EventName, BTreeSet<Path>> {
        let mut needed = BTreeMap::<EventName, BTreeSet<Path>>::new();
        let all = self.audiences.iter().chain(&self.shadows);
        for (name, properties) in all.flat_map(|audience| &audience.rule.needs().events) {
            needed.entry(name.clone()).or_default().extend(properties.iter().cloned());
        }
        needed
    }
}

fn watch(watched: &mut Members, more: &Members) {
    for (key, quotas) in more {
        watched.entry(key.clone()).or_default().extend(quotas);
    }
}

fn fingerprint<'a>(audiences: impl IntoIterator<Item = &'a Audience>) -> u64 {
    let mut text = String::new();
    for audience in audiences {
        text.push_str(&format!("{}:{}", audience.key, audience.version));
        for (key, version) in &audience.rule.needs().computed {
            text.push_str(&format!(",{key}:{version}"));
        }
        text.push(';');
    }
    hash::event_name(&text)
}

fn parse(live: Vec<Live>, names: &Names, faults: &mut Faults) -> BTreeMap<Key, Audience> {
    let mut sound = BTreeMap::new();
    for Live { document, version, purpose } in live {
        let AudienceDocument { key, purpose: purpose_key, condition, .. } = document;
        let mut found = Vec::new();
        if purpose.is_none() {
            let detail = format!("there is no purpose `{purpose_key}`; define it or name another");
            found.push(Fault::new("/purpose", detail));
        }
        if sound.contains_key(&key) || faults.contains_key(&key) {
            found.push(Fault::new("/key", format!("another live audience has the key `{key}`")));
        }
        let linked = Condition::parse(&condition).and_then(|condition| match purpose {
            Some(purpose) => Rule::link(condition, names, purpose),
            None => Ok(Rule::compile(condition)),
        });
        let rule = match linked {
            Ok(rule) => Some(rule),
            Err(wrong) => {
                let inside =
                    |fault: Fault| Fault::new(format!("/condition{}", fault.pointer), fault.detail);
                found.extend(wrong.into_iter().map(inside));
                None
            }
        };
        match (rule, purpose) {
            (Some(rule), Some(purpose)) if found.is_empty() => {
                let request_only = false;
                let audience = Audience {
                    key: Arc::new(key.clone()),
                    version,
                    purpose_key,
                    purpose,
                    rule,
                    request_only,
                    reads_accounts: false,
                    stage: None,
                };
                sound.insert(key, audience);
            }
            _ => faults.entry(key).or_default().extend(found),
        }
    }
    sound
}

/// Takes in who has reached each stage of a definition.
fn parse_stages(
    live: &LiveStages,
    names: &Names,
    sound: &mut BTreeMap<Key, Audience>,
    faults: &mut Faults,
) {
    let LiveStages { document, version, purpose } = live;
    let is_kept = document.policy == StagePolicy::AdvanceOnly;
    for (behind, Reached { key, rule, place }) in
        stages::reached(live, names).into_iter().enumerate()
    {
        let stage = Stage { place, is_furthest: behind == 0, is_kept };
        match (rule, purpose) {
            (Ok(rule), Some(purpose)) => {
                let audience = Audience {
                    key: Arc::new(key.clone()),
                    version: *version,
                    purpose_key: document.purpose.clone(),
                    purpose: *purpose,
                    rule,
                    request_only: false,
                    reads_accounts: false,
                    stage: Some(stage),
                };
                sound.insert(key, audience);
            }
            (Ok(_), None) => {
                let detail = format!("there is no purpose `{}`", document.purpose);
                faults.entry(key).or_default().push(Fault::new("/purpose", detail));
            }
            (Err(wrong), _) => {
                let inside = |fault: Fault| {
                    Fault::new(format!("{}{}", stage.place, fault.pointer), fault.detail)
                };
                faults.entry(key).or_default().extend(wrong.into_iter().map(inside));
            }
        }
    }
}

/// Takes out the audiences whose references do not hold, and again those that refer to them.
fn drop_dangling(sound: &mut BTreeMap<Key, Audience>, faults: &mut Faults) {
    loop {
        let dangling: Vec<(Key, Vec<Fault>)> = sound
            .values()
            .map(|audience| (audience.key().clone(), faults_of_references(audience, sound, faults)))
            .filter(|(_, found)| !found.is_empty())
            .collect();
        if dangling.is_empty() {
            return;
        }
        for (key, found) in dangling {
            sound.remove(&key);
            faults.entry(key).or_default().extend(found);
        }
    }
}

fn faults_of_references(
    audience: &Audience,
    sound: &BTreeMap<Key, Audience>,
    faults: &Faults,
) -> Vec<Fault> {
    let mut found = Vec::new();
    for (pointer, key) in references(audience) {
        let detail = match sound.get(key) {
            _ if key == audience.key() => format!("audience `{key}` refers to itself"),
            Some(other) if other.purpose == audience.purpose => continue,
            Some(other) => format!(
                "audience `{key}` is for the purpose `{}`, and this one for `{}`; both need the same",
                other.purpose_key, audience.purpose_key
            ),
            None if faults.contains_key(key) => {
                format!("audience `{key}` has faults of its own; mend it first")
            }
            None => format!("there is no live audience `{key}`"),
        };
        found.push(Fault::new(pointer, detail));
    }
    found
}

/// The audiences it refers to, each with the JSON pointer of the reference in its document.
fn references(audience: &Audience) -> Vec<(String, &Key)> {
    let mut found = Vec::new();
    audience.rule.condition().visit(&mut |pointer, condition| {
        // A reference that stands in no definition was made for a stage; the stage is the place to mend.
        let at = |place: &str| {
            let pointer = audience.pointer(pointer);
            pointer.map_or("/stages".to_owned(), |pointer| format!("{pointer}{place}"))
        };
        if let Some((place, key)) = condition.audience() {
            found.push((at(place), key));
        }
        if let Condition::Account(account) = condition {
            found.extend(account.members().into_iter().map(|(place, key, _)| (at(&place), key)));
        }
        if let Condition::Stage(stage) = condition {
            found.extend(stage.reads().iter().map(|key| (at("/stage"), key)));
        }
    });
    found
}

/// Orders the audiences so that each comes after those it refers to; equal ones by key, so that the
/// order is always the same. Those that go round in circles or too deep, and those that refer to
/// them, are left out.
fn in_order(mut waiting: BTreeMap<Key, Audience>, faults: &mut Faults) -> Vec<Audience> {
    let mut ordered = Vec::new();
    let mut done = BTreeSet::new();
    for _ in 0..=MAX_REFERENCE_DEPTH {
        let is_ready = |audience: &Audience| {
            audience.rule.needs().audiences.iter().all(|key| done.contains(key))
        };
        let (ready, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            waiting.into_iter().partition(|(_, audience)| is_ready(audience));
        waiting = rest;
        done.extend(ready.keys().cloned());
        ordered.extend(ready.into_values());
    }
    for audience in waiting.values() {
        let mut found = Vec::new();
        for (pointer, key) in references(audience).into_iter().filter(|(_, k)| !done.contains(*k)) {
            let detail = if reaches(&waiting, key, &audience.key) {
                format!("audience `{}` refers to itself through `{key}`", audience.key)
            } else {
                format!(
                    "audience `{key}` refers to others in a circle or more than {MAX_REFERENCE_DEPTH} deep"
                )
            };
            found.push(Fault::new(pointer, detail));
        }
        faults.entry(audience.key().clone()).or_default().extend(found);
    }
    ordered
}

/// Whether following references leads from one audience to another.
fn reaches(audiences: &BTreeMap<Key, Audience>, from: &Key, to: &Key) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(key) = waiting.pop() {
        if key == to {
            return true;
        }
        if seen.insert(key)
            && let Some(audience) = audiences.get(key)
        {
            waiting.extend(&audience.rule.needs().audiences);
        }
    }
    false
}

#[cfg(test)]
mod tests;
