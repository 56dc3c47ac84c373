//! Who has several strands.

use std::ops::Range;

use model::{StrandId, table::Wanted};
use rustc_hash::FxHashMap;

use super::{Trial, TrialError, source::place};
use crate::archive::tables;

/// The strands of some lanes that belong to another strand's person, with the head of that person.
pub(super) fn moved(
    trial: &Trial<'_>,
    lanes: Range<u16>,
) -> Result<Vec<(StrandId, StrandId)>, TrialError> {
    let wanted = Wanted { columns: &["strand", "seq", "profile"], lanes, only: None };
    let mut said: Vec<((u16, u64), i64, StrandId, StrandId)> = Vec::new();
    let hidden = &trial.sources.hidden;
    trial.sources.links.each(trial, &tables::LINKS, &wanted, &mut |part, is_file| {
        let [strands, seqs, profiles] = &part.columns[..] else { return };
        for row in 0..part.rows {
            let (strand, head) = (strands.strand(row), profiles.strand(row));
            let (Some(strand), Some(head)) = (strand, head) else { continue };
            let Some(seq) = seqs.integer(row) else { continue };
            // Whoever is new is their own, so what says so tells nothing, and is nearly all there is.
            let is_birth = strand == head && u64::try_from(seq) == Ok(strand.born.0);
            if !(is_birth || is_file && hidden.strand(strand)) {
                said.push((place(strand), seq, strand, head));
            }
        }
    })?;
    said.sort_unstable_by_key(|(place, seq, ..)| (*place, *seq));
    let last = said.chunk_by(|a, b| a.0 == b.0).filter_map(<[_]>::last);
    let moved = last.filter(|(_, _, strand, head)| strand != head);
    Ok(moved.map(|(_, _, strand, head)| (*strand, *head)).collect())
}

/// The people of several strands.
#[derive(Debug, Default)]
pub(super) struct People {
    /// Their strands in the order of files, each with the number of its person.
    strands: Vec<(StrandId, usize)>,
}

impl People {
    /// From the strands of each block that belong to others, and those under which events lie that files have
    /// elsewhere: whatever their number of strands, these people are put together at the end as well.
    pub(super) fn of(
        links: Vec<Vec<(StrandId, StrandId)>>,
        elsewhere: impl Iterator<Item = StrandId>,
    ) -> Self {
        let mut numbers: FxHashMap<StrandId, usize> = FxHashMap::default();
        let mut strands: FxHashMap<StrandId, usize> = FxHashMap::default();
        for (strand, head) in links.into_iter().flatten() {
            let next = numbers.len();
            let number = *numbers.entry(head).or_insert(next);
            strands.insert(strand, number);
        }
        let mut next = numbers.len();
        strands.extend(numbers);
        for strand in elsewhere {
            strands.entry(strand).or_insert_with(|| {
                next += 1;
                next - 1
            });
        }
        let mut strands: Vec<(StrandId, usize)> = strands.into_iter().collect();
        strands.sort_unstable_by_key(|(strand, _)| place(*strand));
        Self { strands }
    }

    /// The number of the person of one of these strands.
    pub(super) fn person(&self, strand: StrandId) -> Option<usize> {
        let found = self.strands.binary_search_by_key(&place(strand), |(known, _)| place(*known));
        self.strands.get(found.ok()?).map(|(_, person)| *person)
    }

    /// Their strands in some lanes.
    pub(super) fn within(&self, lanes: &Range<u16>) -> &[(StrandId, usize)] {
        let before = |end: u16| self.strands.partition_point(|(strand, _)| strand.lane.get() < end);
        self.strands.get(before(lanes.start)..before(lanes.end)).unwrap_or_default()
    }
}
