//! The part of an explanation before the decision itself: what was observed, who it is, which audiences follow (B2).

use decision::{Stage, Step};
use model::{
    Basis, Timestamp,
    condition::{self, Truth},
};
use profile::Profile;

use crate::{
    decide::Known,
    facts::{Asked, Views},
    snapshot::Snapshot,
};

/// How many of a person's newest events are told.
const EVENTS_TOLD: usize = 5;
/// How many audiences are told in full.
const AUDIENCES_TOLD: usize = 50;

/// The steps from events to audiences, for one person.
pub(crate) fn before(
    snapshot: &Snapshot,
    profile: &Profile,
    known: Option<Known<'_>>,
    (views, asked): (&Views<'_>, &Asked<'_>),
    now: Timestamp,
) -> Vec<Step> {
    let Some(known) = known else {
        let text =
            "no profile: nobody was seen with these identifiers, so only the context decides";
        return vec![Step::note(Stage::Identity, text)];
    };
    let mut steps = events(profile);
    steps.push(identity(profile, known));
    steps.extend(consents(snapshot, views));
    let audiences = snapshot.audiences.audiences().iter().filter(|audience| !audience.is_stage());
    for audience in audiences.take(AUDIENCES_TOLD) {
        let facts = asked.facts(audience.purpose());
        let Some(membership) = facts.membership(audience.key()) else { continue };
        let answer = match membership.truth {
            Truth::True => "is a member of",
            Truth::False => "is not a member of",
            Truth::Withheld => "cannot be told, for want of consent, to be a member of",
        };
        let since = membership.since.map(|at| format!(" since {at}")).unwrap_or_default();
        steps.push(Step {
            truth: Some(membership.truth),
            valid_until: membership.valid_until,
            ..Step::note(
                Stage::Audience,
                format!("{answer} `{}` (version {}){since}", audience.key(), audience.version()),
            )
        });
        for part in audience.rule().explain(facts, now) {
            steps.push(Step {
                truth: Some(part.truth),
                pointer: Some(format!("/condition{}", part.pointer)),
                valid_until: part.valid_until,
                ..Step::note(Stage::Audience, format!("`{}`: {}", audience.key(), part.text))
            });
        }
    }
    for (key, stages) in &snapshot.names.stages {
        let standing = condition::standing(&stages.reached, asked.facts(stages.purpose), now);
        let text = match standing.stage.and_then(|place| stages.keys.get(place)) {
            Some(stage) => {
                let since = standing.since.map(|at| format!(" since {at}")).unwrap_or_default();
                format!("is in stage `{stage}` of `{key}` (version {}){since}", stages.version)
            }
            None => format!("it cannot be told, for want of consent, how far they are in `{key}`"),
        };
        let valid_until = standing.valid_until;
        steps.push(Step { valid_until, ..Step::note(Stage::Audience, text) });
    }
    steps
}

fn events(profile: &Profile) -> Vec<Step> {
    let newest = profile.records().timeline.newest_first().take(EVENTS_TOLD);
    newest
        .map(|(name, row)| {
            Step::note(Stage::Event, format!("`{}` happened at {}", name.text, row.time))
        })
        .collect()
}

/// Tells what each purpose rests on: a word of the person, or what the workspace makes of silence.
fn consents(snapshot: &Snapshot, views: &Views<'_>) -> Vec<Step> {
    let rules = snapshot.policy.rules().iter();
    let told = rules.filter_map(|rule| {
        let view = &views.seen(rule.purpose)?.view;
        let basis = match view.basis() {
            Basis::Granted => "the person agreed".to_owned(),
            Basis::Denied => "the person refused".to_owned(),
            Basis::Unknown => match view.country().filter(|_| !rule.regions.is_empty()) {
                Some(country) => format!("the person said nothing, in {country}"),
                None => "the person said nothing".to_owned(),
            },
        };
        let verb = if view.granted() { "is granted" } else { "is not granted" };
        let text = format!("purpose `{}` {verb}: {basis}", rule.key);
        Some(Step::note(Stage::Consent, text))
    });
    told.collect()
}

/// Tells how the person was recognised, without repeating identifiers: an explanation may be read by many.
fn identity(profile: &Profile, known: Known<'_>) -> Step {
    let how = match known {
        Known::By(identifier) => format!("recognised by {}", identifier.kind),
        Known::Named => "named by the preview".to_owned(),
        Known::Invented => {
            return Step::note(Stage::Identity, "somebody invented, of whom the preview tells");
        }
    };
    let component = profile.records().component.unpack();
    let strands = component.strands.len();
    let kinds: std::collections::BTreeSet<_> =
        component.identifiers.iter().map(|known| known.identifier.kind.to_string()).collect();
    let kinds: Vec<_> = kinds.into_iter().collect();
    let noun = if strands == 1 { "strand" } else { "strands" };
    let (id, kinds) = (profile.id(), kinds.join(", "));
    Step::note(
        Stage::Identity,
        format!("{how} as profile {id}: {strands} {noun} joined by {kinds}"),
    )
}
