//! Edits of live audiences: the version that acts goes on acting while the next one is computed for everyone.
//!
//! | table | key | value |
//! |---|---|---|
//! | Meta | `48`, key text of an audience | [`StoredEdit`] |

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use model::{Key, Timestamp, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Reader, ScanOrder, StoreError, Table, prefix_range};

use crate::{
    audit::AuditLog,
    definitions::{AuditEntry, Definition, DefinitionError, Expect, Kind, Scope, Switch},
    record,
};

use super::{
    Act, Change, Prepared, Registry,
    documents::{Documents, Known},
    existing, expected, may,
    rows::Write,
    stored, unavailable,
};

const EDIT_PREFIX: u8 = 0x48;

/// An audience whose newest version is computed and does not act yet.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// The version that acts.
    pub(crate) live: Arc<Known>,
    /// What its successor waits for beside being computed.
    pub(crate) switch: Switch,
    /// When it was made.
    pub(crate) since: Timestamp,
}

/// An edit, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum StoredEdit {
    V1 {
        /// The version that acts.
        live: u64,
        /// The next one waits to be asked for.
        is_manual: bool,
        since: Timestamp,
    },
}

/// Reads all edits. Where the version that acted is gone or does not read back, the newest acts.
pub(super) fn load(reader: &dyn Reader) -> Result<BTreeMap<Key, Edit>, StoreError> {
    let mut rows: Vec<(Key, StoredEdit)> = Vec::new();
    let mut is_damaged = false;
    let edits = prefix_range(&[EDIT_PREFIX]);
    reader.scan(Table::Meta, edits, ScanOrder::Ascending, &mut |row_key, value| {
        match (parse_key(row_key), record::decode(value, "edit")) {
            (Some(key), Ok(edit)) => rows.push((key, edit)),
            _ => is_damaged = true,
        }
        ControlFlow::Continue(())
    })?;
    if is_damaged {
        return Err(StoreError::Corrupt {
            what: "the edit of an audience does not read back".into(),
        });
    }
    let mut edits = BTreeMap::new();
    for (key, StoredEdit::V1 { live, is_manual, since }) in rows {
        let version = stored::version(reader, Kind::Audience, &key, live)?;
        if let Some(version) = version.filter(|version| !version.deleted && !version.unreadable) {
            let switch = if is_manual { Switch::Manual } else { Switch::Auto };
            edits.insert(key, Edit { live: Arc::new(Known::read(version)), switch, since });
        }
    }
    Ok(edits)
}

fn parse_key(row_key: &[u8]) -> Option<Key> {
    std::str::from_utf8(row_key.strip_prefix(&[EDIT_PREFIX])?).ok()?.parse().ok()
}

/// The row of the edit of an audience, if a save changes it.
pub(super) fn write_of_change(before: &Documents, after: &Documents, key: &Key) -> Option<Write> {
    if before.edit(key).is_none() && after.edit(key).is_none() {
        return None;
    }
    let row_key = [&[EDIT_PREFIX], key.as_str().as_bytes()].concat();
    let value = after.edit(key).map(|Edit { live, switch, since }| {
        let live = live.definition.version;
        record::encode(&StoredEdit::V1 {
            live,
            is_manual: *switch == Switch::Manual,
            since: *since,
        })
    });
    Some((Table::Meta, row_key, value))
}

/// The same documents without an edit of a definition.
pub(super) fn without(documents: Documents, kind: Kind, key: &Key) -> Documents {
    if kind == Kind::Audience { documents.with_edit(key, None) } else { documents }
}

/// Whether two versions say the same of who is in it.
fn same_rule(one: &Known, other: &Known) -> bool {
    let (one, other) = (&one.definition.document, &other.definition.document);
    ["condition", "purpose"].iter().all(|name| one.get(*name) == other.get(*name))
}

impl Registry {
    /// The edit that saving `known` over `before` makes: where an audience works and its rule changes.
    pub(super) fn edit_made(
        &self,
        documents: &Documents,
        before: Option<Arc<Known>>,
        known: &Known,
        switch: Switch,
    ) -> Option<Edit> {
        let key = known.key()?;
        let before = before.filter(|before| before.acts() && known.acts())?;
        let live = documents.edit(key).map_or(before, |edit| Arc::clone(&edit.live));
        let works = self.snapshot.load().audiences.get(key).is_some();
        let is_made = switch != Switch::Now && works && !same_rule(&live, known);
        is_made.then(|| Edit { live, switch, since: known.definition.updated_at })
    }

