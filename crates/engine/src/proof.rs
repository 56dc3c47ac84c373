//! Proof of who somebody is: the identity tokens of public sources.
//!
//! A token is a JSON Web Token (RFC 7519), signed with HMAC and SHA-256 by the organisation's own server with the
//! source's identity secret. The secret is derived from the workspace's key, the source, and how often it was
//! replaced, so that it is stored nowhere: only the number is. The one before stays good, so that servers can be
//! moved from one to the next.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use model::{Event, Identifier, IdentifierType, SourceKey, Timestamp, Value, event::Marks};
use serde::Deserialize;
use store::Vault;

use crate::state::Shared;

/// Longest token that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 4 * 1024;
/// How far the clocks of the organisation's servers may be off, in seconds.
const LEEWAY_SECONDS: f64 = 60.0;
/// Where an event says why its token proved nothing.
const REFUSED: &str = "identity_token_refused";

/// What a token says. The names are those of RFC 7519 and of OpenID Connect.
#[derive(Debug, Deserialize)]
struct Claims {
    /// The user id.
    sub: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
    /// External ids by their name.
    #[serde(default)]
    external: BTreeMap<String, String>,
    /// Until when it is good, in seconds since 1970.
    exp: Option<f64>,
    /// From when on it is good, in the same.
    nbf: Option<f64>,
    /// The sources that it is for.
    aud: Option<Audience>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, source: &SourceKey) -> bool {
        match self {
            Self::One(named) => named == source.as_str(),
            Self::Many(named) => named.iter().any(|named| named == source.as_str()),
        }
    }
}

/// Why a token proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unproven {
    NoSecret,
    Malformed,
    Signature,
    Audience,
    NoExpiry,
    Expired,
    NotYet,
    OtherIdentifiers,
}

impl Unproven {
    fn word(self) -> &'static str {
        match self {
            Self::NoSecret => "no_secret",
            Self::Malformed => "malformed",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::NoExpiry => "no_expiry",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::OtherIdentifiers => "other_identifiers",
        }
    }
}

/// Takes the identity token out of an event, since whoever has it could speak for the person, and marks the event
/// if it proves all that is claimed; else the event says in its context why not. Only what was marked here is proven.
pub(crate) fn judge(shared: &Shared, event: &mut Event) {
    let sent = ["identity_token", "identityToken"].map(|name| event.context.remove(name));
    let Some(token) = sent.into_iter().flatten().find(|sent| !sent.is_null()) else { return };
    match proves(shared, event, &token) {
        Ok(()) => event.marks = event.marks.with(Marks::PROVEN),
        Err(reason) => {
            shared.metrics.tokens_refused.inc();
            event.context.insert(REFUSED, reason.word().into());
        }
    }
}

/// Whether a token proves all that an event claims. Devices and visitors are no claims.
fn proves(shared: &Shared, event: &Event, token: &Value) -> Result<(), Unproven> {
    let token = token.as_str().ok_or(Unproven::Malformed)?;
    let (vault, source) = (&shared.keys.vault, &event.source);
    let generation = shared.credentials.identity_generation(vault, source);
    let good = [generation, generation.saturating_sub(1)].into_iter().filter(|n| *n > 0);
    let secrets: Vec<String> = good.map(|n| secret(vault, source, n)).collect();
    let claims = signed(token, &secrets)?;
    judge_claims(&claims, source, event.received_at)?;
    let proven = identifiers(claims);
    let mut claimed = event.identifiers.iter().filter(|identifier| identifier.kind.is_claim());
    let is_covered = claimed.all(|claim| proven.contains(&claim.normalised()));
    if is_covered { Ok(()) } else { Err(Unproven::OtherIdentifiers) }
}

/// The identity secret of a source as its server uses it: the text is the key of the signature.
pub(crate) fn secret(vault: &Vault, source: &SourceKey, generation: u32) -> String {
    let half = |number: u8| {
        let named = [source.as_str().as_bytes(), &[0], &generation.to_be_bytes(), &[number]];
        vault.hash("identity secret", &named.concat())
    };
    BASE64_URL_SAFE_NO_PAD.encode([half(0), half(1)].concat())
}

/// What a token says that one of these secrets signed.
fn signed(token: &str, secrets: &[String]) -> Result<Claims, Unproven> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Unproven::Malformed);
    }
    // Times are judged by the engine's clock, and whom it is for by the source.
    let mut validation = Validation::new(Algorithm::HS256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.required_spec_claims.clear();
    let mut why = Unproven::NoSecret;
    for secret in secrets {
        let key = DecodingKey::from_secret(secret.as_bytes());
        match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
            Ok(token) => return Ok(token.claims),
            Err(error) => {
                why = match error.kind() {
                    ErrorKind::InvalidSignature => Unproven::Signature,
                    _ => return Err(Unproven::Malformed),
                }
            }
        }
    }
    Err(why)
}

/// Whether claims are for a source and for now.
fn judge_claims(claims: &Claims, source: &SourceKey, now: Timestamp) -> Result<(), Unproven> {
    let now = now.0 as f64 / 1_000.0;
    if claims.aud.as_ref().is_some_and(|audience| !audience.names(source)) {
        return Err(Unproven::Audience);
    }
    let until = claims.exp.ok_or(Unproven::NoExpiry)?;
    if until + LEEWAY_SECONDS <= now {
        return Err(Unproven::Expired);
    }
    if claims.nbf.is_some_and(|from| from - LEEWAY_SECONDS > now) {
        return Err(Unproven::NotYet);
    }
    Ok(())
}

/// The identifiers that claims name, normalised.
fn identifiers(claims: Claims) -> Vec<Identifier> {
    let Claims { sub, email, phone_number, external, .. } = claims;
    let named = [
        (IdentifierType::UserId, sub),
        (IdentifierType::Email, email),
        (IdentifierType::Phone, phone_number),
    ];
    let named = named.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    let external =
        external.into_iter().map(|(name, value)| (IdentifierType::External(name.into()), value));
    let read = |(kind, value): (IdentifierType, String)| Identifier::new(kind, value).normalised();
    named.chain(external).map(read).collect()
}
