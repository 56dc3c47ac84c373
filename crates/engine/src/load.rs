//! From rows to a decoded person.

use std::{collections::BTreeMap, sync::Arc};

use audience::{Entry, Memberships};
use compact_str::CompactString;
use model::{
    Country, Key, StrandId, Timestamp, UnitId,
    condition::{EventRow, Membership, RowValues},
    weight,
};
use profile::{
    Assignment, Component, ConsentLedger, KnownIdentifier, Origin, Profile, Seen, SeenIn,
    Statement, TraitRules, TraitValue, Traits, Visits,
};
use store::StrandKey;

use crate::{
    accounts::{self, CountedIn},
    body,
    keys::{self, EventKey, Kind},
    page::{Page, Pages},
    record::{
        self, EventHead, StoredAssignment, StoredConsent, StoredCountry, StoredLink,
        StoredMembership, StoredStanding, StoredState, StoredTrait, StoredValues, Unreadable,
        Values,
    },
    route,
    sealed::RowError,
    snapshot::Snapshot,
    visits,
};

/// Events that are decoded at once, before a timeline forgets what it does not keep.
const EVENTS_AT_ONCE: usize = 4_096;

/// A person as the engine holds it in memory.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) profile: Profile,
    pub(crate) memberships: Memberships,
    /// The one timer that is persisted for this person.
    pub(crate) due: Option<Timestamp>,
    /// Recorded wins of experiences that have caps, oldest first.
    pub(crate) wins: BTreeMap<Key, Vec<Timestamp>>,
    /// What they visited, where a live definition reads visits; their timeline shows the same.
    pub(crate) visits: Visits,
    /// What they were counted as among the members of their accounts.
    pub(crate) counted: Vec<CountedIn>,
    /// The projection its timeline was decoded with.
    pub(crate) epoch: u64,
}

impl Person {
    /// Bytes in memory, the counts of an `Arc` around it included.
    pub(crate) fn weight(&self) -> usize {
        let wins = |(key, times): (&Key, &Vec<Timestamp>)| {
            weight::key(key) + weight::block(times.capacity() * size_of::<Timestamp>())
        };
        weight::shared(size_of::<Self>())
            + self.profile.weight()
            + self.memberships.weight()
            + self.visits.weight()
            + self.counted.iter().map(CountedIn::weight).sum::<usize>()
            + weight::block(self.counted.capacity() * size_of::<CountedIn>())
            + weight::map::<Key, Vec<Timestamp>>(self.wins.len())
            + self.wins.iter().map(wins).sum::<usize>()
    }
}

/// The strands of the component whose head is `head`, oldest first.
pub(crate) fn component_strands(
    pages: &dyn Pages,
    head: StrandId,
) -> Result<Vec<StrandId>, RowError> {
    Ok(strands_of(&*pages.existing(head)?))
}

/// The strands of the component whose head has this page, oldest first.
fn strands_of(head: &Page) -> Vec<StrandId> {
    let mut strands: Vec<StrandId> =
        head.of_kind(Kind::Component).filter_map(|(name, _)| keys::parse_strand(name)).collect();
    if strands.is_empty() {
        strands.push(head.strand());
    }
    strands.sort_unstable();
    strands
}

/// What a set of strands has said about consent.
pub(crate) fn ledger_of(
    pages: &dyn Pages,
    strands: &[StrandId],
) -> Result<ConsentLedger, RowError> {
    let mut ledger = ConsentLedger::default();
    for &strand in strands {
        record_statements(&mut ledger, &*pages.existing(strand)?)?;
    }
    Ok(ledger)
}

/// Adds what one strand has said about consent.
pub(crate) fn record_statements(ledger: &mut ConsentLedger, page: &Page) -> Result<(), RowError> {
    for (name, row) in page.of_kind(Kind::Consent) {
        ledger.record(statement(page, name, row)?);
    }
    Ok(())
}

/// Where a strand was seen last, by its page.
pub(crate) fn country(page: &Page) -> Result<Option<SeenIn>, Unreadable> {
    let Some(row) = page.get(Kind::Country, &[]) else { return Ok(None) };
    let StoredCountry::V1 { letters, order } = record::decode(row, "country")?;
    let country = Country::from_letters(letters).ok_or(Unreadable("country"))?;
    Ok(Some(SeenIn { order, country }))
}

