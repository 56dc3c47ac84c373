//! Decisions: from a request to answers, by the one decision path (I6).

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use audience::Memberships;
use crossbeam_channel::Sender;
pub use decision::{Awaited, Reason, changes::Place};
use decision::{Outcome, Recording, Reference, TokenClaims};
use model::{
    Consents, Country, DecisionId, Drawn, Identifier, Key, LazyObject, Purpose, SourceKey,
    StrandId, Timestamp, UnitId,
    condition::{self, Facts, Sight},
    definition::Fault,
    event::Marks,
    value::{Object, Path},
};
use profile::{Account, Component, Profile, PurposePolicy, view::Derived};
use serde::Serialize;
use thiserror::Error;

use crate::{
    engine::EngineError,
    explain,
    facts::{Asked, Request, Serviced, Views},
    load::Loader,
    normalise,
    people::show,
    preview::{Claims, Preview, PreviewError},
    recording::{Answered, Record},
    sealed::{Address, RowError},
    snapshot::Snapshot,
    state::Shared,
    who,
};

/// A decision request, authenticated and parsed.
#[derive(Clone, Debug)]
pub struct DecideRequest {
    /// Who is asked about; may be empty (then only context decides).
    pub identifiers: Vec<Identifier>,
    /// Which placements; `None` asks for every placement whose `match` holds. At most 50.
    pub placements: Option<Vec<Key>>,
    /// The situation.
    pub context: LazyObject,
    /// What the request itself says about consent: narrows this decision, and binds nothing else.
    pub consents: model::Consents,
    /// Walk the whole way and say why. For tokens, and previews that allow it.
    pub explain: bool,
    /// Keep a record. Default true.
    pub record: bool,
    /// Decide as if the clock stood here. Token only; never recorded.
    pub at: Option<Timestamp>,
    /// What was noticed about the caller.
    pub marks: Marks,
    /// Called with a write key of a public source and no identity token: sees public fields only.
    pub public: bool,
    /// The source that asks; none where a token does.
    pub source: Option<SourceKey>,
    /// The caller may not see sensitive values: none is filled in, and explanations show none.
    pub masked: bool,
    /// The signed preview that says as whom, and what, to decide.
    pub preview: Option<String>,
}

impl DecideRequest {
    /// How much the caller may see.
    fn sight(&self) -> Sight {
        match (self.public, self.masked) {
            (true, _) => Sight::Public,
            (false, true) => Sight::Masked,
            (false, false) => Sight::Full,
        }
    }

    /// The situation that was decided in, for those who ask why.
    fn completed_context(&self) -> Option<LazyObject> {
        self.explain.then(|| self.context.clone())
    }

    /// What it adds to the person whom it is about, who is met on a device if it names one.
    fn around(&self, device: Option<UnitId>, policy: &PurposePolicy) -> Request<'_> {
        let country = self.country(policy);
        Request { context: &self.context, said: self.consents, device, country }
    }

    fn asked_for<'a>(&'a self, preview: Option<&'a Preview>) -> decision::Request<'a> {
        decision::Request {
            placements: self.placements.as_deref(),
            context: &self.context,
            public: self.public,
            explain: self.explain,
            forced: preview.map(|preview| &preview.variants),
        }
    }

    /// Where the person is, if the context says so and purposes make a difference between countries.
    pub(crate) fn country(&self, policy: &PurposePolicy) -> Option<Country> {
        country(&self.context, policy)
    }
}

/// The country that a context names, if purposes make a difference between countries.
pub(crate) fn country(context: &LazyObject, policy: &PurposePolicy) -> Option<Country> {
    let context = policy.is_regional().then_some(context)?;
    normalise::country(|name| context.get(name), &Object::new())
}

/// The answer to a decision request.
#[derive(Clone, Debug, Serialize)]
pub struct DecideAnswer {
    /// One decision for each placement asked for, in the order asked.
    pub decisions: Vec<Decision>,
    /// The version of the definitions that decided.
    pub definitions_version: u64,
    /// Decided as a preview says: nothing of it is recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
    /// The situation as it was completed, where it is asked why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<LazyObject>,
}

