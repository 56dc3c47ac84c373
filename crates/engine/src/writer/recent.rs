//! The messages of the last commits, so that the writer need not look for what the reader has looked
//! for: only what was committed since can have changed the answer.

use std::collections::{HashSet, VecDeque};

use rustc_hash::FxBuildHasher;

use crate::messages::Message;

/// Commits that are remembered: more than happen while a call waits for the writer.
const COMMITS: usize = 128;

/// The dedup entries written by the last commits.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// How many commits there were.
    commits: u64,
    /// Of the last of them, oldest first.
    messages: VecDeque<HashSet<Message, FxBuildHasher>>,
}

impl Recent {
    /// Takes note of a commit; returns how many there were, it included.
    pub(crate) fn committed(&mut self, messages: impl IntoIterator<Item = Message>) -> u64 {
        if self.messages.len() == COMMITS {
            self.messages.pop_front();
        }
        self.messages.push_back(messages.into_iter().collect());
        self.commits += 1;
        self.commits
    }

    /// Whether no commit has written this entry, given that there was none after the first `as_of`
    /// commits; false also where that is too long ago to be known.
    pub(crate) fn is_new(&self, message: &Message, as_of: Option<u64>) -> bool {
        let since = as_of.and_then(|as_of| self.commits.checked_sub(as_of));
        let Some(since) = since.and_then(|since| usize::try_from(since).ok()) else { return false };
        since <= self.messages.len()
            && !self.messages.iter().rev().take(since).any(|messages| messages.contains(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_since_is_not_new() {
        let mut recent = Recent::default();
        let message = |byte: u8| [byte; 18];
        assert!(recent.is_new(&message(1), Some(0)));
        assert!(!recent.is_new(&message(1), None), "nobody looked");
        recent.committed([message(1)]);
        recent.committed([message(2)]);
        assert!(!recent.is_new(&message(1), Some(0)));
        assert!(recent.is_new(&message(1), Some(1)), "the look would have found it");
        assert!(!recent.is_new(&message(2), Some(1)));
        assert!(recent.is_new(&message(3), Some(0)));
        assert!(!recent.is_new(&message(3), Some(3)), "a commit that has not happened");
        for _ in 0..COMMITS {
            recent.committed([]);
        }
        assert!(!recent.is_new(&message(3), Some(1)), "too long ago");
        assert!(recent.is_new(&message(3), Some(2)));
    }
}
