//! What a run tells: how pairs were made, what agreement weighs, and why one pair was proposed.

use matching::{Explanation, Learnt, Linkage, Model, Plan, Records, Scored};

use super::{read::Named, write::level_name};
use crate::screen::{self, thousands};

/// How pairs were made.
pub(super) fn blocks(plan: &Plan, linkage: &Linkage<'_>) -> String {
    let mut rows = Vec::new();
    for (rule, blocks) in plan.settings().blocking.iter().zip(linkage.blocks()) {
        let keys: Vec<String> = rule.iter().map(key_name).collect();
        let mut row = vec![keys.join(" and "), format!("{} pairs", thousands(blocks.pairs))];
        if blocks.left_out.blocks > 0 {
            row.push(format!(
                "without {} records in {} blocks of more than {} records each",
                thousands(blocks.left_out.records),
                thousands(blocks.left_out.blocks),
                thousands(matching::BLOCK_RECORDS_MAX as u64),
            ));
        }
        rows.push(row);
    }
    format!("pairs that are looked at: those that share\n{}", indented(&screen::table(&rows)))
}

fn key_name(key: &matching::Key) -> String {
    match key {
        matching::Key::Whole(column) => column.clone(),
        matching::Key::Beginning(beginning) => {
            format!("the first {} characters of {}", beginning.first, beginning.column)
        }
    }
}

/// What each level weighs.
pub(super) fn model(model: &Model, records: &Records) -> String {
    let mut rows =
        vec![["column", "level", "of matches", "of others", "weight"].map(str::to_owned).to_vec()];
    for learnt in &model.comparisons {
        rows.extend(levels(learnt));
    }
    let pairs = f64::from(records.len()) * (f64::from(records.len()) - 1.0) / 2.0;
    format!(
        "what agreement weighs, in bits: one more doubles the odds that two records are one person\n{}\n\
         two records drawn at random are one person with probability {:.3e}: about {:.0} pairs in all",
        indented(&screen::table(&rows)),
        model.lambda,
        model.lambda * pairs,
    )
}

fn levels(learnt: &Learnt) -> impl Iterator<Item = Vec<String>> {
    learnt.levels.iter().enumerate().map(|(place, level)| {
        let column = if place == 0 { learnt.column.as_str() } else { "" };
        let (m, u) = (format!("{:.4}", level.m), format!("{:.3e}", level.u));
        vec![column.to_owned(), level.level.clone(), m, u, format!("{:+.2}", level.weight())]
    })
}

/// One pair, part by part.
pub(super) fn pair(plan: &Plan, named: &Named, pair: &Scored, explanation: &Explanation) -> String {
    let mut rows = vec![vec![
        "two records drawn at random".to_owned(),
        String::new(),
        bits(explanation.prior),
    ]];
    for part in &explanation.parts {
        let column = plan.comparisons().get(part.comparison).map(|it| it.column.clone());
        let level = level_name(plan, part.comparison, part.level);
        rows.push(vec![column.unwrap_or_default(), level, bits(part.weight)]);
        if part.term_frequency.abs() >= 0.005 {
            let rarity = if part.term_frequency > 0.0 { "a rare value" } else { "a common value" };
            rows.push(vec![String::new(), rarity.to_owned(), bits(part.term_frequency)]);
        }
    }
    rows.push(vec!["together".to_owned(), String::new(), bits(explanation.weight())]);
    format!(
        "{} and {}: probability {:.4}\n{}",
        named.name(pair.a),
        named.name(pair.b),
        pair.probability(),
        indented(&screen::table(&rows)),
    )
}

fn bits(weight: f64) -> String {
    format!("{weight:+7.2}")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
