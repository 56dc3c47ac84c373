//! The fold of one batch: from events to rows and changed people.
//!
//! It runs in two passes. The first takes the events one by one: dedup, strand, collect gate, the
//! event's row, and who is whom. The second takes the people that something happened to one by one:
//! timeline, traits, due timers, audiences. In between every head is final, so that a merge in the
//! middle of a batch needs no special care.
//!
//! It is a function of the stored state, the events and the batch's `now` (I3).

mod links;
mod turns;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use compact_str::CompactString;
use model::{
    Consents, Country, Event, Identifier, Key, Lane, PurposeSet, Seq, SourceKey, StrandId,
    Timestamp, UnitId,
    condition::{EventName, EventRow},
    event::{Marks, Order},
    hash,
    value::Object,
};
use profile::{Assignment, Belonging, ConsentLedger, IdentityRules, SeenIn, Statement};
use rustc_hash::FxBuildHasher;
use store::{Reader as _, Table};

use crate::{
    accounts::{Accounts, SharedAccount},
    body::PackedEvent,
    consent,
    definitions::{SourceIdentity, SourceKind},
    flag_use::{FlagUse, Unbelieved},
    ingest::EventVerdict,
    keys::{self, Hash16, Kind},
    load::SharedPerson,
    normalise,
    observation::Observed,
    page::{Page, Pages},
    pending::Pending,
    privacy::bars::Bars,
    quarantine,
    reading::Ahead,
    record::{EventHead, LogEntry, MetaHead, StoredConsent, StoredCountry, StoredMeta, encode},
    recording::Record,
    route::{self, Route},
    sealed::{Address, Keys, RowError},
    snapshot::{Snapshot, SourceRights},
    state::{Caches, Shared},
    visits,
    writer::{
        flight::{Above, Opened},
        recent::Recent,
        sweep::is_expired,
    },
};

/// How long a (source, message id) is remembered.
pub(crate) const DEDUP_WINDOW_SECONDS: i64 = 7 * 86_400;
/// A link's `last` is only rewritten when it moved by this much.
const LINK_LAST_STEP: model::Duration = model::Duration::days(1);
/// Most strands with an identifier whose statements about consent are looked at before one is born.
const FOREKNOWN_STRANDS_MAX: usize = 64;
/// From this many links on, a strand's own limits may be reached, so its component is looked at again.
const LINKS_WITHOUT_LIMIT: usize = 5;

/// What an event tells about its person, kept for the second pass.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) strand: StrandId,
    pub(crate) device: UnitId,
    pub(crate) source: Key,
    pub(crate) order: Order,
    pub(crate) consents: Consents,
    /// Where the person was, if they were not seen there last and that matters.
    pub(crate) country: Option<Country>,
    pub(crate) purposes: PurposeSet,
    pub(crate) is_identified: bool,
    pub(crate) traits: Object,
    /// What it says of the person's belonging to an account.
    pub(crate) belonging: Option<Belonging>,
    pub(crate) row: Option<(EventName, EventRow)>,
    /// The event as a visit of its own, where a live definition reads visits.
    pub(crate) visit: Option<profile::Visit>,
}

/// Identifiers seen together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) identifiers: &'a [Identifier],
    /// The strand that they were seen through.
    pub(crate) address: &'a Address,
    /// Canonical position of the observation.
    pub(crate) order: Order,
    /// Whether they may join people.
    pub(crate) is_trusted: bool,
}

/// Something a recorded decision leaves behind.
#[derive(Clone, Debug)]
pub(crate) enum Recorded {
    /// The variant first drawn in an experience.
    Assigned(Key, Assignment),
    /// A win of an experience that has a cap.
    Won(Key, Timestamp),
}

/// What the second pass has to do for one head.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) news: Vec<News>,
    /// The component's strands changed: the person is read anew and every audience evaluated.
    pub(crate) is_rejoined: bool,
    /// A timer fired.
    pub(crate) is_due: bool,
    /// Definitions changed.
    pub(crate) is_stale: bool,
    /// Something about an account that the person belongs to changed.
    pub(crate) has_other_accounts: bool,
    /// Versions of audiences that are to act next have not been evaluated.
    pub(crate) lacks_shadows: bool,
    /// The person is new: all there is to know of them is in the news.
    pub(crate) is_born: bool,
    /// What recorded decisions change for later ones.
    pub(crate) recorded: Vec<Recorded>,
}

