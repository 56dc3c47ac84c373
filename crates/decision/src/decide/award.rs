//! What the winner gets: the holdouts, the variant, the content.

use model::{Drawn, Key, value::Path};

use super::{Decision, HELD_OUT};
use crate::{
    Recorded, RecordedTraits, Share,
    catalog::{Experience, Placement, SharedHoldout, Variant, fitting},
    content::Content,
    explanation::{Stage, Step, Trace},
    outcome::{Holdout, Outcome, Reason, Shadow},
    template::Scope,
};

impl Decision<'_> {
    /// The outcome for the winner. Holdouts give the default and never fall through to the next
    /// candidate.
    pub(super) fn award(
        &self,
        placement: &Placement,
        winner: &Experience,
        trace: &mut Trace,
    ) -> Outcome {
        let assigned = self.person.assignment(&winner.reference.key);
        let (holdout, holdouts) = self.holdout(winner, assigned, trace);
        let Some((variant, drawn)) = self.variant(winner, assigned, trace) else {
            // Ranges cover every bucket, so this is a placement without variants, which compiling
            // refuses.
            return self.with_default(placement, Reason::Error, trace);
        };
        let (outcome, arm) = match holdout {
            Some(holdout) => {
                let is_own = holdout == Holdout::Experience;
                let outcome = self.held_out(placement, winner, variant, holdout, trace);
                (outcome, is_own.then_some(HELD_OUT))
            }
            None => {
                let outcome = self.shown(placement, winner, (variant, drawn), trace);
                (outcome, Some(variant.key.as_str()))
            }
        };
        // Recorded only where it says something new.
        let known = assigned.map(Key::as_str);
        let assignment = arm.filter(|arm| known != Some(arm));
        let assignment = assignment.and_then(|arm| arm.parse().ok());
        let recorded = self.recorded(winner, trace);
        Outcome { assignment, drawn, holdouts, recorded, ..outcome }
    }

    /// The traits that are recorded with the winner.
    fn recorded(&self, winner: &Experience, trace: &mut Trace) -> RecordedTraits {
        if winner.record_traits.is_empty() {
            return RecordedTraits::default();
        }
        let facts = self.person.facts(winner.purpose);
        let recorded = winner.recorded(facts);
        trace.steps(|| {
            let step = |name: &Path| {
                let text = match recorded.get(name) {
                    Some(Recorded::Known(value)) if facts.shows(name) => {
                        format!("`{name}` is recorded as `{value}`")
                    }
                    Some(Recorded::Known(_)) => format!("the value of `{name}` is recorded"),
                    Some(Recorded::Withheld) => format!("`{name}` is recorded as withheld"),
                    Some(Recorded::Missing) | None => format!("`{name}` is recorded as missing"),
                };
                Step::note(Stage::Record, text).of(&winner.reference.key)
            };
            winner.record_traits.iter().map(step).collect()
        });
        recorded
    }

    /// The variant that the request wants to see in this placement.
    pub(super) fn forced<'p>(
        &self,
        placement: &'p Placement,
    ) -> Option<(&'p Experience, &'p Variant)> {
        let forced = self.request.forced?;
        let wanted = |experience: &'p Experience| {
            let variant = forced.get(&experience.reference.key)?;
            Some((experience, experience.any_variant(variant)?))
        };
        placement.candidates.iter().find_map(wanted)
    }

    /// Shows a variant whatever gates and draws say.
    pub(super) fn force(
        &self,
        placement: &Placement,
        experience: &Experience,
        variant: &Variant,
        trace: &mut Trace,
    ) -> Outcome {
        if trace.wanted() {
            // What the gates say is told, and stops nothing.
            let granted = self.person.granted(experience.purpose);
            let _told = self.gates(experience, granted, trace);
        }
        trace.step(|| {
            let text =
                format!("`{}` as the preview asks, whatever gates and draws say", variant.key);
            Step::note(Stage::Variant, text).of(&experience.reference.key)
        });
        let outcome = self.shown(placement, experience, (variant, None), trace);
        Outcome { propensity: 1.0, ..outcome }
    }

    /// The holdout that keeps this unit from the winner, shared ones first; and the shared ones that were drawn anew.
    fn holdout(
        &self,
        winner: &Experience,
        assigned: Option<&Key>,
        trace: &mut Trace,
    ) -> (Option<Holdout>, Vec<(Key, bool)>) {
        let mut drawn = Vec::new();
        for shared in &winner.holdouts {
            let (held, is_new) = self.shared_holdout(shared, &winner.reference.key, trace);
            if is_new {
                drawn.push((shared.key.clone(), held));
            }
            if held {
                return (Some(Holdout::Shared(shared.key.clone())), drawn);
            }
        }
        (self.own_holdout(winner, assigned, trace), drawn)
    }

    /// Whether a shared holdout holds this unit, and whether that was drawn anew.
    fn shared_holdout(
        &self,
        shared: &SharedHoldout,
        winner: &Key,
        trace: &mut Trace,
    ) -> (bool, bool) {
        let kept = self.person.assignment(&shared.name);
        let bucket = shared.salt.bucket(self.unit);
        let is_kept_in = kept.is_none_or(|kept| kept.as_str() == HELD_OUT);
        let is_drawn = kept.is_some() || shared.share.contains(bucket);
        let held = shared.share != Share::NONE && is_kept_in && is_drawn;
        trace.step(|| {
            let SharedHoldout { key, share, .. } = shared;
            let text = match kept {
                Some(kept) => format!("holdout `{key}`: decided before, `{kept}`"),
                None => {
                    format!("holdout `{key}`: bucket {bucket}, held out below {}", share.buckets())
                }
            };
            Step::note(Stage::Holdout, text).of(winner).gate(!held)
        });
        (held, kept.is_none())
    }

    /// Whether the winner's own holdout keeps this unit from it.
    fn own_holdout(
        &self,
        winner: &Experience,
        assigned: Option<&Key>,
        trace: &mut Trace,
    ) -> Option<Holdout> {
        let key = &winner.reference.key;
        if winner.holdout == Share::NONE {
            return None;
        }
        let bucket = winner.holdout_salt.bucket(self.unit);
        let held = match assigned {
            Some(assigned) => assigned.as_str() == HELD_OUT,
            None => winner.holdout.contains(bucket),
        };
        trace.step(|| {
            let text = match assigned {
                Some(assigned) => format!("decided by the assignment `{assigned}`"),
                None => format!("bucket {bucket}, held out below {}", winner.holdout.buckets()),
            };
            Step::note(Stage::Holdout, text).of(key).gate(!held)
        });
        held.then_some(Holdout::Experience)
    }

    /// The assigned variant where it can still be drawn, else the one that owns the unit's bucket; and how it was
    /// drawn, where shares follow what units did.
    fn variant<'e>(
        &self,
        winner: &'e Experience,
        assigned: Option<&Key>,
        trace: &mut Trace,
    ) -> Option<(&'e Variant, Option<Drawn>)> {
        let key = &winner.reference.key;
        let epoch = winner.epoch.as_ref();
        let cell = epoch.map(|epoch| epoch.cell(self.person.facts(winner.purpose), self.now));
        let kept = epoch.zip(assigned).and_then(|_| self.person.drawn(key));
        if let Some(variant) = assigned.and_then(|assigned| winner.variant(assigned)) {
            trace.step(|| {
                Step::note(Stage::Variant, format!("`{}` by assignment", variant.key)).of(key)
            });
            // One that was assigned before shares followed anything was drawn by weight.
            let by_weight = |cell| Drawn { policy: 0, cell, buckets: variant.buckets() };
            return Some((variant, kept.or_else(|| cell.map(by_weight))));
        }
        let by_policy = epoch.zip(cell).filter(|_| assigned.is_none());
        let lot = match by_policy {
            Some((epoch, cell)) => winner.draw_by_policy(epoch, cell, self.unit)?,
            // Who was assigned something that is not shown any more gets the same whatever the epoch.
            None => winner.draw(self.unit)?,
        };
        let policy = by_policy.map_or(0, |(epoch, _)| epoch.policy());
        trace.step(|| {
            let (start, end) = lot.range;
            let by = if policy == 0 { String::new() } else { format!(", by policy {policy}") };
            let name = &lot.variant.key;
            let text = format!("`{name}` by bucket {}, of {start} to {end}{by}", lot.bucket);
            Step::note(Stage::Variant, text).of(key)
        });
        Some((lot.variant, kept.or_else(|| cell.map(|cell| lot.drawn(policy, cell)))))
    }

    fn held_out(
        &self,
        placement: &Placement,
        winner: &Experience,
        variant: &Variant,
        holdout: Holdout,
        trace: &mut Trace,
    ) -> Outcome {
        let propensity = match &holdout {
            Holdout::Shared(key) => winner.held_by(key),
            Holdout::Experience => winner.in_no_shared_holdout() * winner.holdout.fraction(),
        };
        let experience = winner.reference.clone();
        let shadow = Some(Shadow { experience, variant: variant.key.clone(), holdout });
        let outcome = self.with_default(placement, Reason::Holdout, trace);
        Outcome { propensity, shadow, ..outcome }
    }

    fn shown(
        &self,
        placement: &Placement,
        winner: &Experience,
        (variant, drawn): (&Variant, Option<Drawn>),
        trace: &mut Trace,
    ) -> Outcome {
        let reason = if 1 < winner.arms() { Reason::Split } else { Reason::TargetingMatch };
        let outcome = match self.content(winner, variant, trace) {
            None => self.with_default(placement, reason, trace),
            Some(content) => {
                let fields = || self.person.fields(winner.purpose, self.visible_fields(winner));
                let filled = content.render(&Scope::new(self.request.context, Some(&fields)));
                match filled {
                    Ok(content) => {
                        trace.step(|| {
                            let text = format!("the content of `{}`", variant.key);
                            Step::note(Stage::Content, text).of(&winner.reference.key)
                        });
                        let version = Some(placement.reference.version);
                        let outcome = Outcome::empty(&placement.reference.key, version, reason);
                        Outcome { content: Some(content), ..outcome }
                    }
                    Err(error) => {
                        trace.step(|| {
                            let text = format!("the content of `{}` broke: {error}", variant.key);
                            let step = Step::note(Stage::Content, text);
                            step.of(&winner.reference.key).gate(false)
                        });
                        self.with_default(placement, Reason::Error, trace)
                    }
                }
            }
        };
        let drawn = drawn.and_then(|drawn| Share::from_buckets(u32::from(drawn.buckets)));
        let share = drawn.unwrap_or_else(|| variant.share()).fraction();
        let propensity = winner.in_no_shared_holdout() * winner.holdout.rest() * share;
        Outcome {
            experience: Some(winner.reference.clone()),
            variant: Some(variant.key.clone()),
            propensity,
            ..outcome
        }
    }

    /// The content of the edition that fits, or else the variant's own.
    fn content<'e>(
        &self,
        winner: &Experience,
        variant: &'e Variant,
        trace: &mut Trace,
    ) -> Option<&'e Content> {
        let facts = self.person.facts(winner.purpose);
        let Some((place, edition)) = fitting(&variant.editions, facts, self.now) else {
            return variant.content.as_ref();
        };
        trace.step(|| {
            let text = edition.words(&variant.key, place);
            Step::note(Stage::Content, text).of(&winner.reference.key)
        });
        edition.content.as_ref()
    }

    /// The fields a template may see: all, unless the caller proved nothing.
    fn visible_fields<'e>(&self, winner: &'e Experience) -> Option<&'e [Path]> {
        self.request.public.then_some(&*winner.public_fields)
    }
}
