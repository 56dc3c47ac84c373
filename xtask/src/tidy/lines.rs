//! Does every line of Rust fit beside another file?

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use crate::finding::Finding;
use crate::repository::TextFile;

/// The longest line of Rust, in characters. Code is formatted to 100, and comments may run over
/// a little to keep a table or a word whole.
const CHARACTERS_MAX: usize = 120;

/// Measures every line of a file but those that a text literal fills: it says what it says.
pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut of_literals = BTreeSet::new();
    if let Ok(tokens) = file.text.parse() {
        collect_literal_lines(tokens, &mut of_literals);
    }
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        // A documentation comment is a literal too by the time it is a token.
        let is_comment = line.trim_start().starts_with("//");
        if line.chars().count() > CHARACTERS_MAX && (is_comment || !of_literals.contains(&number)) {
            findings.push(Finding::at(
                &file.path,
                number,
                format!("the line is longer than {CHARACTERS_MAX}"),
                "break it",
            ));
        }
    }
    findings
}

fn collect_literal_lines(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Literal(literal) if literal.to_string().contains('"') => {
                let span = literal.span();
                lines.extend(span.start().line..=span.end().line);
            }
            TokenTree::Group(group) => collect_literal_lines(group.stream(), lines),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
