//! `concierge import`: the rows of CSV and JSONL files as historical events, each exactly once.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
    time::Instant,
};

use anyhow::{Context as _, anyhow};

use crate::{
    cli::ClientFlags,
    client::Client,
    failure::{Failure, Outcome},
    rows,
    screen::{self, thousands},
    settings::Settings,
    target::Target,
};

mod decimal;
mod event;
mod make;
mod mapping;
mod plan;
mod progress;
mod send;
mod time;
mod value;

use make::{Made, Maker, Skipped};
use mapping::Mapping;
use plan::Plan;
use progress::Progress;
use send::{Batch, Sender};

const EXAMPLES: &str = "\
Examples:
  Look at what a mapping makes of a file, without sending anything:
    concierge import --mapping orders.toml --dry-run orders.csv.gz
  Import it:
    concierge import --mapping orders.toml orders.csv.gz

An import that was interrupted is continued by running it again: the server keeps, for each file, how many of its events it \
has applied. A file is known by its uncompressed content, so the same rows are never applied twice, whatever the file is called. \
To import the same file on purpose once more, with another mapping, name it: --as second-try.

A mapping is a TOML file; docs/guide/import.md explains it, examples/online-retail/mapping.toml is one.";

/// Batches that are made ahead of the one being sent.
const BATCHES_AHEAD: usize = 4;
/// Events that a dry run prints.
const DRY_RUN_EVENTS: usize = 3;

/// Arguments of `concierge import`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// The mapping: what a row means as an event
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Treat the files as others than the ones imported before, under this name
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Make the events and print the first ones, send nothing
    #[arg(long)]
    dry_run: bool,
    /// The files: .csv, .tsv, .jsonl or .ndjson, also with .gz
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What became of a file.
#[derive(Debug)]
struct Imported {
    rows: u64,
    events: u64,
    events_before: u64,
    quarantined: u64,
    skipped: Vec<(String, u64, u64)>,
    seconds: f64,
}

/// Imports every file in turn.
pub(crate) fn run(settings: &Settings, args: &ImportArgs) -> Outcome {
    let mapping = read_mapping(&args.mapping)?;
    for path in &args.files {
        rows::format_of(path, mapping.form()).map_err(|error| Failure::usage(error.to_string()))?;
    }
    if args.dry_run {
        for path in &args.files {
            dry_run(path, &mapping)?;
        }
        return Ok(());
    }
    let target = Target::open(settings, &args.flags)?;
    let mut outcome = Ok(());
    for path in &args.files {
        outcome = import_file(target.client(), path, &mapping, args.name.as_deref());
        if outcome.is_err() {
            break;
        }
    }
    target.close()?;
    outcome
}

fn read_mapping(path: &Path) -> Result<Mapping, Failure> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the mapping {place}: {error}")))?;
    let mapping: Mapping = toml::from_str(&text)
        .map_err(|error| Failure::usage(format!("the mapping {place} is not sound: {error}")))?;
    // Compiled here for its faults; each file compiles it again with its own digest.
    Plan::new(&mapping, "")
        .and_then(|_| time::TimeReader::new(&mapping.time))
        .map_err(|fault| Failure::usage(format!("the mapping {place} is not sound: {fault}")))?;
    Ok(mapping)
}

fn import_file(client: &Client, path: &Path, mapping: &Mapping, name: Option<&str>) -> Outcome {
    let started = Instant::now();
    let summary = rows::summary(path)?;
    let import = import_id(&summary.digest, name);
    let mut sender = Sender::new(client, import.clone())?;
    if sender.watermark() > 0 {
        let known = thousands(sender.watermark());
        screen::note(format!(
            "{}: {known} events of this file were applied before; continuing behind them",
            path.display()
        ));
    }
    let plan = compile(mapping, &import)?;
    let mut progress = Progress::new(&file_name(path), summary.lines);
    let read = send_all(path, mapping, &plan, &mut sender, &mut progress);
    progress.finish();
    let (rows, skipped) = read?;
    let imported = Imported {
        rows,
        events: sender.applied,
        events_before: sender.applied_before,
        quarantined: sender.quarantined,
        skipped: told(&skipped, &plan),
        seconds: started.elapsed().as_secs_f64(),
    };
    screen::say(imported.summary(&path.display().to_string()));
    Ok(())
}

/// The file's digest, or one of its own for a file that is imported again under a name.
fn import_id(digest: &str, name: Option<&str>) -> String {
    match name {
        None => digest.to_owned(),
        Some(name) => blake3::hash(format!("{digest} as {name}").as_bytes()).to_hex().to_string(),
    }
}

