//! The checks of sequences, tests and intervals.

use super::arms::{Split, Values};
use super::play::Experiment;
use super::{Check, Claim};
use crate::adjusted::{cuped, ratio};
use crate::draws::Draws;
use crate::effect::{Effect, Inference, Level, Scale};
use crate::gate::{Gate, gate};
use crate::looks::Boundaries;
use crate::multiple::alarms_by_evidence;
use crate::sample::Pairs;
use crate::sequence::{TIGHTEST_AT_UNITS, asymptotic, mixture};
use crate::split::{ALARM, over_stretches};
use crate::undefined::Undefined;
use crate::{exact, fixed};

const LEVEL: Level = Level::FIVE_PERCENT;
pub(super) const FALSE_ALARMS: &str = "false alarms";
const MISSES: &str = "truth ever outside the interval";
const EVEN: Split = Split::Control(0.5);
const TEN_PERCENT: Values = Values::Conversion(0.1);
const TWENTY_PERCENT: Values = Values::Conversion(0.2);
const HEAVY: Values = Values::Revenue { buys: 0.1, spread: 1.2 };
const ARMS: usize = 20;

/// All checks, in the order of the table.
pub fn checks() -> Vec<Check> {
    let mut all = at_every_step();
    all.extend(many_arms());
    all.extend(other_sequences());
    all.extend(coverage());
    all.extend(for_comparison());
    all.extend(super::adaptive::checks());
    all
}

/// A/A: how often the sequence ever says that there is an effect.
fn at_every_step() -> Vec<Check> {
    let check = |setting, scale, experiment| {
        watched("asymptotic sequence", setting, experiment, move |control, treatment| {
            sequence(scale, control, treatment)
        })
    };
    let skewed = Split::Control(0.9);
    let most = Split::Control(0.98);
    vec![
        check(
            "50/50, conversion 10 %",
            Scale::Absolute,
            Experiment::of_two(EVEN, TEN_PERCENT, 10_000),
        ),
        check(
            "50/50, conversion 10 %, relative",
            Scale::Relative,
            Experiment::of_two(EVEN, TEN_PERCENT, 10_000),
        ),
        check(
            "90/10, conversion 10 %",
            Scale::Absolute,
            Experiment::of_two(skewed, TEN_PERCENT, 20_000),
        ),
        check(
            "98/2, conversion 20 %",
            Scale::Absolute,
            Experiment::of_two(most, TWENTY_PERCENT, 40_000),
        ),
        check(
            "ramp 5, 25, 50 %, conversion 10 %",
            Scale::Absolute,
            Experiment::of_two(Split::Ramp, TEN_PERCENT, 20_000),
        ),
        check(
            "50/50, revenue, 10 % buy, heavy tail",
            Scale::Absolute,
            Experiment::of_two(EVEN, HEAVY, 10_000),
        ),
        check(
            "90/10, revenue, 10 % buy, heavy tail",
            Scale::Absolute,
            Experiment::of_two(skewed, HEAVY, 20_000),
        ),
        check(
            "90/10, revenue, heavy tail, relative",
            Scale::Relative,
            Experiment::of_two(skewed, HEAVY, 20_000),
        ),
        check(
            "ramp, revenue, heavy tail",
            Scale::Absolute,
            Experiment::of_two(Split::Ramp, HEAVY, 20_000),
        ),
    ]
}

fn many_arms() -> Vec<Check> {
    let twenty = Experiment {
        split: Split::Control(0.05),
        values: TWENTY_PERCENT,
        lift: 0.0,
        arms: ARMS,
        units: 40_000,
        gate: crate::gate::INFORMATIVE_MIN,
    };
    let shared = LEVEL.shared(ARMS - 1);
    vec![
        Check {
            plays_in_1000: 150,
            ..check(
                "asymptotic sequence, Bonferroni",
                "20 arms, conversion 20 %, any arm",
                FALSE_ALARMS,
                Claim::AtMost(LEVEL.alpha()),
                move |draws| {
                    twenty.ever(draws, |control, treatment| {
                        let found = of_means(Scale::Absolute, control, treatment)
                            .and_then(|effect| asymptotic(&effect, shared, TIGHTEST_AT_UNITS));
                        found.is_ok_and(|found| found.p_value <= shared.alpha())
                    })
                },
            )
        },
        Check {
            plays_in_1000: 150,
            ..check(
                "asymptotic sequence, e-BH",
                "20 arms, conversion 20 %, any arm, a look every 500 units",
                FALSE_ALARMS,
                Claim::AtMost(LEVEL.alpha()),
                move |draws| alarms_of_evidence(&twenty, draws),
            )
        },
    ]
}

