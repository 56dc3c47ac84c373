//! The definitions: saved as versions, checked before they are saved, compiled into the snapshot that acts (I9).
//!
//! A save has three steps. `prepare_…` checks it and compiles the snapshot that would follow; the
//! writer commits the rows it asks for together with a log entry; [`Registry::publish`] lets
//! readers see it. All run on the writer's thread, one save after the other, so what was prepared
//! is still true when it is published. Readers never wait.

pub(crate) mod check;
pub(crate) mod difference;
pub(crate) mod documents;
mod draft;
mod edits;
mod reach;
pub(crate) mod rows;
mod schema;
mod stored;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use decision::{ExperienceDocument, HoldoutDocument, PolicyDocument};
use model::{
    Duration, Key, Purpose, Timestamp, Value,
    definition::{Fault, State},
    value::Object,
};
use serde_json::json;
use store::{Reader, StoreError};

use crate::{
    audit::AuditLog,
    definitions::{
        AuditEntry, Definition, DefinitionError, Expect, Kind, Page, Scope, Switch, Token,
    },
    people::usage::{self, TraitUsage},
    retention::Rules,
    snapshot::{self, Broken, Snapshot},
    state::Shared,
};

use difference::difference;
use documents::{Documents, Known, Typed};
use draft::Draft;
use rows::Write;
use stored::Version;

pub(crate) use check::typed;
pub(crate) use schema::schema;

/// Most versions a reading of versions answers with: the newest ones.
const MAX_VERSIONS_READ: u64 = 500;
/// Most definitions a page holds.
const MAX_PAGE: usize = 1_000;
/// What the audit log calls the stop of an experience by its guardrails.
pub(crate) const STOPPED: &str = "experience.stop";

/// All definitions and the snapshot compiled from them.
#[derive(Debug)]
pub(crate) struct Registry {
    documents: ArcSwap<Documents>,
    snapshot: ArcSwap<Snapshot>,
    /// How long events are kept: no definition may ask about a longer past.
    retention: Duration,
}

/// A save that is checked and waits to be committed and published.
#[derive(Debug)]
pub(crate) struct Prepared {
    definition: Definition,
    change: Option<Change>,
}

#[derive(Debug)]
struct Change {
    writes: Vec<Write>,
    documents: Documents,
    snapshot: Arc<Snapshot>,
}

impl Prepared {
    /// The definition as it will be; as it was, when it was deleted.
    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Whether anything is to be committed. Saving what is already there changes nothing.
    pub(crate) fn changes(&self) -> bool {
        self.change.is_some()
    }

    /// The rows to commit, the audit log's among them. Each call after the first answers none.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        self.change.as_mut().map(|change| std::mem::take(&mut change.writes)).unwrap_or_default()
    }

    /// Whether everyone has to be looked at once more, for what audiences say or are to say next.
    pub(crate) fn begins_backfill(&self, shared: &Shared) -> bool {
        let before = shared.registry.snapshot().audiences.fingerprint_with_shadows();
        let after = self.change.as_ref().map(|change| &change.snapshot.audiences);
        after.is_some_and(|after| after.fingerprint_with_shadows() != before)
    }
}

/// Who saves, when, and where it is written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act<'a> {
    /// Whose word it is.
    pub(crate) actor: &'a Token,
    /// The instant of the batch.
    pub(crate) now: Timestamp,
    /// The log of such acts.
    pub(crate) audit: &'a AuditLog,
}

/// Why an experience is stopped.
#[derive(Clone, Debug)]
pub(crate) struct Because {
    /// In a sentence.
    pub(crate) statement: String,
    /// What tells the reason from others: the same for the same one.
    pub(crate) cause: Value,
    /// The numbers.
    pub(crate) found: Value,
}

impl Because {
    /// A reason that is a sentence and nothing more.
    fn said(statement: &str) -> Self {
        Self { statement: statement.to_owned(), cause: Value::Null, found: Value::Null }
    }

    /// What the audit log says of a change that was made for this reason.
    fn with(&self, changes: Value) -> Value {
        let Self { statement, cause, found } = self;
        let mut change = json!({"because": statement, "changes": changes});
        for (name, part) in [("cause", cause), ("found", found)] {
            if !part.is_null() {
                change[name] = part.clone();
            }
        }
        change
    }
}

