//! Rows under a strand's key, and the workspace's keyed hashes.

use bytes::Bytes;
use model::{DecisionId, Event, Identifier, SourceKey, UnitId};
use serde::{Serialize, de::DeserializeOwned};
use store::{SealError, StoreError, StrandKey, Vault, VaultError};
use thiserror::Error;

use crate::{
    archive::ArchiveError,
    keys::Hash16,
    record::{Unreadable, decode, encode},
};

/// Names the key that decision tokens are signed with.
const TOKEN_CONTEXT: &str = "concierge 2026 decision token";

/// Why stored state could not be read or changed.
#[derive(Debug, Error)]
pub(crate) enum RowError {
    /// The store failed; nothing of the batch may be acknowledged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key file failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A record is too long for its row.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A file of the lake could not be written or read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The batch that this one was folded over was not committed, so it cannot be either.
    #[error("the batch before was not committed")]
    Behind,
    /// A row does not read back: damaged, or its key was erased.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// All that is needed to name and to read rows of people.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) vault: Vault,
}

impl Keys {
    /// Names the strand of (routing identifier, user id or none).
    pub(crate) fn pair(&self, routing: &Identifier, user: Option<&Identifier>) -> Hash16 {
        let mut bytes = written(routing);
        if let Some(user) = user {
            bytes.push(0);
            bytes.extend_from_slice(user.value.as_bytes());
        }
        self.vault.hash("pair", &bytes)
    }

    /// Names an identifier in normal form.
    pub(crate) fn identifier(&self, normalised: &Identifier) -> Hash16 {
        self.vault.hash("identifier", &written(normalised))
    }

    /// Names a message of a source.
    pub(crate) fn message(&self, source: &SourceKey, message_id: &str) -> Hash16 {
        let mut bytes = source.as_str().as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(message_id.as_bytes());
        self.vault.hash("message", &bytes)
    }

    /// The unit of the strands that a routing identifier opens.
    ///
    /// It is a hash of the identifier, so that a visitor who has no strand yet is assigned as they
    /// will be once they have one, and logging in on a device changes no assignment.
    pub(crate) fn unit(&self, routing: &Identifier) -> UnitId {
        let hash = self.vault.hash("unit", &written(routing));
        UnitId(hash.first_chunk().map_or(0, |head| u64::from_be_bytes(*head)))
    }

    /// The key that decision tokens are signed with.
    pub(crate) fn token(&self) -> [u8; 32] {
        self.vault.derive(TOKEN_CONTEXT)
    }

    /// Names the use of a decision, as if it were a message.
    pub(crate) fn flag_use(&self, decision: DecisionId) -> Hash16 {
        self.vault.hash("flag use", &decision.0.to_be_bytes())
    }

    /// Seals `record` for the row at `row_key`, after the plain `head`.
    pub(crate) fn seal<T: Serialize>(
        &self,
        key: &StrandKey,
        row_key: &[u8],
        head: &[u8],
        record: &T,
    ) -> Result<Bytes, RowError> {
        Ok(Bytes::from(self.vault.sealer().seal(key, row_key, head, &encode(record))?))
    }

    /// Opens a row sealed by [`Keys::seal`] with a head of `head_bytes`.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        key: &StrandKey,
        row_key: &[u8],
        head_bytes: usize,
        row: &[u8],
        what: &'static str,
    ) -> Result<T, Unreadable> {
        let plain =
            store::seal::open(key, row_key, head_bytes, row).map_err(|_| Unreadable(what))?;
        decode(&plain, what)
    }
}

/// An identifier as bytes to hash: type, zero, value.
fn written(identifier: &Identifier) -> Vec<u8> {
    let mut bytes = identifier.kind.to_string().into_bytes();
    bytes.push(0);
    bytes.extend_from_slice(identifier.value.as_bytes());
    bytes
}

/// The parts that name the strand an event belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) lane: model::Lane,
    pub(crate) routing: Identifier,
    pub(crate) user: Option<Identifier>,
    pub(crate) pair: Hash16,
}

impl Address {
    /// The address of a set of identifiers; `None` when there is none.
    pub(crate) fn of(identifiers: &[Identifier], keys: &Keys) -> Option<Self> {
        let routing = model::event::routing(identifiers)?.clone();
        let is_user = |i: &&Identifier| i.kind == model::IdentifierType::UserId;
        let user = identifiers.iter().find(is_user).cloned();
        let pair = keys.pair(&routing, user.as_ref());
        Some(Self { lane: model::hash::lane(&routing), routing, user, pair })
    }

    /// The address of an event, which always has an identifier.
    pub(crate) fn of_event(event: &Event, keys: &Keys) -> Option<Self> {
        Self::of(&event.identifiers, keys)
    }
}