impl Update {
    /// Takes in what was asked for under a head that is none any more.
    fn absorb(&mut self, other: Self) {
        self.news.extend(other.news);
        self.is_rejoined |= other.is_rejoined;
        self.is_due |= other.is_due;
        self.is_stale |= other.is_stale;
        self.has_other_accounts |= other.has_other_accounts;
        self.lacks_shadows |= other.lacks_shadows;
        self.recorded.extend(other.recorded);
        self.is_born |= other.is_born;
    }
}

/// What does not change while a batch is folded.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) rules: &'a IdentityRules,
    caches: &'a Caches,
    pub(crate) bars: &'a Bars,
    pub(crate) snapshot: &'a Snapshot,
    /// The store, and the batch before on its way to it.
    pub(crate) above: Above<'a>,
    pub(crate) now: Timestamp,
}

impl<'a> Ground<'a> {
    /// The ground at `now`.
    pub(crate) fn of(
        shared: &'a Shared,
        snapshot: &'a Snapshot,
        above: Above<'a>,
        now: Timestamp,
    ) -> Self {
        let Shared { keys, rules, caches, bars, .. } = shared;
        Self { keys, rules, caches, bars, snapshot, above, now }
    }

    /// The person with this head as the batch before left them, if they are in memory.
    pub(crate) fn person(&self, head: &StrandId) -> Option<SharedPerson> {
        match self.above.flight.and_then(|flight| flight.person(head)) {
            Some(changed) => changed,
            None => self.caches.people.get(head),
        }
    }

    /// An account as the batch before left it, if it is in memory.
    pub(crate) fn account(&self, name: &Hash16) -> Option<SharedAccount> {
        let flying = self.above.flight.and_then(|flight| flight.account(name));
        flying.or_else(|| self.caches.accounts.get(name).map(Some))
    }

    /// The strand that a pair opened as the batch before left it, if that batch changed it; within,
    /// `None` where the next event of the pair opens a new one.
    fn opened(&self, pair: &Hash16) -> Option<Option<StrandId>> {
        self.above.flight.and_then(|flight| flight.opened(pair))
    }
}

/// A batch in the making.
pub(crate) struct Fold<'a> {
    pub(crate) ground: Ground<'a>,
    pub(crate) pending: Pending<'a>,
    pub(crate) next_seq: Seq,
    pub(crate) entries: Vec<LogEntry>,
    /// Events of earlier batches that lie under another strand now.
    pub(crate) relocated: BTreeMap<Seq, StrandId>,
    /// Pairs that opened a strand in this batch; `None` where the next event of a pair opens one.
    pub(crate) pairs: Opened,
    /// What the pages of this batch's strands say, until they change.
    routes: HashMap<StrandId, Arc<Route>, FxBuildHasher>,
    /// Heads that changed in this batch, by strand.
    heads: HashMap<StrandId, StrandId, FxBuildHasher>,
    updates: BTreeMap<StrandId, Update>,
    /// Accounts that were looked at.
    pub(crate) accounts: Accounts,
    /// Accounts whose members are to be looked at, or are no more.
    pub(crate) walks: Vec<(Hash16, bool)>,
    /// Heads that are none any more.
    pub(crate) gone: BTreeSet<StrandId>,
    /// Identifiers whose holders changed.
    pub(crate) identifiers: Vec<Hash16>,
    /// People changed by the second pass.
    pub(crate) people: Vec<SharedPerson>,
    /// Heads of people who changed without being looked at.
    pub(crate) stale: Vec<StrandId>,
    /// Timers written.
    pub(crate) timers: Vec<(Timestamp, StrandId)>,
    /// How often someone went into or out of an audience.
    pub(crate) transitions: usize,
    /// The dedup entries written.
    pub(crate) messages: Vec<[u8; 18]>,
    /// What the quarantine gains and loses.
    pub(crate) set_aside: Vec<quarantine::Change>,
    /// What was folded, for those who count and those who watch.
    pub(crate) observed: Vec<Observed>,
    /// Evaluations of flags that were used, to be recorded.
    pub(crate) flag_uses: Vec<Record>,
    /// How many uses of flags proved nothing.
    pub(crate) flag_uses_refused: u64,
}

