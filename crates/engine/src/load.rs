//! From rows to a decoded person.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use audience::{Entry, Memberships};
use compact_str::CompactString;
use model::{
    Consents, Key, Purpose, Seq, StrandId, Timestamp, UnitId,
    condition::{EventRow, Membership, RowValues},
    event::Order,
    value::Object,
    weight,
};
use profile::{
    Assignment, Component, ConsentLedger, KnownIdentifier, Origin, Profile, Seen, Statement,
    TraitValue,
};
use store::{Reader, ScanOrder, StrandKey, Table};

use crate::{
    body,
    keys::{self, EventKey, Kind},
    record::{
        self, EventHead, MetaHead, Properties, StoredAssignment, StoredConsent, StoredLink,
        StoredMembership, StoredProperties, StoredState, StoredTrait, Unreadable,
    },
    route::{KnownLink, Route},
    sealed::{Keys, RowError},
    snapshot::Snapshot,
};

/// Rows of a timeline that are read in one go; a longer one is read name by name, newest first.
const TIMELINE_SCAN_MAX: usize = 512;

/// A person as the engine holds it in memory.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) profile: Profile,
    pub(crate) memberships: Memberships,
    /// The one timer that is persisted for this person.
    pub(crate) due: Option<Timestamp>,
    /// Recorded wins of experiences that have caps, oldest first.
    pub(crate) wins: BTreeMap<Key, Vec<Timestamp>>,
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
            + weight::map::<Key, Vec<Timestamp>>(self.wins.len())
            + self.wins.iter().map(wins).sum::<usize>()
    }
}

/// The strands of the component whose head is `head`, oldest first.
pub(crate) fn component_strands(
    reader: &dyn Reader,
    head: StrandId,
) -> Result<Vec<StrandId>, RowError> {
    let prefix = keys::kind(head, Kind::Component);
    let mut strands = Vec::new();
    reader.scan(
        Table::Strand,
        store::prefix_range(&prefix),
        ScanOrder::Ascending,
        &mut |key, _| {
            strands.extend(keys::parse_strand(&key[prefix.len()..]));
            ControlFlow::Continue(())
        },
    )?;
    if strands.is_empty() {
        strands.push(head);
    }
    strands.sort_unstable();
    Ok(strands)
}

/// What a set of strands has said about consent.
pub(crate) fn ledger_of(
    reader: &dyn Reader,
    keys: &Keys,
    strands: &[StrandId],
) -> Result<ConsentLedger, RowError> {
    let mut ledger = ConsentLedger::default();
    for &strand in strands {
        let meta_key = keys::kind(strand, Kind::Meta);
        let row = reader.get(Table::Strand, &meta_key)?.ok_or(Unreadable("strand"))?;
        let head = MetaHead::parse(&row)?;
        let key = keys.vault.key(store::Slot(head.slot))?;
        for (row_key, row) in rows(reader, &keys::kind(strand, Kind::Consent))? {
            ledger.record(statement(keys, &key, strand, head.unit, &row_key, &row)?);
        }
    }
    Ok(ledger)
}

/// What a ledger comes to on a device, purpose by purpose.
pub(crate) fn basis_on(ledger: &ConsentLedger, device: UnitId) -> Consents {
    let mut consents = Consents::default();
    for purpose in (0..Purpose::COUNT).filter_map(Purpose::from_number) {
        match ledger.basis_on(device, purpose) {
            model::Basis::Granted => consents.granted = consents.granted.with(purpose),
            model::Basis::Denied => consents.denied = consents.denied.with(purpose),
            model::Basis::Unknown => {}
        }
    }
    consents
}

/// A key and the value under it.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

fn rows(reader: &dyn Reader, prefix: &[u8]) -> Result<Vec<Row>, RowError> {
    let mut rows = Vec::new();
    reader.scan(
        Table::Strand,
        store::prefix_range(prefix),
        ScanOrder::Ascending,
        &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        },
    )?;
    Ok(rows)
}

fn statement(
    keys: &Keys,
    key: &StrandKey,
    strand: StrandId,
    device: UnitId,
    row_key: &[u8],
    row: &[u8],
) -> Result<Statement, RowError> {
    let unreadable = || Unreadable("consent");
    let (_, _, rest) = keys::parse_row(row_key).ok_or_else(unreadable)?;
    let (time, tie) = rest.split_at_checked(8).ok_or_else(unreadable)?;
    let order = Order {
        time: keys::parse_ordered(time).ok_or_else(unreadable)?,
        tie: tie.try_into().map(u64::from_be_bytes).map_err(|_| unreadable())?,
    };
    let StoredConsent::V1 { consents, identified, source } =
        keys.open(key, row_key, 0, row, "consent")?;
    Ok(Statement { order, strand, device, identified, consents, source })
}

