//! The command line: which commands there are, and which flags set which setting.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    allocator, apply, audience, backtest, backup, decide, demo, diff, doctor, explain, export,
    failure::{Failure, Outcome},
    import, linkage, profile, proxy, query, restore, results, screen, serve,
    settings::{self, Flags, Name, Settings},
    simulate,
};

const ABOUT: &str =
    "Self-hosted personalization: collect, know the person, decide, prove it worked.";

const EXAMPLES: &str = "\
Examples:
  Try it with a simulated shop, audiences and experiences:
    concierge demo
  Run a server:
    concierge serve --data /var/lib/concierge --listen 0.0.0.0:8080
  Put definitions live, bring in history, look at a person, ask for a decision:
    concierge apply -f definitions/
    concierge import --mapping orders.toml orders.csv.gz
    concierge profile user_id u1
    concierge decide --user-id u1 --placement home_hero --explain

Every setting can be a flag, a variable CONCIERGE_… or a line of concierge.toml, in this order of precedence; \
`concierge config` shows the effective values. Exit codes: 0 fine, 1 failed, 2 bad usage.";

#[derive(Debug, Parser)]
#[command(name = "concierge", version, about = ABOUT, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    /// Read settings from this file [env: CONCIERGE_CONFIG; default: concierge.toml, when it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How much to log: error, warn, info, debug, trace, or a filter such as info,engine=debug
    /// [env: CONCIERGE_LOG; default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP from a data directory until told to stop
    Serve(serve::ServeArgs),
    /// Serve a shop with audiences, experiences and simulated shoppers, to learn the tool with
    Demo(demo::DemoArgs),
    /// Stand in front of a site, and personalise its pages while they stream through
    Proxy(proxy::ProxyArgs),
    /// Bring in the rows of CSV or JSONL files as historical events
    Import(import::ImportArgs),
    /// Save definitions from files: audiences, placements, experiences, purposes, sources
    Apply(apply::ApplyArgs),
    /// Tell what applying definitions from files would change
    Diff(diff::DiffArgs),
    /// Count an audience, list its members, or tell why somebody is in it
    Audience(audience::AudienceArgs),
    /// Look a person up by any identifier
    Profile(profile::ProfileArgs),
    /// Find records that may be one person, with the evidence
    Match(linkage::MatchArgs),
    /// Ask what a person would be shown, and why
    Decide(decide::DecideArgs),
    /// Tell what a known person would be shown, from their events on
    Explain(explain::ExplainArgs),
    /// Show what an experience has brought about: exposed people, metrics with intervals, and a verdict
    Results(results::ResultsArgs),
    /// Find out what a draft would have decided
    Backtest(backtest::BacktestArgs),
    /// Let seeded shoppers with known truths act against a server
    Simulate(simulate::SimulateArgs),
    /// Write people, events, memberships, consents, decisions, accounts or definitions to files
    Export(export::ExportArgs),
    /// Ask SQL of the lake: events, decisions, exposures, memberships
    Query(query::QueryArgs),
    /// Keep a copy of everything while the server runs, and one of the keys apart from it
    Backup(backup::BackupArgs),
    /// Make a data directory of a backup and its keys, or verify that it could be made
    Restore(restore::RestoreArgs),
    /// Check a data directory, and the server if one runs
    Doctor(doctor::DoctorArgs),
    /// Print the effective settings and where each came from
    Config(settings::ConfigArgs),
}

/// Flags of the commands that open a data directory.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeFlags {
    /// The data directory; created when absent [env: CONCIERGE_DATA; default: concierge-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// The address to listen on [env: CONCIERGE_LISTEN; default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Cap of the profile cache in mebibytes [env: CONCIERGE_CACHE_MB; default: 128]
    #[arg(long, value_name = "MIB")]
    pub(crate) cache_mb: Option<String>,
    /// How many trusted proxies stand in front, so that the caller's address is known [env:
    /// CONCIERGE_PROXIES; default: 0]
    #[arg(long, value_name = "COUNT")]
    pub(crate) proxies: Option<String>,
    /// The address under which browsers reach the server; that of the call when not set [env: CONCIERGE_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// A database in MaxMind's format (.mmdb) that tells the city of an address; no places without it [env:
    /// CONCIERGE_PLACES]
    #[arg(long, value_name = "FILE")]
    pub(crate) places: Option<String>,
    /// A service that tells the weather of places by Open-Meteo's API, as in
    /// `https://api.open-meteo.com/v1/forecast`; it is told places to some twenty kilometres and nothing
    /// about people; no weather without it [env: CONCIERGE_WEATHER]
    #[arg(long, value_name = "URL")]
    pub(crate) weather: Option<String>,
    /// Whether what happened is kept as tables of Parquet files as well: on or off [env: CONCIERGE_LAKE; default: on]
    #[arg(long, value_name = "on|off")]
    pub(crate) lake: Option<String>,
    /// Where those files are; `lake` in the data directory when not set [env: CONCIERGE_LAKE_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) lake_dir: Option<String>,
    /// On first start, the first source's write key instead of a generated one [env: CONCIERGE_WRITE_KEY]
    #[arg(long, value_name = "KEY")]
    pub(crate) write_key: Option<String>,
    /// On first start, the first administrator token instead of a generated one [env: CONCIERGE_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

impl ServeFlags {
    fn flags(&self) -> Flags {
        vec![
            (Name::Data, self.data.clone()),
            (Name::Listen, self.listen.clone()),
            (Name::CacheMb, self.cache_mb.clone()),
            (Name::Proxies, self.proxies.clone()),
            (Name::PublicUrl, self.public_url.clone()),
            (Name::Places, self.places.clone()),
            (Name::Weather, self.weather.clone()),
            (Name::Lake, self.lake.clone()),
            (Name::LakeDir, self.lake_dir.clone()),
            (Name::WriteKey, self.write_key.clone()),
            (Name::Token, self.token.clone()),
        ]
    }
}

