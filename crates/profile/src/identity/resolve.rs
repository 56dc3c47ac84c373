//! The fold of links into components: one pass in canonical order over a union-find of strands.

use std::collections::BTreeMap;

use model::{Identifier, IdentifierType, StrandId, Timestamp, event::Order};
use rustc_hash::FxHashMap;

use super::{
    Component, IdentityRules, KnownIdentifier, Limit, Link, MAX_IDENTIFIERS, MAX_MERGES, Per,
    Reason, Refusal, Resolution,
};

/// How far one component may grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) identifiers: usize,
    pub(super) merges: u32,
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
/// The answer depends on nothing but the set of links; several states of one link count as one
/// ([`Link::absorb`]). Links that no identifier connects do not influence each other, so a late
/// link makes only its own closure be folded again.
pub fn resolve(links: &[Link], rules: &IdentityRules) -> Resolution {
    resolve_within(links, rules, Bounds { identifiers: MAX_IDENTIFIERS, merges: MAX_MERGES })
}

pub(super) fn resolve_within(links: &[Link], rules: &IdentityRules, bounds: Bounds) -> Resolution {
    let links = canonical(links, rules);
    let mut fold = Fold::new(&links, rules, bounds);
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
    user: Option<&'a str>,
    /// The oldest strand that was linked to the user id it holds.
    named: Option<Index>,
    /// When each identifier it holds was first seen, by type, in order of time.
    firsts: BTreeMap<&'a IdentifierType, Vec<Timestamp>>,
    /// How many identifiers it holds.
    held: usize,
    /// How many merges made it.
    merges: u32,
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
    bounds: Bounds,
    /// All strands, by birth.
    strands: Vec<StrandId>,
    /// Union-find: the parent of each strand; a root is its own.
    parents: Vec<Index>,
    /// By root; what lies under other indices was moved into its root.
    groups: Vec<Group<'a>>,
    holdings: FxHashMap<&'a Identifier, Holding>,
    /// The strands seen with each identifier of a shared kind that is not contested yet.
    sightings: FxHashMap<&'a Identifier, Vec<Index>>,
    contested: BTreeMap<Identifier, Order>,
    refusals: Vec<(&'a Link, Reason)>,
}

impl<'a> Fold<'a> {
    /// `links` are in canonical order.
    fn new(links: &'a [Link], rules: &'a IdentityRules, bounds: Bounds) -> Self {
        let mut births: BTreeMap<StrandId, Order> = BTreeMap::new();
        for link in links {
            births.entry(link.strand).or_insert(link.order);
        }
        let group = |&born: &Order| Group { born, ..Group::default() };
        Self {
            rules,
            bounds,
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
        let holder = self.holdings.get(identifier).map(|holding| holding.strand);
        let holder = holder.map(|strand| self.root(strand));
        let contested = self.rules.rule(&identifier.kind).shared && self.contest(link, strand);
        if contested && holder != Some(own) {
            return Err(Reason::SharedDevice);
        }
        let outcome = match holder {
            Some(holder) if holder == own => Ok(()),
            Some(holder) => self.join(own, holder, link),
            None => self.attach(own, link),
        };
        match outcome {
            Ok(()) => self.hold(strand, link),
            Err(_) => self.name(strand, identifier),
        }
        outcome
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
            if *first.get_or_insert(user) != user {
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
            self.groups[root].user.get_or_insert(&identifier.value);
        }
    }

    /// Gives an identifier that nobody holds to a component.
    fn attach(&mut self, own: Index, link: &'a Link) -> Result<(), Reason> {
        let kind = &link.identifier.kind;
        let group = &mut self.groups[own];
        if *kind == IdentifierType::UserId && group.user.is_some_and(|u| u != link.identifier.value)
        {
            return Err(Reason::TwoKnownUsers);
        }
        let now = link.order.time;
        let known = group.firsts.get(kind).map_or(&[][..], Vec::as_slice);
        if !allowed(self.rules, kind, known, &[now]) {
            return Err(Reason::Limit);
        }
        if group.held >= self.bounds.identifiers {
            return Err(Reason::Full);
        }
        // Links come in order of time, so the list stays sorted.
        group.firsts.entry(kind).or_default().push(now);
        group.held += 1;
        Ok(())
    }

    /// Makes one component of two.
    fn join(&mut self, own: Index, holder: Index, link: &'a Link) -> Result<(), Reason> {
        if !self.rules.rule(&link.identifier.kind).joinable {
            return Err(Reason::NotJoinable);
        }
        let (a, b) = (&self.groups[own], &self.groups[holder]);
        if let (Some(x), Some(y)) = (a.user, b.user)
            && x != y
        {
            return Err(Reason::TwoKnownUsers);
        }
        let within_limits = a.firsts.iter().all(|(kind, firsts)| {
            b.firsts.get(kind).is_none_or(|others| allowed(self.rules, kind, firsts, others))
        });
        if !within_limits {
            return Err(Reason::Limit);
        }
        let merges = a.merges + b.merges + u32::from(a.born < link.order && b.born < link.order);
        if merges > self.bounds.merges || a.held + b.held > self.bounds.identifiers {
            return Err(Reason::Full);
        }
        self.unite(own, holder, merges);
        Ok(())
    }

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
        group.merges = merges;
    }

    /// Counts an accepted link.
    fn hold(&mut self, strand: Index, link: &'a Link) {
        let holding = self.holdings.entry(&link.identifier).or_insert(Holding {
            strand,
            first: link.order.time,
            last: link.last,
            count: 0,
        });
        holding.last = holding.last.max(link.last);
        holding.count = holding.count.saturating_add(link.count);
        if link.identifier.kind == IdentifierType::UserId {
            let root = self.root(strand);
            let group = &mut self.groups[root];
            group.user = Some(&link.identifier.value);
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
