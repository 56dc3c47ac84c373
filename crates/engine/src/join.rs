//! From newly observed identifiers to components: who turns out to be whom.
//!
//! An observation that connects strands makes the engine gather the *closure*: every strand
//! reachable over shared identifiers. The pure fold `profile::identity::resolve` then divides it
//! into components by the rules, from the set of links alone, so that the order of arrival does not
//! matter. Merge and split rewrite the heads of strands, never their rows.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::ControlFlow,
    sync::Arc,
};

use model::StrandId;
use profile::identity::{Component, IdentityRules, Link, Reason, Refusal, resolve};
use store::{Reader, StrandKey, Table};

use crate::{
    keys::{self, Hash16, Kind},
    load,
    pending::Pending,
    record::{self, MetaHead, StoredLink, StoredMeta, Unreadable},
    route,
    sealed::{Keys, RowError},
};

/// Most strands that are looked at to decide who is one person. Beyond it the component stops growing.
const CLOSURE_STRANDS_MAX: usize = 2_000;

/// Writes a link row: that a strand was seen with an identifier, and what was made of it.
pub(crate) fn write_link(
    pending: &mut Pending<'_>,
    keys: &Keys,
    key: &StrandKey,
    hash: &Hash16,
    link: &Link,
    refused: Option<Reason>,
) -> Result<(), RowError> {
    let row_key = keys::row(link.strand, Kind::Link, hash);
    let record = StoredLink::V1 {
        identifier: link.identifier.clone(),
        order: link.order,
        last: link.last,
        trusted: link.trusted,
    };
    let sealed = keys.seal(key, &row_key, &[record::verdict(refused)], &record)?;
    pending.put(Table::Strand, row_key, sealed);
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
    reader: &dyn Reader,
    keys: &Keys,
    rules: &IdentityRules,
    start: StrandId,
) -> Result<Vec<StoredObservation>, RowError> {
    let mut seen = BTreeSet::from([start]);
    let mut looked_up = BTreeSet::new();
    let mut queue = VecDeque::from([start]);
    let mut links = Vec::new();
    while let Some(strand) = queue.pop_front() {
        for StoredObservation { hash, link, refused } in read_links(reader, keys, strand)? {
            let lane = route::holder_lane(&link.identifier);
            if !rules.blocked(&link.identifier) && looked_up.insert((lane, hash)) {
                for other in route::holders(reader, lane, &hash, CLOSURE_STRANDS_MAX)? {
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
    reader: &dyn Reader,
    keys: &Keys,
    strand: StrandId,
) -> Result<Vec<StoredObservation>, RowError> {
    let meta =
        reader.get(Table::Strand, &keys::kind(strand, Kind::Meta))?.ok_or(Unreadable("strand"))?;
    let key = keys.vault.key(store::Slot(MetaHead::parse(&meta)?.slot))?;
    let mut rows = Vec::new();
    let prefix = keys::kind(strand, Kind::Link);
    reader.scan(
        Table::Strand,
        store::prefix_range(&prefix),
        store::ScanOrder::Ascending,
        &mut |row_key, row| {
            rows.push((row_key.to_vec(), row.to_vec()));
            ControlFlow::Continue(())
        },
    )?;
    let mut links = Vec::with_capacity(rows.len());
    for (row_key, row) in rows {
        let StoredLink::V1 { identifier, order, last, trusted } =
            keys.open(&key, &row_key, 1, &row, "link")?;
        let hash = row_key[prefix.len()..].try_into().map_err(|_| Unreadable("link"))?;
        let refused = record::refused(*row.first().ok_or(Unreadable("link"))?)?;
        let link = Link { strand, identifier, order, last, count: 1, trusted };
        links.push(StoredObservation { hash, link, refused });
    }
    Ok(links)
}

/// The meta rows of a closure's strands.
type Metas = BTreeMap<StrandId, (MetaHead, Arc<StrandKey>, StoredMeta)>;

/// Resolves the closure of `start` anew and rewrites what changed.
pub(crate) fn rejoin(
    pending: &mut Pending<'_>,
    keys: &Keys,
    rules: &IdentityRules,
    start: StrandId,
) -> Result<Rejoined, RowError> {
    let stored = closure(pending, keys, rules, start)?;
    let mut rejoined = Rejoined {
        identifiers: stored.iter().map(|observation| observation.hash).collect(),
        ..Rejoined::default()
    };
    let links: Vec<Link> = stored.iter().map(|observation| observation.link.clone()).collect();
    let resolution = resolve(&links, rules);
    let mut metas = Metas::new();
    for component in &resolution.components {
        for &strand in &component.strands {
            metas.insert(strand, route::read_meta(pending, keys, strand)?);
        }
    }
    write_verdicts(pending, keys, &stored, &resolution.refusals, &metas)?;
    let heads_before: BTreeSet<StrandId> = metas.values().map(|(meta, ..)| meta.head).collect();
    let heads_now: BTreeSet<StrandId> = resolution.components.iter().map(|c| c.head).collect();
    for component in resolution.components {
        let before = load::component_strands(pending, component.head)?;
        let is_moved = |s| metas.get(s).is_none_or(|(meta, ..)| meta.head != component.head);
        if before != component.strands || component.strands.iter().any(is_moved) {
            rejoined.changed.push(component);
        }
    }
    rejoined.gone = heads_before.difference(&heads_now).copied().collect();
    for component in &rejoined.changed {
        write_component(pending, keys, component, &metas)?;
    }
    for &gone in &rejoined.gone {
        forget_component(pending, gone)?;
    }
    Ok(rejoined)
}

/// Writes the links whose verdict changed.
fn write_verdicts(
    pending: &mut Pending<'_>,
    keys: &Keys,
    stored: &[StoredObservation],
    refusals: &[Refusal],
    metas: &Metas,
) -> Result<(), RowError> {
    let verdicts: BTreeMap<_, Reason> =
        refusals.iter().map(|r| ((r.strand, &r.identifier), r.reason)).collect();
    for StoredObservation { hash, link, refused } in stored {
        let verdict = verdicts.get(&(link.strand, &link.identifier)).copied();
        if verdict != *refused
            && let Some((_, key, _)) = metas.get(&link.strand)
        {
            write_link(pending, keys, key, hash, link, verdict)?;
        }
    }
    Ok(())
}

/// Writes a component's strands, and the head and consent of each of them.
fn write_component(
    pending: &mut Pending<'_>,
    keys: &Keys,
    component: &Component,
    metas: &Metas,
) -> Result<(), RowError> {
    forget_component(pending, component.head)?;
    if component.strands.len() > 1 {
        for &strand in &component.strands {
            let member = keys::row(component.head, Kind::Component, &keys::strand(strand));
            pending.put(Table::Strand, member, Vec::new());
        }
    }
    let ledger = load::ledger_of(pending, keys, &component.strands)?;
    for strand in &component.strands {
        if let Some((head, key, meta)) = metas.get(strand) {
            let consents = load::basis_on(&ledger, head.unit);
            let head = MetaHead { head: component.head, consents, ..*head };
            write_meta(pending, keys, *strand, key, head, meta)?;
        }
    }
    Ok(())
}

/// Removes the rows that name a head's component.
fn forget_component(pending: &mut Pending<'_>, head: StrandId) -> Result<(), RowError> {
    for strand in load::component_strands(pending, head)? {
        pending.delete(Table::Strand, keys::row(head, Kind::Component, &keys::strand(strand)));
    }
    Ok(())
}

/// Writes a strand's meta row.
pub(crate) fn write_meta(
    pending: &mut Pending<'_>,
    keys: &Keys,
    strand: StrandId,
    key: &StrandKey,
    head: MetaHead,
    meta: &StoredMeta,
) -> Result<(), RowError> {
    let row_key = keys::kind(strand, Kind::Meta);
    let sealed = keys.seal(key, &row_key, &head.to_bytes(), meta)?;
    pending.put(Table::Strand, row_key, sealed);
    Ok(())
}
