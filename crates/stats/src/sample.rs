//! What is kept of a sample of numbers: how many, their sum and the sum of their squares.

/// The sufficient statistics of a sample of one quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// How many units; also those whose value is 0.
    pub count: u64,
    /// Σx.
    pub sum: f64,
    /// Σx².
    pub sum_of_squares: f64,
}