/// A key and the value under it.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

pub(crate) fn statement(page: &Page, name: &[u8], row: &[u8]) -> Result<Statement, RowError> {
    let order = keys::parse_order(name).ok_or(Unreadable("consent"))?;
    let StoredConsent::V1 { consents, identified, source } = record::decode(row, "consent")?;
    let (strand, device) = (page.strand(), page.meta().unit);
    Ok(Statement { order, strand, device, identified, consents, source })
}

/// What has been read of a person so far.
struct Gathered {
    head: StrandId,
    profile: Profile,
    identifiers: BTreeMap<model::Identifier, KnownIdentifier>,
    entries: Vec<Entry>,
    shadows: Vec<Entry>,
    fingerprint: u64,
    due: Option<Timestamp>,
    wins: BTreeMap<Key, Vec<Timestamp>>,
    visits: Visits,
    counted: Vec<CountedIn>,
}

impl Gathered {
    fn of(head: StrandId, traits: &Arc<TraitRules>) -> Self {
        let mut profile = Profile::new(Component::of(head), UnitId(0));
        profile.records_mut().traits = Traits::folded_by(traits);
        Self {
            head,
            profile,
            identifiers: BTreeMap::new(),
            entries: Vec::new(),
            shadows: Vec::new(),
            fingerprint: 0,
            due: None,
            wins: BTreeMap::new(),
            visits: Visits::default(),
            counted: Vec::new(),
        }
    }

    fn into_person(self, snapshot: &Snapshot, strands: Vec<StrandId>, unit: UnitId) -> Person {
        let Self { head, mut profile, identifiers, visits, .. } = self;
        visits::show(&visits, &snapshot.projection, &mut profile);
        let identifiers = identifiers.into_values().collect();
        profile.recompose(Component { head, strands, identifiers }, unit);
        let memberships = Memberships::restore(&snapshot.audiences, self.fingerprint, self.entries)
            .with_shadows(&snapshot.audiences, self.shadows);
        let (due, wins, counted) = (self.due, self.wins, self.counted);
        let epoch = snapshot.epoch();
        Person { profile, memberships, due, wins, visits, counted, epoch }
    }
}

/// Reads people from pages.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub(crate) pages: &'a dyn Pages,
    pub(crate) snapshot: &'a Snapshot,
}