    /// The edit of an audience, and its version that is to act next.
    pub(crate) fn edit(&self, key: &Key) -> Option<(Edit, Definition)> {
        let documents = self.documents.load();
        let edit = documents.edit(key)?.clone();
        Some((edit, documents.get(Kind::Audience, key)?.definition.clone()))
    }

    /// Whether a version waits for nothing but being computed.
    pub(crate) fn switches_by_itself(&self) -> bool {
        self.documents.load().edits().any(|(_, edit)| edit.switch == Switch::Auto)
    }

    /// Prepares that a version comes to act whose computation is complete.
    pub(crate) fn prepare_switch(
        &self,
        key: &Key,
        expect: Expect,
        is_complete: bool,
        act: Act<'_>,
    ) -> Result<Prepared, DefinitionError> {
        may(act.actor, Scope::DefinitionsPublish, || "switching audiences".to_owned())?;
        let documents = self.documents.load();
        let newest = existing(&documents, Kind::Audience, key)?;
        expected(&documents, Kind::Audience, key, expect)?;
        if documents.edit(key).is_none() {
            return Err(DefinitionError::NoEdit { key: key.clone() });
        }
        if !is_complete {
            let version = newest.definition.version;
            return Err(DefinitionError::Incomplete { key: key.clone(), version });
        }
        let name = act.actor.name.clone();
        self.switch(&documents, &[(key.clone(), name)], act.now, act.audit)
    }

    /// The same for all versions that wait for nothing else, each in the name of whoever saved it.
    pub(crate) fn prepare_switch_all(
        &self,
        now: Timestamp,
        audit: &AuditLog,
    ) -> Result<Prepared, DefinitionError> {
        let documents = self.documents.load();
        let waiting = documents.edits().filter(|(_, edit)| edit.switch == Switch::Auto);
        let named = waiting.filter_map(|(key, _)| {
            let newest = documents.get(Kind::Audience, key)?;
            Some((key.clone(), newest.definition.updated_by.clone()))
        });
        self.switch(&documents, &named.collect::<Vec<_>>(), now, audit)
    }

    fn switch(
        &self,
        documents: &Documents,
        named: &[(Key, compact_str::CompactString)],
        now: Timestamp,
        audit: &AuditLog,
    ) -> Result<Prepared, DefinitionError> {
        let mut following = documents.saved_again();
        let mut writes = vec![stored::saves_write(following.saves())];
        let mut definition = None;
        for (key, actor) in named {
            let newest = existing(documents, Kind::Audience, key)?.definition.clone();
            let from = documents.edit(key).map(|edit| edit.live.definition.version);
            following = following.with_edit(key, None);
            writes.extend(write_of_change(documents, &following, key));
            let change: Value = json!({"from": from, "to": newest.version});
            let entry = AuditEntry {
                at: now,
                actor: actor.clone(),
                action: "audience.switch".into(),
                subject: format!("audiences/{key}"),
                change: Some(change),
            };
            writes.extend(audit.writes(entry).map_err(unavailable)?);
            definition = Some(newest);
        }
        let snapshot = self.snapshot_after(&following, Kind::Audience, true);
        let faults = self.broken_by(&snapshot);
        if !faults.is_empty() {
            return Err(DefinitionError::Invalid(faults));
        }
        let none = || DefinitionError::Unavailable("no version waits to act".into());
        let definition = definition.ok_or_else(none)?;
        Ok(Prepared { definition, change: Some(Change { writes, documents: following, snapshot }) })
    }

    /// Everything wrong with a new version when every newest version acts.
    pub(super) fn faults_when_settled(
        &self,
        known: &Known,
        key: &Key,
        following: &Documents,
        acting: &Arc<super::Snapshot>,
    ) -> Vec<model::definition::Fault> {
        if following.edits().next().is_none() {
            return self.faults(known, key, following, acting);
        }
        let settled = following.settled();
        let snapshot = self.snapshot_after(&settled, known.definition.kind, true);
        self.faults(known, key, &settled, &snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_version_1_read_back() {
        let stored =
            StoredEdit::V1 { live: 300, is_manual: true, since: Timestamp(1_700_000_000_000) };
        let bytes = record::encode(&stored);
        assert_eq!(bytes, [0, 0xac, 2, 1, 0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62]);
        assert_eq!(record::decode(&bytes, "edit"), Ok(stored));
    }
}
