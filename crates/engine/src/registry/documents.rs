//! The newest version of every definition, in memory: what reads are answered from and snapshots are compiled from.

use std::{collections::BTreeMap, sync::Arc};

use audience::{AudienceDocument, StagesDocument};
use decision::{
    ExclusionGroupDocument, ExperienceDocument, HoldoutDocument, PlacementDocument, PolicyDocument,
};
use experiment::MetricDocument;
use model::{
    Key, Purpose,
    definition::{Fault, State},
};
use profile::{ComputedTraitDocument, TraitDocument};
use quality::{EventSchemaDocument, traffic::TrafficRuleDocument};
use store::{Reader, StoreError};

use crate::{
    definitions::{Definition, Kind, PurposeDocument, SourceDocument},
    retention::RetentionRuleDocument,
};

use super::{
    check,
    edits::{self, Edit},
    stored::{self, Version},
};

/// A document with its fields read.
#[derive(Clone, Debug)]
pub(crate) enum Typed {
    Purpose(PurposeDocument),
    Source(SourceDocument),
    Trait(Box<TraitDocument>),
    ComputedTrait(Box<ComputedTraitDocument>),
    Audience(AudienceDocument),
    Stages(StagesDocument),
    Placement(PlacementDocument),
    Experience(Box<ExperienceDocument>),
    Policy(Box<PolicyDocument>),
    Metric(Box<MetricDocument>),
    EventSchema(Box<EventSchemaDocument>),
    TrafficRule(Box<TrafficRuleDocument>),
    RetentionRule(RetentionRuleDocument),
    ExclusionGroup(ExclusionGroupDocument),
    Holdout(HoldoutDocument),
}

/// The newest version of a definition.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) definition: Definition,
    /// Its fields; the faults when they do not read, as after a change of the program.
    pub(crate) typed: Result<Typed, Vec<Fault>>,
    /// It was deleted. It is kept for its number alone, so that no version number is given twice.
    pub(crate) deleted: bool,
}

type ByKey = BTreeMap<Key, Arc<Known>>;

/// The newest version of every definition. Clones share what they do not change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    /// By the number of the kind.
    kinds: [Arc<ByKey>; Kind::ALL.len()],
    /// How many saves led here: the version of the definitions as a whole.
    saves: u64,
    /// The numbers given to purposes that are not built in.
    numbers: Arc<BTreeMap<Key, Purpose>>,
    /// Audiences whose newest version does not act yet.
    edits: Arc<BTreeMap<Key, Edit>>,
}

impl Documents {
    /// Reads all definitions. One that does not read back is kept and shows up among the faults.
    pub(super) fn load(reader: &dyn Reader) -> Result<Self, StoreError> {
        let mut documents = Self {
            saves: stored::saves(reader)?,
            numbers: Arc::new(stored::numbers(reader)?),
            ..Self::default()
        };
        for kind in Kind::ALL {
            let known = stored::newest(reader, kind)?.into_iter();
            documents.kinds[kind as usize] = Arc::new(
                known.map(|(key, version)| (key, Arc::new(Known::read(version)))).collect(),
            );
        }
        documents.edits = Arc::new(edits::load(reader)?);
        Ok(documents)
    }

    /// The edit of an audience whose newest version does not act yet.
    pub(crate) fn edit(&self, key: &Key) -> Option<&Edit> {
        self.edits.get(key)
    }

    /// All of them, in key order.
    pub(crate) fn edits(&self) -> impl Iterator<Item = (&Key, &Edit)> {
        self.edits.iter()
    }

    /// The document of an experience in any state, where it reads.
    pub(crate) fn experience(&self, key: &Key) -> Option<&ExperienceDocument> {
        match &self.get(Kind::Experience, key)?.typed {
            Ok(Typed::Experience(document)) => Some(document),
            _ => None,
        }
    }

    /// The same with another edit of an audience, or without one.
    pub(super) fn with_edit(mut self, key: &Key, edit: Option<Edit>) -> Self {
        if edit.is_some() || self.edits.contains_key(key) {
            let edits = Arc::make_mut(&mut self.edits);
            match edit {
                Some(edit) => drop(edits.insert(key.clone(), edit)),
                None => drop(edits.remove(key)),
            }
        }
        self
    }

    /// As they will be when every newest version acts.
    pub(super) fn settled(&self) -> Self {
        Self { edits: Arc::default(), ..self.clone() }
    }

