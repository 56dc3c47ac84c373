//! `concierge match` over files whose truth is known.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::support::{run, stderr, stdout};

const PEOPLE: u64 = 400;
/// Every fourth person is there twice.
const TWICE: u64 = 4;

const GIVEN: [&str; 10] =
    ["ann", "bertil", "cecilia", "david", "erika", "fredrik", "gunilla", "hans", "ingrid", "johan"];
const ENDINGS: [&str; 10] =
    ["berg", "ström", "lund", "gren", "kvist", "dal", "holm", "blad", "man", "fors"];

/// A person made of a number: given name, family name, birthday, post code.
fn person(number: u64) -> [String; 4] {
    let part = |of: u32| {
        // Weyl's sequence spreads neighbours.
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(of * 7) >> 20) as usize
    };
    let given = GIVEN[part(1) % GIVEN.len()];
    let (begin, end) = (GIVEN[part(2) % GIVEN.len()], ENDINGS[part(3) % ENDINGS.len()]);
    let born = format!("19{:02}-{:02}-{:02}", part(4) % 90, part(5) % 12 + 1, part(6) % 28 + 1);
    [given.to_owned(), format!("{begin}{end}"), born, format!("{}", 10_000 + part(7) % 900)]
}

/// The same person, written by somebody else.
fn misspelt([given, family, born, post]: [String; 4], number: u64) -> [String; 4] {
    match number / TWICE % 3 {
        0 => [given.to_uppercase(), family.replacen('r', "rr", 1), born, post],
        1 => [given, family, born.replacen("-0", "-1", 1), post],
        _ => [String::new(), family, born, post],
    }
}

fn rows() -> Vec<(String, [String; 4])> {
    let mut rows = Vec::new();
    for number in 0..PEOPLE {
        rows.push((format!("p{number}"), person(number)));
        if number % TWICE == 0 {
            rows.push((format!("p{number}-again"), misspelt(person(number), number)));
        }
    }
    rows
}

fn write_csv(path: &Path) {
    let mut text = "id,first_name,last_name,date_of_birth,postcode,plan\n".to_owned();
    for (id, [given, family, born, post]) in rows() {
        text.push_str(&format!("{id},{given},{family},{born},{post},free\n"));
    }
    std::fs::write(path, text).unwrap();
}

fn write_jsonl(path: &Path) {
    let line = |(id, [first_name, last_name, date_of_birth, postcode]): (String, [String; 4])| {
        let traits = serde_json::json!({
            "first_name": first_name, "last_name": last_name, "date_of_birth": date_of_birth,
            "postcode": postcode, "plan": "free",
        });
        serde_json::json!({ "id": id, "traits": traits }).to_string() + "\n"
    };
    std::fs::write(path, rows().into_iter().map(line).collect::<String>()).unwrap();
}

