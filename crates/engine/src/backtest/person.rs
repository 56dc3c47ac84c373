//! One person's records, decided again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use audience::{Memberships, Stated};
use decision::{
    ExperienceDocument, HELD_OUT, Holdout, Outcome, Reference, WhyNot,
    backtest::{Action, Chances, Pair, Shown, Tally, action, chances},
};
use model::{
    Consents, Drawn, Key, Purpose, PurposeSet, StrandId, Timestamp, UnitId,
    condition::{Facts, Sight},
    value::{Object, Path},
};
use profile::Account;
use store::Reader;

use super::{
    APPROXIMATIONS, Backtest, BacktestPlan, Done, LeftOut, Move,
    effect::{Effect, Unit},
    strands,
};
use crate::{
    decide,
    definitions::Kind,
    export::is_of_one_person,
    facts::{Asked, Request, Serviced, Views},
    load::{Loader, Person},
    page::{Pages as _, Stored},
    people::show,
    recording::{
        self,
        document::{Context, Decided, Document, Documents},
    },
    sealed::RowError,
    state::Shared,
    who,
};

/// A part of a backtest on its way.
pub(super) struct Run<'a> {
    shared: &'a Shared,
    pages: Stored<'a>,
    plan: &'a BacktestPlan,
    done: &'a Done,
    records: Documents<'a>,
    /// Experiences as they were at the versions that records name.
    then: HashMap<Reference, Option<Arc<ExperienceDocument>>>,
    /// When audiences that act were saved last: what was recorded before is of another version.
    saved: HashMap<Key, Timestamp>,
    pub(super) found: Found,
}

/// What was found of some people.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tally: Tally,
    left_out: LeftOut,
    effect: Effect,
}