    /// The same after a save that changes no document.
    pub(super) fn saved_again(&self) -> Self {
        Self { saves: self.saves + 1, ..self.clone() }
    }

    /// How many saves led here.
    pub(crate) fn saves(&self) -> u64 {
        self.saves
    }

    /// A definition that was not deleted.
    pub(crate) fn get(&self, kind: Kind, key: &Key) -> Option<&Arc<Known>> {
        self.newest(kind, key).filter(|known| !known.deleted)
    }

    /// The newest version under a key, a deletion included.
    pub(super) fn newest(&self, kind: Kind, key: &Key) -> Option<&Arc<Known>> {
        self.kinds[kind as usize].get(key)
    }

    /// All definitions of a kind that were not deleted, in key order.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Arc<Known>)> {
        self.kinds[kind as usize].iter().filter(|(_, known)| !known.deleted)
    }

    /// Those after `key`, in key order.
    pub(super) fn after(&self, kind: Kind, key: &Key) -> impl Iterator<Item = (&Key, &Arc<Known>)> {
        let beyond = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
        self.kinds[kind as usize].range::<Key, _>(beyond).filter(|(_, known)| !known.deleted)
    }

    /// The number of a purpose that is not built in.
    pub(crate) fn number(&self, key: &Key) -> Option<Purpose> {
        self.numbers.get(key).copied()
    }

    /// The lowest number no purpose was ever given.
    pub(super) fn free_number(&self) -> Option<Purpose> {
        let taken = Purpose::BUILT_IN.len() + self.numbers.len();
        Purpose::from_number(u8::try_from(taken).ok()?)
    }

    /// These documents if that placement or experience were live.
    pub(super) fn with_live(&self, kind: Kind, key: &Key) -> Self {
        let mut next = self.clone();
        let of_kind = Arc::make_mut(&mut next.kinds[kind as usize]);
        if let Some(known) = of_kind.get_mut(key).filter(|known| !known.deleted) {
            let known = Arc::make_mut(known);
            known.definition.state = State::Live;
            match &mut known.typed {
                Ok(Typed::Placement(document)) => document.state = State::Live,
                Ok(Typed::Experience(document)) => document.state = State::Live,
                _ => {}
            }
        }
        next
    }

    /// These documents after one more save.
    pub(super) fn with(&self, key: &Key, known: Known, number: Option<Purpose>) -> Self {
        let mut next = self.clone();
        let of_kind = &mut next.kinds[known.definition.kind as usize];
        Arc::make_mut(of_kind).insert(key.clone(), Arc::new(known));
        if let Some(number) = number {
            Arc::make_mut(&mut next.numbers).insert(key.clone(), number);
        }
        next.saves += 1;
        next
    }
}

impl Known {
    pub(super) fn read(version: Version) -> Self {
        let Version { definition, deleted, unreadable } = version;
        let typed = if unreadable {
            Err(vec![Fault::new("", "the stored document does not read back; save it again")])
        } else {
            check::typed(definition.kind, &definition.document)
        };
        Self { definition, typed, deleted }
    }

    /// The key in an audience's document, where that reads.
    pub(crate) fn key(&self) -> Option<&Key> {
        match &self.typed {
            Ok(Typed::Audience(document)) => Some(&document.key),
            _ => None,
        }
    }

    /// Whether snapshots have a place for it: live, or paused where that is answered as a reason.
    /// The placement of an experience.
    pub(super) fn placement(&self) -> Option<&Key> {
        match &self.typed {
            Ok(Typed::Experience(document)) => Some(&document.placement),
            _ => None,
        }
    }

    pub(crate) fn acts(&self) -> bool {
        !self.deleted && acts(self.definition.kind, self.definition.state)
    }
}

/// Whether a definition of `kind` in `state` takes part in decisions.
pub(crate) fn acts(kind: Kind, state: State) -> bool {
    match kind {
        Kind::Placement | Kind::Experience => matches!(state, State::Live | State::Paused),
        Kind::Purpose
        | Kind::Source
        | Kind::Trait
        | Kind::ComputedTrait
        | Kind::Audience
        | Kind::Stages
        | Kind::EventSchema
        | Kind::Metric
        | Kind::TrafficRule
        | Kind::RetentionRule
        | Kind::ExclusionGroup
        | Kind::Holdout
        | Kind::Policy => state == State::Live,
    }
}
