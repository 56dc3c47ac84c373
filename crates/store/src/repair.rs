//! Checks the journals of a store that is not running, and cuts off a damaged end.
//!
//! A commit is in the journal until its tables are written out, so a journal that cannot be read
//! keeps the store from opening. What a crash leaves, a last batch that was never acknowledged and
//! is there in part, opening the store drops. Damage that reaches acknowledged batches is a
//! decision of the operator: restore a backup, or give up what follows the damage.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::{
    StoreError,
    directory::Directory,
    files::sync_dir,
    journal::{self, Flaw, Scan},
};

/// What a check or repair found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The journals, oldest first. The last one is the one being written.
    pub journals: Vec<JournalReport>,
    /// What a repair cut off; a check cuts nothing.
    pub cut: Option<Cut>,
}

/// What one journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalReport {
    /// Its name within the engine's directory.
    pub file: String,
    /// Batches up to its end or to the damage.
    pub batches: u64,
    /// Bytes they take.
    pub sound_bytes: u64,
    /// What follows them, if it is not nothing.
    pub damage: Option<Damage>,
    /// Bytes that follow them, without the zeros at the end.
    pub damaged_bytes: u64,
}

/// The state of a journal behind its last sound batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The journal being written ends in the middle of a batch, as after a crash. That batch was
    /// never acknowledged. Opening the store drops it.
    TornTail,
    /// The last batch is whole but not what was written. It may have been acknowledged.
    LastBatch,
    /// Bytes in the middle are damaged, and whole, acknowledged batches follow.
    Middle {
        /// How many whole batches follow.
        later_batches: u64,
    },
    /// An older journal, which was complete once, is not any more. No cut can mend that: newer
    /// journals follow.
    Sealed,
}

/// What a repair cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The journal.
    pub file: String,
    /// Where its copy from before the cut is.
    pub copy: PathBuf,
    /// Bytes cut, without the zeros at the end.
    pub bytes: u64,
    /// Whole batches among them; the damaged one comes on top.
    pub batches: u64,
}

impl Report {
    /// Whether the store opens without losing anything that was acknowledged.
    pub fn is_sound(&self) -> bool {
        self.worst().is_none()
    }

    /// Whether [`repair`] can make the store open.
    pub fn is_repairable(&self) -> bool {
        !self.journals.iter().any(|journal| journal.damage == Some(Damage::Sealed))
    }

    fn worst(&self) -> Option<(&JournalReport, Damage)> {
        let damaged = self.journals.iter().filter_map(|journal| Some((journal, journal.damage?)));
        damaged.into_iter().find(|(_, damage)| *damage != Damage::TornTail)
    }
}

/// Reads all journals of the store in `dir` and changes nothing.
///
/// # Errors
///
/// When the store is open in another process, or files cannot be read.
pub fn check(dir: &Path) -> Result<Report, StoreError> {
    let directory = Directory::open_existing(dir)?;
    check_rows(directory.rows())
}

/// Cuts the newest journal of the store in `dir` behind its last sound batch, keeping a copy of it
/// beside.
///
/// What was cut is lost from the journal, but rows of it that had been written out to tables
/// already stay. So after a cut the tables may not be of one instant, and the engine must rebuild
/// from its log what it derives. The report tells whether anything was cut.
///
/// # Errors
///
/// [`StoreError::Corrupt`] when an older journal is damaged, which a cut cannot mend; otherwise as
/// [`check`]. Nothing was changed then.
pub fn repair(dir: &Path) -> Result<Report, StoreError> {
    let directory = Directory::open_existing(dir)?;
    let rows = directory.rows();
    let mut report = check_rows(rows)?;
    if !report.is_repairable() {
        return Err(unsound(&report));
    }
    let damage = report.journals.last().and_then(|journal| Some((journal, journal.damage?)));
    if let Some((journal, damage)) = damage {
        let cut = cut(rows, journal, damage)
            .map_err(|source| StoreError::Io { what: "cut the journal", source })?;
        report.cut = Some(cut);
    }
    Ok(report)
}

/// Makes the journals ready for the engine: drops a torn tail, and refuses any other damage.
///
/// The engine refuses only some damage itself: undecodable bytes it takes for a torn tail even in
/// the middle of a journal, and from damaged lengths it would allocate. After this it reads sound
/// batches only.
pub(crate) fn make_ready(rows: &Path) -> Result<(), StoreError> {
    let report = check_rows(rows)?;
    if !report.is_sound() {
        return Err(unsound(&report));
    }
    match report.journals.last() {
        Some(journal) if journal.damage == Some(Damage::TornTail) => {
            truncate(&rows.join(&journal.file), journal.sound_bytes)
                .map_err(|source| StoreError::Io { what: "drop a torn batch", source })
        }
        _ => Ok(()),
    }
}

fn unsound(report: &Report) -> StoreError {
    let what = report.worst().map_or_else(String::new, |(journal, damage)| {
        let JournalReport { file, sound_bytes, batches, .. } = journal;
        let place = format!("journal `{file}` after byte {sound_bytes} ({batches} batches)");
        match damage {
            Damage::TornTail | Damage::LastBatch => {
                format!("{place}, in its last batch; a repair can cut that batch off")
            }
            Damage::Middle { later_batches } => format!(
                "{place}, with {later_batches} sound batches behind; \
                 restore a backup, or let a repair cut them off"
            ),
            Damage::Sealed => format!("{place}, and newer journals follow; restore a backup"),
        }
    });
    StoreError::Corrupt { what }
}

fn check_rows(rows: &Path) -> Result<Report, StoreError> {
    let failed = |source| StoreError::Io { what: "check the journals", source };
    if !rows.exists() {
        return Ok(Report::default());
    }
    let paths = journal::list(rows).map_err(failed)?;
    let mut journals = Vec::with_capacity(paths.len());
    let mut last_seqno = None;
    for (index, path) in paths.iter().enumerate() {
        let scan = journal::scan(path, last_seqno).map_err(failed)?;
        last_seqno = scan.last_seqno;
        let is_newest = index + 1 == paths.len();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        journals.push(JournalReport {
            file,
            batches: scan.batches,
            sound_bytes: scan.sound_bytes,
            damage: judge(&scan, is_newest),
            damaged_bytes: scan.damage.map_or(0, |damage| damage.bytes),
        });
    }
    Ok(Report { journals, cut: None })
}

/// Tells what a crash leaves from what it cannot leave.
fn judge(scan: &Scan, is_newest: bool) -> Option<Damage> {
    let damage = scan.damage?;
    Some(match (is_newest, damage.later_batches, damage.flaw) {
        (false, _, _) => Damage::Sealed,
        (true, 0, Flaw::Unfinished) => Damage::TornTail,
        (true, 0, Flaw::Wrong) => Damage::LastBatch,
        (true, later_batches, _) => Damage::Middle { later_batches },
    })
}

fn cut(rows: &Path, journal: &JournalReport, damage: Damage) -> io::Result<Cut> {
    let path = rows.join(&journal.file);
    let copy = (0_u32..)
        .map(|number| rows.join(format!("{}.damaged-{number}", journal.file)))
        .find(|copy| !copy.exists())
        .unwrap_or_default();
    fs::copy(&path, &copy)?;
    OpenOptions::new().write(true).open(&copy)?.sync_all()?;
    sync_dir(rows)?;
    truncate(&path, journal.sound_bytes)?;
    Ok(Cut {
        file: journal.file.clone(),
        copy,
        bytes: journal.damaged_bytes,
        batches: match damage {
            Damage::Middle { later_batches } => later_batches,
            _ => 0,
        },
    })
}

fn truncate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_all()
}
