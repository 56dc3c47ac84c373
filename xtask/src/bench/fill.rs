//! How long does it take to get to know so many people?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{
    arguments::Arguments,
    client::Client,
    definitions,
    events::{BATCH_EVENTS, BatchWriter, SENT_NAMES},
    proc::Usage,
    server::Server,
    table::Table,
    zipf::Random,
};

/// Connections that fill at once.
const SENDERS: u64 = 8;
/// Events of each person: who it is or what was added to the cart, what was viewed, what was bought.
const EVENTS_PER_PERSON: u64 = 3;
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Saves the definitions and then tells the server of every person.
pub(crate) fn measure(
    arguments: &Arguments,
    server: &Server,
    table: &mut Table,
) -> anyhow::Result<()> {
    crate::say("definitions");
    definitions::save(arguments, server)?;
    let start = Instant::now();
    let before = Usage::of(server.pid())?;
    fill(arguments, server)?;
    let events = (arguments.profiles * EVENTS_PER_PERSON) as f64;
    let used = Usage::of(server.pid())?.since(before);
    table.section("Fill: durable batches of 100, three events for each new person, 8 connections");
    table.row("time, s", start.elapsed().as_secs_f64());
    table.row("events/s", events / start.elapsed().as_secs_f64());
    table.row("server CPU per event, µs", used.cpu.as_secs_f64() * 1e6 / events);
    table.row("written per event, bytes", used.written_bytes as f64 / events);
    Ok(())
}

/// Tells the server of every person.
pub(crate) fn fill(arguments: &Arguments, server: &Server) -> anyhow::Result<()> {
    let start = Instant::now();
    let next_event = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let next_event = Arc::clone(&next_event);
                scope.spawn(move || send(arguments, server, sender, &next_event))
            })
            .collect();
        report(arguments, &next_event, start, || senders.iter().all(|it| it.is_finished()));
        senders.into_iter().try_for_each(|sender| {
            sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))?
        })
    })
}

fn send(
    arguments: &Arguments,
    server: &Server,
    sender: u64,
    next_event: &AtomicU64,
) -> anyhow::Result<()> {
    let mut client = Client::connect(server.address())?;
    let mut random = Random::new(arguments.seed, sender);
    let (mut batch, mut request) = (BatchWriter::new(), Vec::new());
    let end = arguments.profiles * EVENTS_PER_PERSON;
    loop {
        let first = next_event.fetch_add(BATCH_EVENTS, Ordering::Relaxed);
        if end <= first {
            return Ok(());
        }
        batch.begin();
        for event in first..end.min(first + BATCH_EVENTS) {
            let person = event / EVENTS_PER_PERSON;
            match event % EVENTS_PER_PERSON {
                0 if person.is_multiple_of(2) => batch.identify(person, &mut random),
                0 => batch.track(person, SENT_NAMES[2], &mut random),
                1 => batch.track(person, SENT_NAMES[0], &mut random),
                _ => batch.track(person, SENT_NAMES[1], &mut random),
            }
        }
        batch.finish(&mut request);
        // Told to wait, it waits; nothing may be left out.
        while client.call(&request)?.status != 200 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Tells how far it is, until it is done.
fn report(arguments: &Arguments, next_event: &AtomicU64, start: Instant, done: impl Fn() -> bool) {
    let mut told = Instant::now();
    while !done() {
        std::thread::sleep(Duration::from_millis(20));
        if REPORT_EVERY <= told.elapsed() {
            told = Instant::now();
            let people = next_event.load(Ordering::Relaxed) / EVENTS_PER_PERSON;
            let seconds = start.elapsed().as_secs();
            crate::say(format!(
                "fill: {people} of {} people after {seconds} s",
                arguments.profiles
            ));
        }
    }
}
