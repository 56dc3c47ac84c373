//! Saving, refusing, containing and reopening, against a store in memory.

use expect_test::{Expect as Snap, expect};
use serde_json::json;
use store::{Batch, Memory, Store, Table};

use super::*;
use crate::audit;

/// An engine reduced to its definitions.
struct Bench {
    store: Memory,
    registry: Registry,
    audit: AuditLog,
    actor: Token,
    now: Timestamp,
}

impl Bench {
    fn open(store: Memory) -> Self {
        Self {
            registry: Registry::open(&store, Duration::days(365)).unwrap(),
            audit: AuditLog::open(&store).unwrap(),
            actor: Token { name: "ann".into(), scopes: vec![Scope::Admin] },
            now: Timestamp(1_000),
            store,
        }
    }

    fn new() -> Self {
        Self::open(Memory::new())
    }

    fn reopen(self) -> Self {
        Self::open(self.store)
    }

    fn acting_as(&mut self, scopes: &[Scope]) -> &mut Self {
        self.actor = Token { name: "bob".into(), scopes: scopes.to_vec() };
        self
    }

    fn act(&self) -> Act<'_> {
        Act { actor: &self.actor, now: self.now, audit: &self.audit }
    }

    fn finish(&self, mut prepared: Prepared) -> Definition {
        let mut batch = Batch::new();
        for (table, key, value) in prepared.take_writes() {
            match value {
                Some(value) => batch.put(table, key, value),
                None => batch.delete(table, key),
            }
        }
        assert_eq!(batch.is_empty(), !prepared.changes());
        self.store.commit(batch).unwrap();
        let saved = self.registry.publish(prepared);
        self.assert_compiled_as_a_whole();
        saved
    }

    /// What was compiled step by step is what compiling everything gives, now and after a restart.
    fn assert_compiled_as_a_whole(&self) {
        let stepwise = self.registry.snapshot();
        let whole = Snapshot::compile(&self.registry.documents.load());
        let reopened = Snapshot::compile(&Documents::load(&self.store).unwrap());
        for other in [whole, reopened] {
            assert_eq!(stepwise.version, other.version);
            assert_eq!(stepwise.policy, other.policy);
            assert_eq!(stepwise.sources, other.sources);
            assert_eq!(stepwise.parties, other.parties);
            assert_eq!(stepwise.audiences.fingerprint(), other.audiences.fingerprint());
            assert_eq!(stepwise.decisions.needs(), other.decisions.needs());
            assert_eq!(stepwise.projection, other.projection);
            assert_eq!(stepwise.faults, other.faults);
        }
    }

    fn put_if(
        &self,
        kind: Kind,
        name: &str,
        document: Value,
        expect: Expect,
    ) -> Result<Definition, DefinitionError> {
        self.put_switching(kind, name, document, (expect, Switch::Now))
    }

    fn put_switching(
        &self,
        kind: Kind,
        name: &str,
        document: Value,
        (expect, switch): (Expect, Switch),
    ) -> Result<Definition, DefinitionError> {
        let Value::Object(document) = document else { panic!("documents are objects") };
        let act = self.act();
        let prepared =
            self.registry.prepare_put(kind, &key(name), document, expect, switch, act)?;
        Ok(self.finish(prepared))
    }

    fn put(&self, kind: Kind, name: &str, document: Value) -> Result<Definition, DefinitionError> {
        self.put_if(kind, name, document, Expect::Anything)
    }

    fn state(&self, kind: Kind, name: &str, state: State) -> Result<Definition, DefinitionError> {
        let act = self.act();
        let prepared =
            self.registry.prepare_state(kind, &key(name), state, Expect::Anything, act)?;
        Ok(self.finish(prepared))
    }

    fn delete(&self, kind: Kind, name: &str) -> Result<Definition, DefinitionError> {
        let act = self.act();
        let prepared = self.registry.prepare_delete(kind, &key(name), Expect::Anything, act)?;
        Ok(self.finish(prepared))
    }

    fn get(&self, kind: Kind, name: &str) -> Result<Definition, DefinitionError> {
        self.registry.get(&self.store, kind, &key(name), None)
    }

    fn keys(&self, kind: Kind) -> Vec<String> {
        let page = self.registry.list(kind, None, 100);
        page.items.iter().map(|d| d.document["key"].as_str().unwrap().to_owned()).collect()
    }

    fn audiences(&self) -> Vec<String> {
        let snapshot = self.registry.snapshot();
        snapshot.audiences.audiences().iter().map(|a| a.key().to_string()).collect()
    }

    fn faults(&self) -> Vec<String> {
        let snapshot = self.registry.snapshot();
        let line =
            |(kind, key, faults): &Broken| format!("{} `{key}`: {}", kind.singular(), told(faults));
        snapshot.faults.iter().map(line).collect()
    }
}

