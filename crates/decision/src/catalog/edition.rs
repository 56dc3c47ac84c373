//! Editions of a variant: which one fits somebody best.

use model::{
    Key, Purpose, Timestamp,
    condition::{Facts, Names, Rule, Truth},
    definition::Fault,
};

use super::{compile, said_or_known};
use crate::{
    content::Content,
    document::{self, MAX_EDITIONS},
    schema::Schema,
};

/// A compiled edition.
#[derive(Clone, Debug)]
pub(crate) struct Edition {
    /// Its language tag, in lower case.
    pub(crate) locale: Option<Box<str>>,
    pub(crate) when: Option<Rule>,
    pub(crate) content: Option<Content>,
}

/// Longest language tag, in bytes (RFC 5646, 4.4.1, asks for 35 at least).
const LOCALE_BYTES_MAX: usize = 35;

/// Compiles the editions of the variant at `pointer`.
pub(super) fn compile(
    variant: &document::Variant,
    schema: &Schema,
    pointer: &str,
    placement: &Key,
    named: Option<(&Names, Purpose)>,
) -> Result<Box<[Edition]>, Vec<Fault>> {
    let mut faults = Vec::new();
    if variant.editions.len() > MAX_EDITIONS {
        let detail = format!("a variant has at most {MAX_EDITIONS} editions");
        return Err(vec![Fault::new(format!("{pointer}/editions"), detail)]);
    }
    let mut editions = Vec::with_capacity(variant.editions.len());
    for (place, document::Edition { locale, when, content }) in variant.editions.iter().enumerate()
    {
        let pointer = format!("{pointer}/editions/{place}");
        if locale.is_none() && when.is_none() {
            let detail = "an edition is for a `locale`, for those of whom `when` holds, or both";
            faults.push(Fault::new(pointer.clone(), detail));
        }
        if locale.as_ref().is_some_and(|tag| !is_tag(tag)) {
            let detail = "this is no language tag, such as sv or sv-SE";
            faults.push(Fault::new(format!("{pointer}/locale"), detail));
        }
        let rule = when.as_ref().map(|w| compile::rule(w, &format!("{pointer}/when"), named));
        let when = compile::keep(rule.transpose(), &mut faults).flatten();
        let filled = content.as_ref();
        let pointer = format!("{pointer}/content");
        let filled = filled.map(|c| Content::compile(c, schema, &pointer, placement, true));
        let content = compile::keep(filled.transpose(), &mut faults).flatten();
        let locale = locale.as_ref().map(|tag| tag.to_ascii_lowercase().into());
        editions.push(Edition { locale, when, content });
    }
    if faults.is_empty() { Ok(editions.into()) } else { Err(faults) }
}

/// Whether a text has the form of a language tag: letters, then parts of letters and digits.
fn is_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let is_language = |part: &str| {
        (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    tag.len() <= LOCALE_BYTES_MAX && parts.next().is_some_and(is_language) && parts.all(is_part)
}

/// The edition that fits best, with its place; `None` where none does.
pub(crate) fn fitting<'e>(
    editions: &'e [Edition],
    facts: &dyn Facts,
    now: Timestamp,
) -> Option<(usize, &'e Edition)> {
    if editions.is_empty() {
        return None;
    }
    let wanted = wanted_locale(facts);
    let holds = |rule: &Rule| rule.evaluate(facts, now).truth == Truth::True;
    let fits = |edition: &&Edition| edition.when.as_ref().is_none_or(holds);
    let near = |edition: &Edition| match (&edition.locale, &wanted) {
        (None, _) => Some(0),
        (Some(own), Some(wanted)) => nearness(own, wanted),
        (Some(_), None) => None,
    };
    let ranked = editions.iter().enumerate().filter_map(|(place, edition)| {
        Some(((near(edition)?, edition.when.is_some(), std::cmp::Reverse(place)), edition))
    });
    // The cheap question first: conditions are only asked where nothing nearer has been found.
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    let found = ranked.into_iter().find(|(_, edition)| fits(edition))?;
    let ((_, _, std::cmp::Reverse(place)), edition) = found;
    Some((place, edition))
}

/// How many parts of the wanted tag an edition's tag has, all of which must be the same; `None` where
/// they are not: the lookup of RFC 4647, 3.4.
fn nearness(own: &str, wanted: &str) -> Option<usize> {
    let rest = wanted.strip_prefix(own)?;
    (rest.is_empty() || rest.starts_with('-')).then(|| own.split('-').count())
}

/// The visitor's language tag, in lower case: that of the request, or else of the person.
fn wanted_locale(facts: &dyn Facts) -> Option<String> {
    Some(said_or_known(facts, "locale")?.replace('_', "-").to_ascii_lowercase())
}

impl Edition {
    /// What it is for, in words.
    pub(crate) fn words(&self, variant: &Key, place: usize) -> String {
        let language = self.locale.as_ref().map_or(String::new(), |tag| format!(", {tag}"));
        format!("edition {place} of `{variant}`{language}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_fits_one_that_says_no_more_than_it() {
        assert_eq!(nearness("sv", "sv-se"), Some(1));
        assert_eq!(nearness("sv-se", "sv-se"), Some(2));
        assert_eq!(nearness("sv-fi", "sv-se"), None);
        assert_eq!(nearness("sv-se", "sv"), None);
        assert_eq!(nearness("s", "sv"), None);
    }

    #[test]
    fn tags_are_told_from_other_texts() {
        for tag in ["sv", "sv-SE", "zh-Hant-TW", "es-419"] {
            assert!(is_tag(tag), "{tag}");
        }
        for wrong in ["", "s", "sv_SE", "sv-", "1v", "sverige-för-alla"] {
            assert!(!is_tag(wrong), "{wrong}");
        }
    }
}
