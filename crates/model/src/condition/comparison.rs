//! How one value is compared: operators, literals, and bounds on counts, sums and ages.

use std::{cmp::Ordering, fmt};

use compact_str::CompactString;
use serde_json::Number;

use super::{Fact, Seen, Truth, area::Area, pattern::Pattern, version};
use crate::{Timestamp, Value};

/// An operator of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Equal.
    Eq,
    /// Present and not equal.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Lte,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Gte,
    /// From the first to the second value, both included.
    Between,
    /// Equal to one of a list.
    In,
    /// Present and equal to none of a list.
    NotIn,
    /// A text with this part, or an array with this element.
    Contains,
    /// Present, and without this part or element.
    NotContains,
    /// Contains one of a list, or more.
    ContainsAny,
    /// Contains every one of a list.
    ContainsAll,
    /// Present, and contains none of a list.
    ContainsNone,
    /// A text with this beginning.
    StartsWith,
    /// A text with this end.
    EndsWith,
    /// A text of which a part fits a regular expression.
    Matches,
    /// The same version; what is built differently is the same.
    VersionEq,
    /// An earlier version.
    VersionLt,
    /// An earlier version or the same.
    VersionLte,
    /// A later version.
    VersionGt,
    /// A later version or the same.
    VersionGte,
    /// A point no further than a distance from another.
    Near,
    /// A point within a polygon.
    Inside,
    /// Present.
    Exists,
    /// Absent.
    Missing,
    /// The boolean true.
    IsTrue,
    /// The boolean false.
    IsFalse,
}

impl Op {
    /// Every operator with the word it is written with.
    pub const ALL: [(Self, &'static str); 28] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Lt, "lt"),
        (Self::Lte, "lte"),
        (Self::Gt, "gt"),
        (Self::Gte, "gte"),
        (Self::Between, "between"),
        (Self::In, "in"),
        (Self::NotIn, "not_in"),
        (Self::Contains, "contains"),
        (Self::NotContains, "not_contains"),
        (Self::ContainsAny, "contains_any"),
        (Self::ContainsAll, "contains_all"),
        (Self::ContainsNone, "contains_none"),
        (Self::StartsWith, "starts_with"),
        (Self::EndsWith, "ends_with"),
        (Self::Matches, "matches"),
        (Self::VersionEq, "version_eq"),
        (Self::VersionLt, "version_lt"),
        (Self::VersionLte, "version_lte"),
        (Self::VersionGt, "version_gt"),
        (Self::VersionGte, "version_gte"),
        (Self::Near, "near"),
        (Self::Inside, "inside"),
        (Self::Exists, "exists"),
        (Self::Missing, "missing"),
        (Self::IsTrue, "is_true"),
        (Self::IsFalse, "is_false"),
    ];

    /// The operator written as `word`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(op, _)| op)
    }

    /// The word it is written with.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(op, _)| *op == self).map_or("", |(_, word)| word)
    }

    /// Whether it compares with a list.
    pub(super) fn takes_list(self) -> bool {
        matches!(
            self,
            Self::In | Self::NotIn | Self::ContainsAny | Self::ContainsAll | Self::ContainsNone
        )
    }

    /// Whether it compares with a version.
    pub(super) fn takes_version(self) -> bool {
        matches!(
            self,
            Self::VersionEq
                | Self::VersionLt
                | Self::VersionLte
                | Self::VersionGt
                | Self::VersionGte
        )
    }

    /// Whether it compares with an area.
    pub(super) fn takes_area(self) -> bool {
        matches!(self, Self::Near | Self::Inside)
    }

    /// Whether case can be ignored with it.
    pub(super) fn compares_text(self) -> bool {
        let of_text = matches!(
            self,
            Self::Eq
                | Self::Ne
                | Self::Contains
                | Self::NotContains
                | Self::StartsWith
                | Self::EndsWith
                | Self::Matches
        );
        of_text || self.takes_list()
    }

    /// Whether it holds for a value that has nothing to do with what it is compared with.
    pub(super) fn is_negative(self) -> bool {
        matches!(self, Self::Ne | Self::NotIn | Self::NotContains | Self::ContainsNone)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text, number or boolean of a rule, prepared for comparing.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A finite number.
    Number(Number),
    /// A text.
    Text(TextLiteral),
    /// A boolean.
    Bool(bool),
}

