//! The yardstick for decisions: what the same framework does when there is nothing to do.
//!
//! A call brings a kilobyte of JSON that is parsed into types, and is answered with some 200 bytes.

use std::collections::BTreeMap;

use anyhow::Context as _;
use axum::{
    Json, Router,
    http::header,
    response::{Html, IntoResponse},
    routing::{get, post},
    serve::ListenerExt as _,
};
use serde::Deserialize;

use crate::{
    arguments::Arguments,
    client::Envelope,
    load::{self, Pace, Writer},
    measured::{Measured, measured, us},
    proxy, requests,
    server::{Cores, LISTEN_VARIABLE, Server, TOKEN},
    table::Table,
};

/// The rate of the open loops, in requests a second.
pub(crate) const RATE: u32 = 5_000;
/// Connections of a closed loop against one core: enough that it never waits for the load.
pub(crate) const SENDERS: u64 = 32;

/// Measures the echo on one core, and returns its calls a second.
pub(crate) fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<f64> {
    crate::say("echo");
    let found = calls(arguments, Cores::Server, Pace::Closed)?;
    table.section("Echo: bare axum, closed loop, 32 connections, server on one core");
    let rate = found.load.rate();
    table.row("throughput, req/s", rate);
    add_costs(&found, table);
    Ok(rate)
}

/// Measures the echo at the rate of the decisions in open loop, on all cores as they are.
pub(crate) fn measure_latency(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    crate::say("echo, open loop");
    let found = calls(arguments, Cores::All, Pace::Open { per_second: RATE })?;
    table.section("Echo: bare axum, open loop at 5 000 req/s");
    add_costs(&found, table);
    Ok(())
}

fn calls(arguments: &Arguments, cores: Cores, pace: Pace) -> anyhow::Result<Measured> {
    let server = Server::start_echo(cores)?;
    let body = requests::decide_body("user-000000000", 0, requests::PLACEMENTS_ASKED);
    let writer = |_| -> Writer {
        let (envelope, body) = (Envelope::new("POST", "/echo", TOKEN), body.clone());
        Box::new(move |request| envelope.write(body.as_bytes(), request))
    };
    let found = measured(arguments, &server, |lasting| {
        load::run(server.address(), pace, lasting, (0..SENDERS).map(writer).collect())
    })?;
    server.stop()?;
    Ok(found)
}

fn add_costs(found: &Measured, table: &mut Table) {
    let calls = found.load.answered();
    table.row("latency p50, µs", us(found.load.latencies.per_mille(500)));
    table.row("latency p99, µs", us(found.load.latencies.per_mille(990)));
    table.row("server CPU per request, µs", found.server_cpu_us_per(calls));
    table.row("load generator CPU per request, µs", found.own_cpu_us_per(calls));
    table.row("cores busy with other things", found.others_cores());
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only parsing it matters")]
struct Call {
    identifiers: BTreeMap<String, String>,
    placements: Vec<String>,
    context: Context,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only parsing it matters")]
struct Context {
    page: BTreeMap<String, String>,
    locale: String,
    timezone: String,
    ip: String,
    user_agent: String,
    campaign: BTreeMap<String, String>,
    app: BTreeMap<String, String>,
    properties: serde_json::Map<String, serde_json::Value>,
}

const ANSWER: &str = r#"{"decisions":[{"id":"0123456789abcdef","placement":"home_hero","experience":"welcome_back","variant":"b","content":{"title":"Hello"},"reason":"split","propensity":0.5}],"definitions_version":42,"ok":true}"#;

async fn echo(Json(_): Json<Call>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], ANSWER)
}

/// Answers until killed, with the runtime's settings as in the program: a thread for each core it may use.
pub(crate) fn serve() -> anyhow::Result<()> {
    let address = std::env::var(LISTEN_VARIABLE).context("only the bench starts the echo")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        // Failing costs time, not sense.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let page = axum::body::Bytes::from(proxy::page());
        let site = get(move || async move { Html(page) });
        axum::serve(listener, Router::new().route("/echo", post(echo)).route("/", site)).await?;
        Ok(())
    })
}
