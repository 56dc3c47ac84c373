//! Definitions as versioned documents (I9):
//! traits, computed traits, audiences, stages, placements, experiences, metrics, purposes, sources.

use std::fmt;

use compact_str::CompactString;
use model::{
    Country, Key, Timestamp,
    definition::{Fault, State},
    value::Object,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::normalise::PurposeSignals;
pub use crate::registry::difference::difference;

/// The kinds of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What data may be used for.
    Purpose,
    /// Where events come from, with the rights of its write key.
    Source,
    /// What is kept of what is said about people.
    Trait,
    /// What follows from a person's events.
    ComputedTrait,
    /// Who.
    Audience,
    /// How far.
    Stages,
    /// Where something can be shown.
    Placement,
    /// What is shown to whom, and why.
    Experience,
    /// How units are divided, of an experience whose shares follow what units did; written by the program alone.
    Policy,
    /// What is computed of what exposed people do.
    Metric,
    /// What events of a name should look like.
    EventSchema,
    /// Which events are of programs or of the organisation's own people.
    TrafficRule,
    /// How long what was taken in is kept.
    RetentionRule,
    /// Experiences of which a unit takes part in at most one.
    ExclusionGroup,
    /// Units to whom none of some experiences is shown.
    Holdout,
}

impl Kind {
    /// All kinds, in the order in which one may refer to those before it.
    pub const ALL: [Self; 15] = [
        Self::Purpose,
        Self::Source,
        Self::Trait,
        Self::ComputedTrait,
        Self::Audience,
        Self::Stages,
        Self::Placement,
        Self::ExclusionGroup,
        Self::Holdout,
        Self::Metric,
        Self::Experience,
        Self::Policy,
        Self::EventSchema,
        Self::TrafficRule,
        Self::RetentionRule,
    ];

    /// The name in paths and folders: `audiences`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Purpose => "purposes",
            Self::Source => "sources",
            Self::Trait => "traits",
            Self::ComputedTrait => "computed_traits",
            Self::Audience => "audiences",
            Self::Stages => "stages",
            Self::Placement => "placements",
            Self::Experience => "experiences",
            Self::Policy => "policies",
            Self::Metric => "metrics",
            Self::EventSchema => "event_schemas",
            Self::TrafficRule => "traffic_rules",
            Self::RetentionRule => "retention_rules",
            Self::ExclusionGroup => "exclusion_groups",
            Self::Holdout => "holdouts",
        }
    }

    /// The name of one: `audience`.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Source => "source",
            Self::Trait => "trait",
            Self::ComputedTrait => "computed trait",
            Self::Audience => "audience",
            Self::Stages => "stages",
            Self::Placement => "placement",
            Self::Experience => "experience",
            Self::Policy => "policy",
            Self::Metric => "metric",
            Self::EventSchema => "event schema",
            Self::TrafficRule => "traffic rule",
            Self::RetentionRule => "retention rule",
            Self::ExclusionGroup => "exclusion group",
            Self::Holdout => "holdout",
        }
    }

    /// Whether people write it. What the program learns is read by them and written by nobody else.
    pub fn is_written_by_people(self) -> bool {
        self != Self::Policy
    }

    /// The kind whose plural is `text`.
    pub fn from_plural(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == text)
    }
}

/// One version of one definition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Definition {
    /// Its kind.
    #[serde(skip)]
    pub kind: Kind,
    /// The document as saved, `key` and `state` included.
    pub document: Object,
    /// 1 for the first version of this key.
    pub version: u64,
    /// Its state.
    pub state: State,
    /// When this version was saved.
    pub updated_at: Timestamp,
    /// Who saved it: the token's name.
    pub updated_by: CompactString,
}

/// A page of a listing.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The items, in key order.
    pub items: Vec<T>,
    /// Give this as `cursor` to continue; `null` at the end.
    pub next_cursor: Option<String>,
}

/// What a save is conditional on (`If-Match`, `If-None-Match: *`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there.
    Anything,
    /// Nothing under this key yet.
    Absent,
    /// Exactly this version.
    Version(u64),
}

