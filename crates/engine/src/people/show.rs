//! A person as the management API shows one: everything that is stored, for those who may see it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use model::{
    Basis, Event, Identifier, Key, ProfileId, PurposeSet, Seq, StrandId, Timestamp, Value,
    condition::{
        self, Fact, Sight, Standing,
        computed::{Reading, Score},
    },
};
use profile::{Account, Assignment, Profile, Records, TraitRules};
use serde_json::{Map, json};
use store::{Reader, Table};

use crate::{
    accounts::book::Book,
    body,
    definitions::Page,
    join,
    keys::{self, EventKey, Kind},
    load::{self, Loader, Person},
    page::{Page as StrandPage, Pages, Stored},
    record::{EventHead, StoredDecision, Unreadable},
    recording::document::{Document, Documents, Place},
    registry::rows,
    sealed::{Keys, RowError},
    snapshot::Snapshot,
    state::Shared,
    visits, who,
};

/// A person with the accounts that they belong to.
type Among<'a> = (&'a Person, &'a [Arc<Account>]);

/// Most visits of a profile document.
const MAX_VISITS_SHOWN: usize = 10;
/// Most items of a page.
const MAX_PAGE: usize = 1_000;

/// The person that an id names, through any alias; `None` when there is none.
pub(crate) fn head(shared: &Shared, id: ProfileId) -> Result<Option<StrandId>, RowError> {
    Ok(who::page(shared, id.0)?.map(|page| page.meta().head))
}

/// Which strands a person consists of; the rest of the profile is left empty.
pub(crate) fn component(shared: &Shared, id: ProfileId) -> Result<Option<Profile>, RowError> {
    let Some(head) = head(shared, id)? else { return Ok(None) };
    let strands = load::component_strands(&shared.stored(), head)?;
    let component = profile::Component { head, strands, identifiers: Vec::new() };
    Ok(Some(Profile::new(component, model::UnitId(0))))
}

/// The profile document.
pub(crate) fn profile(
    shared: &Shared,
    snapshot: &Snapshot,
    id: ProfileId,
    sight: Sight,
) -> Result<Option<Value>, RowError> {
    let Some(head) = head(shared, id)? else { return Ok(None) };
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let person = Loader { pages: &pages, snapshot }.person(head)?;
    let mut recent = page(shared, snapshot, &person.profile, None, 50)?;
    if sight != Sight::Full {
        recent.items.iter_mut().for_each(|event| mask(&snapshot.traits, event));
    }
    let records = person.profile.records();
    let accounts = Book::of(&pages).around(&person.profile)?;
    let refused = refused_links(&pages, &person)?;
    Ok(Some(json!({
        "id": person.profile.id(),
        "aliases": aliases(&person.profile),
        "unit": person.profile.unit().to_string(),
        "identifiers": identifiers(&person),
        "refused_identifiers": refused,
        "traits": traits(&person, snapshot, sight),
        "computed": computed(shared, snapshot, &person, sight),
        "consents": consents(&person, snapshot),
        "accounts": belongings(snapshot, &person),
        "audiences": audiences(shared, snapshot, (&person, &accounts)),
        "stages": stages(shared, snapshot, (&person, &accounts)),
        "assignments": assignments(&person),
        "assigned_apart": assigned_apart(&pages, &person)?,
        "first_seen": records.seen.map(|seen| seen.first),
        "last_seen": records.seen.map(|seen| seen.last),
        "suppressed": records.suppressed,
        "visits": visits(&pages, &person)?,
        "restricted": records.restricted,
        "timeline": recent.items,
    })))
}

pub(crate) fn aliases(profile: &Profile) -> Vec<ProfileId> {
    let strands = profile.records().component.unpack().strands;
    strands.into_iter().map(ProfileId).filter(|id| *id != profile.id()).collect()
}

pub(crate) fn identifiers(person: &Person) -> Vec<Value> {
    let known = person.profile.records().component.unpack().identifiers;
    let shown = known.iter().map(|known| {
        json!({
            "type": known.identifier.kind,
            "value": known.identifier.value,
            "first_seen": known.first,
            "last_seen": known.last,
        })
    });
    shown.collect()
}