impl Loader<'_> {
    /// The person whose head strand is `head`.
    pub(crate) fn person(&self, head: StrandId) -> Result<Person, RowError> {
        let head = self.pages.existing(head)?;
        let mut gathered = Gathered::of(head.strand(), &self.snapshot.traits);
        let strands = strands_of(&head);
        self.take_page(&head, &mut gathered)?;
        for &strand in strands.iter().filter(|strand| **strand != head.strand()) {
            self.take_page(&*self.pages.existing(strand)?, &mut gathered)?;
        }
        Ok(gathered.into_person(self.snapshot, strands, head.meta().unit))
    }

    /// Takes in a strand: its rows, and its events as far as live definitions read them.
    fn take_page(&self, page: &Page, gathered: &mut Gathered) -> Result<(), RowError> {
        for row in page.rows() {
            self.take_row(page, row, gathered)?;
        }
        if visits::number(&self.snapshot.projection).is_some() {
            visits::read(page, &mut gathered.visits)?;
        }
        let profile = &mut gathered.profile;
        let mut found = Vec::new();
        page.chunks(self.pages.reader(), &mut |name, row| {
            self.take_event(page, (name, row), profile, &mut found)?;
            if found.len() == EVENTS_AT_ONCE {
                self.keep(profile, &mut found);
            }
            Ok(())
        })?;
        for row in page.of_kind(Kind::Event) {
            self.take_event(page, row, profile, &mut found)?;
        }
        self.keep(profile, &mut found);
        Ok(())
    }

    fn take_row(
        &self,
        page: &Page,
        (kind, name, row): (Kind, &[u8], &[u8]),
        gathered: &mut Gathered,
    ) -> Result<(), RowError> {
        let records = gathered.profile.records_mut();
        match kind {
            Kind::Meta
            | Kind::Component
            | Kind::Visit
            | Kind::Act
            | Kind::Since
            | Kind::AccountTrait
            | Kind::Event => {}
            Kind::Link => {
                let (StoredLink::V1 { identifier, order, last, .. }, verdict) =
                    route::parse_link(row)?;
                widen(&mut records.seen, order.time);
                widen(&mut records.seen, last);
                if record::refused(verdict)?.is_none() {
                    know(&mut gathered.identifiers, identifier, order.time, last);
                }
            }
            // The mark of how they were folded.
            Kind::Trait if name.is_empty() => {}
            Kind::Trait => {
                let (name, value) = trait_row(row)?;
                records.traits.take(name, value);
            }
            Kind::Stated => {
                let (name, value) = trait_row(row)?;
                records.stated.take(name, value);
            }
            Kind::Consent => records.consents.record(statement(page, name, row)?),
            Kind::Standing => {
                let StoredStanding::V1 { suppressed, restricted } =
                    record::decode(row, "standing")?;
                records.suppressed |= suppressed;
                records.restricted |= restricted;
            }
            Kind::Country => records.country = records.country.max(country(page)?),
            Kind::Assignment => {
                let (experience, assignment) = assignment(page.strand(), name, row)?;
                records.assignments.insert(experience, assignment);
            }
            // Rows of a former head may wait for their removal. How far somebody had come is kept.
            Kind::Shadow | Kind::State | Kind::Counted if page.strand() != gathered.head => {}
            Kind::Membership if page.strand() != gathered.head && !name.contains(&b'.') => {}
            Kind::Membership => gathered.entries.push(entry(name, row)?),
            Kind::Shadow => gathered.shadows.push(entry(name, row)?),
            Kind::Account => drop(records.accounts.take(accounts::belonging(row)?)),
            Kind::Counted => gathered.counted.push(accounts::counted_in(name, row)?),
            Kind::State => {
                let StoredState::V1 { due, fingerprint } = record::decode(row, "state")?;
                gathered.due = due;
                gathered.fingerprint = fingerprint;
            }
            Kind::Win => {
                let (experience, time) = name.split_last_chunk::<8>().ok_or(Unreadable("win"))?;
                let time = keys::parse_ordered(time).ok_or(Unreadable("win"))?;
                gathered.wins.entry(key_text(experience)?).or_default().push(time);
            }
        }
        Ok(())
    }

    fn take_event(
        &self,
        page: &Page,
        (name, row): (&[u8], &[u8]),
        profile: &mut Profile,
        found: &mut Vec<(u32, EventRow)>,
    ) -> Result<(), RowError> {
        let projection = &self.snapshot.projection;
        let head = EventHead::parse(row)?;
        if !head.counts {
            return Ok(());
        }
        let at = keys::parse_event(name).ok_or(Unreadable("event"))?;
        widen(&mut profile.records_mut().seen, at.time);
        let Some(number) = projection.number(at.name) else { return Ok(()) };
        let values = if projection.reads_values(at.name) {
            let stored = row.get(EventHead::BYTES..).unwrap_or_default();
            self.values(page.key(), stored, head.values, at)?
        } else {
            RowValues::default()
        };
        let EventHead { tie, purposes, .. } = head;
        found.push((number, EventRow { time: at.time, tie, purposes, values }));
        Ok(())
    }

    fn keep(&self, profile: &mut Profile, found: &mut Vec<(u32, EventRow)>) {
        profile.records_mut().timeline.extend(self.snapshot.projection.layout(), found);
        found.clear();
    }

    /// What is read of an event, from its timeline row or, where that does not have all of it, its body.
    fn values(
        &self,
        key: &StrandKey,
        stored: &[u8],
        place: Values,
        at: EventKey,
    ) -> Result<RowValues, RowError> {
        let projection = &self.snapshot.projection;
        let place = if projection.reads_bodies(at.name) { Values::InBody } else { place };
        match place {
            Values::Absent => Ok(RowValues::default()),
            Values::InRow => {
                let StoredValues::V1 { properties, context } = record::decode(stored, "event")?;
                let values = projection.row_values_of(at.name, &properties, &context);
                Ok(values.map_err(|_| Unreadable("event"))?)
            }
            Values::InBody => {
                let event =
                    body::read(self.pages.reader(), self.pages.keys(), key, at.seq, at.time)?;
                Ok(projection.row_values(at.name, &event.properties, &event.context))
            }
        }
    }
}

