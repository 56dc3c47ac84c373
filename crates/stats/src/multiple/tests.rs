use proptest::prelude::*;

use super::*;

fn p_values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.0..=1.0f64, 0..30)
}

const ALL: [Correction; 4] = [
    Correction::Bonferroni,
    Correction::Holm,
    Correction::BenjaminiHochberg,
    Correction::BenjaminiYekutieli,
];

proptest! {
    #[test]
    fn adjusted_is_never_smaller_and_keeps_the_order(p_values in p_values()) {
        for correction in ALL {
            let adjusted = adjust(correction, &p_values).unwrap();
            for (one, of_one) in std::iter::zip(&p_values, &adjusted) {
                prop_assert!(one <= of_one && *of_one <= 1.0);
                for (other, of_other) in std::iter::zip(&p_values, &adjusted) {
                    prop_assert!(one > other || of_one <= of_other);
                }
            }
        }
    }

    /// The definition of Benjamini and Hochberg: the largest k with p₍ₖ₎ ≤ αk/m.
    #[test]
    fn benjamini_and_hochberg_as_defined(p_values in p_values(), alpha in 0.01..0.5f64) {
        let adjusted = adjust(Correction::BenjaminiHochberg, &p_values).unwrap();
        let mut sorted = p_values.clone();
        sorted.sort_by(f64::total_cmp);
        let count = p_values.len() as f64;
        let most = (1..=sorted.len()).rev().find(|k| sorted[k - 1] <= alpha * *k as f64 / count);
        let alarms = adjusted.iter().filter(|p_value| **p_value <= alpha).count();
        prop_assert_eq!(alarms, most.unwrap_or(0));
    }

    /// Where evidence is 1/p, e-BH is Benjamini and Hochberg.
    #[test]
    fn evidence_of_inverse_p_values(p_values in p_values()) {
        let evidence: Vec<f64> = p_values.iter().map(|p_value| -p_value.max(1e-9).ln()).collect();
        let alarms = alarms_by_evidence(&evidence, Level::FIVE_PERCENT).unwrap();
        let adjusted = adjust(Correction::BenjaminiHochberg, &p_values).unwrap();
        for (is_alarm, p_value) in std::iter::zip(alarms, adjusted) {
            prop_assert_eq!(is_alarm, p_value <= 0.05);
        }
    }
}

#[test]
fn refuses_what_is_no_p_value() {
    assert!(adjust(Correction::Holm, &[0.5, f64::NAN]).is_err());
    assert!(adjust(Correction::Holm, &[1.5]).is_err());
    assert_eq!(adjust(Correction::Holm, &[]), Ok(vec![]));
    assert!(alarms_by_evidence(&[f64::NAN], Level::FIVE_PERCENT).is_err());
    assert_eq!(alarms_by_evidence(&[], Level::FIVE_PERCENT), Ok(vec![]));
}
