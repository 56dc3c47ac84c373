//! Ranges of keys: half-open, in byte order.

use std::{borrow::Cow, ops::Bound};

/// The keys `k` with `from <= k` and, where there is an end, `k < to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange<'a> {
    /// The first key that belongs to the range.
    pub from: Cow<'a, [u8]>,
    /// The first key that no longer does; `None` reaches to the end of the table.
    pub to: Option<Cow<'a, [u8]>>,
}

impl<'a> KeyRange<'a> {
    /// From `from` up to but without `to`.
    pub fn new(from: &'a [u8], to: &'a [u8]) -> Self {
        Self { from: Cow::Borrowed(from), to: Some(Cow::Borrowed(to)) }
    }

    /// From `from` to the end of the table.
    pub fn starting(from: &'a [u8]) -> Self {
        Self { from: Cow::Borrowed(from), to: None }
    }

    /// The whole table.
    pub fn all() -> Self {
        Self::starting(&[])
    }

    /// The same range, owning its bounds.
    pub fn into_owned(self) -> KeyRange<'static> {
        KeyRange {
            from: Cow::Owned(self.from.into_owned()),
            to: self.to.map(|to| Cow::Owned(to.into_owned())),
        }
    }

    /// Whether no key can lie in the range.
    pub fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.from <= *key && self.to.as_ref().is_none_or(|to| *key < **to)
    }

    /// The bounds as standard collections take them.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let to = self.to.as_ref().map_or(Bound::Unbounded, |to| Bound::Excluded(&**to));
        (Bound::Included(&*self.from), to)
    }
}

/// All keys that begin with `prefix`.
pub fn prefix_range(prefix: &[u8]) -> KeyRange<'_> {
    KeyRange { from: Cow::Borrowed(prefix), to: successor(prefix).map(Cow::Owned) }
}

/// The least byte string that is greater than all that begin with `prefix`.
///
/// It is the prefix with its last byte below 0xff counted up and the rest cut off; a prefix of
/// nothing but 0xff has none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Which end of a range a scan begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOrder {
    /// Least key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_of_only_high_bytes_reaches_to_the_end() {
        assert_eq!(prefix_range(&[0xff, 0xff]).to, None);
        assert_eq!(prefix_range(&[]).to, None);
        assert_eq!(prefix_range(&[1, 0xff]).to.as_deref(), Some(&[2][..]));
        assert_eq!(prefix_range(b"ab").to.as_deref(), Some(&b"ac"[..]));
    }

    #[test]
    fn a_range_whose_end_is_not_past_its_start_is_empty() {
        assert!(KeyRange::new(b"b", b"b").is_empty());
        assert!(KeyRange::new(b"b", b"a").is_empty());
        assert!(!KeyRange::new(b"a", b"b").is_empty());
        assert!(!KeyRange::all().is_empty());
    }

    fn awkward_bytes() -> impl Strategy<Value = u8> {
        prop_oneof![Just(0_u8), Just(254), Just(255), any::<u8>()]
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_keys_that_begin_so(
            prefix in proptest::collection::vec(awkward_bytes(), 0..4),
            key in proptest::collection::vec(awkward_bytes(), 0..6),
        ) {
            prop_assert_eq!(prefix_range(&prefix).contains(&key), key.starts_with(&prefix));
        }
    }
}
