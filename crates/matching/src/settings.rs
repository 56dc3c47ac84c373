//! What is compared and how: the document that people write.

use serde::{Deserialize, Serialize};

/// Most comparisons of one run: a pattern holds a level of each in 4 bits of 64.
pub const COMPARISONS_MAX: usize = 16;

/// Most levels of a comparison, besides the one for everything else.
pub const LEVELS_MAX: usize = 13;

/// Most blocking rules: each costs 12 bytes a record while pairs are made.
pub const RULES_MAX: usize = 16;

/// What is compared, which pairs are looked at, and where chance begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What every draw depends on: the same records, settings and seed give the same answer.
    #[serde(default)]
    pub seed: u64,
    /// Which pairs are looked at: those that agree on all keys of at least one rule.
    pub blocking: Vec<Vec<Key>>,
    /// What is compared, each column once.
    pub comparisons: Vec<Comparison>,
}

/// What a blocking rule asks two records to share: a column's value, or its first characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// The whole value.
    Whole(String),
    /// Its beginning.
    Beginning(Beginning),
}

/// The first characters of a column's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    /// The column.
    pub column: String,
    /// How many characters.
    pub first: u8,
}

impl Key {
    /// The column it looks at.
    pub fn column(&self) -> &str {
        match self {
            Self::Whole(column) => column,
            Self::Beginning(beginning) => &beginning.column,
        }
    }

    /// How many characters it looks at, when not at all.
    pub(crate) fn first(&self) -> Option<u8> {
        match self {
            Self::Whole(_) => None,
            Self::Beginning(beginning) => Some(beginning.first),
        }
    }
}

/// How a value is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// As text, whatever its case and spacing.
    #[default]
    Text,
    /// As its digits alone: phone numbers.
    Digits,
    /// As a number.
    Number,
    /// As a date, `1970-01-31` or `19700131`; what follows the day is left out.
    Date,
}

/// How alike two values are, from one bound to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The same in normal form.
    Exact,
    /// Of at least this Jaro–Winkler similarity, 0 to 1.
    JaroWinkler(f64),
    /// At most this many edits apart (Damerau–Levenshtein).
    Edits(u32),
    /// Numbers at most this far apart.
    Within(f64),
    /// Numbers of which the smaller is at least this share of the larger, 0 to 1.
    Ratio(f64),
    /// Dates at most this many days apart.
    Days(u32),
}

/// How one column is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Comparison {
    /// The column.
    pub column: String,
    /// How its values are read.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The levels, the most alike first; a pair is at the first one that takes it, or at `else`.
    pub levels: Vec<Level>,
    /// Whether agreement on a rare value counts more than on a common one.
    pub term_frequency: bool,
}

/// The kinds of columns that everybody has, each with levels that suit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Like {
    /// A given name, a family name, or both.
    Name,
    /// An address of mail.
    Email,
    /// A phone number.
    Phone,
    /// A date of birth.
    Date,
    /// A street, a place, an organisation: longer texts of several words.
    Place,
    /// A post code, a house number: a short code that many share.
    Code,
    /// A number that is given to one person alone.
    Number,
    /// One of a few words: a gender, a country.
    Category,
}

impl Like {
    /// The comparison of a column of this kind.
    pub fn comparison(self, column: String) -> Comparison {
        use Level::{Days, Edits, Exact, JaroWinkler};
        let (kind, levels, term_frequency) = match self {
            Self::Name => (
                Kind::Text,
                vec![Exact, JaroWinkler(0.92), JaroWinkler(0.88), JaroWinkler(0.7)],
                true,
            ),
            // Addresses are made of names, so that those of namesakes are alike: only a slip counts.
            Self::Email => (Kind::Text, vec![Exact, Edits(1)], true),
            Self::Phone => (Kind::Digits, vec![Exact, Edits(1), Edits(2)], true),
            // Birthdays are about equally common: rarity would only tell how few records there are.
            Self::Date => (Kind::Date, vec![Exact, Edits(1), Days(31), Days(366)], false),
            Self::Place => (Kind::Text, vec![Exact, JaroWinkler(0.9), JaroWinkler(0.8)], true),
            Self::Code => (Kind::Text, vec![Exact, Edits(1)], true),
            Self::Number => (Kind::Text, vec![Exact, Edits(1), Edits(2)], false),
            Self::Category => (Kind::Text, vec![Exact], true),
        };
        Comparison { column, kind, levels, term_frequency }
    }
}

