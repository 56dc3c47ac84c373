//! How far an import is: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::screen;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress over the rows of one file.
#[derive(Debug)]
pub(super) enum Progress {
    Bar(ProgressBar),
    Lines { name: String, total: u64, done: u64, started: Instant, last: Instant },
}

impl Progress {
    /// Starts at zero of about `total` rows.
    pub(super) fn new(name: &str, total: u64) -> Self {
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template =
                "{prefix} {wide_bar} {human_pos}/{human_len} rows  {per_sec}  {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            Self::Bar(bar)
        } else {
            let now = Instant::now();
            Self::Lines { name: name.to_owned(), total, done: 0, started: now, last: now }
        }
    }

    /// `rows` more rows are settled.
    pub(super) fn advance(&mut self, rows: u64) {
        match self {
            Self::Bar(bar) => bar.inc(rows),
            Self::Lines { name, total, done, started, last } => {
                *done += rows;
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    screen::note(line(name, *done, *total, started.elapsed()));
                }
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(name: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let per_second = u128::from(done) * 1000 / elapsed.as_millis().max(1);
    let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
    let left = total.saturating_sub(done) / per_second.max(1);
    let [done, total, rate] = [done, total, per_second].map(screen::thousands);
    format!("{name}: {done} of about {total} rows, {rate} rows/s, about {left} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rows_rate_and_rest() {
        assert_eq!(
            line("orders.csv", 20_000, 60_000, Duration::from_secs(2)),
            "orders.csv: 20,000 of about 60,000 rows, 10,000 rows/s, about 4 s left"
        );
    }
}
