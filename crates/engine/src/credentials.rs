//! Secrets that callers show: write keys of sources and tokens of the management API.
//!
//! A secret is shown once, when it is made. What is stored and held in memory is its keyed hash, so
//! that neither a copy of the data nor the time a comparison takes tells anything about it.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use compact_str::CompactString;
use model::{SourceKey, Timestamp, definition::Fault, value::Object};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{KeyRange, Reader, ScanOrder, StoreError, Table, Vault, prefix_range};

use crate::{
    definitions::{AuditEntry, DefinitionError, Expect, Kind, Scope, Switch, Token},
    keys::Hash16,
    proof,
    record::{self, Unreadable},
    registry::{Act, Prepared, Registry, may, rows::Write},
    snapshot::{Snapshot, SourceRights},
};

#[cfg(test)]
mod tests;

/// Random bytes of a secret: as many as the key of its hash.
const SECRET_BYTES: usize = 32;
/// Longest secret that is taken or looked up, in bytes.
const MAX_SECRET_BYTES: usize = 512;
/// Most write keys of one source: the one in use, the next, and some that older clients still carry.
const MAX_WRITE_KEYS: usize = 10;
/// Most tokens of a workspace.
const MAX_TOKENS: usize = 1_000;
/// Longest name of a token, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// What tokens that are made here begin with, so that whoever puts one where all can read it can be told.
pub const TOKENS_BEGIN: &str = "ct_";
/// The same of write keys, which are no tokens.
pub const WRITE_KEYS_BEGIN: &str = "cw_";

/// First bytes of rows in table `Meta`: `42`, hash16 of a write key; `43`, hash16 of a token; `4d`, hash16 of a
/// source → how often its identity secret was made, u32.
const WRITE_KEY_PREFIX: u8 = 0x42;
const TOKEN_PREFIX: u8 = 0x43;
const IDENTITY_PREFIX: u8 = 0x4d;

/// A write key, as stored under its hash.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum StoredWriteKey {
    V1 { source: SourceKey, created_at: Timestamp },
}

/// A token, as stored under its hash.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum StoredToken {
    V1 {
        name: CompactString,
        /// As written, so that no reordering of scopes can ever give a token another right.
        scopes: Vec<CompactString>,
        created_at: Timestamp,
    },
}

type ByHash<T> = HashMap<Hash16, T, FxBuildHasher>;

#[derive(Clone, Debug, Default)]
struct Secrets {
    write_keys: ByHash<SourceKey>,
    tokens: ByHash<Token>,
    /// How often the identity secret of a source was made, by the source's hash.
    identities: ByHash<u32>,
}

/// All secrets of a workspace, by their hashes.
#[derive(Debug)]
pub(crate) struct Credentials(ArcSwap<Secrets>);

/// Where a new secret comes from.
pub(crate) enum Secret<'a> {
    /// Somebody chose it.
    Given(&'a str),
    /// It is made of random bytes, which the function fills in.
    Random(&'a mut dyn FnMut(&mut [u8])),
}

/// What a new secret opens.
#[derive(Clone, Debug)]
enum Opens {
    Source(SourceKey),
    Token(Token),
    /// The identity tokens of a source, with its newest secret.
    Identity(u32),
}

/// A new secret that waits to be committed and published.
pub(crate) struct Issued {
    /// The secret, to be shown once.
    pub(crate) secret: String,
    writes: Vec<Write>,
    hash: Hash16,
    opens: Opens,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued({:?})", self.opens)
    }
}

impl Issued {
    /// The rows to commit, the audit log's among them. Each call after the first answers none.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }
}

impl Credentials {
    /// Reads all secrets' hashes.
    pub(crate) fn open(reader: &dyn Reader) -> Result<Self, StoreError> {
        let mut secrets = Secrets::default();
        for (hash, value) in rows(reader, WRITE_KEY_PREFIX)? {
            let StoredWriteKey::V1 { source, .. } =
                record::decode(&value, "write key").map_err(corrupt)?;
            secrets.write_keys.insert(hash, source);
        }
        for (hash, value) in rows(reader, TOKEN_PREFIX)? {
            let StoredToken::V1 { name, scopes, .. } =
                record::decode(&value, "token").map_err(corrupt)?;
            // A scope of a newer program gives no right here.
            let scopes = scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
            secrets.tokens.insert(hash, Token { name, scopes });
        }
        for (hash, value) in rows(reader, IDENTITY_PREFIX)? {
            let count = value.as_slice().try_into().map(u32::from_be_bytes);
            let count = count.map_err(|_| corrupt(Unreadable("identity secret")))?;
            secrets.identities.insert(hash, count);
        }
        Ok(Self(ArcSwap::from_pointee(secrets)))
    }

