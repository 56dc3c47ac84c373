use super::{arrows, functions, layout, lines, links, manifests, purity, text, words};
use crate::finding::Finding;
use crate::repository::{Repository, TextFile};

/// A crate that keeps every rule, to be broken by one change at a time.
const MANIFEST: &str = "\
[package]
name = \"audience\"
description = \"Audiences\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lints]
workspace = true

[dependencies]
model.workspace = true
";

const LIB: &str = "#![doc = include_str!(\"../README.md\")]\nmod rule;\npub use model::Event;\n";

const MODEL: &str = "\
[package]
name = \"model\"
description = \"Vocabulary\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lints]
workspace = true
";

fn repository(changed: &[(&str, &str)]) -> Repository {
    let mut files = vec![
        ("Cargo.toml", "[workspace]\nmembers = []\n"),
        ("crates/audience/Cargo.toml", MANIFEST),
        ("crates/audience/README.md", "# audience\n"),
        ("crates/audience/src/lib.rs", LIB),
        ("crates/model/Cargo.toml", MODEL),
        ("crates/model/README.md", "# model\n"),
    ];
    files.retain(|(path, _)| changed.iter().all(|(other, _)| other != path));
    files.extend(changed.iter().filter(|(_, text)| !text.is_empty()));
    let files = files
        .into_iter()
        .map(|(path, text)| TextFile { path: path.to_owned(), text: text.to_owned() })
        .collect();
    Repository::from_files(files).unwrap()
}

fn faults(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|it| format!("{}:{}: {}", it.path, it.line, it.fault)).collect()
}

fn text_faults(path: &str, text: &str) -> Vec<String> {
    faults(&text::check(&TextFile { path: path.to_owned(), text: text.to_owned() }))
}

fn parsed(text: &str) -> syn::File {
    syn::parse_file(text).unwrap()
}

#[test]
fn this_repository_is_tidy() {
    let findings = super::check(&Repository::open().unwrap());
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}", shown.join("\n"));
}

#[test]
fn a_clean_crate_has_no_findings() {
    assert_eq!(faults(&super::check(&repository(&[]))), Vec::<String>::new());
}

#[test]
fn arrows_that_are_not_in_the_table_are_found() {
    let manifest = MODEL.to_owned() + "[dev-dependencies]\naudience.workspace = true\n";
    let found =
        faults(&arrows::check(&repository(&[("crates/model/Cargo.toml", &manifest)]).packages));
    assert_eq!(
        found,
        ["crates/model/Cargo.toml:0: `model` must not name `audience` in [dev-dependencies]"]
    );
}

#[test]
fn a_crate_outside_the_table_is_found() {
    let manifest = MODEL.replace("\"model\"", "\"dust\"");
    let found =
        faults(&arrows::check(&repository(&[("crates/dust/Cargo.toml", &manifest)]).packages));
    assert_eq!(found, ["crates/dust/Cargo.toml:0: crate `dust` is not in the table of arrows"]);
}

#[test]
fn manifests_inherit_and_name_only_what_is_used() {
    let manifest = MANIFEST
        .replace("edition.workspace = true", "edition = \"2024\"")
        .replace("[lints]\nworkspace = true", "")
        + "serde = \"1\"\n";
    let repository = repository(&[
        ("Cargo.toml", "[workspace.dependencies]\nmodel = \"1\"\nanyhow = \"1\"\n"),
        ("crates/audience/Cargo.toml", &manifest),
    ]);
    assert_eq!(
        faults(&manifests::check(&repository, &repository.rust_files())),
        [
            "crates/audience/Cargo.toml:0: `edition` is not the workspace's",
            "crates/audience/Cargo.toml:0: the crate does not inherit the workspace's lints",
            "crates/audience/Cargo.toml:0: `serde` in [dependencies] chooses its own version",
            "crates/audience/Cargo.toml:0: `serde` in [dependencies] is not used",
            "Cargo.toml:0: no crate takes the workspace's dependency `anyhow`",
        ]
    );
}

#[test]
fn a_dependency_named_only_in_a_comment_is_unused_and_one_in_a_macro_is_used() {
    let unused = "#![doc = include_str!(\"../README.md\")]\n// model::Event\n";
    let found = |lib: &str| {
        let repository = repository(&[("crates/audience/src/lib.rs", lib)]);
        faults(&manifests::check(&repository, &repository.rust_files()))
    };
    assert_eq!(
        found(unused),
        ["crates/audience/Cargo.toml:0: `model` in [dependencies] is not used"]
    );
    assert_eq!(found("check!(model::Event);\n"), Vec::<String>::new());
}

#[test]
fn front_pages_and_module_files_are_where_they_belong() {
    let found = faults(&layout::check(&repository(&[
        ("crates/audience/README.md", ""),
        ("crates/audience/src/lib.rs", "mod rule;\n"),
        ("crates/audience/src/rule/mod.rs", "\n"),
        ("crates/audience/src/long.rs", &"\n".repeat(801)),
        ("docs/long.md", &"\n".repeat(801)),
    ])));
    assert_eq!(
        found,
        [
            "crates/audience/README.md:0: the crate has no README.md",
            "crates/audience/src/lib.rs:1: the README is not the front page of the documentation",
            "crates/audience/src/rule/mod.rs:0: a module file is called mod.rs",
            "crates/audience/src/long.rs:0: 801 lines, more than 800",
        ]
    );
}