/// A text of a rule with what comparing it needs, worked out once.
#[derive(Clone, Debug, PartialEq)]
pub struct TextLiteral {
    text: CompactString,
    /// The lower-case form, where case is ignored.
    folded: Option<CompactString>,
    /// The instant it names, if it is written as one.
    instant: Option<Timestamp>,
}

impl Literal {
    /// Prepares `value`; `None` when it is neither a text, a finite number nor a boolean.
    pub fn new(value: &Value, ignore_case: bool) -> Option<Self> {
        Some(match value {
            Value::Number(number) => {
                number.as_f64().filter(|n| n.is_finite())?;
                Self::Number(number.clone())
            }
            Value::String(text) => Self::Text(TextLiteral {
                text: text.as_str().into(),
                folded: ignore_case.then(|| folded(text).collect()),
                instant: instant(text),
            }),
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// The literal as it was written.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(literal) => Value::String(literal.text.to_string()),
            Self::Bool(bool) => Value::Bool(*bool),
        }
    }

    /// How `value` stands to this literal; `None` when the two cannot be ordered.
    pub(super) fn order_of(&self, value: &Seen<'_>) -> Option<Ordering> {
        match (value, self) {
            (Seen::Number(value), Self::Number(literal)) => compare_numbers(value, literal),
            (Seen::Text(value), Self::Text(literal)) => Some(literal.order_of(value)),
            _ => None,
        }
    }

    /// Whether `value` equals this literal; values of different types never do.
    pub(super) fn equals(&self, value: &Seen<'_>) -> bool {
        match (value, self) {
            (Seen::Bool(value), Self::Bool(literal)) => value == literal,
            _ => self.order_of(value) == Some(Ordering::Equal),
        }
    }

    /// The number, if it is one.
    pub(super) fn number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(_) | Self::Bool(_) => None,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(literal) => Some(&literal.text),
            Self::Number(_) | Self::Bool(_) => None,
        }
    }

    fn is_in(&self, value: &Seen<'_>) -> bool {
        match (value, self) {
            (Seen::List(elements), _) => elements.any(|element| self.equals(element)),
            (Seen::Text(value), Self::Text(literal)) => {
                literal.is_part(value, |value, part| value.contains(part))
            }
            _ => false,
        }
    }

    fn is_edge(&self, value: &Seen<'_>, matches: fn(&str, &str) -> bool) -> bool {
        match (value, self) {
            (Seen::Text(value), Self::Text(literal)) => literal.is_part(value, matches),
            _ => false,
        }
    }
}

impl TextLiteral {
    fn order_of(&self, value: &str) -> Ordering {
        if let Some(literal) = self.instant
            && let Some(value) = instant(value)
        {
            return value.cmp(&literal);
        }
        match &self.folded {
            Some(literal) => folded(value).cmp(literal.chars()),
            None => value.cmp(self.text.as_str()),
        }
    }

    fn is_part(&self, value: &str, matches: fn(&str, &str) -> bool) -> bool {
        match &self.folded {
            Some(part) => matches(&folded(value).collect::<String>(), part),
            None => matches(value, &self.text),
        }
    }
}

/// Text with its letters in lower case, one by one, so that every language can do the same.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// The instant `text` names, if it is an RFC 3339 date-time or a full date (midnight UTC) and nothing looser.
///
/// The shape is checked before anything is parsed: most texts are no instants, and an article number such as
/// `20260101` must stay a text.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    const DATE: &[u8] = b"0000-00-00";
    const DATE_TIME: &[u8] = b"0000-00-00T00:00:00";
    let fits = |bytes: &[u8], shape: &[u8]| {
        bytes.len() == shape.len()
            && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't'),
                other => byte == other,
            })
    };
    let bytes = text.as_bytes();
    let shaped = fits(bytes, DATE)
        || bytes.split_at_checked(DATE_TIME.len()).is_some_and(|(head, rest)| {
            let fraction = rest.strip_prefix(b".").map_or(0, |digits| {
                1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count()
            });
            let offset = rest.get(fraction..).unwrap_or_default();
            let zoned =
                matches!(offset, b"Z" | b"z") || fits(offset, b"+00:00") || fits(offset, b"-00:00");
            fits(head, DATE_TIME) && fraction != 1 && zoned
        });
    if shaped { text.parse().ok() } else { None }
}

