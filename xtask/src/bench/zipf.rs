//! Whom does a request concern?
//!
//! Either everybody alike, or few people often and most seldom, after Zipf's law.

/// A stream of pseudo-random numbers: `SplitMix64` of Steele, Lea and Flood (2014). Quick, seeded,
/// and good enough to draw load.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of one sender in a run.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A number from 0 to 1, 1 not included.
    fn fraction(&mut self) -> f64 {
        // 53 bits are as many as a double holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How often the people of a run appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Popularity {
    Zipf,
    Uniform,
}

impl std::fmt::Display for Popularity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Zipf => "zipf 0.99",
            Self::Uniform => "uniform",
        })
    }
}

/// Draws people by their number, from 0.
#[derive(Clone, Debug)]
pub(crate) struct People {
    zipf: Option<Zipf>,
    count: u64,
    random: Random,
}

impl People {
    pub(crate) fn new(popularity: Popularity, count: u64, random: Random) -> Self {
        let zipf = (popularity == Popularity::Zipf).then(|| Zipf::new(count, 0.99));
        Self { zipf, count, random }
    }

    /// The next person.
    pub(crate) fn next(&mut self) -> u64 {
        match &self.zipf {
            // A prime larger than any count spreads the popular people over all numbers, each rank
            // to a number of its own.
            Some(zipf) => {
                let rank = u128::from(zipf.draw(&mut self.random) - 1);
                u64::try_from(rank * 18_446_744_073_709_551_557 % u128::from(self.count))
                    .unwrap_or_default()
            }
            None => self.random.below(self.count),
        }
    }
}

/// Draws ranks from 1 to `count`, each with a chance in proportion to `rank^-exponent`, by rejection-inversion
/// (Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", 1996).
#[derive(Clone, Debug)]
struct Zipf {
    count: f64,
    exponent: f64,
    /// The integral of the hat at its two ends; draws are uniform between them.
    integral_start: f64,
    integral_end: f64,
    /// Ranks no farther than this above the drawn point are taken without evaluating the hat.
    squeeze: f64,
}

impl Zipf {
    fn new(count: u64, exponent: f64) -> Self {
        let count = count as f64;
        let mut zipf =
            Self { count, exponent, integral_start: 0.0, integral_end: 0.0, squeeze: 0.0 };
        zipf.integral_start = zipf.integral(1.5) - 1.0;
        zipf.integral_end = zipf.integral(count + 0.5);
        zipf.squeeze = 2.0 - zipf.integral_inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let start = self.integral_start;
            let u = self.integral_end + random.fraction() * (start - self.integral_end);
            let x = self.integral_inverse(u);
            let rank = x.round().clamp(1.0, self.count);
            if rank - x <= self.squeeze || self.integral(rank + 0.5) - self.weight(rank) <= u {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rounded number between 1 and a u64"
                )]
                return rank as u64;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        x.powf(-self.exponent)
    }

    fn integral(&self, x: f64) -> f64 {
        let power = 1.0 - self.exponent;
        (x.powf(power) - 1.0) / power
    }

    fn integral_inverse(&self, y: f64) -> f64 {
        let power = 1.0 - self.exponent;
        (1.0 + y * power).powf(1.0 / power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_come_as_often_as_zipf_says() {
        let (count, draws) = (1000, 400_000);
        let zipf = Zipf::new(count, 0.99);
        let mut random = Random::new(7, 0);
        let mut seen = vec![0_u32; 1001];
        for _ in 0..draws {
            seen[usize::try_from(zipf.draw(&mut random)).unwrap()] += 1;
        }
        let total: f64 = (1..=count).map(|rank| (rank as f64).powf(-0.99)).sum();
        for rank in [1, 2, 3, 10, 100, 1000_u16] {
            let expected = f64::from(draws) * f64::from(rank).powf(-0.99) / total;
            let found = f64::from(seen[usize::from(rank)]);
            // Five standard deviations of a count.
            assert!(
                (found - expected).abs() < 5.0 * expected.sqrt(),
                "{rank}: {found}, not {expected}"
            );
        }
        assert_eq!(seen[0], 0);
    }

    #[test]
    fn everybody_can_appear() {
        for popularity in [Popularity::Zipf, Popularity::Uniform] {
            let mut people = People::new(popularity, 5, Random::new(1, 2));
            let mut seen = [false; 5];
            for _ in 0..1000 {
                seen[usize::try_from(people.next()).unwrap()] = true;
            }
            assert_eq!(seen, [true; 5], "{popularity}");
        }
    }
}
