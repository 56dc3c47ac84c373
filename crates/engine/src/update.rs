//! Second pass of the fold: one person, everything that happened to them in the batch.

use std::{borrow::Cow, cmp::Ordering, sync::Arc};

use audience::{Change, Entry, Memberships, Touched, Transition};
use model::{StrandId, Timestamp, Value};
use profile::{Observation, Observed, Origin, TraitRules, Traits};
use store::Table;

use crate::{
    facts::Views,
    fold::{Fold, Ground, News, Recorded, Update},
    keys::{self, Kind},
    load::{self, Loader, Person},
    page::Pages,
    record::{LogEntry, StoredState, decode, encode},
    refold,
    sealed::RowError,
    visits,
};

/// Brings one person up to date.
pub(crate) fn person(fold: &mut Fold<'_>, head: StrandId, update: &Update) -> Result<(), RowError> {
    let mut touched = touched(fold, update);
    let is_visiting = update.news.iter().any(|news| news.visit.is_some());
    let needs_person = update.is_rejoined
        || update.is_due
        || update.is_stale
        || is_visiting
        || update.news.iter().any(|news| news.belonging.is_some())
        || !touched.is_empty();
    let has_facts =
        |n: &News| !n.traits.is_empty() || !n.consents.is_empty() || n.country.is_some();
    let ground = fold.ground;
    let cached = if update.is_rejoined {
        None
    } else {
        let current = |p: &Arc<Person>| p.epoch == ground.snapshot.epoch();
        ground.person(&head).filter(current)
    };
    if cached.is_none() && !needs_person && !update.news.iter().any(has_facts) {
        // Nothing to decide about, and nobody holds a copy that would grow stale.
        fold.stale.push(head);
        return Ok(());
    }
    let is_cold = cached.is_none();
    let before = match cached {
        Some(cached) => cached,
        None => Arc::new(cold(fold, head, update)?),
    };
    let mut person = (*before).clone();
    let mut visits_matter = is_cold && is_visiting;
    for news in &update.news {
        visits_matter |= observe(&mut person, &ground, news, is_cold);
        write_traits(fold, &person, news)?;
    }
    if person.profile.records().seen.is_none() {
        // Only events came that do not count: this is nobody yet.
        fold.stale.push(head);
        return Ok(());
    }
    if visits_matter {
        let change = Change::Timeline { name_hash: visits::name_hash() };
        ground.snapshot.audiences.touch(&mut touched, &change);
    }
    if !is_cold {
        update.recorded.iter().for_each(|recorded| remember(&mut person, recorded));
    }
    evaluate(fold, &mut person, head, update, &touched)?;
    fold.count_in_accounts(head, &mut person)?;
    if update.is_rejoined {
        // What was read of those who were somebody else until now must be written again under this head.
        let page = fold.pending.page_mut(head)?;
        page.delete_all(Kind::Membership);
        page.delete_all(Kind::Shadow);
        write_memberships(fold, head, &Memberships::default(), &person.memberships)?;
    } else {
        write_memberships(fold, head, &before.memberships, &person.memberships)?;
    }
    write_state(fold, head, &before, &mut person)?;
    fold.people.push(Arc::new(person));
    Ok(())
}

/// Reads a person from the pages of their strands, whose traits are folded anew if policies have changed.
fn cold(fold: &mut Fold<'_>, head: StrandId, update: &Update) -> Result<Person, RowError> {
    let snapshot = fold.ground.snapshot;
    let read = |fold: &Fold<'_>| Loader { pages: &fold.pending, snapshot }.person(head);
    let person = read(fold)?;
    let has_policies = snapshot.traits.epoch() != 0;
    let may_be_older = has_policies || person.memberships.is_outdated(&snapshot.audiences);
    let is_new = update.is_born && !update.is_rejoined;
    let is_refolded = may_be_older && !is_new && refold::person(fold, head)?;
    if is_refolded { read(fold) } else { Ok(person) }
}

