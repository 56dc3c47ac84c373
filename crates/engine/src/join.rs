//! From newly observed identifiers to components: who turns out to be whom.
//!
//! An observation that connects strands makes the engine gather the *closure*: every strand
//! reachable over shared identifiers, or over what an operator put together. The pure fold
//! `profile::identity::resolve` then divides it into components by the rules and by what operators
//! said, from the set of links alone, so that the order of arrival does not matter. Merge and split
//! rewrite the heads of strands, never their rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{ActId, Identifier, StrandId};
use profile::{
    Assignments,
    identity::{
        Component, IdentityRules, Link, MAX_IDENTIFIERS, MAX_STRANDS, REVIEWED_FROM, Reason,
        Refusal, Resolution, Ruling, Says, resolve,
    },
};
use store::{Reader, Table};

use crate::{
    keys::{self, Hash16, Kind},
    load,
    page::{Page, Pages},
    pending::Pending,
    record::{self, ActKind, ActState, MetaHead, Named, StoredLink, Unreadable, decode, encode},
    route,
    sealed::RowError,
};

/// Most strands that are looked at to decide who is one person. Beyond it the component stops growing.
pub(crate) const CLOSURE_STRANDS_MAX: usize = 2_000;

/// An identifier that was refused so often says nothing about who is who: it joins no further strand, and nobody
/// looks any more at what it would join.
const REFUSED_MAX: usize = 100;

/// Writes a link row: that a strand was seen with an identifier, and what was made of it. Answers whether the
/// identifier is closed.
pub(crate) fn write_link(
    pending: &mut Pending<'_>,
    hash: &Hash16,
    link: &Link,
    refused: Option<Reason>,
) -> Result<bool, RowError> {
    let record = StoredLink::V1 {
        identifier: link.identifier.clone(),
        order: link.order,
        last: link.last,
        trusted: link.trusted,
    };
    let row = [&[record::verdict(refused)], &encode(&record)[..]].concat();
    pending.page_mut(link.strand)?.put(Kind::Link, hash, &row);
    let lane = route::holder_lane(&link.identifier);
    route::hold(pending, lane, hash, link.strand)
}

impl Size {
    /// Whether somebody should look.
    pub(crate) fn is_large(&self) -> bool {
        self.identifiers > REVIEWED_FROM || self.is_full
    }
}

/// What a new look at a closure changed.
#[derive(Debug, Default)]
pub(crate) struct Rejoined {
    /// Components whose strands changed, by their head now.
    pub(crate) changed: Vec<Component>,
    /// Strands that have another head now.
    pub(crate) moved: Vec<(StrandId, StrandId)>,
    /// Heads that are none any more.
    pub(crate) gone: BTreeSet<StrandId>,
    /// The identifiers of the closure, whose holders may have changed.
    pub(crate) identifiers: Vec<Hash16>,
    /// All strands of the closure.
    pub(crate) strands: BTreeSet<StrandId>,
    /// Who might be one person, were it not for the rules.
    pub(crate) proposals: Vec<Unjoined>,
    /// The people of the closure whose size may have changed.
    pub(crate) sizes: Vec<Size>,
}

/// How large a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) head: StrandId,
    pub(crate) identifiers: usize,
    pub(crate) strands: usize,
    /// Whether something was refused because there is no more room.
    pub(crate) is_full: bool,
}

/// Two people whom an identifier would have joined if the rules had let it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unjoined {
    /// Each by the identifier that names them best.
    pub(crate) sides: [Named; 2],
    /// What both were seen with.
    pub(crate) evidence: Named,
    pub(crate) reason: Reason,
}

/// All that decides about who is one person, reachable from one strand.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    pub(crate) links: Vec<StoredObservation>,
    acts: BTreeMap<ActId, Act>,
    strands: BTreeSet<StrandId>,
    /// What their pages say in plain.
    metas: Metas,
}

/// An act that speaks of identifiers of a closure: the part it puts each of them in.
#[derive(Debug)]
struct Act {
    state: ActState,
    parts: BTreeMap<Hash16, u16>,
}

