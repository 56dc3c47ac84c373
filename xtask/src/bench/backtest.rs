//! How many recorded decisions are decided again in a second?

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    client::Envelope,
    definitions::{self, PLACEMENTS},
    events::user_id,
    fill, ingest, load,
    measured::us,
    proc::{self, Usage},
    remove,
    requests::{self, PLACEMENTS_ASKED},
    server::{Cores, Server, TOKEN},
    table::{Budget, Table},
};

/// People with decisions, where there are so many.
const PEOPLE: u64 = 100_000;
/// Requests of each, about [`PLACEMENTS_ASKED`] placements: twenty decisions.
const REQUESTS: u64 = 5;
/// The experience whose draft is tried.
const EXPERIENCE: usize = 3;
const REPETITIONS: usize = 3;
/// Longer than this it is broken.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// Records decisions, and decides them again by a draft.
pub(crate) fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    let people = PEOPLE.min(arguments.profiles);
    let arguments = Arguments { profiles: people, ..arguments.beside("backtest") };
    remove(&arguments.data)?;
    let measured = record(&arguments).and_then(|server| {
        table.section(format!(
            "Backtest: {people} people, {} recorded decisions each, {} experiences, server on all cores",
            REQUESTS * PLACEMENTS_ASKED as u64,
            arguments.experiences,
        ));
        again(&arguments, &server, None, table)?;
        let reward = json!({"event": "Order Completed", "property": "revenue", "within": "1s"});
        again(&arguments, &server, Some(reward), table)?;
        server.stop()
    });
    if !arguments.keep {
        remove(&arguments.data)?;
    }
    measured
}

fn record(arguments: &Arguments) -> anyhow::Result<Server> {
    let server = Server::start(arguments, Cores::All)?;
    definitions::save(arguments, &server)?;
    fill::fill(arguments, &server)?;
    let (people, envelope) = (arguments.profiles, requests::decide_envelope());
    crate::say(format!("{} decisions to be recorded", people * REQUESTS));
    load::all(server.address(), people * REQUESTS, ingest::SENDERS, |number, request| {
        let round = usize::try_from(number / people).unwrap_or_default();
        let first = round * PLACEMENTS_ASKED % PLACEMENTS;
        let body = requests::decide_body(&user_id(number % people), first, PLACEMENTS_ASKED);
        envelope.write(body.as_bytes(), request);
    })?;
    Ok(server)
}

/// Decides everything again a few times, and tells of the fastest.
fn again(
    arguments: &Arguments,
    server: &Server,
    reward: Option<Value>,
    table: &mut Table,
) -> anyhow::Result<()> {
    let mut draft = definitions::experience(EXPERIENCE, arguments.audiences);
    draft["priority"] = json!(9);
    let what = if reward.is_some() { "with an effect" } else { "without an effect" };
    crate::say(format!("backtest {what} (server is process {})", server.pid()));
    let key = format!("experience_{EXPERIENCE}");
    let body =
        json!({"from": "2026-01-01T00:00:00Z", "experiences": {&key: draft}, "reward": reward});
    let mut best: Option<(f64, f64, f64)> = None;
    let mut result = Value::Null;
    for _ in 0..REPETITIONS {
        let (before, busy, start) = (Usage::of(server.pid())?, proc::busy()?, Instant::now());
        result = ask(server, &key, &body)?;
        let (took, used) = (start.elapsed(), Usage::of(server.pid())?.since(before));
        let decisions = result["decisions"].as_u64().context("no decisions")? as f64;
        let others = proc::busy()?.saturating_sub(busy).saturating_sub(used.cpu);
        let found = (
            decisions / took.as_secs_f64(),
            us(used.cpu) / decisions,
            others.as_secs_f64() / took.as_secs_f64(),
        );
        best = Some(best.filter(|best| found.0 <= best.0).unwrap_or(found));
    }
    let (rate, cpu, others) = best.unwrap_or_default();
    let count = |name: &str| result[name].as_f64().unwrap_or_default();
    ensure!(0.0 < count("different"), "the draft changes nothing");
    table.row(format!("{what}: decisions"), count("decisions"));
    table.row(format!("{what}: of those different"), count("different"));
    table.judged(format!("{what}: decisions/s"), rate, Budget::AtLeast(200_000.0));
    table.row(format!("{what}: server CPU per decision, µs"), cpu);
    table.row(format!("{what}: cores busy with other things"), others);
    Ok(())
}

/// Reads a streamed answer to its end; the result is in its last line.
fn ask(server: &Server, experience: &str, body: &Value) -> anyhow::Result<Value> {
    let path = format!("/api/v1/experiences/{experience}/backtest");
    let mut request = Vec::new();
    Envelope::new("POST", &path, TOKEN).write(body.to_string().as_bytes(), &mut request);
    // Of a client of that version an answer ends where the connection does.
    let request = String::from_utf8(request)?.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let last = answer.lines().rfind(|line| !line.is_empty()).context("no answer")?;
    let last: Value = serde_json::from_str(last).with_context(|| answer.clone())?;
    last.get("result").cloned().with_context(|| format!("no result: {last}"))
}
