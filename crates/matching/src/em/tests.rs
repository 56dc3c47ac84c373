use proptest::prelude::*;

use super::*;

const COMPARISONS: usize = 3;
const LEVELS: u8 = 3;

fn pattern(levels: [u8; COMPARISONS]) -> Pattern {
    let mut pattern = Pattern::default();
    for (place, level) in levels.into_iter().enumerate() {
        pattern.set(place, level);
    }
    pattern
}

type Counted = ([u8; COMPARISONS], u32);

/// Levels of pairs, 0 being missing, with how many pairs have them.
fn pairs() -> impl Strategy<Value = Vec<Counted>> {
    prop::collection::vec((prop::array::uniform3(0..=LEVELS), 1_u32..50), 1..40)
}

fn shares() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let levels = prop::collection::vec(0.01_f64..1.0, usize::from(LEVELS)).prop_map(|levels| {
        let total: f64 = levels.iter().sum();
        levels.into_iter().map(|level| level / total).collect::<Vec<f64>>()
    });
    prop::collection::vec(levels, COMPARISONS)
}

/// Sessions of some pairs each, with the comparisons that say something in each, and where to begin.
fn estimate() -> impl Strategy<Value = (Vec<(Vec<Counted>, u16)>, Estimate)> {
    let session = (pairs(), 1_u16..8, 0.01_f64..0.99);
    (prop::collection::vec(session, 1..4), shares(), shares()).prop_map(|(sessions, m, u)| {
        let lambdas = sessions.iter().map(|(_, _, lambda)| *lambda).collect();
        let sessions = sessions.into_iter().map(|(pairs, bits, _)| (pairs, bits)).collect();
        (sessions, Estimate { lambdas, mixture: Mixture { m, u } })
    })
}

fn sessions(of: &[(Vec<Counted>, u16)]) -> Vec<Session> {
    of.iter()
        .map(|(pairs, bits)| Session { active: Active(*bits), pairs: counted(pairs) })
        .collect()
}

fn counted(pairs: &[Counted]) -> Vec<(Pattern, f64)> {
    pairs.iter().map(|(levels, count)| (pattern(*levels), f64::from(*count))).collect()
}

/// The same step as the literature writes it: pair by pair, each with an indicator for each level,
/// in logarithms.
fn plain_step(sessions: &[(Vec<Counted>, u16)], before: &Estimate) -> Estimate {
    let (m, u) = (&before.mixture.m, &before.mixture.u);
    let mut next = before.clone();
    let mut each = Vec::new();
    for (session, (pairs, bits)) in sessions.iter().enumerate() {
        let lambda = before.lambdas[session];
        let says = |place: usize, levels: &[u8; COMPARISONS]| {
            bits & (1 << place) != 0 && levels[place] > 0
        };
        let mut g_of_session = Vec::new();
        for (levels, count) in pairs {
            let log_of = |shares: &[Vec<f64>]| -> f64 {
                let places = (0..COMPARISONS).filter(|place| says(*place, levels));
                places.map(|place| shares[place][usize::from(levels[place]) - 1].ln()).sum()
            };
            let odds = (1.0 - lambda).ln() - lambda.ln() + log_of(u) - log_of(m);
            let g = 1.0 / (1.0 + odds.exp());
            for _ in 0..*count {
                g_of_session.push(g);
                let said = std::array::from_fn(
                    |place| if says(place, levels) { levels[place] } else { 0 },
                );
                each.push((said, g));
            }
        }
        let count: f64 = pairs.iter().map(|(_, count)| f64::from(*count)).sum();
        next.lambdas[session] = g_of_session.iter().sum::<f64>() / count;
    }
    for place in 0..COMPARISONS {
        let seen = |holds: &dyn Fn(u8) -> bool| -> f64 {
            let those =
                each.iter().filter(|(said, _): &&([u8; COMPARISONS], f64)| holds(said[place]));
            those.map(|(_, g)| g).sum()
        };
        let total = seen(&|level| level > 0);
        if total > 0.0 {
            next.mixture.m[place] =
                (1..=LEVELS).map(|level| seen(&|it| it == level) / total).collect();
        }
    }
    next
}

proptest! {
    #[test]
    fn no_step_makes_the_pairs_less_likely((pairs, start) in estimate()) {
        let sessions = sessions(&pairs);
        let mut estimate = start;
        let mut before = estimate.log_likelihood(&sessions);
        for _ in 0..30 {
            estimate = estimate.step(&sessions);
            let after = estimate.log_likelihood(&sessions);
            prop_assert!(after >= before - 1e-9 * before.abs().max(1.0), "{} after {}", after, before);
            before = after;
        }
    }

    #[test]
    fn a_step_is_that_of_the_literature((pairs, start) in estimate()) {
        let (mut ours, mut plain) = (start.clone(), start);
        for _ in 0..5 {
            ours = ours.step(&sessions(&pairs));
            plain = plain_step(&pairs, &plain);
            prop_assert!(ours.change(&plain) < 1e-9, "{:?} for {:?}", ours, plain);
        }
    }
}

#[test]
fn what_made_the_pairs_is_found_again() {
    let m = vec![vec![0.8, 0.15, 0.05], vec![0.6, 0.2, 0.2], vec![0.9, 0.04, 0.06]];
    let u = vec![vec![0.01, 0.04, 0.95], vec![0.05, 0.05, 0.9], vec![0.2, 0.1, 0.7]];
    let truth = Mixture { m, u };
    // The second session has a match in a thousand pairs and does not look at the first comparison.
    let session = |bits: u16, lambda: f64| {
        let mut pairs = Vec::new();
        for number in 0..27_u8 {
            let pattern = pattern([number % 3 + 1, number / 3 % 3 + 1, number / 9 + 1]);
            let (matches, others) = truth.likelihoods(pattern, Active(0b111));
            pairs.push((pattern, 1e6 * (lambda * matches + (1.0 - lambda) * others)));
        }
        Session { active: Active(bits), pairs }
    };
    let lambdas = [0.08, 0.001];
    let sessions = [session(0b111, lambdas[0]), session(0b110, lambdas[1])];
    let mixture = Mixture { m: vec![vec![0.9, 0.05, 0.05]; 3], u: truth.u.clone() };
    let found = Estimate { lambdas: vec![0.3, 0.3], mixture }.converge(&sessions);
    for (found, truth) in found.lambdas.iter().zip(lambdas) {
        assert!((found - truth).abs() < 1e-3, "{found} for {truth}");
    }
    for (found, truth) in found.mixture.m.iter().flatten().zip(truth.m.iter().flatten()) {
        assert!((found - truth).abs() < 5e-3, "{found} for {truth}");
    }
}
