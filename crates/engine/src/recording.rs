//! Decision records: what was decided, on what, for whom; written behind the answer by the one writer.
//!
//! Decide answers from memory, writes its record into a buffer and hands that to a bounded queue.
//! The writer takes the queue into its next batch, within 50 ms, seals each record for its strand,
//! and adds the assignment and the wins that follow from it.

pub(crate) mod document;
mod lineup;

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use audience::{Entry, Memberships};
use decision::{
    HELD_OUT, Holdout, NOT_HELD_OUT, Outcome, RecordedTraits, TokenClaims, holdout_name,
};
use model::{
    Consents, Country, DecisionId, Drawn, Event, Identifier, Key, PurposeSet, SourceKey, StrandId,
    Timestamp, condition::Names, event::Order,
};
use profile::Assignment;
use store::{Table, seal::MAX_PLAINTEXT_BYTES};

use crate::{
    decide::DecideRequest,
    fold::{Fold, Ground, Recorded, Seen},
    keys::{self, Kind},
    load,
    page::Pages as _,
    record::{
        Beside, DecisionParts, LogEntry, StoredDecision, StoredOutcome, StoredPlacement, encode,
    },
    registry::rows,
    route::Route,
    sealed::{Address, Keys, RowError},
    snapshot::Snapshot,
};

pub(crate) use lineup::Lineups;

/// Longest record; in a longer one the context is left out, and it says so. Where that is not enough to store it, the
/// traits are left out as well.
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// Room for a record of a few placements with a context of a kilobyte.
const RECORD_BYTES_USUAL: usize = 1536;

/// The variant that was newly drawn in an experience, or whether a shared holdout holds the unit, under its name.
#[derive(Debug)]
struct Assigned {
    experience: Key,
    variant: Key,
    drawn: Option<Drawn>,
}

/// One answered request, to be recorded.
#[derive(Debug)]
pub(crate) struct Record {
    id: DecisionId,
    at: Timestamp,
    address: Address,
    /// The person that was found by another way than by the strand of the address.
    head: Option<StrandId>,
    identifiers: Vec<Identifier>,
    said: Consents,
    /// The source that asked; none where a token did.
    source: Option<SourceKey>,
    /// Where the person was, if the request said so and that matters.
    country: Option<Country>,
    /// A [`StoredDecision`], encoded.
    body: Vec<u8>,
    /// The lineups that it names are among these.
    lineups: Arc<Lineups>,
    /// What was newly drawn.
    assigned: Vec<Assigned>,
    /// Experiences that won and whose wins are counted for caps.
    won: Vec<Key>,
}

/// An answered request, as a record of it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) id: DecisionId,
    /// The id of the first outcome's decision; the others' follow it.
    pub(crate) first: DecisionId,
    pub(crate) at: Timestamp,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) request: &'a DecideRequest,
    pub(crate) memberships: &'a Memberships,
    pub(crate) outcomes: &'a [Outcome],
}

impl Record {
    /// The record of an answered request; `None` where it is too long to be kept.
    pub(crate) fn of(
        answered: &Answered<'_>,
        address: Address,
        head: Option<StrandId>,
    ) -> Option<Self> {
        let Answered { id, at, snapshot, request, outcomes, .. } = *answered;
        let (mut assigned, mut won) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            let Some(winner) = outcome.won() else { continue };
            if let Some(variant) = &outcome.assignment {
                let (experience, variant) = (winner.key.clone(), variant.clone());
                assigned.push(Assigned { experience, variant, drawn: outcome.drawn });
            }
            let holdouts = outcome.holdouts.iter();
            assigned.extend(holdouts.filter_map(|(holdout, held)| answer(holdout, *held)));
            if is_capped(snapshot, outcome) {
                won.push(winner.key.clone());
            }
        }
        Some(Self {
            id,
            at,
            address,
            head,
            identifiers: request.identifiers.clone(),
            said: request.consents,
            source: request.source.clone(),
            country: request.country(&snapshot.policy),
            body: body(answered)?,
            lineups: Arc::clone(&snapshot.lineups),
            assigned,
            won,
        })
    }
}

