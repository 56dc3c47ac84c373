//! Does a pure crate stay away from clocks, threads, files, the network, randomness and logs?
//!
//! Replaying the log must give the state that was live, so the domain crates take time and
//! randomness as arguments and return what is to be done as plain data.

use syn::visit::{self, Visit};

use crate::finding::Finding;

/// The crates that only compute.
const PURE: &[&str] = &[
    "crates/model/",
    "crates/profile/",
    "crates/audience/",
    "crates/decision/",
    "crates/matching/",
    "crates/stats/",
];

/// Paths by which the world would enter, each with the way in which it should.
const WORLD: &[(&[&str], &str)] = &[
    (&["std", "fs"], "leave files to the store or the binary"),
    (&["std", "net"], "leave the network to the server"),
    (&["std", "env"], "take the setting as an argument"),
    (&["std", "process"], "leave processes to the binary"),
    (&["std", "thread"], "leave threads to the engine"),
    (&["std", "time", "Instant"], "take `now` as an argument"),
    (&["std", "time", "SystemTime"], "take `now` as an argument"),
    (&["SystemTime", "now"], "take `now` as an argument"),
    (&["Instant", "now"], "take `now` as an argument"),
    (&["Timestamp", "now"], "take `now` as an argument"),
    (&["Zoned", "now"], "take `now` as an argument"),
    (&["tokio"], "leave waiting to the engine"),
    (&["rand"], "draw by hashing the unit and a salt"),
    (&["tracing"], "return what happened and let the engine log it"),
    (&["log"], "return what happened and let the engine log it"),
];

/// Looks for paths to the outside in a file of a pure crate.
pub(super) fn check(path: &str, syntax: &syn::File) -> Vec<Finding> {
    // Tests may draw, write and time as they like.
    let in_sources = PURE
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with("src/")));
    if !in_sources || path.ends_with("/tests.rs") || path.contains("/tests/") {
        return Vec::new();
    }
    let mut paths = Paths { path, findings: Vec::new() };
    paths.visit_file(syntax);
    paths.findings
}

struct Paths<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Paths<'_> {
    fn judge(&mut self, parts: &[String], line: usize) {
        for (world, advice) in WORLD {
            let found = if world.len() == 1 {
                parts.len() > 1 && parts.first().map(String::as_str) == world.first().copied()
            } else {
                parts.windows(world.len()).any(|window| window == *world)
            };
            if found {
                let named = parts.join("::");
                self.findings.push(Finding::at(
                    self.path,
                    line,
                    format!("a pure crate reaches outside by `{named}`"),
                    *advice,
                ));
                return;
            }
        }
    }

    fn judge_use(&mut self, tree: &syn::UseTree, before: &[String]) {
        let mut parts = before.to_vec();
        match tree {
            syn::UseTree::Path(path) => {
                parts.push(path.ident.to_string());
                self.judge_use(&path.tree, &parts);
            }
            syn::UseTree::Name(name) => {
                parts.push(name.ident.to_string());
                self.judge(&parts, name.ident.span().start().line);
            }
            syn::UseTree::Rename(rename) => {
                parts.push(rename.ident.to_string());
                self.judge(&parts, rename.ident.span().start().line);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.judge_use(tree, before);
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let for_tests = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        });
        if !for_tests {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.judge_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
        self.judge(&parts, line);
        visit::visit_path(self, path);
    }
}
