//! May every dependency be shipped with this program?
//!
//! `cargo metadata` knows the licence of everything in `Cargo.lock`; the rest is one list.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::finding::Finding;

/// The licences that ask for no more than attribution, and so fit a program under Apache-2.0
/// that people may run, change and sell.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // For the list of root certificates: permissive, and for data.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    version: String,
    /// Absent for the crates of this workspace.
    source: Option<String>,
    license: Option<String>,
}

/// Judges the licence of every package in the lock file, for any platform and for tests too.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let output = Command::new("cargo")
        .current_dir(root)
        .args(["metadata", "--format-version=1", "--locked"])
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo cannot list the dependencies: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read the list of dependencies")?;
    Ok(metadata.packages.iter().filter(|it| it.source.is_some()).filter_map(judge).collect())
}

fn judge(dependency: &Dependency) -> Option<Finding> {
    let fault = match dependency.license.as_deref() {
        None => String::from("states no licence"),
        Some(expression) if is_accepted(expression) => return None,
        Some(expression) => format!("has the licence `{expression}`"),
    };
    Some(Finding::in_file(
        "Cargo.lock",
        format!("`{} {}` {fault}", dependency.name, dependency.version),
        "do without it, or argue for its licence in xtask/src/licences.rs",
    ))
}

/// Whether the expression can be met with accepted licences alone.
fn is_accepted(expression: &str) -> bool {
    // Lax, because older packages write `MIT/Apache-2.0`.
    let Ok(expression) = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX) else {
        return false;
    };
    expression.evaluate(|requirement| {
        // An exception ("WITH …") only ever permits more than its licence does.
        requirement.license.id().is_some_and(|id| ACCEPTED.contains(&id.name))
    })
}

#[cfg(test)]
mod tests {
    use super::is_accepted;

    #[test]
    fn a_choice_needs_one_accepted_licence() {
        assert!(is_accepted("MIT"));
        assert!(is_accepted("MIT OR GPL-3.0-only"));
        assert!(is_accepted("MIT/Apache-2.0"));
        assert!(!is_accepted("GPL-3.0-only"));
    }

    #[test]
    fn a_sum_needs_them_all() {
        assert!(is_accepted("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_accepted("MIT AND LGPL-2.1-only"));
    }

    #[test]
    fn an_exception_is_no_obstacle_and_nonsense_is() {
        assert!(is_accepted("Apache-2.0 WITH LLVM-exception"));
        assert!(!is_accepted("as you like"));
    }
}
