//! `concierge results`: what an experience, or all together, have brought about, as a table, as JSON, or as a page to
//! hand on.

mod chart;
mod programme;
mod report;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{
    cli::ClientFlags,
    client::{Auth, Client, encode},
    failure::Outcome,
    screen,
    settings::Settings,
    target::Target,
};

const EXAMPLES: &str = "\
Examples:
  concierge results                                         (all experiences together)
  concierge results welcome_back
  concierge results welcome_back --metric revenue_per_visitor --json
  concierge results welcome_back --html welcome_back.html   (a page with charts that needs nothing else)
  concierge results welcome_back --try refunds.json         (by a metric that is not saved, over the lake)
  concierge results welcome_back --breakdown trait:plan     (by group, as recorded with the decisions)

Intervals hold however often you look, unless you ask for --method fixed. By planned looks they are those of the
last look that has come.";

/// Arguments of `concierge results`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ResultsArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    /// The experience's key; all experiences together when absent
    key: Option<String>,
    /// One metric; all that are live when absent
    #[arg(long, value_name = "KEY", requires = "key")]
    metric: Option<String>,
    /// A file with a metric that need not be saved; its numbers are computed over the lake
    #[arg(long = "try", value_name = "FILE", requires = "key", conflicts_with = "metric")]
    tried: Option<PathBuf>,
    /// How intervals come about: sequential, msprt, planned_looks, fixed or exact; as the experience says when absent
    #[arg(long, value_name = "METHOD", requires = "key")]
    method: Option<String>,
    /// Of msprt: the size of effect that is looked for, as a share of the control's value
    #[arg(long, value_name = "SHARE")]
    effect: Option<f64>,
    /// How sure intervals are, for all comparisons of a metric together
    #[arg(long, value_name = "SHARE")]
    confidence: Option<f64>,
    /// By what units are divided: audience:KEY, stage:KEY, trait:NAME, or a part of the context such as device.type
    #[arg(long, value_name = "WHAT", requires = "key", conflicts_with = "tried")]
    breakdown: Option<String>,
    /// Print the answer of the server as it is
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// Write a page with charts to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Asks the server for the results of an experience, or of all.
pub(crate) fn run(settings: &Settings, args: &ResultsArgs) -> Outcome {
    let target = Target::open(settings, &args.flags)?;
    let done = show(target.client(), args);
    target.close()?;
    Ok(done?)
}

fn show(client: &Client, args: &ResultsArgs) -> anyhow::Result<()> {
    let results = match (&args.tried, &args.key) {
        (Some(file), Some(key)) => tried(client, args, (key, file))?,
        _ => client.get(&path(args))?,
    };
    if let Some(file) = &args.html {
        let page =
            if args.key.is_some() { report::page(&results) } else { programme::page(&results) };
        std::fs::write(file, page)
            .with_context(|| format!("could not write {}", file.display()))?;
        screen::note(format!("wrote {}", file.display()));
    } else if args.json {
        screen::say(serde_json::to_string_pretty(&results)?);
    } else {
        screen::say(if args.key.is_some() { told(&results) } else { programme::told(&results) });
    }
    Ok(())
}

/// The results of an experience by a metric of a file.
fn tried(client: &Client, args: &ResultsArgs, (key, file): (&str, &Path)) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("could not read {}", file.display()))?;
    let metric: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is no JSON document of a metric", file.display()))?;
    let mut body = json!({"metric": metric});
    if let Some(method) = &args.method {
        body["method"] = method.as_str().into();
    }
    if let Some(effect) = args.effect {
        body["effect"] = effect.into();
    }
    if let Some(confidence) = args.confidence {
        body["confidence"] = confidence.into();
    }
    let path = format!("/api/v1/experiences/{}/results", encode(key));
    client.post(&path, Auth::Token, &body)
}

fn path(args: &ResultsArgs) -> String {
    let mut path = match &args.key {
        Some(key) => format!("/api/v1/experiences/{}/results", encode(key)),
        None => "/api/v1/programme".to_owned(),
    };
    let confidence = args.confidence.map(|confidence| confidence.to_string());
    let effect = args.effect.map(|effect| effect.to_string());
    let asked = [
        ("metric", &args.metric),
        ("method", &args.method),
        ("effect", &effect),
        ("confidence", &confidence),
        ("breakdown", &args.breakdown),
    ];
    let mut mark = '?';
    if args.html.is_some() && args.key.is_some() {
        path.push_str("?series=true");
        mark = '&';
    }
    for (name, value) in asked {
        if let Some(value) = value {
            path.push_str(&format!("{mark}{name}={}", encode(value)));
            mark = '&';
        }
    }
    path
}

