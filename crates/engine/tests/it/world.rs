//! A workspace in a temporary directory, with a clock that stands until it is moved.

use std::sync::Arc;

use engine::{
    Engine, ManualClock, Options,
    acts::{ActError, Ask, Done, Split},
    decide::{DecideAnswer, DecideRequest},
    definitions::{Definition, DefinitionError, Expect, Kind, Scope, Switch, Token},
    ingest::{Arrival, EventVerdict, Item, Rejected},
    people::Edit,
    privacy::{self, RequestKind},
};
use model::{
    ActId, Consents, Duration, Event, EventKind, Identifier, IdentifierType, LazyObject, ProfileId,
    Timestamp, Value, value::Object,
};
use serde_json::json;

/// The instant at which every world begins.
pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    sent: u32,
}

/// An event to be sent: who, what, and when relative to the clock.
pub(crate) struct Sent<'a> {
    pub(crate) ids: &'a [(&'a str, &'a str)],
    pub(crate) name: &'a str,
    pub(crate) properties: Value,
    pub(crate) context: Value,
    pub(crate) traits: Value,
    pub(crate) consents: Consents,
    pub(crate) ago: Duration,
    /// When it happened, if not `ago`.
    pub(crate) at: Option<Timestamp>,
    pub(crate) message_id: Option<&'a str>,
}

impl Default for Sent<'_> {
    fn default() -> Self {
        Self {
            ids: &[],
            name: "Page Viewed",
            properties: json!({}),
            context: json!({}),
            traits: json!({}),
            consents: Consents::default(),
            ago: Duration(0),
            at: None,
            message_id: None,
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let engine = open(dir.path(), &clock);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { engine, clock, runtime, dir, sent: 0 }
    }

    /// Stops the engine and opens the directory again.
    pub(crate) fn restart(&mut self) {
        self.engine.shutdown();
        // The old engine must let go of the directory before the new one takes it.
        let elsewhere = tempfile::tempdir().unwrap();
        self.engine = open(elsewhere.path(), &self.clock);
        self.engine = open(self.dir.path(), &self.clock);
    }

    pub(crate) fn now(&self) -> Timestamp {
        use engine::Clock;
        self.clock.now()
    }

    pub(crate) fn pass(&self, time: Duration) {
        use engine::Clock;
        self.clock.set(self.clock.now().saturating_add(time));
    }

    /// Waits for an answer of the engine.
    pub(crate) fn block_on<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    pub(crate) fn define(&self, kind: Kind, document: Value) {
        let key = document["key"].as_str().unwrap().parse().unwrap();
        let Value::Object(mut document) = document else { panic!("not an object") };
        document.entry("state").or_insert("live".into());
        let admin = admin();
        let saved = self.engine.put_definition(kind, key, document, Expect::Anything, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    /// Saves the new version of an audience.
    pub(crate) fn edit(&self, document: Value, switch: Switch) {
        let key = document["key"].as_str().unwrap().parse().unwrap();
        let Value::Object(document) = document else { panic!("not an object") };
        let (kind, admin) = (Kind::Audience, admin());
        let engine = &self.engine;
        let saved = engine.put_switching(kind, key, document, Expect::Anything, switch, &admin);
        self.runtime.block_on(saved).unwrap();
    }

    /// The edit of an audience, as everyone is looked at.
    pub(crate) fn edited(&self, key: &str) -> Option<Edit> {
        self.engine.edit(&key.parse().unwrap(), 5, &|_| true).ok()
    }

    /// Lets the newest version of an audience act.
    pub(crate) fn switch(&self, key: &str) -> Result<Definition, DefinitionError> {
        let key = key.parse().unwrap();
        self.runtime.block_on(self.engine.switch_audience(key, Expect::Anything, &admin()))
    }

    pub(crate) fn send(&mut self, sent: Sent<'_>) -> EventVerdict {
        self.send_all([sent]).into_iter().next().unwrap()
    }

    /// Sends events in one call.
    pub(crate) fn send_all<'a>(
        &mut self,
        all: impl IntoIterator<Item = Sent<'a>>,
    ) -> Vec<EventVerdict> {
        let all = all.into_iter().map(|sent| Item::Event(Box::new(self.event(sent)))).collect();
        self.runtime.block_on(self.engine.ingest(all)).unwrap()
    }

    fn event(&mut self, sent: Sent<'_>) -> Event {
        self.sent += 1;
        // Events of one instant are ordered by chance; what a test sends one after the other
        // happened one after the other.
        self.pass(Duration(1));
        let now = self.now();
        let ids = sent
            .ids
            .iter()
            .map(|(kind, value)| Identifier::new(IdentifierType::parse(kind).unwrap(), *value));
        let default_id = format!("m{}", self.sent);
        Event {
            source: "default".parse().unwrap(),
            message_id: sent.message_id.unwrap_or(&default_id).into(),
            kind: EventKind::Track,
            name: sent.name.into(),
            identifiers: ids.collect(),
            event_time: sent.at.unwrap_or(now.saturating_sub(sent.ago)),
            received_at: now,
            sent_at: None,
            properties: object(sent.properties).into(),
            traits: object(sent.traits),
            context: object(sent.context).into(),
            consents: sent.consents,
            historical: false,
            marks: model::event::Marks::default(),
        }
    }

    pub(crate) fn see(&mut self, ids: &[(&str, &str)], name: &str, properties: Value) {
        let verdict = self.send(Sent { ids, name, properties, ..Sent::default() });
        assert_eq!(verdict, EventVerdict::Accepted);
    }

    /// One event of each of many people, in one call.
    pub(crate) fn see_all<'a>(&mut self, users: impl Iterator<Item = &'a str>, name: &str) {
        let ids: Vec<_> = users.map(|user| [("user_id", user)]).collect();
        let verdicts = self.send_all(ids.iter().map(|ids| Sent { ids, name, ..Sent::default() }));
        assert!(verdicts.iter().all(|verdict| *verdict == EventVerdict::Accepted));
    }

    pub(crate) fn act(&self, ask: Ask) -> Result<Done, ActError> {
        self.runtime.block_on(self.engine.act(ask, &admin()))
    }

    /// Takes the person who holds an identifier apart.
    pub(crate) fn split(&self, of: (&str, &str), how: Split) -> Result<Done, ActError> {
        self.act(Ask::Split { profile: self.id(of), how })
    }

    /// Takes an act on the person who holds an identifier back.
    pub(crate) fn undo(&self, of: (&str, &str), act: ActId) -> Result<Done, ActError> {
        self.act(Ask::Undo { profile: self.id(of), act })
    }

    pub(crate) fn id(&self, (kind, value): (&str, &str)) -> ProfileId {
        let identifier = Identifier::new(IdentifierType::parse(kind).unwrap(), value);
        self.engine.find_profile(&identifier).unwrap().unwrap()
    }

    /// Files a request of a person about their own data.
    pub(crate) fn file(&self, kind: RequestKind, identifier: (&str, &str), traits: Value) -> Value {
        let (of, value) = identifier;
        let ask = privacy::Ask {
            kind,
            identifier: Identifier::new(IdentifierType::parse(of).unwrap(), value),
            traits: object(traits),
            reason: None,
            idempotency_key: None,
        };
        let filed = self.runtime.block_on(self.engine.file_privacy_request(ask, &admin()));
        filed.unwrap().request
    }

    /// Sends something that is no sound event.
    pub(crate) fn send_unsound(&self, body: &str) {
        let rejected = Rejected {
            source: "default".parse().unwrap(),
            code: "no_event_name".into(),
            detail: "a track call needs `event`".into(),
            arrival: Arrival::default(),
            body: body.as_bytes().to_vec(),
        };
        let items = vec![Item::Rejected(Box::new(rejected))];
        self.runtime.block_on(self.engine.ingest(items)).unwrap();
    }

    /// The data directory.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn profile(&self, kind: &str, value: &str) -> Option<Value> {
        let identifier = Identifier::new(IdentifierType::parse(kind).unwrap(), value);
        let id = self.engine.find_profile(&identifier).unwrap()?;
        self.engine.profile(id, model::condition::Sight::Full).unwrap()
    }

    pub(crate) fn ask(&self, ids: &[(&str, &str)], placement: &str) -> DecideAnswer {
        self.engine.decide(&request(ids, placement)).unwrap()
    }

    /// The reason and the content of a decision, in one line.
    pub(crate) fn shown(&self, ids: &[(&str, &str)], placement: &str) -> String {
        let answer = self.ask(ids, placement);
        let decision = &answer.decisions[0];
        let content = decision.content.as_ref().map(|content| json!(**content).to_string());
        format!("{} {}", decision.reason, content.unwrap_or("nothing".into()))
    }

    /// Waits until the engine has done in spare time what `is_done` asks for.
    pub(crate) fn wait(&self, is_done: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if is_done(self) {
                return;
            }
            std::thread::yield_now();
            // The writer looks around every 20 ms; it is the writer that is waited for, not an instant.
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        panic!("waited in vain");
    }

    /// Whether a person is stored as a member, without any evaluation in place.
    pub(crate) fn since(&self, kind: &str, value: &str, audience: &str) -> Value {
        self.profile(kind, value).map_or(Value::Null, |p| p["audiences"][audience]["since"].clone())
    }
}

