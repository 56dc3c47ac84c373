use model::Purpose;
use proptest::prelude::*;
use serde_json::{Value, json};
use stats::{
    effect::Level,
    looks::{Boundaries, repeated_p_value},
    sample::Sums,
    sequence::mixture,
};

use super::*;
use crate::{
    Amount, Measured, MetricDocument, Stretch, Unread, Values, Word, harm, judge, several,
    test_split,
};

const KINDS: [&str; 8] =
    ["conversion", "count", "sum", "mean", "ratio", "quantile", "retention", "time_to_event"];

fn metric(kind: &str, lower: bool) -> Metric {
    let mut document =
        json!({"key": kind, "kind": kind, "event": "Order", "window": "1d", "currency": "EUR"});
    if matches!(kind, "sum" | "mean" | "quantile") {
        document["property"] = json!("revenue");
    }
    if kind == "ratio" {
        document["denominator"] = json!({"event": "Visit"});
    }
    if kind == "quantile" {
        document["quantile"] = json!(0.9);
    }
    if lower {
        document["direction"] = json!("lower");
    }
    let document: MetricDocument = serde_json::from_value(document).unwrap();
    Metric::compile(&document, &|_| Some(Purpose::ANALYTICS)).unwrap()
}

/// The numbers that must be there are, and none is anything but a number.
fn is_sound(result: &MetricResult) {
    for arm in &result.arms {
        assert!(arm.value.is_none_or(f64::is_finite) && arm.std_error.is_none_or(f64::is_finite));
        assert!(arm.chance_best.is_none_or(|chance| (0.0..=1.0).contains(&chance)));
        assert!(arm.expected_loss.is_none_or(|loss| loss.is_finite() && 0.0 <= loss));
        let Some(compared) = &arm.comparison else { continue };
        let all = [Some(compared.absolute), compared.relative, compared.impact];
        for Difference { lift, std_error, low, high } in all.into_iter().flatten() {
            assert!([lift, std_error, low, high].into_iter().all(f64::is_finite));
            assert!(low <= lift && lift <= high, "{result:?}");
        }
        assert!((0.0..=1.0).contains(&compared.p_value));
        assert!((0.0..=1.0).contains(&compared.variance_reduction));
    }
}