fn key(name: &str) -> Key {
    name.parse().unwrap()
}

fn audience(state: &str, condition: Value) -> Value {
    json!({"state": state, "condition": condition})
}

fn everyone() -> Value {
    json!({"all": []})
}

fn experience(state: &str) -> Value {
    json!({
        "state": state,
        "placement": "hero",
        "variants": [{"key": "a", "content": {"title": "Hello"}}]
    })
}

fn told(faults: &[Fault]) -> String {
    let lines: Vec<_> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect();
    lines.join("\n")
}

/// The refusal in a line.
fn refusal<T>(result: Result<T, DefinitionError>) -> String {
    match result.err().unwrap() {
        DefinitionError::Invalid(faults) => told(&faults),
        other => other.to_string(),
    }
}

fn refused<T>(result: Result<T, DefinitionError>, expect: Snap) {
    expect.assert_eq(&refusal(result));
}

#[test]
fn a_document_is_saved_with_its_key_state_and_author() {
    let bench = Bench::new();
    let saved = bench.put(Kind::Audience, "vip", json!({"condition": everyone()})).unwrap();
    let document = json!({"condition": everyone(), "key": "vip", "state": "draft"});
    assert_eq!(Value::Object(saved.document.clone()), document);
    assert_eq!((saved.version, saved.state), (1, State::Draft));
    assert_eq!((saved.updated_by.as_str(), saved.updated_at), ("ann", Timestamp(1_000)));
    assert_eq!(bench.get(Kind::Audience, "vip").unwrap(), saved);
    assert!(bench.audiences().is_empty(), "a draft does not act");
}

#[test]
fn what_is_already_there_is_not_saved_again() {
    let bench = Bench::new();
    let document = audience("live", everyone());
    let first = bench.put(Kind::Audience, "vip", document.clone()).unwrap();
    let again = bench.put(Kind::Audience, "vip", document).unwrap();
    assert_eq!(first, again);
    // The state stays when the document does not speak of it.
    let silent = bench.put(Kind::Audience, "vip", json!({"condition": everyone()})).unwrap();
    assert_eq!(first, silent);
    assert_eq!(bench.state(Kind::Audience, "vip", State::Live).unwrap(), first);
    assert_eq!(bench.registry.snapshot().version, 1);
    assert_eq!(audit::page(&bench.store, None, 10).unwrap().items.len(), 1);
}

#[test]
fn versions_are_kept_and_numbers_are_never_given_twice() {
    let bench = Bench::new();
    for name in ["one", "two", "three"] {
        let document = json!({"name": name, "condition": everyone()});
        bench.put(Kind::Audience, "vip", document).unwrap();
    }
    bench.put(Kind::Audience, "vip-too", audience("draft", everyone())).unwrap();
    let names = |bench: &Bench| -> Vec<_> {
        let versions = bench.registry.versions(&bench.store, Kind::Audience, &key("vip")).unwrap();
        versions.iter().map(|v| (v.version, v.document["name"].clone())).collect()
    };
    let all = vec![(3, json!("three")), (2, json!("two")), (1, json!("one"))];
    assert_eq!(names(&bench), all);
    let second = bench.registry.get(&bench.store, Kind::Audience, &key("vip"), Some(2)).unwrap();
    assert_eq!(second.document["name"], "two");
    for absent in [0, 4] {
        let found = bench.registry.get(&bench.store, Kind::Audience, &key("vip"), Some(absent));
        assert_eq!(refusal(found), "audience `vip` not found");
    }
    bench.delete(Kind::Audience, "vip").unwrap();
    refused(bench.get(Kind::Audience, "vip"), expect!["audience `vip` not found"]);
    refused(bench.delete(Kind::Audience, "vip"), expect!["audience `vip` not found"]);
    let bench = bench.reopen();
    assert_eq!(bench.keys(Kind::Audience), ["vip-too"]);
    let document = json!({"name": "new", "condition": everyone()});
    let created = bench.put_if(Kind::Audience, "vip", document, Expect::Absent).unwrap();
    assert_eq!(created.version, 5, "the deletion was version 4");
    assert_eq!(names(&bench)[0], (5, json!("new")));
    let deleted = bench.registry.get(&bench.store, Kind::Audience, &key("vip"), Some(4));
    refused(deleted, expect!["audience `vip` not found"]);
}

