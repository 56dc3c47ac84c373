//! Traits of a strand: the rows of what policies keep of its events, and folding them anew when policies change.
//!
//! Each strand's rows hold what the policies keep of that strand's events: one row for most, and for a
//! union or a sum one for each value it is made of. A person's traits are the rows of all strands,
//! folded together. A row without a name marks how a strand's rows were folded; without it, of every trait the
//! newest value was kept.

use std::sync::Arc;

use compact_str::CompactString;
use model::{PurposeSet, StrandId, Value, event::Order, value::Object};
use profile::{Origin, TraitRules, TraitValue, Traits};

use crate::{
    body,
    fold::Fold,
    keys::{self, Kind},
    load,
    page::{Page, Pages as _},
    record::{EventHead, Unreadable, encode},
    sealed::RowError,
};

/// The name of the row that marks how traits were folded.
const MARK: &[u8] = &[];

/// Marks the rows of a new strand, where they are folded by policies.
pub(crate) fn mark(page: &mut Page, rules: &TraitRules) {
    if rules.epoch() != 0 {
        page.put(Kind::Trait, MARK, &rules.epoch().to_be_bytes());
    }
}

/// Keeps one value of a trait that has a policy among the rows of its strand.
pub(crate) fn keep(
    page: &mut Page,
    rules: &Arc<TraitRules>,
    (name, value): (&str, &Value),
    origin: &Origin,
) -> Result<(), RowError> {
    let mut traits = Traits::folded_by(rules);
    let mut before: Vec<Vec<u8>> = Vec::new();
    let prefix = keys::trait_name(name);
    for (row_name, row) in page.of_kind(Kind::Trait).filter(|(row, _)| row.starts_with(&prefix)) {
        let (known, value) = load::trait_row(row)?;
        if known == name {
            traits.take(known, value);
            before.push(row_name.to_vec());
        }
    }
    let said: Object = [(name.to_owned(), value.clone())].into_iter().collect();
    traits.observe(&said, &origin.source, origin.order, origin.purposes);
    let after: Vec<(Vec<u8>, Vec<u8>)> = rows_of(&traits, rules, name).collect();
    for gone in before.iter().filter(|gone| !after.iter().any(|(kept, _)| kept == *gone)) {
        page.delete(Kind::Trait, gone);
    }
    for (row_name, row) in &after {
        page.put(Kind::Trait, row_name, row);
    }
    Ok(())
}

/// The rows of what is kept of a trait.
fn rows_of<'a>(
    traits: &'a Traits,
    rules: &'a TraitRules,
    name: &'a str,
) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + 'a {
    let has_parts = rules.get(name).is_some_and(|rule| rule.merge.keeps_parts());
    traits.kept(name).map(move |value| {
        let mut row_name = keys::trait_name(name).to_vec();
        if has_parts {
            row_name.extend(part_name(value));
        }
        (row_name, encode(&load::stored_trait(&name.into(), value)))
    })
}

/// What tells the row of one part of a trait from those of the others.
fn part_name(value: &TraitValue) -> [u8; 8] {
    let order = value.origin.order;
    let text = format!("{}.{}.{}", order.time.0, order.tie, value.value);
    model::hash::event_name(&text).to_be_bytes()
}

/// Folds the traits of a person anew from all their events, strand by strand, where they were folded by other
/// policies than those that hold; whether any were.
pub(crate) fn person(fold: &mut Fold<'_>, head: StrandId) -> Result<bool, RowError> {
    let rules = &fold.ground.snapshot.traits;
    let mut has_changed = false;
    for of_person in load::component_strands(&fold.pending, head)? {
        let page = fold.pending.existing(of_person)?;
        let marked = page.get(Kind::Trait, MARK).and_then(|row| row.try_into().ok());
        if marked.map_or(0, u64::from_be_bytes) != rules.epoch() {
            strand(fold, of_person, &|_| true)?;
            has_changed = true;
        }
    }
    Ok(has_changed)
}

/// Folds the traits of a strand anew from its events. What is no longer told by an event stays as it was, where
/// `stays` says so of the place in the order of events that it came from.
pub(crate) fn strand(
    fold: &mut Fold<'_>,
    strand: StrandId,
    stays: &dyn Fn(Order) -> bool,
) -> Result<(), RowError> {
    let rules = &fold.ground.snapshot.traits;
    let page = fold.pending.existing(strand)?;
    let mut traits = of_events(fold, &page)?;
    for (name, value) in untold(&page, &traits)? {
        if stays(value.origin.order) {
            traits.take(name, value);
        }
    }
    let page = fold.pending.page_mut(strand)?;
    page.delete_all(Kind::Trait);
    for (name, _) in traits.iter() {
        for (row_name, row) in rows_of(&traits, rules, name) {
            page.put(Kind::Trait, &row_name, &row);
        }
    }
    mark(page, rules);
    Ok(())
}

/// The rows of traits of which no event of a strand says anything.
fn untold(page: &Page, traits: &Traits) -> Result<Vec<(CompactString, TraitValue)>, RowError> {
    let mut rows = Vec::new();
    for (_, row) in page.of_kind(Kind::Trait).filter(|(name, _)| *name != MARK) {
        let (name, value) = load::trait_row(row)?;
        if traits.get(&name).is_none() {
            rows.push((name, value));
        }
    }
    Ok(rows)
}

/// What the events of a strand say about traits; those that count for nothing say nothing.
fn of_events(fold: &Fold<'_>, page: &Page) -> Result<Traits, RowError> {
    let (pending, keys) = (&fold.pending, fold.ground.keys);
    let mut traits = Traits::folded_by(&fold.ground.snapshot.traits);
    let mut events: Vec<(keys::EventKey, PurposeSet)> = Vec::new();
    let mut take = |name: &[u8], row: &[u8]| {
        let at = keys::parse_event(name).ok_or(Unreadable("event"))?;
        let EventHead { counts, purposes, .. } = EventHead::parse(row)?;
        if counts {
            events.push((at, purposes));
        }
        Ok(())
    };
    page.chunks(pending.reader(), &mut take)?;
    page.of_kind(Kind::Event).try_for_each(|(name, row)| take(name, row))?;
    for (at, purposes) in events {
        let event = body::read(pending.reader(), keys, page.key(), at.seq, at.time)?;
        if !event.traits.is_empty() {
            traits.observe(&event.traits, &event.source, event.order(), purposes);
        }
    }
    Ok(traits)
}
