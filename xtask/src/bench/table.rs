//! The figures of a run as text, each with its budget and whether it was met.

use std::fmt;
use std::process::Command;

use anyhow::Context as _;

use crate::{arguments::Arguments, proc};

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Budget {
    AtMost(f64),
    AtLeast(f64),
}

impl Budget {
    /// How a figure stands against it.
    fn verdict(self, found: f64) -> String {
        let (met, by) = match self {
            Self::AtMost(limit) => (found <= limit, found / limit - 1.0),
            Self::AtLeast(limit) => (limit <= found, 1.0 - found / limit),
        };
        match by * 100.0 {
            _ if met => "met".to_owned(),
            percent if percent < 1000.0 => format!("MISSED by {percent:.0} %"),
            percent => format!("MISSED {}-fold", number((percent / 100.0).round())),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<= {}", number(*limit)),
            Self::AtLeast(limit) => write!(f, ">= {}", number(*limit)),
        }
    }
}

#[derive(Debug)]
enum Line {
    Section(String),
    Figure { what: String, found: f64, budget: Option<Budget> },
}

/// All figures of a run, in the order in which they were measured.
#[derive(Debug)]
pub(crate) struct Table {
    heading: String,
    lines: Vec<Line>,
}

impl Table {
    pub(crate) fn new(heading: String) -> Self {
        Self { heading, lines: Vec::new() }
    }

    /// Begins a group of figures that were measured in one way.
    pub(crate) fn section(&mut self, title: impl Into<String>) {
        self.lines.push(Line::Section(title.into()));
    }

    /// Adds a figure.
    pub(crate) fn row(&mut self, what: impl Into<String>, found: f64) {
        self.lines.push(Line::Figure { what: what.into(), found, budget: None });
    }

    /// Adds a figure for which there is a budget.
    pub(crate) fn judged(&mut self, what: impl Into<String>, found: f64, budget: Budget) {
        self.lines.push(Line::Figure { what: what.into(), found, budget: Some(budget) });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        for line in &self.lines {
            match line {
                Line::Section(title) => writeln!(f, "\n{title}")?,
                Line::Figure { what, found, budget: None } => {
                    writeln!(f, "  {what:<50} {:>12}", number(*found))?;
                }
                Line::Figure { what, found, budget: Some(budget) } => writeln!(
                    f,
                    "  {what:<50} {:>12}   {:<10}   {}",
                    number(*found),
                    budget.to_string(),
                    budget.verdict(*found)
                )?,
            }
        }
        Ok(())
    }
}

/// A number with as many digits as it deserves, and blanks between thousands.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0..1e-9 => 0,
        1e-9..0.1 => 4,
        0.1..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (position, digit) in text.char_indices() {
        if 0 < position && position < whole && (whole - position).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// What anybody must know to compare the figures with others.
pub(crate) fn heading(arguments: &Arguments) -> anyhow::Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let changes =
        if output("git", &["status", "--porcelain"])?.is_empty() { "" } else { " with changes" };
    Ok(format!(
        "Concierge benchmark\n\
         date          {}\n\
         commit        {}{changes}\n\
         machine       {} cores, {}, {}\n\
         parameters    {} profiles, {} audiences (5 per event name{}), {} experiences, 20 placements, {} s each after {} s of warm-up, seed {}\n\
         cores         load generator on the last core; server on all, or where stated on the first alone\n\
         latencies     under open loop from the instant a call was due, so that waiting counts",
        output("date", &["-u", "+%Y-%m-%dT%H:%MZ"])?,
        output("git", &["rev-parse", "--short=12", "HEAD"])?,
        proc::cores_of_machine(),
        model.trim_start_matches([' ', '\t', ':']),
        output("uname", &["-sr"])?,
        arguments.profiles,
        arguments.audiences,
        if arguments.sequences { ", a third with sequences or absence" } else { "" },
        arguments.experiences,
        arguments.measured.as_secs(),
        arguments.warm_up.as_secs(),
        arguments.seed,
    ))
}

fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_says_by_how_much_it_was_missed() {
        assert_eq!(Budget::AtMost(30.0).verdict(30.0), "met");
        assert_eq!(Budget::AtMost(30.0).verdict(45.0), "MISSED by 50 %");
        assert_eq!(Budget::AtMost(30.0).verdict(30_030.0), "MISSED 1 000-fold");
        assert_eq!(Budget::AtLeast(25_000.0).verdict(50_000.0), "met");
        assert_eq!(Budget::AtLeast(25_000.0).verdict(20_000.0), "MISSED by 20 %");
        assert_eq!(Budget::AtLeast(25_000.0).to_string(), ">= 25 000");
    }

    #[test]
    fn numbers_have_the_digits_they_deserve() {
        let shown = [0.0, 0.0123, 1.234, 12.34, 1_234_567.8].map(number);
        assert_eq!(shown, ["0", "0.0123", "1.23", "12.3", "1 234 568"]);
    }
}
