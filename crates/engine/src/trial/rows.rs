//! From rows of the lake to events as a metric reads them.

use std::collections::{BTreeMap, BTreeSet};

use experiment::Metric;
use model::{
    LazyObject, PurposeSet, StrandId, Timestamp, Value,
    condition::{EventName, Layout, RowValues, visits},
    table::{Part, Values},
    value::Path,
};
use thiserror::Error;

use super::Rules;
use crate::archive;

/// What a metric reads that the lake has not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Visits.
    #[error("visits are no events of the lake; define the metric and wait for its sums")]
    Visits,
    /// A part of the context that has no column.
    #[error(
        "the lake has no column for `{0}`; filter by another value, or define the metric and wait for its sums"
    )]
    Context(String),
}

/// Columns that every event is read by, before others.
const FIRST: [&str; 4] = ["strand", "event_time", "counts", "purposes"];
const SEQ: &str = "seq";
const NAME: &str = "name";
/// The whole of an event's properties.
const PROPERTIES: &str = "properties";
/// Properties that have columns of their own.
const OWN: [&str; 3] = ["revenue", "value", "currency"];

/// What is read of events.
#[derive(Debug)]
pub(super) struct Reads {
    /// The names of events, and what of each is read.
    pub(super) layout: Layout,
    /// The columns of events, each once.
    pub(super) columns: Vec<&'static str>,
}

/// An event of which it is not known yet whether its values are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// Which row of the part it is.
    pub(super) row: usize,
    pub(super) strand: StrandId,
    /// Its position in the log, where that is asked.
    pub(super) seq: Option<i64>,
    /// The number of its name.
    pub(super) number: u32,
    /// When it happened.
    pub(super) time: Timestamp,
    /// All purposes, or none where it may not be read for that of the metric.
    pub(super) purposes: PurposeSet,
}

impl Reads {
    /// What a metric reads; of events, also their positions in the log where some rows are to be passed over.
    pub(super) fn of(metric: &Metric, has_seq: bool) -> Result<Self, Unfit> {
        let mut needed: BTreeMap<EventName, BTreeSet<Path>> = BTreeMap::new();
        for (name, paths) in metric.events() {
            if name.text == visits::STARTED {
                return Err(Unfit::Visits);
            }
            needed.entry(name.clone()).or_default().extend(paths);
        }
        let mut columns = FIRST.to_vec();
        columns.extend(has_seq.then_some(SEQ));
        // Rows of the only name that there is need not say it.
        columns.extend((1 < needed.len()).then_some(NAME));
        // Events of two names may be read by one part of the context.
        let mut more = BTreeSet::new();
        let mut is_whole = metric.has_filters();
        for path in needed.values().flatten() {
            match path.in_context() {
                Some(text) => {
                    let column = archive::context_column(text);
                    more.insert(column.ok_or_else(|| Unfit::Context(path.as_str().into()))?);
                }
                None => is_whole |= !OWN.contains(&path.as_str()),
            }
        }
        if is_whole {
            more.insert(PROPERTIES);
        } else {
            let is_read = |own: &str| needed.values().flatten().any(|path| path.as_str() == own);
            more.extend(OWN.iter().copied().filter(|own| is_read(own)));
        }
        columns.extend(more);
        Ok(Self { layout: Layout::new(needed), columns })
    }

    /// Whether events of a name are read.
    pub(super) fn is_read(&self, name: &str) -> bool {
        self.layout.names().any(|known| known.text == name)
    }

    /// Visits the events of a part that count.
    pub(super) fn each(&self, part: &Part, rules: &dyn Rules, visit: &mut dyn FnMut(Read)) {
        let [strands, times, counts, purposes, ..] = &part.columns[..] else { return };
        let (seqs, names) = (self.column(part, SEQ), self.column(part, NAME));
        let mut last_name: (Option<&str>, Option<u32>) = (None, Some(0));
        let mut last_list: (Option<&str>, bool) = (None, false);
        for row in (0..part.rows).filter(|row| counts.boolean(*row) == Some(true)) {
            let name = names.and_then(|names| names.text(row));
            if last_name.0 != name {
                last_name = (name, name.and_then(|name| self.number(name)));
            }
            let list = purposes.text(row);
            if last_list.0 != list {
                last_list = (list, list.is_some_and(|list| rules.purposes(list)));
            }
            let (Some(strand), Some(time)) = (strands.strand(row), times.integer(row)) else {
                continue;
            };
            let Some(number) = last_name.1 else { continue };
            visit(Read {
                row,
                strand,
                seq: seqs.and_then(|seqs| seqs.integer(row)),
                number,
                time: Timestamp(time),
                purposes: if last_list.1 { PurposeSet(u32::MAX) } else { PurposeSet::NONE },
            });
        }
    }

    fn column<'a>(&self, part: &'a Part, name: &str) -> Option<&'a Values> {
        let place = self.columns.iter().position(|column| *column == name)?;
        part.columns.get(place)
    }

    fn number(&self, name: &str) -> Option<u32> {
        let place = self.layout.names().position(|known| known.text == name)?;
        u32::try_from(place).ok()
    }

    /// What the metric reads of an event with the name of this number.
    pub(super) fn values(&self, number: u32, part: &Part, row: usize) -> RowValues {
        let paths = self.layout.paths(number);
        if paths.is_empty() {
            return RowValues::default();
        }
        let whole = self.column(part, PROPERTIES).and_then(|whole| whole.text(row));
        let whole = whole.and_then(|whole| LazyObject::parse(whole).ok());
        let column = |name: &str| {
            let values = self.column(part, name)?;
            let number = values.number(row).map(Value::from);
            number.or_else(|| values.text(row).map(Value::from))
        };
        let own = |path: &Path| match path.in_context() {
            Some(text) => archive::context_column(text).and_then(column),
            None if whole.is_none() => column(path.as_str()),
            None => None,
        };
        let own: Vec<Option<Value>> = paths.iter().map(own).collect();
        RowValues::pack(paths, |path| {
            let place = paths.iter().position(|known| known == path)?;
            let known = own.get(place)?.as_ref();
            known.or_else(|| whole.as_ref().and_then(|whole| whole.find(path)))
        })
    }
}
