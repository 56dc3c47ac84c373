//! The JSON Schemas of documents, for editors and for people.

use audience::{AudienceDocument, StagesDocument};
use decision::{
    ExclusionGroupDocument, ExperienceDocument, HoldoutDocument, PlacementDocument, PolicyDocument,
};
use experiment::MetricDocument;
use model::Value;
use profile::{ComputedTraitDocument, TraitDocument};
use quality::{EventSchemaDocument, traffic::TrafficRuleDocument};
use schemars::schema_for;

use crate::{
    definitions::{Kind, PurposeDocument, SourceDocument},
    retention::RetentionRuleDocument,
};

/// The JSON Schema of a kind's documents.
pub(crate) fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Purpose => schema_for!(PurposeDocument),
        Kind::Source => schema_for!(SourceDocument),
        Kind::Trait => schema_for!(TraitDocument),
        Kind::ComputedTrait => schema_for!(ComputedTraitDocument),
        Kind::Audience => schema_for!(AudienceDocument),
        Kind::Stages => schema_for!(StagesDocument),
        Kind::Placement => schema_for!(PlacementDocument),
        Kind::Experience => schema_for!(ExperienceDocument),
        Kind::Policy => schema_for!(PolicyDocument),
        Kind::EventSchema => schema_for!(EventSchemaDocument),
        Kind::Metric => schema_for!(MetricDocument),
        Kind::TrafficRule => schema_for!(TrafficRuleDocument),
        Kind::RetentionRule => schema_for!(RetentionRuleDocument),
        Kind::ExclusionGroup => schema_for!(ExclusionGroupDocument),
        Kind::Holdout => schema_for!(HoldoutDocument),
    }
    .to_value()
}