/// Identifiers that were seen with this person and did not join, with the reason.
fn refused_links(pages: &dyn Pages, person: &Person) -> Result<Vec<Value>, RowError> {
    let mut refused = Vec::new();
    for strand in person.profile.records().component.unpack().strands {
        for observation in join::links_of(&*pages.existing(strand)?)? {
            if let Some(reason) = observation.refused {
                refused.push(json!({
                    "type": observation.link.identifier.kind,
                    "value": observation.link.identifier.value,
                    "reason": reason,
                    "at": observation.link.order.time,
                }));
            }
        }
    }
    Ok(refused)
}

fn traits(person: &Person, snapshot: &Snapshot, sight: Sight) -> Map<String, Value> {
    let Records { traits, stated, .. } = person.profile.records();
    let claimed = traits.iter().filter(|(name, _)| stated.get(name).is_none());
    let known = claimed.chain(stated.iter()).filter(|(_, t)| !t.value.is_null());
    let shown = known.map(|(name, t)| {
        let is_masked = sight != Sight::Full && snapshot.traits.is_sensitive(name);
        let mut value = json!({
            "value": if is_masked { &Value::Null } else { &t.value },
            "stated": stated.get(name).is_some(),
            "source": t.origin.source,
            "at": t.origin.order.time,
            "purposes": purpose_keys(snapshot, t.origin.purposes),
        });
        if let Some(party) = snapshot.parties.get(&t.origin.source) {
            value["party"] = json!(party);
        }
        if is_masked {
            value["masked"] = true.into();
        }
        (name.to_string(), value)
    });
    shown.collect()
}

/// The computed traits as they are now, each for its own purpose.
fn computed(
    shared: &Shared,
    snapshot: &Snapshot,
    person: &Person,
    sight: Sight,
) -> Map<String, Value> {
    let now = shared.clock.now();
    let views = crate::facts::Views::of(&person.profile, &snapshot.policy);
    let read = snapshot.names.computed.iter().filter_map(|(key, named)| {
        let seen = views.seen(named.purpose)?;
        let Reading { value, valid_until } = named.rule.read(seen, now);
        let mut shown = json!({"purpose": named.purpose_key, "valid_until": valid_until});
        if named.is_sensitive && sight != Sight::Full {
            shown["value"] = Value::Null;
            shown["masked"] = true.into();
            return Some((key.to_string(), shown));
        }
        match value {
            Fact::Known(value) => shown["value"] = value,
            Fact::Missing => shown["value"] = Value::Null,
            Fact::Withheld => shown["withheld"] = true.into(),
        }
        if let Some(scores) = named.rule.scores(seen, now) {
            let scores = scores.into_iter().map(|Score { item, score }| (item, score.into()));
            shown["scores"] = Value::Object(scores.collect());
        }
        Some((key.to_string(), shown))
    });
    read.collect()
}

pub(crate) fn purpose_keys(snapshot: &Snapshot, purposes: PurposeSet) -> Vec<String> {
    let rules = snapshot.policy.rules().iter();
    rules.filter(|rule| purposes.contains(rule.purpose)).map(|rule| rule.key.to_string()).collect()
}

fn consents(person: &Person, snapshot: &Snapshot) -> Map<String, Value> {
    let ledger = &person.profile.records().consents;
    let country = person.profile.records().country.map(|seen| seen.country);
    let shown = snapshot.policy.rules().iter().map(|rule| {
        let basis = ledger.basis(rule.purpose);
        let granted = snapshot.policy.effective(basis, rule.purpose, country);
        let statements = ledger.statements().filter_map(|said| {
            let answer = said.consents.basis(rule.purpose);
            (answer != Basis::Unknown).then(|| {
                json!({
                    "said": answer,
                    "at": said.order.time,
                    "source": said.source,
                    "identified": said.identified,
                })
            })
        });
        let statements: Vec<_> = statements.collect();
        let shown = json!({"said": basis, "granted": granted, "statements": statements});
        (rule.key.to_string(), shown)
    });
    shown.collect()
}

/// The accounts that a person belongs to, the one that was told of last first.
fn belongings(snapshot: &Snapshot, person: &Person) -> Vec<Value> {
    let all = person.profile.records().accounts.newest_first().into_iter();
    let shown = all.filter(|said| said.is_member).map(|said| {
        json!({
            "id": said.account,
            "role": said.role.as_ref().map(|role| &role.name),
            "source": said.origin.source,
            "at": said.origin.order.time,
            "purposes": purpose_keys(snapshot, said.origin.purposes),
        })
    });
    shown.collect()
}

