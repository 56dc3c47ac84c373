//! What fills the lake: a sink that turns what it is told into rows, and the tail into files.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Seq, Timestamp,
    table::{Cell, Row},
};
use store::Batch;

use super::{
    manifest::{self, Day, File, Id, Made, Purge},
    removals::Removals,
    rows::{self, Answered, DECISIONS, EVENTS, EXPOSURES, LINKS, MEMBERSHIP_CHANGES},
    state::{State, Tail},
    tables::{self, RECEIVED_AT, SEQ, STRAND},
};
use crate::{
    follow::{self, Followed, Save, Sink, What},
    privacy,
    record::Unreadable,
    sealed::RowError,
};

/// The name of the sink, part of the stored format.
const NAME: &str = "lake";
/// Removals that wait to be stored, from which on they are, with whatever is in the tail.
const REMOVALS_MAX: usize = 30_000;

/// The sink.
pub(super) struct Filler {
    state: Arc<State>,
    /// The position after the last that was taken.
    next: Seq,
    /// What was written and is not committed.
    written: Vec<Arc<File>>,
    purge: Option<Arc<Purge>>,
    /// Nothing may be taken before what is stored has been read.
    is_read: bool,
}

impl Filler {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state, next: Seq(0), written: Vec::new(), purge: None, is_read: false }
    }

    fn is_time(&self, now: Timestamp) -> bool {
        let limits = self.state.limits;
        let is_asked = self.state.take_flush_asked();
        let contents = self.state.contents();
        let (tail, removals) = (&contents.tail, contents.coming.len());
        let has_something = tail.count + removals > 0;
        let is_old = tail.since.is_some_and(|since| limits.tail_age <= now.since(since));
        let is_full = limits.tail_rows <= tail.count || limits.tail_bytes <= tail.bytes;
        has_something && (is_asked || is_old || is_full || REMOVALS_MAX <= removals)
    }

    /// Writes the tail to files.
    fn write(&mut self) -> Result<(), RowError> {
        let chunks = self.state.contents().tail.rows.clone();
        for (table, chunks) in chunks.into_iter().enumerate() {
            let mut days: BTreeMap<Day, Vec<Place>> = BTreeMap::new();
            for chunk in &chunks {
                for (at, row) in chunk.iter().enumerate() {
                    let Some(Cell::Time(received)) = row.get(RECEIVED_AT) else {
                        return Err(Unreadable("row of the lake").into());
                    };
                    let place = Place { chunk: Arc::clone(chunk), at };
                    days.entry(Day::of(*received)).or_default().push(place);
                }
            }
            for (day, rows) in days {
                let file = self.write_day(table, day, rows)?;
                self.written.push(file);
            }
        }
        Ok(())
    }

    fn write_day(
        &self,
        table: usize,
        day: Day,
        mut rows: Vec<Place>,
    ) -> Result<Arc<File>, RowError> {
        rows.sort_by(|a, b| order(a.row()).cmp(&order(b.row())));
        let positions = || rows.iter().filter_map(|place| position(place.row()));
        let (first, last) = (positions().min(), positions().max());
        let (Some(first), Some(last)) = (first, last) else {
            return Err(Unreadable("row of the lake").into());
        };
        let id = Id { table, day, first, last };
        let count = rows.len() as u64;
        let name = manifest::name(id, 0);
        // Whoever asks meanwhile reads the same rows, so each is copied only when its turn comes.
        let rows = Box::new(rows.into_iter().map(|place| Ok(place.row().to_vec())));
        let bytes = self.state.archive.write(tables::ALL[table], &name, rows)?;
        let made = Made { rows: count, bytes, edition: 0, clean_to: self.next };
        Ok(Arc::new(File::new(&self.state.archive, id, made)))
    }
}

/// A row of the tail.
struct Place {
    chunk: Arc<Vec<Row>>,
    at: usize,
}

impl Place {
    fn row(&self) -> &[Cell<'static>] {
        self.chunk.get(self.at).map_or(&[], Vec::as_slice)
    }
}

/// By what the rows of a file are sorted.
pub(super) fn order<'a>(row: &'a [Cell<'_>]) -> (&'a str, i64) {
    let strand = if let Some(Cell::Text(strand)) = row.get(STRAND) { &**strand } else { "" };
    (strand, position(row).map_or(0, |seq| i64::try_from(seq.0).unwrap_or(i64::MAX)))
}

