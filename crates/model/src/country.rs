//! Countries, as far as rules differ between them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A country by its two letters of ISO 3166-1, in upper case. Whether the code is given to a country is not checked.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Country([u8; 2]);

/// A text that is no code of a country.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a country is written with the two letters of ISO 3166-1")]
pub struct CountryError;

impl Country {
    /// The code in upper case.
    pub fn as_str(&self) -> &str {
        // The letters are ASCII by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The country with these letters, as they were stored.
    pub fn from_letters(letters: [u8; 2]) -> Option<Self> {
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// Its letters.
    pub fn letters(self) -> [u8; 2] {
        self.0
    }
}

impl FromStr for Country {
    type Err = CountryError;

    fn from_str(text: &str) -> Result<Self, CountryError> {
        let letters: [u8; 2] = text.as_bytes().try_into().map_err(|_| CountryError)?;
        Self::from_letters(letters.map(|letter| letter.to_ascii_uppercase())).ok_or(CountryError)
    }
}

impl TryFrom<String> for Country {
    type Error = CountryError;

    fn try_from(text: String) -> Result<Self, CountryError> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_letters_in_either_case_are_a_country() {
        let se: Country = "se".parse().unwrap();
        assert_eq!((se.to_string(), se), ("SE".to_owned(), "SE".parse().unwrap()));
        assert_eq!(Country::from_letters(se.letters()), Some(se));
        for text in ["", "S", "SWE", "S1", "åé", "Å"] {
            assert_eq!(text.parse::<Country>(), Err(CountryError), "{text}");
        }
        assert_eq!(Country::from_letters(*b"se"), None);
    }
}
