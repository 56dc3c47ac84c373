//! Whatever a query says: rows within the limits or a refusal in words, within its time, and the next one is answered.
//!
//! The engine is somebody else's and has faults of its own, which it may admit: what holds is that they stay within the
//! query.

use std::time::Instant;

use super::*;

/// A query that does not end by itself is ended after this.
const TIME: Duration = Duration::from_millis(200);
/// How late that may be noticed, on a machine that does other things as well.
const LATE: Duration = Duration::from_secs(20);
const ANSWER_BYTES: usize = 256 << 10;

#[test]
fn any_query_is_answered_within_its_limits_or_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let stored = [decision("a", "hero", "split", 0.5), decision("b", "hero", "holdout", 0.1)];
    let mut nested = decision("c", r#"{"a": [{"b": 1}]}"#, "split", 0.25);
    nested.insert("variant".into(), "é".into());
    let source = source(vec![file(folder.path(), &DECISIONS, &stored)], &[nested]);
    let engine = sql(Limits {
        memory_bytes: 8 << 20,
        time: TIME,
        text_bytes: 8 << 10,
        answer_bytes: ANSWER_BYTES,
        ..Limits::default()
    });
    ::fuzz::run("queries", include_str!("fuzz.seeds"), |input| {
        let text = String::from_utf8_lossy(input);
        let formats = [Format::Json, Format::Csv, Format::Arrow];
        let format = formats[text.len() % formats.len()];
        let began = Instant::now();
        let answered = engine.start(&text, vec![source.clone()], format).and_then(whole);
        assert!(began.elapsed() < TIME + LATE, "after {:?}", began.elapsed());
        let outcome = match answered {
            Ok(bytes) => {
                assert!(bytes.len() <= ANSWER_BYTES);
                let is_json = matches!(format, Format::Json);
                assert!(!is_json || serde_json::from_slice::<Value>(&bytes).is_ok());
                format!("rows {format:?}")
            }
            Err(QueryError::Failed(detail)) => format!("failed: {}", ::fuzz::kind_of(&detail)),
            Err(error) => {
                let told = error.to_string();
                assert!(!told.is_empty(), "a refusal says why");
                ::fuzz::kind_of(&told)
            }
        };
        let next = json_of(&engine, "select count(*) as n from decisions", vec![source.clone()]);
        assert_eq!(next.unwrap()["items"], json!([{"n": 3}]), "the next is answered");
        outcome
    });
}