/// The audiences that the news can matter to.
fn touched(fold: &Fold<'_>, update: &Update) -> Touched {
    let catalog = &fold.ground.snapshot.audiences;
    let mut touched = Touched::default();
    if update.is_rejoined || update.is_stale {
        catalog.touch(&mut touched, &Change::Everything);
        return touched;
    }
    let belongs = update.news.iter().any(|news| news.belonging.is_some());
    if update.has_other_accounts || belongs {
        catalog.touch(&mut touched, &Change::Accounts);
    }
    if update.lacks_shadows {
        catalog.touch(&mut touched, &Change::Shadows);
    }
    for news in &update.news {
        if let Some((name, row)) = &news.row {
            let (row, paths) = (row.as_row(), fold.ground.snapshot.projection.paths(name.hash));
            catalog.touch(&mut touched, &Change::Event { name_hash: name.hash, row, paths });
        }
        for name in news.traits.keys() {
            catalog.touch(&mut touched, &Change::Trait(name));
        }
        let mut changed = news.consents.spoken();
        if news.country.is_some() {
            changed = changed.union(fold.ground.snapshot.policy.regional());
        }
        for purpose in changed.iter() {
            catalog.touch(&mut touched, &Change::Consent(purpose));
        }
    }
    touched
}

/// Takes in what an event says; whether it changed visits so that it can matter. A cold person was
/// read with the event's row already in it.
fn observe(person: &mut Person, ground: &Ground<'_>, news: &News, is_cold: bool) -> bool {
    let projection = &ground.snapshot.projection;
    let row = news.row.as_ref().filter(|_| !is_cold).and_then(|(name, row)| {
        let number = projection.number(name.hash)?;
        Some(Observed { layout: projection.layout(), number, row })
    });
    person.profile.observe(Observation {
        strand: news.strand,
        device: news.device,
        source: &news.source,
        order: news.order,
        identified: news.is_identified,
        consents: news.consents,
        country: news.country,
        purposes: news.purposes,
        traits: &news.traits,
        row,
    });
    // Whom the strand belongs to may have changed since; then the person was read with what is left.
    if let Some(belonging) = news.belonging.as_ref().filter(|_| !is_cold) {
        person.profile.belong(belonging.clone());
    }
    let Person { profile, visits, .. } = person;
    let visit = news.visit.as_ref().filter(|_| !is_cold);
    visit.is_some_and(|visit| visits::observe(visits, visit, projection, profile, ground.now))
}

/// Takes in what a recorded decision left behind. A cold person was read with its rows already there.
fn remember(person: &mut Person, recorded: &Recorded) {
    match recorded.clone() {
        Recorded::Assigned(experience, assignment) => person.profile.assign(experience, assignment),
        Recorded::Won(experience, at) => person.wins.entry(experience).or_default().push(at),
    }
}

/// Writes what is to be kept of the traits of an event, strand by strand.
///
/// Of a trait without a policy that is the newest of its strand. What another strand of the person
/// knows better is written all the same: after a split it may be all that is left.
fn write_traits(fold: &mut Fold<'_>, person: &Person, news: &News) -> Result<(), RowError> {
    let rules = &fold.ground.snapshot.traits;
    let known = &person.profile.records().traits;
    let mut own = Traits::default();
    let mut is_read = false;
    for (name, value) in &news.traits {
        if has_policy(rules, name) {
            keep(fold, news, (name, value))?;
            continue;
        }
        let newest = known.get(name).filter(|value| value.origin.order == news.order);
        let value = match newest {
            Some(value) => value,
            None => {
                if !std::mem::replace(&mut is_read, true) {
                    own = load::traits_of(&*fold.pending.existing(news.strand)?, rules)?;
                    own.observe(&news.traits, &news.source, news.order, news.purposes);
                }
                match own.get(name).filter(|value| value.origin.order == news.order) {
                    Some(value) => value,
                    None => continue,
                }
            }
        };
        let record = load::stored_trait(&name.as_str().into(), value);
        let page = fold.pending.page_mut(news.strand)?;
        page.put(Kind::Trait, &keys::trait_name(name), &encode(&record));
    }
    Ok(())
}

/// Whether something else than the newest value of a trait is kept.
fn has_policy(rules: &TraitRules, name: &str) -> bool {
    rules.get(name).is_some_and(|rule| !rule.is_plain())
}

