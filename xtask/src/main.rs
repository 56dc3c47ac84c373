#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

mod finding;
mod licences;
mod repository;
mod tidy;

use std::process::{Command, ExitCode};

use anyhow::Context as _;

use finding::Finding;
use repository::Repository;

/// What can be asked of this tool, in the order in which `help` shows it.
const HELP: &str = "\
usage: cargo run -p xtask -- COMMAND

  tidy       check the rules of this repository that no compiler checks
  licences   check that every dependency may be shipped with this program
  bench      measure the budgets of ARCHITECTURE.md on this machine; `bench --help` lists its options
  help       show this text";

fn main() -> anyhow::Result<ExitCode> {
    let command = std::env::args().nth(1).unwrap_or_else(|| String::from("help"));
    match command.as_str() {
        "tidy" => Ok(report("tidy", &tidy::check(&Repository::open()?))),
        "licences" => Ok(report("licences", &licences::check(&Repository::find_root()?)?)),
        "bench" => bench(),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => {
            println!("unknown command `{other}`\n\n{HELP}");
            Ok(ExitCode::from(2))
        }
    }
}

/// Prints every finding, one a line, and turns their number into an exit code.
fn report(command: &str, findings: &[Finding]) -> ExitCode {
    for finding in findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{command}: nothing to report");
        return ExitCode::SUCCESS;
    }
    println!("{command}: {} to put right", findings.len());
    ExitCode::FAILURE
}

/// Builds the program as it is shipped, and measures it with the other program of this package.
fn bench() -> anyhow::Result<ExitCode> {
    let program = ["build", "--release", "--locked", "-p", "concierge", "--features", "bench"];
    if !cargo().args(program).status()?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let status = cargo()
        .args(["run", "--quiet", "--release", "--locked", "-p", "xtask"])
        .args(["--features", "bench", "--bin", "bench", "--"])
        .args(std::env::args().skip(2))
        .status()
        .context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The cargo that runs this program.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
