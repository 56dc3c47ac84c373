//! The documents people write: placements and experiences, as the management API and files carry
//! them.

use model::{
    Duration, Key, Timestamp, Value,
    consent::PurposeKey,
    definition::{Fault, State},
    value::{Object, Path},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Share, Trigger, changes, policy::Adaptive, recorded};

/// Most variants an experience may have.
pub const MAX_VARIANTS: usize = 200;

/// A place in a site, app or message that experiences compete for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlacementDocument {
    /// Its key, which clients ask for; also the key of its feature flag.
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
    /// Only a live placement is answered; a paused one answers with its default.
    #[serde(default)]
    pub state: State,
    /// The purpose of the placement itself; each experience has its own, which is the one that
    /// consent is checked for.
    #[serde(default)]
    pub purpose: PurposeKey,
    /// What content must look like: a JSON Schema restricted to the keywords named in this crate's
    /// README.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_schema: Option<Object>,
    /// What is shown when no experience wins. Its strings may be Liquid over `context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Object>,
    /// Where the placement exists: a condition over the context only, asked when a request names no
    /// placements.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Value>,
}

/// Who sees what in a placement, under which limits, and how it is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperienceDocument {
    /// Its key.
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
    /// Only a live experience acts; a paused one tells that it would have.
    #[serde(default)]
    pub state: State,
    /// The purpose under which people are chosen and content is filled; without its consent nothing
    /// is shown.
    #[serde(default)]
    pub purpose: PurposeKey,
    /// The placement it competes for.
    pub placement: Key,
    /// Who may see it; everyone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<Value>,
    /// Who is not shown it whatever they agreed to, such as those who just bought what it offers:
    /// conditions over events only, of which none may hold. They are asked under the purpose
    /// `service`, so a purchase counts that may not be used to choose for somebody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub never_after: Vec<Value>,
    /// The goal it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Key>,
    /// What it is believed to change, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// What it can show, in the order that fixes the hash ranges.
    #[schemars(length(min = 1, max = 200))]
    pub variants: Vec<Variant>,
    /// The key of the variant that others are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Key>,
    /// How units are divided over variants.
    #[serde(default)]
    pub allocation: Allocation,
    /// Whether it compares different things, or the same with itself.
    #[serde(default, skip_serializing_if = "Mode::is_usual")]
    pub mode: Mode,
    /// The share of eligible units that take part at all.
    #[serde(default = "everything")]
    pub traffic: Share,
    /// Other shares from an instant on, in the order of their instants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub ramp: Vec<RampStep>,
    /// Which experience wins a placement: the higher priority, then the smaller key.
    #[serde(default)]
    pub priority: i32,
    /// When it acts.
    #[serde(default, skip_serializing_if = "Schedule::is_always")]
    pub schedule: Schedule,
    /// How often it may be shown.
    #[serde(default, skip_serializing_if = "Caps::is_empty")]
    pub caps: Caps,
    /// The share of winning units that get the placement's default instead, so that the whole
    /// effect can be measured.
    #[serde(default)]
    pub holdout: Share,
    /// The profile fields that content may fill in for a public caller, which proved nothing about
    /// who is asking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_fields: Vec<Path>,
    /// What draws are salted with; the key when absent. A new salt draws everything anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub salt: Option<String>,
    /// A group of experiences of which a request is answered with at most one, however many placements
    /// the page has: the one that arbitration puts first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_group: Option<Key>,
    /// Its slot in a group of experiences of which a unit takes part in at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusion_group: Option<ExclusionSlot>,
    /// Metrics that stop it: where a variant is surely worse than the control by one of them, it is
    /// paused. When empty, nothing is stopped, and all live guardrails raise an alarm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub guardrails: Vec<Key>,
    /// Whether it is also paused when the variants surely do not have the shares of units that they
    /// should have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop_on_mismatch: bool,
    /// Whether it is also paused when browsers say that a variant could not be shown more often than not, since the
    /// page has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop_on_broken: bool,
    /// Traits whose values at the decision are recorded with it, as far as the purpose lets them be read, so that
    /// results can be broken down by them. The first 80 characters of a value are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub record_traits: Vec<Path>,
    /// What it waits for on a page, before any variant is shown; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// How its results are read where a question does not say.
    #[serde(default, skip_serializing_if = "Method::is_usual")]
    pub method: Method,
}

/// Most metrics that stop an experience.
const MAX_GUARDRAILS: usize = 20;

