//! The special functions behind the tests, to some 12 digits also for millions of degrees of freedom.
//!
//! Published crates lose digits there (statrs 0.19 has t to four digits at a million degrees of freedom), or do not
//! come to an end: their prefix of the incomplete beta function is a difference of logarithms of gamma of the size of
//! the degrees of freedom. Here that difference is taken in closed form (Stirling's series), as Didonato and Morris do,
//! "Significant digit computation of the incomplete beta function ratios", ACM TOMS 18(3), 1992.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// From here on Stirling's series with seven terms is exact to the last digit.
const STIRLING_FROM: f64 = 10.0;
/// A continued fraction for arguments of size a takes some √a steps; this is enough for 10¹².
const STEPS_MAX: u32 = 2_000_000;
/// Where a continued fraction or a series ends.
const PRECISION: f64 = 1e-16;
/// From so many degrees of freedom on, Hill's expansion has 13 digits up to 6 standard errors and 11 up to 15; and the
/// continued fraction begins to lose them.
const HILL_FROM: f64 = 1_000.0;
/// Stands for zero in a continued fraction, where a division by it would follow (Lentz's method).
const TINY: f64 = 1e-300;
/// A search by Newton's method gains digits at each step; more steps would gain none.
const NEWTON_STEPS: u32 = 40;

/// The chance that a standard normal variable is above `z`.
pub(crate) fn normal_above(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// The density of the standard normal distribution.
pub(crate) fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// The value that a standard normal variable exceeds with the chance `p`, between 0 and 1, both excluded.
///
/// Starts from Abramowitz and Stegun 26.2.23 (four digits) and takes Halley's steps, each of which triples them.
pub(crate) fn normal_quantile_above(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile_above(1.0 - p);
    }
    let t = (-2.0 * p.ln()).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut z = t - numerator / denominator;
    for _ in 0..3 {
        let step = (normal_above(z) - p) / normal_density(z);
        z += step / (1.0 - 0.5 * z * step);
    }
    z
}

/// The chance that Student's variable of so many degrees of freedom is further from 0 than `t`.
///
/// I_x(ν/2, 1/2) with x = ν/(ν+t²), DLMF 8.17; from [`HILL_FROM`] on Hill's expansion.
pub(crate) fn student_beyond(t: f64, degrees_of_freedom: f64) -> f64 {
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    if degrees_of_freedom >= HILL_FROM {
        return 2.0 * normal_above(hill(square, degrees_of_freedom));
    }
    let sum = degrees_of_freedom + square;
    beta_regularized(
        degrees_of_freedom / 2.0,
        0.5,
        Share { of: degrees_of_freedom / sum, rest: square / sum },
    )
}

/// The distance from 0 that Student's variable exceeds with the chance `p`, between 0 and 1, both excluded.
///
/// Newton's method on the logarithms of both: the tail's logarithm is concave in that of the distance, so that it
/// converges from anywhere.
pub(crate) fn student_quantile_beyond(p: f64, degrees_of_freedom: f64) -> f64 {
    let mut distance = normal_quantile_above(p / 2.0).max(1e-12);
    for _ in 0..NEWTON_STEPS {
        let tail = student_beyond(distance, degrees_of_freedom);
        let slope = 2.0 * distance * student_density(distance, degrees_of_freedom) / tail;
        let step = (tail / p).ln() / slope;
        distance *= step.exp();
        if step.abs() <= 4.0 * f64::EPSILON {
            break;
        }
    }
    distance
}

/// The normal deviate whose tail is that of t.
///
/// Hill, "Algorithm 395: Student's t-distribution", CACM 13(10), 1970.
fn hill(square: f64, degrees_of_freedom: f64) -> f64 {
    let a = degrees_of_freedom - 0.5;
    let b = 48.0 * a * a;
    let y = a * (square / degrees_of_freedom).ln_1p();
    let numerator = ((-0.4 * y - 3.3) * y - 24.0) * y - 85.5;
    let third = numerator / (0.8 * y * y + 100.0 + b);
    ((third + y + 3.0) / b + 1.0) * y.sqrt()
}

fn student_density(t: f64, degrees_of_freedom: f64) -> f64 {
    let power = -0.5 * (degrees_of_freedom + 1.0) * (t * t / degrees_of_freedom).ln_1p();
    (power - ln_beta(degrees_of_freedom / 2.0, 0.5)).exp() / degrees_of_freedom.sqrt()
}

/// The chance that a χ² variable of so many degrees of freedom is above `value`.
pub(crate) fn chi_squared_above(value: f64, degrees_of_freedom: f64) -> f64 {
    gamma_regularized_above(degrees_of_freedom / 2.0, value / 2.0)
}

