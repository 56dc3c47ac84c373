//! Where exposures come from: recorded decisions, and what servers say of experiences that others decide.

use decision::{Allocation, Holdout};
use experiment::{Arm, Exposure, Stratum};
use model::{Key, LazyObject, StrandId, definition::State};

use crate::{
    definitions::SourceKind,
    follow::{FollowedDecision, FollowedEvent},
    measure::{
        holdouts::{self, Answer},
        rows::StoredExposure,
    },
    recording::document::Decided,
    state::Shared,
};

/// The names of events that state an exposure.
const STATED_BY: [&str; 2] = ["Experience Viewed", "Experiment Viewed"];
/// The properties that name the experience, the first that is there.
const NAMES_EXPERIENCE: [&str; 3] = ["experience", "experiment_id", "experiment"];
/// The properties that name the variant.
const NAMES_VARIANT: [&str; 3] = ["variant", "variation_id", "variation"];

/// An exposure to be kept.
#[derive(Clone, Debug)]
pub(super) struct Stated {
    pub(super) strand: StrandId,
    pub(super) experience: Key,
    pub(super) exposure: StoredExposure,
}

/// The exposures of an answered request: of each placement whatever won, shown or held out, and of each shared holdout
/// that was asked about it.
pub(super) fn decided(shared: &Shared, followed: &FollowedDecision) -> Vec<Stated> {
    let FollowedDecision { strand, document } = followed;
    let answer = Answer { strand: *strand, at: document.at, decision: document.id.0 };
    let mut stated = Vec::new();
    for decided in &document.decisions {
        let Some((arm, won)) = won(decided) else { continue };
        let exposure = Exposure { at: document.at, arm, version: won.version };
        stated.push(Stated {
            strand: *strand,
            experience: won.key.clone(),
            exposure: StoredExposure {
                exposure,
                decision: Some(document.id.0),
                stratum: match decided.drawn {
                    Some(drawn) => Stratum { policy: drawn.policy, cell: drawn.cell },
                    None => shared.plans.stratum(shared, &won.key, won.version),
                },
            },
        });
        let held_by = decided.shadow.as_ref().and_then(|shadow| match &shadow.holdout {
            Holdout::Shared(holdout) => Some(holdout),
            Holdout::Experience => None,
        });
        stated.extend(holdouts::divided(shared, answer, decided, (won, held_by)));
    }
    stated
}

fn won(decided: &Decided) -> Option<(Arm, &decision::Reference)> {
    if let Some(shadow) = &decided.shadow {
        let arm = match shadow.holdout {
            Holdout::Experience => Arm::Holdout,
            Holdout::Shared(_) => Arm::SharedHoldout,
        };
        return Some((arm, &shadow.experience));
    }
    let variant = decided.variant.clone()?;
    Some((Arm::Variant(variant), decided.experience.as_ref()?))
}

/// The exposure that an event states, of an experience that somebody else decides. Only a server is believed.
pub(super) fn stated(shared: &Shared, followed: &FollowedEvent) -> Option<Stated> {
    let event = &followed.event;
    if !STATED_BY.contains(&event.name.as_str()) {
        return None;
    }
    let snapshot = shared.registry.snapshot();
    // Only who has a token imports, and what is imported has no source of its own.
    let rights = snapshot.sources.get(&event.source);
    let is_believed = match rights {
        Some(rights) => rights.source.kind == SourceKind::Server,
        None => event.historical,
    };
    if !is_believed {
        return None;
    }
    let experience = named(&event.properties, &NAMES_EXPERIENCE)?;
    let variant = named(&event.properties, &NAMES_VARIANT)?;
    let (document, version) = shared.registry.experience(&experience)?;
    let is_external = document.allocation == Allocation::External {};
    let is_read_out = matches!(document.state, State::Live | State::Paused | State::Archived);
    let is_known = document.variants.iter().any(|known| known.key == variant);
    if !is_external || !is_read_out || !is_known {
        return None;
    }
    let exposure = Exposure { at: event.event_time, arm: Arm::Variant(variant), version };
    let exposure = StoredExposure { exposure, decision: None, stratum: Stratum::ONLY };
    Some(Stated { strand: followed.strand, experience, exposure })
}

fn named(properties: &LazyObject, names: &[&str]) -> Option<Key> {
    let value = names.iter().find_map(|name| properties.get(name))?;
    match value {
        model::Value::String(text) => text.parse().ok(),
        model::Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}
