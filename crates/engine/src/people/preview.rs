//! How many people would be in an audience, told from a part of all people.
//!
//! A lane is a hash of the routing identifier, so the lanes one after the other, and the people of each
//! in the order of a hash, are all people in a random order, which is always the same: two conditions
//! are asked of the same people. Whoever comes before it ends is a random sample of all. A person
//! counts where their head lies.

use std::sync::Arc;

use audience::Estimate;
use model::{Key, Lane, StrandId, Timestamp, condition::Truth, hash, id::LANE_COUNT};
use profile::Account;

use crate::{
    accounts::book::Book,
    definitions::DefinitionError,
    facts::{Asked, Views},
    load::{Loader, Person},
    page::Stored,
    people::{
        AudienceChoice, Difference, GoesOn, Member, Preview,
        members::{self, Asking},
    },
    sealed::RowError,
    snapshot::Snapshot,
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
    let mut found = Found::default();
    let sample = sample(shared, &asking.snapshot, goes_on, &mut |person, accounts| match asking
        .answer(person, accounts)
    {
        (Truth::False, _) => {}
        (Truth::Withheld, _) => found.withheld += 1,
        (Truth::True, since) => {
            found.members += 1;
            if found.items.len() < limit {
                found.items.push(members::member(person, since));
            }
        }
    })?;
    Ok(Preview {
        count: sample.all(found.members),
        withheld: sample.all(found.withheld),
        people: sample.all(sample.evaluated),
        evaluated: sample.evaluated,
        is_exact: sample.is_everyone(),
        items: found.items,
    })
}

/// How a version that is to act next differs from the one that acts.
pub(crate) fn difference(
    shared: &Shared,
    key: &Key,
    limit: usize,
    goes_on: GoesOn<'_>,
) -> Result<Difference, RowError> {
    let snapshot = shared.registry.snapshot_full();
    let now = shared.clock.now();
    let shadow = snapshot.audiences.shadows().iter().find(|shadow| shadow.key() == key);
    let live = snapshot.audiences.get(key);
    let mut counts = [0_u64; 3];
    let (mut entering, mut leaving) = (Vec::new(), Vec::new());
    let sample = sample(shared, &snapshot, goes_on, &mut |person, accounts| {
        let (Some(live), Some(shadow)) = (live, shadow) else { return };
        let views = Views::of(&person.profile, &snapshot.policy).among(accounts, &snapshot);
        let asked = Asked::new(&views, &snapshot, &person.memberships, now);
        let membership = asked.facts(live.purpose()).membership(key);
        let is_in = membership.is_some_and(|membership| membership.truth.is_true());
        let will_be = shadow.rule().evaluate(asked.facts(shadow.purpose()), now).truth.is_true();
        let (count, items) = match (is_in, will_be) {
            (false, false) => return,
            (false, true) => (&mut counts[0], Some(&mut entering)),
            (true, false) => (&mut counts[1], Some(&mut leaving)),
            (true, true) => (&mut counts[2], None),
        };
        *count += 1;
        if let Some(items) = items.filter(|items| items.len() < limit) {
            items.push(members::member(person, None));
        }
    })?;
    let [enter, leave, stay] = counts.map(|count| sample.all(count));
    Ok(Difference {
        enter,
        leave,
        stay,
        people: sample.all(sample.evaluated),
        evaluated: sample.evaluated,
        is_exact: sample.is_everyone(),
        entering,
        leaving,
    })
}

/// People who were looked at.
struct Sample {
    evaluated: u64,
    /// Which part they are of all.
    part: f64,
}

impl Sample {
    /// How many there are of whom so many were found.
    fn all(&self, found: u64) -> Estimate {
        Estimate::of(found, self.part)
    }

    fn is_everyone(&self) -> bool {
        1.0 <= self.part
    }
}

/// Looks at people in the random order while it goes on, and at one at least.
fn sample(
    shared: &Shared,
    snapshot: &Snapshot,
    goes_on: GoesOn<'_>,
    look_at: &mut dyn FnMut(&Person, &[Arc<Account>]),
) -> Result<Sample, RowError> {
    let frozen = shared.store.snapshot()?;
    let pages = Stored { reader: &*frozen, keys: &shared.keys };
    let loader = Loader { pages: &pages, snapshot };
    let book = Book::of(&pages);
    let mut evaluated = 0;
    // In lanes.
    let mut part = 0.0;
    for lane in (0..LANE_COUNT).filter_map(Lane::from_stored) {
        // One lane at least, so that something is known.
        if 0.0 < part && !goes_on(evaluated) {
            break;
        }
        let people = shuffled(heads_of(&*frozen, lane)?);
        let mut looked_at = 0;
        for &head in &people {
            if 0 < evaluated && !goes_on(evaluated) {
                break;
            }
            if let Some(person) = members::somebody(&loader, head)? {
                evaluated += 1;
                look_at(&person, &book.around(&person.profile)?);
            }
            looked_at += 1;
        }
        part += share(looked_at, people.len());
    }
    Ok(Sample { evaluated, part: part / f64::from(LANE_COUNT) })
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