impl<'a> Fold<'a> {
    /// An empty batch.
    pub(crate) fn new(ground: Ground<'a>, next_seq: Seq) -> Self {
        Self {
            ground,
            pending: Pending::over(ground.above, ground.keys, &ground.caches.pages, next_seq),
            next_seq,
            entries: Vec::new(),
            relocated: BTreeMap::new(),
            pairs: HashMap::default(),
            routes: HashMap::default(),
            heads: HashMap::default(),
            updates: BTreeMap::new(),
            accounts: Accounts::default(),
            walks: Vec::new(),
            gone: BTreeSet::new(),
            identifiers: Vec::new(),
            people: Vec::new(),
            stale: Vec::new(),
            timers: Vec::new(),
            transitions: 0,
            messages: Vec::new(),
            set_aside: Vec::new(),
            observed: Vec::new(),
            flag_uses: Vec::new(),
            flag_uses_refused: 0,
        }
    }

    /// Takes one log position.
    pub(crate) fn log(&mut self, entry: LogEntry) -> Seq {
        let seq = self.next_seq;
        self.next_seq = Seq(seq.0 + 1);
        self.entries.push(entry);
        seq
    }

    /// First pass, one event.
    pub(crate) fn event(
        &mut self,
        ahead: &Ahead,
        recent: &Recent,
    ) -> Result<EventVerdict, RowError> {
        let Ahead { event, address, packed, .. } = ahead;
        let Some(address) = address else {
            return Ok(quarantined("no_identifier", "the event names nobody"));
        };
        let Some(packed) = packed else {
            return Ok(quarantined("too_large", "the event is longer than a stored one may be"));
        };
        let Ground { bars, keys, .. } = self.ground;
        if let Some(barred) = bars.verdict(keys, &event.identifiers, event.event_time) {
            return Ok(refused(barred.code()));
        }
        if self.is_repeated(ahead, recent)? {
            return Ok(EventVerdict::Duplicate);
        }
        let policy = &self.ground.snapshot.policy;
        let order = event.order();
        let here = self.country(event);
        let is_nothing = |purposes| purposes == PurposeSet::NONE;
        let mut foreknown = None;
        let mut route = match self.place(address, order)? {
            Some(route) => {
                let is_claim = route.links.iter().any(|link| !link.trusted);
                if is_claim || route.links.len() < event.identifiers.len() {
                    foreknown = Some(self.foretold(address, event, route.strand)?);
                }
                route
            }
            None => {
                let born = StrandId { born: self.next_seq, lane: address.lane };
                let known = self.foretold(address, event, born)?;
                let purposes = policy.collect_event(&event.name, known, event.consents, here);
                if is_nothing(purposes) && event.consents.is_empty() {
                    return Ok(refused("no_consent"));
                }
                // Nobody is born of an event that is set aside.
                if let Some(blocked) = ahead.blocked() {
                    return Ok(if is_nothing(purposes) { refused("no_consent") } else { blocked });
                }
                foreknown = Some(known);
                let route = self.bear(address, order)?;
                if event.marks.has(Marks::UNCOUNTED) {
                    // The strand is there to seal with, and nobody's until an event comes that counts.
                    self.updates.remove(&route.strand);
                }
                route
            }
        };
        route = self.state_consent(route, event)?;
        let moved = here.filter(|here| route.country.is_none_or(|seen| seen.country != *here));
        route = self.move_to(route, order, moved)?;
        let here = here.or(route.country.map(|seen| seen.country));
        let known = foreknown.map_or(route.consents, |foreknown| foreknown.and(route.consents));
        let purposes = policy.collect_event(&event.name, known, event.consents, here);
        if is_nothing(purposes) {
            self.hold_refusal(&route, address, event)?;
            return Ok(refused("no_consent"));
        }
        if let Some(blocked) = ahead.blocked() {
            return Ok(blocked);
        }
        self.apply((ahead, packed), route, (purposes, moved))?;
        Ok(EventVerdict::Accepted)
    }

