//! What the registry keeps on disk: versions of definitions, the count of saves, the numbers of purposes.
//!
//! | table | key | value |
//! |---|---|---|
//! | Definition | kind u8, key text, `00`, version u64, chunk u8 | [`StoredDefinition`], cut into rows |
//! | Meta | `40` | the count of saves, u64 |
//! | Meta | `41`, key text of a purpose | its number, u8 |
//!
//! Integers are big-endian. A purpose's number is given once and outlives the purpose, since stored values carry it.

use std::{collections::BTreeMap, ops::ControlFlow};

use compact_str::CompactString;
use model::{Key, Purpose, Timestamp, definition::State, value::Object};
use serde::{Deserialize, Serialize};
use store::{Reader, StoreError, Table, prefix_range};

use crate::{
    definitions::{Definition, Kind},
    record::{self, Unreadable},
};

use super::rows::{self, Write};

const SAVES_KEY: [u8; 1] = [0x40];
const NUMBER_PREFIX: u8 = 0x41;

/// One version of a definition, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum StoredDefinition {
    V1 {
        /// JSON text, `key` and `state` included.
        document: String,
        state: StoredState,
        updated_at: Timestamp,
        updated_by: CompactString,
        /// The definition was deleted; the document is that of the version before.
        deleted: bool,
    },
}

/// A state as stored: numbered by its place here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoredState {
    Draft,
    Live,
    Paused,
    Archived,
}

impl From<State> for StoredState {
    fn from(state: State) -> Self {
        match state {
            State::Draft => Self::Draft,
            State::Live => Self::Live,
            State::Paused => Self::Paused,
            State::Archived => Self::Archived,
        }
    }
}

impl From<StoredState> for State {
    fn from(state: StoredState) -> Self {
        match state {
            StoredState::Draft => Self::Draft,
            StoredState::Live => Self::Live,
            StoredState::Paused => Self::Paused,
            StoredState::Archived => Self::Archived,
        }
    }
}

/// A version as read: the definition, whether it is a deletion, and what is wrong with its row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) definition: Definition,
    pub(super) deleted: bool,
    /// The row does not read back; the document holds the key only.
    pub(super) unreadable: bool,
}

fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Purpose => 1,
        Kind::Source => 2,
        Kind::Audience => 3,
        Kind::Placement => 4,
        Kind::Experience => 5,
        Kind::ComputedTrait => 6,
        Kind::Metric => 9,
        Kind::EventSchema => 40,
        Kind::TrafficRule => 41,
        Kind::RetentionRule => 42,
        Kind::ExclusionGroup => 20,
        Kind::Holdout => 21,
        Kind::Policy => 22,
        Kind::Stages => 7,
        Kind::Trait => 8,
    }
}

fn key_prefix(kind: Kind, key: &Key) -> Vec<u8> {
    [&[kind_byte(kind)], key.as_str().as_bytes(), &[0]].concat()
}

fn version_key(kind: Kind, key: &Key, version: u64) -> Vec<u8> {
    let mut row_key = key_prefix(kind, key);
    row_key.extend_from_slice(&version.to_be_bytes());
    row_key
}

fn parse_key(kind: Kind, row_key: &[u8]) -> Option<(Key, u64)> {
    let rest = row_key.strip_prefix(&[kind_byte(kind)])?;
    let (named, version) = rest.split_last_chunk::<8>()?;
    let text = std::str::from_utf8(named.strip_suffix(&[0])?).ok()?;
    Some((text.parse().ok()?, u64::from_be_bytes(*version)))
}

/// The rows of one version.
pub(super) fn version_writes(version: &Version, key: &Key) -> Result<Vec<Write>, StoreError> {
    let Definition { kind, document, state, updated_at, updated_by, .. } = &version.definition;
    let stored = StoredDefinition::V1 {
        document: record::json_text(document),
        state: (*state).into(),
        updated_at: *updated_at,
        updated_by: updated_by.clone(),
        deleted: version.deleted,
    };
    let row_key = version_key(*kind, key, version.definition.version);
    rows::cut(Table::Definition, &row_key, &record::encode(&stored))
}

/// The newest version of every definition of a kind.
pub(super) fn newest(
    reader: &dyn Reader,
    kind: Kind,
) -> Result<BTreeMap<Key, Version>, StoreError> {
    let mut found: BTreeMap<Key, (u64, Vec<u8>)> = BTreeMap::new();
    let mut stray = false;
    rows::visit(reader, Table::Definition, &[kind_byte(kind)], &mut |row_key, value| {
        match parse_key(kind, row_key) {
            Some((key, number)) => drop(found.insert(key, (number, value.to_vec()))),
            None => stray = true,
        }
        ControlFlow::Continue(())
    })?;
    if stray {
        let what = format!("a key among {} does not read back", kind.plural());
        return Err(StoreError::Corrupt { what });
    }
    let versions = found.into_iter().map(|(key, (number, value))| {
        let version = contained(kind, &key, number, &value);
        (key, version)
    });
    Ok(versions.collect())
}

/// One version of a definition.
pub(super) fn version(
    reader: &dyn Reader,
    kind: Kind,
    key: &Key,
    number: u64,
) -> Result<Option<Version>, StoreError> {
    let row_key = version_key(kind, key, number);
    let found = rows::first(reader, Table::Definition, &row_key)?;
    Ok(found.map(|(_, value)| contained(kind, key, number, &value)))
}

