//! The stated rule once more, as plainly as possible: nothing is remembered but the verdicts,
//! everything is found by scanning.

use std::collections::BTreeSet;

use model::{Identifier, IdentifierType, StrandId, event::Order};

use crate::identity::{
    Component, IdentityRules, KnownIdentifier, Link, Per, Reason, Refusal, Resolution,
    resolve::Bounds,
};

struct Oracle<'a> {
    rules: &'a IdentityRules,
    bounds: Bounds,
    links: Vec<Link>,
    /// The links judged so far.
    judged: Vec<(Link, Result<(), Reason>)>,
    /// One strand of the component that each merge made.
    merges: Vec<StrandId>,
    contested: Vec<(Identifier, Order)>,
}

pub(super) fn resolve(links: &[Link], rules: &IdentityRules, bounds: Bounds) -> Resolution {
    let mut unique: Vec<Link> = Vec::new();
    for link in links {
        match unique.iter_mut().find(|l| l.strand == link.strand && l.identifier == link.identifier)
        {
            Some(known) => {
                known.order = known.order.min(link.order);
                known.last = known.last.max(link.last);
                known.count = known.count.max(link.count);
                known.trusted = known.trusted || link.trusted;
            }
            None => unique.push(link.clone()),
        }
    }
    let mut oracle = Oracle {
        rules,
        bounds,
        links: unique.clone(),
        judged: Vec::new(),
        merges: Vec::new(),
        contested: Vec::new(),
    };
    while !unique.is_empty() {
        let place = |link: &Link| {
            let priority = rules.rule(&link.identifier.kind).priority;
            (link.order, priority, link.identifier.clone(), link.strand)
        };
        let next = (0..unique.len()).min_by_key(|&i| place(&unique[i])).unwrap();
        let link = unique.remove(next);
        let verdict = oracle.judge(&link);
        oracle.judged.push((link, verdict));
    }
    oracle.answer()
}

