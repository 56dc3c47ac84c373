//! How much memory does it take, and how soon is it back after a crash?

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    arguments::Arguments,
    client::Client,
    definitions::PLACEMENTS,
    events::{BatchWriter, SENT_NAMES, user_id},
    ingest,
    load::{self, Pace},
    measured::ms,
    proc, requests,
    server::{Cores, Server},
    table::{Budget, Table},
    zipf::{Popularity, Random},
};

/// How long a server is left alone before it counts as at rest.
const REST: Duration = Duration::from_secs(5);
/// How long events come in before the server is killed.
const RUN_BEFORE_KILL: Duration = Duration::from_secs(2);
const MEMORY: Budget = Budget::AtMost(500.0);

/// Adds the memory of a server that was started on the data and then left alone.
pub(crate) fn measure_memory_at_rest(server: &Server, table: &mut Table) -> anyhow::Result<()> {
    crate::say("memory at rest");
    std::thread::sleep(REST);
    table.section("Memory");
    table.judged(
        "resident at rest, 5 s after a restart, MiB",
        proc::resident_mebibytes(server.pid())?,
        MEMORY,
    );
    Ok(())
}

/// Adds the memory of a server after all loads.
pub(crate) fn measure_memory_after_load(server: &Server, table: &mut Table) -> anyhow::Result<()> {
    std::thread::sleep(REST);
    table.section("Memory");
    table.row("resident 5 s after all loads, MiB", proc::resident_mebibytes(server.pid())?);
    Ok(())
}

/// Kills the server while events come in, starts it again, and waits until it decides as before.
pub(crate) fn measure_restart(
    arguments: &Arguments,
    server: Server,
    table: &mut Table,
) -> anyhow::Result<Server> {
    crate::say("restart");
    // Nobody sends events about the first person after the last, so what was decided before is right afterwards too.
    let witness = user_id(arguments.profiles);
    introduce(&server, arguments.profiles)?;
    let decided = decisions(&mut Client::connect(server.address())?, &witness)?;
    let address = server.address();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let writers = requests::ingest(arguments, Popularity::Zipf, ingest::SENDERS);
            load::run(address, Pace::Closed, RUN_BEFORE_KILL * 2, writers)
        });
        std::thread::sleep(RUN_BEFORE_KILL);
        server.kill()?;
        // That it ends with an error is what was wanted.
        drop(load.join());
        anyhow::Ok(())
    })?;

    let start = Instant::now();
    let server = Server::launch(arguments, Cores::All)?;
    server.wait_until(Server::is_ready)?;
    let ready = start.elapsed();
    server.wait_until(|client| {
        let found = decisions(client, &witness)?;
        ensure!(found == decided, "after the restart {found:?} was decided, before {decided:?}");
        Ok(true)
    })?;
    table.section("Restart after kill -9 during ingest");
    table.row("ready after, ms", ms(ready));
    table.judged("first right decision after, ms", ms(start.elapsed()), Budget::AtMost(2000.0));
    Ok(server)
}

/// Lets a person identify themselves and buy five times, so that some audience has them.
fn introduce(server: &Server, person: u64) -> anyhow::Result<()> {
    let (mut batch, mut request, mut random) = (BatchWriter::new(), Vec::new(), Random::new(0, 0));
    batch.begin();
    batch.identify(person, &mut random);
    for _ in 0..5 {
        batch.track(person, SENT_NAMES[1], &mut random);
    }
    batch.finish(&mut request);
    let mut client = Client::connect(server.address())?;
    let status = client.call(&request)?.status;
    ensure!(status == 200, "the witness's events were answered with {status}");
    Ok(())
}

/// What a person is shown in every placement: placement, experience and variant.
fn decisions(client: &mut Client, user: &str) -> anyhow::Result<Vec<[String; 3]>> {
    let mut request = Vec::new();
    let body = requests::decide_body(user, 0, PLACEMENTS);
    requests::decide_envelope().write(body.as_bytes(), &mut request);
    let answer = client.call(&request)?;
    ensure!(answer.status == 200, "a decision was answered with {}", answer.status);
    let parsed: Value = serde_json::from_slice(answer.body).context("no JSON")?;
    let decisions = parsed.get("decisions").and_then(Value::as_array).context("no decisions")?;
    let text = |decision: &Value, name: &str| {
        decision.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let shown: Vec<[String; 3]> = decisions
        .iter()
        .map(|it| ["placement", "experience", "variant"].map(|name| text(it, name)))
        .collect();
    let chosen = shown.iter().filter(|[_, experience, _]| !experience.is_empty()).count();
    ensure!(chosen != 0, "nobody chose anything for {user}: {parsed}");
    Ok(shown)
}