/// The results, for reading.
fn told(results: &Value) -> String {
    let mut lines = vec![format!(
        "{}: {}",
        text(results, "experience"),
        verdict(text(&results["verdict"], "verdict")),
    )];
    lines.push(format!("  {}", text(&results["verdict"], "reason")));
    lines.extend(stopped(results).map(|stopped| format!("  {stopped}")));
    lines.extend(shares(results).into_iter().map(|line| format!("  {line}")));
    lines.push(format!(
        "  {}; {}",
        text(&results["split"], "statement"),
        text(&results["several"], "statement")
    ));
    lines.extend(list(results, "notes").filter_map(Value::as_str).map(|note| format!("  {note}")));
    let alarms =
        list(results, "alarms").map(|alarm| format!("  alarm: {}", text(alarm, "statement")));
    lines.extend(alarms);
    lines.push(format!("  as of {}", text(results, "as_of")));
    for metric in list(results, "metrics") {
        lines.extend(measured(metric, &heading(metric)));
    }
    for group in list(results, "groups") {
        for metric in list(group, "metrics") {
            lines.extend(measured(metric, &format!("{}: {}", grouped(group), heading(metric))));
        }
    }
    lines.join("\n")
}

/// The lines of a metric.
fn measured(metric: &Value, heading: &str) -> Vec<String> {
    let mut lines = vec![String::new(), heading.to_owned()];
    lines.extend(list(metric, "notes").filter_map(Value::as_str).map(|note| format!("  {note}")));
    let columns =
        ["", "units", "value", "best", "difference", "interval", "p", ""].map(str::to_owned);
    let rows = list(metric, "arms").map(|arm| row(metric, arm));
    let table: Vec<Vec<String>> = std::iter::once(columns.to_vec()).chain(rows).collect();
    lines.extend(screen::table(&table).lines().map(|line| format!("  {line}")));
    lines.extend(metric["power"]["statement"].as_str().map(|power| format!("  {power}")));
    lines
}

/// A group of a breakdown; one that no value makes stands in brackets, since a value may be called like it.
fn grouped(group: &Value) -> String {
    let name = text(group, "group");
    if text(group, "kind") == "value" { name.to_owned() } else { format!("({name})") }
}

/// Since when an experience has been stopped by its guardrails; why is the verdict's reason.
fn stopped(results: &Value) -> Option<String> {
    let at = results["stopped"]["at"].as_str()?;
    Some(format!("paused by its guardrails at {at}; it goes on when somebody sets it live again"))
}

/// The shares of an experience whose shares follow what units did, a line for each cell, and what they wait for.
fn shares(results: &Value) -> Vec<String> {
    let allocation = &results["allocation"];
    let Some(epoch) = allocation["epoch"].as_u64() else { return Vec::new() };
    let since = allocation["since"].as_str().map(|at| format!(" since {at}")).unwrap_or_default();
    let by = format!("shares by {}, epoch {epoch}{since}", text(allocation, "policy"));
    let features: Vec<&str> = list(allocation, "features").filter_map(Value::as_str).collect();
    let cells = list(allocation, "cells").enumerate().map(|(cell, shares)| {
        let of = shares.as_object().into_iter().flatten();
        let of = of.map(|(arm, share)| {
            format!("{arm} {:.0} %", 100.0 * share.as_f64().unwrap_or_default())
        });
        let of: Vec<String> = of.collect();
        format!("{by}{}: {}", who(cell, &features), of.join(", "))
    });
    cells.chain(allocation["holds"].as_str().map(|holds| format!("shares stay: {holds}"))).collect()
}

/// Of whom a cell is: bit i of it stands for the i-th audience.
fn who(cell: usize, features: &[&str]) -> String {
    let within = |(place, audience): (usize, &&str)| {
        if cell >> place & 1 == 1 { (*audience).to_owned() } else { format!("not {audience}") }
    };
    let within: Vec<String> = features.iter().enumerate().map(within).collect();
    if within.is_empty() { String::new() } else { format!(", {}", within.join(" and ")) }
}

