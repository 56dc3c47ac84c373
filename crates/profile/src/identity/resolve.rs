//! The fold of links into components: one pass in canonical order over a union-find of strands.

use std::collections::BTreeMap;

use model::{Identifier, IdentifierType, StrandId, Timestamp, event::Order};
use rustc_hash::FxHashMap;

use super::{
    Component, IdentityRules, KnownIdentifier, Limit, Link, MAX_IDENTIFIERS, MAX_MERGES,
    MAX_STRANDS, Per, REVIEWED_FROM, Reason, Refusal, Resolution, Ruling,
    ruling::{Rulings, Side},
};

/// How far one component may grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) identifiers: usize,
    pub(super) strands: usize,
    pub(super) merges: u32,
    /// Joins of people who both were there before wait for review above so many identifiers.
    pub(super) reviewed_from: usize,
}

impl Bounds {
    /// Those of every workspace.
    pub(super) const DEFAULT: Self = Self {
        identifiers: MAX_IDENTIFIERS,
        strands: MAX_STRANDS,
        merges: MAX_MERGES,
        reviewed_from: REVIEWED_FROM,
    };
}

/// Folds the links of a closure (all links of all strands that any identifier connects, refused
/// links included) into people.
///
/// Links are taken in canonical order: by `order`, within one event by priority of the identifier's
/// type, then by identifier and strand. So the weakest identifier of an event is the first to be
/// dropped. Each link is judged once, against what the links before it made:
///
/// 1. A placeholder value, or a claim that needs proof, joins nothing.
/// 2. An identifier of a shared kind is *contested* from the first link under which its strands,
///    those of refused links included, stand for two users. From then on it joins nobody; what it
///    joined before stays.
/// 3. An identifier that nobody holds is taken by the strand's component, one that another
///    component holds joins the two — unless that makes one person of two users, breaks a limit, or
///    outgrows a bound.
///
/// Rulings stand above this: identifiers that one keeps apart are never in one component, and those that
/// one puts together count as one and the same, also as users, and break no limits.
///
/// The answer depends on nothing but the sets of links and rulings; several states of one link count as one
/// ([`Link::absorb`]). Links that no identifier connects do not influence each other, so a late
/// link makes only its own closure be folded again.
pub fn resolve(links: &[Link], rulings: &[Ruling], rules: &IdentityRules) -> Resolution {
    resolve_within(links, rulings, rules, Bounds::DEFAULT)
}

pub(super) fn resolve_within(
    links: &[Link],
    rulings: &[Ruling],
    rules: &IdentityRules,
    bounds: Bounds,
) -> Resolution {
    let links = canonical(links, rules);
    let mut fold = Fold::new(&links, Rulings::settle(rulings), rules, bounds);
    for link in &links {
        if let Err(reason) = fold.take(link) {
            fold.refusals.push((link, reason));
        }
    }
    fold.finish()
}

/// One link for each pair of strand and identifier, in canonical order.
fn canonical(links: &[Link], rules: &IdentityRules) -> Vec<Link> {
    let mut links = links.to_vec();
    links.sort_by(|a, b| (a.strand, &a.identifier).cmp(&(b.strand, &b.identifier)));
    links.dedup_by(|repeated, kept| {
        let same = repeated.strand == kept.strand && repeated.identifier == kept.identifier;
        if same {
            kept.absorb(repeated);
        }
        same
    });
    links.sort_by(|a, b| {
        let priority = |link: &Link| rules.rule(&link.identifier.kind).priority;
        let key = |link: &Link| (link.order, priority(link));
        key(a).cmp(&key(b)).then_with(|| (&a.identifier, a.strand).cmp(&(&b.identifier, b.strand)))
    });
    links
}

/// Index of a strand in `Fold::strands`; a smaller one is an older strand.
type Index = usize;

/// What is known of one component while links are folded.
#[derive(Debug, Default)]
struct Group<'a> {
    /// The earliest observation of any of its strands.
    born: Order,
    /// The user it stands for: the user id it holds, else one that its strand named but that it could not hold.
    user: Option<&'a Identifier>,
    /// The oldest strand that was linked to the user id it holds.
    named: Option<Index>,
    /// When each identifier it holds was first seen, by type, in order of time.
    firsts: BTreeMap<&'a IdentifierType, Vec<Timestamp>>,
    /// How many identifiers it holds.
    held: usize,
    /// How many strands it has.
    strands: usize,
    /// How many merges made it.
    merges: u32,
    /// The parts of rulings that the identifiers it holds are in, sorted.
    sides: Vec<Side>,
}