impl ExperienceDocument {
    /// All that it can show.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &Object> + Clone {
        self.variants.iter().flat_map(|variant| {
            let editions = variant.editions.iter().filter_map(|edition| edition.content.as_ref());
            variant.content.iter().chain(editions)
        })
    }

    /// What is wrong with it whoever decides it: what stops an experience can only stop what is decided here.
    pub fn faults(&self) -> Vec<Fault> {
        let Self { guardrails, stop_on_mismatch, stop_on_broken, allocation, .. } = self;
        let mut faults = Vec::new();
        if MAX_GUARDRAILS < guardrails.len() {
            let detail = format!("at most {MAX_GUARDRAILS} metrics stop an experience");
            faults.push(Fault::new("/guardrails", detail));
        }
        for (place, key) in guardrails.iter().enumerate() {
            if guardrails.iter().take(place).any(|before| before == key) {
                let detail = format!("metric `{key}` is named twice");
                faults.push(Fault::new(format!("/guardrails/{place}"), detail));
            }
        }
        if matches!(allocation, Allocation::External {}) {
            let detail = "somebody else decides this experience, so it cannot be stopped here";
            if !guardrails.is_empty() {
                faults.push(Fault::new("/guardrails", detail));
            }
            if *stop_on_mismatch {
                faults.push(Fault::new("/stop_on_mismatch", detail));
            }
            if *stop_on_broken {
                faults.push(Fault::new("/stop_on_broken", detail));
            }
        }
        faults.extend(self.method.faults(allocation));
        faults.extend(self.trigger.and_then(Trigger::fault));
        if self.trigger.is_some() && self.contents().any(|one| one.contains_key(changes::REDIRECT))
        {
            faults
                .push(Fault::new("/trigger", "nobody is led on from a page that they are reading"));
        }
        let is_decided_here = !matches!(allocation, Allocation::External {});
        faults.extend(recorded::faults(&self.record_traits, is_decided_here));
        faults
    }
}

/// How intervals of results come about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// They hold however often somebody looks.
    Sequential {},
    /// The same, narrowest for effects of the size that is looked for.
    Msprt {
        /// That size as a share of the control's value: 0.05 is 5 %. Each metric's `smallest_effect` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.0001, max = 10.0))]
        effect: Option<f64>,
    },
    /// They hold at looks that are planned before anybody is exposed, of which each says more than one at any time.
    PlannedLooks {
        /// How many units are to be exposed in all.
        #[schemars(range(min = 100))]
        units: u64,
        /// How many looks there are, each after as many units as the one before; the last sees all.
        #[schemars(range(min = 1, max = 12))]
        looks: u32,
    },
    /// They hold for one look, at a time that was set before.
    Fixed {},
    /// They hold however often somebody looks and for any number of units; for conversion and retention alone.
    Exact {},
}

/// The sizes of effect that may be looked for.
pub const EFFECTS: std::ops::RangeInclusive<f64> = 0.0001..=10.0;
/// Fewest units that looks are planned for.
const PLANNED_MIN: u64 = 100;
/// Most planned looks.
const LOOKS_MAX: u32 = 12;

impl Default for Method {
    fn default() -> Self {
        Self::Sequential {}
    }
}

impl Method {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it where units are divided like this.
    fn faults(self, allocation: &Allocation) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, detail: String| faults.push(Fault::new(pointer, detail));
        if let Self::Msprt { effect: Some(effect) } = self
            && !EFFECTS.contains(&effect)
        {
            fault("/method/effect", "a size of effect is from 0.0001 to 10, as in 0.05".into());
        }
        if let Self::PlannedLooks { units, looks } = self {
            if units < PLANNED_MIN {
                fault("/method/units", format!("at least {PLANNED_MIN} units are to be exposed"));
            }
            if !(1..=LOOKS_MAX).contains(&looks) {
                fault("/method/looks", format!("from 1 to {LOOKS_MAX} looks are planned"));
            }
        }
        let is_for_any_shares = matches!(self, Self::Sequential {} | Self::Fixed {});
        if allocation.adaptive().is_some() && !is_for_any_shares {
            let detail =
                "where shares follow what units did, results are read by `sequential` or `fixed`";
            fault("/method/kind", detail.into());
        }
        faults
    }
}

fn everything() -> Share {
    Share::ALL
}

/// What an experience compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Variants that differ.
    #[default]
    Ab,
    /// Variants that are the same, so that what is measured must show no difference.
    Aa,
}

