//! Turns at a device that several users share: which of its anonymous strands an event belongs to.
//!
//! Once a second user was seen with an anonymous id, what comes with it and names nobody is no longer the first
//! one's. The first sight of each further user begins a *turn*: the anonymous events from then until the next
//! one's first sight. Each turn has a strand of its own. What counts is when events happened, so a user whose
//! first event comes late begins the turn where it would have begun (`fold::turns` moves what was written
//! meanwhile).

use model::{Seq, event::Order};
use serde::{Deserialize, Serialize};

use crate::keys::{self, Hash16};

/// Most users of one device whose turns are told apart; of more, the earliest turn becomes part of the one before.
/// Their row stays well under the store's limit.
pub(crate) const MAX_USERS_PER_DEVICE: usize = 64;

/// A user who was seen with a device, and the anonymous strand of the turn that this began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// The pair of device and user, as a keyed hash; of a user who was erased, the name of `since`.
    pub(crate) user: Hash16,
    pub(crate) is_erased: bool,
    /// The first sight of them.
    pub(crate) since: Order,
    /// The place in the log where the strand was born, if it was.
    pub(crate) strand: Option<Seq>,
}

/// The turns at one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turns {
    /// The anonymous strand from before the second user was seen, once one was.
    pub(crate) first: Option<Seq>,
    /// By first sight. The first user begins no turn: what came before is theirs as well.
    pub(crate) users: Vec<Turn>,
}

/// Names a turn by the user with whom it begins; `None` is the one before the second user.
pub(crate) type Name = Option<Hash16>;

impl Turns {
    /// Whether a second user was seen.
    pub(crate) fn is_shared(&self) -> bool {
        self.users.len() > 1
    }

    /// The turn that a place in the order of events is in.
    pub(crate) fn at(&self, order: Order) -> Name {
        let seen = self.users.partition_point(|turn| turn.since <= order);
        self.users[..seen].iter().skip(1).next_back().map(|turn| turn.user)
    }

    /// The turn that goes on.
    pub(crate) fn latest(&self) -> Name {
        self.users.iter().skip(1).next_back().map(|turn| turn.user)
    }

    /// When a turn began; of the one before the second user, and of what is no turn, `None`.
    pub(crate) fn since(&self, name: Name) -> Option<Order> {
        self.users.iter().skip(1).find(|turn| Some(turn.user) == name).map(|turn| turn.since)
    }

    /// The strand of a turn, or of what was one.
    pub(crate) fn strand(&self, name: Name) -> Option<Seq> {
        match name {
            None => self.first,
            Some(user) => self.users.iter().find(|turn| turn.user == user)?.strand,
        }
    }

    /// All turns that have a strand.
    pub(crate) fn strands(&self) -> Vec<(Name, Seq)> {
        let first = self.first.map(|born| (None, born));
        let others = self.users.iter().filter_map(|turn| Some((Some(turn.user), turn.strand?)));
        first.into_iter().chain(others).collect()
    }

    /// Gives a turn its strand.
    pub(crate) fn open(&mut self, name: Name, born: Seq) {
        match name {
            None => self.first = Some(born),
            Some(user) => {
                if let Some(turn) = self.users.iter_mut().find(|turn| turn.user == user) {
                    turn.strand = Some(born);
                }
            }
        }
    }

    /// Takes in that a user was seen; whether that was not known, or is earlier than what was.
    pub(crate) fn see(&mut self, user: Hash16, order: Order) -> bool {
        let known = self.users.iter().position(|turn| turn.user == user);
        let turn = match known {
            Some(at) if self.users[at].since <= order => return false,
            Some(at) => Turn { since: order, ..self.users.remove(at) },
            None => Turn { user, is_erased: false, since: order, strand: None },
        };
        let at = self.users.partition_point(|other| other.since < order);
        self.users.insert(at, turn);
        true
    }

    /// Makes room for a user, unless they are known.
    pub(crate) fn make_room(&mut self, user: &Hash16) {
        let is_known = self.users.iter().any(|turn| turn.user == *user);
        if !is_known && MAX_USERS_PER_DEVICE <= self.users.len() {
            self.users.remove(1);
        }
    }

