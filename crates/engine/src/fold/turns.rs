//! Anonymous events of a device that several users share: each goes to the strand of its [turn](crate::turns),
//! and where a user's first event comes late, what was written meanwhile is moved.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{Event, Identifier, Seq, StrandId, event::Order};
use profile::{Link, SeenIn};
use store::{Reader as _, Table};

use crate::{
    body::{self, PackedEvent},
    consent, join,
    keys::{self, EventKey, Hash16, Kind},
    load,
    page::{Page, Pages as _},
    record::{
        EventHead, LogEntry, StoredConsent, StoredCountry, StoredTurns, Unreadable, decode, encode,
    },
    refold,
    route::{self, Route},
    sealed::{Address, RowError},
    turns::{Name, Turns},
    update, visits,
};

use super::Fold;

/// A strand with more events than this stays whole when a user turns out to have come earlier: to divide it is work
/// of some tens of milliseconds for the one writer, and nobody does so much on a shared device within the lateness
/// bound.
const DIVIDED_EVENTS_MAX: usize = 2_000;

/// An event's row, read as far as it says where the event belongs.
type TimelineRow = (EventKey, EventHead, Vec<u8>);

/// An event as it lies in a strand.
struct Told {
    at: EventKey,
    row: Vec<u8>,
    head: EventHead,
    event: Event,
}

impl Told {
    fn order(&self) -> Order {
        Order { time: self.at.time, tie: self.head.tie }
    }

    fn name(&self) -> [u8; keys::EVENT_BYTES] {
        keys::event(self.at.name, self.at.time, self.at.seq)
    }
}