impl Mode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::Ab
    }
}

/// From an instant on, another share of units takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RampStep {
    /// The first instant.
    pub at: Timestamp,
    /// The share of eligible units that take part from then on.
    pub traffic: Share,
}

/// Most steps of a ramp.
pub const MAX_RAMP_STEPS: usize = 50;

/// One of the things an experience can show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its key within the experience.
    pub key: Key,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its part of the whole, relative to the other variants; 0 retires it.
    #[serde(default = "one")]
    pub weight: u32,
    /// What is shown; `null` means the placement's default. Its strings may be Liquid over
    /// `profile` and `context`.
    #[serde(default)]
    pub content: Option<Object>,
    /// The same for some languages and people, in place of `content`. A variant is measured as one,
    /// whichever edition of it somebody saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub editions: Vec<Edition>,
}

/// Most editions of a variant.
pub const MAX_EDITIONS: usize = 100;

/// A variant's content for some: for a language, for those of whom a condition holds, or both.
///
/// Of the editions that fit, one whose locale is nearer to the visitor's goes before one whose is
/// less near (`sv-SE`, then `sv`, then none), then one with a condition before one without, then
/// the earlier. Where none fits, the variant's own content is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// The language, as in `sv` or `sv-SE`; any when absent. The visitor's is `context.locale`, or
    /// else the trait `locale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Of whom it holds: a persona, a stage, or any other condition; everyone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Value>,
    /// What is shown; `null` means the placement's default.
    #[serde(default)]
    pub content: Option<Object>,
}

fn one() -> u32 {
    1
}

/// How units are divided over variants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Allocation {
    /// By weight, drawn once by hash.
    Fixed {},
    /// By what units before did, once there are enough; by weight until then. A variant with weight 0 gets nobody.
    Adaptive(Adaptive),
    /// By somebody else: it is never decided here, and only read out, of exposures that a server states. The
    /// weights say how units should be divided.
    External {},
}

impl Allocation {
    /// How shares follow what units did, if they do.
    pub fn adaptive(&self) -> Option<&Adaptive> {
        match self {
            Self::Adaptive(adaptive) => Some(adaptive),
            Self::Fixed {} | Self::External {} => None,
        }
    }
}

impl Default for Allocation {
    fn default() -> Self {
        Self::Fixed {}
    }
}

/// When an experience acts: from `start`, up to but not including `end`, and of that time only in
/// the `hours`, where some are given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The first instant; always so far when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// The first instant after; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// The hours of the week; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub hours: Vec<Hours>,
    /// Whose clock tells the hours: a name of the time zone database; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The visitor's clock tells them, where `context.timezone` or the trait `timezone` is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_visitor_time: bool,
}

/// Most stretches of hours of a schedule.
pub const MAX_HOURS: usize = 50;

/// A stretch of hours on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days, as in `monday`; every day when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// The first minute, as in `09:00`; midnight when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The first minute after, as in `17:30`; midnight when absent. One that is not after `from`
    /// lies on the next day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the days are what they are called")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Schedule {
    fn is_always(&self) -> bool {
        *self == Self::default()
    }

    /// Whether both act at some instant, whatever their hours.
    pub fn meets(&self, other: &Self) -> bool {
        let begins_before_end = |a: &Self, b: &Self| match (a.start, b.end) {
            (Some(start), Some(end)) => start < end,
            _ => true,
        };
        begins_before_end(self, other) && begins_before_end(other, self)
    }
}

/// How often an experience may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// For one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_person: Option<Cap>,
    /// For one person, counted together with all other experiences that name the same group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub shared: Vec<SharedCap>,
}

/// Most shared caps of an experience.
pub const MAX_SHARED_CAPS: usize = 10;

/// At most `count` wins of all experiences of a group in any stretch of `within`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedCap {
    /// The group.
    pub group: Key,
    /// The number of recorded wins at which it closes.
    #[schemars(range(min = 1))]
    pub count: u32,
    /// How long a win counts.
    pub within: Duration,
}

impl Caps {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// At most `count` wins in any stretch of `within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// The number of recorded wins at which it closes.
    #[schemars(range(min = 1))]
    pub count: u32,
    /// How long a win counts.
    pub within: Duration,
}

/// A slot of an exclusion group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExclusionSlot {
    /// The group.
    pub group: Key,
    /// The slot's key within it.
    pub slot: Key,
}