fn compile(mapping: &Mapping, import: &str) -> anyhow::Result<Plan> {
    Plan::new(mapping, import).map_err(anyhow::Error::msg)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Makes events on a thread of its own while batches are sent from this one, in order.
fn send_all(
    path: &Path,
    mapping: &Mapping,
    plan: &Plan,
    sender: &mut Sender<'_>,
    progress: &mut Progress,
) -> anyhow::Result<(u64, Skipped)> {
    std::thread::scope(|scope| {
        let (batches, made) = sync_channel::<Batch>(BATCHES_AHEAD);
        let maker = scope.spawn(move || make_batches(path, mapping, plan, &batches));
        for batch in made {
            sender.send(&batch)?;
            progress.advance(batch.rows);
        }
        maker.join().map_err(|_| anyhow!("the thread that reads the file broke"))?
    })
}

/// Reads the file to its end, or until nobody takes the batches any more.
fn make_batches(
    path: &Path,
    mapping: &Mapping,
    plan: &Plan,
    batches: &SyncSender<Batch>,
) -> anyhow::Result<(u64, Skipped)> {
    let time = time::TimeReader::new(&mapping.time).map_err(anyhow::Error::msg)?;
    let mut maker = Maker::new(plan, time);
    let mut batch = Batch::default();
    let mut made: Vec<Made> = Vec::new();
    // Moves what was made into batches; false when nobody takes them.
    let pass_on = |batch: &mut Batch, made: &mut Vec<Made>| {
        for event in made.drain(..) {
            if !batch.has_room(event.json.len()) && batches.send(std::mem::take(batch)).is_err() {
                return false;
            }
            batch.push(event);
        }
        true
    };
    rows::read_rows(path, mapping.form(), &plan.columns, &mut |line, row| {
        maker.take(line, &row, &mut made)?;
        Ok(pass_on(&mut batch, &mut made))
    })?;
    maker.finish(&mut made);
    if pass_on(&mut batch, &mut made) {
        batch.rows += maker.skipped.values().map(|(count, _)| count).sum::<u64>();
        // When nobody takes it, sending has failed, and that failure is the one to tell.
        drop(batches.send(batch));
    }
    Ok((maker.rows_read, maker.skipped))
}

fn dry_run(path: &Path, mapping: &Mapping) -> Outcome {
    let import = rows::summary(path)?.digest;
    let plan = compile(mapping, &import)?;
    let time = time::TimeReader::new(&mapping.time).map_err(anyhow::Error::msg)?;
    let mut maker = Maker::new(&plan, time);
    let (mut shown, mut events) = (Vec::new(), 0_u64);
    let mut made = Vec::new();
    let mut keep = |made: &mut Vec<Made>, shown: &mut Vec<Made>| {
        events += made.len() as u64;
        let room = DRY_RUN_EVENTS.saturating_sub(shown.len());
        shown.extend(made.drain(..).take(room));
    };
    rows::read_rows(path, mapping.form(), &plan.columns, &mut |line, row| {
        maker.take(line, &row, &mut made)?;
        keep(&mut made, &mut shown);
        Ok(true)
    })?;
    maker.finish(&mut made);
    keep(&mut made, &mut shown);
    for made in shown {
        let event: serde_json::Value =
            serde_json::from_str(&made.json).context("reading an event back")?;
        screen::say(format!("{event:#}"));
    }
    let counted = format!("{} rows make {} events", thousands(maker.rows_read), thousands(events));
    screen::say(format!("{}: {counted}; nothing was sent", path.display()));
    for line in skipped_lines(&told(&maker.skipped, &plan)) {
        screen::say(line);
    }
    Ok(())
}

fn told(skipped: &Skipped, plan: &Plan) -> Vec<(String, u64, u64)> {
    let line =
        |(reason, (count, line)): (&event::Reason, &(u64, u64))| (reason.text(plan), *count, *line);
    let mut told: Vec<_> = skipped.iter().map(line).collect();
    told.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    told
}

fn skipped_lines(skipped: &[(String, u64, u64)]) -> Vec<String> {
    let line = |(reason, count, line): &(String, u64, u64)| {
        format!("  {} rows left out: {reason} (first at line {line})", thousands(*count))
    };
    skipped.iter().map(line).collect()
}

impl Imported {
    fn summary(&self, path: &str) -> String {
        let mut lines = vec![format!(
            "{path}: {} rows read, {} events applied in {:.1} s",
            thousands(self.rows),
            thousands(self.events),
            self.seconds
        )];
        if self.events_before > 0 {
            lines.push(format!(
                "  {} events had been applied before",
                thousands(self.events_before)
            ));
        }
        if self.quarantined > 0 {
            lines.push(format!(
                "  {} events are in the quarantine, each with its reason: GET /api/v1/quarantine",
                thousands(self.quarantined)
            ));
        }
        lines.extend(skipped_lines(&self.skipped));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_what_became_of_every_row() {
        let imported = Imported {
            rows: 541_909,
            events: 22_000,
            events_before: 190,
            quarantined: 2,
            skipped: vec![("no customer".to_owned(), 135_080, 623)],
            seconds: 12.34,
        };
        assert_eq!(
            imported.summary("a.csv"),
            "a.csv: 541,909 rows read, 22,000 events applied in 12.3 s\n  \
             190 events had been applied before\n  \
             2 events are in the quarantine, each with its reason: GET /api/v1/quarantine\n  \
             135,080 rows left out: no customer (first at line 623)"
        );
    }

    #[test]
    fn a_name_makes_another_import_of_the_same_file() {
        assert_eq!(import_id("d", None), "d");
        assert_eq!(import_id("d", Some("x")).len(), 64);
        assert_ne!(import_id("d", Some("x")), import_id("d", Some("y")));
    }
}
