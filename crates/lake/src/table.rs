//! The tables: their columns, of which kind each is, and what it means.
//!
//! `docs/reference/export.md` shows the same; a test compares the two. Adding a column is no break,
//! taking one away or changing its meaning is.

use model::table::Kind;

pub use model::table::{Column, Table};

/// All tables of exports.
pub const ALL: [&Table; 7] =
    [&PROFILES, &EVENTS, &MEMBERSHIPS, &CONSENTS, &DECISIONS, &ACCOUNTS, &ACCOUNT_MEMBERS];

const fn always(name: &'static str, kind: Kind, meaning: &'static str) -> Column {
    Column::always(name, kind, meaning)
}

const fn perhaps(name: &'static str, kind: Kind, meaning: &'static str) -> Column {
    Column::perhaps(name, kind, meaning)
}

const PROFILE: Column = always("profile", Kind::Text, "the person: the profile's id");
const ACCOUNT: Column = always("account", Kind::Text, "the account's id");
const USER_ID: Column = perhaps("user_id", Kind::Text, "the user id, where one is known");

/// People.
pub static PROFILES: Table = Table {
    name: "profiles",
    row: "a person",
    columns: &[
        PROFILE,
        USER_ID,
        always("aliases", Kind::Json, "list of the ids of profiles that were merged into this one"),
        always("identifiers", Kind::Json, "list of `type`, `value`, `first_seen`, `last_seen`"),
        always("traits", Kind::Json, "object of traits by name, those withheld left out"),
        always(
            "traits_withheld",
            Kind::Integer,
            "how many traits were left out, as the purpose may not see them",
        ),
        always("computed", Kind::Json, "object of the computed traits of this purpose by name"),
        perhaps("first_seen", Kind::Time, "event time of the first event"),
        perhaps("last_seen", Kind::Time, "event time of the last event"),
        always("suppressed", Kind::Boolean, "whether the person is not to be addressed"),
    ],
};

/// Events.
pub static EVENTS: Table = Table {
    name: "events",
    row: "an event",
    columns: &[
        always(
            "position",
            Kind::Integer,
            "its position in the log, by which it can be told from all others",
        ),
        PROFILE,
        always("message_id", Kind::Text, "its id within its source"),
        always("type", Kind::Text, "`track`, `page`, `screen`, `identify`, `group` or `alias`"),
        always("name", Kind::Text, "what happened"),
        always(
            "event_time",
            Kind::Time,
            "when it happened, after correction for the sender's clock",
        ),
        always("received_at", Kind::Time, "when it reached the server"),
        always("source", Kind::Text, "the source that sent it"),
        perhaps(
            "party",
            Kind::Text,
            "where the source's data is from: `zero`, `first`, `second`, `third`",
        ),
        always("historical", Kind::Boolean, "whether it was imported or replayed"),
        perhaps("user_id", Kind::Text, "the user id it came with"),
        perhaps("anonymous_id", Kind::Text, "the anonymous id it came with"),
        always("properties", Kind::Json, "object of its properties"),
        always("context", Kind::Json, "object of its context"),
        always("traits", Kind::Json, "object of the traits it came with"),
        always(
            "marks",
            Kind::Json,
            "list of what was noticed when it came: `violation`, `bot`, `internal`",
        ),
    ],
};

/// Who is in which audience.
pub static MEMBERSHIPS: Table = Table {
    name: "memberships",
    row: "a person in an audience, at the instant of the export",
    columns: &[
        always("audience", Kind::Text, "the audience's key"),
        always("audience_version", Kind::Integer, "the version of its definition"),
        PROFILE,
        USER_ID,
        perhaps("since", Kind::Time, "since when, where the entry was seen"),
        perhaps("valid_until", Kind::Time, "until when, if nothing happens"),
    ],
};

/// What people said about purposes.
pub static CONSENTS: Table = Table {
    name: "consents",
    row: "a person and a purpose",
    columns: &[
        PROFILE,
        always("purpose", Kind::Text, "the purpose's key"),
        perhaps("said", Kind::Text, "`granted` or `denied`, where the person said anything"),
        perhaps("said_at", Kind::Time, "event time of the newest statement about it"),
        always(
            "granted",
            Kind::Boolean,
            "whether data may be used for it, by statement or by default",
        ),
    ],
};

/// What was decided.
pub static DECISIONS: Table = Table {
    name: "decisions",
    row: "an answer for one placement",
    columns: &[
        always("decision", Kind::Text, "its id"),
        always("decided_at", Kind::Time, "when it was given"),
        PROFILE,
        always("placement", Kind::Text, "the placement's key"),
        perhaps("placement_version", Kind::Integer, "the version of its definition"),
        perhaps("experience", Kind::Text, "the experience that was shown"),
        perhaps("experience_version", Kind::Integer, "the version of its definition"),
        perhaps("variant", Kind::Text, "the variant that was shown"),
        always("reason", Kind::Text, "why: `targeting_match`, `split`, `holdout`, `no_consent`, …"),
        always("propensity", Kind::Number, "the probability with which this answer was given"),
        perhaps("held_out_of", Kind::Text, "the experience that a holdout kept from the person"),
        perhaps("holdout", Kind::Text, "the holdout that did"),
        always("definitions_version", Kind::Integer, "the version of all definitions together"),
    ],
};

/// Accounts.
pub static ACCOUNTS: Table = Table {
    name: "accounts",
    row: "an account that anybody belongs to, as far as the purpose may know",
    columns: &[
        ACCOUNT,
        always("traits", Kind::Json, "object of its traits by name, those withheld left out"),
    ],
};

/// Who belongs to which account.
pub static ACCOUNT_MEMBERS: Table = Table {
    name: "account_members",
    row: "a person who belongs to an account",
    columns: &[
        ACCOUNT,
        PROFILE,
        USER_ID,
        perhaps("role", Kind::Text, "the person's role there, where one was told"),
        always("said_at", Kind::Time, "event time of what says so"),
    ],
};
