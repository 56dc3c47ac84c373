//! Membership in another audience: whether someone is in it, and what is recorded of their going in and out.

use serde_json::{Map, Value};

use super::{
    Truth, Verdict,
    evaluate::{earlier, next_instant},
};
use crate::{Duration, Key, Timestamp};

/// Whether a person is in an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// In, out, or not to be known for this purpose.
    pub truth: Truth,
    /// Since when it has been so: the logged instant of the last transition, if there was one.
    pub since: Option<Timestamp>,
    /// The logged instant of the transition before that, which went the other way.
    pub previous: Option<Timestamp>,
    /// The instant from which the answer may differ without anything new being observed.
    pub valid_until: Option<Timestamp>,
}

/// What is asked about a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// They are in.
    Present,
    /// They are in, and have been for so long without a break.
    ForAtLeast(Duration),
    /// They are in, or once were.
    Ever,
    /// They went in within the last so much time, whether or not they are still in.
    EnteredWithin(Duration),
    /// They left within the last so much time, whether or not they are in again.
    LeftWithin(Duration),
}

impl Membership {
    /// An answer that lasts, of which nothing is recorded.
    pub const fn unrecorded(truth: Truth) -> Self {
        Self { truth, since: None, previous: None, valid_until: None }
    }

    /// When they last went in, as far as is recorded.
    pub fn entered(&self) -> Option<Timestamp> {
        if self.truth.is_true() { self.since } else { self.previous }
    }

    /// When they last left, as far as is recorded. That it may no longer be known whether they are
    /// in counts as leaving.
    pub fn left(&self) -> Option<Timestamp> {
        if self.truth.is_true() { self.previous } else { self.since }
    }

    /// When it must be asked again. An expiry that has passed is the asker's to renew; here it only
    /// must not lead backwards.
    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.valid_until.map(|until| until.max(next_instant(now)))
    }
}

impl Stay {
    /// The answer at `now` for what is known of a membership.
    pub(super) fn evaluate(self, membership: Membership, now: Timestamp) -> Verdict {
        let valid_until = membership.until(now);
        let answer = |truth| Verdict { truth, valid_until };
        // The answer turns to this when so much time has passed since an instant.
        let once = |instant: Option<Timestamp>, length, truth: Truth| {
            let turns = instant.map(|instant| instant.saturating_add(length));
            match turns.filter(|turns| now < *turns) {
                Some(turns) => {
                    Verdict { truth: !truth, valid_until: earlier(valid_until, Some(turns)) }
                }
                None => answer(truth),
            }
        };
        match (membership.truth, self) {
            (Truth::Withheld, _) => answer(Truth::Withheld),
            (truth, Self::Present) => answer(truth),
            (Truth::True, Self::ForAtLeast(length)) if membership.since.is_some() => {
                once(membership.since, length, Truth::True)
            }
            (_, Self::ForAtLeast(_)) => answer(Truth::False),
            (truth, Self::Ever) => answer((truth.is_true() || membership.since.is_some()).into()),
            (_, Self::EnteredWithin(length)) => once(membership.entered(), length, Truth::False),
            (_, Self::LeftWithin(length)) => once(membership.left(), length, Truth::False),
        }
    }

    /// The document of a condition that asks this of an audience.
    pub(super) fn to_value(self, key: &Key) -> Value {
        let mut object = Map::new();
        object.insert("audience".into(), key.as_str().into());
        let (field, value) = match self {
            Self::Present => return Value::Object(object),
            Self::ForAtLeast(length) => ("for_at_least", length.to_string().into()),
            Self::Ever => ("ever", true.into()),
            Self::EnteredWithin(length) => ("entered_within", length.to_string().into()),
            Self::LeftWithin(length) => ("left_within", length.to_string().into()),
        };
        object.insert(field.into(), value);
        Value::Object(object)
    }

    /// As in `in audience vip for at least 7d`.
    pub(super) fn in_words(self, key: &Key) -> String {
        match self {
            Self::Present => format!("in audience {key}"),
            Self::ForAtLeast(length) => format!("in audience {key} for at least {length}"),
            Self::Ever => format!("ever in audience {key}"),
            Self::EnteredWithin(length) => format!("entered audience {key} within {length}"),
            Self::LeftWithin(length) => format!("left audience {key} within {length}"),
        }
    }
}
