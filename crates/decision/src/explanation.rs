//! How a decision came about, told in steps.

use model::{Key, Timestamp, condition::Truth};
use serde::Serialize;

/// The stages of an explanation, from what was observed to what was shown.
///
/// This crate tells of `Placement` and later; the engine puts events, identity and audiences
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// What was observed.
    Event,
    /// How identifiers were resolved to a person.
    Identity,
    /// Which audiences the person is in.
    Audience,
    /// Whether the placement exists and acts.
    Placement,
    /// Who the decision is for.
    Person,
    /// Whether the purpose is granted.
    Consent,
    /// Whether the person is suppressed.
    Suppression,
    /// Whether the experience acts now.
    Schedule,
    /// Whether the person may see it.
    Eligibility,
    /// Whether the person just did what it must not follow.
    NeverAfter,
    /// Whether the experience is paused.
    State,
    /// Whether the unit lies in the experience's slot of its exclusion group.
    Exclusion,
    /// Whether the unit is in the traffic.
    Traffic,
    /// Whether it was shown often enough already.
    Caps,
    /// Whether another of its page group is shown on the page.
    Page,
    /// Which candidate won.
    Arbitration,
    /// Whether the unit is held out.
    Holdout,
    /// Which variant the unit got.
    Variant,
    /// What was shown.
    Content,
    /// Which traits are recorded with it.
    Record,
}

/// One step of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The stage it belongs to.
    pub stage: Stage,
    /// The experience it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experience: Option<Key>,
    /// What was found, in words.
    pub text: String,
    /// Whether a gate let the candidate through; absent on steps that only tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// The part of the eligibility it is about, as a JSON pointer into the experience's document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Until when that holds if nothing new happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

impl Step {
    /// A step that only tells something.
    pub fn note(stage: Stage, text: impl Into<String>) -> Self {
        Self {
            stage,
            experience: None,
            text: text.into(),
            truth: None,
            pointer: None,
            valid_until: None,
        }
    }

    /// The step, about `experience`.
    #[must_use]
    pub fn of(mut self, experience: &Key) -> Self {
        self.experience = Some(experience.clone());
        self
    }

    /// The step, as a gate that was passed or not.
    #[must_use]
    pub fn gate(mut self, passed: bool) -> Self {
        self.truth = Some(if passed { Truth::True } else { Truth::False });
        self
    }
}

/// Collects steps when they were asked for, and costs nothing when they were not.
///
/// Steps are given as closures, so that deciding and explaining are one path and cannot disagree.
#[derive(Debug)]
pub(crate) struct Trace {
    steps: Option<Vec<Step>>,
}

impl Trace {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { steps: wanted.then(Vec::new) }
    }

    pub(crate) fn wanted(&self) -> bool {
        self.steps.is_some()
    }

    pub(crate) fn step(&mut self, step: impl FnOnce() -> Step) {
        if let Some(steps) = &mut self.steps {
            steps.push(step());
        }
    }

    pub(crate) fn steps(&mut self, more: impl FnOnce() -> Vec<Step>) {
        if let Some(steps) = &mut self.steps {
            steps.extend(more());
        }
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }
}