/// Orders two JSON numbers: whole numbers exactly, others as doubles.
pub(super) fn compare_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Some(a.cmp(&b));
    }
    let whole = |n: &Number| n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// What a comparison compares with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    None,
    One(Literal),
    Two(Literal, Literal),
    Many(Box<[Literal]>),
    Pattern(Box<Pattern>),
    Version(Box<semver::Version>),
    Area(Box<Area>),
}

/// A comparison of one value: operator and what to compare with. Made by parsing, which sees that both fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    pub(super) op: Op,
    pub(super) operand: Operand,
    pub(super) ignore_case: bool,
}

impl Test {
    /// The operator.
    pub fn op(&self) -> Op {
        self.op
    }

    /// Whether the test holds for `value`; `None` and JSON `null` are a missing value.
    ///
    /// A missing value makes every comparison false, `ne`, `not_in` and `not_contains` included;
    /// only `missing` is true then.
    pub fn holds<'a>(&self, value: Option<impl Into<Seen<'a>>>) -> bool {
        match value.map(Into::into) {
            None | Some(Seen::Null) => self.op == Op::Missing,
            Some(value) => self.holds_for(&value),
        }
    }

    fn holds_for(&self, value: &Seen<'_>) -> bool {
        match &self.operand {
            Operand::None => match self.op {
                Op::Exists => true,
                Op::IsTrue => matches!(value, Seen::Bool(true)),
                Op::IsFalse => matches!(value, Seen::Bool(false)),
                _ => false,
            },
            Operand::One(literal) => self.holds_for_one(value, literal),
            Operand::Two(low, high) => {
                low.order_of(value).is_some_and(Ordering::is_ge)
                    && high.order_of(value).is_some_and(Ordering::is_le)
            }
            Operand::Many(literals) => self.holds_for_many(value, literals),
            Operand::Pattern(pattern) => matches!(value, Seen::Text(text) if pattern.fits(text)),
            Operand::Version(version) => self.holds_for_version(value, version),
            Operand::Area(area) => area.holds(value),
        }
    }

    fn holds_for_many(&self, value: &Seen<'_>, literals: &[Literal]) -> bool {
        let equals = |literal: &Literal| literal.equals(value);
        let is_in = |literal: &Literal| literal.is_in(value);
        match self.op {
            Op::In => literals.iter().any(equals),
            Op::NotIn => !literals.iter().any(equals),
            Op::ContainsAny => literals.iter().any(is_in),
            Op::ContainsAll => literals.iter().all(is_in),
            Op::ContainsNone => !literals.iter().any(is_in),
            _ => false,
        }
    }

    fn holds_for_version(&self, value: &Seen<'_>, version: &semver::Version) -> bool {
        let Seen::Text(text) = value else { return false };
        let Some(value) = version::parse(text) else { return false };
        let order = value.cmp_precedence(version);
        match self.op {
            Op::VersionEq => order.is_eq(),
            Op::VersionLt => order.is_lt(),
            Op::VersionLte => order.is_le(),
            Op::VersionGt => order.is_gt(),
            Op::VersionGte => order.is_ge(),
            _ => false,
        }
    }

    fn holds_for_one(&self, value: &Seen<'_>, literal: &Literal) -> bool {
        match self.op {
            Op::Eq => literal.equals(value),
            Op::Ne => !literal.equals(value),
            Op::Lt => literal.order_of(value).is_some_and(Ordering::is_lt),
            Op::Lte => literal.order_of(value).is_some_and(Ordering::is_le),
            Op::Gt => literal.order_of(value).is_some_and(Ordering::is_gt),
            Op::Gte => literal.order_of(value).is_some_and(Ordering::is_ge),
            Op::Contains => literal.is_in(value),
            Op::NotContains => !literal.is_in(value),
            Op::StartsWith => literal.is_edge(value, |value, part| value.starts_with(part)),
            Op::EndsWith => literal.is_edge(value, |value, part| value.ends_with(part)),
            _ => false,
        }
    }

    /// The answer for what is known of a value.
    pub fn answer(&self, fact: Fact<&Value>) -> Truth {
        match fact {
            Fact::Known(value) => Truth::from(self.holds(Some(value))),
            Fact::Missing => Truth::from(self.holds(None::<&Value>)),
            Fact::Withheld => Truth::Withheld,
        }
    }
}

