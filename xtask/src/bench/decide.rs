//! How fast are decisions, alone and beside a stream of events?

use std::time::Duration;

use anyhow::anyhow;

use crate::{
    arguments::Arguments,
    echo,
    events::BATCH_EVENTS,
    ingest,
    load::{self, Load, Pace},
    measured::{Measured, measured, us},
    requests,
    server::Server,
    table::{Budget, Table},
    zipf::Popularity,
};

/// Connections of the open loop: a stall of the server holds up that many calls before later ones wait unsent.
const SENDERS: u64 = 32;

/// Decides as fast as it can on one core, for comparison with the echo.
pub(crate) fn measure_throughput(
    arguments: &Arguments,
    server: &Server,
    echo_rate: f64,
    table: &mut Table,
) -> anyhow::Result<()> {
    for popularity in [Popularity::Zipf, Popularity::Uniform] {
        crate::say(format!(
            "decide, closed loop, {popularity} (server is process {})",
            server.pid()
        ));
        let found = measured(arguments, server, |lasting| {
            let writers = requests::decide(arguments, popularity, echo::SENDERS);
            load::run(server.address(), Pace::Closed, lasting, writers)
        })?;
        let rate = found.load.rate();
        table.section(format!(
            "Decide: 4 placements, closed loop, 32 connections, server on one core, {popularity}"
        ));
        table.row("throughput, req/s", rate);
        table.judged("share of the echo's throughput", rate / echo_rate, Budget::AtLeast(0.5));
        add_costs(&found, table);
    }
    Ok(())
}

/// Decides at a fixed rate, alone and while events come in at half the rate that was measured.
pub(crate) fn measure_latency(
    arguments: &Arguments,
    server: &Server,
    events_per_second: f64,
    table: &mut Table,
) -> anyhow::Result<()> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a measured rate, far below the limit of a u32"
    )]
    let batches_per_second = ((events_per_second / 2.0) as u32 / BATCH_EVENTS as u32).max(1);
    for popularity in [Popularity::Zipf, Popularity::Uniform] {
        crate::say(format!("decide, open loop, {popularity} (server is process {})", server.pid()));
        let found =
            measured(arguments, server, |lasting| decide(arguments, server, popularity, lasting))?;
        table.section(format!("Decide: 4 placements, open loop at 5 000 req/s, {popularity}"));
        add_latencies(&found, table);
    }
    for popularity in [Popularity::Zipf, Popularity::Uniform] {
        crate::say(format!(
            "decide beside ingest, {popularity} (server is process {})",
            server.pid()
        ));
        let found = measured(arguments, server, |lasting| {
            beside_ingest(arguments, server, popularity, batches_per_second, lasting)
        })?;
        table.section(format!(
            "Decide: the same beside ingest at half its rate ({} events/s), {popularity}",
            u64::from(batches_per_second) * BATCH_EVENTS
        ));
        add_latencies(&found, table);
    }
    Ok(())
}

/// Decides at the rate of the budget.
pub(crate) fn decide(
    arguments: &Arguments,
    server: &Server,
    popularity: Popularity,
    lasting: Duration,
) -> anyhow::Result<Load> {
    let writers = requests::decide(arguments, popularity, SENDERS);
    load::run(server.address(), Pace::Open { per_second: echo::RATE }, lasting, writers)
}

fn beside_ingest(
    arguments: &Arguments,
    server: &Server,
    popularity: Popularity,
    batches_per_second: u32,
    lasting: Duration,
) -> anyhow::Result<Load> {
    std::thread::scope(|scope| {
        let ingest = scope.spawn(|| {
            let writers = requests::ingest(arguments, popularity, ingest::SENDERS);
            let pace = Pace::Open { per_second: batches_per_second };
            load::run(server.address(), pace, lasting, writers)
        });
        let decided = decide(arguments, server, popularity, lasting);
        ingest.join().map_err(|_| anyhow!("the events' sender panicked"))??;
        decided
    })
}

fn add_latencies(found: &Measured, table: &mut Table) {
    let at = |part| us(found.load.latencies.per_mille(part));
    table.row("answered, req/s", found.load.rate());
    table.row("latency p50, µs", at(500));
    table.judged("latency p99, µs", at(990), Budget::AtMost(1000.0));
    table.row("latency p999, µs", at(999));
    table.row("latency worst, µs", us(found.load.latencies.max()));
    add_costs(found, table);
}

fn add_costs(found: &Measured, table: &mut Table) {
    let calls = found.load.answered();
    table.row("server CPU per request, µs", found.server_cpu_us_per(calls));
    table.row("load generator CPU per request, µs", found.own_cpu_us_per(calls));
    table.row("requests that read the store, %", found.cold as f64 / calls * 100.0);
    table.row("cores busy with other things", found.others_cores());
    table.row("requests given up, 5 s late", found.load.abandoned as f64);
    table.row("requests refused", found.load.refused as f64);
}
