//! The rows of one person, table by table.

use std::{collections::HashSet, ops::ControlFlow};

use model::{
    Basis, Event, IdentifierType, Seq, StrandId, Timestamp, Value,
    condition::{Account as _, Fact, Sight, Truth},
    value::Object,
};
use profile::{View, accounts::Around, traits, view::Derived};
use rustc_hash::FxBuildHasher;
use serde_json::json;

use crate::{
    accounts::{self, book::Book},
    body,
    export::{ExportRequest, ExportSummary, Table, Take},
    facts::{Asked, Seen, Views},
    keys::{self, Hash16, Kind},
    load::Person,
    page::{Pages, Stored},
    people::show,
    record::{EventHead, Unreadable},
    recording::document::Documents,
    sealed::RowError,
    snapshot::Snapshot,
    state::Shared,
};

type Passed = Result<ControlFlow<()>, RowError>;

/// An export under way.
pub(super) struct Export<'a> {
    shared: &'a Shared,
    snapshot: &'a Snapshot,
    pages: &'a Stored<'a>,
    book: Book<'a>,
    documents: Documents<'a>,
    /// The accounts that were handed out, by their names: each is told once.
    told: HashSet<Hash16, FxBuildHasher>,
    request: &'a ExportRequest,
    now: Timestamp,
    summary: ExportSummary,
    take: &'a mut Take<'a>,
}