#[test]
fn a_root_module_only_lists() {
    let found = layout::check_root_module("a/src/lib.rs", &parsed("mod rule;\nfn logic() {}\n"));
    assert_eq!(faults(&found), ["a/src/lib.rs:2: `logic` is defined in lib.rs"]);
}

#[test]
fn functions_of_seventy_lines_pass_and_of_seventy_one_do_not() {
    let function = |inner: usize| {
        let body = "    step();\n".repeat(inner);
        format!("/// Docs do not count.\n#[inline]\nfn long() {{\n{body}}}\n")
    };
    assert_eq!(functions::check("a.rs", &parsed(&function(68))), []);
    assert_eq!(
        faults(&functions::check("a.rs", &parsed(&function(69)))),
        ["a.rs:3: function `long` has 71 lines, more than 70"]
    );
    let method = format!("impl A {{\n{}}}\n", function(69));
    assert_eq!(functions::check("a.rs", &parsed(&method)).len(), 1);
}

#[test]
fn rejected_words_are_found_in_definitions_and_not_in_uses() {
    let code = "\
struct CohortIndex { msg: u8 }
enum State { UserManager }
fn helper_text() { let cohort = other::Cohort::new(); }
";
    assert_eq!(
        faults(&words::check("a.rs", &parsed(code))),
        [
            "a.rs:1: the name `CohortIndex` says `cohort`",
            "a.rs:1: the name `msg` says `msg`",
            "a.rs:2: the name `UserManager` says `manager`",
            "a.rs:3: the name `helper_text` says `helper`",
        ]
    );
}

#[test]
fn pure_crates_do_not_reach_outside() {
    let code = "\
use std::{fs, collections::BTreeMap};
fn now() -> u64 { std::time::SystemTime::now().secs() }
fn draw() -> u64 { rand::random() }
fn fine(now: Timestamp, log: Vec<u8>) { log.len(); }
#[cfg(test)]
mod tests { use std::fs; }
";
    let found = faults(&purity::check("crates/model/src/a.rs", &parsed(code)));
    assert_eq!(
        found,
        [
            "crates/model/src/a.rs:1: a pure crate reaches outside by `std::fs`",
            "crates/model/src/a.rs:2: a pure crate reaches outside by `std::time::SystemTime::now`",
            "crates/model/src/a.rs:3: a pure crate reaches outside by `rand::random`",
        ]
    );
    assert_eq!(purity::check("crates/engine/src/a.rs", &parsed(code)), []);
    assert_eq!(purity::check("crates/model/src/a/tests.rs", &parsed(code)), []);
}

#[test]
fn white_space_is_clean() {
    assert_eq!(
        text_faults("a.rs", "fn a() {} \n\tlet b;\nlast"),
        [
            "a.rs:1: white space at the end of the line",
            "a.rs:2: a tab",
            "a.rs:3: the last line has no line break",
        ]
    );
    assert_eq!(text_faults("Makefile", "all:\n\techo\n"), Vec::<String>::new());
}

#[test]
fn long_lines_are_found_unless_a_text_literal_fills_them() {
    let found =
        |text: String| faults(&lines::check(&TextFile { path: String::from("a.rs"), text }));
    let long = "x".repeat(121);
    let fault = ["a.rs:2: the line is longer than 120"];
    assert_eq!(found(format!("fn a() {{\n// {long}\n}}\n")), fault);
    assert_eq!(found(format!("mod a {{\n/// {long}\nfn b() {{}} }}\n")), fault);
    assert_eq!(found(format!("fn a() {{\nlet {long} = 1;\n}}\n")), fault);
    assert_eq!(found(format!("fn a() {{\nb(\"{long}\");\n}}\n")).len(), 0);
}

#[test]
fn links_lead_to_files_or_folders_of_the_repository() {
    let page = "[a](../README.md#top), [b](guide/) and [c](https://example.com)\n[d](gone.md)\n";
    let repository = repository(&[
        ("README.md", "[docs](docs/README.md)\n"),
        ("docs/README.md", page),
        ("docs/guide/start.md", "[up](..)\n"),
    ]);
    assert_eq!(
        faults(&links::check(&repository)),
        ["docs/README.md:2: the link to `gone.md` leads nowhere"]
    );
}

#[test]
fn unfinished_work_is_found_as_a_word_only() {
    let mark = concat!("TO", "DO");
    assert_eq!(
        text_faults("a.rs", &format!("// {mark}: later\n")),
        [format!("a.rs:1: `{mark}` marks unfinished work")]
    );
    assert_eq!(text_faults("a.rs", &format!("let {mark}S = 1;\n")), Vec::<String>::new());
    let ignored = concat!("#[ign", "ore");
    assert_eq!(text_faults("a.rs", &format!("{ignored} = \"slow\"]\n")).len(), 1);
}

#[test]
fn places_of_one_machine_are_found() {
    let place = concat!("/ro", "ot/");
    assert_eq!(
        text_faults("a.md", &format!("see {place}notes\n")),
        [format!("a.md:1: `{place}` is a place that others do not have")]
    );
}

#[test]
fn a_lock_file_names_no_download_address() {
    let lock = "{\n  \"resolved\": \"a\"\n}\n";
    assert_eq!(
        text_faults("tests/package-lock.json", lock),
        ["tests/package-lock.json:2: the lock file names a download address"]
    );
}