impl Closure {
    /// All strands reachable from `start`.
    pub(crate) fn of(
        pages: &dyn Pages,
        rules: &IdentityRules,
        start: StrandId,
    ) -> Result<Self, RowError> {
        let mut closure = Self { strands: BTreeSet::from([start]), ..Self::default() };
        let mut looked_up = BTreeSet::new();
        let mut queue = VecDeque::from([start]);
        while let Some(strand) = queue.pop_front() {
            let page = pages.existing(strand)?;
            closure.metas.insert(strand, page.meta());
            let mut others = closure.take_acts(pages.reader(), &page)?;
            for observation in links_of(&page)? {
                let lane = route::holder_lane(&observation.link.identifier);
                let place = (lane, observation.hash);
                // What is closed keeps its verdict until an act opens it.
                let is_closed = || route::is_closed(pages.reader(), lane, &observation.hash);
                if observation.refused.is_some_and(may_close) && is_closed()? {
                    continue;
                }
                // A mere claim joins nobody, so others with the same identifier say nothing about this strand.
                let is_followed =
                    observation.link.trusted && !rules.blocked(&observation.link.identifier);
                if is_followed && looked_up.insert(place) {
                    others.push(place);
                }
                closure.links.push(observation);
            }
            for (lane, hash) in others {
                for other in route::holders(pages.reader(), lane, &hash, CLOSURE_STRANDS_MAX)? {
                    let has_room = closure.strands.len() < CLOSURE_STRANDS_MAX;
                    if has_room && closure.strands.insert(other) {
                        queue.push_back(other);
                    }
                }
            }
        }
        Ok(closure)
    }

    /// Takes in what acts say of a strand's identifiers; returns where further strands are listed.
    fn take_acts(
        &mut self,
        reader: &dyn Reader,
        page: &Page,
    ) -> Result<Vec<(model::Lane, Hash16)>, RowError> {
        let mut others = Vec::new();
        for (name, row) in page.of_kind(Kind::Act) {
            let (id, identifier) = keys::parse_act_mark(name).ok_or(Unreadable("act"))?;
            let Some(identifier) = identifier else { continue };
            let part = row.try_into().map(u16::from_be_bytes).map_err(|_| Unreadable("act"))?;
            let act = match self.acts.entry(id) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    let state = act_state(reader, id)?.ok_or(Unreadable("act"))?;
                    // Also when it no longer holds: then it is what it joined that must be taken apart.
                    if let ActState::V1 { kind: ActKind::Merge, .. } = state {
                        others.push(keys::act_holders(id));
                    }
                    new.insert(Act { state, parts: BTreeMap::new() })
                }
            };
            act.parts.insert(identifier, part);
        }
        Ok(others)
    }

    /// The links by themselves.
    pub(crate) fn links(&self) -> Vec<Link> {
        self.links.iter().map(|observation| observation.link.clone()).collect()
    }

    /// What operators said that is in force.
    pub(crate) fn rulings(&self) -> Vec<Ruling> {
        if self.acts.is_empty() {
            return Vec::new();
        }
        let named: BTreeMap<Hash16, &Identifier> =
            self.links.iter().map(|seen| (seen.hash, &seen.link.identifier)).collect();
        let mut rulings = Vec::new();
        for Act { state, parts } in self.acts.values() {
            let ActState::V1 { kind, since, in_force: true, .. } = *state else { continue };
            let known = parts.iter().filter_map(|(hash, part)| Some((*part, *named.get(hash)?)));
            let says = match kind {
                ActKind::KeepApart => {
                    let mut apart: BTreeMap<u16, Vec<Identifier>> = BTreeMap::new();
                    known.for_each(|(part, i)| apart.entry(part).or_default().push(i.clone()));
                    Says::Apart(apart.into_values().collect())
                }
                ActKind::Merge => Says::Together(known.map(|(_, i)| i.clone()).collect()),
                ActKind::Undo(_) | ActKind::Other => continue,
            };
            rulings.push(Ruling { since, says });
        }
        rulings
    }
}

/// What has become of an act; `None` when there is no such act.
pub(crate) fn act_state(reader: &dyn Reader, id: ActId) -> Result<Option<ActState>, RowError> {
    let row = reader.get(Table::Meta, &keys::act_state(id))?;
    Ok(row.map(|row| decode(&row, "act")).transpose()?)
}

/// A link as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredObservation {
    pub(crate) hash: Hash16,
    pub(crate) link: Link,
    pub(crate) refused: Option<Reason>,
}

/// The links of one strand.
pub(crate) fn links_of(page: &Page) -> Result<Vec<StoredObservation>, RowError> {
    let mut links = Vec::new();
    for (hash, row) in page.of_kind(Kind::Link) {
        let (StoredLink::V1 { identifier, order, last, trusted }, verdict) =
            route::parse_link(row)?;
        let hash = hash.try_into().map_err(|_| Unreadable("link"))?;
        let refused = record::refused(verdict)?;
        let link = Link { strand: page.strand(), identifier, order, last, count: 1, trusted };
        links.push(StoredObservation { hash, link, refused });
    }
    Ok(links)
}

/// What the pages of a closure's strands say in plain.
type Metas = BTreeMap<StrandId, MetaHead>;

