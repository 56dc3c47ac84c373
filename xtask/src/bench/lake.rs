//! What does ingest pay for the lake and for metrics, and how soon are results there?
//!
//! The same program takes the same events in turns: without a lake, with one, and with ten metrics of an experiment to
//! which everybody was exposed besides. Both are made behind the log, so a load counts with what the server does
//! after it until it has nothing left to do.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    client::{Client, Envelope},
    definitions,
    events::{BATCH_EVENTS, user_id},
    fill, ingest,
    latency::Latencies,
    load::{self, Pace},
    measured::{ms, us},
    proc::Usage,
    remove, requests,
    server::{Cores, Server, TOKEN},
    table::{Budget, Table},
    zipf::Popularity,
};

/// Turns of each kind of server.
const TURNS: usize = 3;
/// What the lake may take of ingest.
const SHARE_MAX: f64 = 0.10;
const EXPERIENCE: &str = "checkout";
const ARMS: [&str; 4] = ["control", "short", "guided", "express"];
/// Times that results are asked for.
const ASKED: usize = 300;
/// A server that uses less than this share of a core has nothing to do.
const IDLE: f64 = 0.05;
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
/// Longer than this, something goes on and on.
const BUSY_MAX: Duration = Duration::from_secs(600);

/// A server that is measured in turns with others.
struct Kind {
    name: &'static str,
    arguments: Arguments,
    has_metrics: bool,
    turns: Vec<Turn>,
}

/// A load, with what was done because of it afterwards.
struct Turn {
    events_per_second: f64,
    cpu_us: f64,
    written_bytes: f64,
    behind: Duration,
}

/// Measures all kinds in turns, and results on the last.
pub(crate) fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    let kind = |name, has_lake, has_metrics| {
        let mut arguments = arguments.beside(if has_metrics { "metrics" } else { name });
        arguments.has_lake = has_lake;
        Kind { name, arguments, has_metrics, turns: Vec::new() }
    };
    let mut kinds = [
        kind("without", false, false),
        kind("lake", true, false),
        kind("lake and metrics", true, true),
    ];
    let measured = (|| {
        for kind in &kinds {
            prepare(kind)?;
        }
        for _ in 0..TURNS {
            for kind in &mut kinds {
                let turn = turn(kind)?;
                kind.turns.push(turn);
            }
        }
        tell(&kinds, table);
        kinds.last().map_or(Ok(()), |kind| measure_results(kind, table))
    })();
    if !arguments.keep {
        kinds.iter().try_for_each(|kind| remove(&kind.arguments.data))?;
    }
    measured
}

/// Lets everybody be known and exposed.
fn prepare(kind: &Kind) -> anyhow::Result<()> {
    crate::say(format!("{} people for: {}", kind.arguments.profiles, kind.name));
    remove(&kind.arguments.data)?;
    let server = Server::start(&kind.arguments, Cores::All)?;
    definitions::save(&kind.arguments, &server)?;
    server.put("/api/v1/placements/checkout", &json!({"state": "live", "default": {}}))?;
    let variants: Vec<_> = ARMS.iter().map(|key| json!({"key": key, "content": {}})).collect();
    let experience = json!({"state": "live", "placement": "checkout", "variants": variants});
    server.put(&format!("/api/v1/experiences/{EXPERIENCE}"), &experience)?;
    if kind.has_metrics {
        for (key, metric) in metrics() {
            server.put(&format!("/api/v1/metrics/{key}"), &metric)?;
        }
    }
    fill::fill(&kind.arguments, &server)?;
    let envelope = requests::decide_envelope();
    load::all(server.address(), kind.arguments.profiles, ingest::SENDERS, |person, request| {
        let body = json!({"identifiers": {"user_id": user_id(person)}, "placements": ["checkout"]});
        envelope.write(body.to_string().as_bytes(), request);
    })?;
    wait_until_idle(&server)?;
    server.stop()
}

/// Ten metrics, all of which are read from sums.
fn metrics() -> Vec<(String, Value)> {
    let order = |kind: &str, more: Value| {
        let mut metric =
            json!({"state": "live", "kind": kind, "event": "Order Completed", "window": "14d"});
        if let (Some(metric), Value::Object(more)) = (metric.as_object_mut(), more) {
            metric.extend(more);
        }
        metric
    };
    let of =
        |event: &str| json!({"state": "live", "kind": "count", "event": event, "window": "7d"});
    let revenue = || json!({"property": "revenue"});
    let metrics = [
        ("conversion", order("conversion", json!({}))),
        ("revenue", order("sum", revenue())),
        ("order_value", order("mean", revenue())),
        ("orders", order("count", json!({}))),
        ("capped_revenue", order("sum", json!({"property": "revenue", "cap": {"amount": 500}}))),
        ("retention", order("retention", json!({"after": "1d"}))),
        ("time_to_order", order("time_to_event", json!({}))),
        ("views", of("Product Viewed")),
        ("added", of("Product Added")),
        ("orders_per_view", order("ratio", json!({"denominator": {"event": "Product Viewed"}}))),
    ];
    metrics.into_iter().map(|(key, metric)| (key.to_owned(), metric)).collect()
}

