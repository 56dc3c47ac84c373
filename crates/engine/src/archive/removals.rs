//! What has to leave the lake, or lies under another strand there.
//!
//! A row that is removed is hidden from those who ask at once, and leaves its file when that is rewritten.
//!
//! | table | key | value |
//! |---|---|---|
//! | Meta | `49`, `02`, position u64 | [`StoredRemovals`], cut into rows: all that was to be removed before it |

use std::collections::{BTreeMap, BTreeSet};

use model::{
    DecisionId, Seq, StrandId, Timestamp,
    table::{Cell, Row},
};
use serde::{Deserialize, Serialize};

use super::{
    rows::{DECISIONS, EVENTS, EXPOSURES, strand_name},
    tables::{REQUEST, SEQ, STRAND},
};

/// What is to be removed or moved, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removals {
    /// All rows of these strands.
    pub(crate) strands: BTreeSet<StrandId>,
    /// Events, by their positions in the log.
    pub(crate) events: BTreeSet<Seq>,
    /// Decisions and exposures, by the request that they answered.
    pub(crate) requests: BTreeSet<DecisionId>,
    /// Events that lie under another strand now.
    pub(crate) moved: BTreeMap<Seq, StrandId>,
    /// The requests about privacy by which strands are removed.
    pub(crate) receipts: Vec<Seq>,
}

/// Removals, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredRemovals {
    V1 {
        /// When they were stored.
        at: Timestamp,
        removals: Removals,
    },
}

impl Removals {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How much there is of it.
    pub(crate) fn len(&self) -> usize {
        self.strands.len() + self.events.len() + self.requests.len() + self.moved.len()
    }

    /// Takes in what others say.
    pub(crate) fn add(&mut self, other: &Self) {
        self.strands.extend(&other.strands);
        self.events.extend(&other.events);
        self.requests.extend(&other.requests);
        self.moved.extend(&other.moved);
        self.receipts.extend(&other.receipts);
    }

    /// The same in the words of rows.
    pub(crate) fn named(&self) -> Named {
        let number = |seq: &Seq| i64::try_from(seq.0).unwrap_or(i64::MAX);
        Named {
            strands: self.strands.iter().map(|strand| strand_name(*strand)).collect(),
            events: self.events.iter().map(number).collect(),
            requests: self.requests.iter().map(ToString::to_string).collect(),
            moved: self.moved.iter().map(|(seq, to)| (number(seq), strand_name(*to))).collect(),
        }
    }
}

/// Removals in the words of rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) strands: BTreeSet<String>,
    pub(crate) events: BTreeSet<i64>,
    pub(crate) requests: BTreeSet<String>,
    pub(crate) moved: BTreeMap<i64, String>,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate<'a> {
    Stays,
    /// It lies under this strand now.
    Moved(&'a str),
    Goes,
}

impl Named {
    /// What becomes of a row of a table.
    pub(crate) fn judge(&self, table: usize, row: &[Cell<'_>]) -> Fate<'_> {
        let mut fate = Fate::Stays;
        let Some(Cell::Text(strand)) = row.get(STRAND) else { return fate };
        let mut strand: &str = strand;
        if let (EVENTS, Some(Cell::Integer(seq))) = (table, row.get(SEQ)) {
            if self.events.contains(seq) {
                return Fate::Goes;
            }
            if let Some(to) = self.moved.get(seq).filter(|to| to.as_str() != strand) {
                (strand, fate) = (to, Fate::Moved(to));
            }
        }
        if let (DECISIONS | EXPOSURES, Some(Cell::Text(request))) = (table, row.get(REQUEST))
            && self.requests.contains(&**request)
        {
            return Fate::Goes;
        }
        if self.strands.contains(strand) { Fate::Goes } else { fate }
    }

    /// Changes a row as it has to be; false where it has to go.
    pub(crate) fn amend(&self, table: usize, row: &mut Row) -> bool {
        match self.judge(table, row) {
            Fate::Goes => return false,
            Fate::Stays => {}
            Fate::Moved(to) => {
                if let Some(strand) = row.get_mut(STRAND) {
                    *strand = Cell::Text(to.to_owned().into());
                }
            }
        }
        true
    }

    /// Whether anything of this can be about a file of a table that holds these positions, when `has_strand` tells
    /// whether it has rows of a strand.
    pub(crate) fn concerns(
        &self,
        table: usize,
        (first, last): (i64, i64),
        has_strand: &dyn Fn(&str) -> bool,
    ) -> bool {
        let of_event = table == EVENTS
            && (self.events.range(first..=last).next().is_some()
                || self.moved.range(first..=last).next().is_some());
        let of_answer = matches!(table, DECISIONS | EXPOSURES) && !self.requests.is_empty();
        of_event || of_answer || self.strands.iter().any(|strand| has_strand(strand))
    }
}
