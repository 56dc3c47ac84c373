//! The decision: which experience each placement shows to a person, and why.
//!
//! One path serves web, app, e-mail, flags, preview and backtest (I6). The order is consent,
//! suppression, schedule, eligibility, exclusion slot, traffic, caps; of those that pass, the
//! higher priority and then the smaller key wins; then holdouts and the variant are drawn for the
//! winner.

mod award;
mod gates;
mod page;

use std::sync::LazyLock;

use model::{
    Key, LazyObject, Timestamp, UnitId,
    condition::{Fact, Facts, Truth},
    definition::State,
    value::{Object, Path, Value},
};

use crate::{
    Catalog, Person, RecordedTraits, Request,
    catalog::{Entry, Experience, Placement},
    content::Content,
    explanation::{Stage, Step, Trace},
    outcome::{Candidate, ConsentBasis, Outcome, Reason, WhyNot},
    template::Scope,
};
use page::Page;

/// The most placements that a request without placements is answered for, in the order of their
/// keys.
pub const MAX_PLACEMENTS: usize = 50;

/// What an assignment holds for a unit that is held out of an experience. No variant may have this
/// key.
pub const HELD_OUT: &str = "holdout";
/// What it holds for a unit that a shared holdout was drawn for and does not hold.
pub const NOT_HELD_OUT: &str = "in";

/// The name under which it is kept whether a unit is in a shared holdout; no experience has such a key.
pub fn holdout_name(holdout: &Key) -> Key {
    static HOLDOUT: LazyLock<Option<Key>> = LazyLock::new(|| HELD_OUT.parse().ok());
    HOLDOUT.as_ref().map_or_else(|| holdout.clone(), |within| holdout.within(within))
}

/// Decides for `person` at `now`: one outcome per placement asked for, in that order.
///
/// **Candidates.** Candidates are looked at in the order of arbitration, up to the first that
/// passes every gate: nothing behind it can win. Where none passes, the reason is that of the one
/// that came nearest (see [`Reason`]), and the placement shows its default.
///
/// **Stickiness.** An assignment beats every draw of the experience (I8), so that a person whose
/// unit changes at login or merge keeps what they first saw: they stay in the traffic unless it is
/// 0, in the exclusion slot (of the first experience by key, if a merge brought several), out of
/// each holdout or in it unless it is 0, and with their variant as long as it has a weight above 0.
/// A retired or removed variant is drawn anew among the others.
///
/// **Propensity.** The probability of the outcome given the winner: for a variant, that of being in
/// no holdout times its share of the buckets; for a held-out unit, that of its holdout. Shares are
/// those of today's documents, also for a sticky assignment; where they follow what units did, a variant's is that
/// of the policy by which the unit was drawn. Eligibility, traffic and slots are conditions of winning and are not
/// part of it.
///
/// **Forced variants.** A placement that one of [`Request::forced`] belongs to shows it, the first by arbitration
/// where there are several; nothing is assigned. Gates are still walked where an explanation is asked for.
///
/// The caller bounds the list of placements. `Request::context` must be the context that the
/// person's facts answer from.
pub fn decide(
    catalog: &Catalog,
    person: &dyn Person,
    request: &Request<'_>,
    now: Timestamp,
) -> Vec<Outcome> {
    let unit = person.unit();
    let decision = Decision { person, request, now, unit, taken: &[] };
    let Some(keys) = request.placements else {
        let here = catalog.sound().filter(|p| p.state == State::Live && decision.exists(p));
        return decision.page(here.take(MAX_PLACEMENTS).map(Ok).collect());
    };
    let failed = |key, version, why| Err(Box::new(decision.failed(key, version, why)));
    let asked = keys.iter().map(|key| match catalog.entry(key) {
        Some(Entry::Sound(placement)) => match placement.state {
            State::Live => Ok(&**placement),
            State::Paused => Err(Box::new(decision.paused(placement))),
            State::Draft | State::Archived => failed(key, None, "is not live"),
        },
        Some(Entry::Broken { version }) => {
            failed(key, Some(*version), "has faults and was left out")
        }
        None => failed(key, None, "is unknown"),
    });
    decision.page(asked.collect())
}

/// One request being decided.
struct Decision<'a> {
    person: &'a dyn Person,
    request: &'a Request<'a>,
    now: Timestamp,
    unit: UnitId,
    /// Page groups of which another placement shows an experience.
    taken: &'a [Key],
}

impl<'a> Decision<'a> {
    /// Decides the placements of a page, each by itself, and then again where experiences of one page
    /// group won more than one of them: the one that arbitration puts first keeps its place. Of
    /// several placements that it won, that is the first.
    fn page(&self, placements: Vec<Result<&Placement, Box<Outcome>>>) -> Vec<Outcome> {
        let groups = |placement: &Placement| {
            placement.candidates.iter().any(|experience| experience.page_group.is_some())
        };
        let is_grouped = placements.iter().flatten().any(|placement| groups(placement));
        if !is_grouped {
            let one = |asked: Result<&Placement, Box<Outcome>>| match asked {
                Ok(placement) => self.decide(placement),
                Err(answered) => *answered,
            };
            return placements.into_iter().map(one).collect();
        }
        let mut page = Page::new(placements);
        while let Some((place, placement)) = page.next_undecided() {
            let taken = page.taken_from(place);
            let outcome = Decision { taken, ..*self }.decide(placement);
            page.decided(place, outcome);
        }
        page.into_outcomes()
    }

