//! Queries over files and recent rows, and what hostile ones meet.

mod fuzz;

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use lake::{Format as FileFormat, table::DECISIONS};
use model::{
    Value,
    table::{Cell, Column, Kind, Table},
    value::Object,
};
use serde_json::json;

use crate::{Answer, Format, Limits, QueryError, Seen, Source, Sql};

fn decision(id: &str, placement: &str, reason: &str, propensity: f64) -> Object {
    let row = json!({
        "decision": id, "decided_at": "2026-11-26T12:00:00Z", "profile": format!("p-{id}"),
        "placement": placement, "reason": reason, "propensity": propensity,
        "definitions_version": 7, "experience": null,
    });
    match row {
        Value::Object(row) => row,
        _ => unreachable!("it is an object"),
    }
}

fn file(folder: &Path, table: &'static Table, rows: &[Object]) -> std::path::PathBuf {
    let path = folder.join("rows.parquet");
    let to = Box::new(File::create(&path).unwrap());
    let mut writer = lake::writer(FileFormat::Parquet, table, to).unwrap();
    rows.iter().for_each(|row| writer.write(row).unwrap());
    writer.finish().unwrap();
    path
}

fn source(files: Vec<std::path::PathBuf>, recent: &[Object]) -> Source {
    let cell = |row: &Object, column: &Column| match (column.kind, row.get(column.name)) {
        (Kind::Text, Some(Value::String(text))) => Cell::Text(text.clone().into()),
        (Kind::Integer, Some(number)) => Cell::Integer(number.as_i64().unwrap()),
        (Kind::Number, Some(number)) => Cell::Number(number.as_f64().unwrap()),
        (Kind::Time, Some(Value::String(text))) => Cell::Time(text.parse().unwrap()),
        _ => Cell::Absent,
    };
    let row = |row: &Object| DECISIONS.columns.iter().map(|column| cell(row, column)).collect();
    let recent = vec![Arc::new(recent.iter().map(row).collect())];
    Source { table: &DECISIONS, files, kept: Vec::new(), recent, seen: Vec::new(), guard: None }
}

fn sql(limits: Limits) -> Sql {
    Sql::new(limits, || {}).unwrap()
}

fn whole(mut answer: Answer) -> Result<Vec<u8>, QueryError> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.next_piece() {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

fn json_of(sql: &Sql, text: &str, sources: Vec<Source>) -> Result<Value, QueryError> {
    let bytes = whole(sql.start(text, sources, Format::Json)?)?;
    Ok(serde_json::from_slice(&bytes).unwrap())
}

#[test]
fn files_and_recent_rows_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let stored = [decision("a", "hero", "split", 0.5), decision("b", "hero", "holdout", 0.1)];
    let files = vec![file(folder.path(), &DECISIONS, &stored)];
    let recent = [decision("c", "popup", "split", 0.25)];
    let source = source(files, &recent);
    let text = "select placement, count(*) as n, sum(propensity) as p, max(decided_at) as at \
                from decisions group by placement order by placement";
    let answer = json_of(&sql(Limits::default()), text, vec![source.clone()]).unwrap();
    let items = json!([
        {"placement": "hero", "n": 2, "p": 0.6, "at": "2026-11-26T12:00:00Z"},
        {"placement": "popup", "n": 1, "p": 0.25, "at": "2026-11-26T12:00:00Z"},
    ]);
    assert_eq!(answer["items"], items);
    assert_eq!(answer["columns"][1], json!({"name": "n", "type": "Int64"}));

    let engine = sql(Limits::default());
    let text = "select decision, experience from decisions order by decision";
    let csv = engine.start(text, vec![source.clone()], Format::Csv).unwrap();
    assert_eq!(
        String::from_utf8(whole(csv).unwrap()).unwrap(),
        "decision,experience\na,\nb,\nc,\n"
    );
    let arrow = whole(engine.start(text, vec![source], Format::Arrow).unwrap()).unwrap();
    let reader = datafusion::arrow::ipc::reader::StreamReader::try_new(&*arrow, None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
}

/// The table as it was before it had its last two columns.
static BEFORE: std::sync::LazyLock<Table> = std::sync::LazyLock::new(|| {
    let columns = DECISIONS.columns;
    Table { columns: &columns[..columns.len() - 2], ..DECISIONS }
});

#[test]
fn a_column_that_came_later_is_absent_in_rows_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let [holdout, version] = DECISIONS.columns.last_chunk().unwrap();
    assert_eq!([holdout.name, version.name], ["holdout", "definitions_version"]);
    let mut row = decision("a", "hero", "split", 0.5);
    row.remove(version.name);
    let files = vec![file(folder.path(), &BEFORE, &[row])];
    let source = source(files, &[decision("b", "hero", "split", 0.5)]);
    let text = "select decision, definitions_version as v from decisions order by decision";
    let answer = json_of(&sql(Limits::default()), text, vec![source]).unwrap();
    assert_eq!(answer["items"], json!([{"decision": "a"}, {"decision": "b", "v": 7}]));
}

