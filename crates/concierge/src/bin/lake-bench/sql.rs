//! A query over the lake, asked several times.

use std::{fs, path::Path, sync::Arc, time::Instant};

use anyhow::Context as _;
use engine::archive::tables;
use query::{Format, Limits, Seen, Source, Sql};
use serde_json::json;

use crate::{THREADS, find};

/// Asks a query so many times, each a new one to the engine, and prints how long each took and the last answer.
pub(crate) fn ask(dir: &Path, sql: &Path, times: usize, is_consented: bool) -> anyhow::Result<()> {
    let text = fs::read_to_string(sql)?;
    let limits = Limits { spill: Some(dir.join("spill")), threads: THREADS, ..Limits::default() };
    let engine = Sql::new(limits, || {})?;
    let (mut seconds, mut answer) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let sources = sources(dir, is_consented)?;
        let begun = Instant::now();
        let mut pieces = engine.start(&text, sources, Format::Json)?;
        answer.clear();
        while let Some(piece) = pieces.next_piece() {
            answer.extend_from_slice(&piece?);
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    println!("{}", json!({"seconds": seconds, "answer": answer}));
    Ok(())
}

/// All tables, with the rules that the server puts on them for a purpose where that is asked for.
fn sources(dir: &Path, is_consented: bool) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for table in [&tables::EVENTS, &tables::EXPOSURES, &tables::LINKS] {
        let mut files = Vec::new();
        find(&dir.join(table.name), &mut files)
            .with_context(|| format!("no {} in {}", table.name, dir.display()))?;
        files.sort();
        let mut seen = Vec::new();
        if is_consented {
            // Nobody has refused; what is asked of each strand is what it costs to ask.
            let is_named = |strand: &str| {
                strand.get(4..).is_some_and(|born| u64::from_str_radix(born, 16).is_ok())
            };
            seen.push(Seen::Text("strand", Arc::new(is_named)));
            if table.name == "events" {
                let is_allowed = |purposes: &str| purposes.contains("\"analytics\"");
                seen.push(Seen::Text("purposes", Arc::new(is_allowed)));
            }
        }
        let (kept, recent, guard) = (Vec::new(), Vec::new(), None);
        sources.push(Source { table, files, kept, recent, seen, guard });
    }
    Ok(sources)
}
