//! From documents to the catalog: what is checked, and how a fault is contained.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    sync::Arc,
};

use model::{
    Duration, Key, Purpose, Value,
    condition::{Condition, Names, Needs, Rule},
    definition::{Fault, State},
    hash::BUCKET_COUNT,
};

use super::{
    Broken, Catalog, Defined, Entry, Epoch, Exclusion, Experience, Kind, OnPage, Placement,
    SharedCap, SharedHoldout, Variant, Versioned, edition,
    schedule::{Period, Schedule},
};
use crate::{
    Divisions, ExperienceDocument, HELD_OUT, PlacementDocument, Reference, Share, Trigger,
    bucket::{Draw, MAX_SALT_BYTES, Salt},
    changes,
    content::Content,
    decide::holdout_name,
    division::Slot,
    document::{
        self, Allocation, Cap, ExclusionSlot, MAX_RAMP_STEPS, MAX_SHARED_CAPS, MAX_VARIANTS, Mode,
        RampStep,
    },
    redirect,
    schema::Schema,
};

pub(super) fn catalog(
    placements: &[Versioned<PlacementDocument>],
    experiences: &[Versioned<ExperienceDocument>],
    defined: Defined<'_>,
) -> (Catalog, Vec<Broken>) {
    let mut broken = Vec::new();
    let mut schemas = BTreeMap::new();
    let mut entries = BTreeMap::new();
    for Versioned { version, document } in placements {
        let key = document.key.clone();
        let entry = match compile_placement(document, *version) {
            Ok((placement, schema)) => {
                schemas.insert(key.clone(), schema);
                Entry::Sound(Box::new(placement))
            }
            Err(faults) => {
                broken.push(Broken { kind: Kind::Placement, key: key.clone(), faults });
                Entry::Broken { version: *version }
            }
        };
        entries.insert(key, entry);
    }
    let groups = groups(experiences);
    let mut pages = BTreeMap::new();
    let mut needs = nothing();
    let acting = |e: &&Versioned<ExperienceDocument>| {
        matches!(e.document.state, State::Live | State::Paused)
            && e.document.allocation != Allocation::External {}
    };
    for Versioned { version, document } in experiences.iter().filter(acting) {
        let home = match (entries.get_mut(&document.placement), schemas.get(&document.placement)) {
            (Some(Entry::Sound(placement)), Some(schema)) => Ok((placement, schema)),
            (Some(_), _) => Err("has faults of its own"),
            (None, _) => Err("does not exist"),
        };
        let compiled = match home {
            Ok((home, schema)) => compile_experience(document, *version, schema, &groups, defined)
                .map(|experience| (home, experience)),
            Err(why) => Err(vec![placement_fault(&document.placement, why)]),
        };
        match compiled {
            Ok((home, experience)) => {
                rules(&experience).for_each(|rule| add_needs(&mut needs, rule.needs()));
                pages.extend(on_page(document).map(|page| (document.key.clone(), page)));
                home.candidates.push(experience);
            }
            Err(faults) => {
                let key = document.key.clone();
                broken.push(Broken { kind: Kind::Experience, key, faults });
            }
        }
    }
    for entry in entries.values_mut() {
        if let Entry::Sound(placement) = entry {
            placement.candidates.sort_by(|a, b| {
                b.priority.cmp(&a.priority).then_with(|| a.reference.key.cmp(&b.reference.key))
            });
        }
    }
    (Catalog { placements: entries, pages, needs }, broken)
}

pub(super) fn check_placement(document: &PlacementDocument) -> Vec<Fault> {
    compile_placement(document, 0).err().unwrap_or_default()
}