    /// Writes an event that is taken, and what follows from it if it counts.
    fn apply(
        &mut self,
        (ahead, packed): (&Ahead, &PackedEvent),
        route: Arc<Route>,
        (purposes, moved): (PurposeSet, Option<Country>),
    ) -> Result<(), RowError> {
        let Ahead { event, address, dedup, visit, .. } = ahead;
        self.remember(dedup);
        let order = event.order();
        let counts = !event.marks.has(Marks::UNCOUNTED);
        let head = EventHead { values: packed.values(), counts, purposes, tie: order.tie };
        self.write_event(&route, event, packed, head)?;
        if !counts {
            return Ok(());
        }
        let visit = visit.clone().map(|visit| profile::Visit { purposes, ..visit });
        if let Some(visit) = &visit {
            visits::write(self.pending.page_mut(route.strand)?, visit.clone())?;
        }
        let Some(address) = address else { return Ok(()) };
        let is_trusted = self.is_trusted(event);
        let seen = Seen { identifiers: &event.identifiers, address, order, is_trusted };
        let belonging = self.state_account(route.strand, event, (order, purposes))?;
        let route = self.observe_links(route, seen)?;
        if let Some(flag_use) = &ahead.flag_use {
            self.use_flag(flag_use, event, address, &route)?;
        }
        self.tell(&route, (event, order), (purposes, moved), (visit, belonging));
        Ok(())
    }

    /// Has the evaluation of a flag that was used recorded, once.
    fn use_flag(
        &mut self,
        flag_use: &Result<FlagUse, Unbelieved>,
        event: &Event,
        address: &Address,
        route: &Route,
    ) -> Result<(), RowError> {
        let Ground { now, snapshot, .. } = self.ground;
        let units = [route.unit, self.pending.existing(route.head)?.meta().unit];
        let used = flag_use.as_ref().map_err(|unbelieved| *unbelieved);
        let used = used.and_then(|used| Ok((used, used.instant(event, now, units)?)));
        let Ok((used, at)) = used else {
            self.flag_uses_refused += 1;
            return Ok(());
        };
        let before = self.pending.get(Table::Dedup, &used.dedup)?;
        if before.is_some_and(|before| !is_expired(&before, now)) {
            return Ok(());
        }
        // What they were in is what they are in before this event; somebody who is not in memory is new.
        let person = self.ground.person(&route.head);
        let memberships = person.as_ref().map(|person| &person.memberships);
        let recorded = used.recorded(person.as_deref(), (event, route), snapshot);
        let known = (memberships, recorded);
        let record = Record::of_use(&used.claims, event, address, (at, snapshot), known);
        self.flag_uses.extend(record);
        self.remember(&used.dedup);
        Ok(())
    }

    /// Whether the message was applied before, within the dedup window, or waits in the quarantine.
    fn is_repeated(&self, ahead: &Ahead, recent: &Recent) -> Result<bool, RowError> {
        let Ahead { dedup, new_as_of, entry, .. } = ahead;
        let seen = if recent.is_new(dedup, *new_as_of) {
            self.pending.written(Table::Dedup, dedup)
        } else {
            self.pending.get(Table::Dedup, dedup)?
        };
        let is_own = |seen: &[u8]| entry.is_some_and(|entry| entry == *seen);
        Ok(seen.is_some_and(|seen| !is_own(&seen) && !is_expired(&seen, self.ground.now)))
    }

    fn remember(&mut self, dedup: &[u8; 18]) {
        self.messages.push(*dedup);
        self.pending.put(Table::Dedup, dedup.to_vec(), keys::seconds(self.ground.now).to_vec());
    }

    /// The route of an address, as this batch has left it.
    pub(crate) fn route(&mut self, address: &Address) -> Result<Option<Arc<Route>>, RowError> {
        let strand = self.opened(address.lane, &address.pair)?;
        strand.map(|strand| self.route_of(strand)).transpose()
    }

