//! Pairs and clusters as files.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;
use matching::{Explanation, Plan, Scored};
use serde_json::{Value, json};

use super::read::Named;
use crate::failure::Failure;

/// How a file of pairs is written, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutFormat {
    Csv,
    Jsonl,
}

/// How a file of this name is written.
pub(super) fn format_of(path: &Path) -> Result<OutFormat, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(OutFormat::Csv),
        Some("jsonl" | "ndjson") => Ok(OutFormat::Jsonl),
        _ => Err(Failure::usage(format!(
            "the name {} does not tell how to write: end it in .csv or .jsonl",
            path.display()
        ))),
    }
}

/// A level as it is written: its name, `else`, or `missing`.
pub(super) fn level_name(plan: &Plan, comparison: usize, level: Option<usize>) -> String {
    let Some(level) = level else { return "missing".to_owned() };
    let levels = plan.comparisons().get(comparison).map(|it| it.levels.as_slice());
    let level = levels.and_then(|levels| levels.get(level));
    level.map_or_else(|| "else".to_owned(), ToString::to_string)
}

/// Writes every pair with what it weighs and why.
pub(super) fn pairs(
    path: &Path,
    plan: &Plan,
    named: &Named,
    pairs: &[Scored],
    explain: &dyn Fn(&Scored) -> Explanation,
) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let file = BufWriter::new(File::create(path).with_context(cannot)?);
    match format_of(path) {
        Ok(OutFormat::Csv) => csv_pairs(file, plan, named, pairs, explain),
        _ => jsonl_pairs(file, plan, named, pairs, explain),
    }
    .with_context(cannot)
}

fn jsonl_pairs(
    mut file: impl Write,
    plan: &Plan,
    named: &Named,
    pairs: &[Scored],
    explain: &dyn Fn(&Scored) -> Explanation,
) -> anyhow::Result<()> {
    for pair in pairs {
        let line = json!({
            "a": named.name(pair.a),
            "b": named.name(pair.b),
            "probability": pair.probability(),
            "weight": pair.weight,
            "evidence": evidence(plan, &explain(pair)),
        });
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// What a pair's weight is made of.
pub(super) fn evidence(plan: &Plan, explanation: &Explanation) -> Value {
    let part = |part: &matching::Part| {
        json!({
            "column": plan.comparisons().get(part.comparison).map(|it| it.column.as_str()),
            "level": level_name(plan, part.comparison, part.level),
            "weight": part.weight,
            "term_frequency": part.term_frequency,
        })
    };
    let parts: Vec<Value> = explanation.parts.iter().map(part).collect();
    json!({ "prior": explanation.prior, "comparisons": parts })
}

fn csv_pairs(
    file: impl Write,
    plan: &Plan,
    named: &Named,
    pairs: &[Scored],
    explain: &dyn Fn(&Scored) -> Explanation,
) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    let mut heading: Vec<String> =
        ["a", "b", "probability", "weight", "prior"].map(str::to_owned).to_vec();
    for comparison in plan.comparisons() {
        let column = &comparison.column;
        heading.push(format!("{column} level"));
        heading.push(format!("{column} weight"));
    }
    writer.write_record(&heading)?;
    for pair in pairs {
        let explanation = explain(pair);
        let mut row = vec![named.name(pair.a).to_owned(), named.name(pair.b).to_owned()];
        row.extend([pair.probability(), pair.weight, explanation.prior].map(|it| it.to_string()));
        for part in &explanation.parts {
            row.push(level_name(plan, part.comparison, part.level));
            row.push((part.weight + part.term_frequency).to_string());
        }
        writer.write_record(&row)?;
    }
    Ok(writer.flush()?)
}

/// Writes for each record that is not alone the name of its cluster: that of the cluster's first record.
pub(super) fn clusters(path: &Path, named: &Named, clusters: &[u32]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut sizes = vec![0_u32; clusters.len()];
    for cluster in clusters {
        if let Some(size) = sizes.get_mut(*cluster as usize) {
            *size += 1;
        }
    }
    let mut writer = csv::Writer::from_path(path).with_context(cannot)?;
    writer.write_record(["record", "cluster"])?;
    for (name, cluster) in named.names.iter().zip(clusters) {
        if sizes.get(*cluster as usize).is_some_and(|size| *size > 1) {
            writer.write_record([name, named.name(*cluster)])?;
        }
    }
    writer.flush().with_context(cannot)
}

impl Named {
    /// What names the record at this place.
    pub(super) fn name(&self, record: u32) -> &str {
        self.names.get(record as usize).map_or("", |name| name)
    }
}
