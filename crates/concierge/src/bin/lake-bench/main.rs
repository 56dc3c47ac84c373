//! What the benchmarks need of the lake: one of a given size, and what it takes to try a metric over it or, in a build
//! with SQL, to ask a query. Built by `xtask bench` only; the program itself has none of it.
#![expect(clippy::print_stdout, reason = "a command-line tool answers on its standard streams")]

mod history;
#[path = "../../lake_files.rs"]
mod lake_files;
#[cfg(feature = "query")]
mod sql;
mod tried;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::bail;
use history::History;
use lake::Folder;

const HELP: &str = "\
usage: lake-bench make DIR EVENTS PEOPLE SEED
       lake-bench try DIR TIMES
       lake-bench ask DIR SQL-FILE TIMES plain|consented   (built with `query`)";

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
        ["try", dir, times] => tried::run(Path::new(dir), times.parse()?),
        #[cfg(feature = "query")]
        ["ask", dir, sql, times, mode] => {
            sql::ask(Path::new(dir), Path::new(sql), times.parse()?, mode == "consented")
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

/// All files below a folder.
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