/// Keeps of a value that came through a strand what the policy of its trait says.
fn keep(fold: &mut Fold<'_>, news: &News, value: (&str, &Value)) -> Result<(), RowError> {
    let News { order, purposes, .. } = *news;
    let origin = Origin { order, source: news.source.clone(), purposes };
    let rules = &fold.ground.snapshot.traits;
    refold::keep(fold.pending.page_mut(news.strand)?, rules, value, &origin)
}

/// Fires what is due, each at its instant, then evaluates what was touched.
fn evaluate(
    fold: &mut Fold<'_>,
    person: &mut Person,
    head: StrandId,
    update: &Update,
    touched: &Touched,
) -> Result<(), RowError> {
    let accounts = fold.accounts_around(&person.profile)?;
    let ground = fold.ground;
    let catalog = &ground.snapshot.audiences;
    let views =
        Views::of(&person.profile, &ground.snapshot.policy).among(&accounts, ground.snapshot);
    let due = person.memberships.next_due().filter(|due| *due <= ground.now);
    let mut transitions = Vec::new();
    if let Some(due) = due {
        transitions = person.memberships.advance(catalog, &views, ground.now);
        fold.log(LogEntry::Timer { lane: head.lane, born: head.born, due });
    }
    // Few are new, so few pay for a copy.
    let mut touched = Cow::Borrowed(touched);
    if update.is_born && !update.is_rejoined {
        let is_granted = |purpose| views.seen(purpose).is_some_and(|seen| seen.view.granted());
        for position in catalog.for_newborn(&is_granted).iter() {
            catalog.touch(touched.to_mut(), &Change::Audience(position));
        }
        person.memberships.begin(catalog);
    }
    if !touched.is_empty() || update.is_due || person.memberships.is_outdated(catalog) {
        transitions.extend(person.memberships.update(catalog, &views, &touched, ground.now));
    }
    fold.transitions += transitions.len();
    let StrandId { lane, born } = head;
    for Transition { audience, version, kind, at } in transitions {
        fold.log(LogEntry::Transition { lane, born, audience, version, kind, at });
    }
    Ok(())
}

/// Writes what memberships say that is new, those of shadows included.
fn write_memberships(
    fold: &mut Fold<'_>,
    head: StrandId,
    before: &Memberships,
    after: &Memberships,
) -> Result<(), RowError> {
    write_entries(fold, head, Kind::Membership, (before.entries(), after.entries()))?;
    write_entries(fold, head, Kind::Shadow, (before.shadows(), after.shadows()))
}

/// Writes the rows of entries that say something new: another answer, or one that stands for less
/// long than the stored one says.
fn write_entries(
    fold: &mut Fold<'_>,
    head: StrandId,
    kind: Kind,
    (before, after): (&[Entry], &[Entry]),
) -> Result<(), RowError> {
    let name = |entry: &Entry| entry.key().as_str().as_bytes().to_vec();
    let mut changes: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    // Both are sorted by audience, so that one walk over both finds every difference.
    let mut old = before.iter().peekable();
    for entry in after {
        let known = loop {
            match old.peek().map(|old| old.key().cmp(entry.key())) {
                Some(Ordering::Less) => changes.extend(old.next().map(|gone| (name(gone), None))),
                Some(Ordering::Equal) => break old.next(),
                Some(Ordering::Greater) | None => break None,
            }
        };
        if known.is_none_or(|known| says_less(known, entry)) {
            changes.push((name(entry), Some(encode(&load::stored_membership(entry)))));
        }
    }
    changes.extend(old.map(|gone| (name(gone), None)));
    if changes.is_empty() {
        return Ok(());
    }
    let page = fold.pending.page_mut(head)?;
    for (name, row) in changes {
        match row {
            Some(row) => page.put(kind, &name, &row),
            None => page.delete(kind, &name),
        }
    }
    Ok(())
}

