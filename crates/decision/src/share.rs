//! A share of traffic, exact: a whole number of ten-thousandths.

use model::hash::BUCKET_COUNT;
use serde::{Deserialize, Serialize};

/// A part of all units, between nothing and everything, in steps of a ten-thousandth.
///
/// Documents write it as a number from 0 to 1; what is hashed and compared is the whole number of
/// buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// No unit at all.
    pub const NONE: Self = Self(0);
    /// Every unit.
    pub const ALL: Self = Self(BUCKET_COUNT);

    /// The share of `buckets` ten-thousandths; `None` when that is more than everything.
    pub fn from_buckets(buckets: u32) -> Option<Self> {
        (buckets <= BUCKET_COUNT).then_some(Self(buckets))
    }

    /// The share nearest to `fraction`; `None` when it is outside 0 to 1 or not a multiple of
    /// 0.0001.
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        let scaled = fraction * f64::from(BUCKET_COUNT);
        let whole = scaled.round();
        // A written 0.0003 is not exactly three ten-thousandths; anything further away was meant
        // more finely.
        let exact = (scaled - whole).abs() < 1e-6;
        if !exact || !(0.0..=f64::from(BUCKET_COUNT)).contains(&whole) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number between 0 and 10 000, as checked above"
        )]
        Some(Self(whole as u32))
    }

    /// How many buckets it covers.
    pub fn buckets(self) -> u32 {
        self.0
    }

    /// The share as a fraction of one.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(BUCKET_COUNT)
    }

    /// What is left of everything, as a fraction of one.
    pub fn rest(self) -> f64 {
        f64::from(BUCKET_COUNT - self.0) / f64::from(BUCKET_COUNT)
    }

    /// Whether `bucket` lies in it. Shares start at bucket 0, so a larger share holds all of a
    /// smaller one.
    pub fn contains(self, bucket: u32) -> bool {
        bucket < self.0
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.fraction())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fraction = f64::deserialize(deserializer)?;
        Self::from_fraction(fraction).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "{fraction} is not a share: write a number from 0 to 1 in steps of 0.0001"
            ))
        })
    }
}

impl schemars::JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.0001
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_ten_thousandths() {
        for buckets in 0..=BUCKET_COUNT {
            let share = Share::from_buckets(buckets).unwrap();
            assert_eq!(Share::from_fraction(share.fraction()), Some(share));
            let text = serde_json::to_string(&share).unwrap();
            assert_eq!(serde_json::from_str::<Share>(&text).unwrap(), share);
        }
        for bad in [-0.0001, 1.0001, 0.00005, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::from_fraction(bad), None, "{bad}");
        }
        assert!(Share::from_buckets(BUCKET_COUNT + 1).is_none());
        assert!(serde_json::from_str::<Share>("1").is_ok(), "whole numbers are shares too");
    }
}