pub(super) fn check_experience(
    document: &ExperienceDocument,
    placement: Option<&PlacementDocument>,
    defined: Defined<'_>,
) -> Vec<Fault> {
    let Some(placement) = placement else {
        return vec![placement_fault(&document.placement, "does not exist")];
    };
    match compile_placement(placement, 0) {
        Ok((_, schema)) => {
            let groups = Groups::default();
            let compiled = compile_experience(document, 0, &schema, &groups, defined);
            compiled.err().unwrap_or_default()
        }
        Err(_) => vec![placement_fault(&document.placement, "has faults of its own")],
    }
}

fn placement_fault(placement: &Key, why: &str) -> Fault {
    Fault::new("/placement", format!("placement `{placement}` {why}"))
}

fn compile_placement(
    document: &PlacementDocument,
    version: u64,
) -> Result<(Placement, Schema), Vec<Fault>> {
    let mut faults = Vec::new();
    let schema = document.content_schema.as_ref().map(|s| Schema::compile(s, "/content_schema"));
    let schema = keep(schema.transpose(), &mut faults).flatten().unwrap_or_else(Schema::open);
    let default = document.default.as_ref();
    let default =
        default.map(|content| Content::compile(content, &schema, "/default", &document.key, false));
    let default = keep(default.transpose(), &mut faults).flatten();
    let leads_to = keep(leads_to(document, &schema), &mut faults).flatten();
    let matches = document.matches.as_ref().map(|condition| rule(condition, "/match", None));
    let matches = keep(matches.transpose(), &mut faults).flatten();
    if let Some(rule) = &matches
        && !reads_context_only(rule.needs())
    {
        faults.push(Fault::new("/match", "a placement's `match` may ask about the context only"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let reference = Reference { key: document.key.clone(), version };
    let state = document.state;
    let candidates = Vec::new();
    let paths = document.matches.as_ref().and_then(changes::paths);
    let placement = Placement { reference, state, default, leads_to, matches, paths, candidates };
    Ok((placement, schema))
}

/// Where a placement whose content is an address leads by default: a visitor must be led somewhere.
fn leads_to(document: &PlacementDocument, schema: &Schema) -> Result<Option<String>, Vec<Fault>> {
    if !schema.redirects() {
        return Ok(None);
    }
    let url = document.default.as_ref().and_then(|content| content.get(redirect::MEMBER));
    match url.and_then(Value::as_str) {
        Some(url) => Ok(Some(url.to_owned())),
        None => {
            let detail = "a placement that redirects needs a default `url`";
            Err(vec![Fault::new("/default", detail)])
        }
    }
}

fn reads_context_only(needs: &Needs) -> bool {
    let Needs {
        events,
        traits,
        contexts: _,
        audiences,
        computed,
        stages,
        accounts,
        members: _,
        purposes,
        longest_window: _,
    } = needs;
    !accounts
        && events.is_empty()
        && traits.is_empty()
        && audiences.is_empty()
        && computed.is_empty()
        && stages.is_empty()
        && purposes.is_empty()
}

/// The experiences of each group.
#[derive(Default)]
struct Groups {
    /// The live ones of exclusion groups.
    exclusion: BTreeMap<Key, Vec<(Key, Period)>>,
    /// The live and paused ones of shared caps.
    caps: BTreeMap<Key, Arc<[Key]>>,
}

fn groups(experiences: &[Versioned<ExperienceDocument>]) -> Groups {
    let mut exclusion: BTreeMap<Key, Vec<(Key, Period)>> = BTreeMap::new();
    let mut caps: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for Versioned { document, .. } in experiences {
        let (key, state) = (&document.key, document.state);
        if let Some(slot) = &document.exclusion_group
            && state == State::Live
        {
            let members = exclusion.entry(slot.group.clone()).or_default();
            members.push((key.clone(), Period::of(&document.schedule)));
        }
        if matches!(state, State::Live | State::Paused) {
            for shared in &document.caps.shared {
                caps.entry(shared.group.clone()).or_default().push(key.clone());
            }
        }
    }
    let caps = caps.into_iter().map(|(group, members)| (group, members.into())).collect();
    Groups { exclusion, caps }
}

/// What an experience does to pages; `None` where it does nothing.
fn on_page(document: &ExperienceDocument) -> Option<OnPage> {
    let (contents, trigger) = (document.contents(), document.trigger);
    let places = contents.clone().flat_map(|content| changes::places(content, &document.placement));
    let places: BTreeSet<_> = places.collect();
    // What waits changes before the visitor's eyes, and is not hidden until then.
    let altered = match trigger {
        None => contents.flat_map(changes::altered).collect(),
        Some(_) => BTreeSet::new(),
    };
    let places = (!places.is_empty()).then(|| places.into_iter().collect());
    let awaited = trigger.map(Trigger::awaited);
    (places.is_some() || awaited.is_some()).then_some(OnPage { places, altered, awaited })
}

/// All rules of an experience.
fn rules(experience: &Experience) -> impl Iterator<Item = &Rule> {
    let editions = experience.variants.iter().flat_map(|variant| &variant.editions);
    let features = experience.epoch.iter().flat_map(|epoch| &epoch.features);
    let own = experience.eligibility.iter().chain(&experience.never_after).chain(features);
    own.chain(editions.filter_map(|edition| edition.when.as_ref()))
}

fn compile_experience(
    document: &ExperienceDocument,
    version: u64,
    schema: &Schema,
    groups: &Groups,
    defined: Defined<'_>,
) -> Result<Experience, Vec<Fault>> {
    let mut faults = Vec::new();
    check_numbers(document, &mut faults);
    check_ramp(&document.ramp, &mut faults);
    check_mode(document, &mut faults);
    let exclusion = keep(exclusion(document, groups, defined.divisions), &mut faults).flatten();
    let purpose = (defined.purposes)(&document.purpose);
    if purpose.is_none() {
        let detail = format!("purpose `{}` does not exist", document.purpose);
        faults.push(Fault::new("/purpose", detail));
    }
    if purpose == Some(Purpose::SERVICE) {
        // It may always be read, but only for suppression and caps: an experience under it would
        // pass by consent.
        faults.push(Fault::new("/purpose", "nothing is shown under the purpose `service`"));
    }
    let named = purpose.map(|purpose| (defined.names, purpose));
    let eligibility = document.eligibility.as_ref();
    let eligibility = eligibility.map(|condition| rule(condition, "/eligibility", named));
    let eligibility = keep(eligibility.transpose(), &mut faults).flatten();
    let schedule = keep(Schedule::compile(&document.schedule), &mut faults);
    let never_after = never_after(document, &mut faults);
    let variants = variants(document, schema, named, &mut faults);
    let epoch = Epoch::compile(document, named, defined.policies, &mut faults);
    let Some(schedule) = schedule else { return Err(faults) };
    let Some(purpose) = purpose.filter(|_| faults.is_empty()) else { return Err(faults) };
    let salt = document.salt.as_deref().unwrap_or(document.key.as_str());
    Ok(Experience {
        reference: Reference { key: document.key.clone(), version },
        paused: document.state == State::Paused,
        purpose,
        purpose_key: document.purpose.clone(),
        priority: document.priority,
        eligibility,
        never_after,
        schedule,
        exclusion,
        page_group: document.page_group.clone(),
        traffic: document.traffic,
        ramp: document.ramp.clone().into(),
        traffic_salt: Salt::new(Draw::Traffic, salt),
        cap: document.caps.per_person,
        shared_caps: shared_caps(document, groups),
        holdouts: shared_holdouts(document, defined.divisions),
        holdout: document.holdout,
        holdout_salt: Salt::new(Draw::Holdout, salt),
        variants,
        variant_salt: Salt::new(Draw::Variant, salt),
        epoch,
        public_fields: document.public_fields.clone().into(),
        record_traits: document.record_traits.clone().into(),
    })
}

/// Checks what needs no compiling.
fn check_numbers(document: &ExperienceDocument, faults: &mut Vec<Fault>) {
    if let Some(salt) = &document.salt
        && !(1..=MAX_SALT_BYTES).contains(&salt.len())
    {
        faults.push(Fault::new("/salt", format!("a salt has 1 to {MAX_SALT_BYTES} bytes")));
    }
    check_caps(document, faults);
    if let Some(control) = &document.control
        && !document.variants.iter().any(|variant| variant.key == *control)
    {
        faults.push(Fault::new("/control", format!("there is no variant `{control}`")));
    }
    let mut seen = BTreeSet::new();
    for (index, variant) in document.variants.iter().enumerate() {
        let pointer = format!("/variants/{index}/key");
        if variant.key.as_str() == HELD_OUT {
            let detail = format!("`{HELD_OUT}` is what held-out units are recorded with");
            faults.push(Fault::new(pointer, detail));
        } else if !seen.insert(&variant.key) {
            let detail = format!("there is another variant `{}`", variant.key);
            faults.push(Fault::new(pointer, detail));
        }
    }
}

fn check_caps(document: &ExperienceDocument, faults: &mut Vec<Fault>) {
    let mut check = |pointer: &str, cap: Cap| {
        if cap.count == 0 {
            let detail = "a cap of 0 shows nothing: pause the experience instead";
            faults.push(Fault::new(format!("{pointer}/count"), detail));
        }
        if cap.within.0 <= 0 {
            faults.push(Fault::new(format!("{pointer}/within"), "must be longer than nothing"));
        }
    };
    if let Some(cap) = document.caps.per_person {
        check("/caps/per_person", cap);
    }
    let shared = &document.caps.shared;
    for (place, shared) in shared.iter().enumerate() {
        check(&format!("/caps/shared/{place}"), Cap { count: shared.count, within: shared.within });
    }
    if shared.len() > MAX_SHARED_CAPS {
        let detail = format!("an experience has at most {MAX_SHARED_CAPS} shared caps");
        faults.push(Fault::new("/caps/shared", detail));
    }
}

fn shared_caps(document: &ExperienceDocument, groups: &Groups) -> Box<[SharedCap]> {
    let shared = document.caps.shared.iter().map(|shared| SharedCap {
        group: shared.group.clone(),
        cap: Cap { count: shared.count, within: shared.within },
        members: groups.caps.get(&shared.group).cloned().unwrap_or_default(),
    });
    shared.collect()
}

/// Compiles what an experience must not follow: conditions over events only, since the purpose
/// `service`, under which they are asked, may always read them.
fn never_after(document: &ExperienceDocument, faults: &mut Vec<Fault>) -> Box<[Rule]> {
    let count = document.never_after.len();
    if count > MAX_NEVER_AFTER {
        let detail = format!("at most {MAX_NEVER_AFTER} conditions, not {count}");
        faults.push(Fault::new("/never_after", detail));
        return Box::default();
    }
    let mut rules = Vec::with_capacity(count);
    for (place, condition) in document.never_after.iter().enumerate() {
        let pointer = format!("/never_after/{place}");
        let Some(rule) = keep(rule(condition, &pointer, None), faults) else { continue };
        if !reads_events_only(rule.needs()) {
            faults.push(Fault::new(pointer, "this may ask about events only"));
        }
        rules.push(rule);
    }
    rules.into()
}

/// Most conditions of what an experience must not follow.
const MAX_NEVER_AFTER: usize = 20;

fn reads_events_only(needs: &Needs) -> bool {
    let Needs {
        events: _,
        traits,
        contexts,
        audiences,
        computed,
        stages,
        accounts,
        members: _,
        purposes,
        longest_window: _,
    } = needs;
    !accounts
        && traits.is_empty()
        && contexts.is_empty()
        && audiences.is_empty()
        && computed.is_empty()
        && stages.is_empty()
        && purposes.is_empty()
}

/// The share of each variant by weight, in the order of the document; `None` where none can be drawn.
pub fn shares(document: &ExperienceDocument) -> Option<Vec<Share>> {
    let weights = || document.variants.iter().map(|variant| u64::from(variant.weight));
    let total = NonZeroU64::new(weights().sum())?;
    let (mut sum, mut shares) = (0, Vec::with_capacity(document.variants.len()));
    for weight in weights() {
        let start = boundary(sum, total);
        sum += weight;
        shares.push(Share::from_buckets(boundary(sum, total) - start)?);
    }
    Some(shares)
}

fn variants(
    document: &ExperienceDocument,
    schema: &Schema,
    named: Option<(&Names, Purpose)>,
    faults: &mut Vec<Fault>,
) -> Vec<Variant> {
    let count = document.variants.len();
    if !(1..=MAX_VARIANTS).contains(&count) {
        let detail = format!("an experience has 1 to {MAX_VARIANTS} variants, not {count}");
        faults.push(Fault::new("/variants", detail));
        return Vec::new();
    }
    let total = document.variants.iter().map(|variant| u64::from(variant.weight)).sum();
    let Some(total) = NonZeroU64::new(total) else {
        faults.push(Fault::new("/variants", "at least one variant needs a weight above 0"));
        return Vec::new();
    };
    let (mut sum, mut compiled) = (0_u64, Vec::with_capacity(count));
    for (index, variant) in document.variants.iter().enumerate() {
        let document::Variant { key, name: _, weight, content, editions: _ } = variant;
        let start = boundary(sum, total);
        sum += u64::from(*weight);
        let end = boundary(sum, total);
        if start == end && 0 < *weight {
            let detail = format!("{weight} of {total} is less than a ten-thousandth");
            faults.push(Fault::new(format!("/variants/{index}/weight"), detail));
        }
        let pointer = format!("/variants/{index}/content");
        let content = content
            .as_ref()
            .map(|c| Content::compile(c, schema, &pointer, &document.placement, true));
        let content = keep(content.transpose(), faults).flatten();
        let pointer = format!("/variants/{index}");
        let editions = edition::compile(variant, schema, &pointer, &document.placement, named);
        let editions = keep(editions, faults).unwrap_or_default();
        compiled.push(Variant { key: key.clone(), content, editions, start, end });
    }
    compiled
}

/// Where the variant that starts after `sum` of `total` starts: whole buckets, rounded down, so
/// that any language agrees.
fn boundary(sum: u64, total: NonZeroU64) -> u32 {
    // At most 200 weights below 2^32 times 10 000: far below 2^64.
    let buckets = sum * u64::from(BUCKET_COUNT) / total;
    u32::try_from(buckets).unwrap_or(BUCKET_COUNT)
}

fn exclusion(
    document: &ExperienceDocument,
    groups: &Groups,
    divisions: &Divisions,
) -> Result<Option<Exclusion>, Vec<Fault>> {
    let Some(ExclusionSlot { group, slot }) = &document.exclusion_group else { return Ok(None) };
    let Some(found) = divisions.exclusion_groups.iter().find(|known| known.key == *group) else {
        let detail = format!("exclusion group `{group}` does not exist");
        return Err(vec![Fault::new("/exclusion_group/group", detail)]);
    };
    let Some(Slot { from, to, .. }) = found.slot(slot) else {
        let detail = format!("exclusion group `{group}` has no slot `{slot}`");
        return Err(vec![Fault::new("/exclusion_group/slot", detail)]);
    };
    let members = groups.exclusion.get(group).into_iter().flatten();
    Ok(Some(Exclusion {
        group: group.clone(),
        slot: slot.clone(),
        from: *from,
        to: *to,
        salt: Salt::new(Draw::Group, group.as_str()),
        rivals: members.filter(|(key, _)| *key != document.key).cloned().collect(),
    }))
}

/// The shared holdouts that cover an experience: those of all experiences first, since they are asked first.
fn shared_holdouts(document: &ExperienceDocument, divisions: &Divisions) -> Box<[SharedHoldout]> {
    let covering = divisions.holdouts.iter().filter(|holdout| holdout.covers(&document.tags));
    let mut covering: Vec<_> = covering.collect();
    covering.sort_by_key(|holdout| (!holdout.experience_tags.is_empty(), &holdout.key));
    let compiled = covering.into_iter().map(|holdout| SharedHoldout {
        key: holdout.key.clone(),
        name: holdout_name(&holdout.key),
        share: holdout.share,
        salt: Salt::new(Draw::Shared, holdout.salt.as_deref().unwrap_or(holdout.key.as_str())),
    });
    compiled.collect()
}

fn check_ramp(ramp: &[RampStep], faults: &mut Vec<Fault>) {
    if ramp.len() > MAX_RAMP_STEPS {
        let detail = format!("a ramp has at most {MAX_RAMP_STEPS} steps");
        faults.push(Fault::new("/ramp", detail));
    }
    for (place, pair) in ramp.windows(2).enumerate() {
        if let [before, after] = pair
            && after.at <= before.at
        {
            let detail = "a step comes after the one before it";
            faults.push(Fault::new(format!("/ramp/{}/at", place + 1), detail));
        }
    }
}

/// What is compared with itself must be the same.
fn check_mode(document: &ExperienceDocument, faults: &mut Vec<Fault>) {
    if document.mode != Mode::Aa {
        return;
    }
    let Some((first, others)) = document.variants.split_first() else { return };
    if others.is_empty() {
        faults.push(Fault::new("/variants", "an A/A test has two variants or more"));
    }
    for (place, other) in (1..).zip(others) {
        if (&other.content, &other.editions) != (&first.content, &first.editions) {
            let detail = "the variants of an A/A test have the same content";
            faults.push(Fault::new(format!("/variants/{place}/content"), detail));
        }
    }
}

/// Parses and compiles a condition that stands at `pointer`, with what it may name for a purpose.
pub(super) fn rule(
    condition: &Value,
    pointer: &str,
    named: Option<(&Names, Purpose)>,
) -> Result<Rule, Vec<Fault>> {
    let compiled = Condition::parse(condition).and_then(|condition| match named {
        Some((names, purpose)) => Rule::link(condition, names, purpose),
        None => Ok(Rule::compile(condition)),
    });
    compiled.map_err(|faults| {
        let within = |fault: Fault| Fault::new(format!("{pointer}{}", fault.pointer), fault.detail);
        faults.into_iter().map(within).collect()
    })
}

/// The value, or none with its faults added to the others, so that all faults are told at once.
pub(super) fn keep<T>(result: Result<T, Vec<Fault>>, faults: &mut Vec<Fault>) -> Option<T> {
    result.map_err(|more| faults.extend(more)).ok()
}

/// What no rule at all reads.
pub(super) fn nothing() -> Needs {
    Needs { longest_window: Some(Duration::default()), ..Needs::default() }
}

/// Adds what `more` reads to `needs`.
fn add_needs(needs: &mut Needs, more: &Needs) {
    let Needs {
        events,
        traits,
        contexts,
        audiences,
        computed,
        stages,
        accounts,
        members,
        purposes,
        longest_window,
    } = more;
    needs.accounts |= accounts;
    for (audience, quotas) in members {
        needs.members.entry(audience.clone()).or_default().extend(quotas);
    }
    // None is a lifetime, which no window outlasts.
    needs.longest_window = needs.longest_window.zip(*longest_window).map(|(a, b)| a.max(b));
    for (name, properties) in events {
        needs.events.entry(name.clone()).or_default().extend(properties.iter().cloned());
    }
    needs.traits.extend(traits.iter().cloned());
    needs.contexts.extend(contexts.iter().cloned());
    needs.audiences.extend(audiences.iter().cloned());
    needs.computed.extend(computed.clone());
    needs.stages.extend(stages.iter().cloned());
    needs.purposes.extend(purposes.iter().cloned());
}