fn alarms_of_evidence(experiment: &Experiment, draws: &mut Draws) -> f64 {
    let is_ever = experiment.watch(draws, |arms, _| {
        let units: u64 = arms.iter().map(|arm| arm.first.count).sum();
        let Some((control, treatments)) = arms.split_first() else { return false };
        if !units.is_multiple_of(500) {
            return false;
        }
        let evidence: Vec<f64> = treatments
            .iter()
            .filter_map(|treatment| sequence(Scale::Absolute, control, treatment).ok()?.ln_e_value)
            .collect();
        alarms_by_evidence(&evidence, LEVEL).is_ok_and(|alarms| alarms.contains(&true))
    });
    if is_ever { 1.0 } else { 0.0 }
}

fn other_sequences() -> Vec<Check> {
    let even = |values| Experiment::of_two(EVEN, values, 10_000);
    let rare = Experiment {
        gate: 0,
        ..Experiment::of_two(Split::Control(0.98), Values::Conversion(0.03), 10_000)
    };
    vec![
        watched("mSPRT", "50/50, conversion 10 %", even(TEN_PERCENT), |control, treatment| {
            of_means(Scale::Absolute, control, treatment)
                .and_then(|effect| mixture(&effect, LEVEL, 0.02))
        }),
        watched(
            "CUPED, asymptotic sequence",
            "50/50, value 80 % known before",
            even(Values::History),
            |control, treatment| {
                cuped(Scale::Absolute, control, treatment)
                    .and_then(|effect| asymptotic(&effect, LEVEL, TIGHTEST_AT_UNITS))
            },
        ),
        watched(
            "ratio, asymptotic sequence",
            "50/50, clicks per page",
            even(Values::Clicks),
            |control, treatment| {
                Effect::relative(&ratio(control)?, &ratio(treatment)?)
                    .and_then(|effect| asymptotic(&effect, LEVEL, TIGHTEST_AT_UNITS))
            },
        ),
        check(
            "exact sequence",
            "98/2, conversion 3 %, no gate",
            FALSE_ALARMS,
            Claim::AtMost(LEVEL.alpha()),
            move |draws| {
                rare.ever(draws, |control, treatment| {
                    exact::evidence(&control.first, &treatment.first)
                        .is_ok_and(|ln_e_value| -ln_e_value <= LEVEL.alpha().ln())
                })
            },
        ),
        exact_at_first(),
        planned_looks(),
        split_test("70/30 as planned", 0.7, LEVEL.alpha(), Claim::AtMost(LEVEL.alpha())),
        split_test("60/40 instead of 70/30, alarm at 0.1 %", 0.6, ALARM, Claim::AtLeast(0.99)),
    ]
}

/// As results do it: while an arm has too little, shares are compared exactly.
fn exact_at_first() -> Check {
    let split = Split::Control(0.9);
    let experiment =
        Experiment { gate: 0, ..Experiment::of_two(split, Values::Conversion(0.03), 40_000) };
    let is_alarm = |control: &Pairs, treatment: &Pairs| {
        let informative = [control, treatment].map(|arm| arm.first.informative());
        if gate(informative) == Gate::Open {
            return sequence(Scale::Absolute, control, treatment)
                .is_ok_and(|found| found.p_value <= LEVEL.alpha());
        }
        exact::evidence(&control.first, &treatment.first)
            .is_ok_and(|ln_e_value| -ln_e_value <= LEVEL.alpha().ln())
    };
    check(
        "exact sequence below the gate, then asymptotic",
        "90/10, conversion 3 %",
        FALSE_ALARMS,
        Claim::AtMost(LEVEL.alpha()),
        move |draws| experiment.ever(draws, is_alarm),
    )
}

/// How often the split test that results use sees a mismatch of a plan of 70/30.
fn split_test(setting: &'static str, control: f64, alpha: f64, claim: Claim) -> Check {
    let measure = match claim {
        Claim::AtLeast(_) => "mismatch seen within 10,000 units",
        _ => FALSE_ALARMS,
    };
    let split = Split::Control(control);
    let experiment = Experiment { gate: 0, ..Experiment::of_two(split, TEN_PERCENT, 10_000) };
    check("sequential split test, mean of evidence", setting, measure, claim, move |draws| {
        experiment.ever(draws, |control, treatment| {
            let counts = [control.first.count, treatment.first.count];
            over_stretches([(&counts[..], &[0.7, 0.3][..])])
                .is_ok_and(|found| found.p_value <= alpha)
        })
    })
}

fn planned_looks() -> Check {
    const FRACTIONS: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 1.0];
    let boundaries = Boundaries::new(&FRACTIONS, LEVEL, 2.0);
    let experiment = Experiment::of_two(EVEN, TEN_PERCENT, 10_000);
    check(
        "planned looks (Lan and DeMets)",
        "50/50, conversion 10 %, five looks",
        FALSE_ALARMS,
        Claim::Near { value: LEVEL.alpha(), tolerance: 0.005 },
        move |draws| {
            let Ok(boundaries) = &boundaries else { return 1.0 };
            experiment.at(draws, &FRACTIONS, |look, control, treatment| {
                of_means(Scale::Absolute, control, treatment)
                    .and_then(|effect| boundaries.look(look, &effect))
                    .is_ok_and(|found| found.is_reached)
            })
        },
    )
}

