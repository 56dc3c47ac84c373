//! Linear policies over features: each arm's reward is taken as a linear function of them (the disjoint model).
//!
//! Sources: L. Li, W. Chu, J. Langford, R. E. Schapire, "A contextual-bandit approach to personalized news article
//! recommendation", WWW 2010 (LinUCB, algorithm 1); S. Agrawal, N. Goyal, "Thompson sampling for contextual
//! bandits with linear payoffs", ICML 2013 (LinTS).

use super::{
    PolicyError,
    best::{self, Normal},
    parameter,
};

/// Most features of a linear policy, the constant included. A fit takes the cube of it.
pub const FEATURES_MAX: usize = 64;

/// The sufficient statistics of a linear regression: Σxxᵀ, Σrx and how many. Sums of two samples add up.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    features: usize,
    /// How many observations.
    count: u64,
    /// Σxxᵀ, its lower triangle row by row.
    squares: Vec<f64>,
    /// Σrx.
    products: Vec<f64>,
}

impl Regression {
    /// Of nothing seen, over so many features.
    pub fn new(features: usize) -> Result<Self, PolicyError> {
        if !(1..=FEATURES_MAX).contains(&features) {
            return Err(PolicyError::Features { expected: FEATURES_MAX, found: features });
        }
        let triangle = features * (features + 1) / 2;
        Ok(Self { features, count: 0, squares: vec![0.0; triangle], products: vec![0.0; features] })
    }

    /// How many features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many observations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes in one observation.
    pub fn observe(&mut self, x: &[f64], reward: f64) -> Result<(), PolicyError> {
        check(x, self.features)?;
        if !reward.is_finite() {
            return Err(PolicyError::NotFinite);
        }
        self.count += 1;
        let pairs = x.iter().enumerate().flat_map(|(i, a)| x[..=i].iter().map(move |b| a * b));
        self.squares.iter_mut().zip(pairs).for_each(|(sum, product)| *sum += product);
        self.products.iter_mut().zip(x).for_each(|(sum, x)| *sum += reward * x);
        Ok(())
    }

    /// Takes in so many observations with the same features as `units` says, a whole number or not, of which the mean
    /// reward is known.
    pub fn observe_alike(&mut self, x: &[f64], units: f64, reward: f64) -> Result<(), PolicyError> {
        check(x, self.features)?;
        parameter("units", units, 0.0..=9e15)?;
        if !reward.is_finite() {
            return Err(PolicyError::NotFinite);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 9e15"
        )]
        let count = units.round() as u64;
        self.count += count;
        let pairs = x.iter().enumerate().flat_map(|(i, a)| x[..=i].iter().map(move |b| a * b));
        self.squares.iter_mut().zip(pairs).for_each(|(sum, product)| *sum += units * product);
        self.products.iter_mut().zip(x).for_each(|(sum, x)| *sum += units * reward * x);
        Ok(())
    }

    /// Takes in the observations of another.
    pub fn add(&mut self, other: &Self) -> Result<(), PolicyError> {
        if other.features != self.features {
            let (expected, found) = (self.features, other.features);
            return Err(PolicyError::Features { expected, found });
        }
        self.count += other.count;
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, more)| *sum += more);
        self.products.iter_mut().zip(&other.products).for_each(|(sum, more)| *sum += more);
        Ok(())
    }

    /// Ridge regression: A = λI + Σxxᵀ, θ = A⁻¹Σrx. λ is above 0.
    pub fn fit(&self, lambda: f64) -> Result<Fit, PolicyError> {
        parameter("lambda", lambda, f64::MIN_POSITIVE..=f64::MAX)?;
        let mut factor = self.squares.clone();
        for i in 0..self.features {
            factor[at(i, i)] += lambda;
        }
        cholesky(&mut factor, self.features)?;
        let mut coefficients = solve_lower(&factor, &self.products);
        solve_upper(&factor, &mut coefficients);
        if coefficients.iter().any(|c| !c.is_finite()) {
            return Err(PolicyError::NotFinite);
        }
        Ok(Fit { factor, coefficients })
    }
}

/// A fitted arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// L with A = LLᵀ, its lower triangle row by row.
    factor: Vec<f64>,
    coefficients: Vec<f64>,
}

