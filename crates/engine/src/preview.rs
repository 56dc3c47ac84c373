//! Previews: decisions as somebody else, or as somebody invented, of drafts and of forced variants.
//!
//! A preview is a document, signed so that it can travel in a link to whoever looks at a page: nothing is stored,
//! and nothing that is decided under it is recorded, assigned or counted.
//!
//! One with `debug` also says why: whoever holds its link may ask for explanations, and for links of their own with
//! other variants, which end when it does. Sensitive values are not shown under any link, since links are passed on.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{
    Consents, Country, Duration, Key, LazyObject, ProfileId, PurposeSet, StrandId, Timestamp,
    UnitId,
    condition::{EventName, EventRow},
    consent::PurposeKey,
    definition::{Fault, State},
    event::Order,
    value::Object,
};
use profile::{Component, Observation, Observed, Profile, RefusedTrait};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{definitions::Kind, registry::Registry, snapshot::Snapshot};

/// Longest time for which a preview can be looked at.
pub const LASTS_MAX: Duration = Duration::days(7);
/// Most bytes of a preview's document as JSON, so that its token fits what servers take as an address.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024;
/// Longest token that is looked at: the largest document and its signature in base64.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Most experiences whose variant is forced, and most drafts.
const NAMED_MAX: usize = 50;

/// The source that an invented person's traits name.
const SOURCE: &str = "preview";
/// What the token of a preview begins with that shows a page as it is for whoever looks, so that a client goes on to
/// tell what they do there. It is not of the alphabet of base64.
const LIVE: char = '.';

/// What is shown, and as whom. Empty, it decides for the caller, without leaving anything behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preview {
    /// The profile as whom is decided, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// An invented person as whom is decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persona: Option<Persona>,
    /// The variant to be shown of each of these experiences, whatever gates and draws say.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<Key, Key>,
    /// Experiences that take part as if they were live; so do the placements they belong to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drafts: Vec<Key>,
    /// The instant that the clock shows; now, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Whoever has the link may ask why something is shown, and for other variants.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub debug: bool,
}

/// Somebody invented, of whom just this is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Persona {
    /// Their traits.
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub traits: Object,
    /// What they did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<PersonaEvent>,
    /// Audiences that they are in or not, whatever the above says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audiences: BTreeMap<Key, bool>,
    /// What they said about purposes: true for a grant. The workspace's defaults hold for others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub consents: BTreeMap<Key, bool>,
    /// Where they are, where purposes make a difference between countries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// One thing an invented person did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonaEvent {
    /// The event's name.
    pub event: String,
    /// How long before the preview's instant it happened.
    #[serde(default)]
    pub ago: Duration,
    /// Its properties.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub properties: Object,
    /// Its context.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub context: Object,
}

/// Why a text is no preview that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PreviewError {
    /// It is too long, was not signed here, or was changed.
    #[error("this is no preview of this workspace; make a new link")]
    Unknown,
    /// Its time is over.
    #[error("the preview has expired; make a new link")]
    Expired,
    /// The profile as whom it decides is there no longer.
    #[error("the profile of this preview is gone; make a new link")]
    ProfileGone,
    /// It shows something, and does not say why or what else there would be.
    #[error("this preview is shown without reasons and other variants; make a link with `debug`")]
    WithoutDebug,
}

/// What a token carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// What is shown, and as whom.
    pub preview: Preview,
    /// Until when.
    pub expires_at: Timestamp,
}

/// An experience of which a preview may show any variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Its key.
    pub key: Key,
    /// Its name for people.
    pub name: Option<String>,
    /// Whether it is live or paused, or a draft that the preview names.
    pub state: State,
    /// Its variants, in the order of its document.
    pub variants: Vec<Key>,
}