/// Resolves the closure of `start` anew and rewrites what changed.
pub(crate) fn rejoin(
    pending: &mut Pending<'_>,
    rules: &IdentityRules,
    start: StrandId,
) -> Result<Rejoined, RowError> {
    let closure = Closure::of(pending, rules, start)?;
    let resolution = resolve(&closure.links(), &closure.rulings(), rules);
    let of_people = resolution.components.iter().flat_map(|component| &component.strands);
    let metas: Metas =
        of_people.filter_map(|strand| Some((*strand, *closure.metas.get(strand)?))).collect();
    let news = write_verdicts(pending, &closure.links, &resolution.refusals, &metas)?;
    close(pending, &closure.links, &resolution, &news)?;
    let proposals = unjoined(&closure.links, &resolution, news, rules);
    let mut sizes = sizes(&resolution);
    let heads_before: BTreeSet<StrandId> = metas.values().map(|meta| meta.head).collect();
    let heads_now: BTreeSet<StrandId> = resolution.components.iter().map(|c| c.head).collect();
    let divided = divided(&resolution.components, &metas);
    let mut changed = Vec::new();
    for component in resolution.components {
        let before = load::component_strands(pending, component.head)?;
        let is_moved = |s| metas.get(s).is_none_or(|meta| meta.head != component.head);
        if before != component.strands || component.strands.iter().any(is_moved) {
            changed.push(component);
        }
    }
    let mut moved = Vec::new();
    for component in &changed {
        write_component(pending, component, &mut moved)?;
    }
    // Of the others nobody was large, and nobody is.
    let is_new = |head| changed.iter().any(|component: &Component| component.head == head);
    sizes.retain(|size| size.is_large() || is_new(size.head));
    let gone: BTreeSet<StrandId> = heads_before.difference(&heads_now).copied().collect();
    for &gone in &gone {
        pending.page_mut(gone)?.delete_all(Kind::Component);
    }
    for sides in divided {
        keep_assignments(pending, &sides)?;
    }
    let Closure { links, strands, .. } = closure;
    let identifiers = links.into_iter().map(|observation| observation.hash).collect();
    Ok(Rejoined { changed, moved, gone, identifiers, strands, proposals, sizes })
}

/// The strands of a component, by the head that they have now.
type Sides = BTreeMap<StrandId, Vec<StrandId>>;

/// The components that are no longer one, each by its sides.
fn divided(components: &[Component], metas: &Metas) -> Vec<Sides> {
    let mut by_old_head: BTreeMap<StrandId, Sides> = BTreeMap::new();
    for component in components {
        for strand in &component.strands {
            let Some(meta) = metas.get(strand) else { continue };
            let sides = by_old_head.entry(meta.head).or_default();
            sides.entry(component.head).or_default().push(*strand);
        }
    }
    by_old_head.retain(|_, sides| sides.len() > 1);
    by_old_head.into_values().collect()
}

/// Lets every side of a divided component keep the variants that it saw last.
fn keep_assignments(pending: &mut Pending<'_>, sides: &Sides) -> Result<(), RowError> {
    let mut all = Assignments::default();
    let mut own: BTreeMap<StrandId, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for (&head, strands) in sides {
        for &strand in strands {
            let page = pending.existing(strand)?;
            for (name, row) in page.of_kind(Kind::Assignment) {
                let (experience, assignment) = load::assignment(strand, name, row)?;
                all.insert(experience, assignment);
                own.entry(head).or_default().insert(name.to_vec());
            }
        }
    }
    for &head in sides.keys() {
        for (experience, assignment) in all.iter() {
            let name = experience.as_str().as_bytes();
            if own.get(&head).is_none_or(|own| !own.contains(name)) {
                let record = load::stored_assignment(assignment);
                pending.page_mut(head)?.put(Kind::Assignment, name, &encode(&record));
            }
        }
    }
    Ok(())
}

/// Writes the links whose verdict changed; returns the refusals among them.
fn write_verdicts<'r>(
    pending: &mut Pending<'_>,
    stored: &[StoredObservation],
    refusals: &'r [Refusal],
    metas: &Metas,
) -> Result<Vec<&'r Refusal>, RowError> {
    let verdicts: BTreeMap<_, &Refusal> =
        refusals.iter().map(|r| ((r.strand, &r.identifier), r)).collect();
    let mut news = Vec::new();
    for StoredObservation { hash, link, refused } in stored {
        let refusal = verdicts.get(&(link.strand, &link.identifier)).copied();
        let verdict = refusal.map(|refusal| refusal.reason);
        if verdict != *refused && metas.contains_key(&link.strand) {
            write_link(pending, hash, link, verdict)?;
            news.extend(refusal);
        }
    }
    Ok(news)
}

