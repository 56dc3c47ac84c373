//! `concierge match`: which records may be one person, with the evidence for it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use matching::{Kind, Linkage, Model, Plan};

use crate::{
    cli::ClientFlags,
    failure::{Failure, Outcome},
    rows::{self, Form},
    screen::{self, thousands},
    settings::Settings,
};

mod document;
mod read;
mod told;
mod write;

use document::Document;
use read::Named;

const EXAMPLES: &str = "\
Examples:
  Look at what would be compared, by the names of the columns:
    concierge match people.csv --print-settings
  Find pairs, with what each comparison weighs:
    concierge match people.csv --out pairs.csv
  The same with settings of your own, each record in one pair at most:
    concierge match people.csv --settings match.toml --one-to-one --out pairs.jsonl

Nobody has to tell which records match: from all pairs together it is learnt how often values agree in records of one person, \
and how often by chance (Fellegi and Sunter's model, estimated by expectation and maximisation). A pair's weight is the sum of \
what its comparisons weigh. Pairs are proposals for a person to look at; nothing is merged.

docs/reference/matching.md explains the settings and shows how well it works.";

/// The probability from which on a pair is proposed, when none is named.
const THRESHOLD: f64 = 0.95;

/// Arguments of `concierge match`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MatchArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// The records: .csv, .tsv, .jsonl or .ndjson, also with .gz
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is compared and how, TOML or JSON; inferred from the names of the columns when left out
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print the settings that would be used, as TOML, and stop
    #[arg(long)]
    print_settings: bool,
    /// What separates the columns of a CSV file; a tab for .tsv, else a comma
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// Write the pairs to this file, .csv or .jsonl, the likeliest first
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The least probability of a pair that is kept, above 0 and below 1
    #[arg(long, value_name = "PROBABILITY", default_value_t = THRESHOLD, value_parser = probability)]
    threshold: f64,
    /// Keep of each record only its likeliest pair
    #[arg(long)]
    one_to_one: bool,
    /// Write which records hang together by pairs to this file, .csv
    #[arg(long, value_name = "FILE")]
    clusters: Option<PathBuf>,
    /// Weigh by a model that was learnt before, instead of learning one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write the model that was learnt to this file, as JSON; it holds probabilities, nothing of any record
    #[arg(long, value_name = "FILE")]
    save_model: Option<PathBuf>,
}

fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if 0.0 < number && number < 1.0 { Ok(number) } else { Err("not between 0 and 1".to_owned()) }
}

/// Finds pairs in a file, writes them and tells about them.
pub(crate) fn run(_settings: &Settings, args: &MatchArgs) -> Outcome {
    if let Some(out) = &args.out {
        write::format_of(out)?;
    }
    let document = match &args.settings {
        Some(path) => Document::read(path)?,
        None => Document::default(),
    };
    let (plan, id, named) = read(args, &document)?;
    if args.print_settings {
        let document = toml::to_string(&Document::of(&plan, id));
        screen::say(document.context("writing the settings")?.trim_end());
        return Ok(());
    }
    find(args, &plan, &named)
}

fn read(args: &MatchArgs, document: &Document) -> Result<(Plan, Option<String>, Named), Failure> {
    let is_tsv = args.file.to_string_lossy().trim_end_matches(".gz").ends_with(".tsv");
    let delimiter = args.delimiter.unwrap_or(if is_tsv { '\t' } else { ',' });
    let form = Form { format: None, delimiter };
    rows::format_of(&args.file, form).map_err(|error| Failure::usage(error.to_string()))?;
    let names = rows::column_names(&args.file, form)?;
    let id = document.id_among(&names);
    let comparisons = document.comparisons_of(&names)?;
    let read = |columns: &[(String, Kind)]| read::read(&args.file, form, id.as_deref(), columns);
    if let Some(blocking) = &document.blocking {
        let plan = document.plan(comparisons, blocking.clone())?;
        let columns: Vec<_> = plan.columns().map(|(name, kind)| (name.to_owned(), kind)).collect();
        let named = read(&columns)?;
        return Ok((plan, id, named));
    }
    let columns: Vec<_> = comparisons.iter().map(|it| (it.column.clone(), it.kind)).collect();
    let named = read(&columns)?;
    let blocking = matching::infer::blocking(&comparisons, &named.records);
    let plan = document.plan(comparisons, blocking)?;
    Ok((plan, id, named))
}

fn find(args: &MatchArgs, plan: &Plan, named: &Named) -> Outcome {
    let records = &named.records;
    screen::say(format!(
        "{}: {} records",
        args.file.display(),
        thousands(u64::from(records.len()))
    ));
    if named.skipped > 0 {
        screen::say(format!("  {} lines hold no record", thousands(named.skipped)));
    }
    let linkage = Linkage::new(plan, records).map_err(anyhow::Error::from)?;
    screen::say(told::blocks(plan, &linkage));
    let model = match &args.model {
        Some(path) => read_model(path, plan)?,
        None => linkage.train().map_err(anyhow::Error::from)?,
    };
    screen::say(told::model(&model, records));
    if let Some(path) = &args.save_model {
        let json = serde_json::to_string_pretty(&model).context("writing the model")?;
        let cannot = || format!("cannot write {}", path.display());
        std::fs::write(path, json + "\n").with_context(cannot)?;
    }
    let mut pairs = linkage.score(&model, args.threshold).map_err(anyhow::Error::from)?;
    if args.one_to_one {
        pairs = matching::one_to_one(&pairs, records.len());
    }
    let explain = linkage.explainer(&model);
    if let Some(path) = &args.out {
        write::pairs(path, plan, named, &pairs, &explain)?;
    }
    if let Some(path) = &args.clusters {
        write::clusters(path, named, &matching::clusters(&pairs, records.len()))?;
    }
    screen::say(format!(
        "{} pairs are one person with probability {} or more",
        thousands(pairs.len() as u64),
        args.threshold,
    ));
    if let Some(pair) = pairs.last() {
        let told = told::pair(plan, named, pair, &explain(pair));
        screen::say(format!("the least certain of them\n{told}"));
    }
    Ok(())
}

fn read_model(path: &Path, plan: &Plan) -> Result<Model, Failure> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the model {place}: {error}")))?;
    let model: Model = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("the model {place} is not sound: {error}")))?;
    model
        .check(plan)
        .map_err(|fault| Failure::usage(format!("the model {place} does not fit: {fault}")))?;
    Ok(model)
}
