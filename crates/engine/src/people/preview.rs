//! How many people would be in an audience, told from a part of all people.
//!
//! A lane is a hash of the routing identifier, so the lanes one after the other, and the people of each
//! in the order of a hash, are all people in a random order, which is always the same: two conditions
//! are asked of the same people. Whoever comes before it ends is a random sample of all. A person
//! counts where their head lies.

use audience::Estimate;
use model::{Lane, StrandId, Timestamp, condition::Truth, hash, id::LANE_COUNT};

use crate::{
    definitions::DefinitionError,
    load::Loader,
    page::Stored,
    people::{
        AudienceChoice, GoesOn, Member, Preview,
        members::{self, Asking},
    },
    sealed::RowError,
    state::Shared,
    writer::heads_of,
};

/// Evaluates an audience for a random part of all people.
pub(crate) fn preview(
    shared: &Shared,
    choice: &AudienceChoice,
    at: Option<Timestamp>,
    limit: usize,
    goes_on: GoesOn<'_>,
) -> Result<Preview, DefinitionError> {
    let asking = Asking::of(shared, choice, at)?;
    count(shared, &asking, limit, goes_on)
        .map_err(|error| DefinitionError::Unavailable(error.to_string()))
}

/// What was found so far.
#[derive(Default)]
struct Found {
    evaluated: u64,
    members: u64,
    withheld: u64,
    items: Vec<Member>,
}

fn count(
    shared: &Shared,
    asking: &Asking,
    limit: usize,
    goes_on: GoesOn<'_>,
) -> Result<Preview, RowError> {
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let loader = Loader { pages: &pages, snapshot: &asking.snapshot };
    let mut found = Found::default();
    // In lanes.
    let mut part = 0.0;
    for lane in (0..LANE_COUNT).filter_map(Lane::from_stored) {
        // One lane at least, so that something is known.
        if 0.0 < part && !goes_on(found.evaluated) {
            break;
        }
        let people = shuffled(heads_of(&*frozen, lane)?);
        let mut looked_at = 0;
        for &head in &people {
            if 0 < found.evaluated && !goes_on(found.evaluated) {
                break;
            }
            found.look_at(&loader, asking, head, limit)?;
            looked_at += 1;
        }
        part += share(looked_at, people.len());
    }
    let part = part / f64::from(LANE_COUNT);
    Ok(found.into_preview(part))
}

/// How much of a lane was seen; all of one without people.
#[expect(clippy::cast_precision_loss, reason = "no lane has as many people as that")]
fn share(looked_at: usize, people: usize) -> f64 {
    if looked_at == people { 1.0 } else { looked_at as f64 / people as f64 }
}

/// In the order of a hash of what they are numbered by, which is the order in which they came.
fn shuffled(mut people: Vec<StrandId>) -> Vec<StrandId> {
    people.sort_by_cached_key(|head| (hash::murmur3_32(&head.born.0.to_be_bytes()), head.born));
    people
}

impl Found {
    fn look_at(
        &mut self,
        loader: &Loader<'_>,
        asking: &Asking,
        head: StrandId,
        limit: usize,
    ) -> Result<(), RowError> {
        let Some(person) = members::somebody(loader, head)? else { return Ok(()) };
        self.evaluated += 1;
        match asking.answer(&person) {
            (Truth::False, _) => {}
            (Truth::Withheld, _) => self.withheld += 1,
            (Truth::True, since) => {
                self.members += 1;
                if self.items.len() < limit {
                    self.items.push(members::member(&person, since));
                }
            }
        }
        Ok(())
    }

    fn into_preview(self, part: f64) -> Preview {
        Preview {
            count: Estimate::of(self.members, part),
            withheld: Estimate::of(self.withheld, part),
            people: Estimate::of(self.evaluated, part),
            evaluated: self.evaluated,
            is_exact: 1.0 <= part,
            items: self.items,
        }
    }
}
