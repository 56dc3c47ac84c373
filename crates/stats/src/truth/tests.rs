use super::{adaptive::OUTSIDE, checks::FALSE_ALARMS, *};

/// Small, so that it takes seconds; `concierge simulate --check-statistics` plays thousands.
const BUDGET: u32 = 60;

#[test]
fn every_claim_holds() {
    for check in checks() {
        let found = check.run(20_261_126, BUDGET);
        assert!(check.holds(&found), "{check:?}: {found:?}, claimed {:?}", check.claim);
    }
}

/// The table can fail: of errors that are shown for comparison none would hold if it were claimed.
#[test]
fn what_is_wrong_is_seen() {
    let is_error = |check: &Check| [FALSE_ALARMS, OUTSIDE].contains(&check.measure);
    let shown = checks().into_iter().filter(|check| check.claim == Claim::Shown && is_error(check));
    let mut seen = 0;
    for check in shown {
        let claimed = Check { claim: Claim::AtMost(0.05), ..check };
        assert!(!claimed.holds(&claimed.run(7, 4 * BUDGET)), "{claimed:?}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn the_same_seed_plays_the_same() {
    let check = &checks()[0];
    assert_eq!(check.run(3, 50), check.run(3, 50));
}