impl Group<'_> {
    fn take_sides(&mut self, sides: &[Side]) {
        if !sides.is_empty() {
            self.sides.extend(sides);
            self.sides.sort_unstable();
            self.sides.dedup();
        }
    }
}

/// Which component holds an identifier, by any of its strands, and since when.
#[derive(Debug)]
struct Holding {
    strand: Index,
    first: Timestamp,
    last: Timestamp,
    count: u32,
}

#[derive(Debug)]
struct Fold<'a> {
    rules: &'a IdentityRules,
    rulings: Rulings<'a>,
    bounds: Bounds,
    /// All strands, by birth.
    strands: Vec<StrandId>,
    /// Union-find: the parent of each strand; a root is its own.
    parents: Vec<Index>,
    /// By root; what lies under other indices was moved into its root.
    groups: Vec<Group<'a>>,
    holdings: FxHashMap<&'a Identifier, Holding>,
    /// A strand of the component that holds identifiers of a class, by class.
    class_holders: Vec<Option<Index>>,
    /// The strands seen with each identifier of a shared kind that is not contested yet.
    sightings: FxHashMap<&'a Identifier, Vec<Index>>,
    contested: BTreeMap<Identifier, Order>,
    refusals: Vec<(&'a Link, Reason)>,
}

impl<'a> Fold<'a> {
    /// `links` are in canonical order.
    fn new(
        links: &'a [Link],
        rulings: Rulings<'a>,
        rules: &'a IdentityRules,
        bounds: Bounds,
    ) -> Self {
        let mut births: BTreeMap<StrandId, Order> = BTreeMap::new();
        for link in links {
            births.entry(link.strand).or_insert(link.order);
        }
        let group = |&born: &Order| Group { born, strands: 1, ..Group::default() };
        Self {
            rules,
            bounds,
            class_holders: vec![None; rulings.class_count()],
            rulings,
            parents: (0..births.len()).collect(),
            groups: births.values().map(group).collect(),
            strands: births.into_keys().collect(),
            holdings: FxHashMap::default(),
            sightings: FxHashMap::default(),
            contested: BTreeMap::new(),
            refusals: Vec::new(),
        }
    }

    /// Judges one link and, if it is sound, carries it out.
    fn take(&mut self, link: &'a Link) -> Result<(), Reason> {
        let identifier = &link.identifier;
        let Ok(strand) = self.strands.binary_search(&link.strand) else { return Ok(()) };
        if self.rules.blocked(identifier) {
            return Err(Reason::Blocked);
        }
        if !link.trusted {
            self.name(strand, identifier);
            return Err(Reason::Unverified);
        }
        let own = self.root(strand);
        let holder = self.holder(identifier).map(|strand| self.root(strand));
        // What only a ruling connects is asked neither for its type's rule nor for limits.
        let is_ruled = holder.is_some() && !self.holdings.contains_key(identifier);
        let contested = self.rules.rule(&identifier.kind).shared && self.contest(link, strand);
        if contested && !is_ruled && holder != Some(own) {
            return Err(Reason::SharedDevice);
        }
        let outcome = match holder {
            Some(holder) if holder == own => Ok(()),
            Some(holder) if is_ruled => self.may_join(own, holder, link),
            Some(holder) => self.may_meet(own, holder, link),
            None => self.may_attach(own, link),
        };
        let outcome = outcome.and_then(|()| self.may_hold(own, holder, link));
        match outcome {
            Ok(()) => self.hold(strand, holder, link),
            Err(_) => self.name(strand, identifier),
        }
        outcome
    }

    /// A strand of the component that holds an identifier, or one that a ruling puts together with it.
    fn holder(&self, identifier: &Identifier) -> Option<Index> {
        match self.rulings.class(identifier) {
            Some(class) => self.class_holders.get(class).copied().flatten(),
            None => self.holdings.get(identifier).map(|holding| holding.strand),
        }
    }

    /// The root of a strand's component; shortens the path on the way.
    fn root(&mut self, mut strand: Index) -> Index {
        while self.parents[strand] != strand {
            self.parents[strand] = self.parents[self.parents[strand]];
            strand = self.parents[strand];
        }
        strand
    }

    /// Notes that `strand` was seen with a shared kind of identifier; whether two users have been by now.
    fn contest(&mut self, link: &'a Link, strand: Index) -> bool {
        if self.contested.contains_key(&link.identifier) {
            return true;
        }
        let mut seen = self.sightings.remove(&link.identifier).unwrap_or_default();
        seen.push(strand);
        let mut first = None;
        for &strand in &seen {
            let root = self.root(strand);
            let Some(user) = self.groups[root].user else { continue };
            if !self.rulings.are_one(first.get_or_insert(user), user) {
                self.contested.insert(link.identifier.clone(), link.order);
                return true;
            }
        }
        self.sightings.insert(&link.identifier, seen);
        false
    }

