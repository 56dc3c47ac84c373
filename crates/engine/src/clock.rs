//! Where time enters: the only place that may read the machine's clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Instant,
};

use model::{Duration, Timestamp};
use parking_lot::Mutex;

/// Two readings of a wall clock, made some milliseconds apart, that differ by more than this are a step and not
/// the time that has passed. It is as far as an event may be ahead.
const STEP_MIN: Duration = Duration::days(1);
/// How long a clock must go on from where it stepped to before it is believed: long enough for whoever set it, or
/// a time server, to put it right; short enough for a machine that has slept for days.
const HELD_FOR: Duration = Duration::seconds(600);

/// A source of the current instant.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// How far the machine's clock is ahead of this one, or behind it, while it is not believed.
    fn unbelieved(&self) -> Duration {
        Duration(0)
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn unbelieved(&self) -> Duration {
        (**self).unbelieved()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one door through which time enters")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Milliseconds since the start, which nobody can set. They say how much time has passed, not which time it is.
#[derive(Clone, Copy, Debug)]
pub struct Uptime(Instant);

impl Default for Uptime {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Uptime {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// A wall clock that does not follow a step of more than a day at once.
///
/// Whatever is kept for a time, or holds for a time, ends by this clock: a year that a wrong clock skips would end
/// all of it, and nothing brings it back once the clock is right again. So time goes on from before the step,
/// as the other clock counts it, until the wall clock has come back or has gone on from there for ten minutes.
/// A first reading is believed: how long the program was not running cannot be known.
#[derive(Debug, Default)]
pub struct SteadyClock<W = SystemClock, R = Uptime> {
    wall: W,
    /// Counts from any start, and is never set.
    running: R,
    /// The last reading; 0 before the first.
    last: AtomicI64,
    is_held: AtomicBool,
    held: Mutex<Option<Held>>,
}

/// A step that is not believed yet.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// The last reading before it.
    from: Timestamp,
    /// What the running clock showed then.
    since: Timestamp,
    /// How far the wall clock is ahead since then.
    ahead: Duration,
    /// Since when it has been ahead by so much, by the running clock.
    ahead_since: Timestamp,
}

impl<W, R> SteadyClock<W, R> {
    /// A clock that follows `wall`, and counts by `running` while it does not.
    pub fn new(wall: W, running: R) -> Self {
        let (last, is_held, held) = (AtomicI64::new(0), AtomicBool::new(false), Mutex::new(None));
        Self { wall, running, last, is_held, held }
    }
}

fn is_step(between: Duration) -> bool {
    between.0.saturating_abs() > STEP_MIN.0
}

impl<W: Clock, R: Clock> SteadyClock<W, R> {
    /// The instant where the wall clock may have stepped.
    fn weigh(&self, wall: Timestamp) -> Timestamp {
        let mut held = self.held.lock();
        let running = self.running.now();
        let last = Timestamp(self.last.load(Ordering::Relaxed));
        let is_first = last == Timestamp(0);
        let mut hold = held.unwrap_or(Held {
            from: last,
            since: running,
            ahead: wall.since(last),
            ahead_since: running,
        });
        let steady = hold.from.saturating_add(running.since(hold.since));
        let ahead = wall.since(steady);
        if is_step(Duration(ahead.0.saturating_sub(hold.ahead.0))) {
            (hold.ahead, hold.ahead_since) = (ahead, running);
        }
        let is_believed = running.since(hold.ahead_since) >= HELD_FOR;
        let now = if is_first || !is_step(ahead) || is_believed { wall } else { steady };
        if now == wall {
            if held.take().is_some() {
                tracing::warn!(ahead_ms = ahead.0, "the machine's clock is believed again");
            }
        } else {
            if held.is_none() {
                tracing::error!(
                    ahead_ms = ahead.0,
                    "the machine's clock has stepped; time goes on as before until the clock is put right, or for \
                     ten minutes"
                );
            }
            *held = Some(hold);
        }
        self.is_held.store(held.is_some(), Ordering::Relaxed);
        self.last.store(now.0, Ordering::Relaxed);
        now
    }
}

impl<W: Clock, R: Clock> Clock for SteadyClock<W, R> {
    fn now(&self) -> Timestamp {
        let wall = self.wall.now();
        let last = Timestamp(self.last.load(Ordering::Relaxed));
        if self.is_held.load(Ordering::Relaxed) || is_step(wall.since(last)) {
            return self.weigh(wall);
        }
        self.last.store(wall.0, Ordering::Relaxed);
        wall
    }

    fn unbelieved(&self) -> Duration {
        self.held.lock().map_or(Duration(0), |held| held.ahead)
    }
}

/// A clock that stands until it is moved: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves the clock to `now`, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: model::Duration) {
        self.set(self.now().saturating_add(by));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 86_400_000;
    const MINUTE: i64 = 60_000;

    /// Moves both clocks, the wall clock by some more, and reads.
    struct Bench {
        wall: Arc<ManualClock>,
        running: Arc<ManualClock>,
        clock: SteadyClock<Arc<ManualClock>, Arc<ManualClock>>,
    }

    impl Bench {
        fn new() -> Self {
            let wall = Arc::new(ManualClock::at(Timestamp(1_790_000_000_000)));
            let running = Arc::new(ManualClock::at(Timestamp(5)));
            let clock = SteadyClock::new(Arc::clone(&wall), Arc::clone(&running));
            let bench = Self { wall, running, clock };
            assert_eq!(bench.clock.now(), bench.wall.now(), "a first reading is believed");
            bench
        }

        fn pass(&self, passed: i64, step: i64) -> i64 {
            let before = self.clock.now();
            self.running.advance(Duration(passed));
            self.wall.advance(Duration(passed + step));
            self.clock.now().since(before).0
        }
    }

    #[test]
    fn time_passes_and_small_steps_are_followed() {
        let bench = Bench::new();
        for step in [0, 5_000, -5_000, STEP_MIN.0 - MINUTE, -STEP_MIN.0] {
            assert_eq!(bench.pass(20, step), 20 + step);
        }
        assert_eq!(bench.clock.unbelieved(), Duration(0));
    }

    #[test]
    fn a_step_that_is_put_right_was_never_there() {
        for step in [YEAR, -YEAR] {
            let bench = Bench::new();
            assert_eq!(bench.pass(20, step), 0, "it is not known what has passed before it");
            assert_eq!(bench.clock.unbelieved().0, step + 20);
            assert_eq!(bench.pass(5 * MINUTE, 0), 5 * MINUTE);
            assert_eq!(bench.pass(20, -step), 40);
            assert_eq!(bench.clock.now(), bench.wall.now());
            assert_eq!(bench.clock.unbelieved(), Duration(0));
        }
    }

    #[test]
    fn a_step_that_lasts_is_believed() {
        for step in [YEAR, -YEAR] {
            let bench = Bench::new();
            bench.pass(20, step);
            assert_eq!(bench.pass(HELD_FOR.0 - 1, 0), HELD_FOR.0 - 1);
            assert_eq!(bench.pass(1, 0), step + 21);
            assert_eq!(bench.pass(20, 0), 20);
        }
    }

    #[test]
    fn one_that_steps_again_and_again_is_not() {
        let bench = Bench::new();
        bench.pass(20, YEAR);
        for _ in 0..10 {
            assert_eq!(bench.pass(5 * MINUTE, YEAR), 5 * MINUTE);
        }
        assert_eq!(bench.pass(20, -11 * YEAR), 40);
        assert_eq!(bench.clock.now(), bench.wall.now());
    }
}