/// A/B with a known effect: how often the truth is ever outside.
fn coverage() -> Vec<Check> {
    let covered = |setting, experiment: Experiment| {
        check(
            "asymptotic sequence, relative",
            setting,
            MISSES,
            Claim::AtMost(LEVEL.alpha()),
            move |draws| {
                experiment.ever(draws, |control, treatment| {
                    sequence(Scale::Relative, control, treatment)
                        .is_ok_and(|found| !found.interval.contains(experiment.lift))
                })
            },
        )
    };
    let with_lift = |experiment| Experiment { lift: 0.2, ..experiment };
    let rare = with_lift(Experiment {
        gate: 0,
        ..Experiment::of_two(Split::Control(0.9), Values::Conversion(0.03), 4_000)
    });
    const LOOKS: [f64; 8] = [0.005, 0.01, 0.03, 0.08, 0.2, 0.4, 0.7, 1.0];
    vec![
        covered(
            "50/50, conversion 10 %, +20 %",
            with_lift(Experiment::of_two(EVEN, TEN_PERCENT, 10_000)),
        ),
        covered(
            "90/10, conversion 10 %, +20 %",
            with_lift(Experiment::of_two(Split::Control(0.9), TEN_PERCENT, 20_000)),
        ),
        covered(
            "50/50, revenue, heavy tail, +20 %",
            with_lift(Experiment::of_two(EVEN, HEAVY, 10_000)),
        ),
        Check {
            plays_in_1000: 50,
            ..check(
                "exact sequence",
                "90/10, conversion 3 %, +20 %, eight looks, no gate",
                MISSES,
                Claim::AtMost(LEVEL.alpha()),
                move |draws| {
                    rare.at(draws, &LOOKS, |_, control, treatment| {
                        exact::shares(Scale::Absolute, &control.first, &treatment.first, LEVEL)
                            .is_ok_and(|found| !found.interval.contains(0.03 * rare.lift))
                    })
                },
            )
        },
    ]
}

/// What the sequences and the gate are for.
fn for_comparison() -> Vec<Check> {
    let even = Experiment::of_two(EVEN, TEN_PERCENT, 10_000);
    let without_gate =
        Experiment { gate: 1, ..Experiment::of_two(Split::Control(0.9), HEAVY, 10_000) };
    let once = check(
        "Welch's t, one look",
        "50/50, conversion 10 %",
        FALSE_ALARMS,
        Claim::Near { value: LEVEL.alpha(), tolerance: 0.005 },
        move |draws| {
            even.at(draws, &[1.0], |_, control, treatment| {
                welch(control, treatment).is_ok_and(|found| found.p_value <= LEVEL.alpha())
            })
        },
    );
    let peeked = watched("Welch's t, watched", "50/50, conversion 10 %", even, welch);
    let early = watched(
        "asymptotic sequence without the gate",
        "90/10, revenue, 10 % buy, heavy tail",
        without_gate,
        |control, treatment| sequence(Scale::Absolute, control, treatment),
    );
    vec![once, shown(peeked), shown(early)]
}

pub(super) fn shown(check: Check) -> Check {
    Check { claim: Claim::Shown, ..check }
}

pub(super) fn check(
    method: &'static str,
    setting: &'static str,
    measure: &'static str,
    claim: Claim,
    play: impl Fn(&mut Draws) -> f64 + Send + Sync + 'static,
) -> Check {
    Check { method, setting, measure, claim, plays_in_1000: 1_000, play: Box::new(play) }
}

/// How often a method ever has a false alarm, looked at after each unit.
fn watched(
    method: &'static str,
    setting: &'static str,
    experiment: Experiment,
    infer: impl Fn(&Pairs, &Pairs) -> Result<Inference, Undefined> + Send + Sync + 'static,
) -> Check {
    check(method, setting, FALSE_ALARMS, Claim::AtMost(LEVEL.alpha()), move |draws| {
        experiment.ever(draws, |control, treatment| {
            infer(control, treatment).is_ok_and(|found| found.p_value <= LEVEL.alpha())
        })
    })
}

fn of_means(scale: Scale, control: &Pairs, treatment: &Pairs) -> Result<Effect, Undefined> {
    Effect::new(scale, &control.first.as_mean()?, &treatment.first.as_mean()?)
}

fn sequence(scale: Scale, control: &Pairs, treatment: &Pairs) -> Result<Inference, Undefined> {
    asymptotic(&of_means(scale, control, treatment)?, LEVEL, TIGHTEST_AT_UNITS)
}

fn welch(control: &Pairs, treatment: &Pairs) -> Result<Inference, Undefined> {
    fixed::welch(&of_means(Scale::Absolute, control, treatment)?, LEVEL)
}
