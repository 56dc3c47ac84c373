use model::Purpose;
use serde_json::json;
use stats::{draws::Draws, effect::Level, policy::truth::Accuracy};

use super::*;
use crate::{
    Amount, ArmSums, Measured, Method, MetricDocument, Reading, Values, read_out, read_out_over,
};

fn metric(direction: &str) -> Metric {
    let document =
        json!({"key": "bought", "kind": "conversion", "event": "Order", "direction": direction});
    let document: MetricDocument = serde_json::from_value(document).unwrap();
    Metric::compile(&document, &|_| Some(Purpose::ANALYTICS)).unwrap()
}

fn arms(count: usize) -> Vec<Arm> {
    (0..count).map(|place| Arm::Variant(format!("v{place}").parse().unwrap())).collect()
}

/// What units did who were drawn one by one.
#[derive(Default)]
struct World {
    exposed: BTreeMap<(Arm, Stratum), u64>,
    tallies: BTreeMap<(Arm, Stratum), Tally>,
}

impl World {
    fn unit(&mut self, arm: &Arm, stratum: Stratum, did: bool) {
        let place = (arm.clone(), stratum);
        *self.exposed.entry(place.clone()).or_default() += 1;
        let upper = Amount::of(f64::from(u8::from(did))).unwrap();
        let measured = Measured::Counted(Values { upper, ..Values::default() });
        self.tallies.entry(place).or_default().add(&measured);
    }

    fn seen<'a>(&'a self, metric: &'a Metric, arms: &'a [Arm], cells: u16) -> Seen<'a> {
        Seen { metric, arms, cells, exposed: &self.exposed, tallies: &self.tallies }
    }

    fn of(&self, arm: &Arm) -> Tally {
        let mut whole = Tally::default();
        let tallies = self.tallies.iter().filter(|((of, _), _)| of == arm);
        tallies.for_each(|(_, tally)| whole.merge(tally));
        whole
    }
}

fn drawn(shares: &[u32], draws: &mut Draws) -> usize {
    let mut rest = u32::try_from(draws.below(10_000)).unwrap();
    for (place, share) in shares.iter().enumerate() {
        if rest < *share {
            return place;
        }
        rest -= share;
    }
    shares.len() - 1
}

/// A run of so many hours with 400 units each, in which the rates of all arms fall alike; and what was lost against
/// the best arm for everybody.
fn run(rates: &[f64], hours: u32, rule: Option<Rule>, draws: &mut Draws) -> (World, Vec<u32>, f64) {
    let (metric, arms) = (metric("higher"), arms(rates.len()));
    let (mut world, mut epoch, mut lost) = (World::default(), 0, 0.0);
    let even = 10_000 / u32::try_from(rates.len()).unwrap();
    let mut shares = vec![vec![even; rates.len()]];
    let best = rates.iter().copied().fold(0.0, f64::max);
    for hour in 0..hours {
        let base = 0.25 - 0.20 * f64::from(hour) / f64::from(hours);
        for _ in 0..400 {
            let arm = drawn(&shares[0], draws);
            let did = draws.yes(base + rates[arm]);
            lost += best - rates[arm];
            world.unit(&arms[arm], Stratum { policy: epoch, cell: 0 }, did);
        }
        let Some(rule) = rule else { continue };
        if let Ok(next) = world.seen(&metric, &arms, 1).shares(epoch, rule, 0.02)
            && is_worth_it(&shares, &next)
        {
            (shares, epoch) = (next, epoch + 1);
        }
    }
    (world, shares.remove(0), lost)
}

#[test]
fn the_best_arm_gets_most_and_less_is_lost_than_by_fixed_shares() {
    let rates = [0.0, 0.02, 0.06];
    for rule in [Rule::Thompson, Rule::TopTwo(0.5), Rule::EpsilonGreedy(0.1)] {
        let (mut lost, mut fixed, mut best) = (0.0, 0.0, 0);
        for seed in 0..10 {
            let (_, shares, regret) = run(&rates, 60, Some(rule), &mut Draws::part(11, seed));
            best += shares[2];
            lost += regret;
            fixed += run(&rates, 60, None, &mut Draws::part(11, seed)).2;
        }
        let least = if rule == Rule::TopTwo(0.5) { 45_000 } else { 80_000 };
        assert!(least < best, "{rule:?}: {best} of 100000");
        assert!(lost < 0.75 * fixed, "{rule:?}: {lost} against {fixed}");
    }
}