/// Versions of a definition numbered `from` and up, oldest first.
pub(super) fn versions(
    reader: &dyn Reader,
    kind: Kind,
    key: &Key,
    from: u64,
) -> Result<Vec<Version>, StoreError> {
    let mut found = Vec::new();
    let prefix = key_prefix(kind, key);
    let mut range = prefix_range(&prefix);
    range.from = version_key(kind, key, from).into();
    rows::visit_range(reader, Table::Definition, range, &mut |row_key, value| {
        if let Some((_, number)) = parse_key(kind, row_key) {
            found.push(contained(kind, key, number, value));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Reads a version. One that does not read back is kept, so that it shows up among the faults and a
/// new version can replace it.
fn contained(kind: Kind, key: &Key, number: u64, value: &[u8]) -> Version {
    read(kind, number, value).unwrap_or_else(|_| {
        let mut document = Object::new();
        document.insert("key".into(), key.as_str().into());
        let definition = Definition {
            kind,
            document,
            version: number,
            state: State::Draft,
            updated_at: Timestamp::default(),
            updated_by: CompactString::default(),
        };
        Version { definition, deleted: false, unreadable: true }
    })
}

fn read(kind: Kind, number: u64, value: &[u8]) -> Result<Version, Unreadable> {
    const WHAT: &str = "definition";
    let stored: StoredDefinition = record::decode(value, WHAT)?;
    let StoredDefinition::V1 { document, state, updated_at, updated_by, deleted } = stored;
    let definition = Definition {
        kind,
        document: record::json_object(&document, WHAT)?,
        version: number,
        state: state.into(),
        updated_at,
        updated_by,
    };
    Ok(Version { definition, deleted, unreadable: false })
}

/// How many saves there were.
pub(super) fn saves(reader: &dyn Reader) -> Result<u64, StoreError> {
    let Some(row) = reader.get(Table::Meta, &SAVES_KEY)? else { return Ok(0) };
    let count = row[..].try_into().map(u64::from_be_bytes);
    count.map_err(|_| StoreError::Corrupt { what: "the count of saves does not read back".into() })
}

/// The row that keeps the count of saves.
pub(super) fn saves_write(saves: u64) -> Write {
    (Table::Meta, SAVES_KEY.to_vec(), Some(saves.to_be_bytes().to_vec()))
}

/// The numbers given to purposes of this workspace, deleted ones included.
pub(super) fn numbers(reader: &dyn Reader) -> Result<BTreeMap<Key, Purpose>, StoreError> {
    let mut found = BTreeMap::new();
    let mut stray = false;
    reader.scan(
        Table::Meta,
        prefix_range(&[NUMBER_PREFIX]),
        store::ScanOrder::Ascending,
        &mut |row_key, value| {
            match parse_number(row_key, value) {
                Some((key, purpose)) => drop(found.insert(key, purpose)),
                None => stray = true,
            }
            ControlFlow::Continue(())
        },
    )?;
    if stray {
        return Err(StoreError::Corrupt { what: "a purpose's number does not read back".into() });
    }
    Ok(found)
}

fn parse_number(row_key: &[u8], value: &[u8]) -> Option<(Key, Purpose)> {
    let text = std::str::from_utf8(row_key.strip_prefix(&[NUMBER_PREFIX])?).ok()?;
    let [number] = value.try_into().ok()?;
    Some((text.parse().ok()?, Purpose::from_number(number)?))
}

/// The row that keeps the number of a purpose.
pub(super) fn number_write(key: &Key, purpose: Purpose) -> Write {
    let row_key = [&[NUMBER_PREFIX], key.as_str().as_bytes()].concat();
    (Table::Meta, row_key, Some(vec![purpose.number()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as written by version 1 of the record, and what they say.
    const VERSION_1: &str =
        "001c7b226b6579223a22766970222c227374617465223a226c697665227d0180a0abfef96203616e6e01";

    #[test]
    fn bytes_of_version_1_read_back() {
        let stored = StoredDefinition::V1 {
            document: r#"{"key":"vip","state":"live"}"#.to_owned(),
            state: StoredState::Live,
            updated_at: Timestamp(1_700_000_000_000),
            updated_by: "ann".into(),
            deleted: true,
        };
        let bytes = record::encode(&stored);
        assert_eq!(hex(&bytes), VERSION_1);
        assert_eq!(record::decode(&bytes, "definition"), Ok(stored));
    }

    #[test]
    fn states_keep_their_numbers() {
        let bytes: Vec<_> = [State::Draft, State::Live, State::Paused, State::Archived]
            .into_iter()
            .flat_map(|state| record::encode(&StoredState::from(state)))
            .collect();
        assert_eq!(bytes, [0, 1, 2, 3]);
    }

    #[test]
    fn rows_of_a_definition_sort_by_version_and_read_back() {
        let key: Key = "vip".parse().unwrap();
        let first = version_key(Kind::Audience, &key, 1);
        assert_eq!(first, b"\x03vip\0\0\0\0\0\0\0\0\x01");
        assert!(first < version_key(Kind::Audience, &key, 256));
        assert_eq!(parse_key(Kind::Audience, &first), Some((key.clone(), 1)));
        assert_eq!(parse_key(Kind::Source, &first), None);
        let number = Purpose::from_number(5).unwrap();
        let (_, row_key, value) = number_write(&key, number);
        assert_eq!(parse_number(&row_key, &value.unwrap()), Some((key, number)));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