    /// Whether there is no secret yet, so that this is the first start.
    pub(crate) fn is_empty(&self) -> bool {
        let secrets = self.0.load();
        secrets.write_keys.is_empty() && secrets.tokens.is_empty()
    }

    /// The live source that a write key belongs to.
    pub(crate) fn source<'a>(
        &self,
        vault: &Vault,
        snapshot: &'a Snapshot,
        write_key: &str,
    ) -> Option<&'a SourceRights> {
        let hash = write_key_hash(vault, write_key)?;
        snapshot.sources.get(self.0.load().write_keys.get(&hash)?)
    }

    /// The token behind a bearer secret.
    pub(crate) fn token(&self, vault: &Vault, secret: &str) -> Option<Token> {
        let hash = token_hash(vault, secret)?;
        self.0.load().tokens.get(&hash).cloned()
    }

    /// Prepares a new write key of a source.
    pub(crate) fn prepare_source_key(
        &self,
        registry: &Registry,
        source: &SourceKey,
        secret: Secret<'_>,
        vault: &Vault,
        act: Act<'_>,
    ) -> Result<Issued, DefinitionError> {
        may(act.actor, Scope::DefinitionsPublish, || "issuing write keys".to_owned())?;
        if !registry.contains(Kind::Source, source) {
            return Err(DefinitionError::NotFound { kind: Kind::Source, key: source.clone() });
        }
        let secrets = self.0.load();
        if MAX_WRITE_KEYS <= secrets.write_keys.values().filter(|of| *of == source).count() {
            let detail = format!("source `{source}` has {MAX_WRITE_KEYS} write keys already");
            return Err(invalid("", detail));
        }
        let issued = issue_write_key(source, secret, vault, act)?;
        unused(secrets.write_keys.contains_key(&issued.hash))?;
        Ok(issued)
    }

    /// How often the identity secret of a source was made; 0 where it has none.
    pub(crate) fn identity_generation(&self, vault: &Vault, source: &SourceKey) -> u32 {
        self.0.load().identities.get(&source_hash(vault, source)).copied().unwrap_or_default()
    }

    /// Prepares a new identity secret of a source; the one before stays good.
    pub(crate) fn prepare_identity_secret(
        &self,
        registry: &Registry,
        source: &SourceKey,
        vault: &Vault,
        act: Act<'_>,
    ) -> Result<Issued, DefinitionError> {
        may(act.actor, Scope::DefinitionsPublish, || "issuing identity secrets".to_owned())?;
        if !registry.contains(Kind::Source, source) {
            return Err(DefinitionError::NotFound { kind: Kind::Source, key: source.clone() });
        }
        let generation = self.identity_generation(vault, source).saturating_add(1);
        let hash = source_hash(vault, source);
        let entry = audited("source.identity_secret", format!("sources/{source}"), None, act);
        let mut writes = vec![row(IDENTITY_PREFIX, &hash, generation.to_be_bytes().to_vec())];
        writes.extend(act.audit.writes(entry).map_err(unavailable)?);
        let secret = proof::secret(vault, source, generation);
        Ok(Issued { secret, writes, hash, opens: Opens::Identity(generation) })
    }

    /// Prepares a new token.
    pub(crate) fn prepare_token(
        &self,
        name: &str,
        scopes: Vec<Scope>,
        secret: Secret<'_>,
        vault: &Vault,
        act: Act<'_>,
    ) -> Result<Issued, DefinitionError> {
        may(act.actor, Scope::Admin, || "making tokens".to_owned())?;
        let is_legal = |c: char| !c.is_control();
        if name.is_empty() || MAX_NAME_BYTES < name.len() || !name.chars().all(is_legal) {
            let detail = format!("a token's name has 1 to {MAX_NAME_BYTES} bytes, on one line");
            return Err(invalid("/name", detail));
        }
        if scopes.is_empty() {
            return Err(invalid("/scopes", "a token needs at least one scope".to_owned()));
        }
        let secrets = self.0.load();
        if secrets.tokens.values().any(|token| token.name == name) {
            let detail =
                format!("there is another token `{name}`; the audit log tells them by name");
            return Err(invalid("/name", detail));
        }
        if MAX_TOKENS <= secrets.tokens.len() {
            return Err(invalid("", format!("there are {MAX_TOKENS} tokens already")));
        }
        let issued = issue_token(Token { name: name.into(), scopes }, secret, vault, act)?;
        unused(secrets.tokens.contains_key(&issued.hash))?;
        Ok(issued)
    }

    /// Lets callers use a secret, after its rows were committed. Answers with the secret, to be shown once.
    pub(crate) fn publish(&self, issued: Issued) -> String {
        let Issued { secret, hash, opens, .. } = issued;
        let mut secrets = Secrets::clone(&self.0.load());
        match opens {
            Opens::Source(source) => drop(secrets.write_keys.insert(hash, source)),
            Opens::Token(token) => drop(secrets.tokens.insert(hash, token)),
            Opens::Identity(generation) => drop(secrets.identities.insert(hash, generation)),
        }
        self.0.store(Arc::new(secrets));
        secret
    }
}

