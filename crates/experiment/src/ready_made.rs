//! Ready-made metrics: what most ask for first, as documents that can be saved as they are, or with other names of
//! events.

use std::sync::LazyLock;

use crate::MetricDocument;

/// All ready-made metrics, as drafts.
pub fn all() -> &'static [MetricDocument] {
    // A test reads the file, so that it always reads.
    static ALL: LazyLock<Vec<MetricDocument>> =
        LazyLock::new(|| serde_json::from_str(include_str!("ready_made.json")).unwrap_or_default());
    &ALL
}

#[cfg(test)]
mod tests {
    use model::Purpose;

    use super::*;
    use crate::Metric;

    #[test]
    fn all_of_them_compile_and_have_names() {
        assert_eq!(all().len(), 11);
        for document in all() {
            let compiled = Metric::compile(document, &|_| Some(Purpose::ANALYTICS));
            assert!(compiled.is_ok(), "{}: {:?}", document.key, compiled.err());
            assert!(!document.name.is_empty() && !document.description.is_empty());
        }
    }
}
