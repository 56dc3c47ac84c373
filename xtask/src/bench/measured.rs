//! A load, and what it cost both sides.

use std::time::Duration;

use crate::{
    arguments::Arguments,
    load::Load,
    proc::{self, Usage},
    server::Server,
};

/// A load with what it cost.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) load: Load,
    server: Usage,
    own: Usage,
    /// Of the whole machine.
    busy: Duration,
    /// Batches that the server committed, each with one sync.
    pub(crate) commits: u64,
    /// Decision requests for which the server had to read its store.
    pub(crate) cold: u64,
}

/// Runs a load for a while without looking, then measures it.
pub(crate) fn measured(
    arguments: &Arguments,
    server: &Server,
    run: impl Fn(Duration) -> anyhow::Result<Load>,
) -> anyhow::Result<Measured> {
    run(arguments.warm_up)?;
    let commits = || server.metric("concierge_commits_total");
    let cold = || server.metric("concierge_decisions_cold_total");
    let (commits_before, cold_before) = (commits()?, cold()?);
    let server_before = Usage::of(server.pid())?;
    let own_before = Usage::of_self()?;
    let busy_before = proc::busy()?;
    let load = run(arguments.measured)?;
    Ok(Measured {
        load,
        server: Usage::of(server.pid())?.since(server_before),
        own: Usage::of_self()?.since(own_before),
        busy: proc::busy()?.saturating_sub(busy_before),
        commits: commits()? - commits_before,
        cold: cold()? - cold_before,
    })
}

impl Measured {
    /// The server's processor time for each of so many things.
    pub(crate) fn server_cpu_us_per(&self, count: f64) -> f64 {
        us(self.server.cpu) / count
    }

    /// The load generator's.
    pub(crate) fn own_cpu_us_per(&self, count: f64) -> f64 {
        us(self.own.cpu) / count
    }

    /// How many cores other processes kept busy meanwhile: where it is not about 0, the figures are
    /// worse than they should be.
    pub(crate) fn others_cores(&self) -> f64 {
        let others = self.busy.saturating_sub(self.server.cpu + self.own.cpu);
        others.as_secs_f64() / self.load.took.as_secs_f64()
    }

    /// Bytes that the server wrote for each of so many things.
    pub(crate) fn written_bytes_per(&self, count: f64) -> f64 {
        self.server.written_bytes as f64 / count
    }
}

/// A time in microseconds.
pub(crate) fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A time in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
