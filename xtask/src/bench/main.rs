//! Does the program keep its budgets on this machine?
//!
//! Starts the real binary on a new data directory, loads it as clients would and prints one table:
//! what was measured, the budget beside it, and whether it was met. `docs/reference/benchmarks.md`
//! says how each figure comes about.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool answers on its standard streams"
)]

// What is sent.
mod definitions;
mod events;
mod requests;
mod zipf;

// How it is sent and measured.
mod client;
mod latency;
mod load;
mod measured;
mod proc;
mod server;

// What is measured, in the order of the table.
mod analysis;
mod backtest;
mod bare_store;
mod decide;
mod echo;
mod exits;
mod fill;
mod heavy;
mod hiccups;
mod ingest;
mod lake;
mod preview;
mod proxy;
mod restart;

mod arguments;
mod table;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use arguments::{Arguments, Command, Load};
use server::{Cores, Server};
use table::Table;

/// Events a second, half of which come in beside decisions, where ingest itself was not measured.
const RATE_UNMEASURED: f64 = 15_000.0;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    match arguments::parse(std::env::args().skip(1))? {
        Command::Help => println!("{}", arguments::HELP),
        Command::Echo => echo::serve()?,
        Command::Bench(arguments) => {
            let table = bench(&arguments)?;
            let text = table.to_string();
            print!("{text}");
            if let Some(path) = &arguments.out {
                std::fs::write(path, text)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures everything, and removes the data that it made.
fn bench(arguments: &Arguments) -> anyhow::Result<Table> {
    let mut table = Table::new(table::heading(arguments)?);
    proc::pin_to(Cores::Generator)?;
    proc::sharpen_timers()?;
    if !arguments.reuse {
        remove(&arguments.data)?;
    }
    let result = measure(arguments, &mut table).and_then(|()| measure_proof(arguments, &mut table));
    if !arguments.keep {
        remove(&arguments.data)?;
    }
    result.map(|()| table)
}

/// What experiments and those who analyse them need, each on data of its own.
fn measure_proof(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    if arguments.wants(Load::Lake) {
        lake::measure(arguments, table)?;
    }
    if arguments.wants(Load::Proxy) {
        proxy::measure(arguments, table)?;
    }
    if arguments.wants(Load::Backtest) {
        backtest::measure(arguments, table)?;
    }
    if arguments.wants(Load::Results) {
        analysis::measure(arguments, table)?;
    }
    Ok(())
}

fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    if arguments.only.is_some_and(|only| !only.is_serving()) {
        return Ok(());
    }
    let echo_rate = echo::measure(arguments, table)?;
    if arguments.wants(Load::Latency) {
        hiccups::measure(arguments, table);
        echo::measure_latency(arguments, table)?;
    }
    if arguments.wants(Load::Ingest) {
        bare_store::measure(arguments, table)?;
    }

    if arguments.reuse {
        events::begin_anew();
    } else {
        let server = Server::start(arguments, Cores::All)?;
        fill::measure(arguments, &server, table)?;
        server.stop()?;
    }

    let server = Server::start(arguments, Cores::All)?;
    restart::measure_memory_at_rest(&server, table)?;
    let mut ingest_rate = RATE_UNMEASURED;
    if arguments.wants(Load::Ingest) {
        ingest_rate = ingest::measure(arguments, &server, echo_rate, table)?;
    }
    if arguments.wants(Load::Latency) {
        decide::measure_latency(arguments, &server, ingest_rate, table)?;
    }
    if arguments.wants(Load::Extremes) {
        exits::measure(arguments, &server, table)?;
        heavy::measure(arguments, &server, table)?;
        preview::measure(arguments, &server, table)?;
    }
    restart::measure_memory_after_load(&server, table)?;
    let server = match arguments.only {
        None => restart::measure_restart(arguments, server, table)?,
        Some(_) => server,
    };
    server.stop()?;

    if !arguments.wants(Load::Throughput) {
        return Ok(());
    }
    let server = Server::start(arguments, Cores::Server)?;
    decide::measure_throughput(arguments, &server, echo_rate, table)?;
    server.stop()
}

/// Removes a directory with data; it need not exist.
fn remove(directory: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Tells on standard error what is going on, so that the table alone stands on standard output.
fn say(text: impl std::fmt::Display) {
    eprintln!("{text}");
}