impl Preview {
    /// Signs it with `key` until `expires_at`.
    ///
    /// # Errors
    /// A fault where it is too large for a link.
    pub(crate) fn sign(self, expires_at: Timestamp, key: &[u8; 32]) -> Result<String, Fault> {
        // Writing to a vector does not fail.
        let is_live = self.is_live();
        let bytes = serde_json::to_vec(&Claims { preview: self, expires_at }).unwrap_or_default();
        if bytes.len() > DOCUMENT_BYTES_MAX {
            let detail = format!("a preview has at most {DOCUMENT_BYTES_MAX} bytes as JSON");
            return Err(Fault::new("", detail));
        }
        let token = decision::token::sign(bytes, key);
        Ok(if is_live { format!("{LIVE}{token}") } else { token })
    }

    /// Whether it shows whoever looks their own page as it is now, and says why.
    pub(crate) fn is_live(&self) -> bool {
        *self == Self { debug: true, ..Self::default() }
    }

    /// Reads what was signed with `key`, at `now`.
    pub(crate) fn verify(
        token: &str,
        now: Timestamp,
        key: &[u8; 32],
    ) -> Result<Claims, PreviewError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(PreviewError::Unknown);
        }
        let token = token.strip_prefix(LIVE).unwrap_or(token);
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PreviewError::Unknown)?;
        let signed = decision::token::signed(&bytes, key).map_err(|_| PreviewError::Unknown)?;
        let claims: Claims = serde_json::from_slice(signed).map_err(|_| PreviewError::Unknown)?;
        if claims.expires_at <= now {
            return Err(PreviewError::Expired);
        }
        Ok(claims)
    }

    /// The experiences that it names, and those of `others` that are live or paused.
    pub(crate) fn choices(&self, others: &[Key], registry: &Registry) -> Vec<Choice> {
        let mut keys: Vec<&Key> =
            self.drafts.iter().chain(self.variants.keys()).chain(others).collect();
        keys.sort();
        keys.dedup();
        let choice = |key: &Key| {
            let (document, _) = registry.experience(key)?;
            let is_named = self.drafts.contains(key) || self.variants.contains_key(key);
            let is_shown = is_named || matches!(document.state, State::Live | State::Paused);
            is_shown.then(|| Choice {
                key: key.clone(),
                name: document.name,
                state: document.state,
                variants: document.variants.into_iter().map(|variant| variant.key).collect(),
            })
        };
        keys.into_iter().filter_map(choice).collect()
    }

    /// The profile as whom it decides.
    pub fn profile_id(&self) -> Option<ProfileId> {
        self.profile.as_ref().and_then(|id| id.parse().ok())
    }

    /// Whether it decides as whoever looks.
    pub(crate) fn is_as_caller(&self) -> bool {
        self.persona.is_none() && self.profile.is_none()
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self, registry: &Registry, snapshot: &Snapshot) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, detail: String| faults.push(Fault::new(pointer, detail));
        if self.profile.is_some() && self.persona.is_some() {
            fault("/persona", "a preview is as a profile or as a persona, not both".into());
        }
        if self.profile.is_some() && self.profile_id().is_none() {
            fault("/profile", "not the id of a profile".into());
        }
        for (pointer, count) in [("/variants", self.variants.len()), ("/drafts", self.drafts.len())]
        {
            if count > NAMED_MAX {
                fault(pointer, format!("at most {NAMED_MAX} fit a preview"));
            }
        }
        for (place, key) in self.drafts.iter().enumerate() {
            if !registry.contains(Kind::Experience, key) {
                fault(&format!("/drafts/{place}"), format!("there is no experience `{key}`"));
            }
        }
        for (key, variant) in &self.variants {
            let detail = match registry.variants(key) {
                None => format!("there is no experience `{key}`"),
                Some(known) if known.contains(variant) => continue,
                Some(known) => {
                    let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
                    format!("`{key}` has no variant `{variant}`; it has {}", known.join(", "))
                }
            };
            fault(&format!("/variants/{key}"), detail);
        }
        if let Some(persona) = &self.persona {
            persona.faults(snapshot, &mut fault);
        }
        faults
    }
}

