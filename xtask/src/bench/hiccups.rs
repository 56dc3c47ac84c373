//! What the machine itself does to latencies: how late a thread wakes that asked for a millisecond
//! of sleep while nothing else runs. No server can be more punctual than that.
//!
//! The method is that of jHiccup (Tene, 2011).

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{arguments::Arguments, latency::Latencies, measured::us, table::Table};

const SLEEP: Duration = Duration::from_millis(1);

/// Measures for as long as a load.
pub(crate) fn measure(arguments: &Arguments, table: &mut Table) {
    crate::say("hiccups of the machine");
    let end = Instant::now() + arguments.measured;
    let mut late = Latencies::default();
    loop {
        let asked = Instant::now();
        if end <= asked {
            break;
        }
        thread::sleep(SLEEP);
        late.push(asked.elapsed().saturating_sub(SLEEP));
    }
    let late = Latencies::merged([late]);
    table
        .section("The machine: how late a thread wakes from 1 ms of sleep while nothing else runs");
    table.row("p50, µs", us(late.per_mille(500)));
    table.row("p99, µs", us(late.per_mille(990)));
    table.row("p999, µs", us(late.per_mille(999)));
    table.row("worst, µs", us(late.max()));
}