fn widen(seen: &mut Option<Seen>, time: Timestamp) {
    *seen = Some(match *seen {
        Some(Seen { first, last }) => Seen { first: first.min(time), last: last.max(time) },
        None => Seen { first: time, last: time },
    });
}

fn know(
    identifiers: &mut BTreeMap<model::Identifier, KnownIdentifier>,
    identifier: model::Identifier,
    first: Timestamp,
    last: Timestamp,
) {
    let known = identifiers.entry(identifier.clone()).or_insert(KnownIdentifier {
        identifier,
        first,
        last,
        count: 0,
    });
    known.first = known.first.min(first);
    known.last = known.last.max(last);
    known.count += 1;
}

fn key_text(bytes: &[u8]) -> Result<Key, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable("key"))?;
    Key::from_stored(text).map_err(|_| Unreadable("key"))
}

/// The traits that came through one strand.
pub(crate) fn traits_of(page: &Page, rules: &Arc<TraitRules>) -> Result<Traits, RowError> {
    let mut traits = Traits::folded_by(rules);
    for (_, row) in page.of_kind(Kind::Trait).filter(|(name, _)| !name.is_empty()) {
        let (name, value) = trait_row(row)?;
        traits.take(name, value);
    }
    Ok(traits)
}

/// A value that is kept of a trait.
pub(crate) fn trait_row(row: &[u8]) -> Result<(CompactString, TraitValue), Unreadable> {
    let StoredTrait::V1 { name, value, source, order, purposes } = record::decode(row, "trait")?;
    let value = serde_json::from_str(&value).map_err(|_| Unreadable("trait"))?;
    let origin = Arc::new(Origin { order, source, purposes });
    Ok((name, TraitValue { value, origin }))
}

/// Reads an assignment row of a strand: the experience and its variant.
pub(crate) fn assignment(
    strand: StrandId,
    name: &[u8],
    row: &[u8],
) -> Result<(Key, Assignment), RowError> {
    let (variant, seq, drawn) = match record::decode(row, "assignment")? {
        StoredAssignment::V1 { variant, seq } => (variant, seq, None),
        StoredAssignment::V2 { variant, seq, drawn } => (variant, seq, Some(drawn)),
    };
    Ok((key_text(name)?, Assignment { seq, strand, variant, drawn }))
}

/// A trait as a record.
pub(crate) fn stored_trait(name: &CompactString, value: &TraitValue) -> StoredTrait {
    StoredTrait::V1 {
        name: name.clone(),
        value: value.value.to_string(),
        source: value.origin.source.clone(),
        order: value.origin.order,
        purposes: value.origin.purposes,
    }
}

/// An assignment as a record.
pub(crate) fn stored_assignment(assignment: &Assignment) -> StoredAssignment {
    let Assignment { seq, variant, drawn, .. } = assignment.clone();
    match drawn {
        None => StoredAssignment::V1 { variant, seq },
        Some(drawn) => StoredAssignment::V2 { variant, seq, drawn },
    }
}

/// A membership from its row.
fn entry(name: &[u8], row: &[u8]) -> Result<Entry, RowError> {
    let StoredMembership::V1 { version, truth, since, previous, valid_until } =
        record::decode(row, "membership")?;
    let membership = Membership { truth, since, previous, valid_until };
    Ok(Entry::new(Arc::new(key_text(name)?), version, membership))
}

/// A membership as a record.
pub(crate) fn stored_membership(entry: &Entry) -> StoredMembership {
    let Membership { truth, since, previous, valid_until } = entry.membership();
    StoredMembership::V1 { version: entry.version(), truth, since, previous, valid_until }
}

/// Shares a decoded person.
pub(crate) type SharedPerson = Arc<Person>;
