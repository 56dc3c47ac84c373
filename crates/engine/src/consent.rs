//! Statements about consent in a strand's page.

use model::event::Order;
use profile::{ConsentLedger, Statement};

use crate::{
    keys::{self, Kind},
    load,
    page::Page,
    record::{StoredConsent, encode},
    sealed::RowError,
};

/// Adds a statement to the page of the strand that it came through, and removes those that no longer
/// matter: so a client that repeats what holds with every call renews its age, and the page does not
/// grow. Says whether one that it takes the place of said the same.
pub(crate) fn write(page: &mut Page, order: Order, said: &StoredConsent) -> Result<bool, RowError> {
    let StoredConsent::V1 { consents, identified, source } = said;
    let mut ledger = ConsentLedger::default();
    load::record_statements(&mut ledger, page)?;
    ledger.record(Statement {
        order,
        strand: page.strand(),
        device: page.meta().unit,
        identified: *identified,
        consents: *consents,
        source: source.clone(),
    });
    let matters = |name: &[u8]| ledger.statements().any(|kept| keys::order(kept.order) == *name);
    let mut superseded = Vec::new();
    let mut is_repeated = false;
    for (name, row) in page.of_kind(Kind::Consent).filter(|(name, _)| !matters(name)) {
        let known = load::statement(page, name, row)?;
        is_repeated |= known.identified == *identified && known.consents == *consents;
        superseded.push(name.to_vec());
    }
    let name = keys::order(order);
    if matters(&name) {
        page.put(Kind::Consent, &name, &encode(said));
    }
    superseded.iter().for_each(|name| page.delete(Kind::Consent, name));
    Ok(is_repeated)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Basis, Consents, Lane, Purpose, PurposeSet, Seq, StrandId, Timestamp, UnitId};
    use proptest::prelude::*;
    use store::Vault;

    use super::*;
    use crate::record::MetaHead;

    proptest! {
        /// What a page keeps of statements comes to the same as all that were ever made, in whichever
        /// order they arrive and whichever hashes order those of one instant.
        #[test]
        fn what_is_kept_comes_to_what_was_said(
            said in proptest::collection::vec((0..5_i64, any::<bool>(), 0..4_u32, 0..4_u32), 0..14),
            ties in Just((0..14_u64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let vault = Vault::open(directory.path(), 0).unwrap();
            let key = Arc::new(vault.key(vault.allocate().unwrap()).unwrap());
            let strand = StrandId { born: Seq(1), lane: Lane::from_hash(0) };
            let (unit, consents) = (UnitId(3), Consents::default());
            let meta = MetaHead { slot: 1, head: strand, unit, consents };
            let (mut page, mut all) = (Page::born(strand, meta, key), ConsentLedger::default());
            for (tie, (time, identified, granted, denied)) in ties.into_iter().zip(said) {
                let order = Order { time: Timestamp(time), tie };
                let (granted, denied) = (PurposeSet(granted << 1), PurposeSet(denied << 1));
                let consents = Consents { granted, denied };
                let source: model::Key = "web".parse().unwrap();
                let stored = StoredConsent::V1 { consents, identified, source: source.clone() };
                if !consents.is_empty() {
                    write(&mut page, order, &stored).unwrap();
                }
                let device = meta.unit;
                all.record(Statement { order, strand, device, identified, consents, source });
                let mut kept = ConsentLedger::default();
                for (name, row) in page.of_kind(Kind::Consent) {
                    kept.record(load::statement(&page, name, row).unwrap());
                }
                for purpose in [Purpose::PERSONALIZATION, Purpose::ANALYTICS] {
                    let basis: [Basis; 2] = [kept.basis(purpose), all.basis(purpose)];
                    prop_assert_eq!(basis[0], basis[1]);
                }
            }
            prop_assert!(page.of_kind(Kind::Consent).count() <= 2 * 3, "bounded by what can be said");
        }
    }
}
