//! The stated rule once more, as plainly as possible: nothing is remembered but the verdicts,
//! everything is found by scanning.

use std::collections::BTreeSet;

use model::{Identifier, IdentifierType, StrandId, event::Order};

use crate::identity::{
    Component, IdentityRules, KnownIdentifier, Link, Per, Reason, Refusal, Resolution, Ruling,
    Says, resolve::Bounds,
};

struct Oracle<'a> {
    rules: &'a IdentityRules,
    /// Those in force, without what later ones contradict.
    rulings: Vec<Says>,
    bounds: Bounds,
    links: Vec<Link>,
    /// The links judged so far.
    judged: Vec<(Link, Result<(), Reason>)>,
    /// One strand of the component that each merge made.
    merges: Vec<StrandId>,
    contested: Vec<(Identifier, Order)>,
}

/// What is left of rulings when the later of two that contradict one another holds.
fn in_force(rulings: &[Ruling]) -> Vec<Says> {
    let mut latest_first = rulings.to_vec();
    latest_first.sort_by_key(|ruling| std::cmp::Reverse(ruling.since));
    let mut kept: Vec<Says> = Vec::new();
    for ruling in latest_first {
        match ruling.says {
            Says::Apart(mut parts) => {
                for said in &kept {
                    let Says::Together(one) = said else { continue };
                    let (met, apart): (Vec<_>, Vec<_>) =
                        parts.into_iter().partition(|part| part.iter().any(|i| one.contains(i)));
                    parts = apart;
                    parts.push(met.concat());
                }
                kept.push(Says::Apart(parts));
            }
            Says::Together(one) => {
                let all: Vec<(&Identifier, &Identifier)> =
                    one.iter().flat_map(|x| one.iter().map(move |y| (x, y))).collect();
                if !all.iter().any(|(x, y)| are_apart(&kept, x, y)) {
                    kept.push(Says::Together(one));
                }
            }
        }
    }
    kept
}

fn are_apart(rulings: &[Says], x: &Identifier, y: &Identifier) -> bool {
    rulings.iter().any(|said| match said {
        Says::Together(_) => false,
        Says::Apart(parts) => {
            let part = |i| parts.iter().position(|part| part.contains(i));
            part(x).zip(part(y)).is_some_and(|(x, y)| x != y)
        }
    })
}

fn are_one(rulings: &[Says], x: &Identifier, y: &Identifier) -> bool {
    let mut reached = BTreeSet::from([x.clone()]);
    loop {
        let before = reached.len();
        for said in rulings {
            if let Says::Together(one) = said
                && one.iter().any(|i| reached.contains(i))
            {
                reached.extend(one.iter().cloned());
            }
        }
        if reached.len() == before {
            return reached.contains(y);
        }
    }
}

