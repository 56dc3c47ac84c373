//! What the benchmarks need of the lake and of the query engine: a lake of a given size, and queries over it with the
//! time and the memory that they take. Built by `xtask bench` only; the program itself has none of it.
#![expect(clippy::print_stdout, reason = "a command-line tool answers on its standard streams")]

mod history;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context as _, bail};
use engine::archive::tables;
use history::History;
use lake::Folder;
use query::{Format, Limits, Seen, Source, Sql};
use serde_json::json;

const HELP: &str = "\
usage: lake-bench make DIR EVENTS PEOPLE SEED
       lake-bench ask DIR SQL-FILE TIMES plain|consented";

/// Threads that write files, and those that answer.
const THREADS: usize = 2;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["make", dir, events, people, seed] => {
            let (events, people, seed) = (events.parse()?, people.parse()?, seed.parse()?);
            make(Path::new(dir), History { events, people, seed })
        }
        ["ask", dir, sql, times, mode] => {
            ask(Path::new(dir), Path::new(sql), times.parse()?, mode == "consented")
        }
        _ => bail!("{HELP}"),
    }
}

/// Writes all files.
fn make(dir: &Path, history: History) -> anyhow::Result<()> {
    let (folder, files) = (Folder::open(dir)?, history.files());
    let next = AtomicUsize::new(0);
    let write = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            history.write(&folder, *file)?;
        }
        anyhow::Ok(())
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS).map(|_| scope.spawn(write)).collect();
        let mut joined = writers.into_iter().map(|writer| writer.join());
        joined.try_for_each(|ended| ended.map_err(|_| anyhow::anyhow!("a thread panicked"))?)
    })
}

/// Asks a query so many times, each a new one to the engine, and prints how long each took and the last answer.
fn ask(dir: &Path, sql: &Path, times: usize, is_consented: bool) -> anyhow::Result<()> {
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

fn find(dir: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), files)?;
        } else {
            files.push(entry.path().canonicalize()?);
        }
    }
    Ok(())
}