    /// The strand that a pair opened.
    fn opened(&self, lane: Lane, pair: &Hash16) -> Result<Option<StrandId>, RowError> {
        match self.pairs.get(pair).copied().or_else(|| self.ground.opened(pair)) {
            Some(changed) => Ok(changed),
            None => self.ground.caches.pairs.find_or_read(&self.pending, lane, pair),
        }
    }

    /// The route of a strand, as this batch has left it.
    pub(crate) fn route_of(&mut self, strand: StrandId) -> Result<Arc<Route>, RowError> {
        if let Some(route) = self.routes.get(&strand) {
            return Ok(Arc::clone(route));
        }
        let route = Arc::new(Route::of(&*self.pending.existing(strand)?)?);
        self.routes.insert(strand, Arc::clone(&route));
        Ok(route)
    }

    /// Opens a strand, to which no pair leads yet; of a turn at a shared device, since when it goes on.
    fn open(&mut self, address: &Address, since: Option<Order>) -> Result<Arc<Route>, RowError> {
        let keys = self.ground.keys;
        let slot = keys.vault.allocate()?;
        let key = Arc::new(keys.vault.key(slot)?);
        let strand = StrandId {
            born: self.log(LogEntry::Strand { lane: address.lane }),
            lane: address.lane,
        };
        let route = Route {
            strand,
            head: strand,
            slot: slot.0,
            key,
            unit: keys.unit(&address.routing),
            consents: Consents::default(),
            country: None,
            since,
            links: Vec::new(),
        };
        let meta = StoredMeta::V1 {
            routing: address.routing.clone(),
            user: address.user.clone(),
            born_at: self.ground.now,
        };
        let mut page = Page::born(strand, route.meta(), Arc::clone(&route.key));
        page.put(Kind::Meta, &[], &encode(&meta));
        if let Some(since) = since {
            page.put(Kind::Since, &[], &keys::order(since));
        }
        crate::refold::mark(&mut page, &self.ground.snapshot.traits);
        self.pending.bear(page);
        self.updates.entry(strand).or_default().is_born = true;
        let route = Arc::new(route);
        self.routes.insert(strand, Arc::clone(&route));
        Ok(route)
    }

    /// The country that an event was seen in, where purposes make a difference between countries.
    fn country(&self, event: &Event) -> Option<Country> {
        if !self.ground.snapshot.policy.is_regional() {
            return None;
        }
        normalise::country(|name| event.context.get(name), &event.traits)
    }

    /// Takes in that somebody was seen in another country than before, unless they have moved on since.
    fn move_to(
        &mut self,
        route: Arc<Route>,
        order: Order,
        country: Option<Country>,
    ) -> Result<Arc<Route>, RowError> {
        let Some(country) = country else { return Ok(route) };
        let seen = SeenIn { order, country };
        if route.country.is_some_and(|known| seen < known) {
            return Ok(route);
        }
        let record = StoredCountry::V1 { letters: country.letters(), order };
        self.pending.page_mut(route.strand)?.put(Kind::Country, &[], &encode(&record));
        self.routes.remove(&route.strand);
        self.route_of(route.strand)
    }

    /// What will hold for an event that names its strand's person in a new way, once that has been
    /// looked into.
    fn foretold(
        &self,
        address: &Address,
        event: &Event,
        strand: StrandId,
    ) -> Result<Consents, RowError> {
        let device = self.ground.keys.unit(&address.routing);
        let mut ledger = self.foreknown(address, &event.identifiers)?;
        ledger.record(Statement {
            order: event.order(),
            strand,
            device,
            identified: self.is_identified(event),
            consents: event.consents,
            source: event.source.clone(),
        });
        Ok(ledger.on_device(device))
    }

