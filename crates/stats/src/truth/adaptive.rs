//! The checks of policies, of reading out where shares followed what units did, and of off-policy estimates.

use super::checks::{check, shown};
use super::{Check, Claim};
use crate::draws::Draws;
use crate::off_policy::Method;
use crate::off_policy::truth::{accuracy, deviation_of_weighting, worth};
use crate::policy::PolicyError;
use crate::policy::beliefs::{self, Belief, Linear};
use crate::policy::truth::{
    Accuracy, DRIFTING_EFFECT, Played, Programme, drift, least_slope, thompson_regret,
};

const THOMPSON: &str = "Thompson sampling";
const TOP_TWO: &str = "top-two, runner-up half the time";
const EQUAL: &str = "equal shares";
const REGRET: &str = "regret, relative to equal shares";
const ERROR: &str = "mean error, relative to the truth";
pub(super) const OUTSIDE: &str = "truth outside the interval";

/// All of them, in the order of the table.
pub(super) fn checks() -> Vec<Check> {
    let mut all = regret_by_theory();
    all.extend(regret_as_used());
    all.extend(by_cell());
    all.extend(finding());
    all.extend(drifting());
    all.extend(off_policy());
    all
}

/// A policy's next shares where units are not told apart.
type OfArms = fn(&[Belief]) -> Result<Vec<f64>, PolicyError>;

fn thompson(arms: &[Belief]) -> Result<Vec<f64>, PolicyError> {
    beliefs::thompson(arms)
}

fn top_two(arms: &[Belief]) -> Result<Vec<f64>, PolicyError> {
    beliefs::top_two(arms, 0.5)
}

fn greedy(arms: &[Belief]) -> Result<Vec<f64>, PolicyError> {
    beliefs::greedy(arms, 0.1)
}

/// The first arm is the control.
fn accelerator(arms: &[Belief]) -> Result<Vec<f64>, PolicyError> {
    beliefs::accelerator(arms, 0)
}

fn equal(arms: &[Belief]) -> Result<Vec<f64>, PolicyError> {
    beliefs::greedy(arms, 1.0)
}

/// Plays a programme whose policy does not tell units apart.
fn play(
    programme: &Programme<'_>,
    policy: OfArms,
    draws: &mut Draws,
) -> Result<Played, PolicyError> {
    let next = |cells: &[Option<Vec<Belief>>]| -> Result<Vec<Vec<f64>>, PolicyError> {
        let [Some(arms)] = cells else { return Err(PolicyError::NoVariance) };
        Ok(vec![policy(arms)?])
    };
    programme.play(&next, draws)
}

/// A number that is none makes a claim fail: a policy that refuses is found out.
fn number<E>(found: Result<f64, E>) -> f64 {
    found.unwrap_or(f64::NAN)
}

/// The same, but of a thousand plays only so many.
fn seldom(plays_in_1000: u32, check: Check) -> Check {
    Check { plays_in_1000, ..check }
}

/// Thompson sampling without a floor: what is lost grows as ln T, so that its part of what equal shares lose, which
/// grows as T, falls.
fn regret_by_theory() -> Vec<Check> {
    const RATES: [f64; 3] = [0.5, 0.4, 0.3];
    const LOST_EVENLY: f64 = 0.1;
    const METHOD: &str = "Thompson sampling, no floor";
    let of_equal = |setting, horizon: u32, most| {
        let play = move |draws: &mut Draws| {
            let regret = thompson_regret(&RATES, &[u64::from(horizon)], 1, draws);
            number(regret.map(|regret| regret.iter().sum::<f64>()))
                / (LOST_EVENLY * f64::from(horizon))
        };
        seldom(50, check(METHOD, setting, REGRET, Claim::AtMost(most), play))
    };
    let growth = |draws: &mut Draws| {
        let regret = thompson_regret(&RATES, &[4_000, 16_000], 1, draws);
        let grown =
            regret.map(|regret| regret.iter().rev().copied().reduce(|last, first| last - first));
        number(grown.map(Option::unwrap_or_default)) / (4.0_f64.ln() * least_slope(&RATES))
    };
    vec![
        of_equal("conversion 50, 40, 30 %, 1,000 units", 1_000, 0.3),
        of_equal("conversion 50, 40, 30 %, 16,000 units", 16_000, 0.04),
        seldom(
            50,
            check(
                METHOD,
                "conversion 50, 40, 30 %, from 4,000 to 16,000 units",
                "growth of regret, relative to Lai and Robbins's bound",
                Claim::AtMost(1.0),
                growth,
            ),
        ),
    ]
}

