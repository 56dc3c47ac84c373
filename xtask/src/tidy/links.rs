//! Does every link of a page lead to a file of the repository?

use crate::finding::Finding;
use crate::repository::{Repository, TextFile};

/// Follows the relative links of every Markdown page.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let pages = repository.files.iter().filter(|file| file.extension() == "md");
    pages.flat_map(|page| check_page(repository, page)).collect()
}

fn check_page(repository: &Repository, page: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(page.text.lines()) {
        for target in targets(line) {
            let path = resolve(&page.path, target);
            // A folder is there when something is in it.
            let folder = format!("{}/", path.trim_end_matches('/'));
            let leads_somewhere =
                repository.files.iter().any(|it| it.path == path || it.path.starts_with(&folder));
            if !leads_somewhere {
                findings.push(Finding::at(
                    &page.path,
                    number,
                    format!("the link to `{target}` leads nowhere"),
                    "mend or remove it",
                ));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` in a line, without those on other hosts and on the same page.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.contains(':'))
}

/// The path from the root that a link on the page at `page` means.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}