pub(crate) fn request(ids: &[(&str, &str)], placement: &str) -> DecideRequest {
    let ids = ids
        .iter()
        .map(|(kind, value)| Identifier::new(IdentifierType::parse(kind).unwrap(), *value));
    DecideRequest {
        identifiers: ids.collect(),
        placements: Some(vec![placement.parse().unwrap()]),
        context: LazyObject::default(),
        consents: Consents::default(),
        explain: false,
        marks: model::event::Marks::default(),
        record: true,
        at: None,
        public: false,
        source: None,
        masked: false,
        preview: None,
    }
}

pub(crate) fn admin() -> Token {
    Token { name: "test".into(), scopes: vec![Scope::Admin] }
}

/// An event for an engine that is opened by hand.
pub(crate) fn item(ids: &[(&str, &str)], message_id: &str, at: Timestamp) -> Item {
    let ids = ids
        .iter()
        .map(|(kind, value)| Identifier::new(IdentifierType::parse(kind).unwrap(), *value));
    Item::Event(Box::new(Event {
        source: "default".parse().unwrap(),
        message_id: message_id.into(),
        kind: EventKind::Track,
        name: "View".into(),
        identifiers: ids.collect(),
        event_time: at,
        received_at: at,
        sent_at: None,
        marks: model::event::Marks::default(),
        properties: LazyObject::default(),
        traits: Object::new(),
        context: LazyObject::default(),
        consents: Consents::default(),
        historical: false,
    }))
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

fn open(dir: &std::path::Path, clock: &Arc<ManualClock>) -> Engine {
    let options = Options {
        dir: dir.to_owned(),
        clock: Arc::clone(clock) as Arc<dyn engine::Clock>,
        cache_bytes: 16 << 20,
        write_key: None,
        token: None,
    };
    Engine::open(options).unwrap().0
}
