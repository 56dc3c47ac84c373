//! Effects with less noise: by what units did before (CUPED), by strata, and as a ratio of two quantities.

use crate::effect::{Effect, Estimate, Scale};
use crate::sample::{Pairs, Sums, float};
use crate::undefined::{Undefined, finite};

/// A ratio of means, Σx/Σy over the units of an arm: value per order, clicks per page.
///
/// By the delta method: R = x̄/ȳ, unit variance s²_x/ȳ² − 2·s_xy·x̄/ȳ³ + x̄²·s²_y/ȳ⁴, with n−1.
/// Units are those of the experiment, not the orders or pages, which depend on one another.
/// Assumes a denominator whose mean is many standard errors from 0.
/// Source: Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018.
///
/// # Errors
/// With fewer than two units, or when the denominator's mean is not positive.
pub fn ratio(pairs: &Pairs) -> Result<Estimate, Undefined> {
    let covariance = pairs.covariance()?;
    let (numerator, denominator) = (pairs.first.mean()?, pairs.second.mean()?);
    if denominator <= 0.0 {
        return Err(Undefined::Baseline { value: denominator });
    }
    let value = finite("a ratio", numerator / denominator)?;
    let (variances, scale) =
        ((pairs.first.variance()?, pairs.second.variance()?), denominator * denominator);
    let around = variances.0 - 2.0 * value * covariance + value * value * variances.1;
    // What rounding leaves of units that all have the same ratio is no variance.
    let rounding = 1e-14 * (variances.0 + value * value * variances.1);
    let around = if around <= rounding { 0.0 } else { around };
    let unit_variance = finite("a variance", around / scale)?;
    Ok(Estimate { value, unit_variance, count: pairs.first.count })
}

/// The share θ of what a unit did before that is to be taken off its value: cov/var over all units of all arms.
///
/// θ is one number for all arms of a comparison, of their joined units (θ of each arm alone would adjust by chance).
/// 0 where what was before does not vary.
/// Source: Deng, Xu, Kohavi, Walker, "Improving the sensitivity of online controlled experiments by utilizing
/// pre-experiment data" (CUPED), WSDM 2013.
///
/// # Errors
/// Without arms, with fewer than two units, or when sums are no numbers.
pub fn theta(arms: &[&Pairs]) -> Result<f64, Undefined> {
    let mut joined = Pairs::default();
    for arm in arms {
        joined.merge(arm);
    }
    let variance = joined.second.variance()?;
    if variance <= 0.0 {
        return Ok(0.0);
    }
    finite("θ", joined.covariance()? / variance)
}

/// An arm's mean less θ times its mean before: x̄ − θ·ȳ, unit variance s²_x + θ²s²_y − 2θ·s_xy.
///
/// The adjusted value of one arm alone means little; their differences do.
///
/// # Errors
/// With fewer than two units.
pub fn adjusted(pairs: &Pairs, theta: f64) -> Result<Estimate, Undefined> {
    let covariance = pairs.covariance()?;
    let value = finite("θ", pairs.first.mean()? - theta * pairs.second.mean()?)?;
    let variances = (pairs.first.variance()?, theta * theta * pairs.second.variance()?);
    let left = variances.0 + variances.1 - 2.0 * theta * covariance;
    let rounding = 1e-14 * (variances.0 + variances.1);
    let unit_variance = if left <= rounding { 0.0 } else { left };
    Ok(Estimate { value, unit_variance, count: pairs.first.count })
}

/// The effect on the first quantity, adjusted by the second, which was measured before the exposure.
///
/// θ is that of both arms together. A relative effect relates the adjusted difference to the control's value as it
/// was, and its variance uses the values as they were: ((x̄_b − x̄_a) − θ(ȳ_b − ȳ_a))/x̄_a.
/// Units without history have 0 before. Assumes that what was before cannot depend on the arm.
///
/// # Errors
/// When an arm has fewer than two units or no variance left; relative also when the control's value is not positive.
pub fn cuped(scale: Scale, control: &Pairs, treatment: &Pairs) -> Result<Effect, Undefined> {
    let theta = theta(&[control, treatment])?;
    Effect::against(
        scale,
        &adjusted(control, theta)?,
        &adjusted(treatment, theta)?,
        control.first.mean()?,
        treatment.first.mean()?,
    )
}

/// The sufficient statistics of a ratio of two quantities, and of the same before the exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RatioPairs {
    /// Of numerator and denominator.
    pub after: Pairs,
    /// Of the same before the exposure, of the same units.
    pub before: Pairs,
    /// Σ of products: of the numerator with the numerator before, and with the denominator before.
    pub first_products: (f64, f64),
    /// The same of the denominator.
    pub second_products: (f64, f64),
}

impl RatioPairs {
    /// Puts a unit in: (numerator, denominator) after the exposure, and before it.
    pub fn add(&mut self, after: (f64, f64), before: (f64, f64)) {
        self.after.add(after.0, after.1);
        self.before.add(before.0, before.1);
        self.first_products.0 += after.0 * before.0;
        self.first_products.1 += after.0 * before.1;
        self.second_products.0 += after.1 * before.0;
        self.second_products.1 += after.1 * before.1;
    }

