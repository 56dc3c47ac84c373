//! Conditions in words, and the steps of an explained evaluation.

use std::fmt::{self, Write as _};

use super::{
    AccountTest, ComputedTest, Condition, EventCondition, EventPattern, Fact, Facts, Measure,
    Membership, Standing, Statistic, Truth,
    comparison::{Operand, Test},
    names::as_ref,
    syntax::Filter,
};
use crate::{Timestamp, Value, hash, value::Path};

/// Longest value shown, in characters; the rest is cut.
const MAX_SHOWN: usize = 80;

/// What `condition` asks and what was found, without the answers of its parts.
pub(super) fn finding(condition: &Condition, facts: &dyn Facts, now: Timestamp) -> String {
    match condition {
        Condition::All(parts) => format!("all of {}", parts.len()),
        Condition::Any(parts) => format!("any of {}", parts.len()),
        Condition::AtLeast { count, of } => format!("at least {count} of {}", of.len()),
        Condition::Not(_) => "not".into(),
        Condition::Trait { path, test } if !facts.shows(path) => {
            format!("trait {path} is masked, wanted {test}")
        }
        Condition::Trait { path, test } => compared("trait", path, test, facts.trait_value(path)),
        Condition::Context { path, test } => compared("context", path, test, facts.context(path)),
        Condition::Computed(computed) => {
            let found = computed.found(facts, now);
            let state = match computed.is_shown(facts) {
                true => stated(as_ref(&found)),
                false => "is masked".into(),
            };
            format!("{} {state}, wanted {}", Subject(computed), computed.test)
        }
        Condition::Pair(pair) if !facts.shows(&pair.path) || !facts.shows(&pair.other) => {
            format!("{} {} is masked, wanted {}", pair.subject.as_str(), pair.path, pair.wanted())
        }
        Condition::Dated(dated) if !facts.shows(&dated.path) => {
            format!("{} {} is masked, wanted {}", dated.subject.as_str(), dated.path, dated.when)
        }
        Condition::Pair(pair) => {
            let fact = pair.subject.fact(&pair.path, facts);
            let other = stated(facts.trait_value(&pair.other));
            let wanted = format_args!("{}, which {other}", pair.wanted());
            compared(pair.subject.as_str(), &pair.path, wanted, fact)
        }
        Condition::Dated(dated) => {
            let fact = dated.subject.fact(&dated.path, facts);
            compared(dated.subject.as_str(), &dated.path, &dated.when, fact)
        }
        Condition::Event(event) => {
            let measured = event.measured(facts, now);
            format!("{} is {measured}, wanted {}", Asked(event), Wanted(event))
        }
        Condition::Sequence(sequence) => format!("{sequence}: {}", sequence.found(facts, now)),
        Condition::Audience { key, .. } => {
            let state = membership(facts.membership(key));
            format!("{condition}: {state}")
        }
        Condition::Stage(stage) => {
            let Standing { stage, since, .. } = stage.standing(facts, now);
            let place = stage.map_or("withheld".into(), |place| format!("stage {}", place + 1));
            let since = since.map_or(String::new(), |since| format!(" since {since}"));
            format!("{condition}: {place}{since}")
        }
        Condition::Account(_) => format!("{condition}: {}", AccountTest::found(facts)),
        // Only asked of an account, of which nothing is shown.
        Condition::Belonging { .. } | Condition::Members { .. } => condition.to_string(),
        Condition::Consent(purpose) => {
            let state = match facts.consents_to(purpose) {
                Some(true) => "granted",
                Some(false) => "not granted",
                None => "there is no such purpose",
            };
            format!("{condition}: {state}")
        }
        Condition::Bucket { salt, .. } => {
            format!("{condition}: it is {}", hash::bucket(salt, facts.unit()))
        }
    }
}

fn compared(what: &str, path: &Path, wanted: impl fmt::Display, fact: Fact<&Value>) -> String {
    format!("{what} {path} {}, wanted {wanted}", stated(fact))
}

/// What is known of a value, as in `is "pro"`.
fn stated(fact: Fact<&Value>) -> String {
    match fact {
        Fact::Known(value) => format!("is {}", shown(Some(value))),
        Fact::Missing => "is missing".into(),
        Fact::Withheld => "is withheld".into(),
    }
}

fn membership(membership: Option<Membership>) -> String {
    let Some(Membership { truth, since, previous, .. }) = membership else {
        return "there is no such audience".into();
    };
    let (state, other) = match truth {
        Truth::True => ("a member", "left before that"),
        Truth::False => ("not a member", "entered before that"),
        Truth::Withheld => return "withheld".into(),
    };
    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
    let before = previous.map(|instant| format!(", {other} at {instant}")).unwrap_or_default();
    format!("{state}{since}{before}")
}

/// A value as an explanation shows it: compact JSON, cut when long.
pub(super) fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "missing".into() };
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// As in `computed brands of acme`.
struct Subject<'a>(&'a ComputedTest);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "computed {}", self.0.key)?;
        self.0.item.as_ref().map_or(Ok(()), |item| write!(f, " of {item}"))
    }
}

/// What an event condition asks, as in `count of "Order Completed" within 30d`.
struct Asked<'a>(&'a EventCondition);