impl Oracle<'_> {
    fn accepted(&self) -> impl Iterator<Item = &Link> {
        self.judged.iter().filter(|(_, verdict)| verdict.is_ok()).map(|(link, _)| link)
    }

    fn component(&self, strand: StrandId) -> BTreeSet<StrandId> {
        let mut strands = BTreeSet::from([strand]);
        loop {
            let before = strands.len();
            for one in self.accepted() {
                for other in self.accepted() {
                    if one.identifier == other.identifier && strands.contains(&one.strand) {
                        strands.insert(other.strand);
                    }
                }
            }
            if strands.len() == before {
                return strands;
            }
        }
    }

    /// The user id a component holds, else the first that one of its strands named in vain.
    fn user(&self, strands: &BTreeSet<StrandId>) -> Option<String> {
        let of = |wanted: bool| {
            let named = |(link, verdict): &&(Link, Result<(), Reason>)| {
                strands.contains(&link.strand)
                    && link.identifier.kind == IdentifierType::UserId
                    && verdict.is_ok() == wanted
                    && *verdict != Err(Reason::Blocked)
            };
            self.judged.iter().find(named).map(|(link, _)| link.identifier.value.to_string())
        };
        of(true).or_else(|| of(false))
    }

    fn identifiers(&self, strands: &BTreeSet<StrandId>) -> Vec<KnownIdentifier> {
        let mut known: Vec<KnownIdentifier> = Vec::new();
        for link in self.accepted().filter(|link| strands.contains(&link.strand)) {
            match known.iter_mut().find(|k| k.identifier == link.identifier) {
                Some(k) => {
                    k.first = k.first.min(link.order.time);
                    k.last = k.last.max(link.last);
                    k.count += link.count;
                }
                None => known.push(KnownIdentifier {
                    identifier: link.identifier.clone(),
                    first: link.order.time,
                    last: link.last,
                    count: link.count,
                }),
            }
        }
        known
    }

    fn born_before(&self, strands: &BTreeSet<StrandId>, order: Order) -> bool {
        self.links.iter().any(|link| strands.contains(&link.strand) && link.order < order)
    }

    fn judge(&mut self, link: &Link) -> Result<(), Reason> {
        let rule = self.rules.rule(&link.identifier.kind);
        if self.rules.blocked(&link.identifier) {
            return Err(Reason::Blocked);
        }
        if !link.trusted {
            return Err(Reason::Unverified);
        }
        let own = self.component(link.strand);
        let holder = self.accepted().find(|l| l.identifier == link.identifier).map(|l| l.strand);
        let holder = holder.map(|strand| self.component(strand));
        if rule.shared && !self.contested.iter().any(|(i, _)| *i == link.identifier) {
            let mut users = BTreeSet::new();
            users.extend(self.user(&own));
            for (other, verdict) in &self.judged {
                let sighted = *verdict != Err(Reason::Unverified);
                if other.identifier == link.identifier && sighted {
                    users.extend(self.user(&self.component(other.strand)));
                }
            }
            if users.len() > 1 {
                self.contested.push((link.identifier.clone(), link.order));
            }
        }
        if holder.as_ref() == Some(&own) {
            return Ok(());
        }
        if self.contested.iter().any(|(i, _)| *i == link.identifier) {
            return Err(Reason::SharedDevice);
        }
        if holder.is_some() && !rule.joinable {
            return Err(Reason::NotJoinable);
        }
        let is_user = link.identifier.kind == IdentifierType::UserId;
        let mut users: BTreeSet<String> = BTreeSet::new();
        users.extend(self.user(&own));
        users.extend(holder.as_ref().and_then(|h| self.user(h)));
        users.extend(is_user.then(|| link.identifier.value.to_string()));
        if users.len() > 1 {
            return Err(Reason::TwoKnownUsers);
        }
        let mut all = self.identifiers(&own);
        match &holder {
            Some(holder) => all.extend(self.identifiers(holder)),
            None => all.push(KnownIdentifier {
                identifier: link.identifier.clone(),
                first: link.order.time,
                last: link.last,
                count: link.count,
            }),
        }
        self.within_limits(&all)?;
        if all.len() > self.bounds.identifiers {
            return Err(Reason::Full);
        }
        if let Some(holder) = holder {
            let both = self.born_before(&own, link.order) && self.born_before(&holder, link.order);
            let so_far = |strands: &BTreeSet<StrandId>| {
                self.merges.iter().filter(|strand| strands.contains(strand)).count()
            };
            if so_far(&own) + so_far(&holder) + usize::from(both) > self.bounds.merges as usize {
                return Err(Reason::Full);
            }
            self.merges.extend(both.then_some(link.strand));
        }
        Ok(())
    }

    fn within_limits(&self, all: &[KnownIdentifier]) -> Result<(), Reason> {
        for k in all.iter().filter(|k| k.identifier.kind != IdentifierType::UserId) {
            let Some(limit) = self.rules.rule(&k.identifier.kind).limit else { continue };
            let counts = |other: &&KnownIdentifier| {
                other.identifier.kind == k.identifier.kind
                    && match limit.per {
                        Per::Ever => true,
                        Per::Window(length) => {
                            k.first.saturating_sub(length) < other.first && other.first <= k.first
                        }
                    }
            };
            if all.iter().filter(counts).count() > limit.count as usize {
                return Err(Reason::Limit);
            }
        }
        Ok(())
    }

    fn answer(self) -> Resolution {
        let strands: BTreeSet<StrandId> = self.links.iter().map(|link| link.strand).collect();
        let parts: BTreeSet<BTreeSet<StrandId>> =
            strands.iter().map(|&strand| self.component(strand)).collect();
        let head = |part: &BTreeSet<StrandId>| {
            let named = self.accepted().filter(|link| {
                link.identifier.kind == IdentifierType::UserId && part.contains(&link.strand)
            });
            named.map(|link| link.strand).min().or(part.first().copied()).unwrap()
        };
        let mut components: Vec<Component> = Vec::new();
        for part in &parts {
            let mut identifiers = self.identifiers(part);
            identifiers.sort_by_key(|k| k.identifier.clone());
            let strands = part.iter().copied().collect();
            components.push(Component { head: head(part), strands, identifiers });
        }
        components.sort_by_key(|c| c.head);
        let holder = |identifier: &Identifier| {
            let holds = |c: &&Component| c.identifiers.iter().any(|k| k.identifier == *identifier);
            components.iter().find(holds).map(|c| c.head)
        };
        let refusal = |(link, verdict): &(Link, Result<(), Reason>)| {
            Some(Refusal {
                strand: link.strand,
                identifier: link.identifier.clone(),
                order: link.order,
                reason: verdict.err()?,
                holder: holder(&link.identifier),
            })
        };
        let refusals = self.judged.iter().filter_map(refusal).collect();
        Resolution { components, refusals, contested: self.contested.into_iter().collect() }
    }
}
