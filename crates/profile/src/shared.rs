//! Lists that copies of a person share until one of them changes.

use std::sync::Arc;

use model::weight;

/// A list that copies share until one of them changes it. An empty one takes no block, and none has room to spare.
#[derive(Clone, Debug)]
pub(crate) struct Shared<T>(Option<Arc<Vec<T>>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T> Shared<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |list| list)
    }

    /// Bytes of the blocks it takes, beside what its items take.
    pub(crate) fn weight(&self) -> usize {
        let of = |list: &Arc<Vec<T>>| {
            weight::shared(size_of::<Vec<T>>()) + weight::block(list.capacity() * size_of::<T>())
        };
        self.0.as_ref().map_or(0, of)
    }
}

impl<T: Clone> Shared<T> {
    /// Changes the list, after copying it if it is shared.
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let list = Arc::make_mut(self.0.get_or_insert_default());
        let result = change(list);
        list.shrink_to_fit();
        if list.is_empty() {
            self.0 = None;
        }
        result
    }
}
