//! May this crate depend on that one?

use crate::finding::Finding;
use crate::repository::Package;

/// The crates of the workspace and the crates that each may name.
///
/// The same table is in `ARCHITECTURE.md`; a new arrow states its reason in the commit that adds it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("profile", &["model"]),
    ("audience", &["model"]),
    ("decision", &["model"]),
    ("quality", &["model"]),
    ("experiment", &["model", "stats"]),
    ("matching", &[]),
    ("stats", &[]),
    ("fuzz", &[]),
    ("store", &["model"]),
    (
        "engine",
        &["model", "profile", "audience", "decision", "quality", "experiment", "stats", "store"],
    ),
    ("server", &["engine", "model"]),
    ("lake", &["model"]),
    ("query", &["model"]),
    ("proxy", &["model", "decision"]),
    (
        "concierge",
        &[
            "model", "profile", "audience", "decision", "matching", "store", "engine", "server",
            "lake", "query", "proxy", "stats",
        ],
    ),
    ("xtask", &["store"]),
];

/// Arrows that exist in tests only, each with the reason why a test cannot do without it.
const ALLOWED_IN_TESTS: &[(&str, &str, &str)] = &[
    ("query", "lake", "files are written to be read"),
    ("model", "fuzz", "conditions are parsed from what anybody sends"),
    ("decision", "fuzz", "templates are parsed from what anybody writes"),
    ("engine", "fuzz", "events are brought into normal form from what anybody sends"),
    ("server", "stats", "results are held against what its methods say of the same sums"),
    ("query", "fuzz", "queries are read from what anybody sends who may export"),
    ("server", "fuzz", "requests are read from what anybody sends"),
];

/// The tables of a manifest that name dependencies, and whether they are for tests only.
const TABLES: &[(&str, bool)] =
    &[("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)];

/// Compares every dependency between crates of the workspace with the table.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let manifest_path = format!("{}Cargo.toml", package.folder);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            findings.push(Finding::in_file(
                &manifest_path,
                format!("crate `{}` is not in the table of arrows", package.name),
                "add it to xtask/src/tidy/arrows.rs and to ARCHITECTURE.md",
            ));
            continue;
        };
        for (table, for_tests) in TABLES {
            let Some(dependencies) = package.manifest.get(*table).and_then(|it| it.as_table())
            else {
                continue;
            };
            for dependency in dependencies.keys() {
                let internal = packages.iter().any(|other| other.name == *dependency);
                if internal
                    && !allowed.contains(&dependency.as_str())
                    && !(*for_tests && is_allowed_in_tests(&package.name, dependency))
                {
                    findings.push(Finding::in_file(
                        &manifest_path,
                        format!("`{}` must not name `{dependency}` in [{table}]", package.name),
                        "pass what is needed in as a trait or a value, or argue for the arrow in \
                         xtask/src/tidy/arrows.rs and ARCHITECTURE.md",
                    ));
                }
            }
        }
    }
    findings
}

fn is_allowed_in_tests(from: &str, to: &str) -> bool {
    ALLOWED_IN_TESTS.iter().any(|(a, b, _)| *a == from && *b == to)
}