    /// A user id that was refused still says who the strand is: it keeps the strand apart from other users.
    fn name(&mut self, strand: Index, identifier: &'a Identifier) {
        if identifier.kind == IdentifierType::UserId {
            let root = self.root(strand);
            self.groups[root].user.get_or_insert(identifier);
        }
    }

    /// Whether a component may take an identifier that nobody holds.
    fn may_attach(&self, own: Index, link: &'a Link) -> Result<(), Reason> {
        let kind = &link.identifier.kind;
        let known = self.groups[own].firsts.get(kind).map_or(&[][..], Vec::as_slice);
        if !allowed(self.rules, kind, known, &[link.order.time]) {
            return Err(Reason::Limit);
        }
        Ok(())
    }

    /// Whether the rules let an identifier that both were seen with join two components.
    fn may_meet(&self, own: Index, holder: Index, link: &'a Link) -> Result<(), Reason> {
        if !self.rules.rule(&link.identifier.kind).joinable {
            return Err(Reason::NotJoinable);
        }
        self.may_join(own, holder, link)?;
        let (a, b) = (&self.groups[own], &self.groups[holder]);
        let within_limits = a.firsts.iter().all(|(kind, firsts)| {
            b.firsts.get(kind).is_none_or(|others| allowed(self.rules, kind, firsts, others))
        });
        if !within_limits {
            return Err(Reason::Limit);
        }
        let were_both = a.born < link.order && b.born < link.order;
        if were_both && a.held + b.held > self.bounds.reviewed_from {
            return Err(Reason::Large);
        }
        Ok(())
    }

    /// Whether two components may be one person at all.
    fn may_join(&self, own: Index, holder: Index, link: &'a Link) -> Result<(), Reason> {
        let (a, b) = (&self.groups[own], &self.groups[holder]);
        if is_apart(&a.sides, &b.sides) {
            return Err(Reason::KeptApart);
        }
        if let (Some(x), Some(y)) = (a.user, b.user)
            && !self.rulings.are_one(x, y)
        {
            return Err(Reason::TwoKnownUsers);
        }
        let is_new = !self.holdings.contains_key(&link.identifier);
        if is_new && (self.is_another_user(a, link) || self.is_another_user(b, link)) {
            return Err(Reason::TwoKnownUsers);
        }
        if self.merges(own, holder, link) > self.bounds.merges {
            return Err(Reason::Full);
        }
        Ok(())
    }

    /// Whether a link names another user than the one that a component stands for.
    fn is_another_user(&self, group: &Group<'_>, link: &Link) -> bool {
        let is_other = |user| !self.rulings.are_one(user, &link.identifier);
        link.identifier.kind == IdentifierType::UserId && group.user.is_some_and(is_other)
    }

    /// How many merges the component that a link makes of two has gone through.
    fn merges(&self, own: Index, holder: Index, link: &Link) -> u32 {
        let (a, b) = (&self.groups[own], &self.groups[holder]);
        a.merges + b.merges + u32::from(a.born < link.order && b.born < link.order)
    }

    /// Whether there is room for the identifiers of both components, or of one and a new identifier, and
    /// neither another user nor a ruling keeps the new one out.
    fn may_hold(&self, own: Index, holder: Option<Index>, link: &Link) -> Result<(), Reason> {
        let groups = [Some(own), holder.filter(|holder| *holder != own)];
        let groups = groups.into_iter().flatten().map(|index| &self.groups[index]);
        let is_new = !self.holdings.contains_key(&link.identifier);
        if is_new && groups.clone().any(|group| self.is_another_user(group, link)) {
            return Err(Reason::TwoKnownUsers);
        }
        let sides = self.rulings.sides(&link.identifier);
        if is_new && groups.clone().any(|group| is_apart(&group.sides, sides)) {
            return Err(Reason::KeptApart);
        }
        let held: usize = groups.clone().map(|group| group.held).sum();
        let strands: usize = groups.map(|group| group.strands).sum();
        let is_growing = is_new || holder != Some(own);
        let is_full =
            held + usize::from(is_new) > self.bounds.identifiers || strands > self.bounds.strands;
        if is_growing && is_full {
            return Err(Reason::Full);
        }
        Ok(())
    }