/// What a workspace begins with.
#[derive(Debug)]
pub(crate) struct FirstStart {
    /// The source `default`.
    pub(crate) source: Prepared,
    /// Its write key.
    pub(crate) write_key: Issued,
    /// The first administrator token.
    pub(crate) token: Issued,
}

impl FirstStart {
    /// All rows to commit, in one batch.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = self.source.take_writes();
        writes.extend(self.write_key.take_writes());
        writes.extend(self.token.take_writes());
        writes
    }
}

/// Prepares what a workspace begins with: a source, its write key and an administrator token, as given or else random.
///
/// The source is public. That lets browsers and servers send through it alike; it gives a server no
/// more than a browser may read.
pub(crate) fn first_start(
    registry: &Registry,
    vault: &Vault,
    given: &FirstSecrets<'_>,
    random: &mut dyn FnMut(&mut [u8]),
    act: Act<'_>,
) -> Result<FirstStart, DefinitionError> {
    let key: SourceKey = "default"
        .parse()
        .map_err(|error: model::id::IdError| DefinitionError::Unavailable(error.to_string()))?;
    let mut document = Object::new();
    for (field, value) in [("name", "Default"), ("state", "live"), ("kind", "public")] {
        document.insert(field.to_owned(), value.into());
    }
    let source = registry.prepare_put(
        Kind::Source,
        &key,
        document,
        Expect::Absent,
        Switch::default(),
        act,
    )?;
    let write_key = given.write_key.map_or(Secret::Random(&mut *random), Secret::Given);
    let write_key = issue_write_key(&key, write_key, vault, act)?;
    let token = given.token.map_or(Secret::Random(random), Secret::Given);
    let administrator = Token { name: "administrator".into(), scopes: vec![Scope::Admin] };
    let token = issue_token(administrator, token, vault, act)?;
    Ok(FirstStart { source, write_key, token })
}

/// The secrets an operator chose for the first start.
#[derive(Clone, Copy, Default)]
pub(crate) struct FirstSecrets<'a> {
    /// The first source's write key.
    pub(crate) write_key: Option<&'a str>,
    /// The first administrator token.
    pub(crate) token: Option<&'a str>,
}

fn issue_write_key(
    source: &SourceKey,
    secret: Secret<'_>,
    vault: &Vault,
    act: Act<'_>,
) -> Result<Issued, DefinitionError> {
    let secret = made(secret, WRITE_KEYS_BEGIN)?;
    let hash = write_key_hash(vault, &secret).ok_or_else(unfit)?;
    let stored = StoredWriteKey::V1 { source: source.clone(), created_at: act.now };
    let entry = audited("source.key", format!("sources/{source}"), None, act);
    let mut writes = vec![row(WRITE_KEY_PREFIX, &hash, record::encode(&stored))];
    writes.extend(act.audit.writes(entry).map_err(unavailable)?);
    Ok(Issued { secret, writes, hash, opens: Opens::Source(source.clone()) })
}

