//! Which rules does the repository keep that no compiler checks?
//!
//! Each rule is a pure function from files to findings, so that it can be tested on a few lines.

mod arrows;
mod functions;
mod layout;
mod lines;
mod links;
mod manifests;
mod purity;
mod text;
mod words;

#[cfg(test)]
mod tests;

use crate::finding::Finding;
use crate::repository::Repository;

/// Runs every rule and returns what each found, in the order of the files.
pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let rust_files = repository.rust_files();
    let mut findings = Vec::new();
    findings.extend(arrows::check(&repository.packages));
    findings.extend(manifests::check(repository, &rust_files));
    findings.extend(layout::check(repository));
    findings.extend(links::check(repository));
    for file in &repository.files {
        findings.extend(text::check(file));
    }
    for file in &rust_files {
        findings.extend(lines::check(file.source));
        match &file.syntax {
            Ok(syntax) => {
                findings.extend(layout::check_root_module(&file.source.path, syntax));
                findings.extend(functions::check(&file.source.path, syntax));
                findings.extend(words::check(&file.source.path, syntax));
                findings.extend(purity::check(&file.source.path, syntax));
            }
            Err(error) => findings.push(Finding::at(
                &file.source.path,
                error.span().start().line,
                format!("not Rust: {error}"),
                "make it compile",
            )),
        }
    }
    findings.sort();
    findings
}
