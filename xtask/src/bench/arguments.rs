//! What can be asked for on the command line?

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

pub(crate) const HELP: &str = "\
usage: cargo run --release -p xtask -- bench [OPTIONS]

  --profiles N      simulated people [1000000]
  --seconds N       length of each measurement [20]
  --warm-up N       seconds of each load before it is measured, while caches fill [10]
  --quick           50 000 people, 3 seconds, warm-up of 1, a million events in the lake
  --audiences N     live audiences, five for each event name [100]
  --sequences       a third of the audiences ask for sequences or for what stayed away
  --experiences N   live experiences, spread over 20 placements [200]
  --seed N          of everything that is drawn [1]
  --binary FILE     the program to measure [`concierge` beside this one]
  --data DIR        where its data goes; removed before and after [`bench-data` beside the program]
  --keep            leave the data behind
  --reuse           use data that an earlier run of as many people left behind; keeps it, too
  --only LOAD       measure only `ingest`, `latency`, `extremes`, `throughput`, `lake`, `proxy`, `backtest`
                    or `results`
  --events N        events in the lake whose results are asked for, with a tenth as many people [50000000]
  --python FILE     a Python that has DuckDB, which the lake is compared with [python3]
  --sql             ask for these results by SQL as well, of a program built with the feature `query`
  --out FILE        write the table there too";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    /// Be the echo that the program is compared with. Started by the bench itself.
    Echo,
    Bench(Arguments),
}

/// What is measured on a filled directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Ingest,
    /// Decisions at a fixed rate.
    Latency,
    /// Timers that are due at once, people with very much data, previews over everybody.
    Extremes,
    /// Decisions as fast as one core makes them.
    Throughput,
    /// What ingest costs more with a lake and metrics, and how soon results are there.
    Lake,
    /// Pages through a proxy.
    Proxy,
    /// Recorded decisions, decided again.
    Backtest,
    /// A metric over the files of a lake, beside DuckDB.
    Results,
}

impl Load {
    fn parse(word: &str) -> anyhow::Result<Self> {
        Ok(match word {
            "ingest" => Self::Ingest,
            "latency" => Self::Latency,
            "extremes" => Self::Extremes,
            "throughput" => Self::Throughput,
            "lake" => Self::Lake,
            "proxy" => Self::Proxy,
            "backtest" => Self::Backtest,
            "results" => Self::Results,
            _ => bail!("`--only` takes one of the loads that `--help` lists, not `{word}`"),
        })
    }

    /// Whether it is put on the directory with everybody in it.
    pub(crate) fn is_serving(self) -> bool {
        !matches!(self, Self::Lake | Self::Proxy | Self::Backtest | Self::Results)
    }
}

/// The parameters of a run.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) profiles: u64,
    pub(crate) measured: Duration,
    /// How long a load runs before it is measured.
    pub(crate) warm_up: Duration,
    pub(crate) audiences: usize,
    pub(crate) sequences: bool,
    pub(crate) experiences: usize,
    pub(crate) seed: u64,
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
    /// Whether the server keeps a lake.
    pub(crate) has_lake: bool,
    /// Events in the lake whose results are asked for.
    pub(crate) events: u64,
    pub(crate) python: PathBuf,
    /// Whether `lake-bench` was built with SQL.
    pub(crate) sql: bool,
    pub(crate) keep: bool,
    pub(crate) reuse: bool,
    pub(crate) only: Option<Load>,
    pub(crate) out: Option<PathBuf>,
}

impl Arguments {
    /// Whether a load is asked for.
    pub(crate) fn wants(&self, load: Load) -> bool {
        self.only.is_none_or(|only| only == load)
    }

    /// The same run on a directory of its own, beside the one with everybody in it.
    pub(crate) fn beside(&self, name: &str) -> Self {
        let mut data = self.data.clone().into_os_string();
        data.push(format!("-{name}"));
        Self { data: data.into(), ..self.clone() }
    }
}

/// Parses the arguments, without the name of the program.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Command> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let mut arguments = Arguments {
        profiles: 1_000_000,
        measured: Duration::from_secs(20),
        warm_up: Duration::from_secs(10),
        audiences: 100,
        sequences: false,
        experiences: 200,
        seed: 1,
        binary: own.with_file_name("concierge"),
        data: own.with_file_name("bench-data"),
        has_lake: true,
        events: 50_000_000,
        python: PathBuf::from("python3"),
        sql: false,
        keep: false,
        reuse: false,
        only: None,
        out: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
        match word.as_str() {
            "help" | "--help" | "-h" => return Ok(Command::Help),
            "echo" => return Ok(Command::Echo),
            "--quick" => {
                arguments.profiles = 50_000;
                arguments.measured = Duration::from_secs(3);
                arguments.warm_up = Duration::from_secs(1);
                arguments.events = 1_000_000;
            }
            "--sequences" => arguments.sequences = true,
            "--sql" => arguments.sql = true,
            "--keep" => arguments.keep = true,
            "--reuse" => (arguments.keep, arguments.reuse) = (true, true),
            "--only" => arguments.only = Some(Load::parse(&value()?)?),
            "--profiles" => arguments.profiles = number(&word, &value()?)?,
            "--seconds" => arguments.measured = Duration::from_secs(number(&word, &value()?)?),
            "--warm-up" => arguments.warm_up = Duration::from_secs(number(&word, &value()?)?),
            "--audiences" => arguments.audiences = usize::try_from(number(&word, &value()?)?)?,
            "--experiences" => arguments.experiences = usize::try_from(number(&word, &value()?)?)?,
            "--events" => arguments.events = number(&word, &value()?)?,
            "--python" => arguments.python = PathBuf::from(value()?),
            "--seed" => arguments.seed = number(&word, &value()?)?,
            "--binary" => arguments.binary = PathBuf::from(value()?),
            "--data" => arguments.data = PathBuf::from(value()?),
            "--out" => arguments.out = Some(PathBuf::from(value()?)),
            _ => bail!("unknown argument `{word}`\n\n{HELP}"),
        }
    }
    ensure!(0 < arguments.profiles, "`--profiles` must be at least 1");
    ensure!(!arguments.measured.is_zero(), "`--seconds` must be at least 1");
    ensure!(
        arguments.binary.is_file(),
        "{} is missing: run `cargo build --release -p concierge`",
        arguments.binary.display()
    );
    Ok(Command::Bench(arguments))
}

fn number(name: &str, text: &str) -> anyhow::Result<u64> {
    text.replace('_', "").parse().with_context(|| format!("`{name}` needs a number, not `{text}`"))
}