/// One decided placement.
#[derive(Clone, Debug, Serialize)]
pub struct Decision {
    /// Its id.
    pub id: model::DecisionId,
    /// The placement.
    pub placement: Key,
    /// The experience that won, or would have (holdout).
    pub experience: Option<Key>,
    /// The variant.
    pub variant: Option<Key>,
    /// What to show; `null` shows nothing.
    pub content: Option<Arc<Object>>,
    /// Why.
    pub reason: decision::Reason,
    /// The probability with which this variant was drawn.
    pub propensity: f64,
    /// The places of a page that some variant of the experience changes: the same for every variant, the control
    /// and those held out included, so that a client finds out by one rule whether it could be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<Arc<[Place]>>,
    /// What a page waits for before it shows anything of the experience, whichever the variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Awaited>,
    /// Returned by the event that says that it was used or seen, by which a record is made that was only offered or
    /// was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The record could not be queued; only hash-fixed variants are served then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
    /// From event to identity to audience to rule to content; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Vec<decision::Step>>,
}

impl Decision {
    /// What came out, without a token. Takes the explanation from the outcome.
    fn of(
        id: DecisionId,
        outcome: &mut Outcome,
        request: &DecideRequest,
        snapshot: &Snapshot,
    ) -> Self {
        let experience = outcome.experience.as_ref().map(|experience| &experience.key);
        let on_page = experience.and_then(|key| snapshot.decisions.on_page(key));
        let explanation = std::mem::take(&mut outcome.explanation);
        Self {
            id,
            placement: outcome.placement.clone(),
            experience: outcome.experience.as_ref().map(|e| e.key.clone()),
            variant: outcome.variant.clone(),
            content: outcome.content.clone(),
            reason: outcome.reason,
            propensity: outcome.propensity,
            places: on_page.and_then(|page| page.places.clone()),
            trigger: on_page.and_then(|page| page.awaited),
            token: None,
            unrecorded: false,
            explanation: request.explain.then_some(explanation),
        }
    }
}

/// Why nothing could be decided.
#[derive(Debug, Error)]
pub enum DecideError {
    /// The preview cannot be looked at.
    #[error(transparent)]
    Preview(#[from] PreviewError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<RowError> for DecideError {
    fn from(error: RowError) -> Self {
        Self::Engine(error.into())
    }
}

/// What deciding needs beside what the engine shares.
#[derive(Debug)]
pub(crate) struct Decider {
    records: Sender<Record>,
    /// Ids are unique among the starts of an engine by their upper half.
    id_prefix: u64,
    id_count: AtomicU64,
    token_key: [u8; 32],
    preview_key: [u8; 32],
}

/// What is signed with which key.
pub(crate) struct SigningKeys {
    /// The tokens of decisions.
    pub(crate) token: [u8; 32],
    /// Previews.
    pub(crate) preview: [u8; 32],
}

/// What marks a request: what its source says, and what its context shows.
fn marks(shared: &Shared, snapshot: &Snapshot, request: &DecideRequest) -> Marks {
    let shown = shared.agents.of_content(&snapshot.traffic, &request.context, &Object::new());
    request.marks.with(shown)
}

/// Whether who asks is no person, or has an identifier of somebody who is to be left alone.
fn is_left_alone(shared: &Shared, marks: Marks, request: &DecideRequest) -> bool {
    marks.has(Marks::BOT.with(Marks::UNCOUNTED))
        || shared.bars.suppresses(&shared.keys, &request.identifiers)
}

/// Whom a request is about, in full.
struct Subject<'a> {
    profile: &'a Profile,
    accounts: &'a [Arc<Account>],
    memberships: &'a Memberships,
    wins: &'a BTreeMap<Key, Vec<Timestamp>>,
    unit: UnitId,
    device: Option<UnitId>,
    known: Option<Known<'a>>,
    is_left_alone: bool,
}

