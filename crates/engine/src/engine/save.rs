//! Operators' acts: each is prepared and committed on the writer's thread, and answered once it is durable and visible.

use compact_str::CompactString;
use crossbeam_channel::Sender;
use decision::PolicyDocument;
use model::{ActId, Key, definition::State, value::Object};
use tokio::sync::oneshot;

use crate::{
    acts::{ActError, Ask, Done},
    credentials::{Issued, Secret},
    definitions::{AuditEntry, Definition, DefinitionError, Expect, Kind, Scope, Switch, Token},
    engine::{Engine, open::random},
    ingest::{IngestError, Item},
    privacy::{self, Filed, PrivacyError},
    quarantine,
    record::LogEntry,
    registry::{Act, Because, Prepared, rows::Write},
    state::Shared,
    watch::GUARDRAILS,
    writer::{self, Acting, Filing, Job, Operation, PreparedOperation},
};

/// In whose name shares follow what units did.
const LEARNING: &str = "learning";

/// Where the answer to an operation goes.
type Reply<T> = oneshot::Sender<Result<T, DefinitionError>>;

impl Engine {
    /// Saves a document as a new version; saving what is already there makes none. `state` absent: unchanged, or draft.
    pub async fn put_definition(
        &self,
        kind: Kind,
        key: Key,
        document: Object,
        expect: Expect,
        actor: &Token,
    ) -> Result<Definition, DefinitionError> {
        self.put_switching(kind, key, document, expect, Switch::default(), actor).await
    }

    /// The same, saying when the new version of a live audience comes to act.
    pub async fn put_switching(
        &self,
        kind: Kind,
        key: Key,
        document: Object,
        expect: Expect,
        switch: Switch,
        actor: &Token,
    ) -> Result<Definition, DefinitionError> {
        self.save(kind, actor, move |shared, act| {
            shared.registry.prepare_put(kind, &key, document, expect, switch, act)
        })
        .await
    }

    /// Lets the version of an audience act that was computed beside the one that does.
    pub async fn switch_audience(
        &self,
        key: Key,
        expect: Expect,
        actor: &Token,
    ) -> Result<Definition, DefinitionError> {
        let actor = actor.clone();
        self.operate(move |reply| {
            Box::new(move |shared, now| {
                let act = Act { actor: &actor, now, audit: &shared.audit };
                let is_complete = shared.backfill.is_complete();
                match shared.registry.prepare_switch(&key, expect, is_complete, act) {
                    Ok(prepared) => Some(writer::switching(shared, prepared, move |answer| {
                        // A caller that has gone away needs no answer.
                        drop(reply.send(answer));
                    })),
                    Err(error) => answer(reply, Err(error)),
                }
            })
        })
        .await
    }

    /// Changes the state only.
    pub async fn set_definition_state(
        &self,
        kind: Kind,
        key: Key,
        state: State,
        expect: Expect,
        actor: &Token,
    ) -> Result<Definition, DefinitionError> {
        self.save(kind, actor, move |shared, act| {
            shared.registry.prepare_state(kind, &key, state, expect, act)
        })
        .await
    }

    /// Saves a policy that was learned, as the next epoch of its experience, in the name of learning. Fails where the
    /// experience has another version by now.
    pub async fn learn(&self, policy: PolicyDocument) -> Result<Definition, DefinitionError> {
        self.operate(learning(policy)).await
    }

