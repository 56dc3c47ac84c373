//! The JSON Schemas of documents, for editors and for people.

use audience::AudienceDocument;
use decision::{ExperienceDocument, PlacementDocument};
use model::Value;
use profile::ComputedTraitDocument;
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
        Kind::ComputedTrait => schema_for!(ComputedTraitDocument),
        Kind::Audience => schema_for!(AudienceDocument),
        Kind::Placement => schema_for!(PlacementDocument),
        Kind::Experience => schema_for!(ExperienceDocument),
        Kind::EventSchema => schema_for!(EventSchemaDocument),
        Kind::TrafficRule => schema_for!(TrafficRuleDocument),
        Kind::RetentionRule => schema_for!(RetentionRuleDocument),
    }
    .to_value()
}
