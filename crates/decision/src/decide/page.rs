//! The placements of one request, of which a page group may have one only.

use model::Key;

use crate::{
    catalog::{Experience, Placement},
    outcome::Outcome,
};

/// A page in the making.
pub(super) struct Page<'a> {
    places: Vec<Place<'a>>,
}

struct Place<'a> {
    /// `None` where nothing competes: the outcome stands.
    placement: Option<&'a Placement>,
    outcome: Option<Outcome>,
    /// Page groups that it lost to another place. They only grow, so the page is decided in the end.
    taken: Vec<Key>,
}

impl<'a> Page<'a> {
    /// A page with these placements, or the outcomes of those that need no decision.
    pub(super) fn new(placements: Vec<Result<&'a Placement, Box<Outcome>>>) -> Self {
        let place = |asked: Result<&'a Placement, Box<Outcome>>| match asked {
            Ok(placement) => Place { placement: Some(placement), outcome: None, taken: Vec::new() },
            Err(outcome) => Place { placement: None, outcome: Some(*outcome), taken: Vec::new() },
        };
        Self { places: placements.into_iter().map(place).collect() }
    }

    /// A place that is to be decided, or decided again.
    pub(super) fn next_undecided(&self) -> Option<(usize, &'a Placement)> {
        let undecided = |(index, place): (usize, &Place<'a>)| {
            Some((index, place.placement.filter(|_| place.outcome.is_none())?))
        };
        self.places.iter().enumerate().find_map(undecided)
    }

    /// The page groups that a place lost.
    pub(super) fn taken_from(&self, place: usize) -> &[Key] {
        self.places.get(place).map_or(&[], |place| &place.taken)
    }

    /// Takes in what a place shows. Of two places with the same page group, the one that arbitration
    /// puts last is to be decided again without it.
    pub(super) fn decided(&mut self, index: usize, outcome: Outcome) {
        let Some(place) = self.places.get_mut(index) else { return };
        place.outcome = Some(outcome);
        let Some((group, rank)) = self.rank(index).map(|(group, rank)| (group.clone(), rank))
        else {
            return;
        };
        let rival = (0..self.places.len()).filter(|other| *other != index).find_map(|other| {
            let (theirs, rank) = self.rank(other)?;
            (*theirs == group).then_some((other, rank))
        });
        let Some((other, rival)) = rival else { return };
        let loser = if rank <= rival { other } else { index };
        if let Some(place) = self.places.get_mut(loser) {
            place.outcome = None;
            place.taken.push(group);
        }
    }

    /// The page group of the experience that won a place, and where arbitration puts it: the lower, the
    /// earlier.
    fn rank(&self, index: usize) -> Option<(&Key, (i64, &Key, usize))> {
        let winner = self.winner(index)?;
        let group = winner.page_group.as_ref()?;
        Some((group, (-i64::from(winner.priority), &winner.reference.key, index)))
    }

    fn winner(&self, index: usize) -> Option<&'a Experience> {
        let Place { placement, outcome, .. } = self.places.get(index)?;
        let won = outcome.as_ref()?.won()?;
        let placement: &'a Placement = (*placement)?;
        placement.candidates.iter().find(|experience| experience.reference == *won)
    }

    /// What each place shows, in the order asked.
    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        self.places.into_iter().filter_map(|place| place.outcome).collect()
    }
}
