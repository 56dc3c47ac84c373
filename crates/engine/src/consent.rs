//! Statements about consent in a strand's page.

use model::{PurposeSet, event::Order};

use crate::{
    keys::{self, Kind},
    load,
    page::Page,
    record::{StoredConsent, encode},
    sealed::RowError,
};

/// Adds a statement to the page of the strand that it came through, and removes those that it, or
/// a newer one that was there before, says again in full: so a client that repeats what holds with
/// every call renews its age, and the page does not grow. Says whether one that it removes said the same.
pub(crate) fn write(page: &mut Page, order: Order, said: &StoredConsent) -> Result<bool, RowError> {
    let StoredConsent::V1 { consents, identified, .. } = said;
    let mut superseded = Vec::new();
    let mut is_repeated = false;
    for (name, row) in page.of_kind(Kind::Consent) {
        let known = load::statement(page, name, row)?;
        if known.identified != *identified {
            continue;
        }
        let covers = |all: PurposeSet, part: PurposeSet| part.intersection(all) == part;
        let (new, old) = (consents.spoken(), known.consents.spoken());
        if order < known.order && covers(old, new) {
            return Ok(false);
        }
        if known.order < order && covers(new, old) {
            is_repeated |= known.consents == *consents;
            superseded.push(name.to_vec());
        }
    }
    superseded.iter().for_each(|name| page.delete(Kind::Consent, name));
    let mut name = keys::ordered(order.time).to_vec();
    name.extend_from_slice(&order.tie.to_be_bytes());
    page.put(Kind::Consent, &name, &encode(said));
    Ok(is_repeated)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Basis, Consents, Lane, Purpose, Seq, StrandId, Timestamp, UnitId};
    use profile::ConsentLedger;
    use proptest::prelude::*;
    use store::Vault;

    use super::*;
    use crate::record::MetaHead;

    proptest! {
        /// What a page keeps of statements comes to the same as all that were ever made, in whichever
        /// order they arrive.
        #[test]
        fn what_is_kept_comes_to_what_was_said(
            said in proptest::collection::vec((0..8_i64, any::<bool>(), 0..4_u32, 0..4_u32), 0..14),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let vault = Vault::open(directory.path(), 0).unwrap();
            let key = Arc::new(vault.key(vault.allocate().unwrap()).unwrap());
            let strand = StrandId { born: Seq(1), lane: Lane::from_hash(0) };
            let (unit, consents) = (UnitId(3), Consents::default());
            let meta = MetaHead { slot: 1, head: strand, unit, consents };
            let (mut page, mut all) = (Page::born(strand, meta, key), ConsentLedger::default());
            for (tie, (time, identified, granted, denied)) in (0..).zip(said) {
                let order = Order { time: Timestamp(time), tie };
                let (granted, denied) = (PurposeSet(granted << 1), PurposeSet(denied << 1));
                let consents = Consents { granted, denied };
                let source: model::Key = "web".parse().unwrap();
                let stored = StoredConsent::V1 { consents, identified, source: source.clone() };
                if !consents.is_empty() {
                    write(&mut page, order, &stored).unwrap();
                }
                let device = meta.unit;
                all.record(profile::Statement { order, strand, device, identified, consents, source });
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
