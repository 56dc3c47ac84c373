//! Exact decimal numbers, so that a sum of prices is the sum a bookkeeper gets.

use serde_json::{Number, Value};

/// Most digits after the point that are kept apart; products of two such numbers still fit.
const SCALE_MAX: u32 = 12;

/// `units / 10^scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// The number one: where a product starts.
    pub(super) const ONE: Self = Self { units: 1, scale: 0 };

    /// Parses `-12.50`; `None` when it is no plain decimal number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= SCALE_MAX)?;
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits || whole.len() > 18 {
            return None;
        }
        let units: i128 = format!("0{whole}{fraction}").parse().ok()?;
        Some(Self { units: if negative { -units } else { units }, scale })
    }

    /// The sum; `None` on overflow.
    pub(super) fn add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.units_at(scale)?.checked_add(other.units_at(scale)?)?;
        Some(Self { units, scale })
    }

    /// The product; `None` on overflow.
    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        let units = self.units.checked_mul(other.units)?;
        Some(Self { units, scale: self.scale.checked_add(other.scale)? })
    }

    /// Compares; `None` when the two are too far apart to be brought to one scale.
    pub(super) fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        let scale = self.scale.max(other.scale);
        Some(self.units_at(scale)?.cmp(&other.units_at(scale)?))
    }

    /// Rounds half away from zero to `scale` digits after the point.
    pub(super) fn round(self, scale: u32) -> Self {
        if self.scale <= scale {
            return self;
        }
        let Some(step) = 10_i128.checked_pow(self.scale - scale) else {
            return Self { units: 0, scale };
        };
        let half = step / 2;
        let towards = if self.units < 0 { -half } else { half };
        Self { units: self.units.saturating_add(towards) / step, scale }
    }

    /// The whole number it is; `None` when it has a fraction.
    pub(super) fn whole(self) -> Option<i64> {
        let step = 10_i128.checked_pow(self.scale)?;
        if self.units % step != 0 {
            return None;
        }
        i64::try_from(self.units / step).ok()
    }

    /// As a JSON number: an integer when it is whole, otherwise the nearest double.
    pub(super) fn to_json(self) -> Value {
        if let Some(whole) = self.whole() {
            return Value::from(whole);
        }
        let nearest = self.to_string().parse::<f64>().ok().and_then(Number::from_f64);
        nearest.map_or(Value::Null, Value::Number)
    }

    fn units_at(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = self.units.unsigned_abs().to_string();
        let scale = self.scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        if fraction.is_empty() {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{fraction}")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn prices_sum_exactly() {
        let lines = [("6", "2.55"), ("8", "2.75"), ("-1", "0.1"), ("3", "0.2")];
        let mut sum = Decimal::default();
        for (quantity, price) in lines {
            sum = sum.add(decimal(quantity).multiply(decimal(price)).unwrap()).unwrap();
        }
        assert_eq!(sum.to_string(), "37.80");
        assert_eq!(sum.to_json(), serde_json::json!(37.8));
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(decimal("2.345").round(2).to_string(), "2.35");
        assert_eq!(decimal("-2.345").round(2).to_string(), "-2.35");
        assert_eq!(decimal("2.3449").round(2).to_string(), "2.34");
        assert_eq!(decimal("17850.0").whole(), Some(17850));
        assert_eq!(decimal("1.5").whole(), None);
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for bad in ["", "-", ".", "1e5", "1,5", "12a", "1.2.3", "９", "--1", "1234567890123456789"]
        {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_whole_cents(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let of = |cents: i64| Decimal::parse(&format!(
                "{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100
            )).unwrap();
            let sum = of(a).add(of(b)).unwrap();
            prop_assert_eq!(sum.compare(of(a + b)), Some(std::cmp::Ordering::Equal));
            let product = of(a).multiply(of(b)).unwrap();
            prop_assert_eq!(product.units_at(4), Some(i128::from(a) * i128::from(b)));
        }
    }
}
