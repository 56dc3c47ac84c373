//! The probability that an independent quantity is the largest of several, by quadrature.

use std::sync::LazyLock;

use super::PolicyError;

/// Nodes of the Gauss–Legendre rule on each panel; a panel is a few standard deviations wide, where this
/// integrates the densities of this crate to 1e-12.
const NODES: usize = 16;

/// A density with one peak.
pub(super) trait Density {
    /// The density at `x` relative to that at the peak, or to any other constant of a like size.
    fn relative(&self, x: f64) -> f64;
    /// Where to cut the line into panels, in any order: from the smallest to the largest lies all of the
    /// probability to 1e-12, and between two neighbours the density is smooth.
    fn cuts(&self) -> Vec<f64>;
    /// A scale below which panels need not be narrower.
    fn scale(&self) -> f64;
}

/// P(Xᵢ = maxⱼ Xⱼ) = ∫ fᵢ(x) Πⱼ≠ᵢ Fⱼ(x) dx for each i, of independent Xⱼ with these densities.
///
/// Composite Gauss–Legendre quadrature on panels that follow the densities; the distribution functions come from
/// the same nodes, by the integrals of the interpolating polynomials. The answers add up to 1, and are right to
/// 1e-9 where the densities are as [`Density`] asks.
pub(super) fn probabilities(arms: &[impl Density]) -> Result<Vec<f64>, PolicyError> {
    super::at_least_two(arms.len())?;
    let mut arms: Vec<Arm<'_, _>> = arms.iter().map(Arm::new).collect();
    let panels = panels(&arms);
    let mut values = [0.0; NODES];
    for panel in &panels {
        for arm in arms.iter_mut().filter(|arm| arm.covers(panel)) {
            arm.values(panel, &mut values);
            arm.total += panel.integral(&values);
        }
    }
    if arms.iter().any(|arm| !(arm.total > 0.0 && arm.total.is_finite())) {
        return Err(PolicyError::NotFinite);
    }
    let mut best = vec![0.0; arms.len()];
    for panel in &panels {
        add_panel(panel, &mut arms, &mut best);
    }
    let total: f64 = best.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return Err(PolicyError::NotFinite);
    }
    best.iter_mut().for_each(|share| *share /= total);
    Ok(best)
}

/// Adds what a panel contributes to each arm's probability.
fn add_panel<D: Density>(panel: &Panel, arms: &mut [Arm<'_, D>], best: &mut [f64]) {
    let mut densities = vec![[0.0; NODES]; arms.len()];
    // below[i] becomes the product of the distribution functions of all arms before i.
    let mut below = vec![[1.0; NODES]; arms.len()];
    let mut product = [1.0; NODES];
    let mut functions = vec![[0.0; NODES]; arms.len()];
    for (i, arm) in arms.iter_mut().enumerate() {
        below[i] = product;
        arm.distribution(panel, &mut densities[i], &mut functions[i]);
        for (whole, function) in product.iter_mut().zip(&functions[i]) {
            *whole *= function;
        }
    }
    let mut above = [1.0; NODES];
    for i in (0..arms.len()).rev() {
        let mut integrand = [0.0; NODES];
        for node in 0..NODES {
            integrand[node] = densities[i][node] * below[i][node] * above[node];
            above[node] *= functions[i][node];
        }
        best[i] += panel.integral(&integrand);
    }
}

/// A stretch of the line.
struct Panel {
    from: f64,
    to: f64,
}

impl Panel {
    fn half(&self) -> f64 {
        0.5 * (self.to - self.from)
    }

    /// The integral of what has these values at the nodes.
    fn integral(&self, values: &[f64; NODES]) -> f64 {
        self.half() * dot(&RULE.weights, values)
    }
}

struct Arm<'a, D> {
    density: &'a D,
    from: f64,
    to: f64,
    scale: f64,
    cuts: Vec<f64>,
    /// The integral of the relative density.
    total: f64,
    /// The same up to the panel at hand.
    so_far: f64,
}