    /// Whether all that is in a turn of these is in the same turn of `other`.
    pub(crate) fn keeps(&self, other: &Self, name: Name) -> bool {
        let Some((from, to)) = self.bounds(name) else { return true };
        other.bounds(name).is_some_and(|(other_from, other_to)| {
            let ends_in_time = match (to, other_to) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(to), Some(other_to)) => to <= other_to,
            };
            other_from <= from && ends_in_time
        })
    }

    /// Where a turn begins and ends; `None` where it is no turn.
    fn bounds(&self, name: Name) -> Option<(Option<Order>, Option<Order>)> {
        let place = match name {
            None => 0,
            Some(user) => {
                self.users.iter().position(|turn| turn.user == user).filter(|at| *at > 0)?
            }
        };
        let next = self.users.get(place + 1).map(|turn| turn.since);
        Some((self.since(name), next))
    }

    /// Forgets who a user was, and the strand of somebody who is erased. When turns began stays, or their
    /// successors' events would become somebody else's.
    pub(crate) fn erase(&mut self, user: Hash16, strand: Seq) {
        self.first = self.first.filter(|born| *born != strand);
        for turn in &mut self.users {
            turn.strand = turn.strand.filter(|born| *born != strand);
            if turn.user == user {
                (turn.user, turn.is_erased) = (keys::order(turn.since), true);
            }
        }
    }

    /// Whether nothing is left that anybody needs.
    pub(crate) fn is_empty(&self) -> bool {
        self.strands().is_empty() && self.users.iter().all(|turn| turn.is_erased)
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn order(time: i64) -> Order {
        Order { time: Timestamp(time), tie: 0 }
    }

    proptest! {
        /// Against the rule as it is said: the turn of an instant is that of who was new last, unless they are
        /// the first at all.
        #[test]
        fn turns_are_what_first_sights_make_of_them(
            sights in proptest::collection::vec((1_u8..6, 0_i64..40), 1..20),
        ) {
            let mut turns = Turns::default();
            let mut firsts: std::collections::BTreeMap<u8, i64> = std::collections::BTreeMap::new();
            for (user, time) in sights {
                // No two are seen first at once.
                let time = time * 10 + i64::from(user);
                let before = turns.clone();
                let first = firsts.entry(user).or_insert(i64::MAX);
                prop_assert_eq!(turns.see([user; 16], order(time)), time < *first);
                *first = time.min(*first);
                let mut by_time: Vec<_> = firsts.iter().map(|(user, first)| (*first, *user)).collect();
                by_time.sort_unstable();
                let at = |time: i64| {
                    let last = by_time.iter().skip(1).rfind(|(first, _)| *first <= time);
                    last.map(|(_, user)| [*user; 16])
                };
                for time in 0..420 {
                    prop_assert_eq!(turns.at(order(time)), at(time));
                }
                prop_assert_eq!(turns.latest(), at(i64::MAX));
                for name in (0..6).map(|user| (user > 0).then_some([user; 16])) {
                    let mut within = (0..420).filter(|time| before.at(order(*time)) == name);
                    let stay = within.all(|time| turns.at(order(time)) == name);
                    prop_assert!(stay || !before.keeps(&turns, name), "{before:?} {turns:?} {name:?}");
                }
            }
        }
    }

    #[test]
    fn only_so_many_users_are_told_apart() {
        let mut turns = Turns::default();
        for user in 0..=u8::try_from(MAX_USERS_PER_DEVICE).unwrap() {
            turns.make_room(&[user; 16]);
            assert!(turns.see([user; 16], order(i64::from(user))));
        }
        assert_eq!(turns.users.len(), MAX_USERS_PER_DEVICE);
        assert_eq!(turns.at(order(0)), None);
        assert_eq!(turns.at(order(1)), None, "the earliest turn is forgotten");
        assert_eq!(turns.at(order(2)), Some([2; 16]));
        let row = crate::record::encode(&turns);
        assert!(row.len() < 3_900, "{} bytes", row.len());
    }
}