fn pairs(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(pairs: &[Value]) -> BTreeSet<(String, String)> {
    let name = |pair: &Value, end: &str| pair[end].as_str().unwrap().to_owned();
    pairs.iter().map(|pair| (name(pair, "a"), name(pair, "b"))).collect()
}

#[test]
fn people_who_are_there_twice_are_found_without_any_settings() {
    let dir = tempfile::tempdir().unwrap();
    write_csv(&dir.path().join("people.csv"));
    let output = run(
        dir.path(),
        &["match", "people.csv", "--out", "pairs.jsonl", "--clusters", "clusters.csv"],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(told.contains("500 records"), "{told}");
    assert!(told.contains("the least certain of them"), "{told}");
    assert!(!told.contains("plan"), "a column that describes nobody is compared: {told}");

    let found = pairs(&dir.path().join("pairs.jsonl"));
    let truth: BTreeSet<(String, String)> = (0..PEOPLE)
        .filter(|number| number % TWICE == 0)
        .map(|number| (format!("p{number}"), format!("p{number}-again")))
        .collect();
    let right = names(&found).intersection(&truth).count();
    assert!(right * 100 >= truth.len() * 90, "{right} of {} were found", truth.len());
    assert!(right * 100 >= found.len() * 98, "{right} of {} are right", found.len());
    for pair in &found {
        let evidence = &pair["evidence"];
        let parts = evidence["comparisons"].as_array().unwrap();
        let of = |part: &Value| {
            part["weight"].as_f64().unwrap() + part["term_frequency"].as_f64().unwrap()
        };
        let sum = evidence["prior"].as_f64().unwrap() + parts.iter().map(of).sum::<f64>();
        assert!((sum - pair["weight"].as_f64().unwrap()).abs() < 1e-9, "{pair}");
    }
    let clusters = std::fs::read_to_string(dir.path().join("clusters.csv")).unwrap();
    assert!(clusters.lines().any(|line| line == "p4-again,p4"), "{clusters}");
}

#[test]
fn the_printed_settings_and_the_saved_model_give_the_same_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_csv(&path("people.csv"));
    let go = |arguments: &[&str]| {
        let output = run(dir.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    std::fs::write(path("match.toml"), go(&["match", "people.csv", "--print-settings"])).unwrap();
    go(&["match", "people.csv", "--out", "inferred.jsonl", "--save-model", "model.json"]);
    let settings = ["match", "people.csv", "--settings", "match.toml"];
    go(&[&settings[..], &["--out", "written.jsonl"]].concat());
    go(&[&settings[..], &["--model", "model.json", "--out", "again.jsonl"]].concat());
    go(&[&settings[..], &["--model", "model.json", "--out", "again.csv"]].concat());
    let inferred = pairs(&path("inferred.jsonl"));
    assert_eq!(names(&inferred), names(&pairs(&path("written.jsonl"))));
    let again = pairs(&path("again.jsonl"));
    assert_eq!(names(&inferred), names(&again));
    for (pair, again) in inferred.iter().zip(&again) {
        let weight = |pair: &Value| pair["weight"].as_f64().unwrap();
        assert!((weight(pair) - weight(again)).abs() < 1e-9);
    }
    let csv = std::fs::read_to_string(path("again.csv")).unwrap();
    let lines = csv.lines().skip(1).map(|line| {
        let mut fields = line.split(',').map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap())
    });
    assert_eq!(lines.collect::<BTreeSet<_>>(), names(&inferred));

    write_jsonl(&path("people.jsonl"));
    go(&["match", "people.jsonl", "--one-to-one", "--out", "nested.jsonl"]);
    let nested = names(&pairs(&path("nested.jsonl")));
    assert!(nested.is_subset(&names(&inferred)) && nested.len() > 80, "{}", nested.len());
}

#[test]
fn what_cannot_be_compared_is_told_before_anything_is_done() {
    let dir = tempfile::tempdir().unwrap();
    write_csv(&dir.path().join("people.csv"));
    std::fs::write(dir.path().join("plans.csv"), "plan,seats\nfree,1\n").unwrap();
    let settings = |text: &str| std::fs::write(dir.path().join("match.toml"), text).unwrap();
    let refused = |arguments: &[&str], code: i32, part: &str| {
        let output = run(dir.path(), &[&["match"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    };
    refused(&["plans.csv"], 2, "plan, seats");
    refused(&["people.csv", "--threshold", "1"], 2, "between 0 and 1");
    refused(&["people.csv", "--out", "pairs.txt"], 2, ".csv or .jsonl");
    refused(&["people.xml"], 2, "people.xml");
    refused(&["absent.csv"], 1, "absent.csv");
    let with_settings = ["people.csv", "--settings", "match.toml"];
    settings("blocking = [[\"postcode\"]]\n[[comparisons]]\ncolumn = \"age\"\n");
    refused(&with_settings, 1, "no column `age`");
    settings("[[comparisons]]\ncolumn = \"last_name\"\nlevels = [{ days = 3 }]\n");
    refused(&with_settings, 2, "needs another type of column");
    settings("[[comparisons]]\ncolum = \"last_name\"\n");
    refused(&with_settings, 2, "colum");
}