/// A comparison as it is written: by what the column is like, by its levels, or by the one with some of the other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    column: String,
    like: Option<Like>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    levels: Option<Vec<Level>>,
    term_frequency: Option<bool>,
}

impl From<Written> for Comparison {
    fn from(written: Written) -> Self {
        let mut comparison = match written.like {
            Some(like) => like.comparison(written.column),
            None => Self {
                column: written.column,
                kind: Kind::default(),
                levels: vec![Level::Exact],
                term_frequency: false,
            },
        };
        comparison.kind = written.kind.unwrap_or(comparison.kind);
        comparison.levels = written.levels.unwrap_or(comparison.levels);
        comparison.term_frequency = written.term_frequency.unwrap_or(comparison.term_frequency);
        comparison
    }
}

/// What is wrong with settings.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Nothing to compare, or more than fits.
    #[error("{0} comparisons; there are 1 to {COMPARISONS_MAX}")]
    Comparisons(usize),
    /// No rule, or too many.
    #[error("{0} blocking rules; there are 1 to {RULES_MAX}")]
    Rules(usize),
    /// A rule without a key takes every pair there is.
    #[error("a blocking rule has no key, so that it would take every pair there is")]
    EmptyRule,
    /// A key of no characters takes every pair there is.
    #[error("a blocking key of `{0}` looks at no character")]
    EmptyKey(String),
    /// A column is compared twice: its agreement would count twice.
    #[error("`{0}` is compared twice; give its comparison more levels instead")]
    Twice(String),
    /// A comparison has no level, or too many.
    #[error("the comparison of `{column}` has {count} levels; there are 1 to {LEVELS_MAX}")]
    Levels {
        /// Its column.
        column: String,
        /// How many it has.
        count: usize,
    },
    /// A bound that no pair, or every pair, would pass.
    #[error("the comparison of `{column}` has the level {level}, whose bound is out of range")]
    Bound {
        /// Its column.
        column: String,
        /// The level.
        level: Level,
    },
    /// A bound that needs numbers or dates on a column that is read as something else.
    #[error(
        "the comparison of `{column}` has the level {level}, which needs another type of column"
    )]
    WrongKind {
        /// Its column.
        column: String,
        /// The level.
        level: Level,
    },
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact => write!(f, "exact"),
            Self::JaroWinkler(least) => write!(f, "jaro_winkler {least}"),
            Self::Edits(most) => write!(f, "edits {most}"),
            Self::Within(most) => write!(f, "within {most}"),
            Self::Ratio(least) => write!(f, "ratio {least}"),
            Self::Days(most) => write!(f, "days {most}"),
        }
    }
}

impl Settings {
    /// Looks for faults, so that what comes later can rely on there being none.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), Fault> {
        if !(1..=COMPARISONS_MAX).contains(&self.comparisons.len()) {
            return Err(Fault::Comparisons(self.comparisons.len()));
        }
        if !(1..=RULES_MAX).contains(&self.blocking.len()) {
            return Err(Fault::Rules(self.blocking.len()));
        }
        for rule in &self.blocking {
            if rule.is_empty() {
                return Err(Fault::EmptyRule);
            }
            if let Some(key) = rule.iter().find(|key| key.first() == Some(0)) {
                return Err(Fault::EmptyKey(key.column().to_owned()));
            }
        }
        for (place, comparison) in self.comparisons.iter().enumerate() {
            let before = self.comparisons.iter().take(place);
            if before.into_iter().any(|other| other.column == comparison.column) {
                return Err(Fault::Twice(comparison.column.clone()));
            }
            comparison.check()?;
        }
        Ok(())
    }
}

impl Comparison {
    fn check(&self) -> Result<(), Fault> {
        let column = || self.column.clone();
        if !(1..=LEVELS_MAX).contains(&self.levels.len()) {
            return Err(Fault::Levels { column: column(), count: self.levels.len() });
        }
        for &level in &self.levels {
            let (in_range, kind) = match level {
                Level::Exact => (true, None),
                Level::JaroWinkler(least) => (0.0 < least && least <= 1.0, None),
                Level::Edits(most) => (0 < most, None),
                Level::Within(most) => (0.0 <= most && most.is_finite(), Some(Kind::Number)),
                Level::Ratio(least) => (0.0 < least && least <= 1.0, Some(Kind::Number)),
                Level::Days(_) => (true, Some(Kind::Date)),
            };
            if !in_range {
                return Err(Fault::Bound { column: column(), level });
            }
            if kind.is_some_and(|kind| kind != self.kind) {
                return Err(Fault::WrongKind { column: column(), level });
            }
        }
        Ok(())
    }
}