fn audiences(
    shared: &Shared,
    snapshot: &Snapshot,
    (person, accounts): Among<'_>,
) -> Map<String, Value> {
    let now = shared.clock.now();
    let views =
        crate::facts::Views::of(&person.profile, &snapshot.policy).among(accounts, snapshot);
    let asked = crate::facts::Asked::new(&views, snapshot, &person.memberships, now);
    let shown = snapshot.audiences.audiences().iter().filter(|audience| !audience.is_stage());
    let answers = shown.filter_map(|audience| {
        let membership = asked.facts(audience.purpose()).membership(audience.key())?;
        let is_told = membership.truth.is_true() || membership.since.is_some();
        let shown = json!({
            "member": membership.truth,
            "since": membership.since,
            "valid_until": membership.valid_until,
            "version": audience.version(),
        });
        is_told.then(|| (audience.key().to_string(), shown))
    });
    answers.collect()
}

/// The newest visits, newest first.
fn visits(pages: &dyn Pages, person: &Person) -> Result<Vec<Value>, RowError> {
    let mut visits = profile::Visits::default();
    for strand in person.profile.records().component.unpack().strands {
        visits::read(&*pages.existing(strand)?, &mut visits)?;
    }
    Ok(visits.iter().rev().take(MAX_VISITS_SHOWN).map(visits::document).collect())
}

/// The stage in which the person is of each definition, and since when they have reached each of the others.
fn stages(
    shared: &Shared,
    snapshot: &Snapshot,
    (person, accounts): Among<'_>,
) -> Map<String, Value> {
    let now = shared.clock.now();
    let views =
        crate::facts::Views::of(&person.profile, &snapshot.policy).among(accounts, snapshot);
    let asked = crate::facts::Asked::new(&views, snapshot, &person.memberships, now);
    let shown = snapshot.names.stages.iter().map(|(key, stages)| {
        let facts = asked.facts(stages.purpose);
        let Standing { stage, since, valid_until } =
            condition::standing(&stages.reached, facts, now);
        let reached =
            stages.keys.iter().skip(1).zip(&stages.reached).filter_map(|(stage, name)| {
                let membership = facts.membership(name).filter(|m| m.truth.is_true())?;
                Some((stage.to_string(), json!(membership.since)))
            });
        let mut told = json!({
            "stage": stage.and_then(|place| stages.keys.get(place)),
            "since": since,
            "valid_until": valid_until,
            "version": stages.version,
            "reached": reached.collect::<Map<_, _>>(),
        });
        if stage.is_none() {
            told["withheld"] = true.into();
        }
        (key.to_string(), told)
    });
    shown.collect()
}

fn assignments(person: &Person) -> Map<String, Value> {
    let kept = person.profile.records().assignments.iter();
    kept.map(|(key, kept)| (key.to_string(), json!(kept.variant))).collect()
}

/// The experiences of which parts of the person were given different variants before they turned out to be one; the
/// variant that they keep stands first. Whoever met two variants says little about either.
fn assigned_apart(pages: &dyn Pages, person: &Person) -> Result<Map<String, Value>, RowError> {
    let mut given: BTreeMap<Key, BTreeSet<Assignment>> = BTreeMap::new();
    for strand in person.profile.records().component.unpack().strands {
        for (name, row) in pages.existing(strand)?.of_kind(Kind::Assignment) {
            let (experience, assignment) = load::assignment(strand, name, row)?;
            given.entry(experience).or_default().insert(assignment);
        }
    }
    let apart = given.into_iter().filter_map(|(experience, given)| {
        let mut variants: Vec<Key> = Vec::new();
        for Assignment { variant, .. } in given {
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
        (variants.len() > 1).then(|| (experience.to_string(), json!(variants)))
    });
    Ok(apart.collect())
}

/// Takes the values of sensitive traits out of an event or a decision as it is shown, and names them under `masked`.
pub(crate) fn mask(rules: &TraitRules, event: &mut Value) {
    let Some(traits) = event.get_mut("traits").and_then(Value::as_object_mut) else { return };
    let (shown, hidden) = profile::traits::masked(rules, std::mem::take(traits));
    *traits = shown;
    if !hidden.is_empty() {
        event["masked"] = hidden.into();
    }
}

/// A page of a person's events, newest first. A cursor is the position of the last event of the page before.
pub(crate) fn page(
    shared: &Shared,
    snapshot: &Snapshot,
    profile: &Profile,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Value>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let before = cursor.and_then(parse_position);
    let mut places: Vec<Found> = Vec::new();
    for strand in profile.records().component.unpack().strands {
        places_of(shared, strand, before, &mut places)?;
    }
    places.sort_unstable_by(|a, b| b.cmp(a));
    let has_more = places.len() > limit;
    places.truncate(limit);
    let next_cursor = places.last().filter(|_| has_more);
    let next_cursor = next_cursor.map(|place| format!("{}.{}", place.time.0, place.seq.0));
    let items = places.iter().map(|place| event(shared, snapshot, place));
    Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor })
}

