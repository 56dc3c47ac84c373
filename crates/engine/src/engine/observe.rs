//! What comes in, looked at: live, in reports on data quality, and as what became of experiences on pages.

use model::{Key, Value};

use crate::{
    definitions::{DefinitionError, Page},
    engine::{Engine, EngineError},
    observation::{self, EventQuery, LiveQuery, VolumeQuery, Watch, report},
};

impl Engine {
    /// Begins to watch what comes in; `None` when as many watch as may.
    pub fn watch(&self, query: LiveQuery) -> Option<Watch> {
        self.shared().observation.watch(query)
    }

    /// What each source sent last, what became of it, how late it came.
    pub fn source_quality(&self) -> Value {
        report::sources(self.shared())
    }

    /// What the events look like that were seen.
    pub fn event_catalogue(
        &self,
        query: &EventQuery,
        cursor: Option<&str>,
        limit: usize,
    ) -> Page<Value> {
        report::events(self.shared(), query, cursor, limit)
    }

    /// A draft of an event schema that the events seen fit; `None` where none were seen.
    pub fn propose_event_schema(&self, query: &EventQuery) -> Option<Value> {
        report::proposal(self.shared(), query)
    }

    /// How many events came in the last full hour, held against the weeks before.
    pub fn volumes(&self, query: &VolumeQuery, cursor: Option<&str>, limit: usize) -> Page<Value> {
        report::volume(self.shared(), query, cursor, limit)
    }

    /// What did not fit the tracking plan, the most frequent first.
    pub fn violations(
        &self,
        event: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Page<Value> {
        report::violations(self.shared(), event, cursor, limit)
    }

    /// How many people have which trait, and how often each source sends it.
    pub fn trait_coverage(&self) -> Result<Value, EngineError> {
        Ok(report::traits(self.shared())?)
    }

    /// How the variants of an experience have fared on pages for a day, as browsers report it, by the version that
    /// acts.
    ///
    /// # Errors
    ///
    /// Where there is no such experience.
    pub fn health(&self, key: &Key) -> Result<Value, DefinitionError> {
        observation::health(self.shared(), key)
    }
}