/// As experiences use them: beliefs over epochs, a floor of 1 %, shares that stay until there is enough.
fn regret_as_used() -> Vec<Check> {
    const THREE: Programme<'_> =
        Programme { rates: &[&[0.10, 0.12, 0.15]], is_cell_known: false, units: 20_000 };
    let row = |method, policy: OfArms, most| {
        let play = move |draws: &mut Draws| {
            number(play(&THREE, policy, draws).map(|played| played.relative_regret()))
        };
        let setting = "conversion 10, 12, 15 %, 20,000 units";
        seldom(200, check(method, setting, REGRET, Claim::AtMost(most), play))
    };
    vec![
        row(THOMPSON, thompson, 0.4),
        row(TOP_TWO, top_two, 0.8),
        row("ε-greedy, 10 %", greedy, 0.4),
    ]
}

/// Where the best arm depends on the unit.
fn by_cell() -> Vec<Check> {
    const RATES: [&[f64]; 2] = [&[0.10, 0.15, 0.12], &[0.15, 0.10, 0.12]];
    const SETTING: &str = "the best of three arms depends on a feature, 20,000 units";
    let linear = |method, explores: Linear, most| {
        let programme = Programme { rates: &RATES, is_cell_known: true, units: 20_000 };
        let play = move |draws: &mut Draws| {
            let next = |cells: &[Option<Vec<Belief>>]| beliefs::linear(cells, 3, explores);
            number(programme.play(&next, draws).map(|played| played.relative_regret()))
        };
        seldom(200, check(method, SETTING, REGRET, Claim::AtMost(most), play))
    };
    let blind = Programme { rates: &RATES, is_cell_known: false, units: 20_000 };
    let play = move |draws: &mut Draws| {
        number(play(&blind, thompson, draws).map(|played| played.relative_regret()))
    };
    vec![
        linear("LinTS", Linear::Sampling(1.0), 0.5),
        linear("LinUCB", Linear::Bound(1.0), 0.75),
        seldom(200, shown(check(THOMPSON, SETTING, REGRET, Claim::Shown, play))),
    ]
}

/// What top-two sampling and the accelerator are for: to know sooner, rather than to earn.
fn finding() -> Vec<Check> {
    const RATES: [f64; 10] = [0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.13, 0.14];
    const TEN: Programme<'_> = Programme { rates: &[&RATES], is_cell_known: false, units: 20_000 };
    const SETTING: &str = "ten arms, conversion 10 % but 13 and 14 %, 20,000 units";
    const THREE: Programme<'_> = Programme { rates: &[&[0.10, 0.11, 0.12]], ..TEN };
    const SETTING_OF_THREE: &str = "conversion 10, 11, 12 %, 20,000 units";
    let width = |draws: &mut Draws| {
        let of_unit = |rate: f64| rate * (1.0 - rate);
        let of_equal = (of_unit(0.14) + of_unit(0.10)) * 10.0 / f64::from(TEN.units);
        let found = play(&TEN, accelerator, draws).and_then(|played| played.difference(9, 0));
        number(found.map(|found| found.variance / of_equal))
    };
    let measure = "variance of the best arm's lift, relative to equal shares";
    vec![
        missed((TOP_TWO, top_two), (SETTING, TEN), Claim::AtMost(0.15)),
        missed((EQUAL, equal), (SETTING, TEN), Claim::Shown),
        missed((TOP_TWO, top_two), (SETTING_OF_THREE, THREE), Claim::Shown),
        missed((EQUAL, equal), (SETTING_OF_THREE, THREE), Claim::Shown),
        seldom(200, check("accelerator", SETTING, measure, Claim::AtMost(0.8), width)),
    ]
}

