//! What a call says about consent: in the shapes of analytics clients, of Google's consent mode, of
//! the IAB's consent framework, and as the signals of browsers.
//!
//! Each shape is read for what it says in so many words. What is left out was not said, which differs
//! from refused. Where two shapes of one call contradict each other, the refusal counts.

mod signals;
mod tcf;

use model::{Consents, Country, PurposeSet, Value, value::Object};

pub use signals::{ConsentSignals, GoogleType, PurposeSignals};

/// What the browser itself says of the wishes of who sits before it, in headers of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrowserSignals {
    /// Global Privacy Control: `Sec-GPC: 1`. Not to sell or share.
    pub gpc: bool,
    /// Do Not Track: `DNT: 1`.
    pub dnt: bool,
}

/// Reads what calls say about consent: by which signals, and with what their browser adds.
#[derive(Clone, Copy, Debug)]
pub struct ConsentReader<'a> {
    /// What signals stand for.
    pub signals: &'a ConsentSignals,
    /// What the call's headers say.
    pub browser: BrowserSignals,
}

impl<'a> ConsentReader<'a> {
    /// A reader of calls that no browser made.
    pub fn of(signals: &'a ConsentSignals) -> Self {
        Self { signals, browser: BrowserSignals::default() }
    }

    /// Reads what the members of a context say.
    pub fn read<'v>(&self, member: impl Fn(&str) -> Option<&'v Value>) -> Consents {
        let signals = self.signals;
        let mut said = Consents::default();
        let consent = member("consent").and_then(Value::as_object);
        if let Some(consent) = consent {
            preferences(consent, signals, &mut said);
            google(consent, signals, &mut said);
            framework(consent, signals, &mut said);
        }
        if let Some(managed) = member("consentManagement").and_then(Value::as_object) {
            lists(managed, signals, &mut said);
        }
        let is_on = |within: &str, outer: &str| {
            let within = consent.and_then(|consent| consent.get(within));
            within.or_else(|| member(outer)).is_some_and(is_set)
        };
        if self.browser.gpc || is_on("gpc", "globalPrivacyControl") {
            deny(&mut said, signals.gpc());
        }
        if self.browser.dnt || is_on("dnt", "doNotTrack") {
            deny(&mut said, signals.dnt());
        }
        said
    }
}

/// Segment: `consent.categoryPreferences`, category to bool.
fn preferences(consent: &Object, signals: &ConsentSignals, said: &mut Consents) {
    let preferences = consent.get("categoryPreferences").and_then(Value::as_object);
    for (category, answer) in preferences.into_iter().flatten() {
        if let Some(granted) = answer.as_bool() {
            state(said, signals.category(category), granted);
        }
    }
}

/// RudderStack: `consentManagement` with lists of allowed and denied ids, or objects by them.
fn lists(managed: &Object, signals: &ConsentSignals, said: &mut Consents) {
    for (list, granted) in [("allowedConsentIds", true), ("deniedConsentIds", false)] {
        match managed.get(list) {
            Some(Value::Array(ids)) => {
                for id in ids.iter().filter_map(Value::as_str) {
                    state(said, signals.category(id), granted);
                }
            }
            Some(Value::Object(ids)) => {
                for id in ids.keys() {
                    state(said, signals.category(id), granted);
                }
            }
            _ => {}
        }
    }
}

/// Google consent mode: members of `consent` by the names of its types, `granted` or `denied` in any
/// case, as `gtag('consent', …)` and the Measurement Protocol have them.
///
/// A purpose that rests on several types is granted when all of them are, and refused when one is.
fn google(consent: &Object, signals: &ConsentSignals, said: &mut Consents) {
    let answer = |kind: GoogleType| {
        let text = consent.get(kind.as_str())?.as_str()?;
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        if is("granted") {
            Some(true)
        } else if is("denied") {
            Some(false)
        } else {
            None
        }
    };
    for (purpose, types) in signals.google() {
        let answers = types.iter().map(|kind| answer(*kind));
        combine(said, PurposeSet::NONE.with(*purpose), answers);
    }
}

/// The IAB's framework: `consent.tcString`, or the same under the name that apps store it with.
fn framework(consent: &Object, signals: &ConsentSignals, said: &mut Consents) {
    // Where the law does not apply, the string says nothing about anybody's wishes.
    let applies = consent.get("gdprApplies").or_else(|| consent.get("IABTCF_gdprApplies"));
    if applies.is_some_and(|applies| !is_set(applies)) {
        return;
    }
    let text = consent.get("tcString").or_else(|| consent.get("IABTCF_TCString"));
    let Some(granted) = text.and_then(Value::as_str).and_then(tcf::purposes) else { return };
    for (purpose, numbers) in signals.tcf() {
        let answers = numbers.iter().map(|number| Some(granted.contains(*number)));
        combine(said, PurposeSet::NONE.with(*purpose), answers);
    }
}

/// Takes in what several answers come to: a refusal if one refuses, a grant if all grant.
fn combine(
    said: &mut Consents,
    purposes: PurposeSet,
    answers: impl Iterator<Item = Option<bool>> + Clone,
) {
    if answers.clone().any(|answer| answer == Some(false)) {
        state(said, purposes, false);
    } else if answers.clone().next().is_some() && answers.into_iter().all(|a| a == Some(true)) {
        state(said, purposes, true);
    }
}

fn state(said: &mut Consents, purposes: PurposeSet, granted: bool) {
    if granted {
        said.granted = said.granted.union(purposes);
    } else {
        deny(said, purposes);
    }
}

fn deny(said: &mut Consents, purposes: PurposeSet) {
    said.denied = said.denied.union(purposes);
}

/// `true`, 1, or one of them as a text: browsers and clients write a signal in all these ways.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Bool(set) => *set,
        Value::Number(number) => number.as_i64() == Some(1),
        Value::String(text) => matches!(text.as_str(), "1" | "true" | "yes"),
        _ => false,
    }
}

/// The country that a context, or else traits, tell.
pub fn country<'v>(
    member: impl Fn(&str) -> Option<&'v Value>,
    traits: &'v Object,
) -> Option<Country> {
    let of = |value: Option<&'v Value>| value?.as_str()?.parse().ok();
    let location = member("location");
    let in_location = |name: &str| of(location.and_then(|location| location.get(name)));
    in_location("country_code")
        .or_else(|| in_location("country"))
        .or_else(|| of(traits.get("country")))
        .or_else(|| of(traits.get("address").and_then(|address| address.get("country"))))
}
