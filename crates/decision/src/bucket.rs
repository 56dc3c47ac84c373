//! Salted buckets on the decide path: the same numbers as `model::hash::bucket`, without building a
//! string for each.

use model::{UnitId, hash};

/// Longest salt a definition may give, in bytes.
pub(crate) const MAX_SALT_BYTES: usize = 64;
/// Longest number of an epoch, with the colon before it.
const EPOCH_BYTES: usize = 1 + 20;
/// Longest seed: the longest name of a draw with its colon, the salt, the epoch, the colon before the unit.
const MAX_SEED_BYTES: usize = 8 + MAX_SALT_BYTES + EPOCH_BYTES + 1;
/// A unit is hashed as 16 hexadecimal digits.
const UNIT_BYTES: usize = 16;

/// Which question a hash answers. Each has a seed of its own, so that no draw depends on another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draw {
    /// Whether a unit is in the traffic of an experience.
    Traffic,
    /// Which variant a unit gets.
    Variant,
    /// Whether a unit is held out of an experience.
    Holdout,
    /// Where a unit lies in an exclusion group.
    Group,
    /// Whether a shared holdout holds a unit; the first of them were global.
    Shared,
}

impl Draw {
    /// The prefix of the salt, at most eight bytes.
    fn prefix(self) -> &'static str {
        match self {
            Self::Traffic => "traffic:",
            Self::Variant => "variant:",
            Self::Holdout => "holdout:",
            Self::Group => "group:",
            Self::Shared => "global:",
        }
    }
}

/// A salt made ready for hashing.
#[derive(Clone, Debug)]
pub(crate) struct Salt {
    /// The hash input up to the unit, `prefix salt ":"`.
    seed: Box<[u8]>,
}

impl Salt {
    /// The salt of `draw` for a definition whose own salt is `text`; a longer text than allowed is
    /// cut.
    pub(crate) fn new(draw: Draw, text: &str) -> Self {
        debug_assert!(text.len() <= MAX_SALT_BYTES, "documents are checked before they come here");
        let text = &text.as_bytes()[..text.len().min(MAX_SALT_BYTES)];
        Self { seed: [draw.prefix().as_bytes(), text, b":"].concat().into() }
    }

    /// The salt of the variants in an epoch of a definition whose own salt is `text`: each epoch draws anew.
    pub(crate) fn of_epoch(text: &str, epoch: u64) -> Self {
        let mut salt = Self::new(Draw::Variant, text);
        salt.seed = [&salt.seed, epoch.to_string().as_bytes(), b":"].concat().into();
        salt
    }

    /// The bucket of `unit`: equal to `hash::bucket(prefix + salt, unit)`.
    pub(crate) fn bucket(&self, unit: UnitId) -> u32 {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut input = [0_u8; MAX_SEED_BYTES + UNIT_BYTES];
        let (seed, rest) = input.split_at_mut(self.seed.len());
        seed.copy_from_slice(&self.seed);
        for (digit, nibble) in rest.iter_mut().zip((0..UNIT_BYTES).rev()) {
            let value = usize::try_from((unit.0 >> (4 * nibble)) & 0xf).unwrap_or_default();
            *digit = HEX[value];
        }
        hash::murmur3_32(&input[..self.seed.len() + UNIT_BYTES]) % hash::BUCKET_COUNT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_the_models_bucket(unit: u64, text in "[a-z0-9_é-]{0,32}") {
            for draw in [Draw::Traffic, Draw::Variant, Draw::Holdout, Draw::Group, Draw::Shared] {
                let slow = hash::bucket(&format!("{}{text}", draw.prefix()), UnitId(unit));
                prop_assert_eq!(Salt::new(draw, &text).bucket(UnitId(unit)), slow);
            }
        }

        #[test]
        fn an_epoch_is_a_part_of_the_salt(unit: u64, text in "[a-z0-9_é-]{0,32}", epoch: u64) {
            let slow = hash::bucket(&format!("variant:{text}:{epoch}"), UnitId(unit));
            prop_assert_eq!(Salt::of_epoch(&text, epoch).bucket(UnitId(unit)), slow);
        }
    }
}