/// Flags of the commands that speak to a server.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ClientFlags {
    /// The server to speak to, over plain http [env: CONCIERGE_SERVER; default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Open this data directory for the length of the command instead of speaking to a server
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(crate) data: Option<String>,
    /// The token to show [env: CONCIERGE_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// The write key to send events with, where the command sends any [env: CONCIERGE_WRITE_KEY]
    #[arg(long, value_name = "KEY")]
    pub(crate) write_key: Option<String>,
}

impl ClientFlags {
    fn flags(&self) -> Flags {
        vec![
            (Name::Server, self.server.clone()),
            (Name::Data, self.data.clone()),
            (Name::Token, self.token.clone()),
            (Name::WriteKey, self.write_key.clone()),
        ]
    }
}

/// Every flag that sets something, for `concierge config`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AllFlags {
    #[command(flatten)]
    serve: ServeFlags,
    /// The server that client commands speak to [env: CONCIERGE_SERVER; default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

impl AllFlags {
    fn flags(&self) -> Flags {
        let mut flags = self.serve.flags();
        flags.push((Name::Server, self.server.clone()));
        flags
    }
}

impl Command {
    fn flags(&self) -> Flags {
        match self {
            Self::Serve(args) => args.flags.flags(),
            Self::Demo(args) => args.flags.flags(),
            Self::Proxy(args) => args.flags(),
            Self::Import(args) => args.flags.flags(),
            Self::Apply(args) => args.flags.flags(),
            Self::Diff(args) => args.flags.flags(),
            Self::Audience(args) => args.flags.flags(),
            Self::Explain(args) => args.flags.flags(),
            Self::Profile(args) => args.flags.flags(),
            Self::Match(args) => args.flags.flags(),
            Self::Decide(args) => args.flags.flags(),
            Self::Results(args) => args.flags.flags(),
            Self::Backtest(args) => args.flags.flags(),
            Self::Simulate(args) => args.flags.flags(),
            Self::Export(args) => args.flags.flags(),
            Self::Query(args) => args.flags.flags(),
            Self::Backup(args) => args.flags.flags(),
            // It speaks to no server and asks no setting where to write.
            Self::Restore(_) => Flags::new(),
            Self::Doctor(args) => args.flags.flags(),
            Self::Config(args) => args.flags.flags(),
        }
    }

    /// Commands that serve log what happens; the others speak for themselves, unless asked.
    fn default_log(&self) -> Option<&'static str> {
        match self {
            Self::Serve(_) | Self::Proxy(_) => None,
            _ => Some("warn"),
        }
    }
}

/// Parses the command line, runs the command and turns its outcome into an exit code.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    match run_command(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            screen::note(format!("error: {}", failure.message()));
            failure.exit_code()
        }
    }
}

fn run_command(cli: &Cli) -> Outcome {
    let mut flags = cli.command.flags();
    flags.push((Name::Log, cli.log.clone()));
    let settings = Settings::load(&flags, cli.config.clone())?;
    start_logging(&settings, cli.command.default_log())?;
    if matches!(cli.command, Command::Serve(_) | Command::Demo(_)) {
        allocator::suit_a_server();
    }
    match &cli.command {
        Command::Serve(_) => serve::run(&settings),
        Command::Demo(args) => demo::run(&settings, args),
        Command::Proxy(args) => proxy::run(&settings, args),
        Command::Import(args) => import::run(&settings, args),
        Command::Apply(args) => apply::run(&settings, args),
        Command::Diff(args) => diff::run(&settings, args),
        Command::Audience(args) => audience::run(&settings, args),
        Command::Explain(args) => explain::run(&settings, args),
        Command::Profile(args) => profile::run(&settings, args),
        Command::Match(args) => linkage::run(&settings, args),
        Command::Decide(args) => decide::run(&settings, args),
        Command::Results(args) => results::run(&settings, args),
        Command::Backtest(args) => backtest::run(&settings, args),
        Command::Simulate(args) => simulate::run(&settings, args),
        Command::Export(args) => export::run(&settings, args),
        Command::Query(args) => query::run(&settings, args),
        Command::Backup(args) => backup::run(&settings, args),
        Command::Restore(args) => restore::run(args),
        Command::Doctor(args) => doctor::run(&settings, args),
        Command::Config(args) => settings::show(&settings, args),
    }
}

fn start_logging(settings: &Settings, quieter: Option<&str>) -> Outcome {
    let Some(setting) = settings.get(Name::Log) else { return Ok(()) };
    let level = match (&setting.source, quieter) {
        (settings::Source::Default, Some(quieter)) => quieter,
        _ => &setting.text,
    };
    let filter = tracing_subscriber::EnvFilter::builder().parse(level).map_err(|error| {
        Failure::usage(format!(
            "`{level}` ({}) is no log level: {error}; write error, warn, info, debug or trace",
            setting.source
        ))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_has_its_flag_and_the_help_names_its_variable() {
        let command = Cli::command();
        let config = command.find_subcommand("config").unwrap();
        for spec in &settings::SPECS {
            let flag = spec.flag();
            let long = flag.trim_start_matches("--");
            let arg = config
                .get_arguments()
                .chain(command.get_arguments())
                .find(|arg| arg.get_long() == Some(long))
                .unwrap_or_else(|| panic!("no flag {flag}"));
            let help = arg.get_help().unwrap().to_string();
            assert!(help.contains(&spec.variable()), "{flag}: {help}");
            if let Some(default) = spec.default {
                assert!(help.contains(default), "{flag}: {help}");
            }
        }
    }
}