#[test]
fn a_save_can_depend_on_the_version_it_replaces() {
    let bench = Bench::new();
    let put = |expect, text: &str| {
        let document = json!({"name": text, "condition": everyone()});
        bench.put_if(Kind::Audience, "vip", document, expect)
    };
    refused(put(Expect::Version(1), "a"), expect!["audience `vip` is at version 0"]);
    refused(put(Expect::Version(0), "a"), expect!["audience `vip` is at version 0"]);
    put(Expect::Absent, "a").unwrap();
    refused(put(Expect::Absent, "b"), expect!["audience `vip` is at version 1"]);
    put(Expect::Version(1), "b").unwrap();
    refused(put(Expect::Version(1), "c"), expect!["audience `vip` is at version 2"]);
    refused(put(Expect::Version(1), "b"), expect!["audience `vip` is at version 2"]);
    let prepared =
        bench.registry.prepare_delete(Kind::Audience, &key("vip"), Expect::Version(1), bench.act());
    refused(prepared, expect!["audience `vip` is at version 2"]);
}

#[test]
fn faults_are_told_with_their_places() {
    let bench = Bench::new();
    bench.put(Kind::Placement, "hero", json!({"state": "live"})).unwrap();
    bench.put(Kind::Audience, "draft", audience("draft", everyone())).unwrap();
    let marketing = json!({"state": "live", "purpose": "marketing", "condition": everyone()});
    bench.put(Kind::Audience, "letters", marketing).unwrap();
    let put = |kind, document| bench.put(kind, "new", document);
    refused(
        put(Kind::Audience, json!({"key": "other", "state": "on"})),
        expect![[r#"
        /key: the key is "other" here and `new` where it is saved
        /state: "on" is no state: write draft, live, paused or archived"#]],
    );
    refused(
        put(Kind::Audience, json!({"condition": everyone(), "colour": 1})),
        expect![
            "/colour: unknown field `colour`, expected one of `key`, `name`, `description`, `tags`, `state`, `purpose`, `condition`"
        ],
    );
    refused(
        put(Kind::Audience, audience("draft", json!({"any": 1}))),
        expect!["/condition/any: this is a list of at most 256 conditions"],
    );
    refused(
        put(Kind::Audience, audience("live", json!({"any": 1}))),
        expect!["/condition/any: this is a list of at most 256 conditions"],
    );
    let refers = |name: &str| json!({"all": [{"audience": name}]});
    refused(
        put(Kind::Audience, audience("draft", refers("none"))),
        expect!["/condition/all/0/audience: audience `none` does not exist"],
    );
    refused(
        put(Kind::Audience, audience("live", refers("draft"))),
        expect!["/condition/all/0/audience: audience `draft` is draft: make it live first"],
    );
    refused(
        put(Kind::Audience, audience("live", refers("new"))),
        expect!["/condition/all/0/audience: audience `new` refers to itself"],
    );
    refused(
        put(Kind::Audience, audience("live", refers("letters"))),
        expect![
            "/condition/all/0/audience: audience `letters` is for the purpose `marketing`, and this one for `personalization`; both need the same"
        ],
    );
    let purpose = json!({"purpose": "research", "condition": {"consent": "sharing"}});
    refused(
        put(Kind::Audience, purpose),
        expect![[r#"
        /purpose: purpose `research` does not exist
        /condition/consent: purpose `sharing` does not exist"#]],
    );
    let mut document = experience("live");
    document["placement"] = "none".into();
    document["eligibility"] = refers("letters");
    document["variants"] = json!([]);
    refused(
        put(Kind::Experience, document),
        expect![[r#"
        /placement: placement `none` does not exist
        /eligibility/all/0/audience: audience `letters` is for the purpose `marketing`, and this experience for `personalization`; both need the same"#]],
    );
    let long = json!({"description": "x".repeat(70_000), "condition": everyone()});
    refused(
        put(Kind::Audience, long),
        expect![": the document has 70069 bytes, at most 65536 fit"],
    );
    assert_eq!(bench.registry.snapshot().version, 3, "nothing was saved");
}

#[test]
fn no_definition_asks_about_a_past_that_is_not_kept() {
    let bench = Bench::new();
    let put = |condition| bench.put(Kind::Audience, "new", audience("draft", condition));
    let within =
        |text: &str| json!({"not": {"any": [{"event": "Order Completed", "within": text}]}});
    refused(
        put(within("366d")),
        expect![
            "/condition/not/any/0/within: events are kept for 365d, so nothing is known about 366d"
        ],
    );
    let since = json!({"event": "Seen", "since": {"op": "gt", "value": "53w"}});
    refused(
        put(json!({"at_least": {"count": 1, "of": [since]}})),
        expect![
            "/condition/at_least/of/0/since/value: events are kept for 365d, so nothing is known about 53w"
        ],
    );
    put(within("365d")).unwrap();
    put(json!({"event": "Order Completed"})).unwrap();
    let document =
        json!({"placement": "hero", "variants": [{"key": "a"}], "eligibility": within("9999d")});
    bench.put(Kind::Placement, "hero", json!({})).unwrap();
    refused(
        bench.put(Kind::Experience, "new", document),
        expect![
            "/eligibility/not/any/0/within: events are kept for 365d, so nothing is known about 9999d"
        ],
    );
}

#[test]
fn the_snapshot_follows_what_acts() {
    let bench = Bench::new();
    bench.put(Kind::Audience, "vip", audience("live", json!({"event": "Order"}))).unwrap();
    bench.put(Kind::Placement, "hero", json!({"state": "live"})).unwrap();
    let before = bench.registry.snapshot_full();
    assert_eq!(bench.audiences(), ["vip"]);
    let mut draft = experience("draft");
    draft["eligibility"] = json!({"event": "Seen", "last": {"property": "a", "op": "exists"}});
    bench.put(Kind::Experience, "welcome", draft).unwrap();
    let saved = bench.registry.snapshot_full();
    assert_eq!(saved.version, before.version + 1);
    assert!(Arc::ptr_eq(&saved.decisions, &before.decisions), "a draft compiles nothing");
    bench.state(Kind::Experience, "welcome", State::Live).unwrap();
    let live = bench.registry.snapshot_full();
    assert_ne!(live.projection.epoch, before.projection.epoch);
    assert_eq!(live.projection.layout().names().count(), 2);
    assert!(Arc::ptr_eq(&live.audiences, &before.audiences));
    bench.state(Kind::Experience, "welcome", State::Archived).unwrap();
    let archived = bench.registry.snapshot_full();
    assert_eq!(archived.projection.epoch, before.projection.epoch);
    assert_eq!(archived.version, 5);
    let bench = bench.reopen();
    assert_eq!(bench.registry.snapshot().version, 5);
    assert_eq!(bench.registry.snapshot().projection, before.projection);
    assert_eq!(bench.get(Kind::Experience, "welcome").unwrap().state, State::Archived);
}

#[test]
fn states_change_only_as_they_may() {
    let bench = Bench::new();
    bench.put(Kind::Audience, "vip", audience("paused", everyone())).unwrap();
    let to = |state| bench.state(Kind::Audience, "vip", state);
    refused(
        to(State::Draft),
        expect!["/state: it is paused and cannot be a draft again: archive it first"],
    );
    to(State::Live).unwrap();
    refused(
        to(State::Draft),
        expect!["/state: it is live and cannot be a draft again: archive it first"],
    );
    assert_eq!(to(State::Archived).unwrap().version, 3);
    assert_eq!(to(State::Draft).unwrap().document["state"], "draft");
    refused(bench.state(Kind::Audience, "none", State::Live), expect!["audience `none` not found"]);
    refused(
        bench.put(Kind::Purpose, "research", json!({"state": "paused"})),
        expect!["/state: a purpose is draft, live or archived, never paused"],
    );
}

#[test]
fn drafts_are_for_all_who_write_and_the_rest_for_those_who_publish() {
    let mut bench = Bench::new();
    bench.put(Kind::Audience, "live", audience("live", everyone())).unwrap();
    bench.acting_as(&[Scope::DefinitionsWrite]);
    let changed = json!({"name": "x", "condition": everyone()});
    refused(
        bench.put(Kind::Audience, "live", changed.clone()),
        expect!["saving audiences as live needs the scope `definitions:publish`"],
    );
    refused(
        bench.put(Kind::Audience, "new", audience("live", everyone())),
        expect!["saving audiences as live needs the scope `definitions:publish`"],
    );
    refused(
        bench.state(Kind::Audience, "live", State::Paused),
        expect!["saving audiences as paused needs the scope `definitions:publish`"],
    );
    refused(
        bench.delete(Kind::Audience, "live"),
        expect!["deleting audiences that are no drafts needs the scope `definitions:publish`"],
    );
    bench.put(Kind::Audience, "new", changed.clone()).unwrap();
    bench.put(Kind::Audience, "new", json!({"condition": everyone()})).unwrap();
    refused(
        bench.state(Kind::Audience, "new", State::Live),
        expect!["saving audiences as live needs the scope `definitions:publish`"],
    );
    bench.acting_as(&[Scope::DefinitionsPublish]);
    bench.state(Kind::Audience, "new", State::Live).unwrap();
    refused(
        bench.put(Kind::Audience, "new", changed),
        expect!["saving audiences needs the scope `definitions:write`"],
    );
    bench.acting_as(&[Scope::DefinitionsWrite]);
    bench.put(Kind::Audience, "spare", audience("draft", everyone())).unwrap();
    bench.delete(Kind::Audience, "spare").unwrap();
}

#[test]
fn what_is_in_use_stays() {
    let bench = Bench::new();
    bench.put(Kind::Purpose, "research", json!({"state": "live"})).unwrap();
    bench.put(Kind::Audience, "vip", audience("live", everyone())).unwrap();
    bench.put(Kind::Placement, "hero", json!({"state": "live"})).unwrap();
    let mut document = experience("live");
    document["eligibility"] =
        json!({"all": [{"not": {"audience": "vip"}}, {"consent": "research"}]});
    bench.put(Kind::Experience, "welcome", document).unwrap();
    refused(
        bench.delete(Kind::Audience, "vip"),
        expect!["audience `vip` is used by experience `welcome`"],
    );
    refused(
        bench.state(Kind::Audience, "vip", State::Paused),
        expect!["audience `vip` is used by experience `welcome`"],
    );
    refused(
        bench.state(Kind::Placement, "hero", State::Archived),
        expect!["placement `hero` is used by experience `welcome`"],
    );
    refused(
        bench.state(Kind::Purpose, "research", State::Archived),
        expect!["purpose `research` is used by experience `welcome`"],
    );
    bench.state(Kind::Placement, "hero", State::Paused).unwrap();
    bench.state(Kind::Experience, "welcome", State::Paused).unwrap();
    refused(
        bench.delete(Kind::Audience, "vip"),
        expect!["audience `vip` is used by experience `welcome`"],
    );
    bench.state(Kind::Experience, "welcome", State::Archived).unwrap();
    bench.delete(Kind::Audience, "vip").unwrap();
    bench.state(Kind::Placement, "hero", State::Archived).unwrap();
    // With its audience gone, it cannot come back, but it can be deleted.
    refused(
        bench.state(Kind::Experience, "welcome", State::Live),
        expect![[r#"
        /placement: placement `hero` is archived: make it live first
        /eligibility/all/0/not/audience: audience `vip` does not exist"#]],
    );
    bench.delete(Kind::Experience, "welcome").unwrap();
    bench.put(Kind::Source, "shop", json!({"kind": "server"})).unwrap();
    refused(
        bench.delete(Kind::Source, "shop"),
        expect!["source `shop` is used by stored events; archive it instead"],
    );
}

#[test]
fn no_save_breaks_another_definition() {
    let bench = Bench::new();
    bench.put(Kind::Placement, "hero", json!({"state": "live"})).unwrap();
    bench.put(Kind::Experience, "welcome", experience("live")).unwrap();
    let strict = json!({"content_schema": {"type": "object", "required": ["image"]}});
    refused(
        bench.put(Kind::Placement, "hero", strict),
        expect![": this would break the experience `welcome`: `image` is required"],
    );
    assert!(bench.faults().is_empty());
}

#[test]
fn purposes_get_numbers_for_ever_and_override_defaults() {
    let bench = Bench::new();
    let find =
        |bench: &Bench, name: &str| bench.registry.snapshot().policy.find(&name.parse().unwrap());
    bench.put(Kind::Purpose, "draft", json!({})).unwrap();
    bench.put(Kind::Purpose, "research", json!({"state": "live", "default": "denied"})).unwrap();
    bench.put(Kind::Purpose, "sharing", json!({"state": "live"})).unwrap();
    assert_eq!(find(&bench, "draft"), None);
    assert_eq!(find(&bench, "research"), Purpose::from_number(5));
    assert_eq!(find(&bench, "sharing"), Purpose::from_number(6));
    bench.state(Kind::Purpose, "research", State::Archived).unwrap();
    assert_eq!(find(&bench, "research"), None);
    bench.delete(Kind::Purpose, "research").unwrap();
    let bench = bench.reopen();
    bench.put(Kind::Purpose, "testing", json!({"state": "live"})).unwrap();
    assert_eq!(find(&bench, "testing"), Purpose::from_number(7), "numbers outlive purposes");
    bench.put(Kind::Purpose, "research", json!({"state": "live"})).unwrap();
    assert_eq!(find(&bench, "research"), Purpose::from_number(5));

    let granted = |bench: &Bench, purpose| {
        bench.registry.snapshot().policy.effective(model::Basis::Unknown, purpose, None)
    };
    assert!(granted(&bench, Purpose::PERSONALIZATION));
    let denied = json!({"state": "live", "default": "denied"});
    bench.put(Kind::Purpose, "personalization", denied.clone()).unwrap();
    assert!(!granted(&bench, Purpose::PERSONALIZATION));
    refused(
        bench.put(Kind::Purpose, "service", denied),
        expect![
            "/default: suppression and caps rest on the purpose `service`, so it is always granted"
        ],
    );
    bench.put(Kind::Purpose, "service", json!({"state": "live", "description": "…"})).unwrap();
    assert!(granted(&bench, Purpose::SERVICE));
    assert!(bench.faults().is_empty());
}

#[test]
fn purposes_run_out_of_numbers() {
    let bench = Bench::new();
    for i in 5..Purpose::COUNT {
        let name = format!("p{i}");
        bench.put(Kind::Purpose, &name, json!({"state": "live"})).unwrap();
        bench.state(Kind::Purpose, &name, State::Archived).unwrap();
        bench.delete(Kind::Purpose, &name).unwrap();
    }
    refused(
        bench.put(Kind::Purpose, "more", json!({"state": "live"})),
        expect!["/state: 27 purposes have gone live, and data carries their numbers"],
    );
    bench.put(Kind::Purpose, "more", json!({})).unwrap();
}

#[test]
fn kinds_have_limits() {
    let bench = Bench::new();
    for i in 0..draft::limit(Kind::Source) {
        bench.put(Kind::Source, &format!("s{i}"), json!({"kind": "server"})).unwrap();
    }
    refused(
        bench.put(Kind::Source, "more", json!({"kind": "server"})),
        expect![": there are 200 sources already, which is the most"],
    );
    bench.put(Kind::Source, "s1", json!({"kind": "public"})).unwrap();
}

#[test]
fn listings_go_by_key_in_pages() {
    let bench = Bench::new();
    for name in ["c", "a", "d", "b"] {
        bench.put(Kind::Audience, name, audience("draft", everyone())).unwrap();
    }
    bench.delete(Kind::Audience, "c").unwrap();
    let mut cursor = None;
    let mut pages = Vec::new();
    loop {
        let page = bench.registry.list(Kind::Audience, cursor.as_deref(), 2);
        pages.push(page.items.iter().map(|d| d.document["key"].clone()).collect::<Vec<_>>());
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, [vec![json!("a"), json!("b")], vec![json!("d")]]);
}

#[test]
fn every_save_is_in_the_audit_log() {
    let mut bench = Bench::new();
    bench.put(Kind::Audience, "vip", audience("draft", everyone())).unwrap();
    bench.now = Timestamp(2_000);
    bench.state(Kind::Audience, "vip", State::Live).unwrap();
    bench.acting_as(&[Scope::DefinitionsWrite, Scope::DefinitionsPublish]);
    bench.delete(Kind::Audience, "vip").unwrap();
    let lines: Vec<_> = audit::page(&bench.store, None, 10)
        .unwrap()
        .items
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap())
        .collect();
    expect![[r#"
        {"at":"1970-01-01T00:00:02.000Z","actor":"bob","action":"definition.delete","subject":"audiences/vip","change":[{"old":{"condition":{"all":[]},"key":"vip","state":"live"},"pointer":""}]}
        {"at":"1970-01-01T00:00:02.000Z","actor":"ann","action":"definition.state","subject":"audiences/vip","change":[{"new":"live","old":"draft","pointer":"/state"}]}
        {"at":"1970-01-01T00:00:01.000Z","actor":"ann","action":"definition.put","subject":"audiences/vip","change":[{"new":{"condition":{"all":[]},"key":"vip","state":"draft"},"pointer":""}]}"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn a_long_document_survives_a_restart() {
    let bench = Bench::new();
    let document = json!({"description": "é".repeat(30_000), "condition": everyone()});
    let saved = bench.put(Kind::Audience, "long", document).unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.get(Kind::Audience, "long").unwrap(), saved);
}

#[test]
fn a_document_that_no_longer_reads_is_kept_listed_and_mended() {
    let bench = Bench::new();
    bench.put(Kind::Audience, "sound", audience("live", everyone())).unwrap();
    let stored = |document: Value| Version {
        definition: Definition {
            kind: Kind::Audience,
            document: document.as_object().unwrap().clone(),
            version: 1,
            state: State::Live,
            updated_at: Timestamp(0),
            updated_by: "an older program".into(),
        },
        deleted: false,
        unreadable: false,
    };
    let mut batch = Batch::new();
    let old = stored(json!({"key": "old", "state": "live", "rule": {}}));
    let bad = stored(json!({"key": "bad", "state": "live", "condition": {"any": 1}}));
    for (version, name) in [(old, "old"), (bad, "bad")] {
        for (table, row_key, value) in stored::version_writes(&version, &key(name)).unwrap() {
            batch.put(table, row_key, value.unwrap());
        }
    }
    let garbage = rows::cut(Table::Definition, b"\x03odd\0\0\0\0\0\0\0\0\x07", b"\xff").unwrap();
    for (table, row_key, value) in garbage {
        batch.put(table, row_key, value.unwrap());
    }
    bench.store.commit(batch).unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.audiences(), ["sound"]);
    assert_eq!(bench.keys(Kind::Audience), ["bad", "odd", "old", "sound"]);
    expect![[r#"
        audience `odd`: : the stored document does not read back; save it again
        audience `old`: /rule: unknown field `rule`, expected one of `key`, `name`, `description`, `tags`, `state`, `purpose`, `condition`
        /condition: missing field `condition`
        audience `bad`: /condition/any: this is a list of at most 256 conditions"#]].assert_eq(&bench.faults().join("\n"));
    assert_eq!(bench.get(Kind::Audience, "old").unwrap().document["rule"], json!({}));
    bench.state(Kind::Audience, "bad", State::Archived).unwrap();
    bench.delete(Kind::Audience, "old").unwrap();
    let mended = bench.put(Kind::Audience, "odd", audience("live", everyone())).unwrap();
    assert_eq!(mended.version, 8);
    assert_eq!(bench.audiences(), ["odd", "sound"]);
    assert!(bench.faults().is_empty(), "{:?}", bench.faults());
}

#[test]
fn checking_tells_what_saving_would_and_saves_nothing() {
    let bench = Bench::new();
    let check = |document: Value| {
        bench.registry.check(Kind::Audience, &key("vip"), document.as_object().unwrap())
    };
    check(audience("live", everyone())).unwrap();
    refused(
        check(audience("live", json!({"audience": "none"}))),
        expect!["/condition/audience: audience `none` does not exist"],
    );
    refused(bench.get(Kind::Audience, "vip"), expect!["audience `vip` not found"]);
    assert_eq!(bench.registry.snapshot().version, 0);
}

#[test]
fn schemas_describe_documents() {
    for kind in Kind::ALL {
        let schema = schema(kind);
        assert_eq!(schema["additionalProperties"], false, "{kind:?}");
        assert!(schema["properties"]["key"].is_object(), "{kind:?}");
    }
}

fn plan(plan: &str) -> Value {
    json!({"state": "live", "condition": {"trait": "plan", "op": "eq", "value": plan}})
}

impl Bench {
    /// Edits a live audience, whose version before goes on acting.
    fn edit(&self, name: &str, document: Value) -> Result<Definition, DefinitionError> {
        let how = (Expect::Anything, Switch::Manual);
        self.put_switching(Kind::Audience, name, document, how)
    }

    fn switch(&self, name: &str, expect: Expect) -> Result<Definition, DefinitionError> {
        let prepared = self.registry.prepare_switch(&key(name), expect, true, self.act())?;
        Ok(self.finish(prepared))
    }

    /// The versions of audiences that act, and those that are to act next.
    fn versions(&self) -> (Vec<u32>, Vec<u32>) {
        let audiences = &self.registry.snapshot().audiences;
        let versions = |all: &[audience::Audience]| all.iter().map(|a| a.version()).collect();
        (versions(audiences.audiences()), versions(audiences.shadows()))
    }
}

#[test]
fn an_edit_acts_when_it_is_switched_to_and_is_kept_until_then() {
    let bench = Bench::new();
    bench.put(Kind::Audience, "vip", plan("pro")).unwrap();
    assert_eq!(bench.versions(), (vec![1], vec![]));
    bench.edit("vip", plan("team")).unwrap();
    assert_eq!(bench.versions(), (vec![1], vec![2]));
    // An edit of the edit takes its place; what acts goes on acting.
    bench.edit("vip", plan("all")).unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.versions(), (vec![1], vec![3]));
    let (edit, next) = bench.registry.edit(&key("vip")).unwrap();
    assert_eq!((edit.live.definition.version, edit.switch, next.version), (1, Switch::Manual, 3));
    assert!(!bench.registry.switches_by_itself());
    let told = |result: Result<Definition, DefinitionError>| result.unwrap_err().to_string();
    assert_eq!(told(bench.switch("vip", Expect::Version(2))), "audience `vip` is at version 3");
    let unready = bench.registry.prepare_switch(&key("vip"), Expect::Anything, false, bench.act());
    assert!(matches!(unready, Err(DefinitionError::Incomplete { version: 3, .. })));
    bench.switch("vip", Expect::Version(3)).unwrap();
    assert_eq!(bench.versions(), (vec![3], vec![]));
    let again = told(bench.switch("vip", Expect::Anything));
    assert_eq!(again, "audience `vip` has no version that waits to act");
    assert_eq!(bench.reopen().versions(), (vec![3], vec![]));
}

#[test]
fn an_edit_ends_with_what_takes_its_place() {
    let bench = Bench::new();
    for (name, end) in [
        ("named", json!({"state": "live", "name": "VIP", "condition": plan("pro")["condition"]})),
        ("away", json!({"state": "archived", "condition": plan("team")["condition"]})),
    ] {
        bench.put(Kind::Audience, name, plan("pro")).unwrap();
        bench.edit(name, plan("team")).unwrap();
        bench.edit(name, end).unwrap();
        assert!(bench.registry.edit(&key(name)).is_none(), "{name}");
    }
    assert_eq!(bench.versions(), (vec![3], vec![]));
    bench.put(Kind::Audience, "gone", plan("pro")).unwrap();
    bench.edit("gone", plan("team")).unwrap();
    let act = bench.act();
    let delete = bench.registry.prepare_delete(Kind::Audience, &key("gone"), Expect::Anything, act);
    bench.finish(delete.unwrap());
    assert_eq!(bench.reopen().versions(), (vec![3], vec![]));
}

#[test]
fn what_acts_keeps_what_it_refers_to_until_the_switch() {
    let bench = Bench::new();
    bench.put(Kind::Audience, "base", plan("pro")).unwrap();
    let follower = json!({"state": "live", "condition": {"audience": "base"}});
    bench.put(Kind::Audience, "follower", follower).unwrap();
    bench.edit("follower", plan("team")).unwrap();
    let archived = bench.state(Kind::Audience, "base", State::Archived);
    assert!(matches!(archived, Err(DefinitionError::InUse { .. })), "{archived:?}");
    // Nor may the two versions refer to each other when both are to act.
    bench.edit("follower", json!({"state": "live", "condition": {"audience": "base"}})).unwrap();
    bench
        .edit("base", json!({"state": "live", "condition": {"audience": "follower"}}))
        .unwrap_err();
    bench.edit("follower", plan("team")).unwrap();
    bench.switch("follower", Expect::Anything).unwrap();
    bench.state(Kind::Audience, "base", State::Archived).unwrap();
}
