//! The counts as rows: what is to be stored of them, and how they come back.

use std::collections::BTreeMap;

use model::{Key, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Counts, Experience, Health, hour_of, is_over};

/// Names a row: an hour of an experience.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowKey {
    /// The experience.
    pub experience: Key,
    /// Hours since 1970.
    pub hour: i64,
}

/// What a row says. Part of the stored format: a new shape is a new variant at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// What became of decisions within the hour.
    HourV1 {
        /// The version of the experience.
        version: u64,
        /// By variant.
        variants: BTreeMap<Key, Counts>,
    },
}

/// A row to be stored; without one, it is to be removed.
pub type Change = (RowKey, Option<Row>);

impl Health {
    /// What has changed since this was last asked. Hours that count no more are forgotten.
    pub fn take_changes(&mut self, now: Timestamp) -> Vec<Change> {
        for (key, experience) in &mut self.experiences {
            experience.forget(key, &mut self.changed, |hour| is_over(hour, hour_of(now)));
        }
        self.experiences.retain(|_, experience| !experience.hours.is_empty());
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|key| (key.clone(), self.row(&key))).collect()
    }

    fn row(&self, RowKey { experience, hour }: &RowKey) -> Option<Row> {
        let experience = self.experiences.get(experience)?;
        let variants = experience.hours.get(hour)?.clone();
        Some(Row::HourV1 { version: experience.version, variants })
    }

    /// Takes back what was stored. Which outcomes were counted is not, so one that is told again within the hour of a
    /// restart counts again.
    pub fn restore(&mut self, key: RowKey, row: Row) {
        let Row::HourV1 { version, variants } = row;
        let experience =
            self.experiences.entry(key.experience).or_insert_with(|| Experience::begin(version));
        if experience.version == version {
            experience.hours.insert(key.hour, variants);
        }
    }
}
