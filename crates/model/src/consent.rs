//! Purposes and consent: what a person's data may be used for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Key, id::IdError};

/// One purpose: a small number that is given once and is part of the stored format.
///
/// Numbers 0–4 are built in; a workspace may define up to 27 more, numbered by the engine at creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Purpose(u8);

impl Purpose {
    /// How many purposes a workspace can have.
    pub const COUNT: u8 = 32;
    /// Suppression, caps, opt-out and just-bought checks: always readable for that check and for nothing else.
    pub const SERVICE: Self = Self(0);
    /// Choosing what to show to this person.
    pub const PERSONALIZATION: Self = Self(1);
    /// Measuring what happened.
    pub const ANALYTICS: Self = Self(2);
    /// Sending messages.
    pub const MARKETING: Self = Self(3);
    /// Sharing with advertising platforms.
    pub const ADVERTISING: Self = Self(4);
    /// The built-in purposes with their keys.
    pub const BUILT_IN: [(Self, &'static str); 5] = [
        (Self::SERVICE, "service"),
        (Self::PERSONALIZATION, "personalization"),
        (Self::ANALYTICS, "analytics"),
        (Self::MARKETING, "marketing"),
        (Self::ADVERTISING, "advertising"),
    ];

    /// The purpose with this number; `None` when it is out of range.
    pub fn from_number(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Its number, below [`Purpose::COUNT`].
    pub fn number(self) -> u8 {
        self.0
    }
}

/// A set of purposes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PurposeSet(pub u32);

impl PurposeSet {
    /// No purpose.
    pub const NONE: Self = Self(0);
    /// Every purpose there can be.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether `purpose` is in the set.
    pub fn contains(self, purpose: Purpose) -> bool {
        self.0 & (1 << purpose.0) != 0
    }

    /// The set with `purpose` added.
    #[must_use]
    pub fn with(self, purpose: Purpose) -> Self {
        Self(self.0 | (1 << purpose.0))
    }

    /// The set with `purpose` taken out.
    #[must_use]
    pub fn without(self, purpose: Purpose) -> Self {
        Self(self.0 & !(1 << purpose.0))
    }

    /// The purposes that are in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The purposes that are in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The purposes in the set, by number.
    pub fn iter(self) -> impl Iterator<Item = Purpose> {
        (0..Purpose::COUNT).map(Purpose).filter(move |&p| self.contains(p))
    }
}

/// What a person said about one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The person agreed.
    Granted,
    /// The person refused or withdrew.
    Denied,
    /// Nothing was said; the workspace's default for the purpose applies.
    Unknown,
}

/// A statement about consent, as an event or a request carries it: explicit answers only, by purpose.
///
/// A purpose that is absent was not spoken about, which differs from denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Consents {
    /// Purposes explicitly granted.
    pub granted: PurposeSet,
    /// Purposes explicitly denied; wins over `granted` where a source says both.
    pub denied: PurposeSet,
}

impl Consents {
    /// What was said about `purpose`.
    pub fn basis(self, purpose: Purpose) -> Basis {
        if self.denied.contains(purpose) {
            Basis::Denied
        } else if self.granted.contains(purpose) {
            Basis::Granted
        } else {
            Basis::Unknown
        }
    }

    /// What both say together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { granted: self.granted.union(other.granted), denied: self.denied.union(other.denied) }
    }

    /// Whether nothing was said at all.
    pub fn is_empty(self) -> bool {
        self.spoken() == PurposeSet::NONE
    }

    /// The purposes about which anything was said.
    pub fn spoken(self) -> PurposeSet {
        self.granted.union(self.denied)
    }
}

/// The key a purpose is written with.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct PurposeKey(pub Key);

impl Default for PurposeKey {
    fn default() -> Self {
        // The text is a legal key, which the test below holds.
        match "personalization".parse() {
            Ok(key) => Self(key),
            Err(_) => unreachable!("`personalization` is a legal key"),
        }
    }
}

impl FromStr for PurposeKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for PurposeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_wins_and_silence_is_unknown() {
        let said = Consents {
            granted: PurposeSet::NONE.with(Purpose::ANALYTICS).with(Purpose::MARKETING),
            denied: PurposeSet::NONE.with(Purpose::MARKETING),
        };
        assert_eq!(said.basis(Purpose::ANALYTICS), Basis::Granted);
        assert_eq!(said.basis(Purpose::MARKETING), Basis::Denied);
        assert_eq!(said.basis(Purpose::ADVERTISING), Basis::Unknown);
    }

    #[test]
    fn built_in_purposes_have_legal_keys_and_their_own_numbers() {
        for (i, (purpose, key)) in Purpose::BUILT_IN.into_iter().enumerate() {
            assert_eq!(usize::from(purpose.number()), i);
            assert!(key.parse::<Key>().is_ok());
        }
        assert_eq!(PurposeKey::default().to_string(), "personalization");
    }
}