impl<'a> Export<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        snapshot: &'a Snapshot,
        pages: &'a Stored<'a>,
        request: &'a ExportRequest,
        take: &'a mut Take<'a>,
    ) -> Self {
        let mut summary = ExportSummary::default();
        if request.table == Table::Memberships {
            let others = snapshot.audiences.audiences().iter();
            let others = others.filter(|audience| audience.purpose() != request.purpose);
            summary.audiences_withheld = others.count() as u64;
        }
        let (book, documents) = (Book::of(pages), Documents::over(pages.reader));
        let (told, now) = (HashSet::default(), shared.clock.now());
        Self { shared, snapshot, pages, book, documents, told, request, now, summary, take }
    }

    pub(super) fn summary(self) -> ExportSummary {
        self.summary
    }

    pub(super) fn count_unreadable(&mut self) -> ControlFlow<()> {
        self.summary.people_unreadable += 1;
        ControlFlow::Continue(())
    }

    /// The person's rows.
    pub(super) fn person(&mut self, person: &Person) -> Passed {
        self.summary.people += 1;
        let view = person.profile.view(&self.snapshot.policy, self.request.purpose);
        if self.request.table == Table::Consents {
            return Ok(self.consents(person));
        }
        if !view.granted() {
            self.summary.people_withheld += 1;
            return Ok(ControlFlow::Continue(()));
        }
        match self.request.table {
            Table::Profiles => Ok(self.profile(person, &view)),
            Table::Memberships => self.memberships(person),
            Table::Events => self.events(person),
            Table::Decisions => self.decisions(person),
            Table::Accounts | Table::AccountMembers => self.accounts(person, &view),
            Table::Consents => Ok(ControlFlow::Continue(())),
        }
    }

    fn pass(&mut self, row: Value) -> ControlFlow<()> {
        let Value::Object(row) = row else { return ControlFlow::Continue(()) };
        self.summary.rows += 1;
        (self.take)(&row)
    }

    fn profile(&mut self, person: &Person, view: &View<'_>) -> ControlFlow<()> {
        let records = person.profile.records();
        let seen = Seen { view: *view, context: None, accounts: Vec::new() };
        let (sight, rules) = (self.request.sight, &self.snapshot.traits);
        let computed = seen.computed(&self.snapshot.names, sight, |_| true, self.now);
        let derived = Derived { computed, ..Derived::default() };
        let is_hidden = |name: &str| sight != Sight::Full && rules.is_sensitive(name);
        let mut fields = view.fields(derived, &is_hidden, None);
        let mut part = |name: &str| fields.remove(name).unwrap_or_else(|| json!({}));
        let (traits, computed) = (part("traits"), part("computed"));
        let known = records.traits.iter().filter(|(_, known)| !known.value.is_null());
        let (masked, known): (Vec<_>, Vec<_>) = known.partition(|(name, _)| is_hidden(name));
        let shown = traits.as_object().map_or(0, Object::len);
        let withheld = known.len().saturating_sub(shown) as u64;
        self.summary.traits_withheld += withheld;
        self.summary.traits_masked += masked.len() as u64;
        self.pass(json!({
            "profile": person.profile.id(),
            "user_id": user_id(person),
            "aliases": show::aliases(&person.profile),
            "identifiers": show::identifiers(person),
            "traits": traits,
            "traits_withheld": withheld,
            "computed": computed,
            "first_seen": records.seen.map(|seen| seen.first),
            "last_seen": records.seen.map(|seen| seen.last),
            "suppressed": records.suppressed,
        }))
    }

    fn memberships(&mut self, person: &Person) -> Result<ControlFlow<()>, RowError> {
        let accounts = self.book.around(&person.profile)?;
        let views =
            Views::of(&person.profile, &self.snapshot.policy).among(&accounts, self.snapshot);
        let catalog = &self.snapshot.audiences;
        let asked = Asked::new(&views, self.snapshot, &person.memberships, self.now);
        for audience in catalog.audiences().iter().filter(|audience| !audience.is_stage()) {
            let is_asked = self.request.audience.as_ref().is_none_or(|key| key == audience.key());
            // An audience is visible only in views for its own purpose.
            if !is_asked || audience.purpose() != self.request.purpose {
                continue;
            }
            let membership = asked.facts(audience.purpose()).membership(audience.key());
            let Some(membership) = membership.filter(|found| found.truth == Truth::True) else {
                continue;
            };
            let passed = self.pass(json!({
                "audience": audience.key(),
                "audience_version": audience.version(),
                "profile": person.profile.id(),
                "user_id": user_id(person),
                "since": membership.since,
                "valid_until": membership.valid_until,
            }));
            if passed.is_break() {
                return Ok(passed);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The accounts of which it may be known that the person belongs to them.
    fn accounts(&mut self, person: &Person, view: &View<'_>) -> Passed {
        let around = self.book.around(&person.profile)?;
        let around = Around { accounts: &around, audiences: self.snapshot };
        for account in view.accounts(around) {
            let Fact::Known(account) = account else { continue };
            let name = account.id().as_str().unwrap_or_default();
            let passed = if self.request.table == Table::AccountMembers {
                let said = person.profile.records().accounts.get(name);
                let role = match account.role() {
                    Fact::Known(role) => Some(role),
                    Fact::Missing | Fact::Withheld => None,
                };
                self.pass(json!({
                    "account": account.id(),
                    "profile": person.profile.id(),
                    "user_id": user_id(person),
                    "role": role,
                    "said_at": said.map(|said| said.origin.order.time),
                }))
            } else if self.told.insert(accounts::name(&self.shared.keys, name)) {
                let traits = account.fields().remove("traits");
                self.pass(json!({"account": account.id(), "traits": traits}))
            } else {
                continue;
            };
            if passed.is_break() {
                return Ok(passed);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn consents(&mut self, person: &Person) -> ControlFlow<()> {
        let ledger = &person.profile.records().consents;
        for rule in self.snapshot.policy.rules() {
            let basis = ledger.basis(rule.purpose);
            let mut statements = ledger.statements();
            let newest = statements.find(|statement| {
                let said = statement.consents;
                said.granted.contains(rule.purpose) || said.denied.contains(rule.purpose)
            });
            let passed = self.pass(json!({
                "profile": person.profile.id(),
                "purpose": rule.key,
                "said": (basis != Basis::Unknown).then_some(basis),
                "said_at": newest.map(|statement| statement.order.time),
                "granted": person.profile.view(&self.snapshot.policy, rule.purpose).granted(),
            }));
            if passed.is_break() {
                return passed;
            }
        }
        ControlFlow::Continue(())
    }

    fn events(&mut self, person: &Person) -> Passed {
        for strand in person.profile.records().component.unpack().strands {
            for (seq, time) in self.places(strand)? {
                let key = self.pages.existing(strand)?.key().clone();
                let event = body::read(self.pages.reader, &self.shared.keys, &key, seq, time)?;
                let mut event = event;
                if self.request.sight != Sight::Full {
                    let (shown, masked) = traits::masked(&self.snapshot.traits, event.traits);
                    event.traits = shown;
                    self.summary.traits_masked += masked.len() as u64;
                }
                let passed = self.pass(event_row(person, seq, event, self.snapshot));
                if passed.is_break() {
                    return Ok(passed);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Where the events of a strand are that are asked for and may be handed out, in the order of the log.
    fn places(&mut self, strand: StrandId) -> Result<Vec<(Seq, Timestamp)>, RowError> {
        let page = self.pages.existing(strand)?;
        let (request, mut withheld, mut places) = (self.request, 0, Vec::new());
        let mut look = |name: &[u8], row: &[u8]| -> Result<(), RowError> {
            let place = keys::parse_event(name).ok_or(Unreadable("event"))?;
            if !request.covers(place.time) {
                return Ok(());
            }
            if EventHead::parse(row)?.purposes.contains(request.purpose) {
                places.push((place.seq, place.time));
            } else {
                withheld += 1;
            }
            Ok(())
        };
        page.chunks(self.pages.reader, &mut look)?;
        page.of_kind(Kind::Event).try_for_each(|(name, row)| look(name, row))?;
        self.summary.events_withheld += withheld;
        places.sort_unstable();
        Ok(places)
    }

    fn decisions(&mut self, person: &Person) -> Passed {
        for strand in person.profile.records().component.unpack().strands {
            let page = self.pages.existing(strand)?;
            let mut rows = Vec::new();
            show::sealed_decisions(self.pages.reader, strand, &mut |at, key, row| {
                if self.request.covers(at) {
                    rows.push((key.to_vec(), row.to_vec()));
                }
            })?;
            for (row_key, row) in rows {
                let keys = &self.shared.keys;
                let document = show::decision(&mut self.documents, keys, &page, &row_key, &row)?;
                for row in decision_rows(person, &document) {
                    let passed = self.pass(row);
                    if passed.is_break() {
                        return Ok(passed);
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn user_id(person: &Person) -> Option<String> {
    let identifiers = person.profile.records().component.unpack().identifiers;
    let user = identifiers.iter().find(|known| known.identifier.kind == IdentifierType::UserId);
    user.map(|known| known.identifier.value.to_string())
}

fn event_row(person: &Person, seq: Seq, event: Event, snapshot: &Snapshot) -> Value {
    let identifier = |kind| {
        let found = event.identifiers.iter().find(|identifier| identifier.kind == kind);
        found.map(|identifier| identifier.value.as_str())
    };
    json!({
        "position": seq.0,
        "profile": person.profile.id(),
        "message_id": event.message_id,
        "type": event.kind.to_string(),
        "name": event.name,
        "event_time": event.event_time,
        "received_at": event.received_at,
        "source": event.source,
        "party": snapshot.parties.get(&event.source),
        "historical": event.historical,
        "user_id": identifier(IdentifierType::UserId),
        "anonymous_id": identifier(IdentifierType::AnonymousId),
        "properties": event.properties,
        "context": event.context,
        "traits": event.traits,
        "marks": event.marks.words().collect::<Vec<_>>(),
    })
}

/// One row for each placement that a record answered for.
fn decision_rows(person: &Person, document: &Value) -> Vec<Value> {
    let decided = document["decisions"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |decided: &Value| {
        json!({
            "decision": decided["id"],
            "decided_at": document["at"],
            "profile": person.profile.id(),
            "placement": decided["placement"],
            "placement_version": decided["placement_version"],
            "experience": decided["experience"]["key"],
            "experience_version": decided["experience"]["version"],
            "variant": decided["variant"],
            "reason": decided["reason"],
            "propensity": decided["propensity"],
            "held_out_of": decided["shadow"]["experience"]["key"],
            "holdout": decided["shadow"]["holdout"],
            "definitions_version": document["definitions_version"],
        })
    };
    decided.iter().map(row).collect()
}
