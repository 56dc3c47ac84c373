//! The rows of a table, wherever they are, part by part.

use std::{ops::ControlFlow, sync::Arc};

use model::{
    ProfileId, StrandId,
    table::{Part, Row, Table, Wanted},
};
use rustc_hash::FxHashSet;

use super::{Trial, TrialError};
use crate::archive::{Snapshot, tables};

/// A table: its rows are those of its files, and some that are in none yet.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The names of its files.
    pub files: Vec<String>,
    /// How many rows they have.
    pub rows: u64,
    /// The rows that are in no file yet, in any order.
    pub tail: Vec<Arc<Vec<Row>>>,
}

/// What is read.
#[derive(Debug)]
pub struct Sources {
    /// What happened.
    pub events: Source,
    /// For whom experiences won.
    pub exposures: Source,
    /// Whose the strands are.
    pub links: Source,
    pub(super) hidden: Hidden,
    /// Files stay where they are for as long as this is held.
    _lake: Option<Snapshot>,
}

/// Rows of files that are to be passed over until the files are rewritten.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    strands: FxHashSet<StrandId>,
    /// Events that lie under another strand by now, and that strand. Sorted.
    pub(super) moved: Vec<(i64, StrandId)>,
    events: Vec<i64>,
    requests: Vec<String>,
}

impl Hidden {
    /// Whether positions of events have to be looked at.
    pub(super) fn has_events(&self) -> bool {
        !(self.strands.is_empty() && self.moved.is_empty() && self.events.is_empty())
    }

    /// Whether requests have to be looked at.
    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    pub(super) fn strand(&self, strand: StrandId) -> bool {
        !self.strands.is_empty() && self.strands.contains(&strand)
    }

    pub(super) fn event(&self, strand: StrandId, seq: i64) -> bool {
        self.strand(strand) || !self.events.is_empty() && self.events.binary_search(&seq).is_ok()
    }

    /// The strand that an event lies under by now, where files have it under another.
    pub(super) fn moved(&self, seq: i64) -> Option<StrandId> {
        let place = self.moved.binary_search_by_key(&seq, |(moved, _)| *moved).ok()?;
        self.moved.get(place).map(|(_, to)| *to)
    }

    pub(super) fn request(&self, request: &str) -> bool {
        self.requests.binary_search_by(|hidden| hidden.as_str().cmp(request)).is_ok()
    }
}

impl Sources {
    /// Tables of which no row is hidden.
    pub fn of(events: Source, exposures: Source, links: Source) -> Self {
        Self { events, exposures, links, hidden: Hidden::default(), _lake: None }
    }
}

impl From<Snapshot> for Sources {
    fn from(lake: Snapshot) -> Self {
        let source = |table: &Table| {
            let found = lake.tables.iter().find(|known| known.table.name == table.name);
            found.map_or_else(Source::default, |found| Source {
                files: found.files.iter().map(|file| file.name.clone()).collect(),
                rows: found.files.iter().map(|file| file.rows).sum(),
                tail: found.tail.clone(),
            })
        };
        let strands = lake.hidden_strands.iter().filter_map(|strand| parse(strand));
        let hidden = Hidden {
            strands: strands.collect(),
            moved: lake
                .moved_events
                .iter()
                .filter_map(|(seq, to)| Some((*seq, parse(to)?)))
                .collect(),
            events: lake.hidden_events.clone(),
            requests: lake.hidden_requests.clone(),
        };
        Self {
            events: source(&tables::EVENTS),
            exposures: source(&tables::EXPOSURES),
            links: source(&tables::LINKS),
            hidden,
            _lake: Some(lake),
        }
    }
}

/// A strand as it is written.
pub(super) fn parse(text: &str) -> Option<StrandId> {
    text.parse().ok().map(|ProfileId(strand)| strand)
}

/// The order in which strands lie in files.
pub(super) fn place(strand: StrandId) -> (u16, u64) {
    (strand.lane.get(), strand.born.0)
}

/// What to do with a part, and whether it is of a file.
pub(super) type Visit<'a> = dyn FnMut(&Part, bool) + 'a;

impl Source {
    /// Visits what is wanted of all rows, for as long as somebody waits for it.
    pub(super) fn each(
        &self,
        trial: &Trial<'_>,
        table: &'static Table,
        wanted: &Wanted<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), TrialError> {
        for file in &self.files {
            let mut is_abandoned = (trial.is_abandoned)();
            if !is_abandoned {
                trial.archive.scan(table, file, wanted, &mut |part| {
                    is_abandoned = (trial.is_abandoned)();
                    if is_abandoned {
                        return ControlFlow::Break(());
                    }
                    visit(part, true);
                    ControlFlow::Continue(())
                })?;
            }
            if is_abandoned {
                return Err(TrialError::Abandoned);
            }
        }
        for rows in &self.tail {
            let part = Part::of(table, wanted, rows);
            if 0 < part.rows {
                visit(&part, false);
            }
        }
        Ok(())
    }
}
