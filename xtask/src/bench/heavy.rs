//! Is a decision about somebody with very many events or identifiers as quick as any other?

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::{
    arguments::Arguments,
    client::Client,
    definitions::PLACEMENTS,
    events::{BATCH_EVENTS, BatchWriter, SENT_NAMES, user_id},
    latency::Latencies,
    measured::us,
    requests::{PLACEMENTS_ASKED, decide_body, decide_envelope},
    server::Server,
    table::{Budget, Table},
    zipf::Random,
};

/// Events of the one who has many.
const EVENTS: u64 = 50_000;
/// Identifiers of the one who has many; a thousand with the user id is the limit.
const IDENTIFIERS: u64 = 999;
/// Decisions about each, by turns.
const ROUNDS: usize = 2_000;
/// Decisions about each before they count.
const WARM_UP: usize = 200;

/// Makes both people, who come after all others, and compares decisions about them with those about
/// somebody with three events.
pub(crate) fn measure(
    arguments: &Arguments,
    server: &Server,
    table: &mut Table,
) -> anyhow::Result<()> {
    crate::say("people with very much data");
    let (ordinary, busy, many) =
        (arguments.profiles + 1, arguments.profiles + 2, arguments.profiles + 3);
    let mut client = Client::connect(server.address())?;
    send(&mut client, 3, |batch, event, random| {
        batch.track(ordinary, name(event), random);
    })?;
    send(&mut client, EVENTS, |batch, event, random| batch.track(busy, name(event), random))?;
    send(&mut client, IDENTIFIERS, |batch, event, _| {
        batch.alias(many, &format!("device-{event:06}"));
    })?;
    let people = [ordinary, busy, many];
    let found = compare(&mut client, people.map(user_id))?;
    let [usual, busy, many] = found.map(|latencies| us(latencies.per_mille(500)));
    table.section("Decide: people with very much data, one connection, p50");
    table.row("somebody with 3 events, µs", usual);
    table.row(format!("somebody with {EVENTS} events, µs"), busy);
    table.judged("share of the first", busy / usual, Budget::AtMost(2.0));
    table.row("somebody with 1 000 identifiers, µs", many);
    table.judged("share of the first", many / usual, Budget::AtMost(2.0));
    Ok(())
}

fn name(event: u64) -> &'static str {
    let place = usize::try_from(event).unwrap_or_default() % SENT_NAMES.len();
    SENT_NAMES.get(place).copied().unwrap_or_default()
}

fn send(
    client: &mut Client,
    events: u64,
    mut write: impl FnMut(&mut BatchWriter, u64, &mut Random),
) -> anyhow::Result<()> {
    let (mut batch, mut request) = (BatchWriter::new(), Vec::new());
    let mut random = Random::new(0, 0);
    for first in (0..events).step_by(usize::try_from(BATCH_EVENTS)?) {
        batch.begin();
        for event in first..events.min(first + BATCH_EVENTS) {
            write(&mut batch, event, &mut random);
        }
        batch.finish(&mut request);
        while client.call(&request)?.status != 200 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// Decides about people by turns, so that what else the machine does falls on all of them alike.
fn compare<const N: usize>(
    client: &mut Client,
    users: [String; N],
) -> anyhow::Result<[Latencies; N]> {
    let requests = users.map(|user| {
        let mut request = Vec::new();
        let body = decide_body(&user, 0, PLACEMENTS_ASKED.min(PLACEMENTS));
        decide_envelope().write(body.as_bytes(), &mut request);
        request
    });
    let mut found = [const { Vec::new() }; N];
    for round in 0..WARM_UP + ROUNDS {
        for (request, times) in requests.iter().zip(&mut found) {
            let start = Instant::now();
            let status = client.call(request)?.status;
            ensure!(status == 200, "a decision was answered with {status}");
            if WARM_UP <= round {
                times.push(start.elapsed());
            }
        }
    }
    Ok(found.map(|times| {
        let mut latencies = Latencies::default();
        times.into_iter().for_each(|took| latencies.push(took));
        Latencies::merged([latencies])
    }))
}