/// By what it is known whom a request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    /// An identifier of the request.
    By(&'a Identifier),
    /// A preview names the profile.
    Named,
    /// A preview invents them.
    Invented,
}

impl Subject<'_> {
    /// What the one decision path says.
    fn outcomes(
        &self,
        snapshot: &Snapshot,
        request: &DecideRequest,
        preview: Option<&Preview>,
        now: Timestamp,
    ) -> Vec<Outcome> {
        let persona = preview.and_then(|preview| preview.persona.as_ref());
        let mut around = request.around(self.device, &snapshot.policy);
        if let Some(persona) = persona {
            // What the browser of whoever looks says is not what the persona says.
            (around.said, around.country) = (Consents::default(), persona.country());
        }
        let views =
            Views::of(self.profile, &snapshot.policy).among(self.accounts, snapshot).within(around);
        let sight =
            match (request.sight(), preview.is_some_and(|preview| preview.profile.is_some())) {
                // Whoever looks is not the person.
                (Sight::Full, true) => Sight::Masked,
                (sight, _) => sight,
            };
        let asked = Asked::new(&views, snapshot, self.memberships, now)
            .sighted(sight)
            .stating(persona.map(|persona| &persona.audiences as _));
        let views = &views;
        let person = Person {
            profile: self.profile,
            is_known: self.known.is_some(),
            wins: self.wins,
            views,
            asked,
            serviced: Serviced(self.profile),
            snapshot,
            sight,
            unit: self.unit,
            now,
            is_left_alone: self.is_left_alone,
        };
        let asked_for = request.asked_for(preview);
        let mut outcomes = decision::decide(&snapshot.decisions, &person, &asked_for, now);
        if request.explain {
            let story =
                explain::before(snapshot, self.profile, self.known, (views, &person.asked), now);
            for outcome in &mut outcomes {
                outcome.explanation.splice(0..0, story.iter().cloned());
            }
        }
        outcomes
    }
}

/// The person of one request.
pub(crate) struct Person<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) is_known: bool,
    pub(crate) wins: &'a BTreeMap<Key, Vec<Timestamp>>,
    pub(crate) views: &'a Views<'a>,
    pub(crate) asked: Asked<'a>,
    pub(crate) serviced: Serviced<'a>,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) sight: Sight,
    pub(crate) unit: UnitId,
    pub(crate) now: Timestamp,
    /// Who asks is no person, or has an identifier of somebody who is to be left alone.
    pub(crate) is_left_alone: bool,
}

impl decision::Person for Person<'_> {
    fn facts(&self, purpose: Purpose) -> &dyn Facts {
        self.asked.facts(purpose)
    }

    fn service_facts(&self) -> &dyn Facts {
        &self.serviced
    }

    fn granted(&self, purpose: Purpose) -> bool {
        self.views.seen(purpose).is_some_and(|seen| seen.view.granted())
    }

    fn known(&self) -> bool {
        self.is_known
    }

    fn unit(&self) -> UnitId {
        self.unit
    }

    fn suppressed(&self) -> bool {
        // Who is no person gets what everybody gets: the default.
        self.is_left_alone || self.profile.service().suppressed()
    }

    fn assignment(&self, experience: &Key) -> Option<&Key> {
        self.profile.service().assignment(experience).map(|assignment| &assignment.variant)
    }

    fn drawn(&self, experience: &Key) -> Option<Drawn> {
        self.profile.service().assignment(experience)?.drawn
    }

    fn wins_since(&self, experience: &Key, since: Timestamp) -> u32 {
        let wins = self.wins.get(experience).map_or(&[][..], |wins| wins);
        let count = wins.iter().filter(|at| **at > since).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn fields(&self, purpose: Purpose, public_only: Option<&[Path]>) -> Object {
        let Some(seen) = self.views.seen(purpose) else { return Object::new() };
        let is_shown =
            |key: &Key| public_only.is_none_or(|paths| paths.iter().any(|p| shows(p, key)));
        let computed = seen.computed(&self.snapshot.names, self.sight, is_shown, self.now);
        let own = self.snapshot.names.stages.iter().filter(|(_, stages)| stages.purpose == purpose);
        let stages = own.filter_map(|(key, stages)| {
            let facts = self.asked.facts(purpose);
            let place = condition::standing(&stages.reached, facts, self.now).stage?;
            Some((key.to_string(), stages.keys.get(place)?.as_str().into()))
        });
        let derived =
            Derived { computed, stages: stages.collect(), account: seen.current_account() };
        let is_hidden =
            |name: &str| self.sight != Sight::Full && self.snapshot.traits.is_sensitive(name);
        seen.view.fields(derived, &is_hidden, public_only)
    }
}

