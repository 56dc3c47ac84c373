//! What stands in a strand's page about accounts.

use compact_str::CompactString;
use model::{Key, PurposeSet, event::Order};
use profile::{
    Belonging, Origin,
    accounts::{Counted, Role},
};
use serde::{Deserialize, Serialize};

use super::{Answer, CountedIn};
use crate::{
    keys::Hash16,
    record::{Unreadable, decode},
};

/// Where something was said, by whom, and what it may be used for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredOrigin {
    pub(crate) order: Order,
    pub(crate) source: Key,
    pub(crate) purposes: PurposeSet,
}

impl From<Origin> for StoredOrigin {
    fn from(Origin { order, source, purposes }: Origin) -> Self {
        Self { order, source, purposes }
    }
}

impl From<StoredOrigin> for Origin {
    fn from(StoredOrigin { order, source, purposes }: StoredOrigin) -> Self {
        Self { order, source, purposes }
    }
}

/// That a person belongs to an account, or has left it, as one strand was told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredBelonging {
    V1 {
        account: CompactString,
        is_member: bool,
        origin: StoredOrigin,
        role: Option<(CompactString, StoredOrigin)>,
    },
}

impl From<Belonging> for StoredBelonging {
    fn from(Belonging { account, is_member, origin, role }: Belonging) -> Self {
        let role = role.map(|Role { name, origin }| (name, origin.into()));
        Self::V1 { account, is_member, origin: origin.into(), role }
    }
}

/// Reads a [`StoredBelonging`].
pub(crate) fn belonging(row: &[u8]) -> Result<Belonging, Unreadable> {
    let StoredBelonging::V1 { account, is_member, origin, role } = decode(row, "account")?;
    let role = role.map(|(name, origin)| Role { name, origin: origin.into() });
    Ok(Belonging { account, is_member, origin: origin.into(), role })
}

/// What a person was counted as among the members of an account: audiences, their versions, and whether they are in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredCounted {
    V1 { answers: Vec<(Key, u32, bool)> },
}

impl From<&CountedIn> for StoredCounted {
    fn from(counted: &CountedIn) -> Self {
        let stored = |Answer { counted: Counted { audience, version }, is_inside }: &Answer| {
            (audience.clone(), *version, *is_inside)
        };
        Self::V1 { answers: counted.answers.iter().map(stored).collect() }
    }
}

/// Reads a [`StoredCounted`] and its name.
pub(crate) fn counted_in(name: &[u8], row: &[u8]) -> Result<CountedIn, Unreadable> {
    let account: Hash16 = name.try_into().map_err(|_| Unreadable("account"))?;
    let StoredCounted::V1 { answers } = decode(row, "account")?;
    let answer = |(audience, version, is_inside)| Answer {
        counted: Counted { audience, version },
        is_inside,
    };
    Ok(CountedIn { account, answers: answers.into_iter().map(answer).collect() })
}

/// How far the members of an account have been looked at, after something about it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WalkState {
    /// The last strand that was looked at, as a key; empty before the first.
    pub(crate) after: Vec<u8>,
    /// Something changed meanwhile, so that all are to be looked at once more.
    pub(crate) again: bool,
}

/// A [`WalkState`], as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum StoredWalk {
    V1(WalkState),
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use model::Timestamp;

    use super::*;
    use crate::record::encode;

    fn pinned<T>(record: &T, expected: &Expect)
    where
        T: Serialize + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug,
    {
        let bytes = encode(record);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        expected.assert_eq(&hex);
        assert_eq!(decode::<T>(&bytes, "record").unwrap(), *record);
    }

    /// A change here is a change of the stored format: add a variant instead.
    #[test]
    fn records_of_accounts_are_pinned() {
        let order = Order { time: Timestamp(1_790_000_000_000), tie: 9 };
        let source: Key = "web".parse().unwrap();
        let origin = StoredOrigin { order, source, purposes: PurposeSet(6) };
        let role = Some(("admin".into(), origin.clone()));
        let belonging =
            StoredBelonging::V1 { account: "acme".into(), is_member: true, origin, role };
        pinned(
            &belonging,
            &expect![
                "000461636d650180b083c59868090377656206010561646d696e80b083c59868090377656206"
            ],
        );
        let answers = vec![("pricing".parse().unwrap(), 2, true)];
        pinned(&StoredCounted::V1 { answers }, &expect!["00010770726963696e670201"]);
        let walk = WalkState { after: vec![1, 2], again: true };
        pinned(&StoredWalk::V1(walk), &expect!["0002010201"]);
    }
}