fn parse_position(cursor: &str) -> Option<(Timestamp, u64)> {
    let (time, seq) = cursor.split_once('.')?;
    Some((Timestamp(time.parse().ok()?), seq.parse().ok()?))
}

/// The places of all events of the person with this head, newest first.
pub(crate) fn places(shared: &Shared, head: StrandId) -> Result<Vec<Found>, RowError> {
    let mut places = Vec::new();
    for strand in load::component_strands(&shared.stored(), head)? {
        places_of(shared, strand, None, &mut places)?;
    }
    places.sort_unstable_by(|a, b| b.cmp(a));
    Ok(places)
}

/// An event in a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) time: Timestamp,
    pub(crate) seq: Seq,
    pub(crate) strand: StrandId,
    /// The verdict of the collect gate, by its bits.
    pub(crate) purposes: u32,
}

fn places_of(
    shared: &Shared,
    strand: StrandId,
    before: Option<(Timestamp, u64)>,
    places: &mut Vec<Found>,
) -> Result<(), RowError> {
    // Page and chunks must be of one instant: events move from one to the other.
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let page = pages.existing(strand)?;
    let mut take = |name: &[u8], row: &[u8]| {
        let EventKey { time, seq, .. } = keys::parse_event(name).ok_or(Unreadable("event"))?;
        if before.is_none_or(|before| (time, seq.0) < before) {
            let purposes = EventHead::parse(row)?.purposes.0;
            places.push(Found { time, seq, strand, purposes });
        }
        Ok(())
    };
    page.of_kind(Kind::Event).try_for_each(|(name, row)| take(name, row))?;
    page.chunks(&*frozen, &mut |name, row| take(name, row))
}

/// One event as it is shown, with what it was kept for and where its source's data is from.
pub(crate) fn event(
    shared: &Shared,
    snapshot: &Snapshot,
    place: &Found,
) -> Result<Value, RowError> {
    let Found { time, seq, strand, purposes } = *place;
    let event = stored_event(shared, strand, seq, time)?;
    let party = snapshot.parties.get(&event.source);
    let mut shown = document(event);
    shown["purposes"] = json!(purpose_keys(snapshot, PurposeSet(purposes)));
    if let Some(party) = party {
        shown["party"] = json!(party);
    }
    Ok(shown)
}

/// An event as it is shown.
pub(crate) fn document(event: Event) -> Value {
    let mut shown = json!({
        "message_id": event.message_id,
        "type": event.kind.to_string(),
        "name": event.name,
        "at": event.event_time,
        "received_at": event.received_at,
        "source": event.source,
        "identifiers": event.identifiers,
        "properties": event.properties,
        "context": event.context,
    });
    if let Some(shown) = shown.as_object_mut() {
        if !event.traits.is_empty() {
            shown.insert("traits".into(), Value::Object(event.traits));
        }
        if event.historical {
            shown.insert("historical".into(), true.into());
        }
        let marks: Vec<Value> = event.marks.words().map(Value::from).collect();
        if !marks.is_empty() {
            shown.insert("marks".into(), marks.into());
        }
    }
    shown
}

/// Reads the event of a strand at `seq`, which happened `at`.
pub(crate) fn stored_event(
    shared: &Shared,
    strand: StrandId,
    seq: Seq,
    at: Timestamp,
) -> Result<Event, RowError> {
    body::read(&*shared.store, &shared.keys, who::existing(shared, strand)?.key(), seq, at)
}

