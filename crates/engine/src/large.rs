//! People with more identifiers than most: listed and counted, so that somebody looks.
//!
//! Such a person goes on working. Above `REVIEWED_FROM` identifiers nobody who was there before is joined with
//! them without review, and at the bounds of `profile::identity` they stop growing.

use std::ops::ControlFlow;

use model::{ProfileId, StrandId, Value};
use serde_json::json;
use store::{KeyRange, Reader, ScanOrder, Table};

use crate::{
    definitions::Page,
    fold::Fold,
    join::Size,
    keys,
    record::{StoredLarge, Unreadable, decode, encode},
    sealed::RowError,
};

/// Most items of a page.
const MAX_PAGE: usize = 500;

/// How many large people there are, and how many of them are full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) large: u64,
    pub(crate) full: u64,
}

/// Reads the counts.
pub(crate) fn counts(reader: &dyn Reader) -> Result<Counts, RowError> {
    let Some(row) = reader.get(Table::Meta, &keys::LARGE_COUNT)? else {
        return Ok(Counts::default());
    };
    let word = |at: usize| row.get(at..at + 8)?.try_into().map(u64::from_be_bytes).ok();
    match (word(0), word(8)) {
        (Some(large), Some(full)) => Ok(Counts { large, full }),
        _ => Err(Unreadable("large profile").into()),
    }
}

fn read(reader: &dyn Reader, head: StrandId) -> Result<Option<StoredLarge>, RowError> {
    let row = reader.get(Table::Meta, &keys::large(head))?;
    Ok(row.map(|row| decode(&row, "large profile")).transpose()?)
}

/// Notes how large a person is now.
pub(crate) fn note(fold: &mut Fold<'_>, size: &Size) -> Result<(), RowError> {
    let Size { head, identifiers, strands, is_full } = *size;
    if !size.is_large() {
        return forget(fold, head);
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let known = read(&fold.pending, head)?;
    let since = known.map_or(fold.ground.now, |StoredLarge::V1 { since, .. }| since);
    let (identifiers, strands) = (count(identifiers), count(strands));
    write(fold, head, known, Some(StoredLarge::V1 { since, identifiers, strands, is_full }))
}

/// Takes a person off the list, who is no longer large or no longer there.
pub(crate) fn forget(fold: &mut Fold<'_>, head: StrandId) -> Result<(), RowError> {
    let known = read(&fold.pending, head)?;
    write(fold, head, known, None)
}

fn write(
    fold: &mut Fold<'_>,
    head: StrandId,
    before: Option<StoredLarge>,
    after: Option<StoredLarge>,
) -> Result<(), RowError> {
    if before == after {
        return Ok(());
    }
    match &after {
        Some(after) => fold.pending.put(Table::Meta, keys::large(head), encode(after)),
        None => fold.pending.delete(Table::Meta, keys::large(head)),
    }
    let is_full =
        |stored: Option<StoredLarge>| stored.is_some_and(|StoredLarge::V1 { is_full, .. }| is_full);
    let Counts { large, full } = counts(&fold.pending)?;
    let step =
        |count: u64, was: bool, is: bool| (count + u64::from(is)).saturating_sub(u64::from(was));
    let large = step(large, before.is_some(), after.is_some());
    let full = step(full, is_full(before), is_full(after));
    let row = [large.to_be_bytes(), full.to_be_bytes()].concat();
    fold.pending.put(Table::Meta, keys::LARGE_COUNT, row);
    Ok(())
}

/// Large people, in no particular order. A cursor is the id of the last of the page before.
pub(crate) fn page(
    reader: &dyn Reader,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Value>, RowError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let after = cursor.and_then(|cursor| cursor.parse().ok()).map(|ProfileId(head)| head);
    let from = match after {
        Some(head) => [keys::large(head), vec![0]].concat(),
        None => vec![keys::LARGE],
    };
    let range = KeyRange::new(&from, &[keys::LARGE + 1]).into_owned();
    let mut found = Vec::new();
    reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, row| {
        found.push((key.to_vec(), row.to_vec()));
        if found.len() <= limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let has_more = found.len() > limit;
    let mut items = Vec::new();
    let mut last = None;
    for (key, row) in found.iter().take(limit) {
        let head = key.get(1..).and_then(keys::parse_strand).ok_or(Unreadable("large profile"))?;
        let StoredLarge::V1 { since, identifiers, strands, is_full } =
            decode(row, "large profile")?;
        let id = ProfileId(head).to_string();
        items.push(json!({
            "profile": id,
            "since": since,
            "identifiers": identifiers,
            "strands": strands,
            "full": is_full,
        }));
        last = Some(id);
    }
    Ok(Page { items, next_cursor: last.filter(|_| has_more) })
}