/// What a person is in the course of the period, under the draft.
struct Course {
    assignments: BTreeMap<Key, Key>,
    wins: BTreeMap<Key, Vec<Timestamp>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        reader: &'a dyn Reader,
        plan: &'a BacktestPlan,
        done: &'a Done,
    ) -> Self {
        let audiences = plan.documents.of(Kind::Audience);
        // Audiences that look at the request's context, and stages, are recorded for nobody.
        let is_recorded = |key: &Key| {
            let audience = plan.snapshot.audiences.get(key);
            audience.is_some_and(|audience| !audience.request_only() && !audience.is_stage())
        };
        let saved = audiences.filter(|(key, _)| is_recorded(key));
        let saved = saved.map(|(key, known)| (key.clone(), known.definition.updated_at));
        Self {
            shared,
            pages: Stored { reader, keys: &shared.keys },
            plan,
            done,
            records: Documents::over(reader),
            then: HashMap::new(),
            saved: saved.collect(),
            found: Found::default(),
        }
    }

    /// Decides all records of a lane again.
    pub(super) fn lane(&mut self, lane: u16) -> Result<(), RowError> {
        for strand in strands(self.pages.reader, lane, self.plan)? {
            match self.strand(strand) {
                Err(error) if is_of_one_person(&error) => {
                    self.found.left_out.people_unreadable += 1
                }
                decided => decided?,
            }
        }
        Ok(())
    }

    fn strand(&mut self, strand: StrandId) -> Result<(), RowError> {
        let head = self.pages.existing(strand)?.meta().head;
        if self.done.has(head) {
            return Ok(());
        }
        let loader = Loader { pages: &self.pages, snapshot: &self.plan.snapshot };
        let person = loader.person(head)?;
        let strands = person.profile.records().component.unpack().strands;
        if strands.len() > 1 && !self.done.take(head) {
            return Ok(());
        }
        self.person(&person, &strands)
    }

    /// Decides all records of a person again.
    fn person(&mut self, person: &Person, strands: &[StrandId]) -> Result<(), RowError> {
        let plan = self.plan;
        if !person.profile.view(&plan.snapshot.policy, Purpose::ANALYTICS).granted() {
            self.found.left_out.people_without_consent += 1;
            return Ok(());
        }
        let accounts = who::accounts(self.shared, &person.profile)?;
        let mut records = Vec::new();
        for strand in strands {
            self.read(*strand, &mut records)?;
        }
        records.sort_by_key(|record| (record.at, record.id));
        let mut course = self.before(person, &records);
        let mut pairs = Vec::new();
        let mut unit = None;
        for record in records.iter().filter(|record| plan.from <= record.at && record.at < plan.to)
        {
            let Some(outcomes) = self.again((person, &accounts), record, &course) else {
                self.found.left_out.requests_without_context += 1;
                continue;
            };
            for (decided, outcome) in record.decisions.iter().zip(outcomes) {
                let (before, after) = (shown(decided), Shown::of(&outcome));
                let focus = Some(&plan.experience);
                let is_meant =
                    before.experience.as_ref() == focus || after.experience.as_ref() == focus;
                if unit.is_none() && is_meant && !is_shared(decided) {
                    let sides = (decided, &before, &after);
                    unit = self.unit((person, &records), record.at, sides, &course);
                }
                self.found.effect.caps_change |= self.changes_caps(&before, &after);
                course.take(&outcome, record.at, recording::is_capped(&plan.snapshot, &outcome));
                pairs.push(Pair { before, after, audiences: record.memberships.clone() });
            }
        }
        self.found.tally.person(&plan.experience, &pairs);
        self.found.effect.take(unit);
        Ok(())
    }

    fn read(&mut self, strand: StrandId, records: &mut Vec<Document>) -> Result<(), RowError> {
        let page = self.pages.existing(strand)?;
        let mut rows = Vec::new();
        // Those after the period tell which assignments are younger than it.
        show::sealed_decisions(self.pages.reader, strand, &mut |_, key, row| {
            rows.push((key.to_vec(), row.to_vec()));
        })?;
        for (key, row) in rows {
            let keys = &self.shared.keys;
            records.push(show::decision_parts(&mut self.records, keys, &page, &key, &row)?);
        }
        Ok(())
    }

    /// What held when the period began. An assignment is older than that unless a record of the period made it; of
    /// shared holdouts, which no record names as drawn, what is kept today holds from the beginning.
    fn before(&self, person: &Person, records: &[Document]) -> Course {
        let from = self.plan.from;
        let all = person.profile.records().assignments.iter();
        let is_old = |experience: &Key, arm: &Key| {
            first_drawn(records, experience, arm).is_none_or(|at| at < from)
        };
        let old = all.filter(|(experience, assignment)| is_old(experience, &assignment.variant));
        let assignments = old.map(|(key, assignment)| (key.clone(), assignment.variant.clone()));
        let earlier = |times: &[Timestamp]| times.iter().copied().filter(|at| *at < from).collect();
        let wins = person.wins.iter().map(|(key, times)| (key.clone(), earlier(times)));
        Course { assignments: assignments.collect(), wins: wins.collect() }
    }

    /// What the draft says to a recorded request; `None` where its context was not kept.
    fn again(
        &self,
        (person, accounts): (&Person, &[Arc<Account>]),
        record: &Document,
        course: &Course,
    ) -> Option<Vec<Outcome>> {
        let Context::Kept(context) = &record.context else { return None };
        let (snapshot, profile) = (&*self.plan.snapshot, &person.profile);
        let country = decide::country(context, &snapshot.policy);
        let around = Request { context, said: Consents::default(), device: None, country };
        let views = Views::of(profile, &snapshot.policy).among(accounts, snapshot).within(around);
        // What is stored of memberships is of today.
        let nothing = Memberships::default();
        let recorded = Recorded { saved: &self.saved, record };
        let asked = Asked::new(&views, snapshot, &nothing, record.at).stating(Some(&recorded));
        let suppressed = |decided: &Decided| {
            decided.candidates.iter().any(|c| c.why_not == Some(WhyNot::Suppressed))
        };
        let refused = record.decisions.iter().fold(PurposeSet::NONE, |refused, decided| {
            let basis = decided.consent;
            basis
                .asked
                .iter()
                .filter(|purpose| !basis.granted.contains(*purpose))
                .fold(refused, PurposeSet::with)
        });
        let inner = decide::Person {
            profile,
            is_known: true,
            wins: &course.wins,
            views: &views,
            asked,
            serviced: Serviced(profile),
            snapshot,
            sight: Sight::Full,
            unit: profile.unit(),
            now: record.at,
            is_left_alone: record.decisions.iter().any(suppressed),
        };
        let then = Then { inner, assignments: &course.assignments, refused };
        let placements: Vec<Key> =
            record.decisions.iter().map(|decided| decided.placement.clone()).collect();
        let request = decision::Request {
            placements: Some(&placements),
            context,
            public: false,
            explain: false,
            forced: None,
        };
        Some(decision::decide(&snapshot.decisions, &then, &request, record.at))
    }

    /// What a person counts for in the effect, by the first decision that is about the experience in question.
    fn unit(
        &mut self,
        (person, records): (&Person, &[Document]),
        at: Timestamp,
        (decided, before, after): (&Decided, &Shown, &Shown),
        course: &Course,
    ) -> Option<Unit> {
        let (event, reward) = self.plan.reward.as_ref()?;
        if self.plan.now < at.saturating_add(reward.within) {
            self.found.effect.not_over += 1;
            return None;
        }
        let logged = match won(decided) {
            None => Some((None, vec![(None, 1.0)])),
            Some(winner) => self.document(winner).and_then(|document| {
                let is_drawn = before.arm.as_ref().is_some_and(|arm| {
                    let drawn = first_drawn(records, &winner.key, arm);
                    drawn.is_some_and(|drawn| at <= drawn)
                });
                chances_of(&document, before, is_drawn)
            }),
        };
        let draft = match &after.experience {
            None => Some((None, vec![(None, 1.0)])),
            Some(winner) => self.plan.documents.experience(winner).and_then(|document| {
                chances_of(document, after, !course.assignments.contains_key(winner))
            }),
        };
        let (Some((taken, logged)), Some((_, draft))) = (logged, draft) else {
            self.found.effect.unknown += 1;
            return None;
        };
        let reward = super::effect::reward(person, (event, reward), at, &self.plan.snapshot);
        let hash = person.profile.unit().0;
        Some(self.found.effect.unit(hash, taken, logged, draft, reward))
    }

    /// An experience as it was; `None` where that version does not read back.
    fn document(&mut self, winner: &Reference) -> Option<Arc<ExperienceDocument>> {
        let (shared, reader) = (self.shared, self.pages.reader);
        let read = || {
            let (kind, version) = (Kind::Experience, Some(winner.version));
            let definition = shared.registry.get(reader, kind, &winner.key, version).ok()?;
            serde_json::from_value(definition.document.into()).ok().map(Arc::new)
        };
        self.then.entry(winner.clone()).or_insert_with(read).clone()
    }

    /// Whether another experience with a cap would have won, so that later decisions hang on what never happened.
    fn changes_caps(&self, before: &Shown, after: &Shown) -> bool {
        let is_capped = |key: &Option<Key>| {
            let document = key.as_ref().and_then(|key| self.plan.documents.experience(key));
            document.is_some_and(|document| {
                document.caps.per_person.is_some() || !document.caps.shared.is_empty()
            })
        };
        before.experience != after.experience
            && (is_capped(&before.experience) || is_capped(&after.experience))
    }
}