    fn decide(&self, placement: &Placement) -> Outcome {
        let mut trace = Trace::new(self.request.explain);
        trace.step(|| {
            let who = if self.person.known() { "a known person" } else { "an unknown visitor" };
            Step::note(Stage::Person, format!("{who}, unit {}", self.unit))
        });
        if let Some((experience, variant)) = self.forced(placement) {
            let outcome = self.force(placement, experience, variant, &mut trace);
            return Outcome { explanation: trace.into_steps(), ..outcome };
        }
        let mut consent = ConsentBasis::default();
        let mut candidates = Vec::with_capacity(placement.candidates.len());
        let mut winner: Option<&Experience> = None;
        let mut outranked = Vec::new();
        for experience in &placement.candidates {
            let settled = winner.is_some();
            if settled && !trace.wanted() {
                break;
            }
            let granted = self.person.granted(experience.purpose);
            let passed = self.gates(experience, granted, &mut trace);
            if settled {
                outranked.extend(passed.is_ok().then_some(experience));
                continue;
            }
            consent.note(experience.purpose, granted);
            winner = passed.is_ok().then_some(experience);
            let experience = experience.reference.clone();
            candidates.push(Candidate { experience, why_not: passed.err() });
        }
        trace.step(|| arbitration(winner, &outranked));
        let outcome = match winner {
            Some(winner) => self.award(placement, winner, &mut trace),
            None => self.nobody(placement, &candidates, &mut trace),
        };
        Outcome { candidates, consent, explanation: trace.into_steps(), ..outcome }
    }

    /// The outcome where no candidate passed.
    fn nobody(
        &self,
        placement: &Placement,
        candidates: &[Candidate],
        trace: &mut Trace,
    ) -> Outcome {
        let nearest = candidates.iter().filter_map(|candidate| candidate.why_not);
        let nearest = nearest.max_by_key(|why_not| why_not.nearness());
        let reason = nearest.map_or(Reason::Default, WhyNot::reason);
        self.with_default(placement, reason, trace)
    }

    fn paused(&self, placement: &Placement) -> Outcome {
        let mut trace = Trace::new(self.request.explain);
        trace.step(|| Step::note(Stage::Placement, "the placement is paused").gate(false));
        let outcome = self.with_default(placement, Reason::Paused, &mut trace);
        Outcome { explanation: trace.into_steps(), ..outcome }
    }

    /// The placement's default content for `reason`.
    fn with_default(&self, placement: &Placement, reason: Reason, trace: &mut Trace) -> Outcome {
        let key = &placement.reference.key;
        let outcome = Outcome::empty(key, Some(placement.reference.version), reason);
        let Some(default) = &placement.default else {
            trace.step(|| Step::note(Stage::Content, "the placement has no default content"));
            return outcome;
        };
        match self.fill_default(default) {
            Ok(content) => {
                trace.step(|| Step::note(Stage::Content, "the placement's default content"));
                Outcome { content: Some(content), ..outcome }
            }
            Err(error) => {
                trace.step(|| {
                    let text = format!("the placement's default content broke: {error}");
                    Step::note(Stage::Content, text).gate(false)
                });
                // A held-out unit stays one: it would be missing from the comparison otherwise.
                let held_out = reason == Reason::Holdout;
                Outcome { reason: if held_out { reason } else { Reason::Error }, ..outcome }
            }
        }
    }

    fn fill_default(
        &self,
        default: &Content,
    ) -> Result<std::sync::Arc<Object>, crate::template::TemplateError> {
        default.render(&Scope::new(self.request.context, None))
    }

    fn failed(&self, key: &Key, version: Option<u64>, why: &str) -> Outcome {
        let mut trace = Trace::new(self.request.explain);
        trace.step(|| Step::note(Stage::Placement, format!("placement `{key}` {why}")).gate(false));
        let outcome = Outcome::empty(key, version, Reason::Error);
        Outcome { explanation: trace.into_steps(), ..outcome }
    }

    /// Whether a placement is part of the page that the context tells of.
    fn exists(&self, placement: &Placement) -> bool {
        let facts = ContextFacts { context: self.request.context, unit: self.unit };
        let holds = |rule: &model::condition::Rule| rule.evaluate(&facts, self.now).truth;
        placement.matches.as_ref().is_none_or(|rule| holds(rule) == Truth::True)
    }
}

fn arbitration(winner: Option<&Experience>, outranked: &[&Experience]) -> Step {
    let Some(winner) = winner else {
        return Step::note(Stage::Arbitration, "no experience passed every gate");
    };
    let priority = winner.priority;
    let others: Vec<_> = outranked
        .iter()
        .map(|other| format!("`{}` (priority {})", other.reference.key, other.priority))
        .collect();
    let text = if others.is_empty() {
        format!("the only one that passed every gate, priority {priority}")
    } else {
        format!("priority {priority}; before {}", others.join(", "))
    };
    Step::note(Stage::Arbitration, text).of(&winner.reference.key).gate(true)
}

impl Outcome {
    /// An outcome that shows nothing and records nothing.
    fn empty(placement: &Key, placement_version: Option<u64>, reason: Reason) -> Self {
        Self {
            placement: placement.clone(),
            placement_version,
            experience: None,
            variant: None,
            content: None,
            reason,
            propensity: 1.0,
            shadow: None,
            candidates: Vec::new(),
            consent: ConsentBasis::default(),
            assignment: None,
            drawn: None,
            holdouts: Vec::new(),
            recorded: RecordedTraits::default(),
            explanation: Vec::new(),
        }
    }
}

/// Facts that know the context and nobody.
struct ContextFacts<'a> {
    context: &'a LazyObject,
    unit: UnitId,
}

impl Facts for ContextFacts<'_> {
    fn context(&self, path: &Path) -> Fact<&Value> {
        self.context.find(path).map_or(Fact::Missing, Fact::Known)
    }

    fn unit(&self) -> UnitId {
        self.unit
    }
}
