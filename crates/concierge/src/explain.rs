//! `concierge explain`: from a person's events to what each placement shows them, and why.

use anyhow::Context as _;
use model::Timestamp;
use serde_json::Value;

use crate::{
    cli::ClientFlags,
    client::{Client, encode},
    decide,
    failure::Outcome,
    profile, screen,
    settings::Settings,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  concierge explain user_id u1
  concierge explain email ann@example.org --placement home_hero --at 2026-12-24T18:00:00Z
  concierge audience explain vip user_id u1              (why somebody is in an audience)

Nothing is recorded but that it was asked. `concierge decide --explain` does the same for a visitor who is not known yet, or \
with a context.";

/// Arguments of `concierge explain`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// The type of an identifier: `user_id`, `email`, `external:<name>`, …
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The identifier's value
    value: String,
    /// A placement; every one when none is given
    #[arg(long = "placement", value_name = "KEY")]
    placements: Vec<String>,
    /// Decide as if the clock stood here, over what is known today
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
    /// The address of the page, for placements and rules that look at it
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print the answer of the server as it is
    #[arg(long)]
    json: bool,
}

/// Explains what a person would see.
pub(crate) fn run(settings: &Settings, args: &ExplainArgs) -> Outcome {
    let target = Target::open(settings, &args.flags)?;
    let explained = ask(target.client(), args);
    target.close()?;
    let answer = explained?;
    if args.json {
        screen::say(format!("{answer:#}"));
    } else {
        decide::say(&answer)?;
    }
    Ok(())
}

fn ask(client: &Client, args: &ExplainArgs) -> anyhow::Result<Value> {
    let id = profile::find(client, &args.kind, &args.value).context("nobody to explain")?;
    let placements = (!args.placements.is_empty()).then(|| args.placements.join(","));
    let at = args.at.map(|at| at.to_string());
    let asked = [("placement", placements), ("at", at), ("url", args.url.clone())];
    let query: Vec<String> = asked
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encode(&value?))))
        .collect();
    client.get(&format!("/api/v1/profiles/{}/explain?{}", encode(&id), query.join("&")))
}