impl Found {
    /// What was found of other people as well; which of them came first changes nothing.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.tally.add(other.tally);
        self.left_out.add(other.left_out);
        self.effect.add(other.effect);
        self
    }

    pub(super) fn into_backtest(self, plan: &BacktestPlan) -> Backtest {
        let Self { tally, left_out, effect } = self;
        let lift = plan.reward.as_ref().map(|_| effect.lift());
        let moves = tally.moves.into_iter();
        let mut moves: Vec<Move> =
            moves.map(|((from, to), decisions)| Move { from, to, decisions }).collect();
        moves.sort_by_key(|moved| std::cmp::Reverse(moved.decisions));
        Backtest {
            experience: plan.experience.clone(),
            from: plan.from,
            to: plan.to,
            people: tally.people,
            people_different: tally.people_different,
            decisions: tally.decisions,
            different: tally.different,
            moves,
            experiences: tally.experiences,
            audiences: tally.audiences,
            left_out,
            lift,
            approximations: APPROXIMATIONS,
        }
    }
}

impl Course {
    /// Takes in what a decision leaves behind.
    fn take(&mut self, outcome: &Outcome, at: Timestamp, is_capped: bool) {
        let Some(won) = outcome.won() else { return };
        if let Some(arm) = &outcome.assignment {
            self.assignments.entry(won.key.clone()).or_insert_with(|| arm.clone());
        }
        let shared = outcome.holdouts.iter();
        for (name, answer) in shared.filter_map(|(key, held)| recording::kept(key, *held)) {
            self.assignments.entry(name).or_insert(answer);
        }
        if is_capped {
            self.wins.entry(won.key.clone()).or_default().push(at);
        }
    }
}

