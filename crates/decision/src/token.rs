//! The token that an answer carries and an exposure returns, so that a lost decision record can be
//! restored (and not be made up).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{DecisionId, Drawn, Key, Timestamp, UnitId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Reference,
    outcome::{ConsentBasis, Holdout, Reason},
};

/// The first byte of every token: the layout that follows it.
const LAYOUT: u8 = 4;
/// The layouts before it, each with the bytes that stand for the fields that it lacks: one did not say what became of
/// the record, the one before that not how variants are drawn either.
const LAYOUTS_BEFORE: [(u8, &[u8]); 2] = [(3, &[0]), (2, &[0, 0])];
/// How much of the keyed hash a token carries: 128 bits, far beyond guessing.
const MAC_BYTES: usize = 16;
/// Room for most tokens before they become text.
const TOKEN_BYTES: usize = 192;
/// Longest token that is looked at, in characters; the longest that is written is shorter.
pub const MAX_TOKEN_BYTES: usize = 640;

/// What a token says: of an outcome that an experience won, all that its record holds but for the candidates that lost
/// and what was known of the person. The order of fields is part of the layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenClaims {
    /// The decision.
    pub decision: DecisionId,
    /// When it was made.
    pub at: Timestamp,
    /// What was hashed.
    pub unit: UnitId,
    /// The placement.
    pub placement: Reference,
    /// The experience that won.
    pub experience: Reference,
    /// Its variant; of a held-out unit, that it would have got.
    pub variant: Key,
    /// The holdout that kept the unit from it.
    pub holdout: Option<Holdout>,
    /// Why.
    pub reason: Reason,
    /// The probability of this outcome given the winner.
    pub propensity: f64,
    /// The consent that was relied on.
    pub consent: ConsentBasis,
    /// The version of all definitions together.
    pub definitions_version: u64,
    /// How the variant was drawn, where shares follow what units did.
    pub drawn: Option<Drawn>,
    /// What had become of its record when the token was signed.
    pub recording: Recording,
}

/// What becomes of the record of a decision. The order is part of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recording {
    /// An earlier version of the program did not say.
    Unknown,
    /// It is kept, so no use is to be recorded.
    Kept,
    /// It is kept only if the answer is used.
    Offered,
    /// It was to be kept and there was no room, so an exposure restores it.
    Lost,
}

/// Why a text is not a token of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is too long, or not base64url.
    #[error("not a decision token")]
    Malformed,
    /// It was written by a version of the program that this one does not know.
    #[error("a decision token of layout {0}, which is not known")]
    Layout(u8),
    /// It was not signed with this key, or was changed.
    #[error("a decision token with a wrong signature")]
    Signature,
}

impl TokenClaims {
    /// Writes the claims, signed with `key`.
    pub fn encode(&self, key: &[u8; 32]) -> String {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.push(LAYOUT);
        // Writing to a vector does not fail; were it to, the token would only not verify.
        sign(postcard::to_extend(self, bytes).unwrap_or_default(), key)
    }

    /// Reads a token that was signed with `key`.
    pub fn verify(token: &str, key: &[u8; 32]) -> Result<Self, TokenError> {
        if MAX_TOKEN_BYTES < token.len() {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Malformed)?;
        let layout = *bytes.first().ok_or(TokenError::Malformed)?;
        let before = LAYOUTS_BEFORE.iter().find(|(known, _)| *known == layout);
        let lacks = match before {
            Some((_, lacks)) => lacks,
            None if layout == LAYOUT => &[][..],
            None => return Err(TokenError::Layout(layout)),
        };
        let signed = signed(&bytes, key)?;
        let claims = signed.get(1..).ok_or(TokenError::Malformed)?;
        postcard::from_bytes(&[claims, lacks].concat()).map_err(|_| TokenError::Malformed)
    }
}

/// Signs bytes with `key`: they and the signature as base64url.
pub fn sign(mut bytes: Vec<u8>, key: &[u8; 32]) -> String {
    let mac = mac(key, &bytes);
    bytes.extend(mac);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What was signed with `key` of the bytes that [`sign`] wrote.
///
/// # Errors
/// [`TokenError::Malformed`] where there is no room for a signature, [`TokenError::Signature`] where it is wrong.
pub fn signed<'a>(bytes: &'a [u8], key: &[u8; 32]) -> Result<&'a [u8], TokenError> {
    let (signed, given) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(TokenError::Malformed)?;
    // Every byte is compared, so that the time taken tells nothing about how many are right.
    let wrong = mac(key, signed).iter().zip(given).fold(0, |wrong, (a, b)| wrong | (a ^ b));
    if wrong == 0 { Ok(signed) } else { Err(TokenError::Signature) }
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; MAC_BYTES] {
    let hash = blake3::keyed_hash(key, bytes);
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
