//! A document on its way to being saved: who may save it, what it may replace, and where there is room for it.

use std::sync::Arc;

use model::{
    Key, Purpose, Timestamp,
    definition::{Fault, State},
    value::Object,
};

use crate::definitions::{Definition, DefinitionError, Kind, Scope, Token};

use super::{
    check,
    documents::{Documents, Known, acts},
    may,
};

/// Longest document, as JSON text with its key and state.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// Most definitions of a kind, deleted ones not counted: all of them are compiled within one save.
pub(super) fn limit(kind: Kind) -> usize {
    match kind {
        Kind::Purpose => usize::from(Purpose::COUNT),
        Kind::Source => 200,
        Kind::Trait | Kind::ComputedTrait => 500,
        Kind::Stages => 50,
        Kind::Audience | Kind::Placement => 1_000,
        Kind::Metric => 200,
        Kind::Experience | Kind::Policy => 5_000,
        // Each may hold 150 patterns; all are compiled within one save.
        Kind::EventSchema => 500,
        // All are looked at for each event.
        Kind::TrafficRule => 50,
        // All are looked at for each event of a sweep.
        Kind::RetentionRule => 100,
        Kind::ExclusionGroup => 200,
        // Each may be asked for each win.
        Kind::Holdout => 50,
    }
}

/// A document that is to be saved under a key, with its key and state filled in.
#[derive(Debug)]
pub(super) struct Draft {
    kind: Kind,
    key: Key,
    document: Object,
    state: State,
    /// The newest version under the key, a deletion included.
    newest: Option<Arc<Known>>,
}

impl Draft {
    /// Takes in a document. Its key, if it has one, must be `key`; its state, if it has none, is
    /// that of the version before.
    pub(super) fn new(
        documents: &Documents,
        kind: Kind,
        key: &Key,
        mut document: Object,
    ) -> Result<Self, DefinitionError> {
        let newest = documents.newest(kind, key).cloned();
        let mut faults = Vec::new();
        if let Some(other) = document.insert("key".into(), key.as_str().into())
            && other != key.as_str()
        {
            let detail = format!("the key is {other} here and `{key}` where it is saved");
            faults.push(Fault::new("/key", detail));
        }
        let before = newest.as_ref().filter(|known| !known.deleted);
        let state = match document.get("state") {
            None => before.map_or(State::Draft, |known| known.definition.state),
            Some(written) => serde_json::from_value(written.clone()).unwrap_or_else(|_| {
                let detail =
                    format!("{written} is no state: write draft, live, paused or archived");
                faults.push(Fault::new("/state", detail));
                State::Draft
            }),
        };
        document.insert("state".into(), state.to_string().into());
        let bytes = serde_json::to_string(&document).map_or(usize::MAX, |text| text.len());
        if MAX_DOCUMENT_BYTES < bytes {
            let detail =
                format!("the document has {bytes} bytes, at most {MAX_DOCUMENT_BYTES} fit");
            faults.push(Fault::new("", detail));
        }
        if faults.is_empty() {
            Ok(Self { kind, key: key.clone(), document, state, newest })
        } else {
            Err(DefinitionError::Invalid(faults))
        }
    }

    /// The version it replaces.
    pub(super) fn existing(&self) -> Option<&Arc<Known>> {
        self.newest.as_ref().filter(|known| !known.deleted)
    }

    /// The version that is already what it would save.
    pub(super) fn same(&self) -> Option<&Definition> {
        let existing = self.existing().map(|known| &known.definition);
        existing.filter(|definition| definition.document == self.document)
    }

    /// Whether it only archives what is there.
    pub(super) fn puts_away(&self) -> bool {
        let without_state = |document: &Object| {
            let mut document = document.clone();
            document.remove("state");
            document
        };
        self.state == State::Archived
            && self.existing().is_some_and(|known| {
                without_state(&known.definition.document) == without_state(&self.document)
            })
    }

    /// Anybody who may save may save drafts; all else is publishing.
    pub(super) fn check_rights(&self, actor: &Token) -> Result<(), DefinitionError> {
        let plural = self.kind.plural();
        if self.state != State::Draft {
            let action = || format!("saving {plural} as {}", self.state);
            may(actor, Scope::DefinitionsPublish, action)?;
        }
        if self.existing().is_some_and(|known| known.definition.state != State::Draft) {
            let action = || format!("changing {plural} that are no drafts");
            may(actor, Scope::DefinitionsPublish, action)?;
        }
        Ok(())
    }

    /// Refuses a change of state that cannot be made, and a definition too many.
    pub(super) fn check_place(&self, documents: &Documents) -> Result<(), DefinitionError> {
        let Self { kind, key, state, .. } = self;
        let Some(existing) = self.existing() else {
            let limit = limit(*kind);
            if limit <= documents.of(*kind).count() {
                let detail =
                    format!("there are {limit} {} already, which is the most", kind.plural());
                return Err(DefinitionError::Invalid(vec![Fault::new("", detail)]));
            }
            return Ok(());
        };
        let before = existing.definition.state;
        if *state == State::Draft && matches!(before, State::Live | State::Paused) {
            // Drafts may be changed by those who may not publish, so it must visibly stop first.
            let detail = format!("it is {before} and cannot be a draft again: archive it first");
            return Err(DefinitionError::Invalid(vec![Fault::new("/state", detail)]));
        }
        if existing.acts() && !acts(*kind, *state) {
            not_in_use(documents, *kind, key)?;
        }
        Ok(())
    }

    /// The number that a purpose needs when it first goes live.
    pub(super) fn new_number(
        &self,
        documents: &Documents,
    ) -> Result<Option<Purpose>, DefinitionError> {
        let needs_one = self.kind == Kind::Purpose
            && acts(self.kind, self.state)
            && !check::is_built_in(&self.key)
            && documents.number(&self.key).is_none();
        if !needs_one {
            return Ok(None);
        }
        let number = documents.free_number();
        number.map(Some).ok_or_else(|| {
            let custom = usize::from(Purpose::COUNT) - Purpose::BUILT_IN.len();
            let detail =
                format!("{custom} purposes have gone live, and data carries their numbers");
            DefinitionError::Invalid(vec![Fault::new("/state", detail)])
        })
    }

    /// The version it makes.
    pub(super) fn into_known(self, now: Timestamp, actor: &str) -> (Key, Known) {
        let Self { kind, key, document, state, newest } = self;
        let typed = check::typed(kind, &document);
        let version = newest.map_or(0, |known| known.definition.version) + 1;
        let updated_by = actor.into();
        let definition = Definition { kind, document, version, state, updated_at: now, updated_by };
        (key, Known { definition, typed, deleted: false })
    }
}

/// Refuses to take away what something that acts refers to.
pub(super) fn not_in_use(
    documents: &Documents,
    kind: Kind,
    key: &Key,
) -> Result<(), DefinitionError> {
    if kind == Kind::Purpose && check::is_built_in(key) {
        return Ok(());
    }
    let newest = Kind::ALL.into_iter().flat_map(|kind| documents.of(kind));
    let acting = newest.filter(|(_, known)| known.acts());
    // What still acts refers to others as well, whatever the version says that is to act next.
    let before = documents.edits().map(|(key, edit)| (key, &edit.live));
    for (other, known) in acting.chain(before) {
        let referring = known.definition.kind;
        let refers = check::references(known)
            .iter()
            .any(|reference| reference.kind == kind && reference.key == *key);
        if refers && (referring, other) != (kind, key) {
            let used_by = format!("{} `{other}`", referring.singular());
            return Err(DefinitionError::InUse { kind, key: key.clone(), used_by });
        }
    }
    Ok(())
}
