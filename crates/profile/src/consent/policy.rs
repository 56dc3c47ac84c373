//! What the workspace's purposes are, and what holds for each where a person said nothing.

use model::{Basis, Consents, Country, Purpose, PurposeSet, consent::PurposeKey, hash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One purpose of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeRule {
    /// Its number, which stored data carries.
    pub purpose: Purpose,
    /// The key it is written with.
    pub key: PurposeKey,
    /// Whether data may be used for it while the person has said nothing (opt-out); else it needs a grant (opt-in).
    pub granted_by_default: bool,
    /// The same for countries where it differs, by country.
    pub regions: Vec<(Country, bool)>,
    /// Hashes of the names of events that it has to itself: what these say is kept for no other purpose.
    pub events: Vec<u64>,
}

impl PurposeRule {
    /// Whether it is granted to somebody in `country` who said nothing. Where somebody is that nobody
    /// knows of, what holds in general holds.
    fn silent(&self, country: Option<Country>) -> bool {
        let region = country.and_then(|c| self.regions.iter().find(|(of, _)| *of == c));
        region.map_or(self.granted_by_default, |(_, granted)| *granted)
    }
}

/// Why a list of purposes is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Two purposes have one number.
    #[error("purpose number {0} is given twice")]
    Number(u8),
    /// Two purposes have one key.
    #[error("purpose `{0}` is given twice")]
    Key(PurposeKey),
    /// The service purpose is built in.
    #[error("purpose `{0}` has the number of the built-in service purpose")]
    Service(PurposeKey),
}

/// The purposes of a workspace.
///
/// A purpose that is not listed is granted to nobody. The service purpose is always granted and
/// cannot be listed: it opens only [`crate::ServiceView`], never a person's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurposePolicy {
    /// By number.
    rules: Vec<PurposeRule>,
}

impl PurposePolicy {
    /// A policy of these purposes; each number and key once.
    pub fn new(mut rules: Vec<PurposeRule>) -> Result<Self, PolicyError> {
        rules.sort_by_key(|rule| rule.purpose);
        for (i, rule) in rules.iter().enumerate() {
            if rule.purpose == Purpose::SERVICE {
                return Err(PolicyError::Service(rule.key.clone()));
            }
            let before = &rules[..i];
            if before.iter().any(|other| other.purpose == rule.purpose) {
                return Err(PolicyError::Number(rule.purpose.number()));
            }
            if before.iter().any(|other| other.key == rule.key) || is_service(&rule.key) {
                return Err(PolicyError::Key(rule.key.clone()));
            }
        }
        Ok(Self { rules })
    }

    /// The policy of a new workspace: the built-in purposes. Choosing what to show and measuring it
    /// are opt-out; messages and advertising are opt-in.
    pub fn built_in() -> Self {
        let rule = |(purpose, key): (Purpose, &str)| {
            let granted_by_default =
                [Purpose::PERSONALIZATION, Purpose::ANALYTICS].contains(&purpose);
            let (key, regions, events) = (key.parse().ok()?, Vec::new(), Vec::new());
            Some(PurposeRule { purpose, key, granted_by_default, regions, events })
        };
        let others = Purpose::BUILT_IN.into_iter().filter(|(p, _)| *p != Purpose::SERVICE);
        Self { rules: others.filter_map(rule).collect() }
    }

    /// The listed purposes, by number.
    pub fn rules(&self) -> &[PurposeRule] {
        &self.rules
    }

    /// The purpose with this key.
    pub fn find(&self, key: &PurposeKey) -> Option<Purpose> {
        if is_service(key) {
            return Some(Purpose::SERVICE);
        }
        self.rules.iter().find(|rule| rule.key == *key).map(|rule| rule.purpose)
    }

    /// The purposes for which silence means something else somewhere.
    pub fn regional(&self) -> PurposeSet {
        let regional = self.rules.iter().filter(|rule| !rule.regions.is_empty());
        regional.map(|rule| rule.purpose).fold(PurposeSet::NONE, PurposeSet::with)
    }

    /// Whether there are any, so that countries matter.
    pub fn is_regional(&self) -> bool {
        self.regional() != PurposeSet::NONE
    }

    /// Whether data of somebody in `country` may be used for `purpose` on this basis.
    pub fn effective(&self, basis: Basis, purpose: Purpose, country: Option<Country>) -> bool {
        if purpose == Purpose::SERVICE {
            return true;
        }
        let Some(rule) = self.rules.iter().find(|rule| rule.purpose == purpose) else {
            return false;
        };
        match basis {
            Basis::Granted => true,
            Basis::Denied => false,
            Basis::Unknown => rule.silent(country),
        }
    }

    /// The collect gate: the purposes that an event may be kept for, of somebody in `country`.
    ///
    /// Both what is `known` to hold by now on the device, the event's own statement included, and that
    /// statement by itself must allow it. A late event that was denied when it happened stays denied
    /// whatever was granted since, and one that was granted then is denied if that was withdrawn since.
    pub fn collect(&self, known: Consents, said: Consents, country: Option<Country>) -> PurposeSet {
        let allowed = self.rules.iter().map(|rule| rule.purpose).filter(|&purpose| {
            said.basis(purpose) != Basis::Denied
                && self.effective(known.basis(purpose), purpose, country)
        });
        let allowed = allowed.fold(PurposeSet::NONE, PurposeSet::with);
        // What is kept for anything is also kept for the checks of the purpose `service`.
        if allowed == PurposeSet::NONE { allowed } else { allowed.with(Purpose::SERVICE) }
    }

    /// The collect gate for an event of a name: one that a purpose has to itself is kept for no other.
    pub fn collect_event(
        &self,
        name: &str,
        known: Consents,
        said: Consents,
        country: Option<Country>,
    ) -> PurposeSet {
        let allowed = self.collect(known, said, country);
        if self.rules.iter().all(|rule| rule.events.is_empty()) {
            return allowed;
        }
        let name = hash::event_name(name);
        match self.rules.iter().find(|rule| rule.events.contains(&name)) {
            None => allowed,
            Some(rule) if allowed.contains(rule.purpose) => {
                PurposeSet::NONE.with(Purpose::SERVICE).with(rule.purpose)
            }
            Some(_) => PurposeSet::NONE,
        }
    }
}

fn is_service(key: &PurposeKey) -> bool {
    key.0.as_str() == Purpose::BUILT_IN[0].1
}
