//! Does every name use the one word that the glossary has for its concept?

use syn::visit::{self, Visit};

use crate::finding::Finding;

/// Words that no definition may carry, and what to write instead. Few, and each with a reason:
/// a synonym of a glossary word makes one thing look like two, and the last group says nothing.
const REJECTED: &[(&str, &str)] = &[
    ("cohort", "audience"),
    ("tenant", "workspace"),
    ("mbox", "placement"),
    ("impression", "exposure"),
    ("canvas", "journey"),
    ("cfg", "config"),
    ("mgr", "the noun itself"),
    ("usr", "profile"),
    ("evt", "event"),
    ("msg", "message"),
    ("cnt", "count"),
    ("idx", "index"),
    ("tmp", "what it holds"),
    ("util", "the noun of its subject"),
    ("utils", "the noun of its subject"),
    ("helper", "the noun of its subject"),
    ("helpers", "the noun of its subject"),
    ("manager", "the noun of its subject"),
    ("misc", "the noun of its subject"),
    ("legacy", "what differs"),
];

/// Looks at the names that a file defines: items, fields, variants and functions.
/// Names that it only uses belong to others.
pub(super) fn check(path: &str, syntax: &syn::File) -> Vec<Finding> {
    let mut names = Names { path, findings: Vec::new() };
    names.visit_file(syntax);
    names.findings
}

struct Names<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Names<'_> {
    fn judge(&mut self, name: &syn::Ident) {
        let words = words_of(&name.to_string());
        for (rejected, instead) in REJECTED {
            if words.iter().any(|word| word == rejected) {
                self.findings.push(Finding::at(
                    self.path,
                    name.span().start().line,
                    format!("the name `{name}` says `{rejected}`"),
                    format!("say {instead} (docs/glossary.md)"),
                ));
            }
        }
    }
}

/// Splits `snake_case`, `CamelCase` and `SCREAMING_CASE` into lower-case words.
fn words_of(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before_is_lower = false;
    for letter in name.chars() {
        let starts_word = letter == '_' || (letter.is_uppercase() && before_is_lower);
        if starts_word && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter != '_' {
            word.extend(letter.to_lowercase());
        }
        before_is_lower = letter.is_lowercase() || letter.is_numeric();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Const(item) => self.judge(&item.ident),
            syn::Item::Enum(item) => self.judge(&item.ident),
            syn::Item::Fn(item) => self.judge(&item.sig.ident),
            syn::Item::Mod(item) => self.judge(&item.ident),
            syn::Item::Static(item) => self.judge(&item.ident),
            syn::Item::Struct(item) => self.judge(&item.ident),
            syn::Item::Trait(item) => self.judge(&item.ident),
            syn::Item::Type(item) => self.judge(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.judge(&item.sig.ident);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.judge(&item.sig.ident);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.judge(name);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.judge(&variant.ident);
        visit::visit_variant(self, variant);
    }
}