/// When the new version of a live audience comes to act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// When it has been computed for everyone; until then the one before acts.
    #[default]
    Auto,
    /// When it has been computed for everyone and somebody asks for it.
    Manual,
    /// At once: it is computed for whom it is asked about, and for the others bit by bit.
    Now,
}

/// Why a definition could not be read or saved.
#[derive(Clone, Debug, Error)]
pub enum DefinitionError {
    /// No such definition.
    #[error("{} `{key}` not found", kind.singular())]
    NotFound {
        /// The kind.
        kind: Kind,
        /// The key.
        key: Key,
    },
    /// Somebody else saved in between.
    #[error("{} `{key}` is at version {current}", kind.singular())]
    Conflict {
        /// The kind.
        kind: Kind,
        /// The key.
        key: Key,
        /// Its version now; 0 when there is none.
        current: u64,
    },
    /// The document is not sound.
    #[error("the document has {} faults", .0.len())]
    Invalid(Vec<Fault>),
    /// The token may not do this.
    #[error("{action} needs the scope `{scope}`")]
    Forbidden {
        /// What was to be done, as a gerund: `publishing audiences`.
        action: String,
        /// The scope that would allow it.
        scope: Scope,
    },
    /// Something live still refers to it.
    #[error("{} `{key}` is used by {used_by}", kind.singular())]
    InUse {
        /// The kind.
        kind: Kind,
        /// The key.
        key: Key,
        /// What refers to it.
        used_by: String,
    },
    /// No version of the audience waits to act.
    #[error("audience `{key}` has no version that waits to act")]
    NoEdit {
        /// Its key.
        key: Key,
    },
    /// The version has not been computed for everyone.
    #[error("version {version} of audience `{key}` has not been computed for everyone yet")]
    Incomplete {
        /// The key of the audience.
        key: Key,
        /// The version.
        version: u64,
    },
    /// The store failed.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// One line of the audit log.
#[derive(Clone, Debug, Serialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: the token's name.
    pub actor: CompactString,
    /// What was done: `definition.put`, `definition.state`, `definition.delete`, `token.create`, `profile.lookup`, …
    pub action: CompactString,
    /// To what: `audiences/vip`.
    pub subject: String,
    /// What changed: JSON pointers with old and new values for a definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<model::Value>,
}

/// A right that a token carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Everything, tokens included.
    #[serde(rename = "admin")]
    Admin,
    /// Ask for decisions with explanation, at any instant, about anybody.
    #[serde(rename = "decide")]
    Decide,
    /// Read definitions.
    #[serde(rename = "definitions:read")]
    DefinitionsRead,
    /// Write definitions as drafts.
    #[serde(rename = "definitions:write")]
    DefinitionsWrite,
    /// Change the state of definitions: put live, pause, archive.
    #[serde(rename = "definitions:publish")]
    DefinitionsPublish,
    /// Read profiles.
    #[serde(rename = "profiles:read")]
    ProfilesRead,
    /// See sensitive values of profiles, too.
    #[serde(rename = "profiles:sensitive")]
    ProfilesSensitive,
    /// Import events.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Read the whole store as it is stored, to keep it; personal data in it is sealed.
    #[serde(rename = "backup")]
    Backup,
    /// Read the keys that the store is sealed with.
    #[serde(rename = "backup:keys")]
    BackupKeys,
    /// Change who is who: split people, merge them, take that back.
    #[serde(rename = "profiles:write")]
    ProfilesWrite,
    /// See what comes in, without what it says about anybody: counts, violations, masked live events.
    #[serde(rename = "events:read")]
    EventsRead,
    /// Export people, events, memberships, consents and decisions, for a purpose.
    #[serde(rename = "export")]
    Export,
    /// File requests of people about their own data, and read what became of them.
    #[serde(rename = "privacy")]
    Privacy,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 14] = [
        Self::Admin,
        Self::Decide,
        Self::DefinitionsRead,
        Self::DefinitionsWrite,
        Self::DefinitionsPublish,
        Self::ProfilesRead,
        Self::ProfilesSensitive,
        Self::EventsWrite,
        Self::Backup,
        Self::BackupKeys,
        Self::ProfilesWrite,
        Self::EventsRead,
        Self::Export,
        Self::Privacy,
    ];

    /// The scope written as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// The word it is written with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Decide => "decide",
            Self::DefinitionsRead => "definitions:read",
            Self::DefinitionsWrite => "definitions:write",
            Self::DefinitionsPublish => "definitions:publish",
            Self::ProfilesRead => "profiles:read",
            Self::ProfilesSensitive => "profiles:sensitive",
            Self::EventsWrite => "events:write",
            Self::Backup => "backup",
            Self::BackupKeys => "backup:keys",
            Self::ProfilesWrite => "profiles:write",
            Self::EventsRead => "events:read",
            Self::Export => "export",
            Self::Privacy => "privacy",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A management token, as authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What people call it; stands in the audit log.
    pub name: CompactString,
    /// Its rights.
    pub scopes: Vec<Scope>,
}