impl<'a, D: Density> Arm<'a, D> {
    fn new(density: &'a D) -> Self {
        let cuts = density.cuts();
        let from = cuts.iter().copied().fold(f64::INFINITY, f64::min);
        let to = cuts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { density, from, to, scale: density.scale(), cuts, total: 0.0, so_far: 0.0 }
    }

    fn covers(&self, panel: &Panel) -> bool {
        self.from < panel.to && panel.from < self.to
    }

    fn values(&self, panel: &Panel, values: &mut [f64; NODES]) {
        for (value, node) in values.iter_mut().zip(&RULE.nodes) {
            *value = self.density.relative(panel.from + panel.half() * (1.0 + node));
        }
    }

    /// The density and the distribution function at the nodes of a panel; panels come in order.
    fn distribution(&mut self, panel: &Panel, values: &mut [f64; NODES], below: &mut [f64; NODES]) {
        if self.covers(panel) {
            self.values(panel, values);
            for (function, row) in below.iter_mut().zip(&RULE.up_to) {
                let here = panel.half() * dot(row, values);
                *function = ((self.so_far + here) / self.total).clamp(0.0, 1.0);
            }
            self.so_far += panel.integral(values);
            values.iter_mut().for_each(|value| *value /= self.total);
        } else {
            values.fill(0.0);
            below.fill(if panel.to <= self.from { 0.0 } else { 1.0 });
        }
    }
}

/// The panels between all cuts; of cuts that are nearer than half the smallest scale, one.
fn panels<D: Density>(arms: &[Arm<'_, D>]) -> Vec<Panel> {
    let mut cuts: Vec<f64> = arms.iter().flat_map(|arm| arm.cuts.iter().copied()).collect();
    cuts.sort_by(f64::total_cmp);
    let near = 0.5 * arms.iter().map(|arm| arm.scale).fold(f64::INFINITY, f64::min);
    let mut panels: Vec<Panel> = Vec::new();
    let mut from = cuts.first().copied().unwrap_or_default();
    for to in cuts.iter().copied() {
        if from + near < to {
            panels.push(Panel { from, to });
            from = to;
        }
    }
    // What is left over at the right end belongs to the last panel.
    if let (Some(last), Some(end)) = (panels.last_mut(), cuts.last()) {
        last.to = last.to.max(*end);
    }
    panels
}

/// The Gauss–Legendre rule on [−1, 1].
struct Rule {
    nodes: [f64; NODES],
    weights: [f64; NODES],
    /// `up_to[m][k]`: the integral from −1 to node m of the polynomial that is 1 at node k and 0 at the others.
    up_to: [[f64; NODES]; NODES],
}

static RULE: LazyLock<Rule> = LazyLock::new(Rule::new);

impl Rule {
    /// Nodes by Newton's method. The integrals from Σₙ (2n+1)/2 Pₙ(xₖ) Pₙ(t) wₖ, which is the interpolating
    /// polynomial of node k, and ∫Pₙ = (Pₙ₊₁ − Pₙ₋₁)/(2n+1).
    fn new() -> Self {
        let n = number(NODES);
        let mut rule =
            Self { nodes: [0.0; NODES], weights: [0.0; NODES], up_to: [[0.0; NODES]; NODES] };
        for (place, k) in (0..NODES).rev().enumerate() {
            let mut x = (std::f64::consts::PI * (number(place) + 0.75) / (n + 0.5)).cos();
            let slope =
                |x: f64, p: &[f64; NODES + 1]| n * (x * p[NODES] - p[NODES - 1]) / (x * x - 1.0);
            for _ in 0..8 {
                let p = legendre(x);
                x -= p[NODES] / slope(x, &p);
            }
            let slope = slope(x, &legendre(x));
            rule.nodes[k] = x;
            rule.weights[k] = 2.0 / ((1.0 - x * x) * slope * slope);
        }
        for m in 0..NODES {
            let at = legendre(rule.nodes[m]);
            for k in 0..NODES {
                let of = legendre(rule.nodes[k]);
                let higher: f64 = (1..NODES).map(|n| 0.5 * of[n] * (at[n + 1] - at[n - 1])).sum();
                rule.up_to[m][k] = rule.weights[k] * (0.5 * (rule.nodes[m] + 1.0) + higher);
            }
        }
        rule
    }
}

/// The Legendre polynomials P₀ … P at `x`.
fn legendre(x: f64) -> [f64; NODES + 1] {
    let mut p = [1.0; NODES + 1];
    p[1] = x;
    for n in 1..NODES {
        let degree = number(n);
        p[n + 1] = ((2.0 * degree + 1.0) * x * p[n] - degree * p[n - 1]) / (degree + 1.0);
    }
    p
}

#[expect(clippy::cast_precision_loss, reason = "a small whole number")]
fn number(n: usize) -> f64 {
    n as f64
}

fn dot(left: &[f64; NODES], right: &[f64; NODES]) -> f64 {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}

/// A normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Normal {
    pub(super) mean: f64,
    /// Above 0.
    pub(super) deviation: f64,
}

