//! The tables of the lake: their columns, of which kind each is, and what it means.
//!
//! `docs/reference/lake.md` shows the same; a test compares the two. Adding a column at the end is no break,
//! since readers of Parquet go by name; taking one away or changing its meaning is.

use model::table::{
    Column,
    Kind::{Boolean, Integer, Json, Number, Text, Time},
    Table,
};

/// Where each table has its strand, its position in the log, and when the row was received.
pub(crate) const STRAND: usize = 0;
pub(crate) const SEQ: usize = 2;
pub(crate) const RECEIVED_AT: usize = 3;
/// Where decisions and exposures have the id of the request that they answered.
pub(crate) const REQUEST: usize = 5;

/// The tables of the lake. Their places are stored.
pub const ALL: [&Table; 5] = [&EVENTS, &DECISIONS, &EXPOSURES, &MEMBERSHIP_CHANGES, &LINKS];

const STRAND_COLUMN: Column = Column::always(
    "strand",
    Text,
    "what came through one routing identifier and user id; `links` says whose it is",
);
const LANE: Column =
    Column::always("lane", Integer, "the share of all people that it belongs to, 0 to 1023");
const SEQ_COLUMN: Column = Column::always("seq", Integer, "its position in the log");
const RECEIVED: Column =
    Column::always("received_at", Time, "when it reached the server; the partition is its day");
const HAPPENED: Column = Column::always("event_time", Time, "when it happened");
const UNIT: Column = Column::always("unit", Text, "what variants are drawn by");
const REQUEST_COLUMN: Column =
    Column::always("request", Text, "the id of the request that was answered");
const MEMBERSHIPS: Column =
    Column::always("memberships", Json, "list of the audiences the person was in at that moment");
const STAGES: Column = Column::always(
    "stages",
    Json,
    "object of the furthest stage reached at that moment, by set of stages",
);
const POLICY: Column = Column::perhaps(
    "policy",
    Integer,
    "the version of the policy that drew the variant, where shares follow what units did",
);
const CELL: Column = Column::perhaps(
    "cell",
    Integer,
    "in which of the audiences that the policy tells apart the unit was, a bit for each",
);
const TRAITS: Column = Column::perhaps(
    "traits",
    Json,
    "object of the traits that the experience has recorded as they were at that moment, by name; `null` is a trait \
     that was missing",
);
const TRAITS_WITHHELD: Column = Column::perhaps(
    "traits_withheld",
    Json,
    "list of those of them that its purpose could not read",
);
const PURPOSES_ASKED: Column =
    Column::always("purposes_asked", Json, "list of the purposes that candidates asked for");
const PURPOSES_GRANTED: Column = Column::always(
    "purposes_granted",
    Json,
    "list of those of them that the person granted: the basis of the answer",
);

/// What happened.
pub static EVENTS: Table = Table {
    name: "events",
    row: "an event",
    columns: &[
        STRAND_COLUMN,
        LANE,
        SEQ_COLUMN,
        RECEIVED,
        HAPPENED,
        Column::always("type", Text, "`track`, `page`, `screen`, `identify`, `group` or `alias`"),
        Column::always("name", Text, "what happened"),
        Column::always("source", Text, "the source that sent it"),
        Column::always("message_id", Text, "its id within its source"),
        Column::perhaps("user_id", Text, "the user id it came with"),
        Column::perhaps("anonymous_id", Text, "the anonymous id it came with"),
        Column::always("purposes", Json, "list of the purposes that it may be used for"),
        Column::always("marks", Json, "list of what was noticed: `violation`, `bot`, `internal`"),
        Column::always("counts", Boolean, "whether it counts; what a bot did may not"),
        Column::always("historical", Boolean, "whether it was imported or replayed"),
        Column::perhaps("revenue", Number, "the property `revenue`, where it is a number"),
        Column::perhaps("value", Number, "the property `value`, where it is a number"),
        Column::perhaps("currency", Text, "the property `currency`"),
        Column::perhaps("page_path", Text, "`context.page.path`"),
        Column::perhaps("referrer_channel", Text, "`context.referrer.channel`"),
        Column::perhaps("referrer_domain", Text, "`context.referrer.domain`"),
        Column::perhaps("campaign_source", Text, "`context.campaign.source`"),
        Column::perhaps("campaign_medium", Text, "`context.campaign.medium`"),
        Column::perhaps("campaign_name", Text, "`context.campaign.name`"),
        Column::perhaps("device_type", Text, "`context.device.type`"),
        Column::perhaps("os", Text, "`context.os.name`"),
        Column::perhaps("browser", Text, "`context.browser.name`"),
        Column::perhaps("country", Text, "`context.location.country`"),
        Column::perhaps("region", Text, "`context.location.region`"),
        Column::perhaps("city", Text, "`context.location.city`"),
        Column::perhaps("locale", Text, "`context.locale`"),
        Column::always("properties", Json, "object of its properties"),
    ],
};

