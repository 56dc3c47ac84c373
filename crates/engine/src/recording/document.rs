//! A record as it is shown: the document that analysis reads, its parts named as in the answer.

use std::collections::{BTreeMap, HashMap, hash_map};

use decision::{Candidate, RecordedTraits, Reference, Shadow};
use model::{DecisionId, Drawn, Key, LazyObject, Timestamp, UnitId, Value};
use serde::{Serialize, ser::SerializeMap as _};
use store::Reader;

use crate::{
    record::{
        Beside, DecisionParts, LineupId, StoredDecision, StoredLineup, StoredOutcome,
        StoredPlacement, Unreadable,
    },
    recording::lineup,
    sealed::RowError,
};

/// What a record's row says beside its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) id: DecisionId,
    pub(crate) at: Timestamp,
    /// The unit of the strand it lies under.
    pub(crate) unit: UnitId,
}

/// Turns records into documents.
pub(crate) struct Documents<'a> {
    reader: &'a dyn Reader,
    lineups: HashMap<LineupId, StoredLineup>,
}

/// A record, its parts named as in the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    #[serde(serialize_with = "text")]
    pub(crate) id: DecisionId,
    pub(crate) at: Timestamp,
    #[serde(serialize_with = "text")]
    pub(crate) unit: UnitId,
    pub(crate) definitions_version: u64,
    pub(crate) memberships: Vec<Key>,
    pub(crate) stages: BTreeMap<Key, Key>,
    pub(crate) context: Context,
    pub(crate) decisions: Vec<Decided>,
}

/// The context of a request, or the note that it was too large to keep.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Context {
    Kept(LazyObject),
    LeftOut { left_out: &'static str },
}

/// What was decided for one placement.
#[derive(Debug, Serialize)]
pub(crate) struct Decided {
    #[serde(serialize_with = "text")]
    pub(crate) id: DecisionId,
    pub(crate) placement: Key,
    pub(crate) placement_version: Option<u64>,
    /// The experience that is shown.
    pub(crate) experience: Option<Reference>,
    pub(crate) variant: Option<Key>,
    pub(crate) reason: decision::Reason,
    pub(crate) propensity: f64,
    /// What a holdout kept from the person.
    pub(crate) shadow: Option<Shadow>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) consent: decision::ConsentBasis,
    /// How the variant was drawn where shares follow what units did.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "told")]
    pub(crate) drawn: Option<Drawn>,
    /// The traits that the experience that won has recorded.
    #[serde(flatten, serialize_with = "traits")]
    pub(crate) recorded: RecordedTraits,
}

impl Decided {
    /// The experience that won, shown or held out.
    pub(crate) fn won(&self) -> Option<&Reference> {
        self.shadow.as_ref().map(|shadow| &shadow.experience).or(self.experience.as_ref())
    }
}

/// Traits as they are shown: their values by name, and the names of those that were withheld.
fn traits<S: serde::Serializer>(recorded: &RecordedTraits, to: S) -> Result<S::Ok, S::Error> {
    let mut shown = to.serialize_map(None)?;
    if !recorded.is_empty() {
        shown.serialize_entry("traits", &recorded.values())?;
        shown.serialize_entry("traits_withheld", &recorded.withheld())?;
    }
    shown.end()
}

#[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
fn told<S: serde::Serializer>(drawn: &Option<Drawn>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told {
        policy: u64,
        cell: u16,
        share: f64,
    }
    let told = drawn.map(|Drawn { policy, cell, buckets }| Told {
        policy,
        cell,
        share: f64::from(buckets) / f64::from(model::hash::BUCKET_COUNT),
    });
    told.serialize(to)
}

