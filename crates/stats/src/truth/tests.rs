use super::*;

/// Small, so that it takes seconds; `concierge simulate --check-statistics` plays thousands.
const BUDGET: u32 = 60;

#[test]
fn every_claim_holds() {
    for check in checks() {
        let found = check.run(20_261_126, BUDGET);
        assert!(check.holds(&found), "{check:?}: {found:?}, claimed {:?}", check.claim);
    }
}

/// The table can fail: what is shown for comparison would not hold if it were claimed.
#[test]
fn what_is_wrong_is_seen() {
    let shown = checks().into_iter().filter(|check| check.claim == Claim::Shown);
    let mut seen = 0;
    for check in shown {
        let claimed = Check { claim: Claim::AtMost(0.05), ..check };
        assert!(!claimed.holds(&claimed.run(7, 4 * BUDGET)), "{claimed:?}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn the_same_seed_plays_the_same() {
    let check = &checks()[0];
    assert_eq!(check.run(3, 50), check.run(3, 50));
}
