//! Does every function fit on a screen?

use proc_macro2::Span;
use syn::visit::{self, Visit};

use crate::finding::Finding;

/// The longest function, in lines from its signature to its closing brace.
/// More than one screen cannot be checked by eye.
const LINES_MAX: usize = 70;

/// Measures every function, method and default method of a file.
pub(super) fn check(path: &str, syntax: &syn::File) -> Vec<Finding> {
    let mut functions = Functions { path, findings: Vec::new() };
    functions.visit_file(syntax);
    functions.findings
}

struct Functions<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, from: Span, to: Span) {
        let first = from.start().line;
        let lines = (to.end().line + 1).saturating_sub(first);
        if lines > LINES_MAX {
            self.findings.push(Finding::at(
                self.path,
                first,
                format!("function `{name}` has {lines} lines, more than {LINES_MAX}"),
                "move a computation out and leave the control flow here",
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, item.sig.fn_token.span, item.block.brace_token.span.close());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, item.sig.fn_token.span, item.block.brace_token.span.close());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig.ident, item.sig.fn_token.span, block.brace_token.span.close());
        }
        visit::visit_trait_item_fn(self, item);
    }
}
