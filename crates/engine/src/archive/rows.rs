//! From what is followed to rows.

use std::borrow::Cow;

use decision::{ConsentBasis, Holdout};
use model::{
    IdentifierType, ProfileId, PurposeSet, Seq, StrandId, Timestamp, UnitId,
    event::Marks,
    table::{Cell, Row},
};
use serde::Serialize;

use crate::{
    archive::tables,
    follow::{FollowedDecision, FollowedEvent, Transition},
    people::show::purpose_keys,
    recording::document::{Context, Decided},
    snapshot::Snapshot,
};

/// The tables, by their places in [`tables::ALL`].
pub(super) const EVENTS: usize = 0;
pub(super) const DECISIONS: usize = 1;
pub(super) const EXPOSURES: usize = 2;
pub(super) const MEMBERSHIP_CHANGES: usize = 3;
pub(super) const LINKS: usize = 4;

/// What all rows begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) strand: StrandId,
    pub(super) seq: Seq,
    pub(super) received_at: Timestamp,
    pub(super) event_time: Timestamp,
}

impl Start {
    fn row(self, table: usize) -> Row {
        let mut row = Vec::with_capacity(tables::ALL[table].columns.len());
        let Self { strand, seq, received_at, event_time } = self;
        row.extend([
            text(strand_name(strand)),
            Cell::Integer(i64::from(strand.lane.get())),
            Cell::Integer(i64::try_from(seq.0).unwrap_or(i64::MAX)),
            Cell::Time(received_at),
            Cell::Time(event_time),
        ]);
        row
    }
}

/// A strand as it is written: as the id of the profile whose head it is.
pub(super) fn strand_name(strand: StrandId) -> String {
    ProfileId(strand).to_string()
}

fn text(text: impl Into<Cow<'static, str>>) -> Cell<'static> {
    Cell::Text(text.into())
}

fn perhaps(value: Option<String>) -> Cell<'static> {
    value.map_or(Cell::Absent, text)
}

fn version(version: Option<u64>) -> Cell<'static> {
    version
        .map_or(Cell::Absent, |version| Cell::Integer(i64::try_from(version).unwrap_or(i64::MAX)))
}

fn json(value: &impl Serialize) -> Cell<'static> {
    // Lists of words and objects of words can be written.
    text(serde_json::to_string(value).unwrap_or_default())
}

fn purposes(snapshot: &Snapshot, purposes: PurposeSet) -> Cell<'static> {
    json(&purpose_keys(snapshot, purposes))
}

/// The parts of a context that have columns of their own, in the order of these.
const CONTEXT: [&str; 13] = [
    "page.path",
    "referrer.channel",
    "referrer.domain",
    "campaign.source",
    "campaign.medium",
    "campaign.name",
    "device.type",
    "os.name",
    "browser.name",
    "location.country",
    "location.region",
    "location.city",
    "locale",
];

/// The column of events that has a part of their context; `None` where no column has it.
pub(crate) fn context_column(path: &str) -> Option<&'static str> {
    let place = CONTEXT.iter().position(|known| *known == path)?;
    let columns = tables::EVENTS.columns;
    let first = columns.iter().position(|column| column.name == "page_path")?;
    columns.get(first + place).map(|column| column.name)
}

/// The row of an event.
pub(super) fn event(seq: Seq, found: &FollowedEvent, snapshot: &Snapshot) -> Row {
    let FollowedEvent { strand, purposes: allowed, event } = found;
    let (received_at, event_time) = (event.received_at, event.event_time);
    let mut row = Start { strand: *strand, seq, received_at, event_time }.row(EVENTS);
    let identifier = |kind| {
        let named = event.identifiers.iter().find(|identifier| identifier.kind == kind);
        perhaps(named.map(|identifier| identifier.value.to_string()))
    };
    let number = |name: &str| {
        let value = event.properties.get(name).and_then(|value| value.as_f64());
        value.filter(|value| value.is_finite()).map_or(Cell::Absent, Cell::Number)
    };
    row.extend([
        text(event.kind.to_string()),
        text(event.name.to_string()),
        text(event.source.to_string()),
        text(event.message_id.to_string()),
        identifier(IdentifierType::UserId),
        identifier(IdentifierType::AnonymousId),
        purposes(snapshot, *allowed),
        json(&event.marks.words().collect::<Vec<_>>()),
        Cell::Boolean(!event.marks.has(Marks::UNCOUNTED)),
        Cell::Boolean(event.historical),
        number("revenue"),
        number("value"),
        perhaps(
            event.properties.get("currency").and_then(|value| value.as_str()).map(str::to_owned),
        ),
    ]);
    for path in CONTEXT {
        let value = event.context.find_at(path).and_then(|value| value.as_str());
        row.push(perhaps(value.map(str::to_owned)));
    }
    let properties = if event.properties.is_empty() { "{}" } else { event.properties.text() };
    row.push(text(properties.to_owned()));
    row
}