impl Fold<'_> {
    /// The strand of what happened at an address at some place in the order of events, if there is one.
    pub(crate) fn place(
        &mut self,
        address: &Address,
        order: Order,
    ) -> Result<Option<Arc<Route>>, RowError> {
        let open = self.route(address)?;
        let is_of_turn = |route: &Arc<Route>| route.since.is_none_or(|since| since <= order);
        if address.user.is_some() || open.as_ref().is_some_and(is_of_turn) {
            return Ok(open);
        }
        let turns = self.turns(address.lane, &address.pair)?;
        let born = turns.strand(turns.at(order));
        born.map(|born| self.route_of(StrandId { born, lane: address.lane })).transpose()
    }

    /// Opens a strand for what happened at an address that has none for it.
    pub(crate) fn bear(&mut self, address: &Address, order: Order) -> Result<Arc<Route>, RowError> {
        let mut turns = Turns::default();
        if address.user.is_none() {
            turns = self.turns(address.lane, &address.pair)?;
        }
        let name = turns.at(order);
        let route = self.open(address, turns.since(name))?;
        if turns.is_shared() {
            turns.open(name, route.strand.born);
            self.write_turns(address.lane, &address.pair, &turns);
        }
        if name == turns.latest() {
            self.point(address.lane, address.pair, Some(route.strand));
        }
        Ok(route)
    }

    /// Sets which strand the next event of a pair belongs to, unless it is late.
    fn point(&mut self, lane: model::Lane, pair: Hash16, strand: Option<StrandId>) {
        let row_key = keys::route(lane, &pair);
        match strand {
            Some(strand) => self.pending.put(Table::Index, row_key, keys::strand(strand)),
            None => self.pending.delete(Table::Index, row_key),
        }
        self.pairs.insert(pair, strand);
    }

    fn turns(&self, lane: model::Lane, anonymous: &Hash16) -> Result<Turns, RowError> {
        match self.pending.get(Table::Index, &keys::turns(lane, anonymous))? {
            Some(row) => {
                let StoredTurns::V1(turns) = decode(&row, "turns")?;
                Ok(turns)
            }
            None => Ok(Turns::default()),
        }
    }

    fn write_turns(&mut self, lane: model::Lane, anonymous: &Hash16, turns: &Turns) {
        let row = encode(&StoredTurns::V1(turns.clone()));
        self.pending.put(Table::Index, keys::turns(lane, anonymous), row);
    }

    /// Takes in when a user was first seen with a device. Returns the strands that gained or lost events.
    pub(crate) fn see_user(
        &mut self,
        address: &Address,
        order: Order,
    ) -> Result<BTreeSet<StrandId>, RowError> {
        let lane = address.lane;
        let keys = self.ground.keys;
        let pair = keys.pair(&address.routing, None);
        let anonymous = Address { user: None, pair, ..address.clone() };
        let mut before = self.turns(lane, &pair)?;
        before.make_room(&address.pair);
        let open = self.opened(lane, &pair)?;
        if !before.is_shared() {
            before.first = open.map(|strand| strand.born);
        }
        let mut turns = before.clone();
        if !turns.see(address.pair, order) {
            return Ok(BTreeSet::new());
        }
        let mut touched = BTreeSet::new();
        for (name, born) in before.strands() {
            if before.keeps(&turns, name) {
                continue;
            }
            let strand = StrandId { born, lane };
            match self.misplaced(strand, name, &turns) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    touched.extend(self.divide(&anonymous, &mut turns, (name, strand), told)?);
                }
                // The user is who they are all the same.
                Err(RowError::Unreadable(error)) => {
                    tracing::error!(%error, "a shared device's strand does not read back and stays whole");
                }
                Err(error) => return Err(error),
            }
        }
        for (name, born) in turns.strands() {
            if before.since(name) != turns.since(name) {
                self.begin(StrandId { born, lane }, turns.since(name))?;
            }
        }
        if !turns.is_shared() {
            turns.first = None;
        } else {
            let latest = turns.strand(turns.latest()).map(|born| StrandId { born, lane });
            if latest != open {
                self.point(lane, pair, latest);
            }
        }
        self.write_turns(lane, &pair, &turns);
        Ok(touched)
    }

    /// Notes in a strand from when on its events are.
    fn begin(&mut self, strand: StrandId, since: Option<Order>) -> Result<(), RowError> {
        let page = self.pending.page_mut(strand)?;
        match since {
            Some(since) => page.put(Kind::Since, &[], &keys::order(since)),
            None => page.delete(Kind::Since, &[]),
        }
        self.routes.remove(&strand);
        Ok(())
    }

    /// All events of a strand, if one of them belongs to another turn; nothing has been written by then. The
    /// strands that will take some over are read as well, since all of it is folded anew.
    fn misplaced(
        &self,
        strand: StrandId,
        name: Name,
        turns: &Turns,
    ) -> Result<Option<Vec<Told>>, RowError> {
        let page = self.pending.existing(strand)?;
        let rows = self.events_of(&page)?;
        let turn = |(at, head, _): &TimelineRow| turns.at(Order { time: at.time, tie: head.tie });
        let targets: BTreeSet<Name> = rows.iter().map(turn).filter(|turn| *turn != name).collect();
        if targets.is_empty() {
            return Ok(None);
        }
        let mut count = rows.len();
        for born in targets.iter().filter_map(|name| turns.strand(*name)) {
            let page = self.pending.existing(StrandId { born, lane: strand.lane })?;
            let rows = self.events_of(&page)?;
            count = count.max(rows.len());
            if count <= DIVIDED_EVENTS_MAX {
                self.read_all(&page, rows)?;
            }
        }
        if count > DIVIDED_EVENTS_MAX {
            tracing::warn!(events = count, "a shared device's strand is too long and stays whole");
            return Ok(None);
        }
        self.read_all(&page, rows).map(Some)
    }

    fn events_of(&self, page: &Page) -> Result<Vec<TimelineRow>, RowError> {
        let mut rows = Vec::new();
        let mut take = |name: &[u8], row: &[u8]| {
            let at = keys::parse_event(name).ok_or(Unreadable("event"))?;
            rows.push((at, EventHead::parse(row)?, row.to_vec()));
            Ok(())
        };
        page.chunks(&self.ground.above, &mut take)?;
        page.of_kind(Kind::Event).try_for_each(|(name, row)| take(name, row))?;
        Ok(rows)
    }

    fn read_all(&self, page: &Page, rows: Vec<TimelineRow>) -> Result<Vec<Told>, RowError> {
        let (pending, keys) = (&self.pending, self.ground.keys);
        let told = |(at, head, row): TimelineRow| {
            let event = body::read(pending, keys, page.key(), at.seq, at.time)?;
            Ok(Told { at, row, head, event })
        };
        rows.into_iter().map(told).collect()
    }

    /// Moves events of a strand to the strands of the turns that they belong to.
    fn divide(
        &mut self,
        address: &Address,
        turns: &mut Turns,
        (name, strand): (Name, StrandId),
        told: Vec<Told>,
    ) -> Result<BTreeSet<StrandId>, RowError> {
        let from = self.pending.existing(strand)?;
        let mut by_turn: BTreeMap<Name, Vec<Told>> = BTreeMap::new();
        for told in told {
            by_turn.entry(turns.at(told.order())).or_default().push(told);
        }
        let stays = by_turn.remove(&name).unwrap_or_default();
        let mut touched = BTreeSet::from([strand]);
        for (name, moved) in &by_turn {
            let to = match turns.strand(*name) {
                Some(born) => StrandId { born, lane: address.lane },
                None => self.open(address, turns.since(*name))?.strand,
            };
            turns.open(*name, to.born);
            self.take_over(&from, to, (*name, turns), moved)?;
            touched.insert(to);
        }
        let moved: Vec<&Told> = by_turn.values().flatten().collect();
        self.let_go(&from, (name, turns), &stays, &moved)?;
        for &strand in &touched {
            self.routes.remove(&strand);
            let head = self.pending.existing(strand)?.meta().head;
            self.update(head).is_rejoined = true;
        }
        Ok(touched)
    }

    /// Writes moved events under another strand, and what follows from them.
    fn take_over(
        &mut self,
        from: &Page,
        to: StrandId,
        (name, turns): (Name, &Turns),
        moved: &[Told],
    ) -> Result<(), RowError> {
        let keys = self.ground.keys;
        let key = Arc::clone(self.pending.existing(to)?.key());
        for told in moved {
            PackedEvent::of(&told.event)?.write_body(&mut self.pending, keys, &key, told.at.seq)?;
            self.pending.page_mut(to)?.put(Kind::Event, &told.name(), &told.row);
            self.relocate(told.at.seq, to);
        }
        refold::strand(self, to, &|_| true)?;
        let is_of_turn = |order| turns.at(order) == name;
        self.say_again(to, from, &is_of_turn, moved)?;
        self.see_again(to, from, &is_of_turn, moved)?;
        for told in moved.iter().filter(|told| told.head.counts) {
            self.visit_again(to, told)?;
            self.state_account(to, &told.event, (told.order(), told.head.purposes))?;
        }
        for (link, hash) in self.links_of(to, moved) {
            self.write_moved_link(&hash, link)?;
        }
        let page = self.pending.page_mut(to)?;
        for (row, value) in from.of_kind(Kind::Win) {
            if is_of_turn(won_at(row)?) {
                page.put(Kind::Win, row, value);
            }
        }
        // What was drawn for a visitor stays with both, and so does what an operator or the person asked for.
        for kind in [Kind::Assignment, Kind::Standing, Kind::Act] {
            for (row, value) in from.of_kind(kind) {
                if page.get(kind, row).is_none() {
                    page.put(kind, row, value);
                }
            }
        }
        for (row, _) in from.of_kind(Kind::Act) {
            let (act, _) = keys::parse_act_mark(row).ok_or(Unreadable("act"))?;
            let (lane, hash) = keys::act_holders(act);
            route::hold(&mut self.pending, lane, &hash, to)?;
        }
        let orders: BTreeSet<Order> = moved.iter().map(Told::order).collect();
        self.redirect(from.strand(), to, &orders)
    }

    /// Removes moved events from their strand, and what followed from them.
    fn let_go(
        &mut self,
        from: &Page,
        (name, turns): (Name, &Turns),
        stays: &[Told],
        moved: &[&Told],
    ) -> Result<(), RowError> {
        let strand = from.strand();
        let above = self.ground.above;
        let is_of_turn = |order| turns.at(order) == name;
        let orders: BTreeSet<Order> = moved.iter().map(|told| told.order()).collect();
        let page = self.pending.page_mut(strand)?;
        page.remove_events(&above, &moved.iter().map(|told| told.name()).collect())?;
        page.delete_all(Kind::Consent);
        page.delete_all(Kind::Country);
        for (row, _) in from.of_kind(Kind::Win) {
            if !is_of_turn(won_at(row)?) {
                page.delete(Kind::Win, row);
            }
        }
        refold::strand(self, strand, &|order| !orders.contains(&order))?;
        self.say_again(strand, from, &is_of_turn, stays)?;
        self.see_again(strand, from, &is_of_turn, stays)?;
        self.drop_accounts(from)?;
        for told in stays.iter().filter(|told| told.head.counts) {
            self.state_account(strand, &told.event, (told.order(), told.head.purposes))?;
        }
        self.shorten_visits(from, stays, moved)?;
        // Who refused everything has no links, and is found by the device's name all the same.
        let has_word = self.pending.existing(strand)?.of_kind(Kind::Consent).next().is_some();
        let held: BTreeMap<Hash16, Link> =
            self.links_of(strand, stays).into_iter().map(|(link, hash)| (hash, link)).collect();
        for seen in join::links_of(from)? {
            match held.get(&seen.hash) {
                Some(told) => {
                    let mut link = told.clone();
                    if is_of_turn(seen.link.order) {
                        link.order = link.order.min(seen.link.order);
                    }
                    join::write_link(&mut self.pending, &seen.hash, &link, seen.refused)?;
                }
                // A question about somebody leaves a link without an event.
                None if is_of_turn(seen.link.order) && !orders.contains(&seen.link.order) => {}
                None => {
                    let lane = route::holder_lane(&seen.link.identifier);
                    if !has_word {
                        route::release(&mut self.pending, lane, &seen.hash, strand)?;
                    }
                    self.pending.page_mut(strand)?.delete(Kind::Link, &seen.hash);
                    self.identifiers.push(seen.hash);
                }
            }
        }
        let page = self.pending.page_mut(strand)?;
        if page.of_kind(Kind::Link).next().is_none() {
            // Nobody, until an event comes to it again.
            let meta = page.meta();
            page.set_meta(crate::record::MetaHead { head: strand, ..meta });
            let StrandId { lane, born } = strand;
            self.log(LogEntry::Head { lane, born, head: strand });
            self.update(meta.head).is_rejoined = true;
            update::forget(self, strand)?;
        }
        Ok(())
    }

    /// Writes what was said about consent within a turn: by events, and by those of which nothing else was kept.
    fn say_again(
        &mut self,
        to: StrandId,
        from: &Page,
        is_of_turn: &dyn Fn(Order) -> bool,
        told: &[Told],
    ) -> Result<(), RowError> {
        let mut said: BTreeMap<Order, StoredConsent> = BTreeMap::new();
        for told in told.iter().filter(|told| !told.event.consents.is_empty()) {
            let Event { consents, source, .. } = &told.event;
            let identified = self.is_identified(&told.event);
            let statement =
                StoredConsent::V1 { consents: *consents, identified, source: source.clone() };
            said.insert(told.order(), statement);
        }
        for (row, value) in from.of_kind(Kind::Consent) {
            let order = keys::parse_order(row).ok_or(Unreadable("consent"))?;
            if is_of_turn(order) {
                said.insert(order, decode(value, "consent")?);
            }
        }
        let page = self.pending.page_mut(to)?;
        for (order, said) in &said {
            consent::write(page, *order, said)?;
        }
        Ok(())
    }

    /// Writes where somebody was seen last within a turn.
    fn see_again(
        &mut self,
        to: StrandId,
        from: &Page,
        is_of_turn: &dyn Fn(Order) -> bool,
        told: &[Told],
    ) -> Result<(), RowError> {
        let known = load::country(from)?.filter(|seen| is_of_turn(seen.order));
        let told = told.iter().filter_map(|told| {
            Some(SeenIn { order: told.order(), country: self.country(&told.event)? })
        });
        let own = load::country(&*self.pending.existing(to)?)?;
        let Some(SeenIn { order, country }) = told.chain(known).chain(own).max() else {
            return Ok(());
        };
        let record = StoredCountry::V1 { letters: country.letters(), order };
        self.pending.page_mut(to)?.put(Kind::Country, &[], &encode(&record));
        Ok(())
    }

    fn visit_again(&mut self, to: StrandId, told: &Told) -> Result<(), RowError> {
        match visits::of(&told.event, told.order()) {
            Some(visit) => {
                let visit = profile::Visit { purposes: told.head.purposes, ..visit };
                visits::write(self.pending.page_mut(to)?, visit)
            }
            None => Ok(()),
        }
    }

    /// Takes moved events out of the visits of their strand.
    fn shorten_visits(
        &mut self,
        from: &Page,
        stays: &[Told],
        moved: &[&Told],
    ) -> Result<(), RowError> {
        let Some(first) = moved.iter().map(|told| told.at.time).min() else { return Ok(()) };
        let mut redone = None;
        let page = self.pending.page_mut(from.strand())?;
        for (row, value) in from.of_kind(Kind::Visit) {
            let visit = visits::read_one(row, value)?;
            if first <= visit.last {
                page.delete(Kind::Visit, row);
                redone = redone.min(Some(visit.start)).or(Some(visit.start));
            }
        }
        let is_redone = |told: &&Told| redone.is_some_and(|from| from <= told.order());
        for told in stays.iter().filter(|told| told.head.counts).filter(is_redone) {
            self.visit_again(from.strand(), told)?;
        }
        Ok(())
    }

    /// What events that count show of a strand's identifiers.
    fn links_of(&self, strand: StrandId, told: &[Told]) -> Vec<(Link, Hash16)> {
        let mut links: BTreeMap<Identifier, Link> = BTreeMap::new();
        for told in told.iter().filter(|told| told.head.counts) {
            let is_trusted = self.is_trusted(&told.event);
            let (order, last) = (told.order(), told.at.time);
            for identifier in told.event.identifiers.iter().map(Identifier::normalised) {
                if self.ground.rules.blocked(&identifier) {
                    continue;
                }
                let trusted = is_trusted || !identifier.kind.is_claim();
                let link =
                    Link { strand, identifier: identifier.clone(), order, last, count: 1, trusted };
                links.entry(identifier).and_modify(|known| known.absorb(&link)).or_insert(link);
            }
        }
        let hash = |link: Link| (self.ground.keys.identifier(&link.identifier), link);
        links.into_values().map(hash).map(|(hash, link)| (link, hash)).collect()
    }

    /// Adds what moved events show of an identifier to what their new strand knows of it.
    fn write_moved_link(&mut self, hash: &Hash16, mut link: Link) -> Result<(), RowError> {
        let page = self.pending.existing(link.strand)?;
        let known = join::links_of(&page)?.into_iter().find(|known| known.hash == *hash);
        let refused = known.and_then(|known| {
            link.absorb(&known.link);
            known.refused
        });
        self.identifiers.push(*hash);
        join::write_link(&mut self.pending, hash, &link, refused)?;
        Ok(())
    }

    /// Has the log say where a moved event lies.
    fn relocate(&mut self, seq: Seq, to: StrandId) {
        let first = self.next_seq.0 - self.entries.len() as u64;
        let place = seq.0.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        match place.and_then(|at| self.entries.get_mut(at)) {
            Some(LogEntry::Event { born, .. }) => *born = to.born,
            Some(_) => {}
            None => {
                self.relocated.insert(seq, to);
            }
        }
    }

    /// Tells what the batch has still to say of moved events to whom they belong now.
    fn redirect(
        &mut self,
        from: StrandId,
        to: StrandId,
        moved: &BTreeSet<Order>,
    ) -> Result<(), RowError> {
        let mut redirected = Vec::new();
        for update in self.updates.values_mut() {
            let is_moved =
                |news: &mut super::News| news.strand == from && moved.contains(&news.order);
            redirected.extend(update.news.extract_if(.., is_moved));
        }
        for news in &mut redirected {
            news.strand = to;
        }
        let head = self.pending.existing(to)?.meta().head;
        self.update(head).news.extend(redirected);
        Ok(())
    }
}

/// When an experience was won, by the name of the row; a win has no tie.
fn won_at(row: &[u8]) -> Result<Order, RowError> {
    let (_, time) = row.split_last_chunk::<8>().ok_or(Unreadable("win"))?;
    let time = keys::parse_ordered(time).ok_or(Unreadable("win"))?;
    Ok(Order { time, tie: 0 })
}