    /// Makes one component of two.
    fn unite(&mut self, own: Index, holder: Index, merges: u32) {
        let (root, child) = if self.groups[own].held > self.groups[holder].held {
            (own, holder)
        } else {
            (holder, own)
        };
        self.parents[child] = root;
        let moved = std::mem::take(&mut self.groups[child]);
        let group = &mut self.groups[root];
        group.born = group.born.min(moved.born);
        group.user = group.user.or(moved.user);
        group.named = group.named.into_iter().chain(moved.named).min();
        for (kind, firsts) in moved.firsts {
            let all = group.firsts.entry(kind).or_default();
            all.extend(firsts);
            all.sort_unstable();
        }
        group.held += moved.held;
        group.strands += moved.strands;
        group.merges = merges;
        group.take_sides(&moved.sides);
    }

    /// Carries out an accepted link.
    fn hold(&mut self, strand: Index, holder: Option<Index>, link: &'a Link) {
        let identifier = &link.identifier;
        let own = self.root(strand);
        if let Some(holder) = holder.filter(|holder| *holder != own) {
            let merges = self.merges(own, holder, link);
            self.unite(own, holder, merges);
        }
        let root = self.root(strand);
        if !self.holdings.contains_key(identifier) {
            let group = &mut self.groups[root];
            // Links come in order of time, so the list stays sorted.
            group.firsts.entry(&identifier.kind).or_default().push(link.order.time);
            group.held += 1;
            group.take_sides(self.rulings.sides(identifier));
        }
        let holding = self.holdings.entry(identifier).or_insert(Holding {
            strand,
            first: link.order.time,
            last: link.last,
            count: 0,
        });
        holding.last = holding.last.max(link.last);
        holding.count = holding.count.saturating_add(link.count);
        if let Some(class) = self.rulings.class(identifier) {
            self.class_holders[class].get_or_insert(strand);
        }
        if identifier.kind == IdentifierType::UserId {
            let group = &mut self.groups[root];
            group.user.get_or_insert(identifier);
            group.named = group.named.into_iter().chain([strand]).min();
        }
    }

    fn finish(mut self) -> Resolution {
        let mut components: BTreeMap<Index, Component> = BTreeMap::new();
        for index in 0..self.strands.len() {
            let root = self.root(index);
            let strand = self.strands[index];
            // Strands come by birth, so the first of a component is its oldest.
            let component = components.entry(root).or_insert_with(|| {
                let head = self.groups[root].named.map_or(strand, |named| self.strands[named]);
                Component { head, strands: Vec::new(), identifiers: Vec::new() }
            });
            component.strands.push(strand);
        }
        let mut holders = FxHashMap::default();
        for (identifier, holding) in std::mem::take(&mut self.holdings) {
            let Holding { strand, first, last, count } = holding;
            let Some(component) = components.get_mut(&self.root(strand)) else { continue };
            holders.insert(identifier, component.head);
            let identifier = identifier.clone();
            component.identifiers.push(KnownIdentifier { identifier, first, last, count });
        }
        let mut components: Vec<Component> = components.into_values().collect();
        components.sort_unstable_by_key(|c| c.head);
        for component in &mut components {
            component.identifiers.sort_unstable_by(|a, b| a.identifier.cmp(&b.identifier));
        }
        let refuse = |(link, reason): (&Link, Reason)| Refusal {
            strand: link.strand,
            identifier: link.identifier.clone(),
            order: link.order,
            reason,
            holder: holders.get(&link.identifier).copied(),
        };
        let refusals = self.refusals.into_iter().map(refuse).collect();
        Resolution { components, refusals, contested: self.contested }
    }
}

/// Whether a ruling keeps two components apart. Both lists are sorted, and neither names two parts of one ruling.
fn is_apart(some: &[Side], others: &[Side]) -> bool {
    some.iter().any(|(ruling, part)| {
        let at = others.partition_point(|(other, _)| other < ruling);
        others.get(at).is_some_and(|(other, their)| other == ruling && their != part)
    })
}

/// Whether one person may have identifiers of `kind` first seen at these times. Both lists are sorted.
fn allowed(
    rules: &IdentityRules,
    kind: &IdentifierType,
    some: &[Timestamp],
    others: &[Timestamp],
) -> bool {
    let Some(Limit { count, per }) = rules.rule(kind).limit else { return true };
    // That user ids are unique is judged apart, because it holds for claims as well.
    if *kind == IdentifierType::UserId {
        return true;
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if some.len() + others.len() <= count {
        return true;
    }
    let Per::Window(length) = per else { return false };
    let mut all = [some, others].concat();
    all.sort_unstable();
    // One more than the limit within a half-open window is one too many.
    all.windows(count.saturating_add(1)).all(|run| match run {
        [first, .., last] => last.since(*first) >= length,
        _ => false,
    })
}
