//! What the workspace's purposes are, and what holds for each where a person said nothing.

use model::{Basis, Consents, Purpose, PurposeSet, UnitId, consent::PurposeKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ConsentLedger;

/// One purpose of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposeRule {
    /// Its number, which stored data carries.
    pub purpose: Purpose,
    /// The key it is written with.
    pub key: PurposeKey,
    /// Whether data may be used for it while the person has said nothing (opt-out); else it needs a grant (opt-in).
    pub granted_by_default: bool,
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
            Some(PurposeRule { purpose, key: key.parse().ok()?, granted_by_default })
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

    /// Whether data may be used for `purpose` on this basis.
    pub fn effective(&self, basis: Basis, purpose: Purpose) -> bool {
        if purpose == Purpose::SERVICE {
            return true;
        }
        let Some(rule) = self.rules.iter().find(|rule| rule.purpose == purpose) else {
            return false;
        };
        match basis {
            Basis::Granted => true,
            Basis::Denied => false,
            Basis::Unknown => rule.granted_by_default,
        }
    }

    /// The purposes that are granted now for the person as a whole.
    pub fn allowed(&self, ledger: &ConsentLedger) -> PurposeSet {
        self.select(|purpose| self.effective(ledger.basis(purpose), purpose))
    }

    /// The purposes that are granted now where the person is met on this device.
    pub fn allowed_on(&self, device: UnitId, ledger: &ConsentLedger) -> PurposeSet {
        self.select(|purpose| self.effective(ledger.basis_on(device, purpose), purpose))
    }

    /// The collect gate: the purposes that an event from this device may be kept for.
    ///
    /// Both the event's own statement and what holds by now must allow it. A late event that was
    /// denied when it happened stays denied whatever was granted since, and one that was granted
    /// then is denied if that was withdrawn since. The ledger must have taken in the event's own
    /// statement already.
    pub fn collect(&self, device: UnitId, ledger: &ConsentLedger, event: Consents) -> PurposeSet {
        let undenied = self.select(|purpose| event.basis(purpose) != Basis::Denied);
        self.allowed_on(device, ledger).intersection(undenied)
    }

    fn select(&self, granted: impl Fn(Purpose) -> bool) -> PurposeSet {
        let purposes = self.rules.iter().map(|rule| rule.purpose).filter(|&p| granted(p));
        purposes.fold(PurposeSet::NONE.with(Purpose::SERVICE), PurposeSet::with)
    }
}

fn is_service(key: &PurposeKey) -> bool {
    key.0.as_str() == Purpose::BUILT_IN[0].1
}