fn turn(kind: &Kind) -> anyhow::Result<Turn> {
    let Kind { name, arguments, .. } = kind;
    let server = Server::start(arguments, Cores::All)?;
    crate::say(format!("ingest: {name} (server is process {})", server.pid()));
    let run = |lasting| {
        let writers = requests::ingest(arguments, Popularity::Zipf, ingest::SENDERS);
        load::run(server.address(), Pace::Closed, lasting, writers)
    };
    run(arguments.warm_up)?;
    wait_until_idle(&server)?;
    let before = Usage::of(server.pid())?;
    let load = run(arguments.measured)?;
    let behind = wait_until_idle(&server)?;
    let used = Usage::of(server.pid())?.since(before);
    server.stop()?;
    let events = load.answered() * BATCH_EVENTS as f64;
    Ok(Turn {
        events_per_second: load.rate() * BATCH_EVENTS as f64,
        cpu_us: us(used.cpu) / events,
        written_bytes: used.written_bytes as f64 / events,
        behind,
    })
}

/// Waits until the server has nothing to do, and tells how long that took.
fn wait_until_idle(server: &Server) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let mut idle = 0;
    while idle < 2 {
        ensure!(start.elapsed() < BUSY_MAX, "the server is busy after {BUSY_MAX:?}");
        let before = Usage::of(server.pid())?;
        thread::sleep(LOOKED_AT_EVERY);
        let used = Usage::of(server.pid())?.since(before).cpu;
        let is_idle = used.as_secs_f64() < IDLE * LOOKED_AT_EVERY.as_secs_f64();
        idle = if is_idle { idle + 1 } else { 0 };
    }
    Ok(start.elapsed().saturating_sub(2 * LOOKED_AT_EVERY))
}

fn tell(kinds: &[Kind], table: &mut Table) {
    table.section(format!(
        "Ingest behind which a lake and ten metrics are kept: batches of 100, closed loop, zipf, median of {TURNS} turns"
    ));
    let mut costs = Vec::new();
    for kind in kinds {
        let median = |of: fn(&Turn) -> f64| {
            let mut all: Vec<f64> = kind.turns.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let (rate, cpu) = (median(|turn| turn.events_per_second), median(|turn| turn.cpu_us));
        table.row(format!("{}: events/s", kind.name), rate);
        table.row(format!("{}: server CPU per event, µs", kind.name), cpu);
        table.row(
            format!("{}: written per event, bytes", kind.name),
            median(|turn| turn.written_bytes),
        );
        table.row(
            format!("{}: busy for so long afterwards, s", kind.name),
            median(|turn| turn.behind.as_secs_f64()),
        );
        costs.push((kind.name, rate, cpu));
    }
    if let Some((&(_, rate, cpu), others)) = costs.split_first() {
        for (name, slower, dearer) in others {
            let budget = Budget::AtMost(SHARE_MAX);
            table.judged(format!("{name}: share of the events lost"), 1.0 - slower / rate, budget);
            table.judged(format!("{name}: share of CPU more"), dearer / cpu - 1.0, budget);
        }
    }
}

/// Asks for results, one after the other, first where all is read from sums.
fn measure_results(kind: &Kind, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(&kind.arguments, Cores::All)?;
    wait_until_idle(&server)?;
    table.section(format!(
        "Results of an experience: ten metrics, four arms, {} people exposed, one connection",
        kind.arguments.profiles
    ));
    ask(&server, "ten metrics", 10, table)?;
    let (key, metric) = (
        "capped_by_quantile",
        json!({
            "state": "live", "kind": "sum", "event": "Order Completed", "property": "revenue",
            "window": "14d", "cap": {"quantile": 0.99},
        }),
    );
    server.put(&format!("/api/v1/metrics/{key}"), &metric)?;
    wait_until_idle(&server)?;
    ask(&server, "and one with a cap by a quantile", 11, table)?;
    server.stop()
}

fn ask(server: &Server, what: &str, metrics: usize, table: &mut Table) -> anyhow::Result<()> {
    crate::say(format!("results: {what}"));
    let path = format!("/api/v1/experiences/{EXPERIENCE}/results");
    let mut request = Vec::new();
    Envelope::new("GET", &path, TOKEN).write(b"", &mut request);
    let mut client = Client::connect(server.address())?;
    let mut latencies = Latencies::default();
    for number in 0..ASKED {
        let begun = Instant::now();
        let answer = client.call(&request)?;
        latencies.push(begun.elapsed());
        ensure!(answer.status == 200, "results were answered with {}", answer.status);
        if number == 0 {
            let answer: Value = serde_json::from_slice(answer.body)?;
            let told = answer["metrics"].as_array().context("no metrics")?.len();
            ensure!(told == metrics, "{told} metrics were told, not {metrics}");
            let arms = answer["arms"].as_array().context("no arms")?;
            let units: u64 = arms.iter().filter_map(|arm| arm["units"].as_u64()).sum();
            table.row(format!("{what}: units"), units as f64);
        }
    }
    let latencies = Latencies::merged([latencies]);
    table.row(format!("{what}: p50, ms"), ms(latencies.per_mille(500)));
    table.judged(format!("{what}: p99, ms"), ms(latencies.per_mille(990)), Budget::AtMost(50.0));
    Ok(())
}
