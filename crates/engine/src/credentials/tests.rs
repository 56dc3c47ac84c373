//! Secrets are shown once, open what they should and nothing else, and survive a restart as hashes only.

use model::{Duration, definition::State};
use store::{Batch, Memory, Store};
use tempfile::TempDir;

use super::*;
use crate::{
    audit::{self, AuditLog},
    definitions::{Source, SourceIdentity, SourceKind},
};

struct Bench {
    _dir: TempDir,
    vault: Vault,
    store: Memory,
    registry: Registry,
    credentials: Credentials,
    audit: AuditLog,
    actor: Token,
    /// The next random byte.
    random: u8,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path(), 0).unwrap();
        let store = Memory::new();
        Self {
            registry: Registry::open(&store, Duration::days(365)).unwrap(),
            credentials: Credentials::open(&store).unwrap(),
            audit: AuditLog::open(&store).unwrap(),
            actor: Token { name: "ann".into(), scopes: vec![Scope::Admin] },
            random: 0,
            _dir: dir,
            vault,
            store,
        }
    }

    /// A bench after its first start, with its write key and token.
    fn started(given: &FirstSecrets<'_>) -> (Self, String, String) {
        let mut bench = Self::new();
        assert!(bench.credentials.is_empty());
        let Self { registry, vault, actor, audit, random, .. } = &mut bench;
        let act = Act { actor, now: Timestamp(1), audit };
        let mut fill = |bytes: &mut [u8]| {
            bytes.fill(*random);
            *random += 1;
        };
        let mut first = first_start(registry, vault, given, &mut fill, act).unwrap();
        bench.commit(first.take_writes());
        bench.registry.publish(first.source);
        let write_key = bench.credentials.publish(first.write_key);
        let token = bench.credentials.publish(first.token);
        (bench, write_key, token)
    }

    fn reopen(self) -> Self {
        Self {
            registry: Registry::open(&self.store, Duration::days(365)).unwrap(),
            credentials: Credentials::open(&self.store).unwrap(),
            audit: AuditLog::open(&self.store).unwrap(),
            ..self
        }
    }

    fn commit(&self, writes: Vec<Write>) {
        let mut batch = Batch::new();
        for (table, key, value) in writes {
            batch.put(table, key, value.unwrap());
        }
        self.store.commit(batch).unwrap();
    }

    fn act(&self) -> Act<'_> {
        Act { actor: &self.actor, now: Timestamp(2), audit: &self.audit }
    }

    fn publish(&self, issued: Result<Issued, DefinitionError>) -> String {
        let mut issued = issued.unwrap();
        self.commit(issued.take_writes());
        self.credentials.publish(issued)
    }

    fn source_key(&self, source: &str, secret: &str) -> Result<Issued, DefinitionError> {
        let source = source.parse().unwrap();
        let secret = Secret::Given(secret);
        self.credentials.prepare_source_key(
            &self.registry,
            &source,
            secret,
            &self.vault,
            self.act(),
        )
    }

    fn token(&self, name: &str, secret: &str) -> Result<Issued, DefinitionError> {
        let secret = Secret::Given(secret);
        self.credentials.prepare_token(name, vec![Scope::Decide], secret, &self.vault, self.act())
    }

    fn opens(&self, write_key: &str) -> Option<SourceRights> {
        let snapshot = self.registry.snapshot_full();
        self.credentials.source(&self.vault, &snapshot, write_key).cloned()
    }
}

fn refusal(result: Result<Issued, DefinitionError>) -> String {
    match result.err().unwrap() {
        DefinitionError::Invalid(faults) => format!("{}: {}", faults[0].pointer, faults[0].detail),
        other => other.to_string(),
    }
}

#[test]
fn a_first_start_makes_one_source_and_one_administrator() {
    let (bench, write_key, token) = Bench::started(&FirstSecrets::default());
    assert_eq!(write_key, format!("cw_{}", "A".repeat(43)));
    assert_eq!(token, format!("ct_{}E", "AQEB".repeat(14).get(..42).unwrap()));
    let bench = bench.reopen();
    assert!(!bench.credentials.is_empty());
    let source = Source { key: "default".parse().unwrap(), kind: SourceKind::Public };
    let rights = SourceRights { source, identity: SourceIdentity::Open };
    assert_eq!(bench.opens(&write_key), Some(rights));
    let administrator = bench.credentials.token(&bench.vault, &token).unwrap();
    assert_eq!(administrator.name, "administrator");
    assert_eq!(administrator.scopes, [Scope::Admin]);
    assert_eq!(bench.opens(&token), None, "a token is no write key");
    assert_eq!(bench.credentials.token(&bench.vault, &write_key), None);
}

#[test]
fn given_secrets_are_taken_as_they_are() {
    let given = FirstSecrets { write_key: Some("demo-key"), token: Some("demo-token") };
    let (bench, write_key, token) = Bench::started(&given);
    assert_eq!((write_key.as_str(), token.as_str()), ("demo-key", "demo-token"));
    assert!(bench.opens("demo-key").is_some());
    for wrong in ["", "demo-ke", "demo-key ", "demo-key\0", &"x".repeat(600)] {
        assert_eq!(bench.opens(wrong), None, "{wrong:?}");
    }
}

#[test]
fn no_secret_is_stored_or_shown_in_debug_output() {
    let (bench, _, _) = Bench::started(&FirstSecrets::default());
    let issued = bench.token("reader", "very-secret-token").unwrap();
    assert_eq!(
        format!("{issued:?}"),
        r#"Issued(Token(Token { name: "reader", scopes: [Decide] }))"#
    );
    bench.publish(Ok(issued));
    let held = format!("{:?}", bench.credentials);
    let mut stored = Vec::new();
    for table in Table::ALL {
        let visit = &mut |key: &[u8], value: &[u8]| {
            stored.extend_from_slice(key);
            stored.extend_from_slice(value);
            std::ops::ControlFlow::Continue(())
        };
        bench.store.scan(table, KeyRange::all(), ScanOrder::Ascending, visit).unwrap();
    }
    let needle = b"very-secret-token";
    assert!(!held.contains("very-secret-token"));
    assert!(!stored.windows(needle.len()).any(|window| window == needle));
}

