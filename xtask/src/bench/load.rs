//! Keeps a server busy for a while, in a closed loop or at a fixed rate.
//!
//! Senders are threads that block: they cost little, and they sleep to the microsecond, which a
//! runtime's timer does not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use crate::{client::Client, latency::Latencies, proc};

/// A call that could not be sent for so long after it was due is given up, so that a server that
/// is too slow for the rate ends the run with a bad figure rather than never.
const BEHIND_MAX: Duration = Duration::from_secs(5);

/// Writes the next request of a sender over what is in the buffer.
pub(crate) type Writer = Box<dyn FnMut(&mut Vec<u8>) + Send>;

/// What a load, or one sender of it, came to.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) latencies: Latencies,
    pub(crate) took: Duration,
    /// Calls that were due and not sent because the server was too far behind; their times so far
    /// are among the latencies.
    pub(crate) abandoned: usize,
    /// Answers with a status other than 200.
    pub(crate) refused: usize,
}

impl Load {
    /// Calls that were answered with 200.
    pub(crate) fn answered(&self) -> f64 {
        (self.latencies.count() - self.abandoned) as f64
    }

    /// The same, a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered() / self.took.as_secs_f64()
    }
}

/// How requests follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each sender sends again as soon as it has its answer.
    Closed,
    /// So many requests a second from all senders, whether or not earlier ones have been answered.
    Open { per_second: u32 },
}

/// Sends for as long as told, one connection for each writer.
///
/// At a fixed rate, a call's time counts from the instant at which it was due: when the server
/// stalls, the calls that could not be sent meanwhile are counted with their wait rather than left
/// out ("coordinated omission").
pub(crate) fn run(
    address: SocketAddr,
    pace: Pace,
    lasting: Duration,
    writers: Vec<Writer>,
) -> anyhow::Result<Load> {
    let start = Instant::now();
    let sent = AtomicU32::new(0);
    let schedule = Schedule { pace, start, end: start + lasting, sent: &sent };
    let parts = thread::scope(|scope| {
        let senders: Vec<_> = writers
            .into_iter()
            .map(|writer| scope.spawn(move || send(address, schedule, writer)))
            .collect();
        let joined = senders.into_iter().map(|sender| sender.join());
        joined
            .map(|part| part.map_err(|_| anyhow!("a sender panicked"))?)
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Load {
        took: start.elapsed(),
        refused: parts.iter().map(|part| part.refused).sum(),
        abandoned: parts.iter().map(|part| part.abandoned).sum(),
        latencies: Latencies::merged(parts.into_iter().map(|part| part.latencies)),
    })
}

/// Sends so many requests, each written by its number, over so many connections. Told to wait, it waits.
pub(crate) fn all(
    address: SocketAddr,
    count: u64,
    senders: u64,
    write: impl Fn(u64, &mut Vec<u8>) + Sync,
) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    let send = || {
        let (mut client, mut request) = (Client::connect(address)?, Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if count <= number {
                return anyhow::Ok(());
            }
            write(number, &mut request);
            while client.call(&request)?.status != 200 {
                thread::sleep(Duration::from_millis(10));
            }
        }
    };
    thread::scope(|scope| {
        let senders: Vec<_> = (0..senders).map(|_| scope.spawn(send)).collect();
        let mut joined = senders.into_iter().map(|sender| sender.join());
        joined.try_for_each(|sent| sent.map_err(|_| anyhow!("a sender panicked"))?)
    })
}

#[derive(Clone, Copy, Debug)]
struct Schedule<'a> {
    pace: Pace,
    start: Instant,
    end: Instant,
    sent: &'a AtomicU32,
}

impl Schedule<'_> {
    /// Waits until the next request is due; `None` at the end.
    fn next(&self) -> Option<Instant> {
        let due = match self.pace {
            Pace::Closed => Instant::now(),
            Pace::Open { per_second } => {
                let ticket = self.sent.fetch_add(1, Ordering::Relaxed);
                self.start + Duration::from_secs(1) * ticket / per_second
            }
        };
        if self.end <= due {
            return None;
        }
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        Some(due)
    }
}

fn send(address: SocketAddr, schedule: Schedule<'_>, mut writer: Writer) -> anyhow::Result<Load> {
    proc::sharpen_timers()?;
    let mut client = Client::connect(address)?;
    let mut request = Vec::new();
    let mut load = Load::default();
    writer(&mut request);
    while let Some(due) = schedule.next() {
        if BEHIND_MAX < due.elapsed() {
            load.abandoned += 1;
            load.latencies.push(due.elapsed());
            continue;
        }
        let answer = client.call(&request).context("during a load")?;
        if answer.status == 200 {
            load.latencies.push(due.elapsed());
        } else {
            load.refused += 1;
        }
        // Written ahead of its time, so that writing is no part of the call.
        writer(&mut request);
    }
    Ok(load)
}