    /// What was said about consent by whoever something that opens a strand will turn out to come from,
    /// as far as its identifiers tell.
    ///
    /// The strand is joined to them only after it has been judged. Without this, somebody who refused
    /// would be collected of once for each new pair of identifiers.
    pub(crate) fn foreknown(
        &self,
        address: &Address,
        identifiers: &[Identifier],
    ) -> Result<ConsentLedger, RowError> {
        let Ground { keys, rules, .. } = self.ground;
        let device = keys.unit(&address.routing);
        let mut heads = BTreeSet::new();
        let mut ledger = ConsentLedger::default();
        for identifier in identifiers {
            let normalised = identifier.normalised();
            if rules.blocked(&normalised) {
                continue;
            }
            let hash = keys.identifier(&normalised);
            let lane = route::holder_lane(&normalised);
            for holder in route::holders(&self.pending, lane, &hash, FOREKNOWN_STRANDS_MAX)? {
                let page = self.pending.existing(holder)?;
                // Who refused everything has no links, and what they said holds wherever they are met.
                if page.get(Kind::Link, &hash).is_none_or(|link| link.first() == Some(&0)) {
                    heads.insert(page.meta().head);
                } else if page.meta().unit == device {
                    // Somebody else, on the same device: what was said there holds there.
                    ledger.merge(&crate::load::ledger_of(&self.pending, &[holder])?);
                }
            }
        }
        for head in heads {
            let strands = crate::load::component_strands(&self.pending, head)?;
            ledger.merge(&crate::load::ledger_of(&self.pending, &strands)?);
        }
        Ok(ledger)
    }

    /// Has the refusal of somebody of whom nothing is kept found by the identifiers that opened their
    /// strand, when they come by another way. It takes no more than keyed hashes.
    fn hold_refusal(
        &mut self,
        route: &Route,
        address: &Address,
        event: &Event,
    ) -> Result<(), RowError> {
        if event.consents.is_empty() {
            return Ok(());
        }
        let is_trusted = self.is_trusted(event);
        for identifier in [Some(&address.routing), address.user.as_ref()].into_iter().flatten() {
            let normalised = identifier.normalised();
            if (is_trusted || !normalised.kind.is_claim())
                && !self.ground.rules.blocked(&normalised)
            {
                let hash = self.ground.keys.identifier(&normalised);
                let lane = route::holder_lane(&normalised);
                route::hold(&mut self.pending, lane, &hash, route.strand)?;
            }
        }
        Ok(())
    }

    /// Takes in what the event says about consent.
    ///
    /// Where it only says again what holds already, nothing changes but the age of the statement, which
    /// later ones are weighed against: the strand's own page is written and no other. What holds on this
    /// device holds on all others as well if it is a refusal, or if the person gave it before.
    fn state_consent(&mut self, route: Arc<Route>, event: &Event) -> Result<Arc<Route>, RowError> {
        if event.consents.is_empty() {
            return Ok(route);
        }
        let said = StoredConsent::V1 {
            consents: event.consents,
            identified: self.is_identified(event),
            source: event.source.clone(),
        };
        let page = self.pending.page_mut(route.strand)?;
        let is_repeated = consent::write(page, event.order(), &said)?;
        let holds = |purpose| event.consents.basis(purpose) == route.consents.basis(purpose);
        let is_known_everywhere = is_repeated || !self.is_identified(event);
        if is_known_everywhere && event.consents.spoken().iter().all(holds) {
            return Ok(route);
        }
        self.spread_consents(route.head)?;
        self.route_of(route.strand)
    }

    /// Writes what holds for a person on each of their devices.
    fn spread_consents(&mut self, head: StrandId) -> Result<(), RowError> {
        let strands = crate::load::component_strands(&self.pending, head)?;
        let ledger = crate::load::ledger_of(&self.pending, &strands)?;
        for strand in strands {
            let meta = self.pending.existing(strand)?.meta();
            let now = MetaHead { consents: ledger.on_device(meta.unit), ..meta };
            if now != meta {
                self.pending.page_mut(strand)?.set_meta(now);
                self.routes.remove(&strand);
            }
        }
        Ok(())
    }

    /// Whether an event names the person with proof. What a public source says about consent binds only the device.
    fn is_identified(&self, event: &Event) -> bool {
        let rights = self.ground.snapshot.sources.get(&event.source);
        let is_server = rights.is_some_and(|r| r.source.kind == SourceKind::Server);
        event.user_id().is_some() && (is_server || event.marks.has(Marks::PROVEN))
    }