impl Density for Normal {
    fn relative(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.deviation;
        (-0.5 * z * z).exp()
    }

    fn cuts(&self) -> Vec<f64> {
        // 8.5 deviations leave 1e-17 out.
        let offsets = [0.0, 2.0, 4.0, 6.0, 8.5];
        let both = offsets.iter().flat_map(|offset| [-offset, *offset]);
        both.map(|offset| self.mean + offset * self.deviation).collect()
    }

    fn scale(&self) -> f64 {
        self.deviation
    }
}

/// The absolute value of what is normally distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Folded(pub(super) Normal);

impl Density for Folded {
    fn relative(&self, x: f64) -> f64 {
        if x < 0.0 { 0.0 } else { self.0.relative(x) + self.0.relative(-x) }
    }

    fn cuts(&self) -> Vec<f64> {
        let Normal { mean, deviation } = self.0;
        let unfolded = Normal { mean: mean.abs(), deviation };
        unfolded.cuts().into_iter().map(|cut| cut.max(0.0)).collect()
    }

    fn scale(&self) -> f64 {
        self.0.deviation
    }
}

/// A beta distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Beta {
    /// At least 1, so that the density is finite.
    pub(super) alpha: f64,
    /// At least 1.
    pub(super) beta: f64,
}

impl Beta {
    /// Where the density is largest; of the uniform one, the middle.
    fn mode(&self) -> f64 {
        let Self { alpha, beta } = self;
        let sum = alpha + beta - 2.0;
        if sum > 0.0 { (alpha - 1.0) / sum } else { 0.5 }
    }
}

impl Density for Beta {
    fn relative(&self, x: f64) -> f64 {
        let Self { alpha, beta } = self;
        let mode = self.mode();
        // Differences from the mode keep their digits where the exponents are in the millions.
        let step = x - mode;
        let left = if *alpha > 1.0 { (alpha - 1.0) * (step / mode).ln_1p() } else { 0.0 };
        let right = if *beta > 1.0 { (beta - 1.0) * (-step / (1.0 - mode)).ln_1p() } else { 0.0 };
        (left + right).exp()
    }

    fn cuts(&self) -> Vec<f64> {
        let Self { alpha, beta } = self;
        let mean = alpha / (alpha + beta);
        // A beta distribution near an end falls off like an exponential one: 32 deviations leave 1e-14 out.
        let offsets = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0];
        let both = offsets.iter().flat_map(|offset| [-offset, *offset]);
        both.map(|offset| (mean + offset * self.scale()).clamp(0.0, 1.0)).collect()
    }

    fn scale(&self) -> f64 {
        let Self { alpha, beta } = self;
        let sum = alpha + beta;
        (alpha * beta / (sum + 1.0)).sqrt() / sum
    }
}
