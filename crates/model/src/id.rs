//! Typed ids: which kinds of things have a name, and how each is written.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How many lanes a workspace has. It is part of the stored format and never changes.
pub const LANE_COUNT: u16 = 1024;

/// Position in the workspace's one totally ordered log of inputs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// The partition of a routing identifier: first component of every stored key that belongs to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(u16);

impl Lane {
    /// Takes a hash of a routing identifier into the range of lanes.
    pub fn from_hash(hash: u64) -> Self {
        let lane = hash % u64::from(LANE_COUNT);
        Self(u16::try_from(lane).unwrap_or_default())
    }

    /// Reads a stored lane; `None` when it is not below [`LANE_COUNT`].
    pub fn from_stored(lane: u16) -> Option<Self> {
        (lane < LANE_COUNT).then_some(Self(lane))
    }

    /// The number, `0..LANE_COUNT`.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// A strand: everything that came from one (routing identifier, user id) pair.
///
/// The number is the log position of its birth, so a smaller number is an older strand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StrandId {
    /// Log position of the strand's first event. Declared first so that strands order by birth.
    pub born: Seq,
    /// The lane all rows of this strand live in.
    pub lane: Lane,
}

/// Bits of a strand's number that say its birth; the lane is above them.
const BIRTH_BITS: u32 = 48;

impl StrandId {
    /// Both parts as one integer, in the order in which strands lie in files: the lane times 2⁴⁸, and the birth.
    /// `None` for a birth of 2⁴⁸ or later, which no log reaches.
    pub fn number(self) -> Option<i64> {
        let born = i64::try_from(self.born.0).ok().filter(|born| born >> BIRTH_BITS == 0)?;
        Some(i64::from(self.lane.get()) << BIRTH_BITS | born)
    }

    /// The strand with a number; `None` when no strand has it.
    pub fn from_number(number: i64) -> Option<Self> {
        let lane = Lane::from_stored(u16::try_from(number >> BIRTH_BITS).ok()?)?;
        let born = u64::try_from(number).ok()? & ((1 << BIRTH_BITS) - 1);
        Some(Self { born: Seq(born), lane })
    }
}

/// The public name of a profile: the id of a strand of its component, given at first arrival.
///
/// Written as 20 lower-case hexadecimal digits (lane, then birth). Any strand of the component names the same profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(pub StrandId);

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}{:016x}", self.0.lane.get(), self.0.born.0)
    }
}

impl FromStr for ProfileId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::from_hexadecimal(text.as_bytes())
    }
}

impl ProfileId {
    /// Reads the digits that it is written with.
    ///
    /// # Errors
    ///
    /// When they are too few, too many, or none.
    pub fn from_hexadecimal(digits: &[u8]) -> Result<Self, IdError> {
        let invalid = || {
            let shown = String::from_utf8_lossy(digits);
            IdError::Profile(shown.chars().take(40).collect())
        };
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0_u64, |number, digit| {
                char::from(*digit).to_digit(16).map(|digit| number << 4 | u64::from(digit))
            })
        };
        let Some((lane, born)) = digits.split_at_checked(4).filter(|(_, born)| born.len() == 16)
        else {
            return Err(invalid());
        };
        let lane = number(lane).and_then(|lane| Lane::from_stored(u16::try_from(lane).ok()?));
        let (Some(lane), Some(born)) = (lane, number(born)) else { return Err(invalid()) };
        Ok(Self(StrandId { born: Seq(born), lane }))
    }
}

impl Serialize for ProfileId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What assignments hash: given to each strand at first sight, never changed.
///
/// Derived from the routing identifier, so a visitor has the same unit before and after the first stored event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitId(pub u64);

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One answered decision; 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(pub u128);

impl DecisionId {
    /// The id of a decision by its count among those of one start of an engine.
    pub fn new(start: u64, count: u64) -> Self {
        Self(u128::from(start) << 64 | u128::from(count))
    }

    /// Its count among those of its start: the lower half.
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
    pub fn count(self) -> u64 {
        self.0 as u64
    }

    /// The id of another count of the same start.
    pub fn with_count(self, count: u64) -> Self {
        Self(self.0 >> 64 << 64 | u128::from(count))
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for DecisionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let invalid = || IdError::Decision(text.chars().take(40).collect());
        if text.len() != 32 {
            return Err(invalid());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| invalid())
    }
}

/// An operator's act on people; 128 random bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActId(pub u128);

