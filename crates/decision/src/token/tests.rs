//! Tokens survive their text form, and only with their key.

use expect_test::expect;
use model::{DecisionId, Drawn, PurposeSet, Timestamp, UnitId};
use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = [7; 32];

fn claims() -> TokenClaims {
    TokenClaims {
        decision: DecisionId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        at: Timestamp(1_790_000_000_000),
        unit: UnitId(0xe6fa_c472_eaf3_dff4),
        placement: Reference { key: "home_hero".parse().unwrap(), version: 2 },
        experience: Reference { key: "welcome_back".parse().unwrap(), version: 3 },
        variant: "b".parse().unwrap(),
        holdout: None,
        reason: Reason::Split,
        propensity: 0.5,
        consent: ConsentBasis { asked: PurposeSet(2), granted: PurposeSet(2) },
        definitions_version: 42,
        drawn: None,
        recording: Recording::Offered,
    }
}

#[test]
fn the_layout_stays() {
    // Tokens live in browsers: one written today must be read by later versions.
    let written = claims().encode(&KEY);
    let (start, end) = written.split_at(61);
    let in_lines = format!("{start}\n{end}");
    expect![[r#"
        BO-br834rNGRgd633prx2aKjAoCwg8WYaPS_z9eujrH95gEJaG9tZV9oZXJvA
        gx3ZWxjb21lX2JhY2sDAWIAAQAAAAAAAOA_AgIqAAIytNvg8VSRkJ8GmJGxxgNz"#]]
    .assert_eq(&in_lines);
    assert_eq!(TokenClaims::verify(&written, &KEY), Ok(claims()));
    // The layouts before it.
    let known = TokenClaims { recording: Recording::Unknown, ..claims() };
    let before = "A--br834rNGRgd633prx2aKjAoCwg8WYaPS_z9eujrH95gEJaG9tZV9oZXJvA\
                  gx3ZWxjb21lX2JhY2sDAWIAAQAAAAAAAOA_AgIqADDE8uVZQjKADdeZvw0Ixww";
    assert_eq!(TokenClaims::verify(before, &KEY).as_ref(), Ok(&known));
    let before = "Au-br834rNGRgd633prx2aKjAoCwg8WYaPS_z9eujrH95gEJaG9tZV9oZXJvA\
                  gx3ZWxjb21lX2JhY2sDAWIAAQAAAAAAAOA_AgIq3qLlPVwa0KX4ym28MEjDVA";
    assert_eq!(TokenClaims::verify(before, &KEY), Ok(known));
}

#[test]
fn a_token_is_refused_for_what_is_wrong_with_it() {
    let verify = |token: &str| TokenClaims::verify(token, &KEY).unwrap_err();
    assert_eq!(verify(""), TokenError::Malformed);
    assert_eq!(verify("not base64!"), TokenError::Malformed);
    assert_eq!(verify(&"A".repeat(MAX_TOKEN_BYTES + 1)), TokenError::Malformed);
    assert_eq!(verify("CQ"), TokenError::Layout(9));
    let other_key = claims().encode(&[8; 32]);
    assert_eq!(verify(&other_key), TokenError::Signature);
}

#[test]
fn the_longest_token_is_read() {
    let longest: Key = "x".repeat(Key::MAX_BYTES).parse().unwrap();
    let claims = TokenClaims {
        decision: DecisionId(u128::MAX),
        at: Timestamp(i64::MIN),
        unit: UnitId(u64::MAX),
        placement: Reference { key: longest.clone(), version: u64::MAX },
        experience: Reference { key: longest.clone(), version: u64::MAX },
        variant: longest.clone(),
        holdout: Some(Holdout::Shared(longest)),
        reason: Reason::Error,
        propensity: 0.1,
        consent: ConsentBasis { asked: PurposeSet::ALL, granted: PurposeSet::ALL },
        definitions_version: u64::MAX,
        drawn: Some(Drawn { policy: u64::MAX, cell: u16::MAX, buckets: u16::MAX }),
        recording: Recording::Lost,
    };
    let token = claims.encode(&KEY);
    assert!(token.len() <= MAX_TOKEN_BYTES, "{}", token.len());
    assert_eq!(TokenClaims::verify(&token, &KEY), Ok(claims));
}

proptest! {
    #[test]
    fn a_changed_token_is_refused(at in 0..100_usize, bit in 0..8_u8) {
        let mut bytes = URL_SAFE_NO_PAD.decode(claims().encode(&KEY)).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(TokenClaims::verify(&URL_SAFE_NO_PAD.encode(bytes), &KEY).is_err());
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,100}") {
        prop_assert!(TokenClaims::verify(&text, &KEY).is_err());
    }
}
