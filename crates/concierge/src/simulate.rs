//! `concierge simulate`: seeded shoppers with known truths who act against a server, to learn the
//! tool and to check what it tells; and experiments with known truths, to check the statistics.

use std::{io::Write as _, path::Path, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use engine::{Clock as _, SystemClock};
use model::{Duration, Timestamp};
use serde_json::json;

use crate::{
    cli::ClientFlags,
    client::Client,
    failure::{Failure, Outcome},
    screen::{self, thousands},
    settings::Settings,
    target::Target,
};

mod act;
mod catalogue;
mod chance;
mod effect;
mod generate;
mod shopper;
mod truths;

use act::Actor;
pub(crate) use act::Tally;
use generate::World;

const EXAMPLES: &str = "\
Examples:
  Two hundred shoppers over the last thirty days:
    concierge simulate --shoppers 200 --days 30 --seed 7 --truth truth.jsonl
  The same at the pace of the clock, from now on:
    concierge simulate --shoppers 200 --days 1 --live
  Whether the statistics are right, without a server:
    concierge simulate --check-statistics

A shopper has tastes, a sensitivity to price, skill, consents, one to three devices (some shared), active hours, and a response to every \
variant of every experience. None of it is told to the server; --truth writes it down for whoever checks the server's results.
The same seed gives the same shoppers and message ids, so playing a world twice within a week changes nothing.";

/// Arguments of `concierge simulate`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// How many shoppers
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    shoppers: u64,
    /// How many days they shop
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Which world: the same number gives the same shoppers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The end of the days, RFC 3339 or a date [default: now]
    #[arg(long, value_name = "INSTANT", conflicts_with = "live")]
    until: Option<Timestamp>,
    /// Shop from now on, at the pace of the clock
    #[arg(long)]
    live: bool,
    /// What to ask for on arrival, on a product's page and on leaving
    #[arg(long = "placement", value_name = "KEY", default_values_t = PLACEMENTS.map(str::to_owned))]
    placements: Vec<String>,
    /// Write the hidden truths to this file, one JSON object on each line
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    #[command(flatten)]
    check: truths::CheckFlags,
}

/// How often somebody comes to the demo.
const COMING_EVERY: Duration = Duration::seconds(2);

/// The placements of the demo.
const PLACEMENTS: [&str; 3] = ["home_hero", "product_row", "exit_popup"];

/// Simulates and tells what was done.
pub(crate) fn run(settings: &Settings, args: &SimulateArgs) -> Outcome {
    if args.check.check_statistics {
        return truths::run(&args.check, args.seed);
    }
    if args.placements.len() > PLACEMENTS.len() {
        return Err(Failure::usage(
            "a visit asks at most three times: give --placement at most three times",
        ));
    }
    let target = Target::open(settings, &args.flags)?;
    let played = play(target.client(), args);
    target.close()?;
    let (world, tally) = played?;
    if let Some(path) = &args.truth {
        write_truth(path, &world, &tally)?;
    }
    screen::say(summary(&tally));
    Ok(())
}

fn play(client: &Client, args: &SimulateArgs) -> Result<(World, Tally), Failure> {
    let length = Duration::days(i64::from(args.days));
    let now = SystemClock.now();
    let from = match (args.live, args.until) {
        (true, _) => now,
        (false, until) => until.unwrap_or(now).saturating_sub(length),
    };
    let world = world(args.seed, args.shoppers, from, args.days, args.placements.clone());
    let mut progress = progress();
    let tally = if args.live {
        Actor::play_live(client, world.seed, world.visits(), &mut progress)?
    } else {
        Actor::play_past(client, &world, &mut progress)?
    };
    Ok((world, tally))
}

/// Lets shoppers of the demo's world act over the days before now.
pub(crate) fn play_demo(
    client: &Client,
    seed: u64,
    shoppers: u64,
    days: u32,
) -> anyhow::Result<Tally> {
    let from = SystemClock.now().saturating_sub(Duration::days(i64::from(days)));
    let world = world(seed, shoppers, from, days, PLACEMENTS.map(str::to_owned).to_vec());
    Actor::play_past(client, &world, &mut progress())
}

/// Lets shoppers of ever new worlds come from now on, at the pace of the clock, until the server answers no more.
///
/// Their decisions are recorded, other than those of the past, so experiments have results after a while.
pub(crate) fn keep_coming(client: &Client, shoppers: u64, days: u32) -> anyhow::Result<()> {
    loop {
        let now = SystemClock.now();
        // A world of its own for each: the messages of one that was played before would be taken for copies.
        let seed = now.0.unsigned_abs();
        let world = world(seed, shoppers, now, days, PLACEMENTS.map(str::to_owned).to_vec());
        Actor::play_live(client, seed, world.visits_every(COMING_EVERY), &mut |_, _| ())?;
    }
}

/// A shopper to show as an example: one who may be known, and who comes often.
pub(crate) fn example_user(seed: u64, shoppers: u64) -> Option<String> {
    let mut candidates = shopper::population(seed, shoppers);
    candidates
        .retain(|s| s.consents.personalization && s.consents.analytics && s.present == (0.0, 1.0));
    let liveliness = |s: &shopper::Shopper| s.visits_per_week + s.inclination;
    candidates.sort_by(|a, b| liveliness(b).total_cmp(&liveliness(a)));
    candidates.into_iter().next().map(|shopper| shopper.user_id)
}

fn world(seed: u64, shoppers: u64, from: Timestamp, days: u32, placements: Vec<String>) -> World {
    World {
        seed,
        from,
        days,
        shoppers: shopper::population(seed, shoppers).into_iter().map(Arc::new).collect(),
        catalogue: Arc::new(catalogue::Catalogue::new()),
        placements: placements.into(),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress() -> impl FnMut(u64, u64) {
    let bar = indicatif::ProgressBar::new(0);
    if let Ok(style) =
        indicatif::ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} visits")
    {
        bar.set_style(style);
    }
    move |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        if done == total {
            bar.finish_and_clear();
        }
    }
}

fn write_truth(path: &Path, world: &World, tally: &Tally) -> anyhow::Result<()> {
    let place = || format!("cannot write the truths to {}", path.display());
    let file = std::fs::File::create(path).with_context(place)?;
    let mut file = std::io::BufWriter::new(file);
    let head = json!({"kind": "world", "seed": world.seed, "from": world.from, "until": world.until(),
        "shoppers": world.shoppers.len()});
    writeln!(file, "{head}").with_context(place)?;
    for shopper in &world.shoppers {
        writeln!(file, "{}", tagged("shopper", serde_json::to_value(shopper)?))
            .with_context(place)?;
    }
    for effect in tally.effects.values() {
        writeln!(file, "{}", tagged("effect", serde_json::to_value(effect)?))
            .with_context(place)?;
    }
    file.flush().with_context(place)
}

fn tagged(kind: &str, mut value: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = value.as_object_mut() {
        fields.insert("kind".into(), kind.into());
    }
    value
}

/// What was done, in a sentence.
pub(crate) fn summary(tally: &Tally) -> String {
    let cents = u64::try_from(tally.revenue_cents).unwrap_or(0);
    format!(
        "{} visits: {} events sent, {} decisions asked for, {} orders worth {} {}",
        thousands(tally.visits),
        thousands(tally.events),
        thousands(tally.decisions),
        thousands(tally.orders),
        thousands(cents / 100),
        catalogue::CURRENCY,
    )
}