/// What a metric is called, and what it is to the experience.
fn heading(metric: &Value) -> String {
    let (name, key) = (text(metric, "name"), text(metric, "metric"));
    let key = if name == key { None } else { Some(key) };
    let guardrail = (text(metric, "role") == "guardrail").then_some("a guardrail");
    let better = (text(metric, "direction") == "lower").then_some("less is better");
    let said: Vec<&str> = [key, guardrail, better].into_iter().flatten().collect();
    if said.is_empty() { name.to_owned() } else { format!("{name} ({})", said.join(", ")) }
}

fn row(metric: &Value, arm: &Value) -> Vec<String> {
    let mut name = text(arm, "arm").to_owned();
    if arm["is_control"] == true {
        name.push_str(" (control)");
    }
    let units = screen::thousands(arm["units"].as_u64().unwrap_or(0));
    let value = arm["value"].as_f64().map_or_else(|| "–".to_owned(), |value| valued(metric, value));
    let mut row = vec![name, units, value, chance_best(arm)];
    let comparison = &arm["comparison"];
    match difference(metric, comparison) {
        Some((lift, interval)) => {
            row.extend([
                lift,
                interval,
                p_value(comparison),
                needed(comparison).unwrap_or_default(),
            ]);
        }
        None => row.extend(arm["why_not"].as_str().map(str::to_owned)),
    }
    row
}

/// The difference from the control, relative too where that can be said, and its interval in the metric's unit.
fn difference(metric: &Value, comparison: &Value) -> Option<(String, String)> {
    let number = |name: &str| comparison["absolute"][name].as_f64();
    let lift = changed(metric, number("lift")?);
    let relative = comparison["relative"]["lift"].as_f64();
    let relative = relative.map(|share| format!(" ({:+.1} %)", 100.0 * share));
    let interval =
        format!("{} to {}", changed(metric, number("low")?), changed(metric, number("high")?));
    Some((lift + &relative.unwrap_or_default(), interval))
}

/// The chance that no other arm is better.
fn chance_best(arm: &Value) -> String {
    arm["chance_best"]
        .as_f64()
        .map_or_else(String::new, |chance| format!("{:.0} %", 100.0 * chance))
}

fn p_value(comparison: &Value) -> String {
    match comparison["p_value"].as_f64() {
        Some(p) if p < 0.0001 => "< 0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
        None => String::new(),
    }
}

/// How many more units would make a difference sure that stays, which one that came by chance does not.
fn needed(comparison: &Value) -> Option<String> {
    let units = comparison["units_needed"].as_u64().filter(|units| 0 < *units)?;
    Some(format!("{} more units would make this sure if it stayed", screen::thousands(units)))
}

/// A difference in the metric's unit: of shares, in percentage points.
fn changed(metric: &Value, difference: f64) -> String {
    match text(metric, "kind") {
        "conversion" | "retention" => format!("{:+.2} pp", 100.0 * difference),
        "time_to_event" => format!("{difference:+.0} s"),
        _ => match metric["currency"].as_str() {
            Some(currency) => format!("{difference:+.2} {currency}"),
            None => format!("{difference:+.4}"),
        },
    }
}

/// An amount that was won or lost, without its cents: `+24,000 EUR`.
fn money(amount: f64, currency: &str) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an amount for reading"
    )]
    let whole = amount.abs().round() as u64;
    let sign = if amount < 0.0 { "−" } else { "+" };
    format!("{sign}{} {currency}", screen::thousands(whole))
}

/// A value in the metric's unit.
fn valued(metric: &Value, value: f64) -> String {
    match text(metric, "kind") {
        "conversion" | "retention" => format!("{:.2} %", 100.0 * value),
        "time_to_event" => format!("{value:.0} s"),
        _ => match metric["currency"].as_str() {
            Some(currency) => format!("{value:.2} {currency}"),
            None => format!("{value:.4}"),
        },
    }
}