/// How often the last arm, which is the best, does not seem to be it in the end.
fn missed(
    (method, policy): (&'static str, OfArms),
    (setting, programme): (&'static str, Programme<'static>),
    claim: Claim,
) -> Check {
    let play = move |draws: &mut Draws| {
        let last = programme.rates.first().map_or(0, |rates| rates.len().saturating_sub(1));
        let is_missed = |played: Played| -> Result<f64, PolicyError> {
            let lift = |arm| played.difference(arm, last).map(|found| found.difference);
            let lifts = (0..last).map(lift).collect::<Result<Vec<f64>, _>>()?;
            Ok(if lifts.iter().any(|lift| 0.0 <= *lift) { 1.0 } else { 0.0 })
        };
        number(play(&programme, policy, draws).and_then(is_missed))
    };
    seldom(200, check(method, setting, "another arm seems the best", claim, play))
}

/// The estimate over epochs where conversion falls while shares follow what units did.
fn drifting() -> Vec<Check> {
    const SETTING: &str = "conversion falls from 30 to 8 %, Thompson's shares, +1 point";
    let row = |method, measure, claim, which: usize, number_of: fn(&Accuracy) -> f64| {
        let play = move |draws: &mut Draws| {
            number(drift(1, draws).map(|both| both.get(which).map_or(f64::NAN, number_of)))
        };
        check(method, SETTING, measure, claim, play)
    };
    let (epochs, plain) = ("difference over epochs", "difference in plain means");
    let error = |found: &Accuracy| found.bias / DRIFTING_EFFECT;
    let outside = |found: &Accuracy| 1.0 - found.coverage;
    let none = Claim::Near { value: 0.0, tolerance: 0.0 };
    let few = Claim::AtMost(0.07);
    vec![
        row(epochs, ERROR, none, 1, error),
        row(epochs, OUTSIDE, few, 1, outside),
        row(plain, ERROR, Claim::Shown, 0, error),
        row(plain, OUTSIDE, Claim::Shown, 0, outside),
    ]
}

/// What another policy would have earned.
fn off_policy() -> Vec<Check> {
    const GOOD: &str = "four actions, means known by stratum, 1,500 units";
    const WRONG: &str = "four actions, a model that does not know strata, 1,500 units";
    let row = |method: Method, name, is_blind, measure, claim, number_of: fn(&Accuracy) -> f64| {
        let play = move |draws: &mut Draws| {
            let found = accuracy(&[method], is_blind, 1, draws);
            number(found.map(|found| found.first().map_or(f64::NAN, number_of)))
        };
        check(name, if is_blind { WRONG } else { GOOD }, measure, claim, play)
    };
    let square = |found: &Accuracy| (found.deviation / deviation_of_weighting()).powi(2);
    let outside = |found: &Accuracy| 1.0 - found.coverage;
    let error = |found: &Accuracy| found.bias / worth();
    let none = Claim::Near { value: 0.0, tolerance: 0.0 };
    let few = Claim::AtMost(0.07);
    let squared = "squared error, relative to IPS by theory";
    vec![
        row(Method::Ips, "IPS", false, ERROR, none, error),
        row(Method::Ips, "IPS", false, squared, Claim::Near { value: 1.0, tolerance: 0.0 }, square),
        row(Method::Ips, "IPS", false, OUTSIDE, few, outside),
        row(Method::Snips, "SNIPS", false, squared, Claim::AtMost(0.5), square),
        row(Method::Snips, "SNIPS", false, OUTSIDE, few, outside),
        row(Method::DoublyRobust, "doubly robust", false, ERROR, none, error),
        row(Method::DoublyRobust, "doubly robust", false, squared, Claim::AtMost(0.25), square),
        row(Method::DoublyRobust, "doubly robust", false, OUTSIDE, few, outside),
        row(Method::DoublyRobust, "doubly robust", true, ERROR, none, error),
        row(Method::DoublyRobust, "doubly robust", true, OUTSIDE, few, outside),
        row(Method::Direct, "direct", true, ERROR, Claim::Shown, error),
        row(Method::Direct, "direct", true, OUTSIDE, Claim::Shown, outside),
    ]
}