impl Persona {
    fn faults(&self, snapshot: &Snapshot, fault: &mut impl FnMut(&str, String)) {
        for key in self.audiences.keys() {
            if snapshot.audiences.get(key).is_none() {
                let detail = format!("there is no live audience `{key}`");
                fault(&format!("/persona/audiences/{key}"), detail);
            }
        }
        for key in self.consents.keys() {
            if snapshot.policy.find(&PurposeKey(key.clone())).is_none() {
                let detail = format!("there is no purpose `{key}`");
                fault(&format!("/persona/consents/{key}"), detail);
            }
        }
        if let Some(country) = &self.country
            && self.country().is_none()
        {
            let detail = format!("`{country}` is not a country's code of two letters");
            fault("/persona/country", detail);
        }
        for refused in self.build(snapshot, Timestamp::default()).1 {
            let name = refused.name.replace('~', "~0").replace('/', "~1");
            fault(&format!("/persona/traits/{name}"), refused_words(refused.fault).into());
        }
    }

    pub(crate) fn country(&self) -> Option<Country> {
        Country::from_letters(self.country.as_ref()?.as_bytes().try_into().ok()?)
    }

    fn said(&self, snapshot: &Snapshot) -> Consents {
        let mut said = Consents::default();
        for (key, granted) in &self.consents {
            let Some(purpose) = snapshot.policy.find(&PurposeKey(key.clone())) else { continue };
            let list = if *granted { &mut said.granted } else { &mut said.denied };
            *list = list.with(purpose);
        }
        said
    }

    /// The person at `now`.
    pub(crate) fn profile(&self, snapshot: &Snapshot, now: Timestamp) -> Profile {
        self.build(snapshot, now).0
    }

    /// The person at `now`, and the traits that are not kept of anybody.
    fn build(&self, snapshot: &Snapshot, now: Timestamp) -> (Profile, Vec<RefusedTrait>) {
        let strand = StrandId { born: model::Seq(0), lane: model::Lane::from_hash(0) };
        let unit = self.unit();
        let mut profile = Profile::new(Component::of(strand), unit);
        let (said, country) = (self.said(snapshot), self.country());
        let purposes = snapshot.policy.collect(said, said, country);
        let Ok(source) = SOURCE.parse() else { return (profile, Vec::new()) };
        let observation = |time, tie, traits| Observation {
            strand,
            device: unit,
            source: &source,
            order: Order { time, tie },
            identified: true,
            consents: said,
            country,
            purposes,
            traits,
            row: None,
        };
        let refused = profile.observe(observation(now, 0, &self.traits));
        let nothing = Object::new();
        for (tie, event) in (1..).zip(&self.events) {
            let time = now.saturating_sub(event.ago);
            let row = event.row(snapshot, (time, tie), purposes);
            let row = row.as_ref().map(|(number, row)| Observed {
                layout: snapshot.projection.layout(),
                number: *number,
                row,
            });
            profile.observe(Observation { row, ..observation(time, tie, &nothing) });
        }
        (profile, refused)
    }

    /// What draws hash: the same persona is drawn the same every time.
    fn unit(&self) -> UnitId {
        let document = serde_json::to_vec(self).unwrap_or_default();
        let hash = blake3::hash(&document);
        UnitId(u64::from_be_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default()))
    }
}

impl PersonaEvent {
    /// Its row, where a definition reads events of this name.
    fn row(
        &self,
        snapshot: &Snapshot,
        (time, tie): (Timestamp, u64),
        purposes: PurposeSet,
    ) -> Option<(u32, EventRow)> {
        let name = EventName::new(&self.event);
        let number = snapshot.projection.number(name.hash)?;
        let properties = LazyObject::from(self.properties.clone());
        let context = LazyObject::from(self.context.clone());
        let values = snapshot.projection.row_values(name.hash, &properties, &context);
        Some((number, EventRow { time, tie, purposes, values }))
    }
}

fn refused_words(fault: profile::Fault) -> &'static str {
    match fault {
        profile::Fault::Name => "the name of a trait is empty or too long",
        profile::Fault::Value => "the value is larger than is kept of anybody",
        profile::Fault::Type => "the value is not of the trait's type",
        profile::Fault::Count => "more traits than are kept of anybody",
    }
}