impl Record {
    /// The record of a decision of which only now is known that somebody met it: by its token, when `at` it was used,
    /// with the audiences that they were in then and the traits that the experience wants recorded.
    pub(crate) fn of_use(
        claims: &TokenClaims,
        event: &Event,
        address: &Address,
        (at, snapshot): (Timestamp, &Snapshot),
        (memberships, recorded): (Option<&Memberships>, RecordedTraits),
    ) -> Option<Self> {
        let TokenClaims { decision: id, placement, experience, variant, holdout, .. } = claims;
        let members = memberships.map(|memberships| members(&snapshot.names, memberships));
        let outcome = StoredOutcome {
            placement: StoredPlacement::Told {
                placement: Cow::Borrowed(placement),
                winner: Cow::Borrowed(experience),
            },
            verdicts: vec![(None, 1)],
            variant: holdout.is_none().then_some(Cow::Borrowed(variant)),
            shadow: holdout.as_ref().map(|from| (Cow::Borrowed(variant), Cow::Borrowed(from))),
            reason: claims.reason,
            propensity: claims.propensity,
            consent: claims.consent,
        };
        let parts = DecisionParts {
            definitions_version: claims.definitions_version,
            first: id.count(),
            memberships: members.unwrap_or_default(),
            outcomes: vec![outcome],
            context: Some(Cow::Borrowed(event.context.text())),
        };
        let beside = Beside {
            drawn: claims.drawn.map(|drawn| (0, drawn)).into_iter().collect(),
            recorded: Some(recorded)
                .filter(|r| !r.is_empty())
                .map(|r| (0, r))
                .into_iter()
                .collect(),
        };
        let record = StoredDecision::of(parts, beside);
        let assigned = match holdout {
            None => Some(variant.clone()),
            Some(Holdout::Experience) => HELD_OUT.parse().ok(),
            Some(Holdout::Shared(_)) => None,
        };
        let (experience_key, drawn) = (&experience.key, claims.drawn);
        let assigned = assigned.map(|variant| {
            let experience = experience_key.clone();
            Assigned { experience, variant, drawn }
        });
        let answers = answers(snapshot, claims);
        let mut counted = snapshot.decisions.by_placement(&placement.key);
        let mut counted = counted.by_ref().zip(snapshot.decisions.capped(&placement.key));
        let is_counted = counted.any(|(one, capped)| capped && one.key == experience.key);
        Some(Self {
            id: *id,
            at,
            address: address.clone(),
            head: None,
            identifiers: event.identifiers.clone(),
            said: event.consents,
            source: Some(event.source.clone()),
            country: None,
            body: encoded(record)?,
            lineups: Arc::clone(&snapshot.lineups),
            assigned: assigned.into_iter().chain(answers).collect(),
            won: is_counted.then(|| experience.key.clone()).into_iter().collect(),
        })
    }
}

/// How it is kept whether a unit is in a shared holdout.
pub(crate) fn kept(holdout: &Key, held: bool) -> Option<(Key, Key)> {
    let answer = if held { HELD_OUT } else { NOT_HELD_OUT };
    Some((holdout_name(holdout), answer.parse().ok()?))
}

/// Which shared holdouts were asked about a decision, by its token: those asked before the one that holds the unit did
/// not hold it.
fn answers(snapshot: &Snapshot, claims: &TokenClaims) -> Vec<Assigned> {
    let TokenClaims { placement, experience, holdout, .. } = claims;
    let mut answers = Vec::new();
    for asked in snapshot.decisions.shared_holdouts(&placement.key, &experience.key) {
        let held = *holdout == Some(Holdout::Shared(asked.clone()));
        answers.extend(answer(asked, held));
        if held {
            break;
        }
    }
    answers
}

fn answer(holdout: &Key, held: bool) -> Option<Assigned> {
    let (experience, variant) = kept(holdout, held)?;
    Some(Assigned { experience, variant, drawn: None })
}

/// Whether the win of an outcome is counted for a cap. The winner is the last candidate that was looked at.
pub(crate) fn is_capped(snapshot: &Snapshot, outcome: &Outcome) -> bool {
    let lineup = snapshot.lineups.get(&outcome.placement);
    let position = outcome.candidates.len().checked_sub(1);
    lineup.zip(position).is_some_and(|(lineup, at)| lineup.capped.get(at) == Some(&true))
}

fn body(answered: &Answered<'_>) -> Option<Vec<u8>> {
    let Answered { first, snapshot, request, memberships, outcomes, .. } = *answered;
    let drawn = (0..).zip(outcomes).filter_map(|(place, outcome)| Some((place, outcome.drawn?)));
    let recorded = (0..).zip(outcomes).filter(|(_, outcome)| !outcome.recorded.is_empty());
    let beside = Beside {
        drawn: drawn.collect(),
        recorded: recorded.map(|(place, outcome)| (place, outcome.recorded.clone())).collect(),
    };
    let outcomes = outcomes.iter().map(|outcome| stored(&snapshot.lineups, outcome));
    let parts = DecisionParts {
        definitions_version: snapshot.version,
        first: first.count(),
        memberships: members(&snapshot.names, memberships),
        outcomes: outcomes.collect::<Option<_>>()?,
        context: Some(Cow::Borrowed(request.context.text())),
    };
    encoded(StoredDecision::of(parts, beside))
}

