//! Is every file where a reader looks for it, and short enough to be read?

use crate::finding::Finding;
use crate::repository::{Package, Repository};

/// The longest source file, in lines. A longer one holds more than one subject.
const LINES_MAX: usize = 800;

/// The kinds of file that people write by hand as code.
const SOURCE_EXTENSIONS: &[&str] = &["rs", "py", "js", "mjs", "ts", "tsx", "css", "sh"];

/// Checks folders, front pages and lengths.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &repository.packages {
        findings.extend(check_package(repository, package));
    }
    for file in &repository.files {
        if file.name() == "mod.rs" {
            findings.push(Finding::in_file(
                &file.path,
                "a module file is called mod.rs",
                "name it after its folder and put it beside that folder",
            ));
        }
        let lines = file.text.lines().count();
        if lines > LINES_MAX && SOURCE_EXTENSIONS.contains(&file.extension()) {
            findings.push(Finding::in_file(
                &file.path,
                format!("{lines} lines, more than {LINES_MAX}"),
                "split it by subject",
            ));
        }
    }
    findings
}

/// A crate's folder carries its name, and its README is the front page of its documentation.
fn check_package(repository: &Repository, package: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folder = package.folder.trim_end_matches('/');
    if folder.rsplit('/').next() != Some(package.name.as_str()) {
        findings.push(Finding::in_file(
            &format!("{folder}/Cargo.toml"),
            format!("crate `{}` lives in a folder of another name", package.name),
            "give folder and crate one name",
        ));
    }
    let readme = format!("{folder}/README.md");
    if !repository.has(&readme) {
        findings.push(Finding::in_file(
            &readme,
            "the crate has no README.md",
            "say what it does, what always holds and what it must not know",
        ));
    }
    let include = "#![doc = include_str!(\"../README.md\")]";
    for root in ["src/lib.rs", "src/main.rs"] {
        let path = format!("{folder}/{root}");
        let Some(file) = repository.files.iter().find(|file| file.path == path) else { continue };
        if !file.text.contains(include) {
            findings.push(Finding::at(
                &path,
                1,
                "the README is not the front page of the documentation",
                format!("begin with `{include}`"),
            ));
        }
    }
    findings
}

/// `lib.rs` is a table of contents: modules and re-exports, no functions of its own.
pub(super) fn check_root_module(path: &str, syntax: &syn::File) -> Vec<Finding> {
    if !path.ends_with("/lib.rs") {
        return Vec::new();
    }
    syntax
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Fn(function) => Some(&function.sig.ident),
            syn::Item::Struct(item) => Some(&item.ident),
            syn::Item::Enum(item) => Some(&item.ident),
            _ => None,
        })
        .map(|name| {
            Finding::at(
                path,
                name.span().start().line,
                format!("`{name}` is defined in lib.rs"),
                "move it to a module and re-export it here",
            )
        })
        .collect()
}
