//! Identifiers that nothing may be collected of: of people who were erased, up to that instant, and
//! of people who are to be left alone.
//!
//! All of them are in memory, by their keyed hashes; while there are none, an event pays for one
//! comparison.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};

use model::{Identifier, IdentifierType, Timestamp};
use parking_lot::RwLock;
use rustc_hash::FxBuildHasher;
use store::{Reader, ScanOrder, Table, prefix_range};

use crate::{
    keys::Hash16,
    privacy::rows::{self, StoredBar},
    record::{Unreadable, decode},
    sealed::{Keys, RowError},
};

/// What is barred of one identifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Whoever had it was erased then: what happened until then is refused.
    pub(crate) erased_at: Option<Timestamp>,
    /// Whoever has it is to be left alone: all is refused.
    pub(crate) suppressed: bool,
}

/// Why something is not collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    Erased,
    Suppressed,
}

impl Barred {
    /// The code of the verdict.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Suppressed => "suppressed",
        }
    }
}

/// All bars.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    by_identifier: RwLock<HashMap<Hash16, Bar, FxBuildHasher>>,
    /// There may be some.
    has_any: AtomicBool,
}

impl Bars {
    /// Reads those that are stored.
    pub(crate) fn open(reader: &dyn Reader) -> Result<Self, RowError> {
        let bars = Self::default();
        let mut unreadable = None;
        let range = prefix_range(&[rows::BAR]);
        reader.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, row| {
            let hash = key.get(1..).and_then(|hash| Hash16::try_from(hash).ok());
            match (hash, decode::<StoredBar>(row, "bar")) {
                (Some(hash), Ok(stored)) => {
                    bars.set(hash, stored.into());
                    ControlFlow::Continue(())
                }
                _ => {
                    unreadable = Some(Unreadable("bar"));
                    ControlFlow::Break(())
                }
            }
        })?;
        unreadable.map_or(Ok(bars), |unreadable| Err(unreadable.into()))
    }

    /// What is barred of an identifier.
    pub(crate) fn get(&self, identifier: &Hash16) -> Bar {
        if !self.has_any.load(Ordering::Acquire) {
            return Bar::default();
        }
        self.by_identifier.read().get(identifier).copied().unwrap_or_default()
    }

    /// Sets what is barred of an identifier, after it was committed.
    pub(crate) fn set(&self, identifier: Hash16, bar: Bar) {
        let mut bars = self.by_identifier.write();
        if bar == Bar::default() {
            bars.remove(&identifier);
        } else {
            bars.insert(identifier, bar);
        }
        self.has_any.store(!bars.is_empty(), Ordering::Release);
    }

    /// Why what happened at an instant under these identifiers may not be collected; `None` when it may.
    ///
    /// Who names a user speaks for that user: a device that somebody else used before bars nobody.
    pub(crate) fn verdict(
        &self,
        keys: &Keys,
        identifiers: &[Identifier],
        at: Timestamp,
    ) -> Option<Barred> {
        if !self.has_any.load(Ordering::Acquire) {
            return None;
        }
        let names_user = identifiers.iter().any(|i| i.kind == IdentifierType::UserId);
        let is_device = |i: &Identifier| {
            matches!(i.kind, IdentifierType::AnonymousId | IdentifierType::DeviceId)
        };
        let counts = identifiers.iter().filter(|i| !names_user || !is_device(i));
        counts.into_iter().find_map(|identifier| {
            let bar = self.get(&keys.identifier(&identifier.normalised()));
            if bar.suppressed {
                Some(Barred::Suppressed)
            } else {
                bar.erased_at.filter(|erased_at| at <= *erased_at).map(|_| Barred::Erased)
            }
        })
    }

    /// Whether these identifiers are of somebody who is to be left alone.
    pub(crate) fn suppresses(&self, keys: &Keys, identifiers: &[Identifier]) -> bool {
        self.verdict(keys, identifiers, Timestamp::MAX) == Some(Barred::Suppressed)
    }
}

#[cfg(test)]
mod tests {
    use store::Vault;

    use super::*;

    #[test]
    fn who_logs_in_speaks_for_themselves() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys { vault: Vault::open(directory.path(), 0).unwrap() };
        let id =
            |kind: &str, value: &str| Identifier::new(IdentifierType::parse(kind).unwrap(), value);
        let bars = Bars::default();
        let verdict = |ids: &[Identifier], at: i64| bars.verdict(&keys, ids, Timestamp(at));
        let (ann, ben) = (id("user_id", "ann"), id("user_id", "ben"));
        let (mail, laptop) = (id("email", "Ann@Example.org "), id("anonymous_id", "laptop"));
        assert_eq!(verdict(std::slice::from_ref(&ann), 5), None, "nothing is barred yet");
        for erased in [&ann, &mail, &laptop] {
            let bar = Bar { erased_at: Some(Timestamp(10)), ..Bar::default() };
            bars.set(keys.identifier(&erased.normalised()), bar);
        }
        assert_eq!(verdict(std::slice::from_ref(&ann), 10), Some(Barred::Erased));
        assert_eq!(verdict(std::slice::from_ref(&ann), 11), None, "what comes later begins anew");
        assert_eq!(verdict(&[id("email", "ann@example.org")], 1), Some(Barred::Erased));
        assert_eq!(verdict(std::slice::from_ref(&laptop), 10), Some(Barred::Erased));
        assert_eq!(verdict(&[ben.clone(), laptop.clone()], 10), None, "somebody else");
        assert_eq!(verdict(&[ben, mail], 10), Some(Barred::Erased), "an address is no device");
        let hash = keys.identifier(&laptop.normalised());
        bars.set(hash, Bar { suppressed: true, ..bars.get(&hash) });
        assert!(bars.suppresses(&keys, std::slice::from_ref(&laptop)));
        assert!(!bars.suppresses(&keys, &[ann, laptop]));
    }
}