/// The position of a row in the log.
fn position(row: &[Cell<'_>]) -> Option<Seq> {
    let Some(Cell::Integer(seq)) = row.get(SEQ) else { return None };
    u64::try_from(*seq).ok().map(Seq)
}

impl Sink for Filler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&mut self, followed: &Followed) -> Result<(), RowError> {
        if !self.is_read {
            return Err(Unreadable("lake").into());
        }
        let snapshot = self.state.shared.registry.snapshot_full();
        let mut found: [Vec<Row>; tables::ALL.len()] = Default::default();
        let mut removals = Removals::default();
        for entry in &followed.entries {
            let (seq, now) = (entry.seq, entry.now);
            match &entry.what {
                What::Event(event) => found[EVENTS].push(rows::event(seq, event, &snapshot)),
                What::Decision(decision) => {
                    let answered = Answered { seq, found: decision, snapshot: &snapshot };
                    for decided in &decision.document.decisions {
                        found[DECISIONS].push(answered.decision(decided));
                        found[EXPOSURES].extend(answered.exposure(decided));
                    }
                }
                What::Transition(transition) => {
                    found[MEMBERSHIP_CHANGES].push(rows::transition(seq, now, transition));
                }
                What::Born { strand, unit } => {
                    found[LINKS].push(rows::link(seq, now, (*strand, *strand), *unit));
                }
                What::Head { strand, head, unit } => {
                    found[LINKS].push(rows::link(seq, now, (*strand, *head), *unit));
                }
                What::Moved { event, strand } => {
                    removals.moved.insert(*event, *strand);
                }
                What::EventRemoved { event } => {
                    removals.events.insert(*event);
                }
                What::DecisionRemoved { id } => {
                    removals.requests.insert(*id);
                }
                What::Erased { request, strands } => {
                    removals.strands.extend(strands);
                    removals.receipts.push(*request);
                }
            }
        }
        let mut contents = self.state.contents();
        let contents = &mut *contents;
        for (table, rows) in found.into_iter().enumerate() {
            contents.tail.add(table, rows);
        }
        if !removals.is_empty() {
            contents.tail.apply(&removals);
            contents.coming.add(&removals);
        }
        contents.next = followed.next;
        if !followed.entries.is_empty() {
            contents.tail.since.get_or_insert(self.state.shared.clock.now());
        }
        self.next = followed.next;
        Ok(())
    }

    fn save(&mut self, now: Timestamp, batch: &mut Batch) -> Result<Save, RowError> {
        if !self.is_time(now) {
            return Ok(Save::Rows);
        }
        self.write()?;
        self.written.iter().for_each(|file| file.put(file.clean_to(), batch));
        let coming = self.state.contents().coming.clone();
        if !coming.is_empty() {
            let purge = Purge { upto: self.next, at: now, removals: coming };
            manifest::put_purge(&purge, batch)?;
            privacy::lake::hidden(&purge.removals.receipts, now, batch);
            self.purge = Some(Arc::new(purge));
        }
        Ok(Save::All)
    }

    fn saved(&mut self) -> Result<(), RowError> {
        if self.written.is_empty() && self.purge.is_none() {
            return Ok(());
        }
        let mut contents = self.state.contents();
        for file in self.written.drain(..) {
            let files = &mut contents.files[file.id.table];
            let place = files.partition_point(|known| known.id < file.id);
            files.insert(place, file);
        }
        contents.tail = Tail::default();
        contents.coming = Removals::default();
        contents.purges.extend(self.purge.take());
        Ok(())
    }

    fn restart(&mut self) -> Result<(), RowError> {
        self.is_read = false;
        let is_unknown = self.state.shared.failure().is_some();
        for file in self.written.drain(..) {
            // After a failure whose outcome is unknown the process has to start anew, and looks then.
            if !is_unknown {
                file.leave();
            }
        }
        self.purge = None;
        self.state.read(NAME)?;
        let row = self.state.shared.store.get(store::Table::Meta, &follow::watermark(NAME))?;
        let next = row.and_then(|row| row[..].try_into().ok()).map_or(0, u64::from_be_bytes);
        self.state.contents().next = Seq(next);
        self.state.hide_erased_since(Seq(next))?;
        self.is_read = true;
        Ok(())
    }
}
