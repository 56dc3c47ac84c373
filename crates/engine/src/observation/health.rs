//! What is told of how an experience fares on pages.

use decision::health::{Counts, Verdict};
use model::{Key, Value};
use serde_json::json;

use crate::{
    definitions::{DefinitionError, Kind},
    state::Shared,
};

/// How the variants of an experience have fared on pages for a day, by the version that acts.
pub(crate) fn health(shared: &Shared, key: &Key) -> Result<Value, DefinitionError> {
    let missing = || DefinitionError::NotFound { kind: Kind::Experience, key: key.clone() };
    let (document, version) = shared.registry.experience(key).ok_or_else(missing)?;
    let counts = shared.observation.health(key, version, shared.clock.now());
    let told = |variant: &Key| counts.get(variant).cloned().unwrap_or_default();
    let variants: Vec<_> = document.variants.iter().map(|one| (&one.key, told(&one.key))).collect();
    let verdicts = variants.iter().map(|(_, counts)| counts.verdict());
    // The worst that is known; where nothing is known of one, the others may still be broken.
    let verdict = verdicts.max().unwrap_or(Verdict::Collecting);
    let variants: Vec<_> = variants.iter().map(|(key, counts)| variant(key, counts)).collect();
    Ok(json!({
        "experience": key,
        "version": version,
        "state": document.state,
        "stop_on_broken": document.stop_on_broken,
        "verdict": verdict,
        "variants": variants,
    }))
}

fn variant(key: &Key, counts: &Counts) -> Value {
    let mut told = json!(counts);
    if let Some(told) = told.as_object_mut() {
        told.insert("variant".to_owned(), json!(key));
        told.insert("verdict".to_owned(), json!(counts.verdict()));
    }
    told
}
