use std::path::Path;

use expect_test::{Expect, expect};

use super::*;
use crate::import::{event::EVENT_BYTES_MAX, mapping::Mapping};

fn events(mapping: &str, file_name: &str, content: &str) -> (Vec<Made>, Vec<String>) {
    let mapping: Mapping = toml::from_str(mapping).unwrap();
    let plan = Plan::new(&mapping, "d1").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name);
    std::fs::write(&path, content).unwrap();
    let mut maker = Maker::new(&plan, TimeReader::new(&mapping.time).unwrap());
    let mut made = Vec::new();
    read(&path, &mapping, &plan, &mut maker, &mut made);
    maker.finish(&mut made);
    let skipped = maker.skipped.iter();
    let skipped = skipped
        .map(|(reason, (count, line))| format!("{count} × {} (line {line})", reason.text(&plan)));
    (made, skipped.collect())
}

fn read(path: &Path, mapping: &Mapping, plan: &Plan, maker: &mut Maker<'_>, made: &mut Vec<Made>) {
    crate::rows::read_rows(path, mapping.form(), &plan.columns, &mut |line, row| {
        maker.take(line, &row, made).map(|()| true)
    })
    .unwrap();
}

fn check(mapping: &str, file_name: &str, content: &str, expected: Expect) {
    let (made, skipped) = events(mapping, file_name, content);
    let mut lines: Vec<String> = made
        .iter()
        .map(|made| format!("{} ({} rows) {}", made.row, made.rows, made.json))
        .collect();
    lines.extend(skipped);
    expected.assert_eq(&lines.join("\n"));
}

const ORDERS: &str = r#"
time = { column = "at", format = "%Y-%m-%d %H:%M", zone = "Europe/London" }
[[skip]]
reason = "no customer"
column = "who"
op = "missing"
[[events]]
name = "Order Completed"
message_id = "order-{no}"
when = [{ column = "no", op = "not_starts_with", value = "C" }]
group = { by = "no" }
identifiers.user_id = { column = "who", type = "integer" }
[events.properties]
order_id = "no"
currency = { value = "GBP" }
revenue = { sum = ["n", "price"], type = "money" }
lines = { count = true }
dearest = { max = "price", type = "money" }
products = { items = { product_id = "item", quantity = { column = "n", type = "integer" } }, limit = 2 }
[[events]]
name = "Order Cancelled"
identifiers = { user_id = { column = "who", type = "integer" } }
"#;