    /// Deletes a definition that nothing live refers to; its versions stay readable in the audit log.
    pub async fn delete_definition(
        &self,
        kind: Kind,
        key: Key,
        expect: Expect,
        actor: &Token,
    ) -> Result<(), DefinitionError> {
        let prepare = move |shared: &Shared, act: Act<'_>| {
            shared.registry.prepare_delete(kind, &key, expect, act)
        };
        self.save(kind, actor, prepare).await.map(drop)
    }

    /// Creates a token; the secret is returned once and stored only as a hash.
    pub async fn create_token(
        &self,
        name: &str,
        scopes: Vec<Scope>,
        actor: &Token,
    ) -> Result<String, DefinitionError> {
        let name = name.to_owned();
        self.issue("token.create", actor, move |shared, fill, act| {
            let secret = Secret::Random(fill);
            shared.credentials.prepare_token(&name, scopes, secret, &shared.keys.vault, act)
        })
        .await
    }

    /// Creates a write key of a source; it is returned once and stored only as a hash.
    pub async fn create_write_key(
        &self,
        source: Key,
        actor: &Token,
    ) -> Result<String, DefinitionError> {
        self.issue("source.write_key", actor, move |shared, fill, act| {
            let (secret, vault) = (Secret::Random(fill), &shared.keys.vault);
            shared.credentials.prepare_source_key(&shared.registry, &source, secret, vault, act)
        })
        .await
    }

    /// Makes a new secret for the identity tokens of a source. It is returned once and stored nowhere; the one
    /// before stays good until the next.
    pub async fn create_identity_secret(
        &self,
        source: Key,
        actor: &Token,
    ) -> Result<String, DefinitionError> {
        self.issue("source.identity_secret", actor, move |shared, _, act| {
            let (registry, vault) = (&shared.registry, &shared.keys.vault);
            shared.credentials.prepare_identity_secret(registry, &source, vault, act)
        })
        .await
    }

    /// Writes a line to the audit log.
    pub async fn record_audit(&self, entry: AuditEntry) -> Result<(), IngestError> {
        let action = entry.action.clone();
        self.write(action, move |shared| {
            shared.audit.writes(entry).map_err(|error| error.to_string())
        })
        .await
    }

    /// Discards events that were set aside; those that are gone already are passed over.
    pub async fn discard_quarantined(
        &self,
        entries: Vec<quarantine::EntryKey>,
    ) -> Result<(), IngestError> {
        let done = self.operate(move |reply: Reply<()>| {
            Box::new(move |shared, now| match quarantine::discard(shared, &entries, now) {
                Ok((writes, changes)) => Some(PreparedOperation {
                    writes,
                    entry: LogEntry::Act { action: "quarantine.discard".into() },
                    finish: Box::new(move |shared, result| {
                        if result.is_ok() {
                            shared.quarantine.apply(&changes);
                        }
                        drop(reply.send(result.map_err(DefinitionError::Unavailable)));
                    }),
                    begins_backfill: false,
                }),
                Err(error) => answer(reply, Err(DefinitionError::Unavailable(error.to_string()))),
            })
        });
        done.await.map_err(|error| IngestError::Unavailable(error.to_string()))
    }

    /// Takes a request of a person about their own data, and returns when it is done; of a long erasure,
    /// when the person is found no more.
    pub async fn file_privacy_request(
        &self,
        ask: privacy::Ask,
        actor: &Token,
    ) -> Result<Filed, PrivacyError> {
        let stopping = || PrivacyError::Unavailable("the engine is stopping".into());
        let (reply, answer) = oneshot::channel();
        let filing = Box::new(Filing { ask, actor: actor.name.clone(), reply });
        writer::send(&self.inner.jobs, Job::Privacy(filing)).map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Does something to people, and returns when it is durable and visible.
    pub async fn act(&self, ask: Ask, actor: &Token) -> Result<Done, ActError> {
        let mut id = [0; 16];
        random(&mut id).map_err(|_| ActError::Random)?;
        let stopping = || ActError::Unavailable("the engine is stopping".into());
        let (reply, answer) = oneshot::channel();
        let id = ActId(u128::from_be_bytes(id));
        let acting = Acting { id, ask, actor: actor.name.clone(), reply };
        writer::send(&self.inner.jobs, Job::Act(acting)).map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Saves a definition by what `prepare` makes of it.
    async fn save(
        &self,
        kind: Kind,
        actor: &Token,
        prepare: impl FnOnce(&Shared, Act<'_>) -> Result<Prepared, DefinitionError> + Send + 'static,
    ) -> Result<Definition, DefinitionError> {
        self.operate(saving(kind, actor.clone(), prepare)).await
    }

    /// Issues a secret by what `prepare` makes of random bytes.
    async fn issue(
        &self,
        action: &'static str,
        actor: &Token,
        prepare: impl FnOnce(
            &Shared,
            &mut dyn FnMut(&mut [u8]),
            Act<'_>,
        ) -> Result<Issued, DefinitionError>
        + Send
        + 'static,
    ) -> Result<String, DefinitionError> {
        let actor = actor.clone();
        self.operate(move |reply| {
            Box::new(move |shared, now| {
                let act = Act { actor: &actor, now, audit: &shared.audit };
                let mut has_failed = false;
                let mut fill = |bytes: &mut [u8]| has_failed |= random(bytes).is_err();
                let issued = prepare(shared, &mut fill, act);
                if has_failed {
                    let no_random = "the operating system gave no random bytes".into();
                    return answer(reply, Err(DefinitionError::Unavailable(no_random)));
                }
                match issued {
                    Ok(issued) => Some(issuing(action, issued, reply)),
                    Err(error) => answer(reply, Err(error)),
                }
            })
        })
        .await
    }

    /// Commits rows that need no check.
    async fn write(
        &self,
        action: CompactString,
        rows: impl FnOnce(&Shared) -> Result<Vec<Write>, String> + Send + 'static,
    ) -> Result<(), IngestError> {
        let done = self.operate(move |reply: Reply<()>| {
            Box::new(move |shared, _| {
                let writes = match rows(shared) {
                    Ok(writes) => writes,
                    Err(error) => return answer(reply, Err(DefinitionError::Unavailable(error))),
                };
                Some(PreparedOperation {
                    writes,
                    entry: LogEntry::Act { action },
                    finish: Box::new(move |_, result| {
                        drop(reply.send(result.map_err(DefinitionError::Unavailable)));
                    }),
                    begins_backfill: false,
                })
            })
        });
        done.await.map_err(|error| IngestError::Unavailable(error.to_string()))
    }

    async fn operate<T: Send + 'static>(
        &self,
        make: impl FnOnce(Reply<T>) -> Operation,
    ) -> Result<T, DefinitionError> {
        ask(&self.inner.jobs, make)?.await.map_err(|_| stopping())?
    }
}

/// Pauses a live experience that does harm, in the name of its guardrails, and waits until that is durable and visible.
/// One that is not live, or that was saved after this version, stays as it is.
/// Must not be called where nobody may wait.
pub(crate) fn stop_experience(
    jobs: &Sender<Job<Item>>,
    (key, version): (&Key, u64),
    because: Because,
) -> Result<Definition, DefinitionError> {
    let actor = Token { name: GUARDRAILS.into(), scopes: vec![Scope::DefinitionsPublish] };
    let key = key.clone();
    let saving = saving(Kind::Experience, actor, move |shared, act| {
        shared.registry.prepare_stop(&key, version, &because, act)
    });
    ask(jobs, saving)?.blocking_recv().map_err(|_| stopping())?
}

/// Saves a policy that was learned, as [`Engine::learn`] does, and waits until it is durable and visible.
/// Must not be called where nobody may wait.
pub(crate) fn learn(
    jobs: &Sender<Job<Item>>,
    policy: PolicyDocument,
) -> Result<Definition, DefinitionError> {
    ask(jobs, learning(policy))?.blocking_recv().map_err(|_| stopping())?
}

fn learning(policy: PolicyDocument) -> impl FnOnce(Reply<Definition>) -> Operation {
    let actor = Token { name: LEARNING.into(), scopes: vec![Scope::DefinitionsPublish] };
    saving(Kind::Policy, actor, move |shared, act| shared.registry.prepare_policy(&policy, act))
}

/// Hands an operation to the writer; what it answers comes out of the channel.
fn ask<T>(
    jobs: &Sender<Job<Item>>,
    make: impl FnOnce(Reply<T>) -> Operation,
) -> Result<oneshot::Receiver<Result<T, DefinitionError>>, DefinitionError> {
    let (reply, answer) = oneshot::channel();
    writer::send(jobs, Job::Operation(make(reply))).map_err(|_| stopping())?;
    Ok(answer)
}

fn stopping() -> DefinitionError {
    DefinitionError::Unavailable("the engine is stopping".into())
}

/// The operation that saves a definition by what `prepare` makes of it.
fn saving(
    kind: Kind,
    actor: Token,
    prepare: impl FnOnce(&Shared, Act<'_>) -> Result<Prepared, DefinitionError> + Send + 'static,
) -> impl FnOnce(Reply<Definition>) -> Operation {
    move |reply| {
        Box::new(move |shared, now| {
            let act = Act { actor: &actor, now, audit: &shared.audit };
            match prepare(shared, act) {
                Ok(prepared) if prepared.changes() => Some(saved(shared, kind, prepared, reply)),
                Ok(prepared) => answer(reply, Ok(prepared.definition().clone())),
                Err(error) => answer(reply, Err(error)),
            }
        })
    }
}

/// Answers at once; nothing is to be committed.
fn answer<T>(reply: Reply<T>, result: Result<T, DefinitionError>) -> Option<PreparedOperation> {
    // A caller that has gone away needs no answer.
    drop(reply.send(result));
    None
}

fn saved(
    shared: &Shared,
    kind: Kind,
    mut prepared: Prepared,
    reply: Reply<Definition>,
) -> PreparedOperation {
    let definition = prepared.definition();
    let key = definition.document.get("key").and_then(|key| key.as_str());
    let key = key.and_then(|key| key.parse().ok());
    let entry = match key {
        Some(key) => LogEntry::Definition { kind: kind as u8, key, version: definition.version },
        None => LogEntry::Act { action: "definition".into() },
    };
    let begins_backfill = prepared.begins_backfill(shared);
    PreparedOperation {
        writes: prepared.take_writes(),
        entry,
        finish: Box::new(move |shared, result| {
            let answer = match result {
                Ok(()) => Ok(shared.registry.publish(prepared)),
                Err(reason) => Err(DefinitionError::Unavailable(reason)),
            };
            drop(reply.send(answer));
        }),
        begins_backfill,
    }
}

fn issuing(action: &'static str, mut issued: Issued, reply: Reply<String>) -> PreparedOperation {
    PreparedOperation {
        writes: issued.take_writes(),
        entry: LogEntry::Act { action: action.into() },
        finish: Box::new(move |shared, result| {
            let answer = match result {
                Ok(()) => Ok(shared.credentials.publish(issued)),
                Err(reason) => Err(DefinitionError::Unavailable(reason)),
            };
            drop(reply.send(answer));
        }),
        begins_backfill: false,
    }
}