/// Whether a path into the fields of a template leads to a computed trait.
fn shows(path: &Path, key: &Key) -> bool {
    let Some(rest) = path.as_str().strip_prefix("computed") else { return false };
    let rest = rest.strip_prefix('.').unwrap_or_default();
    let (first, _) = rest.split_once('.').unwrap_or((rest, ""));
    first.is_empty() || first == key.as_str()
}

impl Decider {
    /// A decider whose records go to `records`. `id_prefix` is random for each start.
    pub(crate) fn new(records: Sender<Record>, id_prefix: u64, keys: SigningKeys) -> Self {
        let SigningKeys { token: token_key, preview: preview_key } = keys;
        Self { records, id_prefix, id_count: AtomicU64::new(0), token_key, preview_key }
    }

    /// Signs a preview until `expires_at`, once it is found sound.
    pub(crate) fn sign(
        &self,
        shared: &Shared,
        preview: Preview,
        expires_at: Timestamp,
    ) -> Result<String, Vec<Fault>> {
        let faults = preview.faults(&shared.registry, &shared.registry.snapshot());
        if !faults.is_empty() {
            return Err(faults);
        }
        preview.sign(expires_at, &self.preview_key).map_err(|fault| vec![fault])
    }

    /// The first of so many ids that follow each other.
    fn next_ids(&self, count: usize) -> DecisionId {
        let first = self.id_count.fetch_add(count as u64, Ordering::Relaxed);
        DecisionId::new(self.id_prefix, first)
    }

    /// Decides one request.
    pub(crate) fn decide(
        &self,
        shared: &Shared,
        request: &DecideRequest,
    ) -> Result<DecideAnswer, DecideError> {
        let token = request.preview.as_deref();
        let Some(token) = token else { return Ok(self.decide_now(shared, request)?) };
        let Claims { preview, .. } = self.read_preview(shared, token)?;
        // Who has a token may ask for reasons anyway.
        if request.explain && request.source.is_some() && !preview.debug {
            return Err(PreviewError::WithoutDebug.into());
        }
        self.preview(shared, request, &preview)
    }

    /// What a preview's token says.
    pub(crate) fn read_preview(
        &self,
        shared: &Shared,
        token: &str,
    ) -> Result<Claims, PreviewError> {
        Preview::verify(token, shared.clock.now(), &self.preview_key)
    }