/// Closes the identifiers that found their holder without room, or were refused again and again, so that the next
/// strand with one of them is left out at once: a million of them cost no more than one each.
fn close(
    pending: &mut Pending<'_>,
    links: &[StoredObservation],
    resolution: &Resolution,
    news: &[&Refusal],
) -> Result<(), RowError> {
    for refusal in news.iter().filter(|refusal| may_close(refusal.reason)) {
        let holder = refusal.holder.and_then(|holder| resolution.component_of(holder));
        let is_full = refusal.reason == Reason::Full
            && holder.is_some_and(|component| {
                component.strands.len() >= MAX_STRANDS
                    || component.identifiers.len() >= MAX_IDENTIFIERS
            });
        let is_same = |other: &&Refusal| other.identifier == refusal.identifier;
        let is_worthless = || resolution.refusals.iter().filter(is_same).count() >= REFUSED_MAX;
        let seen = links.iter().find(|seen| seen.link.identifier == refusal.identifier);
        if let Some(seen) = seen.filter(|_| is_full || is_worthless()) {
            route::close(pending, route::holder_lane(&refusal.identifier), &seen.hash, true)?;
        }
    }
    Ok(())
}

/// Whether an identifier that is refused for this reason may be closed. What an operator said, and what only waits for
/// proof, is looked at each time.
fn may_close(reason: Reason) -> bool {
    match reason {
        Reason::TwoKnownUsers
        | Reason::Limit
        | Reason::SharedDevice
        | Reason::NotJoinable
        | Reason::Full
        | Reason::Large => true,
        Reason::Blocked | Reason::Unverified | Reason::KeptApart => false,
    }
}

/// How large the people of a closure are.
fn sizes(resolution: &Resolution) -> Vec<Size> {
    let full: BTreeSet<StrandId> = resolution
        .refusals
        .iter()
        .filter(|refusal| refusal.reason == Reason::Full)
        .map(|refusal| refusal.holder.unwrap_or(refusal.strand))
        .collect();
    let size = |component: &Component| Size {
        head: component.head,
        identifiers: component.identifiers.len(),
        strands: component.strands.len(),
        is_full: component.strands.iter().any(|strand| full.contains(strand)),
    };
    resolution.components.iter().map(size).collect()
}

/// The people whom new refusals kept from being joined, where an operator may see it otherwise.
fn unjoined(
    links: &[StoredObservation],
    resolution: &Resolution,
    news: Vec<&Refusal>,
    rules: &IdentityRules,
) -> Vec<Unjoined> {
    let is_open = |reason| matches!(reason, Reason::TwoKnownUsers | Reason::Limit | Reason::Large);
    let mut found = Vec::new();
    for refusal in news.into_iter().filter(|refusal| is_open(refusal.reason)) {
        let own = resolution.component_of(refusal.strand);
        let other = refusal.holder.and_then(|holder| resolution.component_of(holder));
        let (Some(own), Some(other)) = (own, other) else { continue };
        let named = |identifier: &Identifier| {
            let seen = links.iter().find(|seen| seen.link.identifier == *identifier)?;
            Some((route::holder_lane(identifier), seen.hash))
        };
        let side = |component: &Component| named(component.anchor(rules)?);
        let (a, b, evidence) = (side(own), side(other), named(&refusal.identifier));
        if own.head != other.head
            && let (Some(a), Some(b), Some(evidence)) = (a, b, evidence)
        {
            found.push(Unjoined { sides: [a, b], evidence, reason: refusal.reason });
        }
    }
    found
}

/// Writes a component's strands, and the head and consent of each of them. Pages that say so already are not
/// written again: somebody with hundreds of strands who comes with one more changes two. Notes strands that have
/// another head than before.
fn write_component(
    pending: &mut Pending<'_>,
    component: &Component,
    moved: &mut Vec<(StrandId, StrandId)>,
) -> Result<(), RowError> {
    let Component { head, strands, .. } = component;
    let listed = if strands.len() > 1 { strands.as_slice() } else { &[] };
    let names: BTreeSet<Vec<u8>> = listed.iter().map(|strand| keys::strand(*strand)).collect();
    let page = pending.existing(*head)?;
    if !page.of_kind(Kind::Component).map(|(name, _)| name).eq(names.iter().map(Vec::as_slice)) {
        let page = pending.page_mut(*head)?;
        page.delete_all(Kind::Component);
        names.iter().for_each(|name| page.put(Kind::Component, name, &[]));
    }
    let ledger = load::ledger_of(pending, strands)?;
    for &strand in strands {
        let meta = pending.existing(strand)?.meta();
        let consents = ledger.on_device(meta.unit);
        let now = MetaHead { head: *head, consents, ..meta };
        if now != meta {
            pending.page_mut(strand)?.set_meta(now);
        }
        if now.head != meta.head {
            moved.push((strand, now.head));
        }
    }
    Ok(())
}
