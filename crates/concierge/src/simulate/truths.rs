//! `concierge simulate --check-statistics`: plays experiments whose truth is known, and tells how often the
//! statistics were right.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::anyhow;
use serde_json::{Value, json};
use stats::truth::{Check, Claim, Found, checks};

use crate::{
    failure::Outcome,
    screen::{self, thousands},
};

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A table for people and documents
    Markdown,
    /// One array of objects
    Json,
}

/// Flags of the check.
#[derive(clap::Args, Debug)]
pub(crate) struct CheckFlags {
    /// Play thousands of experiments with known truths instead, and tell how often the statistics were right; no
    /// server is asked
    #[arg(long)]
    pub(super) check_statistics: bool,
    /// How often each is played; where one takes long, fewer
    #[arg(long, default_value_t = 2_000, requires = "check_statistics",
        value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    plays: u32,
    /// How to print the table
    #[arg(long, value_enum, default_value_t = Format::Markdown, requires = "check_statistics")]
    format: Format,
}

/// Plays all checks and prints the table; fails when a claim does not hold.
pub(super) fn run(flags: &CheckFlags, seed: u64) -> Outcome {
    let checks = checks();
    let rows: Vec<(&Check, Found)> =
        checks.iter().zip(play_all(&checks, seed, flags.plays)).collect();
    match flags.format {
        Format::Markdown => screen::say(markdown(&rows)),
        Format::Json => screen::say(Value::from_iter(rows.iter().map(as_json))),
    }
    let wrong = rows.iter().filter(|(check, found)| !check.holds(found)).count();
    if wrong > 0 {
        return Err(anyhow!("{wrong} of {} claims do not hold", rows.len()).into());
    }
    Ok(())
}

/// Each thread takes the next check until none is left; what is played does not depend on which thread plays it.
fn play_all(checks: &[Check], seed: u64, plays: u32) -> Vec<Found> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = indicatif::ProgressBar::new(checks.len() as u64);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{wide_bar} {pos}/{len} checks") {
        bar.set_style(style);
    }
    let next = AtomicUsize::new(0);
    let played = Mutex::new(Vec::with_capacity(checks.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(check) = checks.get(position) else { return };
                    let found = check.run(seed, plays);
                    played.lock().unwrap_or_else(PoisonError::into_inner).push((position, found));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    played.sort_by_key(|(position, _)| *position);
    played.into_iter().map(|(_, found)| found).collect()
}

fn markdown(rows: &[(&Check, Found)]) -> String {
    let mut lines = vec![
        "| method | played | measured | claimed | found | plays | |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (check, found) in rows {
        let verdict = match (check.claim, check.holds(found)) {
            (Claim::Shown, _) => "for comparison",
            (_, true) => "holds",
            (_, false) => "**does not hold**",
        };
        lines.push(format!(
            "| {} | {} | {} | {} | {} | {} | {verdict} |",
            check.method,
            check.setting,
            check.measure,
            claimed(check.claim),
            with_error(found),
            thousands(u64::from(found.plays)),
        ));
    }
    lines.join("\n")
}

fn claimed(claim: Claim) -> String {
    match claim {
        Claim::AtMost(value) => format!("≤ {}", percent(value)),
        Claim::AtLeast(value) => format!("≥ {}", percent(value)),
        Claim::Near { value, .. } => percent(value),
        Claim::Shown => String::new(),
    }
}

fn with_error(found: &Found) -> String {
    format!("{} ± {}", percent(found.mean), percent(found.std_error))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn as_json((check, found): &(&Check, Found)) -> Value {
    let claim = match check.claim {
        Claim::AtMost(value) => json!({"at_most": value}),
        Claim::AtLeast(value) => json!({"at_least": value}),
        Claim::Near { value, tolerance } => json!({"near": value, "tolerance": tolerance}),
        Claim::Shown => Value::Null,
    };
    json!({
        "method": check.method,
        "setting": check.setting,
        "measure": check.measure,
        "claim": claim,
        "found": found.mean,
        "std_error": found.std_error,
        "plays": found.plays,
        "holds": check.holds(found),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(claim: Claim) -> Check {
        Check {
            method: "coin",
            setting: "even",
            measure: "heads",
            claim,
            plays_in_1000: 1_000,
            play: Box::new(|draws| if draws.yes(0.5) { 1.0 } else { 0.0 }),
        }
    }

    #[test]
    fn the_table_tells_what_does_not_hold() {
        let checks = [check(Claim::AtMost(0.6)), check(Claim::AtMost(0.2)), check(Claim::Shown)];
        let rows: Vec<_> = checks.iter().zip(play_all(&checks, 1, 2_000)).collect();
        let table = markdown(&rows);
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert!(lines[0].starts_with("| coin | even | heads | ≤ 60.00 % |"), "{table}");
        assert!(lines[0].ends_with("| 2,000 | holds |"), "{table}");
        assert!(lines[1].ends_with("| **does not hold** |"), "{table}");
        assert!(lines[2].ends_with("| for comparison |"), "{table}");
        assert_eq!(as_json(&rows[1])["holds"], false);
    }

    #[test]
    fn what_is_found_does_not_depend_on_threads() {
        let checks = [check(Claim::Shown), check(Claim::Shown)];
        let found = play_all(&checks, 5, 300);
        assert_eq!(found, [checks[0].run(5, 300), checks[1].run(5, 300)]);
    }
}