/// Q(a, x), DLMF 8.2.4: its complement by the series 8.7.1, or the continued fraction 8.9.2.
fn gamma_regularized_above(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let prefix = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let mut term = 1.0 / a;
        let mut sum = term;
        for step in 1..STEPS_MAX {
            term *= x / (a + f64::from(step));
            sum += term;
            if term <= sum * PRECISION {
                break;
            }
        }
        return 1.0 - prefix * sum;
    }
    prefix
        / continued_fraction(x + 1.0 - a, |step| {
            let i = f64::from(step);
            (-i * (i - a), x + 2.0 * i + 1.0 - a)
        })
}

/// b₀ + a₁/(b₁ + a₂/(b₂ + …)) by Lentz's method, where `terms(i)` is (aᵢ, bᵢ).
fn continued_fraction(first: f64, terms: impl Fn(u32) -> (f64, f64)) -> f64 {
    let not_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut value = not_zero(first);
    let mut upper = value;
    let mut lower = 0.0;
    for step in 1..STEPS_MAX {
        let (numerator, denominator) = terms(step);
        lower = 1.0 / not_zero(denominator + numerator * lower);
        upper = not_zero(denominator + numerator / upper);
        let factor = upper * lower;
        value *= factor;
        if (factor - 1.0).abs() <= 2.0 * PRECISION {
            break;
        }
    }
    value
}

/// A number between 0 and 1 with what is left to 1, so that neither loses digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) of: f64,
    pub(crate) rest: f64,
}

impl Share {
    fn turned(self) -> Self {
        Self { of: self.rest, rest: self.of }
    }
}

/// Iₓ(a, b), DLMF 8.17.2, by the continued fraction 8.17.22.
pub(crate) fn beta_regularized(a: f64, b: f64, x: Share) -> f64 {
    if x.of <= 0.0 {
        return 0.0;
    }
    if x.rest <= 0.0 {
        return 1.0;
    }
    if x.of <= (a + 1.0) / (a + b + 2.0) {
        beta_by_fraction(a, b, x)
    } else {
        1.0 - beta_by_fraction(b, a, x.turned())
    }
}

fn beta_by_fraction(a: f64, b: f64, x: Share) -> f64 {
    let fraction = continued_fraction(1.0, |step| {
        let m = f64::from(step / 2);
        let numerator = if step % 2 == 0 {
            m * (b - m) * x.of / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x.of / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        (numerator, 1.0)
    });
    beta_power(a, b, x) / (a * fraction)
}

/// xᵃ(1−x)ᵇ / B(a, b).
fn beta_power(a: f64, b: f64, x: Share) -> f64 {
    if a < STIRLING_FROM || b < STIRLING_FROM {
        return (a * ln_share(x) + b * ln_share(x.turned()) - ln_beta(a, b)).exp();
    }
    // Around the most likely share a/(a+b) both powers are 1 plus something small, and the large parts cancel.
    let away = if a <= b { a - (a + b) * x.of } else { (a + b) * x.rest - b };
    let exponent = a * above_logarithm(-away / a) + b * above_logarithm(away / b);
    let scale = (a * b / (a + b) / (2.0 * PI)).sqrt();
    let correction = stirling_rest(a) + stirling_rest(b) - stirling_rest(a + b);
    scale * (-exponent - correction).exp()
}

/// The density of the Beta distribution at x, neither 0 nor 1.
pub(crate) fn beta_density(a: f64, b: f64, x: Share) -> f64 {
    beta_power(a, b, x) / (x.of * x.rest)
}

fn ln_share(x: Share) -> f64 {
    if x.rest < 0.5 { (-x.rest).ln_1p() } else { x.of.ln() }
}

/// x − ln(1+x).
fn above_logarithm(x: f64) -> f64 {
    x - x.ln_1p()
}

/// ln B(a, b), DLMF 5.12.1, for positive a and b.
pub(crate) fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a <= b { (a, b) } else { (b, a) };
    if large < STIRLING_FROM {
        return libm::lgamma(small) + libm::lgamma(large) - libm::lgamma(small + large);
    }
    if small < STIRLING_FROM {
        // ln Γ(large+small) − ln Γ(large), of which the large parts cancel.
        let growth = (large - 0.5) * (small / large).ln_1p() + small * (large + small).ln() - small
            + stirling_rest(large + small)
            - stirling_rest(large);
        return libm::lgamma(small) - growth;
    }
    let ratio = small / large;
    -0.5 * large.ln() + 0.5 * (2.0 * PI).ln() + (small - 0.5) * (ratio / (1.0 + ratio)).ln()
        - large * ratio.ln_1p()
        + stirling_rest(small)
        + stirling_rest(large)
        - stirling_rest(small + large)
}

/// ln Γ(a) − ((a−½) ln a − a + ½ ln 2π), DLMF 5.11.1, for a ≥ 10.
fn stirling_rest(a: f64) -> f64 {
    let inverse = 1.0 / a;
    let square = inverse * inverse;
    let coefficients = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    inverse * coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * square + coefficient)
}

#[cfg(test)]
mod tests;
