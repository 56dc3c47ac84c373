//! From the rows of a file to its events, in an order that is the same at every run: this order is
//! what an import's watermark counts.
//!
//! A row that is an event of its own, and a group whose rows stand next to each other, make their
//! event where they end; groups whose rows stand anywhere make theirs at the end of the file, in
//! the order of their first rows.

use std::collections::{BTreeMap, HashMap};

use anyhow::bail;

use super::{
    event::{Draft, Reason},
    mapping::GroupRows,
    plan::{Plan, Rule},
    time::TimeReader,
};
use crate::rows::{Record, Row};

/// Most groups that are open at a time: about 1 GiB of memory at worst with the items below.
pub(super) const OPEN_GROUPS_MAX: usize = 500_000;
/// Most list items that open groups hold together.
pub(super) const OPEN_ITEMS_MAX: usize = 2_000_000;

/// An event as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// Its place in the order of the file's events.
    pub(super) row: u64,
    pub(super) json: String,
    /// How many rows it settles.
    pub(super) rows: u64,
}

/// Rows that made no event, by reason, with the first line of each.
pub(super) type Skipped = BTreeMap<Reason, (u64, u64)>;

/// Makes events of rows.
#[derive(Debug)]
pub(super) struct Maker<'a> {
    plan: &'a Plan,
    time: TimeReader,
    next_row: u64,
    /// Open groups by rule and value; the number orders them by their first rows.
    open: HashMap<(usize, String), (u64, Draft)>,
    /// For each rule whose groups stand together: the group that is open.
    consecutive: HashMap<usize, String>,
    opened: u64,
    open_items: usize,
    pub(super) rows_read: u64,
    pub(super) skipped: Skipped,
}

impl<'a> Maker<'a> {
    /// A maker at the beginning of a file.
    pub(super) fn new(plan: &'a Plan, time: TimeReader) -> Self {
        Self {
            plan,
            time,
            next_row: 0,
            open: HashMap::new(),
            consecutive: HashMap::new(),
            opened: 0,
            open_items: 0,
            rows_read: 0,
            skipped: Skipped::new(),
        }
    }

    /// Takes the row of `line`; what it completes is put into `made`.
    pub(super) fn take(
        &mut self,
        line: u64,
        row: &Row<'_>,
        made: &mut Vec<Made>,
    ) -> anyhow::Result<()> {
        self.rows_read += 1;
        let taken = match row {
            Row::NoObject => Err(Reason::NoObject),
            Row::Record(record) => self.take_record(record, made),
        };
        if let Err(reason) = taken {
            let (count, _) = self.skipped.entry(reason).or_insert((0, line));
            *count += 1;
        }
        if self.open.len() > OPEN_GROUPS_MAX || self.open_items > OPEN_ITEMS_MAX {
            bail!(
                "the groups of this file do not fit into memory (more than {OPEN_GROUPS_MAX} groups or \
                 {OPEN_ITEMS_MAX} list items): sort the file by the group's column and write \
                 group.rows = \"consecutive\", lower the limit of items, or split the file"
            );
        }
        Ok(())
    }

    /// Ends the file: every group that is still open makes its event.
    pub(super) fn finish(&mut self, made: &mut Vec<Made>) {
        let mut rest: Vec<_> = self.open.drain().collect();
        rest.sort_by_key(|(_, (opened, _))| *opened);
        self.consecutive.clear();
        for ((rule, _), (_, draft)) in rest {
            self.emit(rule, draft, made);
        }
        self.open_items = 0;
    }

    fn take_record(&mut self, record: &Record<'_>, made: &mut Vec<Made>) -> Result<(), Reason> {
        let plan = self.plan;
        let skip = plan.skips.iter().position(|(when, _)| when.holds(record, plan.numbers));
        if let Some(place) = skip {
            return Err(Reason::Skip(place));
        }
        let (place, rule) = plan
            .rules
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.when.iter().all(|when| when.holds(record, plan.numbers)))
            .ok_or(Reason::NoEvent)?;
        match rule.group {
            None => {
                let mut draft = self.draft(rule, record)?;
                draft.add(rule, plan, record)?;
                self.emit(place, draft, made);
                Ok(())
            }
            Some((column, rows)) => {
                let value = record.text(column).ok_or(Reason::Empty(column))?.into_owned();
                if rows == GroupRows::Consecutive {
                    self.close_other_group(place, &value, made);
                }
                self.add_to_group(place, rule, value, record)
            }
        }
    }

    fn draft(&mut self, rule: &Rule, record: &Record<'_>) -> Result<Draft, Reason> {
        let text = record.text(self.plan.time).ok_or(Reason::NoTime)?;
        let time = self.time.read(&text).ok_or(Reason::NoTime)?;
        Draft::new(rule, self.plan, record, time)
    }

    fn add_to_group(
        &mut self,
        place: usize,
        rule: &Rule,
        value: String,
        record: &Record<'_>,
    ) -> Result<(), Reason> {
        let key = (place, value);
        if let Some((_, draft)) = self.open.get_mut(&key) {
            self.open_items += draft.add(rule, self.plan, record)?;
            return Ok(());
        }
        let mut draft = self.draft(rule, record)?;
        self.open_items += draft.add(rule, self.plan, record)?;
        self.opened += 1;
        self.open.insert(key, (self.opened, draft));
        Ok(())
    }

    /// Where groups stand together, another value ends the one that was open.
    fn close_other_group(&mut self, place: usize, value: &str, made: &mut Vec<Made>) {
        let before = self.consecutive.insert(place, value.to_owned());
        let Some(before) = before.filter(|before| before != value) else { return };
        if let Some((_, draft)) = self.open.remove(&(place, before)) {
            self.open_items = self.open_items.saturating_sub(draft.items());
            self.emit(place, draft, made);
        }
    }

    fn emit(&mut self, place: usize, draft: Draft, made: &mut Vec<Made>) {
        let Some(rule) = self.plan.rules.get(place) else { return };
        let rows = draft.rows;
        made.push(Made { row: self.next_row, json: draft.into_json(rule, self.next_row), rows });
        self.next_row += 1;
    }
}

#[cfg(test)]
mod tests;
