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

/// Connections of the closed loop: enough that the writer always has a next batch.
pub(crate) const SENDERS: u64 = 16;

/// Sends batches as fast as they are taken; returns the events a second with popular people.
pub(crate) fn measure(
    arguments: &Arguments,
    server: &Server,
    table: &mut Table,
) -> anyhow::Result<f64> {
    let zipf = measure_with(arguments, server, Popularity::Zipf, table)?;
    measure_with(arguments, server, Popularity::Uniform, table)?;
    Ok(zipf)
}

fn measure_with(
    arguments: &Arguments,
    server: &Server,
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
    table.judged("events/s (target)", rate, Budget::AtLeast(50_000.0));
    table.judged("events/s (floor)", rate, Budget::AtLeast(25_000.0));
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