    /// Puts in all units of another sample.
    pub fn merge(&mut self, other: &Self) {
        self.after.merge(&other.after);
        self.before.merge(&other.before);
        self.first_products.0 += other.first_products.0;
        self.first_products.1 += other.first_products.1;
        self.second_products.0 += other.second_products.0;
        self.second_products.1 += other.second_products.1;
    }

    /// The covariance of a unit's parts of both ratios, as the delta method linearizes them: a unit's part of x̄/ȳ is
    /// (x − R·y)/ȳ.
    fn covariance(&self, after: &Estimate, before: &Estimate) -> Result<f64, Undefined> {
        let of = |first: Sums, second: Sums, sum_of_products: f64| {
            Pairs { first, second, sum_of_products }.covariance()
        };
        let (numerator, denominator) = (self.after.first, self.after.second);
        let Pairs { first, second, .. } = self.before;
        let of_numerator = of(numerator, first, self.first_products.0)?
            - before.value * of(numerator, second, self.first_products.1)?;
        let of_denominator = of(denominator, first, self.second_products.0)?
            - before.value * of(denominator, second, self.second_products.1)?;
        let scale = denominator.mean()? * second.mean()?;
        finite("a covariance", (of_numerator - after.value * of_denominator) / scale)
    }
}

/// The effect on a ratio, adjusted by the same ratio before the exposure.
///
/// As [`cuped`], with each unit's linearized parts of the two ratios in the place of its values: θ is their covariance
/// over the variance of the part before, of the units of both arms together; an arm's adjusted value is R − θ·R₀, its
/// unit variance s² + θ²·s₀² − 2θ·s₁₀, with the arm's own ratios. A relative effect relates the adjusted difference to
/// the control's ratio as it was. Units without history have 0 in both parts before.
/// Source: Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018, section 4.
///
/// # Errors
/// When an arm has fewer than two units or no variance left, or a denominator, also before, whose mean is not positive;
/// relative also when the control's ratio is not positive.
pub fn cuped_ratio(
    scale: Scale,
    control: &RatioPairs,
    treatment: &RatioPairs,
) -> Result<Effect, Undefined> {
    let mut joined = *control;
    joined.merge(treatment);
    let (after, before) = (ratio(&joined.after)?, ratio(&joined.before)?);
    let theta = match before.unit_variance {
        variance if variance <= 0.0 => 0.0,
        variance => finite("θ", joined.covariance(&after, &before)? / variance)?,
    };
    let adjusted = |arm: &RatioPairs| -> Result<(Estimate, f64), Undefined> {
        let (after, before) = (ratio(&arm.after)?, ratio(&arm.before)?);
        let variances = (after.unit_variance, theta * theta * before.unit_variance);
        let left = variances.0 + variances.1 - 2.0 * theta * arm.covariance(&after, &before)?;
        let rounding = 1e-14 * (variances.0 + variances.1);
        let unit_variance = if left <= rounding { 0.0 } else { left };
        let value = finite("θ", after.value - theta * before.value)?;
        Ok((Estimate { value, unit_variance, count: after.count }, after.value))
    };
    let ((one, control_value), (other, treatment_value)) =
        (adjusted(control)?, adjusted(treatment)?);
    Effect::against(scale, &one, &other, control_value, treatment_value)
}

/// Each arm's mean, as it would be if strata had the same shares in both: (control, treatment).
///
/// Σ w_s·x̄_s with w_s the share of stratum s among the units of both arms, variance Σ w_s²·s²_s/n_s; strata are given
/// in the same order for both arms, and must not depend on the arm (a device, a country, new or known).
/// Source: Miratrix, Sekhon, Yu, "Adjusting treatment effect estimates by post-stratification in randomized
/// experiments", JRSS B 75(2), 2013.
///
/// # Errors
/// Without strata, when the lists differ in length, or when a stratum with units has fewer than two in an arm.
pub fn post_stratified(
    control: &[Sums],
    treatment: &[Sums],
) -> Result<(Estimate, Estimate), Undefined> {
    if control.len() != treatment.len() {
        return Err(Undefined::Lengths { left: control.len(), right: treatment.len() });
    }
    let units = |arm: &[Sums]| arm.iter().map(|stratum| float(stratum.count)).sum::<f64>();
    let total = units(control) + units(treatment);
    if total < 1.0 {
        return Err(Undefined::NoUnits);
    }
    let shares: Vec<f64> = std::iter::zip(control, treatment)
        .map(|(one, other)| (float(one.count) + float(other.count)) / total)
        .collect();
    Ok((weighted(control, &shares)?, weighted(treatment, &shares)?))
}

fn weighted(strata: &[Sums], shares: &[f64]) -> Result<Estimate, Undefined> {
    let mut value = 0.0;
    let mut variance = 0.0;
    let mut count = 0u64;
    for (stratum, share) in std::iter::zip(strata, shares) {
        if *share > 0.0 {
            value += share * stratum.mean()?;
            variance += share * share * stratum.variance()? / float(stratum.count);
            count = count.saturating_add(stratum.count);
        }
    }
    let unit_variance = finite("a variance", variance * float(count))?;
    Ok(Estimate { value: finite("a mean", value)?, unit_variance, count })
}

#[cfg(test)]
mod tests;
