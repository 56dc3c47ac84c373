//! A metric tried over the lake, several times.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, anyhow};
use engine::{
    archive::tables,
    trial::{Found, Metric, MetricDocument, Rules, Source, Sources, Trial},
};
use lake::{Folder, Table};
use model::{Purpose, StrandId, Timestamp};
use serde_json::{Value, json};

use crate::{THREADS, find, lake_files::Files};

/// Long after all windows.
const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Nobody has refused; that it is asked is part of what it costs.
struct Everybody;

impl Rules for Everybody {
    fn strand(&self, _: StrandId) -> bool {
        true
    }

    fn purposes(&self, list: &str) -> bool {
        list.contains("\"analytics\"")
    }
}

/// Tries revenue per visitor, and prints how long each time took and the last answer.
pub(crate) fn run(dir: &Path, times: usize) -> anyhow::Result<()> {
    let document = json!({"key": "revenue", "kind": "sum", "event": "Order Completed", "property": "revenue",
        "window": "7d"});
    let document: MetricDocument = serde_json::from_value(document)?;
    let metric = Metric::compile(&document, &|_| Some(Purpose::ANALYTICS));
    let metric = metric.map_err(|faults| anyhow!("{faults:?}"))?;
    let archive = Files(Folder::open(dir)?);
    let of = |table| source(dir, table);
    let sources = Sources::of(of(&tables::EVENTS)?, of(&tables::EXPOSURES)?, of(&tables::LINKS)?);
    let trial = Trial {
        archive: &archive,
        sources: &sources,
        experience: &"checkout".parse()?,
        metric: &metric,
        rules: &Everybody,
        now: NOW,
        threads: THREADS,
        is_abandoned: &|| false,
    };
    let (mut seconds, mut found) = (Vec::new(), Found::default());
    for _ in 0..times {
        let begun = Instant::now();
        found = trial.run()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let rows = found.iter().map(|((arm, ..), group)| {
        let totals = group.tally.totals();
        json!({"variant": arm.to_string(), "units": group.units, "revenue": totals.upper,
            "squares": totals.upper_squares})
    });
    println!("{}", json!({"seconds": seconds, "answer": Value::from_iter(rows)}));
    Ok(())
}

fn source(dir: &Path, table: &'static Table) -> anyhow::Result<Source> {
    let mut files = Vec::new();
    find(&dir.join(table.name), &mut files)
        .with_context(|| format!("no {} in {}", table.name, dir.display()))?;
    files.sort();
    let root = dir.canonicalize()?;
    let (mut names, mut bytes) = (Vec::new(), 0);
    for file in files {
        bytes += fs::metadata(&file)?.len();
        names.push(file.strip_prefix(&root)?.display().to_string());
    }
    // About as many as there are: it only decides how many are held at once.
    Ok(Source { files: names, rows: bytes / 128, tail: Vec::new() })
}