/// What has been read of a person so far.
struct Gathered {
    head: StrandId,
    /// The strands of the component, where there is more than one.
    strands: Vec<StrandId>,
    profile: Profile,
    unit: UnitId,
    identifiers: BTreeMap<model::Identifier, KnownIdentifier>,
    /// The links of the strand that is being read.
    links: Vec<KnownLink>,
    entries: Vec<Entry>,
    fingerprint: u64,
    due: Option<Timestamp>,
    wins: BTreeMap<Key, Vec<Timestamp>>,
}

impl Gathered {
    fn of(head: StrandId) -> Self {
        Self {
            head,
            strands: Vec::new(),
            profile: Profile::new(Component::of(head), UnitId(0)),
            unit: UnitId(0),
            identifiers: BTreeMap::new(),
            links: Vec::new(),
            entries: Vec::new(),
            fingerprint: 0,
            due: None,
            wins: BTreeMap::new(),
        }
    }

    fn into_person(self, snapshot: &Snapshot) -> Person {
        let Self { head, mut strands, mut profile, unit, identifiers, .. } = self;
        if strands.is_empty() {
            strands.push(head);
        }
        strands.sort_unstable();
        let identifiers = identifiers.into_values().collect();
        profile.recompose(Component { head, strands, identifiers }, unit);
        let memberships = Memberships::restore(&snapshot.audiences, self.fingerprint, self.entries);
        let epoch = snapshot.projection.epoch;
        Person { profile, memberships, due: self.due, wins: self.wins, epoch }
    }
}

/// The rows of a strand, as one scan gives them.
struct StrandRows {
    meta: MetaHead,
    key: StrandKey,
    /// All but the events.
    small: Vec<Row>,
    /// The events, unless there are too many.
    events: Vec<Row>,
    is_long: bool,
}

/// A strand's route; and its person, if the strand is the head of its component.
pub(crate) struct Read {
    pub(crate) route: Route,
    pub(crate) person: Option<Person>,
}

/// Reads people from rows.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub(crate) reader: &'a dyn Reader,
    pub(crate) keys: &'a Keys,
    pub(crate) snapshot: &'a Snapshot,
}