/// A verdict in words.
fn verdict(word: &str) -> &'static str {
    match word {
        "ship" => "ship it",
        "keep_running" => "keep it running",
        "stop" => "stop it",
        "invalid" => "the numbers cannot be trusted",
        _ => "collecting",
    }
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of[name].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    pub(super) fn example() -> Value {
        let difference = json!({"lift": 0.1, "std_error": 0.03, "low": 0.02, "high": 0.18});
        let comparison = json!({"units_needed": 0, "absolute": difference, "relative": difference, "p_value": 0.012, "surely": "better"});
        let arm = |arm: &str, value: f64, comparison: Value| {
            json!({"arm": arm, "is_control": comparison.is_null(),
            "units": 12_000, "value": value, "chance_best": value * 5.0, "comparison": comparison})
        };
        json!({
            "experience": "welcome_back", "name": "Welcome <back>", "hypothesis": null, "state": "live",
            "method": "sequential", "confidence": 0.95, "as_of": "2026-11-22T12:00:00.000Z",
            "notes": ["metrics have changed"],
            "arms": [
                {"arm": "a", "name": null, "is_control": true, "units": 12_000, "share": 0.5, "planned_share": 0.5},
                {"arm": "b", "name": "Bold", "is_control": false, "units": 12_000, "share": 0.5, "planned_share": 0.5},
            ],
            "split": {"verdict": "as_planned", "p_value": 1.0, "statement": "the arms have their shares"},
            "several": {"units": 0, "share": 0.0, "is_alarm": false, "statement": "no unit saw more than one"},
            "metrics": [
                {"metric": "conversion", "name": "Conversion", "kind": "conversion", "role": "goal",
                    "direction": "higher", "is_collecting": false,
                    "power": {"statement": "about 9 more days are needed"},
                    "arms": [arm("a", 0.1, Value::Null), arm("b", 0.11, comparison)]},
            ],
            "verdict": {"verdict": "ship", "variant": "b", "reason": "`b` is surely better"},
        })
    }

    #[test]
    fn groups_follow_and_no_value_looks_like_one_that_is_none() {
        let mut results = example();
        let metrics = results["metrics"].clone();
        let group =
            |group: &str, kind: &str| json!({"group": group, "kind": kind, "metrics": metrics});
        results["groups"] = json!([group("withheld", "value"), group("withheld", "withheld")]);
        let told = told(&results);
        let headings: Vec<&str> =
            told.lines().filter(|line| line.contains("Conversion (")).collect();
        let expected = [
            "Conversion (conversion)",
            "withheld: Conversion (conversion)",
            "(withheld): Conversion (conversion)",
        ];
        assert_eq!(headings, expected);
        let page = report::page(&results);
        assert!(
            page.contains("<h3>withheld</h3>") && page.contains("<h3>(withheld)</h3>"),
            "{page}"
        );
    }

    #[test]
    fn shares_that_follow_what_units_did_are_told_by_cell() {
        let mut results = example();
        assert_eq!(shares(&results), [""; 0]);
        results["allocation"] = json!({"policy": "lin_ts", "epoch": 3, "since": "2026-11-22T11:00:00.000Z",
            "features": ["regulars"], "cells": [{"a": 0.25, "b": 0.75}, {"a": 0.9, "b": 0.1}],
            "holds": "`b` has 7 units since shares changed last"});
        expect![[r#"
            shares by lin_ts, epoch 3 since 2026-11-22T11:00:00.000Z, not regulars: a 25 %, b 75 %
            shares by lin_ts, epoch 3 since 2026-11-22T11:00:00.000Z, regulars: a 90 %, b 10 %
            shares stay: `b` has 7 units since shares changed last"#]]
        .assert_eq(&shares(&results).join("\n"));
    }

    #[test]
    fn results_are_told_in_a_table() {
        expect![[r#"
            welcome_back: ship it
              `b` is surely better
              the arms have their shares; no unit saw more than one
              metrics have changed
              as of 2026-11-22T12:00:00.000Z

            Conversion (conversion)
                           units   value    best  difference           interval               p
              a (control)  12,000  10.00 %  50 %
              b            12,000  11.00 %  55 %  +10.00 pp (+10.0 %)  +2.00 pp to +18.00 pp  0.0120
              about 9 more days are needed"#]]
        .assert_eq(&told(&example()).lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
    }
}