impl Token {
    /// Whether it carries `scope`; an administrator carries all.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// Who may speak for whom with a source's write key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A browser or an app: what it says about identity is a claim.
    Public,
    /// A server of the organisation.
    Server,
}

/// Where the organisation has data from. A label: it is shown with what came from a source, and decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// From the person, who told it on purpose, as in a form or a centre of preferences.
    Zero,
    /// From its own sites, apps and shops, as people used them.
    First,
    /// From another organisation that collected it itself and hands it on.
    Second,
    /// From somebody who gathers data of others.
    Third,
}

/// What it takes for a public source's identity claims to join people.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SourceIdentity {
    /// Claims join.
    #[default]
    Open,
    /// Claims join only with an identity token signed with the source's secret.
    Verified,
}

/// A source of events, as people write it. Its write keys are no part of the document and can never be read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceDocument {
    /// Its key, which events carry for ever.
    pub key: Key,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Write keys of a source that is not live are refused.
    #[serde(default)]
    pub state: State,
    /// Who speaks with its write keys. It limits what may be read and whose word counts, not which clients may send.
    pub kind: SourceKind,
    /// What it takes for identity claims to join people. A server's word always does.
    #[serde(default)]
    pub identity: SourceIdentity,
    /// Where the organisation has its data from. A label, shown with the source's events and traits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<Party>,
}

/// A purpose that data may be used for, as people write it; or the workspace's own default for a built-in one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurposeDocument {
    /// Its key.
    pub key: Key,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What data is used for under it, as it is told to the people concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only a live purpose exists for audiences and experiences. It is draft, live or archived, never paused.
    #[serde(default)]
    pub state: State,
    /// What holds for people who said nothing about it.
    #[serde(default)]
    pub default: Silence,
    /// Where something else holds for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<PurposeRegion>,
    /// Which signals speak about it. Absent: for a built-in purpose those that the guide lists, for
    /// others their key as a category alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals: Option<PurposeSignals>,
    /// Names of events that it has to itself: what these say is kept for no other purpose, and refused where
    /// this one is not granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
}

/// Countries in which a purpose makes something else of silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurposeRegion {
    /// Their codes, two letters of ISO 3166-1 each; `EEA` stands for the countries of the European Economic Area.
    pub countries: Vec<String>,
    /// What holds there for people who said nothing.
    pub default: Silence,
}

/// The European Economic Area: the Union, Iceland, Liechtenstein and Norway.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS",
    "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

impl PurposeRegion {
    /// The countries it names; the place of the first text that names none otherwise.
    pub(crate) fn countries(&self) -> Result<Vec<Country>, usize> {
        let mut countries = Vec::new();
        for (place, text) in self.countries.iter().enumerate() {
            let named: &[&str] = if text == "EEA" { &EEA } else { &[text] };
            for code in named {
                countries.push(code.parse().map_err(|_| place)?);
            }
        }
        Ok(countries)
    }
}

/// What a purpose makes of people who said nothing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// It is granted until they refuse (opt-out).
    #[default]
    Granted,
    /// It is denied until they agree (opt-in).
    Denied,
}

/// A source, as authenticated by its write key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its key.
    pub key: model::SourceKey,
    /// Who speaks with it.
    pub kind: SourceKind,
}
