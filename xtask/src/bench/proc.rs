//! What does a process use, and on which cores does it run?

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rustix::thread::CpuSet;

use crate::server::Cores;

/// What a process has used since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// In user and kernel mode together.
    pub(crate) cpu: Duration,
    /// Bytes that it caused to be written to the disk.
    pub(crate) written_bytes: u64,
}

impl Usage {
    /// Reads the usage of a process.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = read(pid, "stat")?;
        // The name of the program stands in brackets and may hold blanks; the fields that count follow it.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let mut tick =
            || ticks.next().context("/proc/<pid>/stat is too short")?.context("no number");
        let ticks: u64 = tick()? + tick()?;
        let written_bytes = number_after(&read(pid, "io")?, "write_bytes:").unwrap_or_default();
        Ok(Self { cpu: of_ticks(ticks)?, written_bytes })
    }

    /// Of this process.
    pub(crate) fn of_self() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }

    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}

/// The processor time that the whole machine has spent on anything, this process and the server included.
pub(crate) fn busy() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    // After the name: user, nice, system, idle, waiting, interrupts, soft interrupts, stolen.
    let ticks = line.split_whitespace().skip(1).take(8).enumerate();
    let counted = ticks.filter(|(position, _)| ![3, 4].contains(position));
    let ticks: u64 = counted.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum();
    of_ticks(ticks)
}

fn of_ticks(ticks: u64) -> anyhow::Result<Duration> {
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

/// The memory of a process that is in RAM, in mebibytes.
pub(crate) fn resident_mebibytes(pid: u32) -> anyhow::Result<f64> {
    let kibibytes = number_after(&read(pid, "status")?, "VmRSS:").context("no VmRSS")?;
    Ok(kibibytes as f64 / 1024.0)
}

fn read(pid: u32, name: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Moves this thread, and the processes and threads that it starts from now on, to some of the cores.
pub(crate) fn pin_to(cores: Cores) -> anyhow::Result<()> {
    let count = cores_of_machine();
    let mut set = CpuSet::new();
    for core in 0..count.min(CpuSet::MAX_CPU) {
        let last = core + 1 == count;
        if match cores {
            Cores::All => true,
            Cores::Generator => last,
            Cores::Server => core == 0,
        } {
            set.set(core);
        }
    }
    rustix::thread::sched_setaffinity(None, &set).context("cannot choose cores")
}

/// The cores that are there, whichever of them this thread may use at the moment.
pub(crate) fn cores_of_machine() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

/// Lets this thread wake when it asked to, rather than up to 50 µs later, which would count as the server's time.
pub(crate) fn sharpen_timers() -> anyhow::Result<()> {
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))
        .context("cannot set the timer slack")
}
