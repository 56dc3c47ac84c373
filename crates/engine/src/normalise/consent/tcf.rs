//! Transparency and Consent strings of the IAB's framework, version 2.
//!
//! Only one field of the first segment is read: which purposes the person consented to. It stands at
//! a fixed place, as the specification lays it down ("Consent string and vendor list formats v2", The
//! Core String): 6 bits of version, 36 of creation, 36 of update, 12 and 12 of the dialogue and its
//! version, 6 of its screen, 12 of language, 12 of the list's version, 6 of the policy's, 1 and 1 of
//! scope and stacks, 12 of special features, and then 24 bits, the first for purpose 1.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

/// Where the bits of purposes begin, and how many there are.
const FIRST_BIT: usize = 152;
const PURPOSES: u8 = 24;
/// The version that is read, in the first six bits.
const VERSION: u8 = 2;
/// Longest string that is read, in bytes: those of the longest vendor lists have some kilobytes.
const MAX_BYTES: usize = 8 * 1024;

/// The purposes of the framework that somebody consented to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Purposes(u32);

impl Purposes {
    /// Whether a purpose, counted from 1, is among them.
    pub(super) fn contains(self, number: u8) -> bool {
        (1..=PURPOSES).contains(&number) && self.0 & (1 << (PURPOSES - number)) != 0
    }
}

/// Reads a string; `None` when it is none of version 2.
pub(super) fn purposes(text: &str) -> Option<Purposes> {
    if MAX_BYTES < text.len() {
        return None;
    }
    let core = text.split('.').next()?.trim_end_matches('=');
    // What follows the purposes is not decoded: a text of a multiple of four characters is whole bytes.
    let needed = (FIRST_BIT + usize::from(PURPOSES)).div_ceil(24) * 4;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(core.get(..needed)?).ok()?;
    if bytes.first()? >> 2 != VERSION {
        return None;
    }
    let bits = bytes.get(FIRST_BIT / 8..)?.first_chunk::<3>()?;
    Some(Purposes(u32::from_be_bytes([0, bits[0], bits[1], bits[2]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<u8>> {
        let purposes = purposes(text)?;
        Some((0..=30).filter(|number| purposes.contains(*number)).collect())
    }

    #[test]
    fn the_examples_of_the_specification_read() {
        // The string by which the specification shows how one is passed on in an address.
        let core = "COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA";
        let vendors = ".IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw";
        assert_eq!(read(core), Some(vec![1, 2, 3]));
        assert_eq!(read(&format!("{core}{vendors}")), Some(vec![1, 2, 3]));
        // Two of the framework's own libraries.
        let decoder =
            "COrEAV4OrXx94ACABBENAHCIAD-AAAAAAACAAxAAAAgAIAwgAgAAAAEAgQAAAAAEAYQAQAAAACAAAABAAA";
        assert_eq!(read(decoder), Some(vec![3, 4, 5, 6, 7, 8, 9]));
        assert_eq!(read("COwxsONOwxsONKpAAAENAdCAAMAAAAAAAAAAAAAAAAAA"), Some(vec![1, 2]));
    }

    #[test]
    fn what_is_no_string_of_version_2_says_nothing() {
        for text in [
            "",
            "C",
            "COvFyGBOvFyGBAbAAAENAPCAAO",
            "BOvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA",
            "C vFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA",
            "CÅÅFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA",
            ".COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"C".repeat(MAX_BYTES + 1)), None);
    }
}