/// What a fit says of a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// θᵀx.
    pub mean: f64,
    /// √(xᵀA⁻¹x), in units of the reward's own deviation.
    pub width: f64,
}

impl Fit {
    /// θ.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// What is expected of a unit with these features.
    pub fn predict(&self, x: &[f64]) -> Result<Prediction, PolicyError> {
        check(x, self.coefficients.len())?;
        let mean = self.coefficients.iter().zip(x).map(|(c, x)| c * x).sum();
        // xᵀA⁻¹x = |L⁻¹x|².
        let width = solve_lower(&self.factor, x).iter().map(|z| z * z).sum::<f64>().sqrt();
        Ok(Prediction { mean, width })
    }
}

/// LinUCB: the upper bound θᵀx + α√(xᵀA⁻¹x) of each arm; the arm with the highest is played. α is at least 0.
pub fn upper_bounds(arms: &[Fit], x: &[f64], alpha: f64) -> Result<Vec<f64>, PolicyError> {
    parameter("alpha", alpha, 0.0..=f64::MAX)?;
    let bound = |arm: &Fit| {
        let Prediction { mean, width } = arm.predict(x)?;
        Ok(mean + alpha * width)
    };
    arms.iter().map(bound).collect()
}

/// LinTS: the probability that each arm is the best for a unit with these features.
///
/// θ is drawn from Normal(θ̂, v²A⁻¹), so an arm's reward from Normal(θ̂ᵀx, v²xᵀA⁻¹x), independent between arms. The
/// share follows by quadrature and is right to 1e-8: no drawing is needed for the propensity. v is above 0. Where
/// x is all 0 nothing tells arms apart, and shares are even.
pub fn best(arms: &[Fit], x: &[f64], v: f64) -> Result<Vec<f64>, PolicyError> {
    parameter("v", v, f64::MIN_POSITIVE..=f64::MAX)?;
    let beliefs = |arm: &Fit| {
        let Prediction { mean, width } = arm.predict(x)?;
        Ok(Normal { mean, deviation: v * width })
    };
    let beliefs: Vec<Normal> = arms.iter().map(beliefs).collect::<Result<_, _>>()?;
    if beliefs.iter().any(|belief| belief.deviation <= 0.0) {
        super::at_least_two(arms.len())?;
        #[expect(clippy::cast_precision_loss, reason = "a small number of arms")]
        return Ok(vec![1.0 / arms.len() as f64; arms.len()]);
    }
    best::probabilities(&beliefs)
}

fn check(x: &[f64], features: usize) -> Result<(), PolicyError> {
    if x.len() != features {
        return Err(PolicyError::Features { expected: features, found: x.len() });
    }
    if x.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(PolicyError::NotFinite) }
}

/// Where row `i`, column `j` ≤ `i` of a lower triangle lies.
fn at(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// Replaces the lower triangle of A by L with A = LLᵀ.
fn cholesky(a: &mut [f64], n: usize) -> Result<(), PolicyError> {
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| a[at(i, k)] * a[at(j, k)]).sum();
            let rest = a[at(i, j)] - known;
            a[at(i, j)] = if i == j {
                if !(rest > 0.0 && rest.is_finite()) {
                    return Err(PolicyError::Singular);
                }
                rest.sqrt()
            } else {
                rest / a[at(j, j)]
            };
        }
    }
    Ok(())
}

/// z with Lz = x.
fn solve_lower(factor: &[f64], x: &[f64]) -> Vec<f64> {
    let mut z = Vec::with_capacity(x.len());
    for (i, x) in x.iter().enumerate() {
        let known: f64 = (0..i).map(|k| factor[at(i, k)] * z[k]).sum();
        z.push((x - known) / factor[at(i, i)]);
    }
    z
}

/// Replaces z by y with Lᵀy = z.
fn solve_upper(factor: &[f64], z: &mut [f64]) {
    for i in (0..z.len()).rev() {
        let known: f64 = (i + 1..z.len()).map(|k| factor[at(k, i)] * z[k]).sum();
        z[i] = (z[i] - known) / factor[at(i, i)];
    }
}