/// How a save is written down.
#[derive(Clone, Copy)]
struct Why<'a> {
    action: &'static str,
    /// The reason, where there is more to it than that somebody wanted it.
    because: Option<&'a Because>,
    act: Act<'a>,
}

impl Registry {
    /// Reads all definitions of a store and compiles them. A broken one is kept and shows up in the snapshot's faults.
    pub(crate) fn open(reader: &dyn Reader, retention: Duration) -> Result<Self, StoreError> {
        let documents = Documents::load(reader)?;
        let snapshot = Snapshot::compile(&documents);
        Ok(Self {
            documents: ArcSwap::from_pointee(documents),
            snapshot: ArcSwap::from_pointee(snapshot),
            retention,
        })
    }

    /// What acts now; cheap, for a decision.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// What acts now, to be kept for longer.
    pub(crate) fn snapshot_full(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// A retention rule in any state, by itself; `None` when there is none that reads back.
    pub(crate) fn retention_rule(&self, key: &Key) -> Option<Rules> {
        let documents = self.documents.load();
        match &documents.get(Kind::RetentionRule, key)?.typed {
            Ok(Typed::RetentionRule(document)) => Some(Rules::of(std::iter::once(document))),
            _ => None,
        }
    }

    /// Which definitions that act use which trait.
    pub(crate) fn trait_usage(&self, cursor: Option<&str>, limit: usize) -> Page<TraitUsage> {
        usage::usage(&self.documents.load(), cursor, limit.clamp(1, MAX_PAGE))
    }

    /// What would act if these experiences were live, and the placements that they belong to.
    pub(crate) fn with_drafts(&self, drafts: &[Key]) -> Arc<Snapshot> {
        let snapshot = self.snapshot_full();
        if drafts.is_empty() {
            return snapshot;
        }
        let mut documents = Documents::clone(&self.documents.load());
        for key in drafts {
            documents = documents.with_live(Kind::Experience, key);
            let placement =
                documents.get(Kind::Experience, key).and_then(|known| known.placement());
            if let Some(placement) = placement.cloned() {
                documents = documents.with_live(Kind::Placement, &placement);
            }
        }
        Arc::new(snapshot.after(&documents, Kind::Experience))
    }

    /// The newest policy of an experience, with its version and when it was learned.
    pub(crate) fn policy(&self, key: &Key) -> Option<(PolicyDocument, u64, Timestamp)> {
        let documents = self.documents.load();
        let Known { definition, typed, .. } = &**documents.get(Kind::Policy, key)?;
        match typed {
            Ok(Typed::Policy(document)) => {
                Some(((**document).clone(), definition.version, definition.updated_at))
            }
            _ => None,
        }
    }

    /// An experience in any state with its version, if it reads.
    pub(crate) fn experience(&self, key: &Key) -> Option<(ExperienceDocument, u64)> {
        let documents = self.documents.load();
        let known = documents.get(Kind::Experience, key)?;
        match &known.typed {
            Ok(Typed::Experience(document)) => {
                Some(((**document).clone(), known.definition.version))
            }
            _ => None,
        }
    }

    /// A shared holdout with its version.
    pub(crate) fn holdout(&self, key: &Key) -> Option<(HoldoutDocument, u64)> {
        let documents = self.documents.load();
        let known = documents.get(Kind::Holdout, key)?;
        match &known.typed {
            Ok(Typed::Holdout(document)) => Some((document.clone(), known.definition.version)),
            _ => None,
        }
    }

    /// The experiences in a state.
    pub(crate) fn experiences(&self, state: State) -> Vec<Key> {
        let documents = self.documents.load();
        let in_state =
            documents.of(Kind::Experience).filter(|(_, known)| known.definition.state == state);
        in_state.map(|(key, _)| key.clone()).collect()
    }

    /// What would act if these definitions were saved as live, and so the experience and its placement.
    ///
    /// # Errors
    /// What saving them would say.
    pub(crate) fn with_changes(
        &self,
        experience: &Key,
        changed: impl IntoIterator<Item = (Kind, Key, Object)>,
        now: Timestamp,
    ) -> Result<(Documents, Snapshot), DefinitionError> {
        let mut documents = Documents::clone(&self.documents.load());
        for (kind, key, mut document) in changed {
            document.insert("state".into(), State::Live.to_string().into());
            let draft = Draft::new(&documents, kind, &key, document)?;
            documents = self.follow(&documents, draft, Switch::Now, now, "")?.documents;
        }
        let known = documents.experience(experience).ok_or_else(|| DefinitionError::NotFound {
            kind: Kind::Experience,
            key: experience.clone(),
        })?;
        let placement = known.placement.clone();
        let documents = documents.with_live(Kind::Experience, experience);
        let documents = documents.with_live(Kind::Placement, &placement).settled();
        let snapshot = Snapshot::compile(&documents);
        let faults = snapshot.faults_of(Kind::Experience, experience).to_vec();
        if faults.is_empty() {
            Ok((documents, snapshot))
        } else {
            Err(DefinitionError::Invalid(faults))
        }
    }

    /// Refuses to look at times of which conditions would ask for what is kept no longer.
    pub(crate) fn refuse_beyond_retention(
        &self,
        snapshot: &Snapshot,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<(), DefinitionError> {
        // A condition over a lifetime sees what is there, then as now.
        let window = snapshot.decisions.needs().longest_window.unwrap_or_default();
        let earliest = now.saturating_sub(self.retention).saturating_add(window);
        if from < earliest {
            let detail = format!(
                "conditions look {window} back, and events are kept for {}: begin at {earliest} or later",
                self.retention
            );
            return Err(DefinitionError::Invalid(vec![Fault::new("/from", detail)]));
        }
        Ok(())
    }

    /// The variants of an experience in any state; `None` where there is no such experience.
    pub(crate) fn variants(&self, experience: &Key) -> Option<Vec<Key>> {
        let documents = self.documents.load();
        match &documents.get(Kind::Experience, experience)?.typed {
            Ok(Typed::Experience(document)) => {
                Some(document.variants.iter().map(|variant| variant.key.clone()).collect())
            }
            _ => Some(Vec::new()),
        }
    }

    /// Whether there is such a definition, in any state.
    pub(crate) fn contains(&self, kind: Kind, key: &Key) -> bool {
        self.documents.load().get(kind, key).is_some()
    }

    /// The newest version of a definition, or the one asked for.
    pub(crate) fn get(
        &self,
        reader: &dyn Reader,
        kind: Kind,
        key: &Key,
        version: Option<u64>,
    ) -> Result<Definition, DefinitionError> {
        let documents = self.documents.load();
        let not_found = || DefinitionError::NotFound { kind, key: key.clone() };
        let newest = documents.get(kind, key).ok_or_else(not_found)?;
        let Some(number) = version.filter(|&v| v != newest.definition.version) else {
            return Ok(newest.definition.clone());
        };
        let found = stored::version(reader, kind, key, number).map_err(unavailable)?;
        let found = found.filter(|version| !version.deleted).ok_or_else(not_found)?;
        Ok(found.definition)
    }

    /// Definitions of a kind in key order. A cursor is the last key of the page before.
    pub(crate) fn list(&self, kind: Kind, cursor: Option<&str>, limit: usize) -> Page<Definition> {
        let documents = self.documents.load();
        let limit = limit.clamp(1, MAX_PAGE);
        let after: Option<Key> = cursor.and_then(|cursor| cursor.parse().ok());
        let mut rest: Box<dyn Iterator<Item = (&Key, &Arc<Known>)>> = match &after {
            Some(key) => Box::new(documents.after(kind, key)),
            None => Box::new(documents.of(kind)),
        };
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let last = page.last().map(|(key, _)| key.to_string());
        let items = page.into_iter().map(|(_, known)| known.definition.clone()).collect();
        let next_cursor = rest.next().and(last);
        Page { items, next_cursor }
    }

    /// The versions of a definition, newest first, at most 500; deletions in between are left out.
    pub(crate) fn versions(
        &self,
        reader: &dyn Reader,
        kind: Kind,
        key: &Key,
    ) -> Result<Vec<Definition>, DefinitionError> {
        let newest = self.get(reader, kind, key, None)?.version;
        let from = newest.saturating_sub(MAX_VERSIONS_READ - 1);
        let versions = stored::versions(reader, kind, key, from).map_err(unavailable)?;
        // A version that is being committed while this reads is not there for readers yet.
        let visible = versions
            .into_iter()
            .rev()
            .filter(|version| !version.deleted && version.definition.version <= newest);
        Ok(visible.map(|version| version.definition).collect())
    }

    /// Checks a document as saving it would, without regard to who saves it.
    pub(crate) fn check(
        &self,
        kind: Kind,
        key: &Key,
        document: &Object,
    ) -> Result<(), DefinitionError> {
        let documents = self.documents.load();
        let draft = Draft::new(&documents, kind, key, document.clone())?;
        draft.check_place(&documents)?;
        self.follow(&documents, draft, Switch::Now, Timestamp::default(), "").map(drop)
    }

    /// Prepares saving a document as a new version. Its state is that of the document; without one
    /// it stays, or is `draft`.
    pub(crate) fn prepare_put(
        &self,
        kind: Kind,
        key: &Key,
        document: Object,
        expect: Expect,
        switch: Switch,
        act: Act<'_>,
    ) -> Result<Prepared, DefinitionError> {
        may(act.actor, Scope::DefinitionsWrite, || format!("saving {}", kind.plural()))?;
        written_by_people(kind)?;
        let documents = self.documents.load();
        expected(&documents, kind, key, expect)?;
        let draft = Draft::new(&documents, kind, key, document)?;
        let why = Why { action: "definition.put", because: None, act };
        self.prepare(&documents, draft, switch, why)
    }

    /// Prepares changing the state of a definition, which makes a new version.
    pub(crate) fn prepare_state(
        &self,
        kind: Kind,
        key: &Key,
        state: State,
        expect: Expect,
        act: Act<'_>,
    ) -> Result<Prepared, DefinitionError> {
        written_by_people(kind)?;
        let documents = self.documents.load();
        expected(&documents, kind, key, expect)?;
        let mut document = existing(&documents, kind, key)?.definition.document.clone();
        document.insert("state".into(), state.to_string().into());
        let draft = Draft::new(&documents, kind, key, document)?;
        let why = Why { action: "definition.state", because: None, act };
        self.prepare(&documents, draft, Switch::default(), why)
    }

    /// Prepares pausing a live experience for a reason that is written down with it. One that was saved after `version`
    /// stays as it is: whoever saved it knew more.
    pub(crate) fn prepare_stop(
        &self,
        key: &Key,
        version: u64,
        because: &Because,
        act: Act<'_>,
    ) -> Result<Prepared, DefinitionError> {
        let (kind, documents) = (Kind::Experience, self.documents.load());
        let known = existing(&documents, kind, key)?;
        if known.definition.state != State::Live || known.definition.version != version {
            return Ok(Prepared { definition: known.definition.clone(), change: None });
        }
        let mut document = known.definition.document.clone();
        document.insert("state".into(), State::Paused.to_string().into());
        let draft = Draft::new(&documents, kind, key, document)?;
        let why = Why { action: STOPPED, because: Some(because), act };
        self.prepare(&documents, draft, Switch::default(), why)
    }

    /// Prepares a policy that was learned, of a live experience that is still at the version it was learned from.
    pub(crate) fn prepare_policy(
        &self,
        policy: &PolicyDocument,
        act: Act<'_>,
    ) -> Result<Prepared, DefinitionError> {
        let (key, documents) = (&policy.key, self.documents.load());
        let expect = Expect::Version(policy.experience_version);
        expected(&documents, Kind::Experience, key, expect)?;
        let document = match serde_json::to_value(policy) {
            Ok(Value::Object(document)) => document,
            _ => return Err(DefinitionError::Unavailable("a policy cannot be written".into())),
        };
        let draft = Draft::new(&documents, Kind::Policy, key, document)?;
        let because = Because::said(&policy.because);
        let why = Why { action: "policy.learn", because: Some(&because), act };
        self.prepare(&documents, draft, Switch::default(), why)
    }

    fn prepare(
        &self,
        documents: &Documents,
        draft: Draft,
        switch: Switch,
        Why { action, because, act }: Why<'_>,
    ) -> Result<Prepared, DefinitionError> {
        if let Some(same) = draft.same() {
            return Ok(Prepared { definition: same.clone(), change: None });
        }
        draft.check_rights(act.actor)?;
        draft.check_place(documents)?;
        let old = draft.existing().map(|known| known.definition.document.clone());
        let following = self.follow(documents, draft, switch, act.now, &act.actor.name)?;
        let edited = documents;
        let Following { key, known, number, documents, snapshot } = following;
        let mut writes = self.version_writes(&known, &key, documents.saves())?;
        writes.extend(edits::write_of_change(edited, &documents, &key));
        writes.extend(number.map(|number| stored::number_write(&key, number)));
        let mut change = difference(old.as_ref(), Some(&known.definition.document));
        if let Some(because) = because {
            change = because.with(change);
        }
        writes.extend(audit_writes(action, &known.definition, &key, change, act)?);
        let change = Some(Change { writes, documents, snapshot });
        Ok(Prepared { definition: known.definition, change })
    }

    /// Prepares deleting a definition that nothing acting refers to.
    pub(crate) fn prepare_delete(
        &self,
        kind: Kind,
        key: &Key,
        expect: Expect,
        act: Act<'_>,
    ) -> Result<Prepared, DefinitionError> {
        may(act.actor, Scope::DefinitionsWrite, || format!("deleting {}", kind.plural()))?;
        written_by_people(kind)?;
        let documents = self.documents.load();
        expected(&documents, kind, key, expect)?;
        let newest = existing(&documents, kind, key)?;
        if newest.definition.state != State::Draft {
            let action = || format!("deleting {} that are no drafts", kind.plural());
            may(act.actor, Scope::DefinitionsPublish, action)?;
        }
        draft::not_in_use(&documents, kind, key)?;
        if kind == Kind::Source {
            // Deleting would also let a later source of this key take over its write keys.
            let used_by = "stored events; archive it instead".to_owned();
            return Err(DefinitionError::InUse { kind, key: key.clone(), used_by });
        }
        let mut known = Known::clone(newest);
        known.deleted = true;
        known.definition.version += 1;
        known.definition.updated_at = act.now;
        known.definition.updated_by = act.actor.name.clone();
        let following = documents.with(key, known.clone(), None);
        let following = edits::without(following, kind, key);
        let snapshot = self.snapshot_after(&following, kind, newest.acts());
        let mut writes = self.version_writes(&known, key, following.saves())?;
        writes.extend(edits::write_of_change(&documents, &following, key));
        let change = difference(Some(&newest.definition.document), None);
        writes.extend(audit_writes("definition.delete", &known.definition, key, change, act)?);
        let change = Some(Change { writes, documents: following, snapshot });
        Ok(Prepared { definition: newest.definition.clone(), change })
    }

    /// Lets readers see what was prepared, after its rows were committed.
    pub(crate) fn publish(&self, prepared: Prepared) -> Definition {
        let Prepared { definition, change } = prepared;
        if let Some(Change { documents, snapshot, .. }) = change {
            debug_assert_eq!(
                documents.saves(),
                self.documents.load().saves() + 1,
                "saves are prepared, committed and published one after the other"
            );
            self.documents.store(Arc::new(documents));
            self.snapshot.store(snapshot);
        }
        definition
    }

    /// The documents and the snapshot that follow from saving `draft`, or what is wrong with it.
    fn follow(
        &self,
        documents: &Documents,
        draft: Draft,
        switch: Switch,
        now: Timestamp,
        actor: &str,
    ) -> Result<Following, DefinitionError> {
        let number = draft.new_number(documents)?;
        let before = draft.existing().cloned();
        let acted = before.as_ref().is_some_and(|known| known.acts());
        let puts_away = draft.puts_away();
        let (key, known) = draft.into_known(now, actor);
        let kind = known.definition.kind;
        let edit = self.edit_made(documents, before, &known, switch);
        let mut following = documents.with(&key, known.clone(), number);
        if kind == Kind::Audience {
            following = following.with_edit(&key, edit);
        }
        let snapshot = self.snapshot_after(&following, kind, acted || known.acts());
        let faults = if puts_away {
            // What is broken can always be put away.
            Vec::new()
        } else {
            let mut faults = self.faults_when_settled(&known, &key, &following, &snapshot);
            if faults.is_empty() {
                faults = self.broken_by(&snapshot);
            }
            faults
        };
        if faults.is_empty() {
            Ok(Following { key, known, number, documents: following, snapshot })
        } else {
            Err(DefinitionError::Invalid(faults))
        }
    }

    fn snapshot_after(&self, following: &Documents, kind: Kind, acts: bool) -> Arc<Snapshot> {
        let before = self.snapshot.load();
        Arc::new(if acts { before.after(following, kind) } else { before.unchanged(following) })
    }

    /// Everything wrong with a new version, and everything else that it would break.
    fn faults(
        &self,
        known: &Known,
        key: &Key,
        following: &Documents,
        snapshot: &Snapshot,
    ) -> Vec<Fault> {
        let kind = known.definition.kind;
        let mut faults = check::faults(known, following, self.retention);
        let compiled = if known.acts() {
            snapshot.faults_of(kind, key).to_vec()
        } else if known.definition.state == State::Archived {
            Vec::new()
        } else {
            snapshot::trial(snapshot, following, known)
        };
        for fault in compiled {
            if !faults.iter().any(|other| other.pointer == fault.pointer) {
                faults.push(fault);
            }
        }
        if faults.is_empty() { self.broken_by(snapshot) } else { faults }
    }

    /// What works now and would not any more.
    fn broken_by(&self, snapshot: &Snapshot) -> Vec<Fault> {
        let before = self.snapshot.load();
        let sound_before = |(kind, key, _): &&Broken| before.faults_of(*kind, key).is_empty();
        let broken = snapshot.faults.iter().filter(sound_before);
        let told = broken.map(|(kind, key, faults)| {
            let first = faults.first().map_or("", |fault| &fault.detail);
            let other = kind.singular();
            Fault::new("", format!("this would break the {other} `{key}`: {first}"))
        });
        told.collect()
    }

    fn version_writes(
        &self,
        known: &Known,
        key: &Key,
        saves: u64,
    ) -> Result<Vec<Write>, DefinitionError> {
        let version = Version {
            definition: known.definition.clone(),
            deleted: known.deleted,
            unreadable: false,
        };
        let mut writes = stored::version_writes(&version, key).map_err(unavailable)?;
        writes.push(stored::saves_write(saves));
        Ok(writes)
    }
}

/// What a save leads to.
struct Following {
    key: Key,
    known: Known,
    /// The number a purpose is given by it.
    number: Option<Purpose>,
    documents: Documents,
    snapshot: Arc<Snapshot>,
}

fn audit_writes(
    action: &str,
    definition: &Definition,
    key: &Key,
    change: Value,
    act: Act<'_>,
) -> Result<Vec<Write>, DefinitionError> {
    let entry = AuditEntry {
        at: act.now,
        actor: act.actor.name.clone(),
        action: action.into(),
        subject: format!("{}/{key}", definition.kind.plural()),
        change: Some(change),
    };
    act.audit.writes(entry).map_err(unavailable)
}

fn existing<'a>(
    documents: &'a Documents,
    kind: Kind,
    key: &Key,
) -> Result<&'a Arc<Known>, DefinitionError> {
    documents.get(kind, key).ok_or_else(|| DefinitionError::NotFound { kind, key: key.clone() })
}