    /// Whether the identifiers of an event may join people: not mere claims from a source that demands proof.
    pub(crate) fn is_trusted(&self, event: &Event) -> bool {
        event.marks.has(Marks::PROVEN) || self.believes(&event.source)
    }

    /// Whether what a source says of who is whom needs no proof.
    pub(crate) fn believes(&self, source: &SourceKey) -> bool {
        let is_believed = |rights: &SourceRights| {
            rights.source.kind == SourceKind::Server || rights.identity == SourceIdentity::Open
        };
        self.ground.snapshot.sources.get(source).is_none_or(is_believed)
    }

    /// Writes the event's log entry, its body and its row in the timeline.
    fn write_event(
        &mut self,
        route: &Route,
        event: &Event,
        packed: &PackedEvent,
        head: EventHead,
    ) -> Result<(), RowError> {
        let keys = self.ground.keys;
        let name = hash::event_name(&event.name);
        let seq = self.log(LogEntry::Event {
            lane: route.strand.lane,
            born: route.strand.born,
            name: name.to_be_bytes(),
            time: event.event_time,
            purposes: head.purposes,
        });
        packed.write_body(&mut self.pending, keys, &route.key, seq)?;
        let row_name = keys::event(name, event.event_time, seq);
        self.pending.page_mut(route.strand)?.put(Kind::Event, &row_name, &packed.row(head));
        Ok(())
    }

    /// Keeps what the second pass needs to know of an event.
    fn tell(
        &mut self,
        route: &Route,
        (event, order): (&Event, Order),
        (purposes, country): (PurposeSet, Option<Country>),
        (visit, belonging): (Option<profile::Visit>, Option<Belonging>),
    ) {
        let projection = &self.ground.snapshot.projection;
        let visit = visit.filter(|_| visits::number(projection).is_some());
        let name = hash::event_name(&event.name);
        let row = projection.name(name).map(|known| {
            let values = projection.row_values(name, &event.properties, &event.context);
            let row = EventRow { time: event.event_time, tie: order.tie, purposes, values };
            (known.clone(), row)
        });
        let says_nothing =
            event.traits.is_empty() && event.consents.is_empty() && belonging.is_none();
        if row.is_none() && visit.is_none() && says_nothing && country.is_none() {
            return;
        }
        let news = News {
            strand: route.strand,
            device: route.unit,
            source: event.source.clone(),
            order,
            consents: event.consents,
            country,
            purposes,
            is_identified: self.is_identified(event),
            traits: event.traits.clone(),
            belonging,
            row,
            visit,
        };
        self.updates.entry(route.head).or_default().news.push(news);
    }

    /// Asks for a person to be brought up to date by the second pass.
    pub(crate) fn update(&mut self, head: StrandId) -> &mut Update {
        self.updates.entry(head).or_default()
    }

    /// Second pass: every person that something happened to.
    pub(crate) fn people(&mut self) -> Result<(), RowError> {
        let mut updates: BTreeMap<StrandId, Update> = BTreeMap::new();
        for (head, update) in std::mem::take(&mut self.updates) {
            let head = self.heads.get(&head).copied().unwrap_or(head);
            updates.entry(head).or_default().absorb(update);
        }
        for (head, update) in updates {
            match crate::update::person(self, head, &update) {
                // Their key is gone, or some of their rows are damaged: nobody else's work ends on that.
                Err(RowError::Unreadable(error)) => {
                    tracing::error!(%error, "somebody to whom something happened does not read back");
                    crate::update::put_off(self, head, &update)?;
                }
                result => result?,
            }
        }
        let gone: Vec<StrandId> = self.gone.iter().copied().collect();
        for head in gone {
            crate::update::forget(self, head)?;
        }
        self.settle_accounts()
    }
}

fn quarantined(code: &str, detail: &str) -> EventVerdict {
    EventVerdict::Quarantined { code: CompactString::from(code), detail: detail.to_owned() }
}

fn refused(code: &str) -> EventVerdict {
    EventVerdict::Refused { code: CompactString::from(code) }
}
