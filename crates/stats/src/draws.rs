//! Random draws from a seed, for simulations: the same seed gives the same draws on every machine.

use std::f64::consts::TAU;

/// A generator of random numbers: splitmix64 (Steele, Lea, Flood 2014), which is small, fast and passes BigCrush.
///
/// For simulations only, never for secrets.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
}

impl Draws {
    /// Draws that follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Draws of their own for a part of a simulation, so that it does not depend on the parts before it.
    pub fn part(seed: u64, part: u64) -> Self {
        let mut draws = Self::new(seed ^ part.wrapping_mul(0xD1B5_4A32_D192_ED03));
        Self { state: draws.next() }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly spread over 0..1, 0 included and 1 not, in steps of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        crate::sample::float(self.next() >> 11) / crate::sample::float(1 << 53)
    }

    /// A whole number from 0 up to but not `count`, each with the same chance; 0 when the count is 0.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the product lies between 0 and the count"
    )]
    pub fn below(&mut self, count: usize) -> usize {
        (self.uniform() * crate::sample::float(count as u64)) as usize
    }

    /// Yes with this chance.
    pub fn yes(&mut self, chance: f64) -> bool {
        self.uniform() < chance
    }

    /// From the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }
}