#[test]
fn the_effect_by_epochs_is_unbiased_where_the_naive_one_is_not() {
    let (metric, arms) = (metric("higher"), arms(2));
    let (mut naive, mut by_epochs) = (Vec::new(), Vec::new());
    for seed in 0..200 {
        let (world, _, _) = run(&[0.0, 0.03], 30, Some(Rule::Thompson), &mut Draws::part(12, seed));
        let tallies: Vec<Tally> = arms.iter().map(|arm| world.of(arm)).collect();
        let sums =
            |place: usize| ArmSums { arm: &arms[place], tally: &tallies[place], sorted: None };
        let (sums, reading) =
            ([sums(0), sums(1)], Reading::new(Method::Fixed, Level::FIVE_PERCENT));
        let strata = by_stratum(&arms, &world.exposed, &world.tallies);
        for (found, result) in [
            (&mut naive, read_out(&metric, &sums, reading)),
            (&mut by_epochs, read_out_over(&metric, &sums, &strata, reading)),
        ] {
            let compared = result.arms[1].comparison.as_ref().unwrap().absolute;
            found.push((compared.lift, compared.std_error));
        }
    }
    let (naive, by_epochs) = (Accuracy::of(&naive, 0.03), Accuracy::of(&by_epochs, 0.03));
    assert!(by_epochs.bias.abs() < 4.0 * by_epochs.bias_error, "{by_epochs:?}");
    assert!(0.9 < by_epochs.coverage, "{by_epochs:?}");
    assert!(10.0 * naive.bias_error < naive.bias.abs(), "{naive:?}");
}

#[test]
fn shares_hold_until_there_is_enough() {
    let (metric, arms) = (metric("higher"), arms(2));
    let mut world = World::default();
    let first = Stratum::ONLY;
    let shares =
        |world: &World, epoch| world.seen(&metric, &arms, 1).shares(epoch, Rule::Thompson, 0.01);
    assert_eq!(shares(&world, 0), Err(Hold::Young { arm: arms[0].clone(), units: 0 }));
    (0..200).for_each(|unit| world.unit(&arms[0], first, unit % 2 == 0));
    (0..200).for_each(|unit| world.unit(&arms[1], first, unit % 10 == 0));
    let hold = Hold::Collecting { arm: arms[1].clone(), informative: 20 };
    assert_eq!(shares(&world, 0), Err(hold));
    (0..400).for_each(|unit| world.unit(&arms[1], first, unit % 10 == 0));
    assert_eq!(shares(&world, 0).unwrap(), [[9900, 100]]);
    // Of the next epoch nothing is known yet.
    assert_eq!(shares(&world, 1), Err(Hold::Young { arm: arms[0].clone(), units: 0 }));
}

#[test]
fn less_can_be_better() {
    let (metric, arms) = (metric("lower"), arms(2));
    let mut world = World::default();
    (0..1000).for_each(|unit| world.unit(&arms[0], Stratum::ONLY, unit % 2 == 0));
    (0..1000).for_each(|unit| world.unit(&arms[1], Stratum::ONLY, unit % 10 == 0));
    for rule in [Rule::Thompson, Rule::EpsilonGreedy(0.0)] {
        let found = world.seen(&metric, &arms, 1).shares(0, rule, 0.01).unwrap();
        assert_eq!(found, [[100, 9900]], "{rule:?}");
    }
}

#[test]
fn cells_have_shares_of_their_own() {
    let (metric, arms) = (metric("higher"), arms(2));
    let mut world = World::default();
    for (arm, good) in [(0, 0), (1, 1)] {
        for cell in 0..2 {
            let often = if cell == good { 4 } else { 10 };
            let stratum = Stratum { policy: 0, cell };
            (0..1000).for_each(|unit| world.unit(&arms[arm], stratum, unit % often == 0));
        }
    }
    for explores in [beliefs::Linear::Sampling(1.0), beliefs::Linear::Bound(1.0)] {
        let found = world.seen(&metric, &arms, 2).shares(0, Rule::Linear(explores), 0.01).unwrap();
        assert!(9_800 < found[0][0] && 9_800 < found[1][1], "{found:?}");
    }
}

#[test]
fn small_changes_are_no_new_epoch() {
    assert!(!is_worth_it(&[vec![5000, 5000]], &[vec![5049, 4951]]));
    assert!(is_worth_it(&[vec![5000, 5000]], &[vec![5050, 4950]]));
    assert!(is_worth_it(&[vec![5000, 5000]], &[vec![5000, 4000, 1000]]));
    assert!(is_worth_it(&[vec![5000, 5000]], &[vec![5000, 5000], vec![5000, 5000]]));
}