#[test]
fn write_keys_follow_the_state_of_their_source() {
    let (bench, _, _) = Bench::started(&FirstSecrets::default());
    assert_eq!(refusal(bench.source_key("shop", "k1")), "source `shop` not found");
    let put = |state: &str| {
        let mut document = Object::new();
        for (field, value) in [("kind", "server"), ("identity", "verified"), ("state", state)] {
            document.insert(field.to_owned(), value.into());
        }
        let key = "shop".parse().unwrap();
        let prepared = bench.registry.prepare_put(
            Kind::Source,
            &key,
            document,
            Expect::Anything,
            Switch::default(),
            bench.act(),
        );
        let mut prepared = prepared.unwrap();
        bench.commit(prepared.take_writes());
        bench.registry.publish(prepared);
    };
    put("draft");
    bench.publish(bench.source_key("shop", "k1"));
    assert_eq!(bench.opens("k1"), None, "a draft takes nothing");
    put("live");
    let rights = bench.opens("k1").unwrap();
    assert_eq!(rights.source.kind, SourceKind::Server);
    assert_eq!(rights.identity, SourceIdentity::Verified);
    put("paused");
    assert_eq!(bench.opens("k1"), None);
    let document = bench.registry.get(&bench.store, Kind::Source, &"shop".parse().unwrap(), None);
    assert_eq!(document.unwrap().state, State::Paused);
    for i in 2..=MAX_WRITE_KEYS {
        bench.publish(bench.source_key("shop", &format!("k{i}")));
    }
    let refused = refusal(bench.source_key("shop", "k11"));
    assert_eq!(refused, ": source `shop` has 10 write keys already");
}

#[test]
fn a_secret_opens_one_thing_only() {
    let (bench, _, _) = Bench::started(&FirstSecrets::default());
    bench.publish(bench.token("reader", "shared"));
    let refused = refusal(bench.token("writer", "shared"));
    assert_eq!(refused, ": this secret is in use already");
    bench.publish(bench.source_key("default", "shared"));
    assert_eq!(refusal(bench.source_key("default", "shared")), ": this secret is in use already");
}

#[test]
fn tokens_need_a_name_of_their_own_and_an_administrator() {
    let (mut bench, _, _) = Bench::started(&FirstSecrets::default());
    bench.publish(bench.token("reader", "s1"));
    let other = refusal(bench.token("reader", "s2"));
    assert_eq!(other, "/name: there is another token `reader`; the audit log tells them by name");
    for bad in ["", "a\nb", &"x".repeat(65)] {
        assert!(refusal(bench.token(bad, "s3")).starts_with("/name: "), "{bad:?}");
    }
    for bad in ["", "a b", "a:b", "å"] {
        assert!(refusal(bench.token("x", bad)).contains("visible ASCII"), "{bad:?}");
    }
    let none = bench.credentials.prepare_token(
        "x",
        Vec::new(),
        Secret::Given("s4"),
        &bench.vault,
        bench.act(),
    );
    assert_eq!(refusal(none), "/scopes: a token needs at least one scope");
    bench.actor.scopes = vec![Scope::DefinitionsPublish, Scope::DefinitionsWrite];
    assert_eq!(refusal(bench.token("x", "s5")), "making tokens needs the scope `admin`");
    bench.actor.scopes = vec![Scope::DefinitionsWrite];
    let refused = refusal(bench.source_key("default", "s6"));
    assert_eq!(refused, "issuing write keys needs the scope `definitions:publish`");
}

#[test]
fn issuing_is_in_the_audit_log_without_the_secret() {
    let (bench, _, _) = Bench::started(&FirstSecrets::default());
    let lines: Vec<_> = audit::page(&bench.store, None, 10)
        .unwrap()
        .items
        .iter()
        .map(|entry| format!("{} {} {:?}", entry.action, entry.subject, entry.change.is_some()))
        .collect();
    assert_eq!(
        lines,
        [
            "token.create tokens/administrator true",
            "source.key sources/default false",
            "definition.put sources/default true",
        ]
    );
}

#[test]
fn bytes_of_version_1_read_back() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let key = StoredWriteKey::V1 { source: "shop".parse().unwrap(), created_at: Timestamp(5) };
    let bytes = record::encode(&key);
    assert_eq!(hex(&bytes), "000473686f700a");
    assert_eq!(record::decode(&bytes, "write key"), Ok(key));
    let token = StoredToken::V1 {
        name: "ci".into(),
        scopes: vec!["definitions:write".into()],
        created_at: Timestamp(5),
    };
    let bytes = record::encode(&token);
    assert_eq!(hex(&bytes), "000263690111646566696e6974696f6e733a77726974650a");
    assert_eq!(record::decode(&bytes, "token"), Ok(token));
}

#[test]
fn a_scope_nobody_knows_gives_no_right() {
    let bench = Bench::new();
    let stored = StoredToken::V1 {
        name: "later".into(),
        scopes: vec!["decide".into(), "everything".into()],
        created_at: Timestamp(5),
    };
    let hash = token_hash(&bench.vault, "secret").unwrap();
    bench.commit(vec![row(TOKEN_PREFIX, &hash, record::encode(&stored))]);
    let bench = bench.reopen();
    let token = bench.credentials.token(&bench.vault, "secret").unwrap();
    assert_eq!(token.scopes, [Scope::Decide]);
}
