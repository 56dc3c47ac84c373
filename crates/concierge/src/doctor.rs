//! `concierge doctor`: whether a data directory is sound and a server answers, and what to do where not.

use std::path::{Path, PathBuf};

use store::{
    StoreError,
    repair::{self, Damage, JournalReport, Report},
};

use crate::{
    cli::ServeFlags,
    client::{Auth, Call, Client},
    failure::{Failure, Outcome},
    screen::{self, thousands},
    settings::{Name, Settings},
};

mod backup;
mod disk;

const EXAMPLES: &str = "\
Examples:
  concierge doctor --data /var/lib/concierge
  concierge doctor --data /var/lib/concierge --repair-journal     (after a backup, on damage only)
  concierge doctor --data /var/lib/concierge --backup /backup/2026-11-26 --keys /other-disk/concierge.keys

The directory is only read, unless --repair-journal is given. While a server has it open, its files cannot be checked; \
the server's own health is asked instead.";

/// Arguments of `concierge doctor`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) flags: ServeFlags,
    /// Cut a damaged journal behind its last sound batch; a copy of it is kept beside
    #[arg(long)]
    repair_journal: bool,
    /// Read all of this backup, too, and tell how old it is
    #[arg(long, value_name = "DIR")]
    backup: Option<PathBuf>,
    /// The file of the keys that belong to the backup
    #[arg(long, value_name = "FILE", requires = "backup")]
    keys: Option<PathBuf>,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Fine,
    /// Worth knowing, nothing to do now.
    Note,
    Wrong,
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    mark: Mark,
    text: String,
}

impl Finding {
    fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into() }
    }
}

/// Checks everything that can be checked, and fails when something is wrong.
pub(crate) fn run(settings: &Settings, args: &DoctorArgs) -> Outcome {
    let dir = settings.data();
    let mut findings = vec![Finding::new(Mark::Note, format!("data directory {}", dir.display()))];
    if dir.exists() {
        if args.repair_journal {
            findings.extend(repair(&dir)?);
        } else {
            findings.extend(check(&dir));
        }
        findings.push(disk::free_space(&dir));
        findings.extend(lake(settings)?);
    } else {
        let text = "it is not there: `concierge serve` creates it, or name another with --data";
        findings.push(Finding::new(Mark::Wrong, text));
    }
    findings.extend(server_health(settings));
    if let Some(backup) = &args.backup {
        findings.extend(backup::examine(backup, args.keys.as_deref()));
    }
    for finding in &findings {
        let mark = match finding.mark {
            Mark::Fine => "ok   ",
            Mark::Note => "     ",
            Mark::Wrong => "WRONG",
        };
        screen::say(format!("{mark}  {}", finding.text));
    }
    let wrong = findings.iter().filter(|finding| finding.mark == Mark::Wrong).count();
    if wrong == 0 {
        Ok(())
    } else {
        Err(anyhow::anyhow!("{wrong} things are wrong, see above").into())
    }
}

/// Checks the files of a directory that nobody has open.
fn check(dir: &Path) -> Vec<Finding> {
    match repair::check(dir) {
        Ok(report) => {
            let mut findings = vec![Finding::new(Mark::Fine, "format known, directory not in use")];
            findings.extend(report.journals.iter().map(journal_finding));
            if report.journals.is_empty() {
                findings.push(Finding::new(Mark::Fine, "no journal yet: nothing was committed"));
            }
            let batches = report.journals.iter().map(|journal| journal.batches).sum();
            findings.push(keys(dir, batches));
            findings
        }
        Err(StoreError::Locked { .. }) => {
            vec![Finding::new(
                Mark::Note,
                "a server has it open; its files are checked when it is stopped",
            )]
        }
        Err(error) => vec![Finding::new(Mark::Wrong, with_causes(&error))],
    }
}

fn journal_finding(journal: &JournalReport) -> Finding {
    let file = &journal.file;
    let sound = format!(
        "journal {file}: {} sound batches, {} bytes",
        thousands(journal.batches),
        thousands(journal.sound_bytes)
    );
    let lost = thousands(journal.damaged_bytes);
    match journal.damage {
        None => Finding::new(Mark::Fine, sound),
        Some(Damage::TornTail) => Finding::new(
            Mark::Note,
            format!(
                "{sound}; then the torn end that a crash leaves, never acknowledged, dropped at the next start"
            ),
        ),
        Some(Damage::LastBatch) => Finding::new(
            Mark::Wrong,
            format!(
                "{sound}; the last batch is damaged ({lost} bytes): restore a backup, or give the batch up with \
                 --repair-journal"
            ),
        ),
        Some(Damage::Middle { later_batches }) => Finding::new(
            Mark::Wrong,
            format!(
                "{sound}; then damage, and {} whole batches behind it: restore a backup, or give them up with \
                 --repair-journal",
                thousands(later_batches)
            ),
        ),
        Some(_) => Finding::new(
            Mark::Wrong,
            format!(
                "{sound}; an older journal is damaged, which cannot be mended: restore a backup"
            ),
        ),
    }
}

