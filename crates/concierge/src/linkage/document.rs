//! The settings file of a run: what is compared, how pairs are made, and which column names a record.

use std::path::Path;

use matching::{Comparison, Key, Plan, Settings};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// A settings file. What it leaves out is inferred.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The column that names a record; its line does when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// What draws depend on.
    #[serde(default)]
    pub(super) seed: u64,
    /// Which pairs are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blocking: Option<Vec<Vec<Key>>>,
    /// What is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comparisons: Option<Vec<Comparison>>,
}

/// Names of columns that name a record.
const ID_NAMES: [&str; 4] = ["id", "rec_id", "record_id", "unique_id"];

impl Document {
    /// Reads a settings file, TOML or JSON by its name.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let place = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("cannot read the settings {place}: {error}"))
        })?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let read = if is_json {
            serde_json::from_str(&text).map_err(|error| error.to_string())
        } else {
            toml::from_str(&text).map_err(|error| error.to_string())
        };
        read.map_err(|fault| Failure::usage(format!("the settings {place} are not sound: {fault}")))
    }

    /// The column that names a record, where the file has one.
    pub(super) fn id_among(&self, columns: &[String]) -> Option<String> {
        let known = || columns.iter().find(|name| ID_NAMES.contains(&name.to_lowercase().as_str()));
        self.id.clone().or_else(|| known().cloned())
    }

    /// What is compared: as it is written, else by the names of the columns.
    pub(super) fn comparisons_of(&self, columns: &[String]) -> Result<Vec<Comparison>, Failure> {
        if let Some(comparisons) = &self.comparisons {
            return Ok(comparisons.clone());
        }
        let inferred = matching::infer::comparisons(columns.iter().map(String::as_str));
        if inferred.is_empty() {
            return Err(Failure::usage(format!(
                "no column's name says that it describes a person; name what to compare in a settings file. \
                 The columns are {}",
                columns.join(", ")
            )));
        }
        Ok(inferred)
    }

    /// The plan of a run, with rules for these comparisons.
    pub(super) fn plan(
        &self,
        comparisons: Vec<Comparison>,
        blocking: Vec<Vec<Key>>,
    ) -> Result<Plan, Failure> {
        Plan::new(Settings { seed: self.seed, blocking, comparisons })
            .map_err(|fault| Failure::usage(format!("the settings are not sound: {fault}")))
    }

    /// The document that says all of what a run does.
    pub(super) fn of(plan: &Plan, id: Option<String>) -> Self {
        let Settings { seed, blocking, comparisons } = plan.settings().clone();
        Self { id, seed, blocking: Some(blocking), comparisons: Some(comparisons) }
    }
}
