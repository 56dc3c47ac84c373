//! `concierge backtest`: what a draft would have decided in a period that is over.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use engine::definitions::Kind;
use model::{Duration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    apply,
    cli::ClientFlags,
    client::{Auth, Call, Client, encode},
    failure::Outcome,
    screen,
    settings::Settings,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  concierge backtest welcome_back --from 2026-11-01
  concierge backtest welcome_back --from 2026-11-01 -f drafts/ --event \"Order Completed\" --property revenue

Files are as `concierge apply` takes them: experiences, audiences and placements that are put in place of those that
act. Nothing is saved. Stopping the command cancels the backtest.";

/// Arguments of `concierge backtest`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BacktestArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// The experience in question; one that is a draft takes part as if it were live
    #[arg(value_name = "EXPERIENCE")]
    experience: String,
    /// The first instant
    #[arg(long, value_name = "INSTANT")]
    from: Timestamp,
    /// The first instant after; now when absent
    #[arg(long, value_name = "INSTANT")]
    to: Option<Timestamp>,
    /// A file, or a folder with folders named after the kinds
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// The events that are to be gained
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// The property of the events that is added up
    #[arg(long, value_name = "NAME", requires = "event")]
    property: Option<String>,
    /// How long after a decision they count
    #[arg(long, value_name = "DURATION", requires = "event")]
    within: Option<Duration>,
    /// Print the result as it is
    #[arg(long)]
    json: bool,
}

/// Runs a backtest and tells what came out.
pub(crate) fn run(settings: &Settings, args: &BacktestArgs) -> Outcome {
    let body = body(args)?;
    let target = Target::open(settings, &args.flags)?;
    let found = result(target.client(), &args.experience, &body);
    target.close()?;
    let result = found?;
    if args.json {
        screen::say(format!("{result:#}"));
    } else {
        lines(&result).into_iter().for_each(screen::say);
    }
    Ok(())
}

fn body(args: &BacktestArgs) -> anyhow::Result<Value> {
    let mut body = Map::new();
    body.insert("from".into(), json!(args.from));
    body.insert("to".into(), json!(args.to));
    let documents =
        if args.file.is_empty() { Vec::new() } else { apply::read_documents(&args.file)? };
    for document in documents {
        if !matches!(document.kind, Kind::Experience | Kind::Audience | Kind::Placement) {
            let name = document.name();
            bail!("{name}: a backtest changes experiences, audiences and placements only");
        }
        let of_kind = body.entry(document.kind.plural()).or_insert_with(|| json!({}));
        of_kind[document.key] = Value::Object(document.body);
    }
    if let Some(event) = &args.event {
        let mut reward = json!({"event": event});
        if let Some(property) = &args.property {
            reward["property"] = json!(property);
        }
        if let Some(within) = args.within {
            reward["within"] = json!(within);
        }
        body.insert("reward".into(), reward);
    }
    Ok(Value::Object(body))
}

/// Reads to the end, which is the result.
fn result(client: &Client, experience: &str, body: &Value) -> anyhow::Result<Value> {
    let path = format!("/api/v1/experiences/{}/backtest", encode(experience));
    let bytes = serde_json::to_vec(body).context("writing JSON")?;
    let call = Call { method: "POST", path: &path, auth: Auth::Token, body: Some(&bytes) };
    let stream = client.stream(&call)?;
    for line in BufReader::new(stream).lines() {
        let line = line.context("reading the answer")?;
        if line.is_empty() {
            continue;
        }
        let mut said: Value = serde_json::from_str(&line).context("the answer is not JSON")?;
        if let Some(result) = said.get_mut("result") {
            return Ok(result.take());
        }
        if let Some(part) = said["progress"]["part"].as_f64() {
            tracing::info!(
                percent = (100.0 * part).round(),
                people = said["progress"]["people"].as_u64(),
                decisions = said["progress"]["decisions"].as_u64(),
                "deciding again"
            );
        }
    }
    bail!("the answer broke off before its result; the server's log says why")
}

/// The result in words.
fn lines(result: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
    let mut lines = vec![format!(
        "{} of {} decisions would have been others, for {} of {} people.",
        result["different"], result["decisions"], result["people_different"], result["people"]
    )];
    for (experience, reach) in result["experiences"].as_object().into_iter().flatten() {
        let [decisions, people] = [&reach["decisions"], &reach["people"]];
        lines.push(format!(
            "{experience}: {} → {} decisions, {} → {} people",
            decisions["before"], decisions["after"], people["before"], people["after"]
        ));
    }
    for moved in result["moves"].as_array().into_iter().flatten() {
        let [from, to] = [text(&moved["from"]), text(&moved["to"])];
        lines.push(format!("{} decisions from {from} to {to}", moved["decisions"]));
    }
    let lift = &result["lift"];
    match lift["verdict"].as_str() {
        Some("estimated") => {
            lines.push(format!(
                "A person would have been worth {:.4} in place of {:.4}: {:+.4}, 95 % interval {:+.4} to {:+.4}, \
                 from {} people who tell as much as {:.0} drawn by the draft itself.",
                number(&lift["draft"]),
                number(&lift["logged"]),
                number(&lift["lift"]),
                number(&lift["interval"][0]),
                number(&lift["interval"][1]),
                lift["people"],
                number(&lift["effective"]),
            ));
            lines.extend(lift["warnings"].as_array().into_iter().flatten().map(text));
        }
        Some(_) => lines.push(format!("No number for the effect: {}.", text(&lift["detail"]))),
        None => {}
    }
    lines
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}