/// Refuses to have people write what the program learns.
fn written_by_people(kind: Kind) -> Result<(), DefinitionError> {
    if kind.is_written_by_people() {
        return Ok(());
    }
    let detail = format!(
        "{} are written by the program as it learns: change the `allocation` of the experience",
        kind.plural()
    );
    Err(DefinitionError::Invalid(vec![Fault::new("", detail)]))
}

/// Refuses a save whose condition on the current version does not hold.
fn expected(
    documents: &Documents,
    kind: Kind,
    key: &Key,
    expect: Expect,
) -> Result<(), DefinitionError> {
    let current = documents.get(kind, key).map_or(0, |known| known.definition.version);
    let holds = match expect {
        Expect::Anything => true,
        Expect::Absent => current == 0,
        Expect::Version(version) => current == version && current != 0,
    };
    if holds { Ok(()) } else { Err(DefinitionError::Conflict { kind, key: key.clone(), current }) }
}

/// Refuses what the token's scopes do not allow.
pub(crate) fn may(
    actor: &Token,
    scope: Scope,
    action: impl Fn() -> String,
) -> Result<(), DefinitionError> {
    if actor.allows(scope) {
        Ok(())
    } else {
        Err(DefinitionError::Forbidden { action: action(), scope })
    }
}

fn unavailable(error: StoreError) -> DefinitionError {
    DefinitionError::Unavailable(error.to_string())
}
