//! Does every manifest inherit what is common, and name only what its crate uses?

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use crate::finding::Finding;
use crate::repository::{Package, Repository, RustFile};

/// The fields of a package that the workspace decides.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// The tables of a manifest that name dependencies.
const TABLES: &[&str] = &["dependencies", "build-dependencies", "dev-dependencies"];

/// Checks every crate's manifest, and that the workspace declares no dependency that nobody takes.
pub(super) fn check(repository: &Repository, rust_files: &[RustFile<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut taken = BTreeSet::new();
    for package in &repository.packages {
        findings.extend(check_inheritance(package));
        let used = identifiers_of(&package.folder, rust_files);
        for (table, name, value) in dependencies_of(package) {
            taken.insert(name.to_owned());
            findings.extend(check_dependency(package, table, name, value, &used));
        }
    }
    let declared = repository
        .workspace
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table);
    for name in declared.into_iter().flat_map(toml::Table::keys) {
        if !taken.contains(name) {
            findings.push(Finding::in_file(
                "Cargo.toml",
                format!("no crate takes the workspace's dependency `{name}`"),
                "remove it",
            ));
        }
    }
    findings
}

fn check_inheritance(package: &Package) -> Vec<Finding> {
    let path = format!("{}Cargo.toml", package.folder);
    let mut findings = Vec::new();
    let section = package.manifest.get("package");
    for field in INHERITED {
        if !inherits(section.and_then(|section| section.get(*field))) {
            findings.push(Finding::in_file(
                &path,
                format!("`{field}` is not the workspace's"),
                format!("write `{field}.workspace = true`"),
            ));
        }
    }
    if section.and_then(|section| section.get("description")).is_none() {
        findings.push(Finding::in_file(
            &path,
            "the crate has no description",
            "say in one line what it is for",
        ));
    }
    if !inherits(package.manifest.get("lints")) {
        findings.push(Finding::in_file(
            &path,
            "the crate does not inherit the workspace's lints",
            "add `[lints]` with `workspace = true`",
        ));
    }
    findings
}

fn check_dependency(
    package: &Package,
    table: &str,
    name: &str,
    value: &toml::Value,
    used: &BTreeSet<String>,
) -> Vec<Finding> {
    let path = format!("{}Cargo.toml", package.folder);
    let mut findings = Vec::new();
    if !inherits(Some(value)) {
        findings.push(Finding::in_file(
            &path,
            format!("`{name}` in [{table}] chooses its own version"),
            "declare it in [workspace.dependencies] and write `workspace = true`",
        ));
    }
    if !used.contains(&name.replace('-', "_")) {
        findings.push(Finding::in_file(
            &path,
            format!("`{name}` in [{table}] is not used"),
            "remove it",
        ));
    }
    findings
}

/// Whether a value is `{ workspace = true }`.
fn inherits(value: Option<&toml::Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
}

fn dependencies_of(package: &Package) -> Vec<(&'static str, &str, &toml::Value)> {
    TABLES
        .iter()
        .filter_map(|table| Some((*table, package.manifest.get(*table)?.as_table()?)))
        .flat_map(|(table, entries)| {
            entries.iter().map(move |(name, value)| (table, name.as_str(), value))
        })
        .collect()
}

/// Every identifier of a crate's sources, inside macros too; comments and strings do not count.
fn identifiers_of(folder: &str, rust_files: &[RustFile<'_>]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in rust_files.iter().filter(|file| file.source.path.starts_with(folder)) {
        if let Ok(tokens) = file.source.text.parse() {
            collect_identifiers(tokens, &mut names);
        }
    }
    names
}

fn collect_identifiers(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                names.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect_identifiers(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