/// The bytes of a record, without its context and its traits where these make it too long.
fn encoded(record: StoredDecision<'_>) -> Option<Vec<u8>> {
    // Records have lengths that are known, and nothing in them refuses to be written.
    let write = |record: &StoredDecision<'_>| {
        postcard::to_extend(record, Vec::with_capacity(RECORD_BYTES_USUAL)).ok()
    };
    let whole = write(&record)?;
    if whole.len() <= RECORD_BYTES_MAX {
        return Some(whole);
    }
    let record = record.without_context();
    let fits = |body: &Vec<u8>| body.len() <= MAX_PLAINTEXT_BYTES;
    write(&record).filter(fits).or_else(|| write(&record.without_traits()).filter(fits))
}

/// The memberships that are recorded with a decision.
fn members<'a>(names: &Names, memberships: &'a Memberships) -> Vec<Cow<'a, Key>> {
    let members = memberships.entries().iter().filter(|entry| entry.truth().is_true());
    let told = members.map(Entry::key).filter(|key| is_told(names, memberships, key));
    told.map(Cow::Borrowed).collect()
}

/// Whether a membership is recorded with a decision: any audience, but of stages only the furthest that is reached.
fn is_told(names: &Names, memberships: &Memberships, key: &Key) -> bool {
    let Some((definition, _)) = key.parts() else { return true };
    let Some(stages) = names.stages.get(&definition) else { return false };
    let is_reached = |key: &&Key| memberships.entry(key).is_some_and(|e| e.truth().is_true());
    stages.reached.iter().rfind(is_reached) == Some(key)
}

/// An outcome as recorded; `None` where its candidates have no lineup.
fn stored<'a>(lineups: &Lineups, outcome: &'a Outcome) -> Option<StoredOutcome<'a>> {
    let lineup = lineups.get(&outcome.placement);
    let placement = match lineup {
        Some(lineup) => StoredPlacement::Lineup(lineup.id),
        None => StoredPlacement::Named {
            key: Cow::Borrowed(&outcome.placement),
            version: outcome.placement_version,
        },
    };
    let mut verdicts = Vec::new();
    for candidate in &outcome.candidates {
        match verdicts.last_mut() {
            Some((why_not, count)) if *why_not == candidate.why_not => *count += 1,
            _ => verdicts.push((candidate.why_not, 1)),
        }
    }
    let known = lineup.map_or(0, |lineup| lineup.capped.len());
    (outcome.candidates.len() <= known).then(|| StoredOutcome {
        placement,
        verdicts,
        variant: outcome.variant.as_ref().map(Cow::Borrowed),
        shadow: outcome
            .shadow
            .as_ref()
            .map(|shadow| (Cow::Borrowed(&shadow.variant), Cow::Borrowed(&shadow.holdout))),
        reason: outcome.reason,
        propensity: outcome.propensity,
        consent: outcome.consent,
    })
}

/// Writes the records of one batch.
pub(crate) struct Recorder {
    /// Lineups that are stored, or will be with this batch.
    lineups: Arc<Lineups>,
    /// Assignments written in this batch.
    assigned: HashSet<(StrandId, Key)>,
    /// Room in which records are sealed.
    room: Vec<u8>,
}

impl Recorder {
    /// A recorder for the next batch, when `lineups` are known to be stored.
    pub(crate) fn after(lineups: &Arc<Lineups>) -> Self {
        Self { lineups: Arc::clone(lineups), assigned: HashSet::new(), room: Vec::new() }
    }

    /// What is stored once the batch is committed.
    pub(crate) fn into_lineups(self) -> Arc<Lineups> {
        self.lineups
    }