pub(super) fn resolve(
    links: &[Link],
    rulings: &[Ruling],
    rules: &IdentityRules,
    bounds: Bounds,
) -> Resolution {
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
        rulings: in_force(rulings),
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
                    let meet = || are_one(&self.rulings, &one.identifier, &other.identifier);
                    if strands.contains(&one.strand) && meet() {
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

    /// Notes whether two users were seen with a shared kind of identifier.
    fn contest(&mut self, link: &Link, own: &BTreeSet<StrandId>) {
        if self.contested.iter().any(|(i, _)| *i == link.identifier) {
            return;
        }
        let mut users = BTreeSet::new();
        users.extend(self.user(own));
        for (other, verdict) in &self.judged {
            let sighted = *verdict != Err(Reason::Unverified);
            if other.identifier == link.identifier && sighted {
                users.extend(self.user(&self.component(other.strand)));
            }
        }
        if self.are_several(&users) {
            self.contested.push((link.identifier.clone(), link.order));
        }
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
        let holds = |l: &&Link| are_one(&self.rulings, &l.identifier, &link.identifier);
        let holder = self.accepted().find(holds).map(|l| l.strand);
        let is_new = !self.accepted().any(|l| l.identifier == link.identifier);
        let is_ruled = holder.is_some() && is_new;
        let holder = holder.map(|strand| self.component(strand));
        if rule.shared {
            self.contest(link, &own);
        }
        if holder.as_ref() == Some(&own) {
            if !is_new {
                return Ok(());
            }
            self.is_one_user(link, is_new, &[&own])?;
            return self.may_hold(&self.identifiers(&own), link);
        }
        if !is_ruled && self.contested.iter().any(|(i, _)| *i == link.identifier) {
            return Err(Reason::SharedDevice);
        }
        if holder.is_some() && !is_ruled && !rule.joinable {
            return Err(Reason::NotJoinable);
        }
        let known = |strands: &BTreeSet<StrandId>| self.identifiers(strands);
        let (ours, theirs) = (known(&own), holder.as_ref().map(known).unwrap_or_default());
        if ours.iter().any(|known| self.is_kept_from(&known.identifier, &theirs)) {
            return Err(Reason::KeptApart);
        }
        let both: Vec<&BTreeSet<StrandId>> =
            [Some(&own), holder.as_ref()].into_iter().flatten().collect();
        self.is_one_user(link, is_new, &both)?;
        let Some(holder) = holder else {
            let brought = [KnownIdentifier {
                identifier: link.identifier.clone(),
                first: link.order.time,
                last: link.last,
                count: link.count,
            }];
            self.within_limits(&ours, &brought)?;
            return self.may_hold(&ours, link);
        };
        let were_both = self.born_before(&own, link.order) && self.born_before(&holder, link.order);
        let so_far = |strands: &BTreeSet<StrandId>| {
            self.merges.iter().filter(|strand| strands.contains(strand)).count()
        };
        if so_far(&own) + so_far(&holder) + usize::from(were_both) > self.bounds.merges as usize {
            return Err(Reason::Full);
        }
        let held = [&ours[..], &theirs].concat();
        if !is_ruled {
            self.within_limits(&ours, &theirs)?;
            if were_both && held.len() > self.bounds.reviewed_from {
                return Err(Reason::Large);
            }
        }
        self.may_hold(&held, link)?;
        if own.len() + holder.len() > self.bounds.strands {
            return Err(Reason::Full);
        }
        self.merges.extend(were_both.then_some(link.strand));
        Ok(())
    }

    /// Whether a ruling keeps an identifier apart from one of those held.
    fn is_kept_from(&self, identifier: &Identifier, held: &[KnownIdentifier]) -> bool {
        held.iter().any(|known| are_apart(&self.rulings, &known.identifier, identifier))
    }

    /// Whether components, and a link that is new to all, stand for one user.
    fn is_one_user(
        &self,
        link: &Link,
        is_new: bool,
        components: &[&BTreeSet<StrandId>],
    ) -> Result<(), Reason> {
        let is_user = link.identifier.kind == IdentifierType::UserId;
        let mut users: BTreeSet<String> = components.iter().filter_map(|c| self.user(c)).collect();
        users.extend((is_user && is_new).then(|| link.identifier.value.to_string()));
        if self.are_several(&users) { Err(Reason::TwoKnownUsers) } else { Ok(()) }
    }

    /// Whether user ids stand for more than one user.
    fn are_several(&self, users: &BTreeSet<String>) -> bool {
        let user = |value: &String| Identifier::new(IdentifierType::UserId, value.as_str());
        let mut users = users.iter().map(user);
        users.next().is_some_and(|first| !users.all(|user| are_one(&self.rulings, &first, &user)))
    }

    /// Whether `held` and what a link brings may be held together.
    fn may_hold(&self, held: &[KnownIdentifier], link: &Link) -> Result<(), Reason> {
        let is_new = !self.accepted().any(|l| l.identifier == link.identifier);
        if is_new && self.is_kept_from(&link.identifier, held) {
            return Err(Reason::KeptApart);
        }
        if held.len() + usize::from(is_new) > self.bounds.identifiers {
            return Err(Reason::Full);
        }
        Ok(())
    }

    /// Whether `ours` and `theirs` may be held together: asked of the types that both have.
    fn within_limits(
        &self,
        ours: &[KnownIdentifier],
        theirs: &[KnownIdentifier],
    ) -> Result<(), Reason> {
        let has = |some: &[KnownIdentifier], kind: &IdentifierType| {
            some.iter().any(|k| k.identifier.kind == *kind)
        };
        let all = [ours, theirs].concat();
        for k in all.iter().filter(|k| k.identifier.kind != IdentifierType::UserId) {
            let kind = &k.identifier.kind;
            if !has(ours, kind) || !has(theirs, kind) {
                continue;
            }
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
