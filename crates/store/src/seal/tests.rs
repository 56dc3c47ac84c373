use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use proptest::prelude::*;

use super::*;

const ROW: &[u8] = b"\0\x01row key";

fn key(byte: u8) -> StrandKey {
    StrandKey([byte; 32])
}

/// A sealed value whose inside is `body`, flag included, whatever it says; by another
/// implementation of the cipher than the one that opens it.
fn seal_raw(body: &[u8]) -> Vec<u8> {
    let mut sealed = vec![7; NONCE_BYTES];
    let nonce = chacha20poly1305::Nonce::try_from(&sealed[..]).unwrap();
    let cipher = ChaCha20Poly1305::new(&key(1).0.into());
    let mut body = body.to_vec();
    let tag = with_bound(ROW, &[], |bound| {
        cipher.encrypt_inout_detached(&nonce, bound, body.as_mut_slice().into()).unwrap()
    });
    sealed.extend(body);
    sealed.extend(tag);
    sealed
}

fn plaintexts() -> impl Strategy<Value = Vec<u8>> {
    let random = prop::collection::vec(any::<u8>(), 0..2_000);
    let repeating = (prop::collection::vec(any::<u8>(), 1..20), 0..200_usize);
    prop_oneof![random, repeating.prop_map(|(part, times)| part.repeat(times))]
}

proptest! {
    #[test]
    fn what_was_sealed_opens(
        plaintext in plaintexts(), header in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let sealer = Sealer::new().unwrap();
        let mut sealed = b"before".to_vec();
        sealer.seal_into(&key(1), ROW, &header, &plaintext, &mut sealed).unwrap();
        prop_assert!(sealed.starts_with(b"before"));
        let sealed = &sealed[6..];
        prop_assert!(sealed.len() <= header.len() + plaintext.len() + OVERHEAD_BYTES);
        prop_assert_eq!(super::header(header.len(), sealed).unwrap(), &header);
        prop_assert_eq!(open(&key(1), ROW, header.len(), sealed).unwrap(), plaintext);
    }

    #[test]
    fn nothing_about_it_can_be_changed(
        plaintext in plaintexts(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let sealed = Sealer::new().unwrap().seal(&key(1), ROW, b"head", &plaintext).unwrap();
        let mut flipped = sealed.clone();
        flipped[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(matches!(open(&key(1), ROW, 4, &flipped), Err(SealError::Forged)));
        let cut = &sealed[..at.index(sealed.len())];
        prop_assert!(open(&key(1), ROW, 4, cut).is_err());
    }

    #[test]
    fn no_bytes_make_opening_panic_or_blow_up(
        body in prop::collection::vec(any::<u8>(), 1..100), flag in 0..4_u8, length in any::<u32>(),
    ) {
        prop_assert!(open(&key(1), ROW, 3, &body).is_err());
        let inside = [&[flag][..], &length.to_le_bytes(), &body].concat();
        if let Ok(plaintext) = open(&key(1), ROW, 0, &seal_raw(&inside)) {
            prop_assert!(plaintext.len() <= MAX_PLAINTEXT_BYTES);
        }
    }
}

#[test]
fn it_opens_only_with_its_key_in_its_row_behind_its_header() {
    let sealed = Sealer::new().unwrap().seal(&key(1), ROW, b"head", b"secret").unwrap();
    assert_eq!(open(&key(1), ROW, 4, &sealed).unwrap(), b"secret");
    for (key, row, header_len) in [
        (key(2), ROW, 4),
        (key(1), b"\0\x01other row".as_slice(), 4),
        (key(1), ROW, 3),
        (key(1), ROW, 5),
    ] {
        assert!(matches!(open(&key, row, header_len, &sealed), Err(SealError::Forged)));
    }
    // The boundary between row key and header is bound as well: the same bytes, divided elsewhere.
    let moved = [&b"y"[..], &sealed[4..]].concat();
    let sealed = [&b"xy"[..], &sealed[4..]].concat();
    assert!(open(&key(1), b"r", 2, &sealed).is_err());
    assert!(open(&key(1), b"rx", 1, &moved).is_err());
}

#[test]
fn it_shows_nothing_of_the_plaintext() {
    let sealed = Sealer::new().unwrap().seal(&key(1), ROW, b"", &[b'a'; 90]).unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"aaaa"));
}

#[test]
fn long_text_is_compressed_and_short_or_random_bytes_are_not() {
    let sealer = Sealer::new().unwrap();
    let sealed_len = |plaintext: &[u8]| sealer.seal(&key(1), ROW, b"", plaintext).unwrap().len();
    assert!(sealed_len(&b"the same words again ".repeat(50)) < 150);
    assert_eq!(sealed_len(&[0; COMPRESS_ABOVE_BYTES]), COMPRESS_ABOVE_BYTES + OVERHEAD_BYTES);
    let mut random = [0; 1_000];
    fill_random(&mut random).unwrap();
    assert_eq!(sealed_len(&random), 1_000 + OVERHEAD_BYTES);
}

#[test]
fn a_plaintext_over_the_limit_is_refused_and_leaves_the_output_alone() {
    let sealer = Sealer::new().unwrap();
    let longest = vec![5; MAX_PLAINTEXT_BYTES];
    let sealed = sealer.seal(&key(1), ROW, b"", &longest).unwrap();
    assert_eq!(open(&key(1), ROW, 0, &sealed).unwrap(), longest);
    let mut out = b"before".to_vec();
    let refused = sealer.seal_into(&key(1), ROW, b"h", &[5; MAX_PLAINTEXT_BYTES + 1], &mut out);
    assert!(matches!(refused, Err(SealError::TooLong { .. })));
    assert_eq!(out, b"before");
}

#[test]
fn a_length_over_the_limit_is_refused_before_memory_is_taken() {
    let bomb = [&[FLAG_LZ4][..], &u32::MAX.to_le_bytes(), &[0; 50]].concat();
    assert!(matches!(open(&key(1), ROW, 0, &seal_raw(&bomb)), Err(SealError::Encoding)));
    let unknown = [9, 1, 2, 3];
    assert!(matches!(open(&key(1), ROW, 0, &seal_raw(&unknown)), Err(SealError::Encoding)));
}

#[test]
fn no_nonce_comes_twice() {
    let sealers = [Sealer::new().unwrap(), Sealer::new().unwrap()];
    let nonces: std::collections::HashSet<_> =
        sealers.iter().flat_map(|sealer| (0..1_000).map(|_| sealer.next_nonce())).collect();
    assert_eq!(nonces.len(), 2_000);
    // A counter that begins near its end goes on from zero.
    let last = Sealer { prefix: [1; 4], counter: AtomicU64::new(u64::MAX) };
    assert_ne!(last.next_nonce(), last.next_nonce());
}