/// Whether a stored `old` does not stand in for `new`. An older, earlier `valid_until` does: it
/// only makes the answer be looked at once more, and saves a write for every event that prolongs a
/// membership.
fn says_less(old: &Entry, new: &Entry) -> bool {
    let ends = |entry: &Entry| entry.valid_until().unwrap_or(Timestamp::MAX);
    let says = |entry: &Entry| (entry.version(), entry.truth(), entry.since());
    says(old) != says(new) || ends(new) < ends(old)
}

/// Keeps one timer on disk for a person: at the earliest due instant or before it.
fn write_state(
    fold: &mut Fold<'_>,
    head: StrandId,
    before: &Person,
    person: &mut Person,
) -> Result<(), RowError> {
    let due = person.memberships.next_due();
    let is_fired = before.due.is_some_and(|at| at <= fold.ground.now);
    let must_move = match (before.due, due) {
        (Some(stored), Some(due)) => is_fired || due < stored,
        (None, Some(_)) => true,
        (Some(_), None) => is_fired,
        (None, None) => false,
    };
    if must_move {
        if let Some(stored) = before.due {
            fold.pending.delete(Table::Timer, keys::timer(head, stored));
        }
        if let Some(due) = due {
            fold.pending.put(Table::Timer, keys::timer(head, due), Vec::new());
            fold.timers.push((due, head));
        }
        person.due = due;
    }
    if must_move || before.memberships.fingerprint() != person.memberships.fingerprint() {
        let state =
            StoredState::V1 { due: person.due, fingerprint: person.memberships.fingerprint() };
        fold.pending.page_mut(head)?.put(Kind::State, &[], &encode(&state));
    }
    Ok(())
}

/// Keeps what can be kept of what happened to somebody who does not read back: the traits of the events,
/// by the pages that they came through. Should the person ever read back, all their audiences are looked
/// at anew.
pub(crate) fn put_off(
    fold: &mut Fold<'_>,
    head: StrandId,
    update: &Update,
) -> Result<(), RowError> {
    let rules = &fold.ground.snapshot.traits;
    let mut puts = Vec::new();
    for news in update.news.iter().filter(|news| !news.traits.is_empty()) {
        // Its page was read in the first pass.
        let own = load::traits_of(&*fold.pending.existing(news.strand)?, rules);
        let Some(mut own) = readable(own)? else { continue };
        own.observe(&news.traits, &news.source, news.order, news.purposes);
        for (name, value) in &news.traits {
            if has_policy(rules, name) {
                readable(keep(fold, news, (name, value)))?;
                continue;
            }
            let newest = own.get(name).filter(|value| value.origin.order == news.order);
            let record = newest.map(|value| load::stored_trait(&name.as_str().into(), value));
            puts.extend(record.map(|record| (news.strand, keys::trait_name(name), record)));
        }
    }
    for (strand, name, record) in puts {
        fold.pending.page_mut(strand)?.put(Kind::Trait, &name, &encode(&record));
    }
    if let Some(page) = readable(fold.pending.page_mut(head))?
        && let Some(row) = page.get(Kind::State, &[])
        && let Ok(StoredState::V1 { due, .. }) = decode(row, "state")
    {
        page.put(Kind::State, &[], &encode(&StoredState::V1 { due, fingerprint: 0 }));
    }
    fold.stale.push(head);
    Ok(())
}

/// What was read, unless it does not read back.
fn readable<T>(read: Result<T, RowError>) -> Result<Option<T>, RowError> {
    match read {
        Err(RowError::Unreadable(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// Removes what lived with a head that is none any more.
pub(crate) fn forget(fold: &mut Fold<'_>, head: StrandId) -> Result<(), RowError> {
    let Some(page) = readable(fold.pending.page_mut(head))? else { return Ok(()) };
    let state = page.get(Kind::State, &[]).map(|row| decode(row, "state")).transpose()?;
    page.delete_all(Kind::Membership);
    page.delete_all(Kind::Shadow);
    page.delete_all(Kind::State);
    let has_counted = page.of_kind(Kind::Counted).next().is_some();
    if has_counted {
        fold.uncount(head)?;
    }
    if let Some(StoredState::V1 { due: Some(due), .. }) = state {
        fold.pending.delete(Table::Timer, keys::timer(head, due));
    }
    Ok(())
}