/// What it wants the answer to be, as in `gte 3`.
struct Wanted<'a>(&'a EventCondition);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EventCondition { of, within, measure } = self.0;
        match measure {
            Measure::Count(_) => f.write_str("count of ")?,
            Measure::Numbers { statistic, property, .. } => {
                let words = match statistic {
                    Statistic::Sum => "sum of",
                    Statistic::Avg => "mean of",
                    Statistic::Min => "least",
                    Statistic::Max => "greatest",
                };
                write!(f, "{words} {property} of ")?;
            }
            Measure::Distinct { property, .. } => write!(f, "different {property} of ")?,
            Measure::Periods { unit, zone, .. } => write!(f, "{unit}s ({zone}) with ")?,
            Measure::MostFrequent(Filter { property, .. }) => {
                write!(f, "most frequent {property} of ")?;
            }
            Measure::Share { filters, .. } => {
                f.write_str("share of those")?;
                joined_filters(f, filters)?;
                f.write_str(" among ")?;
            }
            Measure::Last(Filter { property, .. }) => write!(f, "{property} of the last ")?,
            Measure::First(Filter { property, .. }) => write!(f, "{property} of the first ")?,
            Measure::Since(_) => f.write_str("time since the last ")?,
            Measure::SinceFirst(_) => f.write_str("time since the first ")?,
        }
        of.fmt(f)?;
        match within {
            Some(within) => write!(f, " {within}"),
            None => Ok(()),
        }
    }
}

/// As in `"Order Completed" where currency eq "SEK"`.
impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.name.text)?;
        joined_filters(f, &self.filters)
    }
}

/// As in ` where currency eq "SEK" and revenue gt 5`.
fn joined_filters(f: &mut fmt::Formatter<'_>, filters: &[Filter]) -> fmt::Result {
    for (index, Filter { property, test }) in filters.iter().enumerate() {
        let joint = if index == 0 { "where" } else { "and" };
        write!(f, " {joint} {property} {test}")?;
    }
    Ok(())
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.measure {
            Measure::Count(bound)
            | Measure::Distinct { bound, .. }
            | Measure::Periods { bound, .. } => bound.fmt(f),
            Measure::Numbers { bound, .. } | Measure::Share { bound, .. } => bound.fmt(f),
            Measure::Last(filter) | Measure::First(filter) | Measure::MostFrequent(filter) => {
                filter.test.fmt(f)
            }
            Measure::Since(bound) | Measure::SinceFirst(bound) => bound.fmt(f),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.op)?;
        match &self.operand {
            Operand::None => {}
            Operand::One(literal) => write!(f, " {}", literal.to_value())?,
            Operand::Two(low, high) => {
                write!(f, " {} and {}", low.to_value(), high.to_value())?;
            }
            Operand::Many(literals) => {
                for (index, literal) in literals.iter().enumerate() {
                    f.write_str(if index == 0 { " " } else { ", " })?;
                    write!(f, "{}", literal.to_value())?;
                }
            }
            Operand::Pattern(pattern) => write!(f, " /{}/", pattern.as_str())?,
            Operand::Version(version) => write!(f, " {version}")?,
            Operand::Area(area) => write!(f, " {area}")?,
        }
        if self.ignore_case { f.write_str(" (any case)") } else { Ok(()) }
    }
}

/// The condition in words, on one line.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) if parts.is_empty() => f.write_str("everybody"),
            Self::All(parts) => joined(f, parts, " and "),
            Self::Any(parts) => joined(f, parts, " or "),
            Self::Not(part) => write!(f, "not ({part})"),
            Self::AtLeast { count, of } => {
                write!(f, "at least {count} of ")?;
                joined(f, of, ", ")
            }
            Self::Trait { path, test } => write!(f, "trait {path} {test}"),
            Self::Context { path, test } => write!(f, "context {path} {test}"),
            Self::Computed(computed) => write!(f, "{} {}", Subject(computed), computed.test),
            Self::Pair(pair) => pair.fmt(f),
            Self::Dated(dated) => dated.fmt(f),
            Self::Event(event) => write!(f, "{} {}", Asked(event), Wanted(event)),
            Self::Sequence(sequence) => sequence.fmt(f),
            Self::Audience { key, stay } => f.write_str(&stay.in_words(key)),
            Self::Stage(stage) => {
                let of: Vec<&str> = stage.of.iter().map(crate::Key::as_str).collect();
                write!(f, "in stage {} of {}", of.join(" or "), stage.stages)?;
                let length = stage.for_at_least.as_ref();
                length.map_or(Ok(()), |length| write!(f, " for at least {length}"))
            }
            Self::Account(account) => account.fmt(f),
            Self::Belonging { of, test } => write!(f, "{} {test}", of.as_str()),
            Self::Members { quota, audience } => write!(f, "{quota} in audience {audience}"),
            Self::Consent(purpose) => write!(f, "consents to {purpose}"),
            Self::Bucket { salt, below } => write!(f, "bucket of \"{salt}\" below {below}"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Condition], joint: &str) -> fmt::Result {
    f.write_char('(')?;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(joint)?;
        }
        write!(f, "{part}")?;
    }
    f.write_char(')')
}