    fn decide_now(
        &self,
        shared: &Shared,
        request: &DecideRequest,
    ) -> Result<DecideAnswer, RowError> {
        let snapshot = shared.registry.snapshot();
        let now = request.at.unwrap_or_else(|| shared.clock.now());
        let id = self.next_ids(1);
        let address = Address::of(&request.identifiers, &shared.keys);
        let find = |address| who::find(shared, address, &request.identifiers);
        let found = address.as_ref().map(find).transpose()?.flatten();
        let load = |found: &who::Found| who::person(shared, &snapshot, found.head);
        let loaded = found.as_ref().map(load).transpose()?;
        shared.metrics.decisions_cold.inc_by(u64::from(matches!(loaded, Some((_, true)))));
        let device = who::unit(shared, &request.identifiers);
        let stranger;
        let (profile, memberships, wins, unit) = match &loaded {
            Some((person, _)) => {
                let profile = &person.profile;
                (profile, &person.memberships, &person.wins, profile.unit())
            }
            None => {
                // Without any identifier there is nobody to be consistent for: each request is drawn by itself.
                let unit = device.unwrap_or(UnitId(id.count()));
                stranger = Stranger::new(unit);
                (&stranger.profile, &stranger.memberships, &stranger.wins, unit)
            }
        };
        // At another instant than now the stored memberships say nothing: everything is evaluated in place.
        let outside = Memberships::default();
        let memberships = if request.at.is_some() { &outside } else { memberships };
        let marks = marks(shared, &snapshot, request);
        let is_left_alone = is_left_alone(shared, marks, request);
        let known = found.as_ref().map(|found| Known::By(&found.by));
        let accounts = &who::accounts(shared, profile)?;
        let subject =
            Subject { profile, accounts, memberships, wins, unit, device, known, is_left_alone };
        let outcomes = subject.outcomes(&snapshot, request, None, now);
        shared.metrics.decisions.inc_by(outcomes.len() as u64);
        // What does not count leaves nothing behind.
        let is_kept = request.record && !marks.has(Marks::UNCOUNTED);
        let head = found.as_ref().map(|found| found.head);
        let asked = (request, address.filter(|_| is_kept).map(|address| (address, head)));
        Ok(self.answer(shared, &snapshot, asked, (id, now, unit), outcomes, memberships))
    }

    /// Decides as a preview says. Nothing of it is recorded or counted, and no exposure can be.
    fn preview(
        &self,
        shared: &Shared,
        request: &DecideRequest,
        preview: &Preview,
    ) -> Result<DecideAnswer, DecideError> {
        let snapshot = shared.registry.with_drafts(&preview.drafts);
        let now = preview.at.or(request.at).unwrap_or_else(|| shared.clock.now());
        let device = who::unit(shared, &request.identifiers);
        let address = Address::of(&request.identifiers, &shared.keys);
        let found = match (&address, preview.is_as_caller()) {
            (Some(address), true) => who::find(shared, address, &request.identifiers)?,
            _ => None,
        };
        let (head, known) = match (&found, preview.profile_id()) {
            (Some(found), _) => (Some(found.head), Some(Known::By(&found.by))),
            (None, Some(id)) => {
                let head = show::head(shared, id)?.ok_or(PreviewError::ProfileGone)?;
                (Some(head), Some(Known::Named))
            }
            (None, None) => (None, preview.persona.is_some().then_some(Known::Invented)),
        };
        let load = |head| Loader { pages: &shared.stored(), snapshot: &snapshot }.person(head);
        let loaded = head.map(load).transpose()?;
        let outside = Memberships::default();
        let (profile, memberships, wins) = match (loaded, &preview.persona) {
            (Some(person), _) => (person.profile, person.memberships, person.wins),
            (None, Some(persona)) => {
                (persona.profile(&snapshot, now), Memberships::default(), BTreeMap::new())
            }
            (None, None) => {
                let stranger = Stranger::new(device.unwrap_or(UnitId(0)));
                (stranger.profile, stranger.memberships, stranger.wins)
            }
        };
        // With other definitions, or at another instant, what is stored of memberships says nothing.
        let is_of_now = preview.drafts.is_empty() && preview.at.or(request.at).is_none();
        let accounts = who::accounts(shared, &profile)?;
        let subject = Subject {
            profile: &profile,
            accounts: &accounts,
            memberships: if is_of_now { &memberships } else { &outside },
            wins: &wins,
            unit: profile.unit(),
            device: device.filter(|_| preview.is_as_caller()),
            known,
            is_left_alone: preview.is_live()
                && is_left_alone(shared, marks(shared, &snapshot, request), request),
        };
        let outcomes = subject.outcomes(&snapshot, request, Some(preview), now);
        Ok(self.unrecorded(&snapshot, request, outcomes))
    }

