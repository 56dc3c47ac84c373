//! How long does one metric over the files of a large lake take, beside DuckDB?
//!
//! A lake is made in the documented layout, of a month of a shop. The program tries a metric over it, and DuckDB
//! computes the same by a query: revenue of the visitors of an experiment by variant, within a week of the first
//! exposure of each, with two threads each over the same files; what they answer must be the same. In a build with SQL
//! the program is asked the query as well.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    arguments::Arguments,
    proc::{self, Usage},
    remove,
    server::Cores,
    table::{Budget, Table},
};

/// Revenue within a week of the first exposure, as `docs/guide/query.md` has it.
const QUERY: &str = include_str!("analysis.sql");
const DUCKDB: &str = include_str!("ask_duckdb.py");
/// So many events for each person who was exposed.
const EVENTS_PER_PERSON: u64 = 10;
/// Each engine is asked so often; the files are in memory from the second time on.
const TIMES: usize = 4;
const THREADS: usize = 2;
const SECONDS_MAX: f64 = 5.0;
const LOOKED_AT_EVERY: Duration = Duration::from_millis(20);

/// What a process answered, and what it took.
struct Answered {
    /// Of each time it was asked.
    seconds: Vec<f64>,
    rows: Value,
    mebibytes_max: f64,
    /// Of all times together.
    cpu: Duration,
}

/// Makes the lake and asks both.
pub(crate) fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    let dir = arguments.beside("analysis").data;
    if !arguments.reuse {
        remove(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    proc::pin_to(Cores::All)?;
    let measured = compare(arguments, &dir, table);
    proc::pin_to(Cores::Generator)?;
    if !arguments.keep {
        remove(&dir)?;
    }
    measured
}

fn compare(arguments: &Arguments, dir: &Path, table: &mut Table) -> anyhow::Result<()> {
    let (events, people) = (arguments.events, arguments.events / EVENTS_PER_PERSON);
    let tool = arguments.binary.with_file_name("lake-bench");
    ensure!(
        tool.is_file(),
        "{} is missing: run `cargo build --release -p concierge --features bench`",
        tool.display()
    );
    let lake = dir.join("lake");
    table.section(format!(
        "One metric over a lake: {events} events, {people} people exposed, {THREADS} threads each, the fastest of {}",
        TIMES - 1
    ));
    if !lake.is_dir() {
        crate::say(format!("a lake of {events} events"));
        let begun = Instant::now();
        let seed = arguments.seed.to_string();
        let words = ["make".into(), path(&lake), events.to_string(), people.to_string(), seed];
        let made = Command::new(&tool).args(words).status().context("cannot make a lake")?;
        ensure!(made.success(), "the lake was not made: {made}");
        table.row("made in, s", begun.elapsed().as_secs_f64());
    }
    table.row("its files, MiB", size(&lake)? as f64 / f64::from(1 << 20));
    let (query, script) = (dir.join("query.sql"), dir.join("ask_duckdb.py"));
    std::fs::write(&query, QUERY)?;
    std::fs::write(&script, DUCKDB)?;
    let (lake, query, times) = (path(&lake), path(&query), TIMES.to_string());
    let own = |mode| run(&tool, &["ask", &lake, &query, &times, mode]);
    let tried = || run(&tool, &["try", &lake, &times]);
    let (script, threads) = (path(&script), THREADS.to_string());
    let theirs = || run(&arguments.python, &[&script, &lake, &query, &times, &threads]);
    crate::say("the metric, by this program and by DuckDB");
    let (tried, duckdb) = (tried()?, theirs()?);
    ensure!(is_same(&tried.rows, &duckdb.rows), "{} is not {}", tried.rows, duckdb.rows);
    table.judged("this program, s", tried.warm(), Budget::AtMost(SECONDS_MAX));
    table.row("DuckDB, s", duckdb.warm());
    table.judged("of DuckDB's time", tried.warm() / duckdb.warm(), Budget::AtMost(1.0));
    let mut all = vec![("this program", tried), ("DuckDB", duckdb)];
    if arguments.sql {
        crate::say("the same by SQL, without and with the rules of a purpose");
        all.extend([("by SQL", own("plain")?), ("by SQL for a purpose", own("consented")?)]);
    }
    for (name, found) in &all {
        ensure!(is_same(&found.rows, &all[0].1.rows), "{name} says {}", found.rows);
        table.row(format!("{name}: the fastest, s"), found.warm());
        table.row(
            format!("{name}: the first time, s"),
            found.seconds.first().copied().unwrap_or_default(),
        );
        table.row(format!("{name}: CPU each time, s"), found.cpu.as_secs_f64() / TIMES as f64);
        table.row(format!("{name}: most memory, MiB"), found.mebibytes_max);
    }
    Ok(())
}

/// Whether rows have the same values, but for the last digits of numbers.
fn is_same(one: &Value, other: &Value) -> bool {
    let rows = |answer: &Value| answer["items"].as_array().or(answer.as_array()).cloned();
    let (Some(one), Some(other)) = (rows(one), rows(other)) else { return false };
    let is_close = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
        _ => a == b,
    };
    let same = |(one, other): (&Value, &Value)| {
        ["variant", "units", "revenue", "squares"]
            .iter()
            .all(|name| is_close(&one[*name], &other[*name]))
    };
    one.len() == other.len() && one.iter().zip(&other).all(same)
}

impl Answered {
    /// The fastest but the first.
    fn warm(&self) -> f64 {
        self.seconds.iter().skip(1).copied().fold(f64::INFINITY, f64::min)
    }
}

/// Runs a process that prints how long it took, and looks meanwhile at what it takes.
fn run(program: &Path, words: &[&str]) -> anyhow::Result<Answered> {
    let name = || program.display().to_string();
    let child = Command::new(program).args(words).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {}", name()))?;
    let pid = child.id();
    let (mut mebibytes_max, mut cpu) = (0.0_f64, Duration::ZERO);
    // What is printed is one line, so it waits in the pipe.
    while child.try_wait()?.is_none() {
        if let (Ok(mebibytes), Ok(used)) = (proc::resident_mebibytes(pid), Usage::of(pid)) {
            mebibytes_max = mebibytes_max.max(mebibytes);
            cpu = used.cpu;
        }
        thread::sleep(LOOKED_AT_EVERY);
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{} ended with {}", name(), output.status);
    let printed: Value = serde_json::from_slice(&output.stdout)?;
    let seconds = printed["seconds"].as_array().context("no seconds")?;
    let seconds = seconds.iter().filter_map(Value::as_f64).collect();
    Ok(Answered { seconds, rows: printed["answer"].clone(), mebibytes_max, cpu })
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// The bytes of all files in a folder.
fn size(dir: &PathBuf) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}
