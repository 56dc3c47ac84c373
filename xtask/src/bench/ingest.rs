//! How many events can be made durable, and at what cost?

use crate::{
    arguments::Arguments,
    events::BATCH_EVENTS,
    load::{self, Pace},
    measured::{measured, ms},
    requests,
    server::Server,
    table::{Budget, Table},
    zipf::Popularity,
};

/// What the echo did on the machine on which the budgets were set, in calls a second. Machines
/// differ and are shared, so a rate is also judged by that of the echo in the same run.
const ECHO_RATE_OF_BUDGETS: f64 = 54_000.0;
const TARGET: f64 = 50_000.0;
const FLOOR: f64 = 25_000.0;

/// Connections of the closed loop: enough that the writer always has a next batch.
pub(crate) const SENDERS: u64 = 16;

/// Sends batches as fast as they are taken; returns the events a second with popular people.
pub(crate) fn measure(
    arguments: &Arguments,
    server: &Server,
    echo_rate: f64,
    table: &mut Table,
) -> anyhow::Result<f64> {
    let zipf = measure_with(arguments, server, echo_rate, Popularity::Zipf, table)?;
    measure_with(arguments, server, echo_rate, Popularity::Uniform, table)?;
    Ok(zipf)
}

fn measure_with(
    arguments: &Arguments,
    server: &Server,
    echo_rate: f64,
    popularity: Popularity,
    table: &mut Table,
) -> anyhow::Result<f64> {
    crate::say(format!("ingest, {popularity} (server is process {})", server.pid()));
    let found = measured(arguments, server, |lasting| {
        let writers = requests::ingest(arguments, popularity, SENDERS);
        load::run(server.address(), Pace::Closed, lasting, writers)
    })?;
    let events = found.load.answered() * BATCH_EVENTS as f64;
    let rate = found.load.rate() * BATCH_EVENTS as f64;
    table.section(format!(
        "Ingest: durable batches of 100, closed loop, 16 connections, {popularity}"
    ));
    table.judged("events/s (target)", rate, Budget::AtLeast(TARGET));
    table.judged("events/s (floor)", rate, Budget::AtLeast(FLOOR));
    let of_echo = |budget| Budget::AtLeast(budget / ECHO_RATE_OF_BUDGETS);
    table.judged("events for each echo (target)", rate / echo_rate, of_echo(TARGET));
    table.judged("events for each echo (floor)", rate / echo_rate, of_echo(FLOOR));
    table.judged("server CPU per event, µs", found.server_cpu_us_per(events), Budget::AtMost(30.0));
    table.judged(
        "written per event, bytes",
        found.written_bytes_per(events),
        Budget::AtMost(2048.0),
    );
    table.row("syncs per event", found.commits as f64 / events);
    table.row("batch latency p50, ms", ms(found.load.latencies.per_mille(500)));
    table.row("batch latency p99, ms", ms(found.load.latencies.per_mille(990)));
    table.row("load generator CPU per event, µs", found.own_cpu_us_per(events));
    table.row("cores busy with other things", found.others_cores());
    table.row("batches refused", found.load.refused as f64);
    Ok(rate)
}