    /// The answer that leaves nothing behind.
    fn unrecorded(
        &self,
        snapshot: &Snapshot,
        request: &DecideRequest,
        mut outcomes: Vec<Outcome>,
    ) -> DecideAnswer {
        let first = self.next_ids(outcomes.len());
        let ids = (first.count()..).map(|count| first.with_count(count));
        let decisions = ids
            .zip(&mut outcomes)
            .map(|(id, outcome)| Decision::of(id, outcome, request, snapshot));
        let decisions = decisions.collect();
        DecideAnswer {
            decisions,
            definitions_version: snapshot.version,
            preview: true,
            context: request.completed_context(),
        }
    }

    fn answer(
        &self,
        shared: &Shared,
        snapshot: &Snapshot,
        (request, kept): (&DecideRequest, Option<(Address, Option<StrandId>)>),
        (id, now, unit): (DecisionId, Timestamp, UnitId),
        mut outcomes: Vec<Outcome>,
        memberships: &Memberships,
    ) -> DecideAnswer {
        let first = self.next_ids(outcomes.len());
        let is_kept = request.at.is_none() && kept.is_some();
        let recording = if is_kept { Recording::Kept } else { Recording::Offered };
        let mut decisions = Vec::with_capacity(outcomes.len());
        for (outcome, count) in outcomes.iter_mut().zip(first.count()..) {
            let id = first.with_count(count);
            let token = self.token(snapshot, outcome, (id, now, unit), recording);
            decisions.push(Decision { token, ..Decision::of(id, outcome, request, snapshot) });
        }
        let is_recorded = request.at.is_some() || {
            let outcomes = &outcomes;
            let answered =
                Answered { id, first, at: now, snapshot, request, memberships, outcomes };
            kept.is_none_or(|(address, head)| {
                self.record(shared, Record::of(&answered, address, head))
            })
        };
        if !is_recorded {
            for (decision, outcome) in decisions.iter_mut().zip(&outcomes) {
                let of = (decision.id, now, unit);
                decision.token = self.token(snapshot, outcome, of, Recording::Lost);
                decision.unrecorded = true;
            }
        }
        DecideAnswer {
            decisions,
            definitions_version: snapshot.version,
            preview: false,
            context: request.completed_context(),
        }
    }

    /// Queues a record; a full queue is no reason to wait.
    fn record(&self, shared: &Shared, record: Option<Record>) -> bool {
        let is_queued = record.is_some_and(|record| self.records.try_send(record).is_ok());
        if !is_queued {
            shared.metrics.decisions_unrecorded.inc();
        }
        is_queued
    }

    /// The signed token of an outcome that an experience won.
    fn token(
        &self,
        snapshot: &Snapshot,
        outcome: &Outcome,
        (decision, at, unit): (DecisionId, Timestamp, UnitId),
        recording: Recording,
    ) -> Option<String> {
        let won = outcome.won()?;
        let shadow = outcome.shadow.as_ref();
        let version = outcome.placement_version?;
        let claims = TokenClaims {
            decision,
            at,
            unit,
            placement: Reference { key: outcome.placement.clone(), version },
            experience: won.clone(),
            variant: outcome.variant.as_ref().or(shadow.map(|shadow| &shadow.variant))?.clone(),
            holdout: shadow.map(|shadow| shadow.holdout.clone()),
            reason: outcome.reason,
            propensity: outcome.propensity,
            consent: outcome.consent,
            definitions_version: snapshot.version,
            drawn: outcome.drawn,
            recording,
        };
        Some(claims.encode(&self.token_key))
    }
}

/// Somebody of whom nothing is known.
struct Stranger {
    profile: Profile,
    memberships: Memberships,
    wins: BTreeMap<Key, Vec<Timestamp>>,
}

impl Stranger {
    fn new(unit: UnitId) -> Self {
        let nobody = StrandId { born: model::Seq(0), lane: model::Lane::from_hash(0) };
        Self {
            profile: Profile::new(Component::of(nobody), unit),
            memberships: Memberships::default(),
            wins: BTreeMap::new(),
        }
    }
}