    /// Writes a record under its person's strand; a visitor nobody has seen gets one, where consent allows it.
    pub(crate) fn write(&mut self, fold: &mut Fold<'_>, record: &Record) -> Result<(), RowError> {
        let Ground { bars, keys, .. } = fold.ground;
        if bars.verdict(keys, &record.identifiers, record.at).is_some() {
            return Ok(());
        }
        let policy = &fold.ground.snapshot.policy;
        let order = Order { time: record.at, tie: 0 };
        let (route, known) = match fold.place(&record.address, order)? {
            Some(route) => (Arc::clone(&route), route.consents),
            None => {
                let known = fold.foreknown(&record.address, &record.identifiers)?;
                let known = known.on_device(keys.unit(&record.address.routing));
                if policy.collect(known, record.said, record.country) == PurposeSet::NONE {
                    return Ok(());
                }
                let route = match record.head {
                    // A strand of its own would be found before the person from then on, and joins nobody.
                    Some(head) => fold.route_of(head)?,
                    None => bear(fold, record)?,
                };
                (route, known)
            }
        };
        let country = record.country.or(route.country.map(|seen| seen.country));
        if policy.collect(known, record.said, country) == PurposeSet::NONE {
            return Ok(());
        }
        if !Arc::ptr_eq(&self.lineups, &record.lineups) {
            record.lineups.store(&mut fold.pending)?;
            self.lineups = Arc::clone(&record.lineups);
        }
        let StrandId { lane, born } = route.strand;
        let seq = fold.log(LogEntry::Decision { lane, born, at: record.at, id: record.id.0 });
        for (table, key, value) in self.sealed(fold.ground.keys, &route, record)? {
            fold.pending.put(table, key, value.unwrap_or_default());
        }
        for Assigned { experience, variant, drawn } in &record.assigned {
            if self.is_first(fold, &route, experience)? {
                let (strand, variant, drawn) = (route.strand, variant.clone(), *drawn);
                let assignment = Assignment { seq, strand, variant, drawn };
                assign(fold, &route, experience, assignment)?;
            }
        }
        for experience in &record.won {
            let mut name = experience.as_str().as_bytes().to_vec();
            name.extend_from_slice(&keys::ordered(record.at));
            fold.pending.page_mut(route.strand)?.put(Kind::Win, &name, &[]);
            fold.update(route.head).recorded.push(Recorded::Won(experience.clone(), record.at));
        }
        Ok(())
    }

    /// The rows of a record, sealed with its strand's key.
    fn sealed(
        &mut self,
        keys: &Keys,
        route: &Route,
        record: &Record,
    ) -> Result<Vec<rows::Write>, RowError> {
        let row_key = keys::decision(route.strand, record.at, record.id);
        let room = &mut self.room;
        room.clear();
        room.extend_from_slice(&rows::FRAME);
        keys.vault.sealer().seal_into(&route.key, &row_key, &[], &record.body, room)?;
        Ok(rows::cut_framed(Table::Decision, &row_key, room)?)
    }

    /// Whether a strand has no assignment of an experience yet. One is immutable: the first that
    /// was recorded stays.
    fn is_first(
        &mut self,
        fold: &Fold<'_>,
        route: &Route,
        experience: &Key,
    ) -> Result<bool, RowError> {
        if !self.assigned.insert((route.strand, experience.clone())) {
            return Ok(false);
        }
        if let Some(person) = fold.ground.person(&route.head) {
            let records = person.profile.records();
            // What is in memory holds the earliest of all strands, so it knows that there is none.
            let is_whole = records.component.unpack().strands.contains(&route.strand);
            if is_whole && records.assignments.get(experience).is_none() {
                return Ok(true);
            }
        }
        let page = fold.pending.existing(route.strand)?;
        Ok(page.get(Kind::Assignment, experience.as_str().as_bytes()).is_none())
    }
}

/// Opens a strand for a visitor whom nobody has seen.
fn bear(fold: &mut Fold<'_>, record: &Record) -> Result<Arc<Route>, RowError> {
    let tie = model::hash::event_name(&record.id.to_string());
    let order = Order { time: record.at, tie };
    let route = fold.bear(&record.address, order)?;
    // A question about somebody proves nothing about who they are: it joins nobody. That what was asked about a single
    // identifier is about whoever will turn out to hold it, needs no proof from those whose events need none.
    let (identifiers, address) = (&record.identifiers, &record.address);
    let is_believed = record.source.as_ref().is_none_or(|source| fold.believes(source));
    let is_trusted = is_believed && identifiers.len() == 1;
    let seen = Seen { identifiers, address, order, is_trusted };
    fold.observe_links(route, seen)
}

fn assign(
    fold: &mut Fold<'_>,
    route: &Route,
    experience: &Key,
    assignment: Assignment,
) -> Result<(), RowError> {
    let stored = load::stored_assignment(&assignment);
    let page = fold.pending.page_mut(route.strand)?;
    page.put(Kind::Assignment, experience.as_str().as_bytes(), &encode(&stored));
    let assigned = Recorded::Assigned(experience.clone(), assignment);
    fold.update(route.head).recorded.push(assigned);
    Ok(())
}