#[test]
fn rows_of_an_order_become_one_event() {
    check(
        ORDERS,
        "orders.csv",
        "no,item,n,at,price,who\n\
         1,a,6,2011-07-01 08:00,2.55,17.0\n\
         1,b,1,2011-07-01 08:00,0.10,17.0\n\
         C2,a,-1,2011-07-02 08:00,2.55,17.0\n\
         3,c,1,2011-07-02 09:00,9.99,\n\
         4,c,x,2011-07-02 09:00,9.99,18\n\
         5,c,1,yesterday,9.99,18\n\
         1,c,1,2011-07-01 08:01,1,17.0\n",
        expect![[r#"
            0 (1 rows) {"type":"track","event":"Order Cancelled","messageId":"import-d1-0","timestamp":"2011-07-02T07:00:00.000Z","userId":"17","properties":{}}
            1 (3 rows) {"type":"track","event":"Order Completed","messageId":"order-1","timestamp":"2011-07-01T07:00:00.000Z","userId":"17","properties":{"currency":"GBP","order_id":"1","dearest":2.55,"lines":3,"products":[{"product_id":"a","quantity":6},{"product_id":"b","quantity":1}],"products_left_out":1,"revenue":16.4}}
            1 × no customer (line 5)
            1 × `at` is not a time of the mapping's format (line 7)
            1 × `n` is not a whole number (line 6)"#]],
    );
}

#[test]
fn groups_that_stand_together_end_where_another_begins() {
    let mapping = r#"
time.column = "at"
[[events]]
name = "Session"
group = { by = "s", rows = "consecutive" }
identifiers.anonymous_id = "s"
properties.pages = { count = true }
"#;
    check(
        mapping,
        "x.csv",
        "s,at\na,2026-01-01\na,2026-01-01\nb,2026-01-02\na,2026-01-03\n",
        expect![[r#"
            0 (2 rows) {"type":"track","event":"Session","messageId":"import-d1-0","timestamp":"2026-01-01T00:00:00.000Z","anonymousId":"a","properties":{"pages":2}}
            1 (1 rows) {"type":"track","event":"Session","messageId":"import-d1-1","timestamp":"2026-01-02T00:00:00.000Z","anonymousId":"b","properties":{"pages":1}}
            2 (1 rows) {"type":"track","event":"Session","messageId":"import-d1-2","timestamp":"2026-01-03T00:00:00.000Z","anonymousId":"a","properties":{"pages":1}}"#]],
    );
}

#[test]
fn lines_of_json_keep_their_types() {
    let mapping = r#"
time = { column = "ts", format = "unix_seconds" }
[[events]]
kind = "identify"
message_id = "{id}"
[events.identifiers]
email = "person.mail"
"external:crm" = "person.crm"
[events.traits]
plan = "plan"
tags = "tags"
[events.consents]
marketing = "newsletter"
"#;
    check(
        mapping,
        "x.jsonl",
        "{\"id\":\"m1\",\"ts\":1,\"person\":{\"mail\":\"a@x.se\",\"crm\":7},\"plan\":\"pro\",\"tags\":[1,\"b\"],\"newsletter\":\"yes\"}\n\n[1]\n{\"ts\":1}\n",
        expect![[r#"
            0 (1 rows) {"type":"identify","messageId":"m1","timestamp":"1970-01-01T00:00:01.000Z","traits":{"plan":"pro","tags":[1,"b"]},"context":{"externalIds":[{"collection":"users","encoding":"none","id":"a@x.se","type":"email"},{"collection":"users","encoding":"none","id":"7","type":"crm"}],"consent":{"categoryPreferences":{"marketing":true}}}}
            1 × no identifier (line 4)
            1 × not a JSON object (line 3)"#]],
    );
}

#[test]
fn a_list_never_makes_an_event_too_large() {
    let mut content = "no,item,n,at,price,who\n".to_owned();
    for _ in 0..400 {
        content.push_str(&format!("1,{},1,2011-07-01 08:00,1,7\n", "long".repeat(50)));
    }
    let mapping = ORDERS.replace("limit = 2", "limit = 400");
    let (made, _) = events(&mapping, "x.csv", &content);
    assert_eq!(made.len(), 1);
    assert!(made[0].json.len() <= EVENT_BYTES_MAX);
    let event: serde_json::Value = serde_json::from_str(&made[0].json).unwrap();
    let kept = event["properties"]["products"].as_array().unwrap().len() as u64;
    assert!(kept > 100);
    assert_eq!(event["properties"]["products_left_out"], 400 - kept);
    assert_eq!(event["properties"]["revenue"], 400);
}

#[test]
fn wrong_mappings_say_where() {
    let fault = |text: &str| Plan::new(&toml::from_str(text).unwrap(), "d").unwrap_err();
    let head = "time.column = \"t\"\n[[events]]\n";
    assert!(fault(&format!("{head}identifiers.user_id = \"u\"")).contains("needs a name"));
    assert!(
        fault(&format!("{head}name = \"E\"\nidentifiers.shoe = \"u\""))
            .contains("identifiers.shoe")
    );
    assert!(fault(&format!("{head}name = \"E\"\nidentifiers = {{}}")).contains("identifier"));
    let event = format!("{head}name = \"E\"\nidentifiers.user_id = \"u\"\n");
    assert!(fault(&format!("{event}properties.p = {{ count = true }}")).contains("with a group"));
    assert!(fault(&format!("{event}message_id = \"x{{\"")).contains("not closed"));
}

#[test]
fn the_mappings_of_the_guide_and_the_example_are_sound() {
    let guide = include_str!("../../../../../docs/guide/import.md");
    let mut blocks = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let whole = blocks.next().unwrap().to_owned();
    let part = blocks.next().unwrap();
    let head = "time.column = \"t\"\n";
    let part = format!("{head}{part}\n[events.identifiers]\nuser_id = \"u\"\n");
    let example = include_str!("../../../../../examples/online-retail/mapping.toml").to_owned();
    for text in [whole, part, example] {
        let mapping: Mapping = toml::from_str(&text).unwrap();
        Plan::new(&mapping, "d").unwrap();
        TimeReader::new(&mapping.time).unwrap();
    }
}