#[test]
fn an_answer_without_rows_has_its_columns() {
    let engine = sql(Limits::default());
    let text = "select decision from decisions";
    let csv = engine.start(text, vec![source(Vec::new(), &[])], Format::Csv).unwrap();
    assert_eq!(whole(csv).unwrap(), b"decision\n");
    let answer = json_of(&engine, text, vec![source(Vec::new(), &[])]).unwrap();
    assert_eq!(answer["items"], json!([]));
}

#[test]
fn rows_that_may_not_be_seen_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let row = |id: &str, reason: &str, version: i64| {
        let mut row = decision(id, "p", reason, 1.0);
        row.insert("definitions_version".into(), version.into());
        row
    };
    let stored = [row("a", "split", 1), row("b", "split", 2), row("c", "default", 3)];
    let files = vec![file(folder.path(), &DECISIONS, &stored)];
    let recent = [row("d", "split", 1), row("e", "holdout", 2)];
    let seen = |kept: Vec<Seen>, seen: Vec<Seen>| {
        let source = Source { kept, seen, ..source(files.clone(), &recent) };
        let text = "select decision from decisions order by decision";
        let answer = json_of(&sql(Limits::default()), text, vec![source]).unwrap();
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|item| item["decision"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let split = Seen::Text("reason", Arc::new(|reason: &str| reason == "split"));
    let later = Seen::Integer("definitions_version", Arc::new(|version| 1 < version));
    assert_eq!(seen(Vec::new(), Vec::new()), ["a", "b", "c", "d", "e"]);
    assert_eq!(seen(Vec::new(), vec![split.clone()]), ["a", "b", "d"]);
    assert_eq!(seen(vec![later.clone()], Vec::new()), ["b", "c", "d", "e"], "of files only");
    assert_eq!(seen(vec![later.clone()], vec![split.clone()]), ["b", "d"]);
    let either = Seen::Either(vec![
        Seen::Text("decision", Arc::new(|id: &str| id == "c")),
        Seen::Integer("definitions_version", Arc::new(|version| version == 1)),
    ]);
    assert_eq!(seen(vec![either], Vec::new()), ["a", "c", "d", "e"]);
    let absent = Seen::Text("variant", Arc::new(|_: &str| true));
    assert_eq!(seen(Vec::new(), vec![absent]), Vec::<String>::new());
}

#[test]
fn members_of_json_can_be_asked_for() {
    let mut row = decision("a", "p", "split", 1.0);
    row.insert("placement".into(), r#"{"price": 12.5, "tags": ["x", "y"]}"#.into());
    let text = "select json_get_float(placement, 'price') as price, placement->'tags'->>1 as tag from decisions";
    let answer = json_of(&sql(Limits::default()), text, vec![source(Vec::new(), &[row])]).unwrap();
    assert_eq!(answer["items"], json!([{"price": 12.5, "tag": "y"}]));
}

#[test]
fn what_changes_or_sets_anything_is_refused() {
    let engine = sql(Limits::default());
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.csv");
    for text in [
        "create table t as select 1",
        "create external table t stored as csv location '/etc/passwd'",
        "drop table decisions",
        "insert into decisions select * from decisions",
        "delete from decisions",
        "set datafusion.execution.batch_size = 1",
        &format!("copy decisions to '{}'", to.display()),
        "begin transaction",
    ] {
        let refused = json_of(&engine, text, vec![source(Vec::new(), &[])]).unwrap_err();
        assert!(
            matches!(refused, QueryError::NotReadOnly(_) | QueryError::Sql(_)),
            "{text}: {refused:?}"
        );
    }
    assert!(!to.exists());
    for text in ["select * from '/etc/passwd'", "select * from read_csv('/etc/passwd')"] {
        let refused = json_of(&engine, text, vec![source(Vec::new(), &[])]).unwrap_err();
        assert!(matches!(refused, QueryError::Sql(_)), "{text}: {refused:?}");
    }
    let several = json_of(&engine, "select 1; select 2", Vec::new()).unwrap_err();
    assert!(matches!(several, QueryError::Sql(_)), "{several:?}");
}

#[test]
fn no_function_makes_a_large_value_of_a_small_number() {
    let engine = sql(Limits::default());
    for text in [
        "select repeat('x', 2147483647)",
        "select lpad('x', 2147483647), rpad('x', 2147483647)",
        "select array_repeat(1, 1000000000)",
        "select list_repeat(1, 1000000000)",
        "select array_resize([1], 1000000000, 0)",
        "select range(0, 1000000000)",
        "select generate_series(0, 1000000000)",
        "select arrow_cast('x', 'FixedSizeBinary(2147483647)')",
    ] {
        let refused = json_of(&engine, text, Vec::new()).unwrap_err();
        assert!(matches!(refused, QueryError::Sql(_)), "{text}: {refused:?}");
    }
    // As a table they come row by row.
    let text = "select count(*) as n from generate_series(1, 100000)";
    assert_eq!(json_of(&engine, text, Vec::new()).unwrap()["items"], json!([{"n": 100_000}]));
}

#[test]
fn faults_are_told_in_a_sentence() {
    let engine = sql(Limits::default());
    let fault =
        |text: &str| json_of(&engine, text, vec![source(Vec::new(), &[])]).unwrap_err().to_string();
    assert!(fault("selec 1").contains("selec"), "{}", fault("selec 1"));
    assert!(fault("select nobody from decisions").contains("nobody"));
    assert!(fault("select * from events").contains("events"));
    let rows = [decision("a", "p", "split", 1.0)];
    let divided = "select 1 / (definitions_version - 7) from decisions";
    let error = json_of(&engine, divided, vec![source(Vec::new(), &rows)]).unwrap_err();
    assert!(matches!(error, QueryError::Value(_)), "{error:?}");
}

#[test]
fn deep_nesting_ends_in_an_error_or_an_answer_and_nothing_else() {
    let engine = sql(Limits::default());
    let repeated = |part: &str, count: usize| part.repeat(count);
    for count in [300, 20_000] {
        for text in [
            format!("select 1{}", repeated("+1", count)),
            format!("select {}1{}", repeated("(", count), repeated(")", count)),
            format!("select 1 where {}true", repeated("true and ", count)),
            format!("select {} 1", repeated("not", count)),
            format!("select 1{}", repeated(" union all select 1", count / 3)),
            format!(
                "select * from {} (select 1){}",
                repeated("(select * from", count / 4),
                repeated(")", count / 4)
            ),
        ] {
            drop(json_of(&engine, &text, Vec::new()));
        }
    }
    let deepest = format!("select 1{} as n", "+1".repeat(1_900));
    let answer = json_of(&engine, &deepest, Vec::new()).unwrap();
    assert_eq!(answer["items"], json!([{"n": 1_901}]));
    let refused =
        json_of(&engine, &format!("select 1{}", "+1".repeat(2_000)), Vec::new()).unwrap_err();
    assert!(matches!(refused, QueryError::TooManyParts { parts: 2_001, .. }), "{refused:?}");
    let list = (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let answer = json_of(&engine, &format!("select 1 as one where 9999 in ({list})"), Vec::new());
    assert_eq!(answer.unwrap()["items"], json!([{"one": 1}]));
}

#[test]
fn time_memory_and_length_are_bounded() {
    let limits = Limits {
        memory_bytes: 8 << 20,
        time: Duration::from_millis(300),
        text_bytes: 1000,
        answer_bytes: 1 << 20,
        ..Limits::default()
    };
    let engine = sql(limits);
    let endless =
        "select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000000) b";
    let late = json_of(&engine, endless, Vec::new()).unwrap_err();
    assert!(matches!(late, QueryError::Time { .. }), "{late:?}");

    let engine = sql(Limits {
        memory_bytes: 1 << 20,
        answer_bytes: 1 << 20,
        text_bytes: 1000,
        ..Limits::default()
    });
    let gathering = "select value % 2000000 as v, count(*) from generate_series(1, 4000000) group by 1 order by 2";
    let full = json_of(&engine, gathering, Vec::new()).unwrap_err();
    assert!(matches!(full, QueryError::Memory { .. }), "{full:?}");
    let long =
        json_of(&engine, "select value from generate_series(1, 1000000)", Vec::new()).unwrap_err();
    assert!(matches!(long, QueryError::Answer { .. }), "{long:?}");
    let text = format!("select '{}'", "x".repeat(1000));
    let wordy = json_of(&engine, &text, Vec::new()).unwrap_err();
    assert!(matches!(wordy, QueryError::TooLong { .. }), "{wordy:?}");
    assert!(json_of(&engine, "select 1", Vec::new()).is_ok());
}

#[test]
fn whoever_goes_ends_their_query_and_makes_room() {
    let engine = sql(Limits { running: 1, ..Limits::default() });
    let endless = "select value from generate_series(1, 1000000000)";
    let mut running = engine.start(endless, Vec::new(), Format::Csv).unwrap();
    running.next_piece().unwrap().unwrap();
    let busy = json_of(&engine, "select 1", Vec::new()).unwrap_err();
    assert!(matches!(busy, QueryError::Busy { running: 1 }), "{busy:?}");
    drop(running);
    // The place is given back as soon as the query has ended, which it is told to at once.
    let answered = (0..1000).any(|_| {
        std::thread::yield_now();
        std::thread::sleep(Duration::from_millis(5));
        json_of(&engine, "select 1", Vec::new()).is_ok()
    });
    assert!(answered);
}