/// What was decided.
pub static DECISIONS: Table = Table {
    name: "decisions",
    row: "an answer for one placement",
    columns: &[
        STRAND_COLUMN,
        LANE,
        SEQ_COLUMN,
        RECEIVED,
        HAPPENED,
        REQUEST_COLUMN,
        Column::always("decision", Text, "its id"),
        UNIT,
        Column::always("placement", Text, "the placement's key"),
        Column::perhaps("placement_version", Integer, "the version of its definition"),
        Column::perhaps("experience", Text, "the experience that was shown"),
        Column::perhaps("experience_version", Integer, "the version of its definition"),
        Column::perhaps("variant", Text, "the variant that was shown"),
        Column::always(
            "reason",
            Text,
            "why: `targeting_match`, `split`, `holdout`, `no_consent`, …",
        ),
        Column::always("propensity", Number, "the probability with which this answer was given"),
        Column::perhaps("held_out_of", Text, "the experience that a holdout kept away"),
        Column::perhaps("held_out_version", Integer, "the version of its definition"),
        Column::perhaps("held_out_variant", Text, "the variant that would have been shown"),
        Column::perhaps(
            "holdout",
            Text,
            "the holdout that did: `experience`, or `shared:` and a key",
        ),
        PURPOSES_ASKED,
        PURPOSES_GRANTED,
        MEMBERSHIPS,
        STAGES,
        Column::perhaps(
            "context",
            Json,
            "object of the context of the request; absent where it was too large",
        ),
        Column::always("definitions_version", Integer, "the version of all definitions together"),
        POLICY,
        CELL,
        TRAITS,
        TRAITS_WITHHELD,
    ],
};

/// For whom an experience won.
pub static EXPOSURES: Table = Table {
    name: "exposures",
    row: "a win of an experience, that of a unit held out of it included",
    columns: &[
        STRAND_COLUMN,
        LANE,
        SEQ_COLUMN,
        RECEIVED,
        HAPPENED,
        REQUEST_COLUMN,
        Column::always("decision", Text, "the id of the answer"),
        UNIT,
        Column::always("placement", Text, "the placement's key"),
        Column::always("experience", Text, "the experience that won"),
        Column::always("experience_version", Integer, "the version of its definition"),
        Column::always("variant", Text, "the variant that was shown or, held out, would have been"),
        Column::perhaps(
            "holdout",
            Text,
            "the holdout that kept it away: `experience`, or `shared:` and a key",
        ),
        Column::always("propensity", Number, "the probability with which this answer was given"),
        PURPOSES_ASKED,
        PURPOSES_GRANTED,
        MEMBERSHIPS,
        STAGES,
        POLICY,
        CELL,
        TRAITS,
        TRAITS_WITHHELD,
    ],
};

/// Who went into which audience and out of it.
pub static MEMBERSHIP_CHANGES: Table = Table {
    name: "membership_changes",
    row: "an entry into an audience or an exit from it",
    columns: &[
        STRAND_COLUMN,
        LANE,
        SEQ_COLUMN,
        RECEIVED,
        HAPPENED,
        Column::always("audience", Text, "the audience's key"),
        Column::always("audience_version", Integer, "the version of its definition"),
        Column::always("change", Text, "`entered` or `left`"),
    ],
};

/// Whose the strands are.
pub static LINKS: Table = Table {
    name: "links",
    row: "to whom a strand belongs; of several rows of a strand the one with the highest `seq` holds",
    columns: &[
        STRAND_COLUMN,
        LANE,
        SEQ_COLUMN,
        RECEIVED,
        HAPPENED,
        Column::always("profile", Text, "the profile's id, which is its head strand"),
        UNIT,
    ],
};
