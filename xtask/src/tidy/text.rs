//! Is the text of every file clean, finished and free of traces of the machine it was written on?

use crate::finding::Finding;
use crate::repository::TextFile;

/// Files that a tool writes; their text is not ours to judge.
const GENERATED: &[&str] = &["Cargo.lock", "package-lock.json"];

/// Marks of unfinished work. They are written in two parts so that this file does not hold them.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[ign", "ore"),
    concat!("@pytest.mark.sk", "ip("),
];

/// Places that exist on one machine only, or that name where packages come from.
const LOCAL: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("registry.npm", "js"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("debian", ".org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
];

/// Kinds of file in which a tab or a space at the end of a line has a meaning.
const WHITESPACE_MATTERS: &[&str] = &["snap", "tsv", "patch"];

/// Judges one file line by line.
pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    if GENERATED.contains(&file.name()) {
        return check_lock(file);
    }
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut found = |fault: String, advice: &str| {
            findings.push(Finding::at(&file.path, index + 1, fault, advice));
        };
        if !WHITESPACE_MATTERS.contains(&file.extension()) {
            if line.ends_with([' ', '\t', '\r']) {
                found(String::from("white space at the end of the line"), "remove it");
            }
            if line.contains('\t') && file.name() != "Makefile" {
                found(String::from("a tab"), "indent with spaces");
            }
        }
        if let Some(mark) = UNFINISHED.iter().find(|mark| holds_word(line, mark)) {
            found(format!("`{mark}` marks unfinished work"), "finish it or open an issue");
        }
        if let Some(place) = LOCAL.iter().find(|place| line.contains(**place)) {
            found(format!("`{place}` is a place that others do not have"), "leave it out");
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') && file.extension() != "snap" {
        findings.push(Finding::at(
            &file.path,
            file.text.lines().count(),
            "the last line has no line break",
            "add one",
        ));
    }
    findings
}

/// A lock file of npm must not say where packages were downloaded, so that any mirror serves.
fn check_lock(file: &TextFile) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| file.name() == "package-lock.json" && line.contains("\"resolved\""))
        .map(|(index, _)| {
            Finding::at(
                &file.path,
                index + 1,
                "the lock file names a download address",
                "write it again with `npm install --omit-lockfile-registry-resolved`",
            )
        })
        .take(1)
        .collect()
}

/// Whether `word` stands in `line` by itself, not as a part of a longer word.
fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        let joins_before = word.starts_with(is_word) && before.is_some_and(is_word);
        let joins_after = word.ends_with(is_word) && after.is_some_and(is_word);
        !joins_before && !joins_after
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