fn issue_token(
    token: Token,
    secret: Secret<'_>,
    vault: &Vault,
    act: Act<'_>,
) -> Result<Issued, DefinitionError> {
    let secret = made(secret, TOKENS_BEGIN)?;
    let hash = token_hash(vault, &secret).ok_or_else(unfit)?;
    let Token { name, scopes } = &token;
    let written: Vec<CompactString> = scopes.iter().map(|scope| scope.as_str().into()).collect();
    let change = json!({ "scopes": written });
    let entry = audited("token.create", format!("tokens/{name}"), Some(change), act);
    let stored = StoredToken::V1 { name: name.clone(), scopes: written, created_at: act.now };
    let mut writes = vec![row(TOKEN_PREFIX, &hash, record::encode(&stored))];
    writes.extend(act.audit.writes(entry).map_err(unavailable)?);
    Ok(Issued { secret, writes, hash, opens: Opens::Token(token) })
}

/// The text of a new secret; a random one begins with `prefix`, so that scanners of source code recognise it.
fn made(secret: Secret<'_>, prefix: &str) -> Result<String, DefinitionError> {
    match secret {
        Secret::Given(text) if is_fit(text) => Ok(text.to_owned()),
        Secret::Given(_) => Err(unfit()),
        Secret::Random(fill) => {
            let mut bytes = [0; SECRET_BYTES];
            fill(&mut bytes);
            Ok(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
        }
    }
}

/// Whether a text can be sent as a secret in a header and be told from a user's name and password.
fn is_fit(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_graphic() && b != b':';
    (1..=MAX_SECRET_BYTES).contains(&text.len()) && text.bytes().all(legal)
}

/// Refuses a chosen secret that opens something already: it would be taken from that.
fn unused(is_used: bool) -> Result<(), DefinitionError> {
    if is_used { Err(invalid("", "this secret is in use already".to_owned())) } else { Ok(()) }
}

fn unfit() -> DefinitionError {
    let detail = format!("a secret has 1 to {MAX_SECRET_BYTES} visible ASCII characters, no colon");
    invalid("", detail)
}

fn write_key_hash(vault: &Vault, secret: &str) -> Option<Hash16> {
    is_fit(secret).then(|| vault.hash("write key", secret.as_bytes()))
}

fn token_hash(vault: &Vault, secret: &str) -> Option<Hash16> {
    is_fit(secret).then(|| vault.hash("token", secret.as_bytes()))
}

fn source_hash(vault: &Vault, source: &SourceKey) -> Hash16 {
    vault.hash("source", source.as_str().as_bytes())
}

fn row(prefix: u8, hash: &Hash16, value: Vec<u8>) -> Write {
    (Table::Meta, [&[prefix], &hash[..]].concat(), Some(value))
}

/// The rows under a prefix: hash and value.
fn rows(reader: &dyn Reader, prefix: u8) -> Result<Vec<(Hash16, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    let mut stray = false;
    let range: KeyRange<'static> = prefix_range(&[prefix]).into_owned();
    reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, value| {
        match Hash16::try_from(&key[1..]) {
            Ok(hash) => found.push((hash, value.to_vec())),
            Err(_) => stray = true,
        }
        std::ops::ControlFlow::Continue(())
    })?;
    if stray { Err(corrupt(Unreadable("secret"))) } else { Ok(found) }
}

fn audited(
    action: &str,
    subject: String,
    change: Option<model::Value>,
    act: Act<'_>,
) -> AuditEntry {
    let actor = act.actor.name.clone();
    AuditEntry { at: act.now, actor, action: action.into(), subject, change }
}

fn invalid(pointer: &str, detail: String) -> DefinitionError {
    DefinitionError::Invalid(vec![Fault::new(pointer, detail)])
}

fn unavailable(error: StoreError) -> DefinitionError {
    DefinitionError::Unavailable(error.to_string())
}

fn corrupt(error: Unreadable) -> StoreError {
    StoreError::Corrupt { what: error.to_string() }
}