fn text<S: serde::Serializer>(id: &impl std::fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

impl<'a> Documents<'a> {
    /// Documents of records whose lineups `reader` has.
    pub(crate) fn over(reader: &'a dyn Reader) -> Self {
        Self { reader, lineups: HashMap::new() }
    }

    /// The document of a record.
    pub(crate) fn of(
        &mut self,
        place: Place,
        record: StoredDecision<'_>,
    ) -> Result<Value, RowError> {
        let document = self.read(place, record)?;
        Ok(serde_json::to_value(&document).map_err(|_| Unreadable("decision"))?)
    }

    /// The parts of a record.
    pub(crate) fn read(
        &mut self,
        place: Place,
        record: StoredDecision<'_>,
    ) -> Result<Document, RowError> {
        let (parts, Beside { drawn, recorded }) = record.into_parts();
        let DecisionParts { definitions_version, first, memberships, outcomes, context } = parts;
        let (stages, own): (Vec<_>, Vec<_>) =
            memberships.into_iter().partition(|key| key.parts().is_some());
        let (stages, own) = (stages.into_iter(), own.into_iter());
        let mut decisions = Vec::with_capacity(outcomes.len());
        for (count, outcome) in (first..).zip(outcomes) {
            decisions.push(self.decided(place.id.with_count(count), outcome)?);
        }
        for (place, drawn) in drawn {
            let decided = decisions.get_mut(usize::from(place)).ok_or(Unreadable("decision"))?;
            decided.drawn = Some(drawn);
        }
        for (place, recorded) in recorded {
            let decided = decisions.get_mut(usize::from(place)).ok_or(Unreadable("decision"))?;
            decided.recorded = recorded;
        }
        Ok(Document {
            id: place.id,
            at: place.at,
            unit: place.unit,
            definitions_version,
            memberships: own.map(std::borrow::Cow::into_owned).collect(),
            stages: stages.filter_map(|key| key.parts()).collect(),
            context: match context {
                Some(text) if text.is_empty() => Context::Kept(LazyObject::default()),
                Some(text) => {
                    let kept = LazyObject::parse(&text).map_err(|_| Unreadable("decision"))?;
                    Context::Kept(kept)
                }
                None => Context::LeftOut { left_out: "the context was too large" },
            },
            decisions,
        })
    }

    fn decided(&mut self, id: DecisionId, outcome: StoredOutcome<'_>) -> Result<Decided, RowError> {
        let StoredOutcome { placement, verdicts, variant, shadow, reason, propensity, consent } =
            outcome;
        let mut told = Vec::new();
        let (placement, placement_version, lineup) = match placement {
            StoredPlacement::Lineup(id) => {
                let StoredLineup::V1 { placement, candidates } = self.lineup(id)?;
                (placement.key.clone(), Some(placement.version), &candidates[..])
            }
            StoredPlacement::Named { key, version } => (key.into_owned(), version, &[][..]),
            StoredPlacement::Told { placement, winner } => {
                let Reference { key, version } = placement.into_owned();
                told.push(winner.into_owned());
                (key, Some(version), &told[..])
            }
        };
        let verdicts =
            verdicts.iter().flat_map(|&(why_not, count)| (0..count).map(move |_| why_not));
        let candidates: Vec<Candidate> = lineup
            .iter()
            .zip(verdicts)
            .map(|(experience, why_not)| Candidate { experience: experience.clone(), why_not })
            .collect();
        let winner = candidates.iter().find(|candidate| candidate.why_not.is_none());
        let winner = winner.map(|candidate| candidate.experience.clone());
        let shadow = shadow.zip(winner.clone()).map(|((variant, holdout), experience)| Shadow {
            experience,
            variant: variant.into_owned(),
            holdout: holdout.into_owned(),
        });
        Ok(Decided {
            id,
            placement,
            placement_version,
            experience: winner.filter(|_| variant.is_some()),
            variant: variant.map(std::borrow::Cow::into_owned),
            reason,
            propensity,
            shadow,
            candidates,
            consent,
            drawn: None,
            recorded: RecordedTraits::default(),
        })
    }

    fn lineup(&mut self, id: LineupId) -> Result<&StoredLineup, RowError> {
        match self.lineups.entry(id) {
            hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            hash_map::Entry::Vacant(place) => Ok(place.insert(lineup::read(self.reader, &id)?)),
        }
    }
}
