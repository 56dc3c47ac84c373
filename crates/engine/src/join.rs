//! From newly observed identifiers to components: who turns out to be whom.
//!
//! An observation that connects strands makes the engine gather the *closure*: every strand
//! reachable over shared identifiers. The pure fold `profile::identity::resolve` then divides it
//! into components by the rules, from the set of links alone, so that the order of arrival does not
//! matter. Merge and split rewrite the heads of strands, never their rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::StrandId;
use profile::identity::{Component, IdentityRules, Link, Reason, Refusal, resolve};

use crate::{
    keys::{self, Hash16, Kind},
    load,
    page::Pages,
    pending::Pending,
    record::{self, MetaHead, StoredLink, Unreadable, encode},
    route,
    sealed::RowError,
};

/// Most strands that are looked at to decide who is one person. Beyond it the component stops growing.
const CLOSURE_STRANDS_MAX: usize = 2_000;

/// Writes a link row: that a strand was seen with an identifier, and what was made of it.
pub(crate) fn write_link(
    pending: &mut Pending<'_>,
    hash: &Hash16,
    link: &Link,
    refused: Option<Reason>,
) -> Result<(), RowError> {
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

/// What a new look at a closure changed.
#[derive(Debug, Default)]
pub(crate) struct Rejoined {
    /// Components whose strands changed, by their head now.
    pub(crate) changed: Vec<Component>,
    /// Heads that are none any more.
    pub(crate) gone: BTreeSet<StrandId>,
    /// The identifiers of the closure, whose holders may have changed.
    pub(crate) identifiers: Vec<Hash16>,
}

/// All links reachable from `start`.
pub(crate) fn closure(
    pages: &dyn Pages,
    rules: &IdentityRules,
    start: StrandId,
) -> Result<Vec<StoredObservation>, RowError> {
    let mut seen = BTreeSet::from([start]);
    let mut looked_up = BTreeSet::new();
    let mut queue = VecDeque::from([start]);
    let mut links = Vec::new();
    while let Some(strand) = queue.pop_front() {
        for StoredObservation { hash, link, refused } in read_links(pages, strand)? {
            let lane = route::holder_lane(&link.identifier);
            if !rules.blocked(&link.identifier) && looked_up.insert((lane, hash)) {
                for other in route::holders(pages.reader(), lane, &hash, CLOSURE_STRANDS_MAX)? {
                    if seen.len() < CLOSURE_STRANDS_MAX && seen.insert(other) {
                        queue.push_back(other);
                    }
                }
            }
            links.push(StoredObservation { hash, link, refused });
        }
    }
    Ok(links)
}

/// A link as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredObservation {
    pub(crate) hash: Hash16,
    pub(crate) link: Link,
    pub(crate) refused: Option<Reason>,
}

/// The links of one strand.
pub(crate) fn read_links(
    pages: &dyn Pages,
    strand: StrandId,
) -> Result<Vec<StoredObservation>, RowError> {
    let page = pages.existing(strand)?;
    let mut links = Vec::new();
    for (hash, row) in page.of_kind(Kind::Link) {
        let (StoredLink::V1 { identifier, order, last, trusted }, verdict) =
            route::parse_link(row)?;
        let hash = hash.try_into().map_err(|_| Unreadable("link"))?;
        let refused = record::refused(verdict)?;
        let link = Link { strand, identifier, order, last, count: 1, trusted };
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
    let stored = closure(pending, rules, start)?;
    let mut rejoined = Rejoined {
        identifiers: stored.iter().map(|observation| observation.hash).collect(),
        ..Rejoined::default()
    };
    let links: Vec<Link> = stored.iter().map(|observation| observation.link.clone()).collect();
    let resolution = resolve(&links, rules);
    let mut metas = Metas::new();
    for component in &resolution.components {
        for &strand in &component.strands {
            metas.insert(strand, pending.existing(strand)?.meta());
        }
    }
    write_verdicts(pending, &stored, &resolution.refusals, &metas)?;
    let heads_before: BTreeSet<StrandId> = metas.values().map(|meta| meta.head).collect();
    let heads_now: BTreeSet<StrandId> = resolution.components.iter().map(|c| c.head).collect();
    for component in resolution.components {
        let before = load::component_strands(pending, component.head)?;
        let is_moved = |s| metas.get(s).is_none_or(|meta| meta.head != component.head);
        if before != component.strands || component.strands.iter().any(is_moved) {
            rejoined.changed.push(component);
        }
    }
    rejoined.gone = heads_before.difference(&heads_now).copied().collect();
    for component in &rejoined.changed {
        write_component(pending, component)?;
    }
    for &gone in &rejoined.gone {
        pending.page_mut(gone)?.delete_all(Kind::Component);
    }
    Ok(rejoined)
}

/// Writes the links whose verdict changed.
fn write_verdicts(
    pending: &mut Pending<'_>,
    stored: &[StoredObservation],
    refusals: &[Refusal],
    metas: &Metas,
) -> Result<(), RowError> {
    let verdicts: BTreeMap<_, Reason> =
        refusals.iter().map(|r| ((r.strand, &r.identifier), r.reason)).collect();
    for StoredObservation { hash, link, refused } in stored {
        let verdict = verdicts.get(&(link.strand, &link.identifier)).copied();
        if verdict != *refused && metas.contains_key(&link.strand) {
            write_link(pending, hash, link, verdict)?;
        }
    }
    Ok(())
}

/// Writes a component's strands, and the head and consent of each of them.
fn write_component(pending: &mut Pending<'_>, component: &Component) -> Result<(), RowError> {
    let head = pending.page_mut(component.head)?;
    head.delete_all(Kind::Component);
    if component.strands.len() > 1 {
        for &strand in &component.strands {
            head.put(Kind::Component, &keys::strand(strand), &[]);
        }
    }
    let ledger = load::ledger_of(pending, &component.strands)?;
    for &strand in &component.strands {
        let page = pending.page_mut(strand)?;
        let consents = load::basis_on(&ledger, page.meta().unit);
        page.set_meta(MetaHead { head: component.head, consents, ..page.meta() });
    }
    Ok(())
}
