//! How soon, and how well, is it known how many people a condition holds for?

use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    client::{Client, Envelope},
    events::{CATEGORIES, SENT_NAMES},
    latency::Latencies,
    measured::ms,
    server::{Server, TOKEN},
    table::{Budget, Table},
};

/// Previews, each of another condition.
const PREVIEWS: usize = 10;

/// Previews conditions that no live audience has, one after the other.
pub(crate) fn measure(
    arguments: &Arguments,
    server: &Server,
    table: &mut Table,
) -> anyhow::Result<()> {
    crate::say(format!("previews over {} people", arguments.profiles));
    let mut client = Client::connect(server.address())?;
    let envelope = Envelope::new("POST", "/api/v1/audiences/drafted/preview", TOKEN);
    let mut request = Vec::new();
    let mut times = Vec::new();
    let (mut evaluated, mut widest) = (0, 0.0_f64);
    for number in 0..PREVIEWS {
        let body = serde_json::to_vec(&json!({"condition": condition(number)}))?;
        envelope.write(&body, &mut request);
        let begun = Instant::now();
        let answer = client.call(&request)?;
        times.push(begun.elapsed());
        ensure!(answer.status == 200, "a preview was answered with {}", answer.status);
        let answer: Value = serde_json::from_slice(answer.body)?;
        let number = |path: &str| answer.pointer(path).and_then(Value::as_u64).context("no number");
        evaluated += number("/evaluated")?;
        let (low, high) = (number("/count/low")?, number("/count/high")?);
        #[expect(clippy::cast_precision_loss, reason = "a share, for reading")]
        let width = (high - low) as f64 / number("/count/value")?.max(1) as f64;
        widest = widest.max(width);
    }
    let took: f64 = times.iter().map(std::time::Duration::as_secs_f64).sum();
    let mut latencies = Latencies::default();
    times.into_iter().for_each(|time| latencies.push(time));
    let latencies = Latencies::merged([latencies]);
    table.section(format!("Preview of an audience among {} people", arguments.profiles));
    table.row("p50, ms", ms(latencies.per_mille(500)));
    table.judged("longest, ms", ms(latencies.max()), Budget::AtMost(2_000.0));
    #[expect(clippy::cast_precision_loss, reason = "a rate, for reading")]
    table.row("people looked at a second", evaluated as f64 / took);
    table.row("widest interval, share of the number", widest);
    Ok(())
}

/// Counts with a filter, over other days than any live audience asks for.
fn condition(number: usize) -> Value {
    let name = SENT_NAMES.get(number % SENT_NAMES.len());
    let category = CATEGORIES.get(number % CATEGORIES.len());
    json!({
        "event": name, "where": [{"property": "category", "op": "eq", "value": category}],
        "within": "45d", "count": {"op": "gte", "value": 1},
    })
}
