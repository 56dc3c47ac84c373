//! What events observe of who is whom.

use std::{collections::BTreeSet, sync::Arc};

use model::{Identifier, StrandId};
use profile::{Reason, identity::MAX_IDENTIFIERS};

use crate::{
    join, large,
    page::Pages as _,
    proposals,
    record::LogEntry,
    route::{self, KnownLink, Route},
    sealed::RowError,
};

use super::{Fold, LINK_LAST_STEP, LINKS_WITHOUT_LIMIT, Seen};

impl Fold<'_> {
    /// Writes links that are new or were seen earlier or much later than known, and finds out who is whom.
    pub(crate) fn observe_links(
        &mut self,
        route: Arc<Route>,
        seen: Seen<'_>,
    ) -> Result<Arc<Route>, RowError> {
        let Seen { identifiers, address, order, is_trusted } = seen;
        let keys = self.ground.keys;
        let mut changed: Option<Route> = None;
        let mut is_new = false;
        let mut device_seen = None;
        for identifier in identifiers {
            let normalised = identifier.normalised();
            if self.ground.rules.blocked(&normalised) {
                continue;
            }
            let hash = keys.identifier(&normalised);
            let links = changed.as_ref().map_or(&route.links, |changed| &changed.links);
            let before = links.iter().find(|link| link.hash == hash);
            let after = KnownLink {
                hash,
                order: before.map_or(order, |link| link.order.min(order)),
                last: before.map_or(order.time, |link| link.last.max(order.time)),
                trusted: is_trusted
                    || !normalised.kind.is_claim()
                    || before.is_some_and(|link| link.trusted),
                refused: before.and_then(|link| link.refused),
            };
            let is_same =
                |link: &KnownLink| (link.order, link.trusted) == (after.order, after.trusted);
            let is_known =
                |link: &KnownLink| is_same(link) && after.last.since(link.last) < LINK_LAST_STEP;
            let is_too_many = before.is_none() && links.len() >= MAX_IDENTIFIERS;
            if before.is_some_and(is_known) || is_too_many {
                continue;
            }
            is_new |= !before.is_some_and(is_same);
            if *identifier == address.routing && before.is_none_or(|link| after.order < link.order)
            {
                device_seen = Some(after.order);
            }
            let is_first = before.is_none();
            let after = self.write_link(&route, normalised, after, is_first)?;
            let route = changed.get_or_insert_with(|| (*route).clone());
            route.links.retain(|link| link.hash != hash);
            route.links.push(after);
        }
        let Some(changed) = changed else { return Ok(route) };
        let route = Arc::new(changed);
        self.routes.insert(route.strand, Arc::clone(&route));
        let is_user = address.user.as_ref().is_some_and(|user| *user != address.routing);
        let divided = match device_seen.filter(|_| is_user) {
            Some(order) => self.see_user(address, order)?,
            None => BTreeSet::new(),
        };
        if divided.is_empty() && (!is_new || !self.may_join(&route, identifiers)?) {
            return Ok(route);
        }
        let mut seen = self.rejoin(route.strand)?;
        for strand in divided {
            if !seen.contains(&strand) {
                seen.extend(self.rejoin(strand)?);
            }
            let head = self.pending.existing(strand)?.meta().head;
            self.spread_consents(head)?;
        }
        self.route_of(route.strand)
    }

    fn write_link(
        &mut self,
        route: &Route,
        identifier: Identifier,
        mut known: KnownLink,
        is_first: bool,
    ) -> Result<KnownLink, RowError> {
        let KnownLink { hash, order, last, trusted, refused } = known;
        let strand = route.strand;
        let link = profile::Link { strand, identifier, order, last, count: 1, trusted };
        self.identifiers.push(hash);
        let is_closed = join::write_link(&mut self.pending, &hash, &link, refused)?;
        if is_closed && is_first && route.head == strand {
            known.refused = Some(Reason::Full);
            join::write_link(&mut self.pending, &hash, &link, known.refused)?;
        }
        Ok(known)
    }

    /// Whether a new link can change who is whom: someone else has the identifier, or a limit may be reached.
    fn may_join(&self, route: &Route, identifiers: &[Identifier]) -> Result<bool, RowError> {
        // A claim without proof is no one's, and must be looked at once more when there is proof.
        let is_claim = |link: &KnownLink| !link.trusted || link.refused == Some(Reason::Unverified);
        let has_claims = route.links.iter().any(is_claim);
        if route.head != route.strand || route.links.len() > LINKS_WITHOUT_LIMIT || has_claims {
            return Ok(true);
        }
        for identifier in identifiers {
            let normalised = identifier.normalised();
            let hash = self.ground.keys.identifier(&normalised);
            let is_left_out = |link: &KnownLink| link.refused == Some(Reason::Full);
            if route.links.iter().any(|link| link.hash == hash && is_left_out(link)) {
                continue;
            }
            let lane = route::holder_lane(&normalised);
            let holders = route::holders(&self.pending, lane, &hash, 2)?;
            if holders.iter().any(|&holder| holder != route.strand) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds out anew who is whom among all strands that are connected with one; returns those.
    pub(crate) fn rejoin(&mut self, strand: StrandId) -> Result<BTreeSet<StrandId>, RowError> {
        let rejoined = join::rejoin(&mut self.pending, self.ground.rules, strand)?;
        self.identifiers.extend(rejoined.identifiers);
        for component in rejoined.changed {
            self.gone.remove(&component.head);
            self.updates.entry(component.head).or_default().is_rejoined = true;
            for strand in component.strands {
                self.heads.insert(strand, component.head);
                self.routes.remove(&strand);
            }
        }
        for (StrandId { lane, born }, head) in rejoined.moved {
            self.log(LogEntry::Head { lane, born, head });
        }
        for gone in rejoined.gone {
            self.gone.insert(gone);
            large::forget(self, gone)?;
        }
        for size in &rejoined.sizes {
            large::note(self, size)?;
        }
        for unjoined in rejoined.proposals {
            proposals::propose(self, &unjoined)?;
        }
        Ok(rejoined.strands)
    }
}