fn repair(dir: &Path) -> Result<Vec<Finding>, Failure> {
    let report = repair::repair(dir).map_err(|error| Failure::Failed(error.into()))?;
    Ok(vec![repair_finding(&report)])
}

fn repair_finding(report: &Report) -> Finding {
    match &report.cut {
        None => Finding::new(Mark::Fine, "the journals need no repair; nothing was changed"),
        Some(cut) => Finding::new(
            Mark::Note,
            format!(
                "journal {} was cut: {} bytes, {} whole batches given up; a copy from before is {}",
                cut.file,
                thousands(cut.bytes),
                thousands(cut.batches),
                cut.copy.display()
            ),
        ),
    }
}

/// The keys: without them nothing personal in the directory can be read.
fn keys(dir: &Path, batches: u64) -> Finding {
    let is_filled = |name: &str| {
        std::fs::metadata(dir.join("keys").join(name)).is_ok_and(|file| file.len() > 0)
    };
    match (is_filled("workspace.key") && is_filled("slots"), batches) {
        (true, _) => Finding::new(Mark::Fine, "keys are there; back keys/ up apart from the rest"),
        (false, 0) => Finding::new(Mark::Note, "no keys yet: a first start makes them"),
        (false, _) => Finding::new(
            Mark::Wrong,
            "keys/ is missing or empty, so nothing personal can be read: restore the newest backup of the keys",
        ),
    }
}

/// How large the lake is. Its files are made of what is in the directory, so none of them can be lost.
fn lake(settings: &Settings) -> Result<Option<Finding>, Failure> {
    let Some(dir) = settings.lake()? else { return Ok(None) };
    if !dir.exists() {
        return Ok(None);
    }
    let listed = lake::Folder::open(&dir).and_then(|folder| {
        let names = folder.list()?;
        let size =
            |name: &String| std::fs::metadata(folder.path(name)).map_or(0, |file| file.len());
        Ok((names.len() as u64, names.iter().map(size).sum::<u64>()))
    });
    Ok(Some(match listed {
        Ok((files, bytes)) => Finding::new(
            Mark::Fine,
            format!("lake: {} files, {} bytes", thousands(files), thousands(bytes)),
        ),
        Err(error) => Finding::new(Mark::Wrong, format!("the lake cannot be listed: {error}")),
    }))
}

fn server_health(settings: &Settings) -> Vec<Finding> {
    let base = match settings.server() {
        Ok(base) => base,
        Err(failure) => return vec![Finding::new(Mark::Wrong, failure.message())],
    };
    let client = Client::new(base, settings.text(Name::Token).map(str::to_owned), None);
    let ask = |path| client.call_once(&Call { method: "GET", path, auth: Auth::None, body: None });
    let Ok(alive) = ask("/healthz") else {
        return vec![Finding::new(Mark::Note, format!("no server answers at {}", client.base()))];
    };
    let ready = ask("/readyz").is_ok_and(|answer| answer.is_success());
    let base = client.base();
    vec![match (alive.is_success(), ready) {
        (true, true) => {
            Finding::new(Mark::Fine, format!("the server at {base} is alive and ready"))
        }
        (true, false) => Finding::new(
            Mark::Wrong,
            format!(
                "the server at {base} is alive but not ready: its log says why, and /metrics what it waits for"
            ),
        ),
        (false, _) => Finding::new(
            Mark::Wrong,
            format!("what answers at {base} is not this server (status {})", alive.status),
        ),
    }]
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(", because {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_with_what_to_do() {
        let journal = |damage| JournalReport {
            file: "0.jnl".into(),
            batches: 1200,
            sound_bytes: 9,
            damage,
            damaged_bytes: 7,
        };
        let finding = |damage| journal_finding(&journal(damage));
        assert_eq!(finding(None).mark, Mark::Fine);
        assert_eq!(finding(Some(Damage::TornTail)).mark, Mark::Note);
        let middle = finding(Some(Damage::Middle { later_batches: 3 }));
        assert_eq!(middle.mark, Mark::Wrong);
        assert!(
            middle.text.contains("1,200 sound batches") && middle.text.contains("--repair-journal")
        );
    }
}