/// What a record says about audiences that are the same today.
struct Recorded<'a> {
    saved: &'a HashMap<Key, Timestamp>,
    record: &'a Document,
}

impl Stated for Recorded<'_> {
    fn is_member(&self, audience: &Key) -> Option<bool> {
        let is_same = self.saved.get(audience).is_some_and(|saved| *saved <= self.record.at);
        is_same.then(|| self.record.memberships.contains(audience))
    }
}

/// The experience that won a recorded decision.
fn won(decided: &Decided) -> Option<&Reference> {
    let shadow = decided.shadow.as_ref().map(|shadow| &shadow.experience);
    decided.experience.as_ref().or(shadow)
}

fn shown(decided: &Decided) -> Shown {
    match (&decided.shadow, won(decided)) {
        (Some(_), Some(won)) => Shown::held_out(won.key.clone()),
        (None, Some(won)) => {
            Shown { experience: Some(won.key.clone()), arm: decided.variant.clone() }
        }
        (_, None) => Shown::default(),
    }
}

/// Whether a shared holdout kept somebody from what won: it holds under either policy.
fn is_shared(decided: &Decided) -> bool {
    decided.shadow.as_ref().is_some_and(|shadow| matches!(shadow.holdout, Holdout::Shared(_)))
}

/// When an experience first gave somebody an arm, as far as that is recorded.
fn first_drawn(records: &[Document], experience: &Key, arm: &Key) -> Option<Timestamp> {
    let gives = |decided: &Decided| {
        let shown = shown(decided);
        shown.experience.as_ref() == Some(experience)
            && shown.arm.as_ref() == Some(arm)
            && !is_shared(decided)
    };
    records.iter().find(|record| record.decisions.iter().any(gives)).map(|record| record.at)
}

/// What was shown, and the chances of it: those of the document where it was drawn, certainty where it was kept.
fn chances_of(
    document: &ExperienceDocument,
    shown: &Shown,
    is_drawn: bool,
) -> Option<(Action, Chances)> {
    let arm = shown.arm.as_ref()?;
    let taken = if arm.as_str() == HELD_OUT { None } else { action(document, arm) };
    let chances = if is_drawn { chances(document)? } else { vec![(taken.clone(), 1.0)] };
    Some((taken, chances))
}

/// A person as they were, as far as that is known.
struct Then<'a> {
    inner: decide::Person<'a>,
    assignments: &'a BTreeMap<Key, Key>,
    /// Purposes that were asked for then and not granted.
    refused: PurposeSet,
}

impl decision::Person for Then<'_> {
    fn facts(&self, purpose: Purpose) -> &dyn Facts {
        self.inner.facts(purpose)
    }

    fn service_facts(&self) -> &dyn Facts {
        self.inner.service_facts()
    }

    fn granted(&self, purpose: Purpose) -> bool {
        !self.refused.contains(purpose) && self.inner.granted(purpose)
    }

    fn known(&self) -> bool {
        self.inner.known()
    }

    fn unit(&self) -> UnitId {
        self.inner.unit()
    }

    fn suppressed(&self) -> bool {
        self.inner.suppressed()
    }

    fn assignment(&self, experience: &Key) -> Option<&Key> {
        self.assignments.get(experience)
    }

    fn drawn(&self, experience: &Key) -> Option<Drawn> {
        self.inner.drawn(experience)
    }

    fn wins_since(&self, experience: &Key, since: Timestamp) -> u32 {
        self.inner.wins_since(experience, since)
    }

    fn fields(&self, purpose: Purpose, public_only: Option<&[Path]>) -> Object {
        self.inner.fields(purpose, public_only)
    }
}
