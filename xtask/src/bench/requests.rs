//! The requests of each kind of load, drawn from the run's seed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    arguments::Arguments,
    client::Envelope,
    definitions::{PLACEMENTS, placement_key},
    events::{BATCH_EVENTS, BatchWriter, SENT_NAMES, user_id},
    load::Writer,
    server::TOKEN,
    zipf::{People, Popularity, Random},
};

/// Placements of a decision request.
pub(crate) const PLACEMENTS_ASKED: usize = 4;
/// More than any load has senders.
const STREAMS_PER_LOAD: u64 = 1_000;
/// Of a hundred events in a load, so many say who somebody is.
const IDENTIFY_PERCENT: u64 = 10;

/// The first stream of random numbers of a load. Every load draws anew: one that drew what its
/// warm-up had drawn would find everyone in memory.
fn next_stream() -> u64 {
    static LOADS: AtomicU64 = AtomicU64::new(1);
    LOADS.fetch_add(1, Ordering::Relaxed) * STREAMS_PER_LOAD
}

/// Senders of batches: events of all names, about people as popular as asked.
pub(crate) fn ingest(arguments: &Arguments, popularity: Popularity, senders: u64) -> Vec<Writer> {
    let stream = next_stream();
    let writer = |sender| -> Writer {
        let mut random = Random::new(arguments.seed, stream + sender);
        let mut people = People::new(popularity, arguments.profiles, random.clone());
        let mut batch = BatchWriter::new();
        Box::new(move |request| {
            batch.begin();
            for _ in 0..BATCH_EVENTS {
                let person = people.next();
                if random.below(100) < IDENTIFY_PERCENT {
                    batch.identify(person, &mut random);
                } else {
                    let position = random.below(SENT_NAMES.len() as u64);
                    let position = usize::try_from(position).unwrap_or_default();
                    let name = SENT_NAMES.get(position).copied().unwrap_or_default();
                    batch.track(person, name, &mut random);
                }
            }
            batch.finish(request);
        })
    };
    (0..senders).map(writer).collect()
}

/// Senders of decision requests about people as popular as asked, four placements each.
pub(crate) fn decide(arguments: &Arguments, popularity: Popularity, senders: u64) -> Vec<Writer> {
    let stream = next_stream();
    let writer = |sender| -> Writer {
        let mut random = Random::new(arguments.seed, stream + sender);
        let mut people = People::new(popularity, arguments.profiles, random.clone());
        let envelope = decide_envelope();
        Box::new(move |request| {
            let first = random.below(PLACEMENTS as u64);
            let first = usize::try_from(first).unwrap_or_default();
            let body = decide_body(&user_id(people.next()), first, PLACEMENTS_ASKED);
            envelope.write(body.as_bytes(), request);
        })
    };
    (0..senders).map(writer).collect()
}

/// The head of decision requests, asked as a shop's own server asks.
pub(crate) fn decide_envelope() -> Envelope {
    Envelope::new("POST", "/v1/decide", TOKEN)
}

/// The body of a decision request, of about a kilobyte like that of the echo.
pub(crate) fn decide_body(user: &str, first_placement: usize, placements: usize) -> String {
    let placements: Vec<String> = (first_placement..first_placement + placements)
        .map(|number| format!("\"{}\"", placement_key(number % PLACEMENTS)))
        .collect();
    format!(
        r#"{{"identifiers":{{"user_id":"{user}"}},"placements":[{}],"context":{{"page":{{"url":"https://shop.example/kitchen/kettles?sort=price&page=2","path":"/kitchen/kettles","referrer":"https://search.example/?q=kettle+that+lasts","title":"Kettles that last a lifetime"}},"locale":"sv-SE","timezone":"Europe/Stockholm","ip":"203.0.113.7","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36","campaign":{{"source":"newsletter","medium":"email","name":"autumn_kitchen","term":"kettle","content":"second_button"}},"app":{{"name":"shop","version":"4.12.0"}},"properties":{{"cart_value":129.5,"cart_items":3,"category":"kitchen","in_stock":true,"list":["p-17","p-201","p-44","p-320","p-8"],"search":{{"query":"kettle","results":24,"filters":["steel","1.5 l"]}},"experiment_note":"{}"}}}}}}"#,
        placements.join(","),
        "x".repeat(100),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_asked_with_a_kilobyte() {
        let body = decide_body(&user_id(3), 18, PLACEMENTS_ASKED);
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(parsed["placements"][3], "placement_1");
        assert!((950..1100).contains(&body.len()), "{}", body.len());
    }
}