/// What the rows of one answered request share.
pub(super) struct Answered<'a> {
    pub(super) seq: Seq,
    pub(super) found: &'a FollowedDecision,
    pub(super) snapshot: &'a Snapshot,
}

impl Answered<'_> {
    fn start(&self, table: usize, decided: &Decided) -> Row {
        let FollowedDecision { strand, document } = self.found;
        let (strand, seq, at) = (*strand, self.seq, document.at);
        let mut row = Start { strand, seq, received_at: at, event_time: at }.row(table);
        row.extend([
            text(document.id.to_string()),
            text(decided.id.to_string()),
            text(document.unit.to_string()),
            text(decided.placement.to_string()),
        ]);
        row
    }

    fn basis(&self, consent: ConsentBasis) -> [Cell<'static>; 4] {
        let document = &self.found.document;
        [
            purposes(self.snapshot, consent.asked),
            purposes(self.snapshot, consent.granted),
            json(&document.memberships),
            json(&document.stages),
        ]
    }

    /// The row of the answer for one placement.
    pub(super) fn decision(&self, decided: &Decided) -> Row {
        let document = &self.found.document;
        let mut row = self.start(DECISIONS, decided);
        let (shown, kept) = (decided.experience.as_ref(), decided.shadow.as_ref());
        row.extend([
            version(decided.placement_version),
            perhaps(shown.map(|shown| shown.key.to_string())),
            version(shown.map(|shown| shown.version)),
            perhaps(decided.variant.as_ref().map(ToString::to_string)),
            text(word(decided.reason)),
            Cell::Number(decided.propensity),
            perhaps(kept.map(|kept| kept.experience.key.to_string())),
            version(kept.map(|kept| kept.experience.version)),
            perhaps(kept.map(|kept| kept.variant.to_string())),
            perhaps(kept.map(|kept| holdout(&kept.holdout))),
        ]);
        row.extend(self.basis(decided.consent));
        row.push(match &document.context {
            Context::Kept(context) => text(context.text().to_owned()),
            Context::LeftOut { .. } => Cell::Absent,
        });
        row.push(version(Some(document.definitions_version)));
        row.extend(drawn(decided));
        row.extend(recorded(decided));
        row
    }

    /// The row of the experience that won, if one did.
    pub(super) fn exposure(&self, decided: &Decided) -> Option<Row> {
        let (experience, variant, kept_by) = match (&decided.shadow, &decided.experience) {
            (Some(shadow), _) => (&shadow.experience, &shadow.variant, Some(&shadow.holdout)),
            (None, Some(experience)) => (experience, decided.variant.as_ref()?, None),
            (None, None) => return None,
        };
        let mut row = self.start(EXPOSURES, decided);
        row.extend([
            text(experience.key.to_string()),
            version(Some(experience.version)),
            text(variant.to_string()),
            perhaps(kept_by.map(holdout)),
            Cell::Number(decided.propensity),
        ]);
        row.extend(self.basis(decided.consent));
        row.extend(drawn(decided));
        row.extend(recorded(decided));
        Some(row)
    }
}

/// By which policy the variant was drawn, and of which cell, where shares follow what units did.
fn drawn(decided: &Decided) -> [Cell<'static>; 2] {
    let drawn = decided.drawn;
    [version(drawn.map(|drawn| drawn.policy)), version(drawn.map(|drawn| u64::from(drawn.cell)))]
}

/// The values of the traits that the experience has recorded, and those that were withheld.
fn recorded(decided: &Decided) -> [Cell<'static>; 2] {
    let recorded = &decided.recorded;
    if recorded.is_empty() {
        return [Cell::Absent, Cell::Absent];
    }
    [json(&recorded.values()), json(&recorded.withheld())]
}

/// A reason as answers say it.
fn word(reason: decision::Reason) -> String {
    let word = serde_json::to_value(reason).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn holdout(holdout: &Holdout) -> String {
    match holdout {
        Holdout::Shared(key) => format!("shared:{key}"),
        Holdout::Experience => "experience".to_owned(),
    }
}

/// The row of an entry into an audience or an exit.
pub(super) fn transition(seq: Seq, now: Timestamp, transition: &Transition) -> Row {
    let Transition { head, audience, version: of, kind, at } = transition;
    let start = Start { strand: *head, seq, received_at: now, event_time: *at };
    let mut row = start.row(MEMBERSHIP_CHANGES);
    let change = match kind {
        audience::TransitionKind::Entered => "entered",
        audience::TransitionKind::Left => "left",
    };
    row.extend([text(audience.to_string()), version(Some(u64::from(*of))), text(change)]);
    row
}

/// The row that says whose a strand is.
pub(super) fn link(
    seq: Seq,
    now: Timestamp,
    (strand, head): (StrandId, StrandId),
    unit: UnitId,
) -> Row {
    let mut row = Start { strand, seq, received_at: now, event_time: now }.row(LINKS);
    row.extend([text(strand_name(head)), text(unit.to_string())]);
    row
}