impl Loader<'_> {
    /// The person whose head strand is `head`.
    pub(crate) fn person(&self, head: StrandId) -> Result<Person, RowError> {
        let mut gathered = Gathered::of(head);
        self.take_strand(head, &self.rows(head)?, &mut gathered)?;
        self.finish(gathered)
    }

    /// The route of a strand and, where it is a head, its person from the same scan.
    pub(crate) fn strand_and_person(&self, strand: StrandId) -> Result<Read, RowError> {
        let rows = self.rows(strand)?;
        let MetaHead { slot, head, unit, consents } = rows.meta;
        let mut gathered = Gathered::of(head);
        let is_head = head == strand;
        if is_head {
            self.take_strand(strand, &rows, &mut gathered)?;
        } else {
            for row in rows.small.iter().filter(|(key, _)| keys::is_kind(key, Kind::Link)) {
                self.small_row((strand, unit), &rows.key, row, &mut gathered)?;
            }
        }
        let links = std::mem::take(&mut gathered.links);
        let key = Arc::new(rows.key);
        let route = Route { strand, head, slot, key, unit, consents, links };
        let person = is_head.then(|| self.finish(gathered)).transpose()?;
        Ok(Read { route, person })
    }

    /// Takes in the strands of the component beside its head.
    fn finish(&self, mut gathered: Gathered) -> Result<Person, RowError> {
        for strand in gathered.strands.clone() {
            if strand != gathered.head {
                self.take_strand(strand, &self.rows(strand)?, &mut gathered)?;
            }
        }
        Ok(gathered.into_person(self.snapshot))
    }

    /// Reads a strand in one scan, unless its timeline is long.
    fn rows(&self, strand: StrandId) -> Result<StrandRows, RowError> {
        let prefix = keys::strand(strand);
        let mut small: Vec<Row> = Vec::new();
        let mut events: Vec<Row> = Vec::new();
        let mut is_long = false;
        self.reader.scan(
            Table::Strand,
            store::prefix_range(&prefix),
            ScanOrder::Ascending,
            &mut |key, value| {
                if !keys::is_kind(key, Kind::Event) {
                    small.push((key.to_vec(), value.to_vec()));
                } else if events.len() < TIMELINE_SCAN_MAX {
                    events.push((key.to_vec(), value.to_vec()));
                } else {
                    is_long = true;
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        )?;
        let (_, meta) = small.first().ok_or(Unreadable("strand"))?;
        let meta = MetaHead::parse(meta)?;
        let key = self.keys.vault.key(store::Slot(meta.slot))?;
        Ok(StrandRows { meta, key, small, events, is_long })
    }

    /// Takes in a strand: its small rows, and its events as far as live definitions read them.
    fn take_strand(
        &self,
        strand: StrandId,
        rows: &StrandRows,
        gathered: &mut Gathered,
    ) -> Result<(), RowError> {
        let StrandRows { meta, key, small, events, is_long } = rows;
        if strand == gathered.head {
            gathered.unit = meta.unit;
        }
        for row in small {
            self.small_row((strand, meta.unit), key, row, gathered)?;
        }
        if *is_long {
            self.long_timeline(strand, key, &mut gathered.profile)
        } else {
            self.take_rows(events, key, &mut gathered.profile)
        }
    }

    fn small_row(
        &self,
        (strand, device): (StrandId, UnitId),
        key: &StrandKey,
        (row_key, row): &Row,
        gathered: &mut Gathered,
    ) -> Result<(), RowError> {
        let (_, kind, rest) = keys::parse_row(row_key).ok_or(Unreadable("strand"))?;
        let records = gathered.profile.records_mut();
        match kind {
            Kind::Meta => {}
            Kind::Link => {
                let refused = record::refused(*row.first().ok_or(Unreadable("link"))?)?;
                let StoredLink::V1 { identifier, order, last, .. } =
                    self.keys.open(key, row_key, 1, row, "link")?;
                let hash = rest.try_into().map_err(|_| Unreadable("link"))?;
                gathered.links.push(KnownLink { hash, order, last });
                widen(&mut records.seen, order.time);
                widen(&mut records.seen, last);
                if refused.is_none() {
                    know(&mut gathered.identifiers, identifier, order.time, last);
                }
            }
            Kind::Trait => {
                let StoredTrait::V1 { name, value, source, order, purposes } =
                    self.keys.open(key, row_key, 0, row, "trait")?;
                let value = serde_json::from_str(&value).map_err(|_| Unreadable("trait"))?;
                let origin = Arc::new(Origin { order, source, purposes });
                let value = TraitValue { value, origin };
                records.traits.merge(&[(name, value)].into_iter().collect());
            }
            Kind::Consent => {
                let said = statement(self.keys, key, strand, device, row_key, row)?;
                records.consents.record(said);
            }
            Kind::Assignment => {
                let experience = key_text(rest)?;
                let StoredAssignment::V1 { variant, seq } = record::decode(row, "assignment")?;
                records.assignments.insert(experience, Assignment { seq, strand, variant });
            }
            // Rows of a former head may wait for their removal.
            Kind::Component | Kind::Membership | Kind::State if strand != gathered.head => {}
            Kind::Membership => {
                let StoredMembership::V1 { version, truth, since, valid_until } =
                    record::decode(row, "membership")?;
                let membership = Membership { truth, since, valid_until };
                let key = Arc::new(key_text(rest)?);
                gathered.entries.push(Entry::new(key, version, membership));
            }
            Kind::State => {
                let StoredState::V1 { due, fingerprint } = record::decode(row, "state")?;
                gathered.due = due;
                gathered.fingerprint = fingerprint;
            }
            Kind::Win => {
                let (experience, time) = rest.split_last_chunk::<8>().ok_or(Unreadable("win"))?;
                let time = keys::parse_ordered(time).ok_or(Unreadable("win"))?;
                gathered.wins.entry(key_text(experience)?).or_default().push(time);
            }
            Kind::Component => gathered.strands.extend(keys::parse_strand(rest)),
            Kind::Event => {}
        }
        Ok(())
    }

    /// Takes in the newest events of each name that live definitions read.
    fn long_timeline(
        &self,
        strand: StrandId,
        key: &StrandKey,
        profile: &mut Profile,
    ) -> Result<(), RowError> {
        let projection = &self.snapshot.projection;
        let mut newest: Vec<Row> = Vec::new();
        for (number, name) in (0..).zip(projection.names()) {
            let mut prefix = keys::kind(strand, Kind::Event);
            prefix.extend_from_slice(&name.hash.to_be_bytes());
            let (rows, overflow) = self.newest(&prefix)?;
            newest.extend(rows);
            if overflow {
                profile.records_mut().timeline.mark_overflow(projection.layout(), number);
            }
        }
        self.take_rows(&newest, key, profile)
    }

    /// The newest rows under `prefix`, oldest first, and whether there are more than a timeline holds.
    fn newest(&self, prefix: &[u8]) -> Result<(Vec<Row>, bool), RowError> {
        let mut found: Vec<Row> = Vec::new();
        let mut overflow = false;
        self.reader.scan(
            Table::Strand,
            store::prefix_range(prefix),
            ScanOrder::Descending,
            &mut |key, value| {
                if found.len() == profile::timeline::MAX_ROWS {
                    overflow = true;
                    return ControlFlow::Break(());
                }
                found.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            },
        )?;
        found.reverse();
        Ok((found, overflow))
    }

    fn take_rows(
        &self,
        rows: &[Row],
        key: &StrandKey,
        profile: &mut Profile,
    ) -> Result<(), RowError> {
        let projection = &self.snapshot.projection;
        let records = profile.records_mut();
        let mut found = Vec::with_capacity(rows.len());
        for (row_key, row) in rows {
            let (_, _, name) = keys::parse_row(row_key).ok_or(Unreadable("event"))?;
            let head = EventHead::parse(row)?;
            let at = keys::parse_event(name).ok_or(Unreadable("event"))?;
            widen(&mut records.seen, at.time);
            let Some(number) = projection.number(at.name) else { continue };
            let values = if projection.reads_properties(at.name) {
                let properties = self.properties(key, (row_key, row), head.properties, at)?;
                projection.row_values(at.name, &properties)
            } else {
                RowValues::default()
            };
            let EventHead { tie, purposes, .. } = head;
            found.push((number, EventRow { time: at.time, tie, purposes, values }));
        }
        records.timeline.extend(projection.layout(), &found);
        Ok(())
    }

    /// The properties of an event, from its timeline row or, where they are too long for it, its body.
    fn properties(
        &self,
        key: &StrandKey,
        (row_key, row): (&[u8], &[u8]),
        place: Properties,
        at: EventKey,
    ) -> Result<Object, RowError> {
        match place {
            Properties::Absent => Ok(Object::new()),
            Properties::InRow => {
                let stored: StoredProperties<'_> =
                    self.keys.open(key, row_key, EventHead::BYTES, row, "event")?;
                Ok(stored.into_object()?)
            }
            Properties::InBody => {
                Ok(body::read(self.reader, self.keys, key, at.seq, at.time)?.properties)
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
    text.parse().map_err(|_| Unreadable("key"))
}

/// A trait row of a strand.
pub(crate) fn trait_row(strand: StrandId, name: &str) -> Vec<u8> {
    keys::row(strand, Kind::Trait, &model::hash::event_name(name).to_be_bytes())
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
pub(crate) fn stored_assignment(variant: Key, seq: Seq) -> StoredAssignment {
    StoredAssignment::V1 { variant, seq }
}

/// A membership as a record.
pub(crate) fn stored_membership(entry: &Entry) -> StoredMembership {
    let Membership { truth, since, valid_until } = entry.membership();
    StoredMembership::V1 { version: entry.version(), truth, since, valid_until }
}

/// The rows that live with a head for as long as it is one.
pub(crate) fn head_rows(reader: &dyn Reader, head: StrandId) -> Result<Vec<Row>, RowError> {
    let mut found = rows(reader, &keys::kind(head, Kind::Membership))?;
    found.extend(rows(reader, &keys::kind(head, Kind::State))?);
    Ok(found)
}

/// The state in a row of [`head_rows`], if it is that row.
pub(crate) fn parse_state(key: &[u8], value: &[u8]) -> Result<Option<StoredState>, RowError> {
    match keys::parse_row(key) {
        Some((_, Kind::State, _)) => Ok(Some(record::decode(value, "state")?)),
        _ => Ok(None),
    }
}

/// Shares a decoded person.
pub(crate) type SharedPerson = Arc<Person>;