/// A bound on a count, a sum or an age.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound<T> {
    /// Exactly this.
    Eq(T),
    /// Anything but this.
    Ne(T),
    /// Less.
    Lt(T),
    /// At most.
    Lte(T),
    /// More.
    Gt(T),
    /// At least.
    Gte(T),
    /// From the first to the second, both included.
    Between(T, T),
}

impl<T: Copy + PartialOrd> Bound<T> {
    /// Whether `measured` is within the bound.
    pub fn holds(&self, measured: T) -> bool {
        match *self {
            Self::Eq(value) => measured == value,
            Self::Ne(value) => measured != value,
            Self::Lt(value) => measured < value,
            Self::Lte(value) => measured <= value,
            Self::Gt(value) => measured > value,
            Self::Gte(value) => measured >= value,
            Self::Between(low, high) => low <= measured && measured <= high,
        }
    }

    /// The answer when all that is known is that the measured value is one of `low` to `high`.
    pub(super) fn answer_over(&self, low: T, high: T) -> Truth {
        let (all, none) = match *self {
            Self::Eq(value) => (low == value && high == value, value < low || high < value),
            Self::Ne(value) => (value < low || high < value, low == value && high == value),
            Self::Lt(value) => (high < value, low >= value),
            Self::Lte(value) => (high <= value, low > value),
            Self::Gt(value) => (low > value, high <= value),
            Self::Gte(value) => (low >= value, high < value),
            Self::Between(from, to) => (from <= low && high <= to, high < from || to < low),
        };
        match (all, none) {
            (true, _) => Truth::True,
            (_, true) => Truth::False,
            _ => Truth::Withheld,
        }
    }

    /// Whether the answer is the same for `measured` and for everything larger.
    pub(super) fn is_settled_at(&self, measured: T) -> bool {
        match *self {
            Self::Lt(value) | Self::Gte(value) => measured >= value,
            Self::Eq(value) | Self::Ne(value) | Self::Lte(value) | Self::Gt(value) => {
                measured > value
            }
            Self::Between(_, high) => measured > high,
        }
    }

    /// The least and the greatest value that it is written with.
    pub fn ends(&self) -> (T, T) {
        match *self {
            Self::Between(low, high) => (low, high),
            Self::Eq(value)
            | Self::Ne(value)
            | Self::Lt(value)
            | Self::Lte(value)
            | Self::Gt(value)
            | Self::Gte(value) => (value, value),
        }
    }

    /// The operator.
    pub fn op(&self) -> Op {
        match self {
            Self::Eq(_) => Op::Eq,
            Self::Ne(_) => Op::Ne,
            Self::Lt(_) => Op::Lt,
            Self::Lte(_) => Op::Lte,
            Self::Gt(_) => Op::Gt,
            Self::Gte(_) => Op::Gte,
            Self::Between(..) => Op::Between,
        }
    }

    /// The value or values compared with, as JSON.
    pub(super) fn to_value(self, one: impl Fn(T) -> Value) -> Value {
        match self {
            Self::Between(low, high) => Value::Array(vec![one(low), one(high)]),
            Self::Eq(value)
            | Self::Ne(value)
            | Self::Lt(value)
            | Self::Lte(value)
            | Self::Gt(value)
            | Self::Gte(value) => one(value),
        }
    }
}

impl<T: Copy + PartialOrd + fmt::Display> fmt::Display for Bound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(low, high) => write!(f, "between {low} and {high}"),
            Self::Eq(value)
            | Self::Ne(value)
            | Self::Lt(value)
            | Self::Lte(value)
            | Self::Gt(value)
            | Self::Gte(value) => write!(f, "{} {value}", self.op()),
        }
    }
}