fn told(kind: &str, lower: bool, arms: &[(Arm, Vec<Measured>)], reading: Reading) -> MetricResult {
    let metric = metric(kind, lower);
    let tallies: Vec<Tally> = arms
        .iter()
        .map(|(_, units)| {
            let mut tally = Tally::default();
            units.iter().for_each(|unit| tally.add(unit));
            tally
        })
        .collect();
    let values = |units: &[Measured]| -> Vec<f64> {
        let mut values: Vec<f64> = units
            .iter()
            .filter_map(|unit| match unit {
                Measured::Counted(values) => Some(values.upper.to_f64()),
                Measured::Left(_) => None,
            })
            .collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let sorted: Vec<Vec<f64>> = arms.iter().map(|(_, units)| values(units)).collect();
    let sums: Vec<ArmSums<'_>> = arms
        .iter()
        .zip(&tallies)
        .zip(&sorted)
        .map(|(((arm, _), tally), sorted)| {
            let sorted = (kind == "quantile").then_some(sorted.as_slice());
            ArmSums { arm, tally, sorted }
        })
        .collect();
    read_out(&metric, &sums, reading)
}

fn reading(method: Method) -> Reading {
    Reading::new(method, Level::FIVE_PERCENT)
}

fn counted(upper: f64, lower: f64, before: f64) -> Measured {
    let amount = |number| Amount::of(number).unwrap();
    let (upper, lower, before) = (amount(upper), amount(lower), amount(before));
    Measured::Counted(Values { upper, lower, before, ..Values::default() })
}

fn variant(name: &str) -> Arm {
    Arm::Variant(name.parse().unwrap())
}

/// Units of which every `every`th did it.
fn units(count: usize, every: usize) -> Vec<Measured> {
    let of = |place: usize| counted(if place.is_multiple_of(every) { 1.0 } else { 0.0 }, 0.0, 0.0);
    (0..count).map(of).collect()
}

fn verdict_of(arms: &[(Arm, Vec<Measured>)], lower: bool) -> (Word, String) {
    let result = told("conversion", lower, arms, reading(Method::Sequential));
    is_sound(&result);
    let share = 1.0 / arms.len() as f64;
    let counts = arms.iter().map(|(_, units)| (units.len() as u64, share)).collect();
    let split = test_split(&[Stretch { arms: counts }]);
    let names: Vec<&Arm> = arms.iter().map(|(arm, _)| arm).collect();
    let verdict = judge(&[result], &split, &names);
    (verdict.verdict, verdict.reason)
}

#[test]
fn verdicts_say_what_to_do_and_why() {
    let check = |arms: &[(&str, Vec<Measured>)], lower: bool, expected: Word, reason: &str| {
        let arms: Vec<_> =
            arms.iter().map(|(name, units)| (variant(name), units.clone())).collect();
        let (found, why) = verdict_of(&arms, lower);
        assert!(found == expected && why.contains(reason), "{found:?}: {why}");
    };
    let (rare, frequent) = (units(4_000, 10), units(4_000, 5));
    check(&[], false, Word::Collecting, "nobody has been exposed yet");
    check(&[("a", rare.clone())], false, Word::Collecting, "nothing to compare with");
    let few = units(200, 10);
    check(&[("a", few.clone()), ("b", few)], false, Word::Collecting, "`a` has 20 so far");
    check(
        &[("a", rare.clone()), ("b", rare.clone())],
        false,
        Word::KeepRunning,
        "no variant is surely",
    );
    check(
        &[("a", rare.clone()), ("b", frequent.clone())],
        false,
        Word::Ship,
        "`b` is surely better",
    );
    check(&[("a", rare.clone()), ("b", frequent.clone())], true, Word::Stop, "surely worse");
    check(
        &[("a", rare.clone()), ("b", units(3_000, 10))],
        false,
        Word::Invalid,
        "the shares of units",
    );
    let nobody = units(4_000, usize::MAX);
    check(&[("a", nobody.clone()), ("b", nobody)], false, Word::Collecting, "has 1 so far");
}

#[test]
fn a_guardrail_keeps_a_winner_from_being_shipped() {
    let arms = [(variant("a"), units(4_000, 10)), (variant("b"), units(4_000, 5))];
    let goal = told("conversion", false, &arms, reading(Method::Sequential));
    let mut guardrail = told("retention", true, &arms, reading(Method::Sequential));
    guardrail.role = Role::Guardrail;
    let split = test_split(&[Stretch { arms: vec![(4_000, 0.5), (4_000, 0.5)] }]);
    let (a, b) = (variant("a"), variant("b"));
    let verdict = judge(&[goal, guardrail], &split, &[&a, &b]);
    assert_eq!(verdict.verdict, Word::Stop);
    assert!(
        verdict.reason.contains("surely worse by the guardrail `retention`"),
        "{}",
        verdict.reason
    );
}

#[test]
fn two_hundred_variants_are_read_out() {
    let arms: Vec<_> =
        (0..200).map(|place| (variant(&format!("v{place}")), units(1_000, 10))).collect();
    for kind in KINDS {
        let result = told(kind, false, &arms, reading(Method::Fixed));
        assert_eq!(result.arms.len(), 200);
        is_sound(&result);
    }
}

#[test]
fn units_in_several_arms_are_told() {
    assert!(!several(0, 0, 0).is_alarm && !several(3, 0, 20).is_alarm);
    let found = several(3, 0, 120);
    assert!(found.is_alarm && found.statement.contains("told apart wrongly"), "{found:?}");
    let found = several(3, 2, 120);
    assert!(
        !found.is_alarm && found.statement.contains("2 of them had a variant that was retired")
    );
    let none: Value = serde_json::to_value(several(0, 0, 5)).unwrap();
    assert_eq!(none["statement"], "no unit was exposed to more than one arm");
}

#[test]
fn effects_that_fade_are_told() {
    let metric = metric("conversion", false);
    let tally = |every: usize| {
        let mut tally = Tally::default();
        units(20_000, every).iter().for_each(|unit| tally.add(unit));
        tally
    };
    let (rare, frequent) = (tally(10), tally(5));
    let (a, b) = (variant("a"), variant("b"));
    let of = |arm, tally| ArmSums { arm, tally, sorted: None };
    let good = || [of(&a, &rare), of(&b, &frequent)];
    assert_eq!(crate::decayed(&metric, good(), good()), None);
    let gone = crate::decayed(&metric, good(), [of(&a, &rare), of(&b, &rare)]).unwrap();
    assert!(gone.contains("`b` by `conversion` decays"), "{gone}");
}

#[test]
fn groups_are_judged_together() {
    let arms = [(variant("a"), units(4_000, 10)), (variant("b"), units(4_000, 8))];
    let one = told("conversion", false, &arms, reading(Method::Fixed));
    let mut groups = vec![one.clone(), one.clone(), one];
    adjust_together(&mut groups);
    for group in &groups {
        let compared = group.arms.iter().find_map(|arm| arm.comparison.as_ref()).unwrap();
        let expected = (3.0 * compared.p_value).min(1.0);
        assert!((compared.p_value_of_all.unwrap() - expected).abs() < 1e-12);
    }
}

fn measured() -> impl Strategy<Value = Measured> {
    let number = || prop_oneof![3 => Just(0.0), 2 => -5.0..50.0_f64, 1 => -1e9..1e9_f64];
    let left = prop_oneof![Just(Unread::Waiting), Just(Unread::Withheld), Just(Unread::Nothing)];
    prop_oneof![
        6 => (number(), number(), number()).prop_map(|(upper, lower, before)| counted(upper, lower, before)),
        3 => any::<bool>().prop_map(|did| counted(if did { 1.0 } else { 0.0 }, 1.0, 0.0)),
        1 => left.prop_map(Measured::Left),
    ]
}

proptest! {
    /// Whatever units did, results hold numbers or say why there are none.
    #[test]
    fn results_never_hold_what_is_no_number(
        seeds in proptest::collection::vec(proptest::collection::vec(measured(), 0..12), 0..4),
        times in 1_usize..40,
        kind in 0..KINDS.len(),
        lower in any::<bool>(),
        fixed in any::<bool>(),
    ) {
        let kind = KINDS[kind];
        let is_binary = matches!(kind, "conversion" | "retention");
        // What a metric of this kind would have measured.
        let fitting = |unit: &Measured| match unit {
            Measured::Counted(values) if is_binary => {
                counted(if values.upper == Amount::ZERO { 0.0 } else { 1.0 }, 0.0, 0.0)
            }
            unit => *unit,
        };
        let arms: Vec<_> = seeds.iter().enumerate().map(|(place, units)| {
            let units: Vec<Measured> = units.iter().map(fitting).collect();
            (variant(&format!("v{place}")), units.repeat(times))
        }).collect();
        let method = if fixed { Method::Fixed } else { Method::Sequential };
        is_sound(&told(kind, lower, &arms, reading(method)));
    }
}

/// What people read for a page says most of what they read for one later.
#[test]
fn what_a_ratio_was_before_is_taken_out_of_it() {
    let arm = |name: &str, more: f64, has_history: bool| {
        let unit = |number: u32| {
            let taste = f64::from(number % 11);
            let amount = |number: f64| Amount::of(number).unwrap();
            let visits = f64::from(1 + number % 3);
            let (upper, lower) = (visits * (taste + more) + f64::from(number % 2), visits);
            let history = if has_history { f64::from(1 + number % 4) } else { 0.0 };
            Measured::Counted(Values {
                upper: amount(upper),
                lower: amount(lower),
                before: amount(history * taste),
                before_lower: amount(history),
            })
        };
        (variant(name), (0..2_000).map(unit).collect::<Vec<_>>())
    };
    let compared = |has_history: bool| {
        let arms = [arm("a", 0.0, has_history), arm("b", 0.25, has_history)];
        let result = told("ratio", false, &arms, reading(Method::Sequential));
        result.arms[1].comparison.clone().unwrap()
    };
    let (with, without) = (compared(true), compared(false));
    assert!(0.7 < with.variance_reduction, "{with:?}");
    assert!(without.variance_reduction == 0.0, "{without:?}");
    assert!((with.absolute.lift - without.absolute.lift).abs() < 1e-6, "arms were alike before");
    assert_eq!((with.surely, without.surely), (Some(Surely::Better), None));
}

/// The comparison of `b` with `a` by a method, of 4,000 units each unless the metric is of fewer.
fn compared(
    kind: &str,
    [a, b]: [Vec<Measured>; 2],
    reading: Reading,
) -> Result<Comparison, String> {
    let result = told(kind, false, &[(variant("a"), a), (variant("b"), b)], reading);
    is_sound(&result);
    let arm = result.arms.into_iter().nth(1).unwrap();
    arm.comparison.ok_or_else(|| arm.why_not.unwrap())
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn below_the_gate_shares_are_compared_exactly_and_nothing_else_is() {
    let arms = || [units(300, 10), units(300, 6)];
    let found = compared("conversion", arms(), reading(Method::Sequential)).unwrap();
    let sums = |successes| Sums::of_successes(300, successes).unwrap();
    let expected = |scale| exact::shares(scale, &sums(30), &sums(50), Level::FIVE_PERCENT).unwrap();
    let (absolute, relative) = (expected(Scale::Absolute), expected(Scale::Relative));
    assert_eq!((found.method, found.surely, found.units_needed), (Method::Exact, None, None));
    near(found.p_value, absolute.p_value);
    near(found.absolute.lift, 20.0 / 300.0);
    near(found.absolute.low, absolute.interval.low);
    near(found.absolute.high, absolute.interval.high);
    let told_relative = found.relative.unwrap();
    near(told_relative.low, relative.interval.low);
    near(told_relative.high, relative.interval.high);
    let by_delta =
        Effect::new(Scale::Relative, &sums(30).as_share().unwrap(), &sums(50).as_share().unwrap());
    near(told_relative.std_error, by_delta.unwrap().std_error);
    // Once there is enough, the usual method answers again.
    let enough =
        compared("conversion", [units(600, 10), units(600, 6)], reading(Method::Sequential));
    assert_eq!(enough.unwrap().method, Method::Sequential);
    let why = compared("count", arms(), reading(Method::Sequential)).unwrap_err();
    assert_eq!(why, "there is not enough yet to say anything");
    // A share of the control that may be nothing has no ratio, and a single unit has an interval.
    let none = compared(
        "conversion",
        [units(300, usize::MAX), units(300, 6)],
        reading(Method::Sequential),
    );
    assert!(none.unwrap().relative.is_none());
    let single =
        compared("conversion", [units(1, 1), units(1, 1)], reading(Method::Fixed)).unwrap();
    assert_eq!((single.absolute.std_error, single.surely), (0.0, None));
}

#[test]
fn many_arms_are_compared_exactly_only_when_that_is_asked_for() {
    let arms: Vec<_> = (0..21).map(|arm| (variant(&format!("v{arm}")), units(60, 10))).collect();
    let compared = |method| {
        let result = told("conversion", false, &arms, reading(method));
        result.arms.iter().filter(|arm| arm.comparison.is_some()).count()
    };
    assert_eq!((compared(Method::Sequential), compared(Method::Exact)), (0, 20));
}

#[test]
fn what_the_exact_sequence_is_sure_of_is_acted_upon() {
    let arms = [(variant("a"), units(200, 20)), (variant("b"), units(200, 3))];
    let (word, reason) = verdict_of(&arms, false);
    assert_eq!(word, Word::Ship, "{reason}");
    let (word, reason) = verdict_of(&arms, true);
    assert_eq!(word, Word::Stop, "{reason}");
    let result = told("conversion", true, &arms, reading(Method::Sequential));
    assert!(result.is_collecting && result.power.is_none(), "{result:?}");
    assert!(result.notes[0].ends_with("before more is said than by the exact sequence"));
    assert_eq!(harm(&result).unwrap().variant, "b");
}

#[test]
fn the_exact_sequence_is_for_shares_and_may_be_asked_for() {
    let arms = || [units(4_000, 10), units(4_000, 8)];
    let found = compared("conversion", arms(), reading(Method::Exact)).unwrap();
    let usual = compared("conversion", arms(), reading(Method::Sequential)).unwrap();
    assert_eq!(found.method, Method::Exact);
    assert!(found.absolute.low < usual.absolute.low && usual.absolute.high < found.absolute.high);
    let why = compared("count", arms(), reading(Method::Exact)).unwrap_err();
    assert!(why.starts_with("the exact sequence is for shares of units"), "{why}");
}

#[test]
fn a_mixture_is_tuned_for_a_share_of_the_controls_value() {
    let arms = || [units(4_000, 10), units(4_000, 8)];
    let why = compared("conversion", arms(), reading(Method::Msprt)).unwrap_err();
    assert!(why.contains("give one with `effect`"), "{why}");
    let tuned = Reading { effect: Some(0.2), ..reading(Method::Msprt) };
    let found = compared("conversion", arms(), tuned).unwrap();
    let share = |successes| Sums::of_successes(4_000, successes).unwrap().as_share().unwrap();
    let effect = |scale| Effect::new(scale, &share(400), &share(500)).unwrap();
    let absolute = mixture(&effect(Scale::Absolute), Level::FIVE_PERCENT, 0.02).unwrap();
    let relative = mixture(&effect(Scale::Relative), Level::FIVE_PERCENT, 0.2).unwrap();
    assert_eq!((found.method, found.surely), (Method::Msprt, Some(Surely::Better)));
    near(found.p_value, absolute.p_value);
    near(found.absolute.low, absolute.interval.low);
    near(found.relative.unwrap().high, relative.interval.high);
}

#[test]
fn planned_looks_ask_for_more_than_one_look_and_less_than_any_number() {
    let arms = || [units(4_000, 10), units(4_000, 8)];
    let why = compared("conversion", arms(), reading(Method::PlannedLooks)).unwrap_err();
    assert_eq!(why, "none of the planned looks has come yet");
    let mut planned = reading(Method::PlannedLooks);
    for share in [0.5, 1.0] {
        assert!(planned.looks.add(share));
    }
    let found = compared("conversion", arms(), planned).unwrap();
    let share = |successes| Sums::of_successes(4_000, successes).unwrap().as_share().unwrap();
    let effect = Effect::absolute(&share(400), &share(500)).unwrap();
    let boundaries = Boundaries::new(&[0.5, 1.0], Level::FIVE_PERCENT, 3.0).unwrap();
    let expected = boundaries.look(1, &effect).unwrap().interval;
    near(found.absolute.low, expected.low);
    near(found.absolute.high, expected.high);
    near(found.p_value, repeated_p_value(&[0.5, 1.0], &effect, 3.0).unwrap());
    assert_eq!(found.units_needed, None);
    let low = |method| compared("conversion", arms(), reading(method)).unwrap().absolute.low;
    assert!(low(Method::Sequential) < found.absolute.low);
    assert!(found.absolute.low < low(Method::Fixed));
}

#[test]
fn where_shares_followed_what_units_did_other_methods_are_refused() {
    let metric = metric("conversion", false);
    let arms = ["a", "b"].map(variant);
    let tally = |every: usize| {
        let mut tally = Tally::default();
        units(2_000, every).iter().for_each(|unit| tally.add(unit));
        tally
    };
    let tallies = [tally(10), tally(5)];
    let sums: Vec<ArmSums<'_>> = arms
        .iter()
        .zip(&tallies)
        .map(|(arm, tally)| ArmSums { arm, tally, sorted: None })
        .collect();
    let strata = [StratumSums { units: 4_000, tallies: tallies.to_vec() }];
    for (method, _) in Method::ALL {
        let result = read_out_over(&metric, &sums, &strata, reading(method));
        let arm = &result.arms[1];
        if matches!(method, Method::Sequential | Method::Fixed) {
            assert_eq!(arm.comparison.as_ref().unwrap().method, method);
        } else {
            assert!(arm.comparison.is_none());
            let why = arm.why_not.as_deref().unwrap();
            assert!(why.ends_with("ask for `sequential` or `fixed`"), "{why}");
        }
    }
}