impl fmt::Display for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ActId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let invalid = || IdError::Act(text.chars().take(40).collect());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| invalid())
    }
}

/// The key of a definition or source: 1–64 of `a-z 0-9 _ -`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Key(
    #[schemars(with = "String", regex(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"))]
    compact_str::CompactString,
);

/// The key of a source of events.
pub type SourceKey = Key;

impl Key {
    /// Longest key, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Bytes in memory, beside its own.
    pub(crate) fn weight(&self) -> usize {
        crate::weight::text(&self.0)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a part of a definition: both keys with a dot between them, which no key that
    /// people choose can be.
    #[must_use]
    pub fn within(&self, definition: &Self) -> Self {
        Self(compact_str::format_compact!("{definition}.{self}"))
    }

    /// The definition and its part, of a name that [`Key::within`] made.
    pub fn parts(&self) -> Option<(Self, Self)> {
        let (definition, part) = self.0.split_once('.')?;
        Some((definition.parse().ok()?, part.parse().ok()?))
    }

    /// Reads a key as it was stored: one that people chose, or the name of a part.
    pub fn from_stored(text: &str) -> Result<Self, IdError> {
        match text.split_once('.') {
            Some((definition, part)) => {
                let (definition, part): (Self, Self) = (definition.parse()?, part.parse()?);
                Ok(part.within(&definition))
            }
            None => text.parse(),
        }
    }
}

impl FromStr for Key {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if starts_well && text.len() <= Self::MAX_BYTES && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::Key(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_written_by_people = deserializer.is_human_readable();
        let text = compact_str::CompactString::deserialize(deserializer)?;
        let key = if is_written_by_people { text.parse() } else { Self::from_stored(&text) };
        key.map_err(serde::de::Error::custom)
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// Not 20 hexadecimal digits with a lane in range.
    #[error("`{0}` is not a profile id")]
    Profile(String),
    /// Not 32 hexadecimal digits.
    #[error("`{0}` is not a decision id")]
    Decision(String),
    /// Not 32 hexadecimal digits.
    #[error("`{0}` is not the id of an act")]
    Act(String),
    /// Not a legal definition key.
    #[error(
        "`{0}` is not a key: use 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit"
    )]
    Key(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_id_survives_its_text_form() {
        let id = ProfileId(StrandId { born: Seq(77), lane: Lane::from_hash(1023) });
        assert_eq!(id.to_string(), "03ff000000000000004d");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("0400000000000000004d".parse::<ProfileId>().is_err(), "lane 1024 does not exist");
        assert!("+3ff000000000000004d".parse::<ProfileId>().is_err());
    }

    #[test]
    fn a_strand_has_a_number_that_sorts_as_its_id() {
        let strand = |lane, born| StrandId { born: Seq(born), lane: Lane::from_hash(lane) };
        let last = (1 << 48) - 1;
        let strands =
            [strand(0, 0), strand(0, last), strand(1, 3), strand(1023, 0), strand(1023, last)];
        let numbers = strands.map(|strand| strand.number().unwrap());
        assert!(
            numbers.is_sorted() && strands.map(|strand| ProfileId(strand).to_string()).is_sorted()
        );
        assert_eq!(numbers.map(|number| StrandId::from_number(number).unwrap()), strands);
        assert_eq!(numbers[2], (1 << 48) + 3);
        assert_eq!(strand(0, 1 << 48).number(), None, "no log is so long");
        for number in [-1, 1024 << 48, i64::MAX, i64::MIN] {
            assert_eq!(StrandId::from_number(number), None, "{number}");
        }
    }

    #[test]
    fn a_part_of_a_definition_has_a_name_that_nobody_can_choose() {
        let (car, decision): (Key, Key) = ("car".parse().unwrap(), "decision".parse().unwrap());
        let name = decision.within(&car);
        assert_eq!(name.as_str(), "car.decision");
        assert_eq!(name.parts(), Some((car.clone(), decision)));
        assert_eq!(Key::from_stored(name.as_str()), Ok(name.clone()));
        assert!(name.as_str().parse::<Key>().is_err());
        assert!(serde_json::from_str::<Key>("\"car.decision\"").is_err());
        assert_eq!(car.parts(), None);
        assert!(Key::from_stored("car.").is_err() && Key::from_stored("a.b.c").is_err());
    }

    #[test]
    fn keys_are_narrow() {
        assert!("home_hero".parse::<Key>().is_ok());
        for bad in ["", "Home", "_x", "a b", "å", &"x".repeat(65)] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }
}
