//! Do a hundred thousand people leave an audience in time, and what do decisions notice of it?

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use jiff::{Timestamp, ToSpan as _};

use crate::{
    arguments::Arguments,
    client::Client,
    decide,
    events::{BATCH_EVENTS, BatchWriter},
    ingest,
    measured::{ms, us},
    server::Server,
    table::{Budget, Table},
    zipf::{Popularity, Random},
};

/// The event that makes somebody a member of the audience [`AUDIENCE`].
pub(crate) const EVENT: &str = "Exit Measured";
/// The audience that all leave.
pub(crate) const AUDIENCE: &str = "exits";
/// How long they are members: long enough for all of them to come in.
pub(crate) const MEMBERS_FOR_SECONDS: i64 = 60;
/// How many leave.
const PEOPLE: u64 = 100_000;
/// How long decisions are measured before, and while they leave.
const MEASURED: Duration = Duration::from_secs(5);
/// When the second measurement begins, before the first leaves.
const HEAD_START: Duration = Duration::from_secs(1);
/// Longer than this it is broken.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Lets people come in, all with an event of one instant, and measures how they leave.
pub(crate) fn measure(
    arguments: &Arguments,
    server: &Server,
    table: &mut Table,
) -> anyhow::Result<()> {
    let people = PEOPLE.min(arguments.profiles);
    crate::say(format!("exits of {people} people"));
    let entered = now();
    let due = entered.checked_add(MEMBERS_FOR_SECONDS.seconds())?;
    let before = transitions(server)?;
    enter(server, people, entered)?;
    let before_due = decide::decide(arguments, server, Popularity::Zipf, MEASURED)?;
    ensure!(transitions(server)? >= before + people, "not everybody came in");
    let wait = until(due).checked_sub(HEAD_START).context("they came in too slowly")?;
    thread::sleep(wait);
    let (while_leaving, took) = thread::scope(|scope| {
        let watch = scope.spawn(|| left(server, before + 2 * people, due));
        let decided = decide::decide(arguments, server, Popularity::Zipf, MEASURED)?;
        let took = watch.join().map_err(|_| anyhow!("the watch panicked"))??;
        anyhow::Ok((decided, took))
    })?;
    let p99 = |load: &crate::load::Load| us(load.latencies.per_mille(990));
    table.section(format!("Timers: {people} exits due in the same instant"));
    table.judged("all have left after, ms", ms(took), Budget::AtMost(3000.0));
    table.row("decide p99 before, µs", p99(&before_due));
    table.row("decide p99 meanwhile, µs", p99(&while_leaving));
    let share = p99(&while_leaving) / p99(&before_due);
    table.judged("share of the one before", share, Budget::AtMost(1.2));
    Ok(())
}

fn enter(server: &Server, people: u64, at: Timestamp) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    let send = |sender| {
        let mut client = Client::connect(server.address())?;
        let (mut batch, mut request) = (BatchWriter::new(), Vec::new());
        let mut random = Random::new(0, sender);
        loop {
            let first = next.fetch_add(BATCH_EVENTS, Ordering::Relaxed);
            if people <= first {
                return anyhow::Ok(());
            }
            batch.begin_at(at);
            for person in first..people.min(first + BATCH_EVENTS) {
                batch.track(person, EVENT, &mut random);
            }
            batch.finish(&mut request);
            while client.call(&request)?.status != 200 {
                thread::sleep(Duration::from_millis(10));
            }
        }
    };
    thread::scope(|scope| {
        let senders: Vec<_> =
            (0..ingest::SENDERS).map(|sender| scope.spawn(move || send(sender))).collect();
        senders
            .into_iter()
            .try_for_each(|sender| sender.join().map_err(|_| anyhow!("a sender panicked"))?)
    })
}

/// How long after `due` so many entries and exits were counted.
fn left(server: &Server, count: u64, due: Timestamp) -> anyhow::Result<Duration> {
    loop {
        let done = transitions(server)? >= count;
        let since = Duration::try_from(now().duration_since(due)).unwrap_or_default();
        if done {
            return Ok(since);
        }
        ensure!(since < TIME_MAX, "they have not left after {TIME_MAX:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn transitions(server: &Server) -> anyhow::Result<u64> {
    server.metric("concierge_audience_transitions_total")
}

fn until(instant: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now())).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a client; it has no engine")]
fn now() -> Timestamp {
    Timestamp::now()
}
