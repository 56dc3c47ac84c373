//! Who may be looked at for a purpose today, strand by strand: for those who read copies of what happened.
//!
//! What was collected for a purpose stays in the copies; who has refused since must not be seen in them. What holds
//! for a strand stands in plain in its page, so all of it is read once, when somebody first asks, and kept up with
//! every publication from then on. It takes some thirty bytes for each strand that anything was said about.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use model::{Consents, Key, ProfileId, Purpose, PurposeSet, Seq, StrandId, consent::Basis};
use parking_lot::RwLock;
use rustc_hash::{FxHashMap, FxHashSet};
use store::{ScanOrder, Table, prefix_range};

use crate::{
    Engine, EngineError,
    keys::{self, Kind, STRAND_BYTES},
    page::Page,
    privacy::{self, RequestKind},
    record::{MetaHead, StoredStanding, decode},
    sealed::RowError,
    state::Shared,
};

/// What was said, of the strands that anything was said about. Strands are told apart by their births alone.
#[derive(Debug, Default)]
struct Stated {
    strands: FxHashMap<u64, Consents>,
    /// Everything that was stored before is there too. Until then a strand of which nothing holds any more is
    /// kept as one of which nothing was said, lest the scan bring back what held before.
    is_complete: bool,
}

impl Stated {
    fn set(&mut self, strand: StrandId, consents: Consents) {
        if self.is_complete && consents.is_empty() {
            self.strands.remove(&strand.born.0);
        } else {
            self.strands.insert(strand.born.0, consents);
        }
    }
}

/// What was said by everyone, once somebody has asked.
#[derive(Debug, Default)]
pub(crate) struct Consenting(RwLock<Option<Stated>>);

impl Consenting {
    /// Takes note of pages that changed.
    pub(crate) fn publish(&self, pages: &FxHashMap<StrandId, Arc<Page>>) {
        if self.0.read().is_none() {
            return;
        }
        if let Some(stated) = self.0.write().as_mut() {
            for (strand, page) in pages {
                stated.set(*strand, holds(page));
            }
        }
    }

    /// Reads what was stored before, the first time.
    fn learn(&self, shared: &Shared) -> Result<(), RowError> {
        // Publications are taken note of from here on, so a snapshot that is taken later misses nothing.
        if self.0.write().get_or_insert_default().is_complete {
            return Ok(());
        }
        let mut found: Vec<(StrandId, Consents)> = Vec::new();
        let frozen = shared.store.snapshot()?;
        let mut damaged = None;
        let all = store::KeyRange::all();
        frozen.scan(Table::Strand, all, ScanOrder::Ascending, &mut |key, row| {
            if key.len() == STRAND_BYTES
                && let Some(strand) = keys::parse_strand(key)
            {
                match MetaHead::parse(row) {
                    Ok(meta) if meta.consents.is_empty() => {}
                    Ok(meta) => found.push((strand, meta.consents)),
                    Err(error) => damaged = Some(error),
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = damaged {
            return Err(error.into());
        }
        for strand in restricted(shared)? {
            if let Some(page) = Page::read(&*frozen, &shared.keys, strand)? {
                found.push((strand, holds(&page)));
            }
        }
        let mut stated = self.0.write();
        let stated = stated.get_or_insert_default();
        let published = std::mem::take(&mut stated.strands);
        stated.strands = found.into_iter().map(|(strand, said)| (strand.born.0, said)).collect();
        stated.strands.extend(published);
        stated.strands.retain(|_, said| !said.is_empty());
        stated.is_complete = true;
        Ok(())
    }
}

/// What holds for a strand: what its person said, and everything refused where nothing of them is to be used.
fn holds(page: &Page) -> Consents {
    let standing = page.get(Kind::Standing, &[]).map(|row| decode(row, "standing"));
    match standing {
        Some(Ok(StoredStanding::V1 { restricted: true, .. }) | Err(_)) => {
            Consents { granted: PurposeSet::NONE, denied: PurposeSet(u32::MAX) }
        }
        Some(Ok(_)) | None => page.meta().consents,
    }
}

/// The strands of people who asked at any time that nothing of them be used.
fn restricted(shared: &Shared) -> Result<Vec<StrandId>, RowError> {
    let mut requests: Vec<Seq> = Vec::new();
    let range = prefix_range(&[privacy::rows::REQUEST]);
    shared.store.scan(Table::Meta, range, ScanOrder::Ascending, &mut |key, _| {
        requests.extend(privacy::rows::parse_request(key));
        ControlFlow::Continue(())
    })?;
    let mut strands = Vec::new();
    for id in requests {
        let record = privacy::read(shared, id)?;
        if let Some(record) = record.filter(|record| record.kind == RequestKind::Restrict) {
            strands.extend(record.strands.iter().map(|(strand, _)| *strand));
        }
    }
    Ok(strands)
}

/// What may be seen for a purpose at one moment.
#[derive(Clone, Debug)]
pub struct MayBeSeen {
    /// The purpose's key between quotation marks, as lists in JSON have it.
    quoted: String,
    /// The audiences that are made of what was collected for it.
    audiences: Arc<BTreeSet<Key>>,
    /// What goes for those who said nothing.
    silent: bool,
    /// Those of whom the other goes.
    others: Arc<FxHashSet<u64>>,
}

impl MayBeSeen {
    /// Whether rows of a strand may be seen, which is written as profiles are; not, where that does not read.
    pub fn strand(&self, strand: &str) -> bool {
        strand.parse::<ProfileId>().is_ok_and(|ProfileId(strand)| self.of(strand))
    }

    /// The same of a strand that was read.
    pub(crate) fn of(&self, strand: StrandId) -> bool {
        self.others.contains(&strand.born.0) != self.silent
    }

    /// Whether an event may be seen that was collected for these purposes, a list in JSON.
    pub fn purposes(&self, list: &str) -> bool {
        list.contains(&self.quoted)
    }

    /// Whether it may be seen who is in an audience.
    pub fn audience(&self, key: &str) -> bool {
        key.parse().is_ok_and(|key: Key| self.audiences.contains(&key))
    }
}

impl Engine {
    /// What may be seen for a purpose at this moment; nothing for one that people cannot grant. Where silence means
    /// something else in some country, those who said nothing are not seen. The first call reads what everyone said.
    ///
    /// # Errors
    ///
    /// When what is stored cannot be read.
    pub fn may_be_seen(&self, purpose: Purpose) -> Result<MayBeSeen, EngineError> {
        let shared = self.shared();
        let consenting = &shared.caches.consenting;
        consenting.learn(shared)?;
        let snapshot = shared.registry.snapshot();
        let policy = &snapshot.policy;
        let rule = policy.rules().iter().find(|rule| rule.purpose == purpose);
        let silent =
            !policy.regional().contains(purpose) && policy.effective(Basis::Unknown, purpose, None);
        let is_other = |said: &Consents| match said.basis(purpose) {
            Basis::Granted => !silent,
            Basis::Denied => silent,
            Basis::Unknown => false,
        };
        let stated = consenting.0.read();
        let strands = stated.iter().flat_map(|stated| &stated.strands);
        let others = strands.filter(|(_, said)| is_other(said)).map(|(born, _)| *born).collect();
        let audiences = snapshot.audiences.audiences().iter();
        let audiences = audiences.filter(|audience| audience.purpose() == purpose);
        Ok(MayBeSeen {
            quoted: rule.map_or_else(|| "\0".into(), |rule| format!("\"{}\"", rule.key)),
            audiences: Arc::new(audiences.map(|audience| audience.key().clone()).collect()),
            silent: silent && rule.is_some(),
            others: Arc::new(others),
        })
    }
}
