//! What a candidate must pass before it may win, in order.

use model::condition::{Rule, Truth};

use super::Decision;
use crate::{
    Share,
    catalog::{Exclusion, Experience, SharedCap},
    document::Cap,
    explanation::{Stage, Step, Trace},
    outcome::WhyNot,
};

impl Decision<'_> {
    /// Passes `experience` through the gates, up to the first that stops it.
    pub(super) fn gates(
        &self,
        experience: &Experience,
        granted: bool,
        trace: &mut Trace,
    ) -> Result<(), WhyNot> {
        let mut candidate = InTrace { experience, trace };
        candidate.gate(Stage::Consent, granted, WhyNot::Consent, || {
            let verb = if granted { "is granted" } else { "is not granted" };
            format!("purpose `{}` {verb}", experience.purpose_key)
        })?;
        let suppressed = self.person.suppressed();
        candidate.gate(Stage::Suppression, !suppressed, WhyNot::Suppressed, || {
            let verb = if suppressed { "is suppressed" } else { "is not suppressed" };
            format!("the person {verb}")
        })?;
        let facts = || self.person.facts(experience.purpose);
        let acts = experience.schedule.contains(self.now, facts);
        candidate.gate(Stage::Schedule, acts, WhyNot::Schedule, || {
            let verb = if acts { "acts now" } else { "does not act now" };
            format!("the experience {verb}, {}", self.now)
        })?;
        self.eligibility(&mut candidate)?;
        self.never_after(&mut candidate)?;
        if experience.paused {
            let text = || "the experience is paused".to_owned();
            candidate.gate(Stage::State, false, WhyNot::Paused, text)?;
        }
        if let Some(exclusion) = &experience.exclusion {
            self.exclusion(exclusion, &mut candidate)?;
        }
        self.traffic(&mut candidate)?;
        self.cap(&mut candidate)?;
        self.shared_caps(&mut candidate)?;
        self.page_group(&mut candidate)
    }

    /// What is not known for sure counts as done: better nothing than what was just bought.
    fn never_after(&self, candidate: &mut InTrace<'_>) -> Result<(), WhyNot> {
        let experience = candidate.experience;
        if experience.never_after.is_empty() {
            return Ok(());
        }
        let facts = self.person.service_facts();
        let may_hold = |rule: &&Rule| rule.evaluate(facts, self.now).truth != Truth::False;
        let found = experience.never_after.iter().position(|rule| may_hold(&rule));
        candidate.gate(Stage::NeverAfter, found.is_none(), WhyNot::NeverAfter, || match found {
            Some(place) => format!("the person did what it must not follow, condition {place}"),
            None => "the person did nothing that it must not follow".into(),
        })
    }

    /// Another placement of the page may show an experience of the same group.
    fn page_group(&self, candidate: &mut InTrace<'_>) -> Result<(), WhyNot> {
        let experience = candidate.experience;
        let Some(group) = &experience.page_group else { return Ok(()) };
        let is_free = !self.taken.contains(group);
        candidate.gate(Stage::Page, is_free, WhyNot::Page, || {
            let verb = if is_free { "no other" } else { "another" };
            format!("{verb} experience of group `{group}` is shown on the page")
        })
    }

    fn eligibility(&self, candidate: &mut InTrace<'_>) -> Result<(), WhyNot> {
        let experience = candidate.experience;
        let Some(rule) = &experience.eligibility else {
            let text = || "everyone is eligible".to_owned();
            return candidate.gate(Stage::Eligibility, true, WhyNot::Ineligible, text);
        };
        let facts = self.person.facts(experience.purpose);
        let verdict = rule.evaluate(facts, self.now);
        let (text, result) = match verdict.truth {
            Truth::True => ("eligible", Ok(())),
            Truth::False => ("not eligible", Err(WhyNot::Ineligible)),
            Truth::Withheld => {
                ("whether eligible may not be known for this purpose", Err(WhyNot::Withheld))
            }
        };
        candidate.trace.steps(|| {
            let step = Step::note(Stage::Eligibility, text).of(&experience.reference.key);
            let summary =
                Step { truth: Some(verdict.truth), valid_until: verdict.valid_until, ..step };
            std::iter::once(summary).chain(self.parts(experience, rule)).collect()
        });
        result
    }

    /// What each part of the eligibility found.
    fn parts(&self, experience: &Experience, rule: &Rule) -> impl Iterator<Item = Step> {
        let key = experience.reference.key.clone();
        let found = rule.explain(self.person.facts(experience.purpose), self.now);
        found.into_iter().map(move |part| Step {
            stage: Stage::Eligibility,
            experience: Some(key.clone()),
            text: part.text,
            truth: Some(part.truth),
            pointer: Some(format!("/eligibility{}", part.pointer)),
            valid_until: part.valid_until,
        })
    }

    /// A person with assignments in the group belongs to the first of them by key; one without, to
    /// the slot that holds their bucket.
    fn exclusion(&self, exclusion: &Exclusion, candidate: &mut InTrace<'_>) -> Result<(), WhyNot> {
        let key = &candidate.experience.reference.key;
        let assigned_here = self.person.assignment(key).is_some();
        let owner = exclusion
            .rivals(self.now)
            .filter(|rival| self.person.assignment(rival).is_some())
            .chain(assigned_here.then_some(key))
            .min();
        let bucket = exclusion.salt.bucket(self.unit);
        let passed = owner.map_or(exclusion.contains(bucket), |owner| owner == key);
        candidate.gate(Stage::Exclusion, passed, WhyNot::Slot, || match owner {
            Some(owner) => {
                format!("in group `{}` the person takes part in `{owner}`", exclusion.group)
            }
            None => format!(
                "bucket {bucket} of group `{}`, slot `{}` {} to {}",
                exclusion.group,
                exclusion.slot,
                exclusion.from.buckets(),
                exclusion.to.buckets()
            ),
        })
    }

    fn traffic(&self, candidate: &mut InTrace<'_>) -> Result<(), WhyNot> {
        let experience = candidate.experience;
        let traffic = experience.traffic(self.now);
        // Full traffic needs neither a draw nor an assignment, and is what most experiences have.
        let drawn = || traffic.contains(experience.traffic_salt.bucket(self.unit));
        let sticky = || self.person.assignment(&experience.reference.key).is_some();
        let passed = traffic == Share::ALL || drawn() || (traffic != Share::NONE && sticky());
        candidate.gate(Stage::Traffic, passed, WhyNot::Traffic, || {
            if traffic == Share::ALL {
                return "everyone takes part".into();
            }
            let bucket = experience.traffic_salt.bucket(self.unit);
            let kept = if passed && !drawn() { ", kept by an assignment" } else { "" };
            format!("bucket {bucket}, traffic below {}{kept}", traffic.buckets())
        })
    }

    fn cap(&self, candidate: &mut InTrace<'_>) -> Result<(), WhyNot> {
        let experience = candidate.experience;
        let Some(cap) = experience.cap else { return Ok(()) };
        let since = self.now.saturating_sub(cap.within);
        let wins = self.person.wins_since(&experience.reference.key, since);
        candidate.gate(Stage::Caps, wins < cap.count, WhyNot::Cap, || {
            format!("shown {wins} times within {}, at most {}", cap.within, cap.count)
        })
    }

    fn shared_caps(&self, candidate: &mut InTrace<'_>) -> Result<(), WhyNot> {
        for SharedCap { group, cap, members } in &candidate.experience.shared_caps {
            let since = self.now.saturating_sub(cap.within);
            let wins =
                members.iter().map(|member| self.person.wins_since(member, since)).sum::<u32>();
            candidate.gate(Stage::Caps, wins < cap.count, WhyNot::Cap, || {
                let Cap { count, within } = cap;
                format!("group `{group}` was shown {wins} times within {within}, at most {count}")
            })?;
        }
        Ok(())
    }
}

/// A candidate and where its steps are told.
struct InTrace<'a> {
    experience: &'a Experience,
    trace: &'a mut Trace,
}

impl InTrace<'_> {
    fn gate(
        &mut self,
        stage: Stage,
        passed: bool,
        why_not: WhyNot,
        text: impl FnOnce() -> String,
    ) -> Result<(), WhyNot> {
        let key = &self.experience.reference.key;
        self.trace.step(|| Step::note(stage, text()).of(key).gate(passed));
        if passed { Ok(()) } else { Err(why_not) }
    }
}