/// A page of a person's recorded decisions, newest first, as those may see them who have `sight`.
pub(crate) fn decisions(
    shared: &Shared,
    profile: &Profile,
    sight: Sight,
    (cursor, limit): (Option<&str>, usize),
) -> Result<Page<Value>, RowError> {
    let rules = &shared.registry.snapshot().traits;
    let limit = limit.clamp(1, MAX_PAGE);
    let mut documents = Documents::over(&*shared.store);
    let mut shown: Vec<(String, Value)> = Vec::new();
    for strand in profile.records().component.unpack().strands {
        let strand_page = who::existing(shared, strand)?;
        let mut sealed: Vec<(Timestamp, load::Row)> = Vec::new();
        sealed_decisions(&*shared.store, strand, &mut |at, key, row| {
            sealed.push((at, (key.to_vec(), row.to_vec())));
        })?;
        for (at, (row_key, row)) in sealed {
            let mut document =
                decision(&mut documents, &shared.keys, &strand_page, &row_key, &row)?;
            if sight != Sight::Full {
                let decided = document["decisions"].as_array_mut();
                decided.into_iter().flatten().for_each(|decided| mask(rules, decided));
            }
            let id = document["id"].as_str().unwrap_or_default();
            shown.push((format!("{at}.{id}"), document));
        }
    }
    shown.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    shown.retain(|(place, _)| cursor.is_none_or(|cursor| place.as_str() < cursor));
    let has_more = shown.len() > limit;
    shown.truncate(limit);
    let next_cursor = shown.last().filter(|_| has_more).map(|(place, _)| place.clone());
    Ok(Page { items: shown.into_iter().map(|(_, value)| value).collect(), next_cursor })
}

/// What takes a recorded decision: when, the row's key, and the sealed row.
type VisitSealed<'a> = dyn FnMut(Timestamp, &[u8], &[u8]) + 'a;

/// Visits the recorded decisions of a strand.
pub(crate) fn sealed_decisions(
    reader: &dyn Reader,
    strand: StrandId,
    visit: &mut VisitSealed<'_>,
) -> Result<(), RowError> {
    let mut is_sound = true;
    rows::visit(reader, Table::Decision, &keys::strand(strand), &mut |key, row| {
        match keys::parse_decision(key) {
            Some((at, _)) => visit(at, key, row),
            None => is_sound = false,
        }
        ControlFlow::Continue(())
    })?;
    if is_sound { Ok(()) } else { Err(Unreadable("decision").into()) }
}

/// A recorded decision of the strand of `page` as it is shown.
pub(crate) fn decision(
    documents: &mut Documents<'_>,
    sealing: &Keys,
    page: &StrandPage,
    row_key: &[u8],
    row: &[u8],
) -> Result<Value, RowError> {
    let record: StoredDecision<'_> = sealing.open(page.key(), row_key, 0, row, "decision")?;
    let (at, id) = keys::parse_decision(row_key).ok_or(Unreadable("decision"))?;
    documents.of(Place { id, at, unit: page.meta().unit }, record)
}

/// The parts of a recorded decision of the strand of `page`.
pub(crate) fn decision_parts(
    documents: &mut Documents<'_>,
    sealing: &Keys,
    page: &StrandPage,
    row_key: &[u8],
    row: &[u8],
) -> Result<Document, RowError> {
    let record: StoredDecision<'_> = sealing.open(page.key(), row_key, 0, row, "decision")?;
    let (at, id) = keys::parse_decision(row_key).ok_or(Unreadable("decision"))?;
    documents.read(Place { id, at, unit: page.meta().unit }, record)
}

/// The head of the one component that holds an identifier.
pub(crate) fn find(
    shared: &Shared,
    identifier: &Identifier,
) -> Result<Option<ProfileId>, RowError> {
    Ok(who::holder(shared, identifier)?.map(ProfileId))
}

/// What an import has applied so far.
pub(crate) fn import_watermark(reader: &dyn Reader, file: &str) -> Result<u64, RowError> {
    let row = reader.get(Table::Import, &crate::writer::import_key(file))?;
    Ok(row.map_or(0, |row| row[..].try_into().map_or(0, u64::from_be_bytes)))
}
