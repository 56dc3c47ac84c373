//! What holds for any set of links.

use std::collections::BTreeSet;

use model::{Duration, Identifier, IdentifierType, Timestamp, event::Order};
use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::{oracle, strand};
use crate::identity::{
    IdentityRules, Limit, Link, Per, Ruling, Says, TypeRule,
    resolve::{Bounds, resolve_within},
};

const DAY: Duration = Duration::days(1);

/// Few strands, identifiers and instants, so that they meet often.
fn identifier() -> impl Strategy<Value = Identifier> {
    let of = |kind: &str, values: &'static [&'static str]| {
        let kind = IdentifierType::parse(kind).unwrap();
        prop::sample::select(values).prop_map(move |value| Identifier::new(kind.clone(), value))
    };
    prop_oneof![
        3 => of("user_id", &["u1", "u2", "null"]),
        3 => of("email", &["1@x", "2@x", "3@x"]),
        4 => of("anonymous_id", &["a1", "a2", "a3", "a4"]),
        1 => of("device_id", &["d1", "d2"]),
        1 => of("external:crm", &["c1", "c2"]),
    ]
}

/// Events of up to three identifiers, as links.
fn links() -> impl Strategy<Value = Vec<Link>> {
    let event = (0..7_u64, 0..10_i64, vec(identifier(), 1..4), 1..4_u32, prop::bool::weighted(0.9));
    vec(event, 1..16).prop_map(|events| {
        let mut links = Vec::new();
        for (tie, (number, day, identifiers, count, trusted)) in (0..).zip(events) {
            let time = Timestamp(day * DAY.0);
            let order = Order { time, tie };
            let last = time.saturating_add(DAY);
            links.extend(identifiers.into_iter().map(|identifier| {
                // Only what a person may claim can lack proof.
                let trusted = trusted || identifier.kind == IdentifierType::AnonymousId;
                Link { strand: strand(number), identifier, order, last, count, trusted }
            }));
        }
        links
    })
}

fn rules() -> impl Strategy<Value = IdentityRules> {
    let default = IdentityRules::default();
    let kind = |text: &str| IdentifierType::parse(text).unwrap();
    let limited = |text: &str, count, per| {
        let limit = Some(Limit { count, per });
        (kind(text), TypeRule { limit, ..IdentityRules::default().rule(&kind(text)) })
    };
    let (email, tight_email) = limited("email", 1, Per::Window(Duration(3 * DAY.0)));
    let (anonymous, tight_anonymous) = limited("anonymous_id", 2, Per::Window(Duration(2 * DAY.0)));
    let (device, tight_device) = limited("device_id", 1, Per::Ever);
    let crm = kind("external:crm");
    let held = TypeRule { joinable: false, ..default.rule(&crm) };
    let tight = default
        .clone()
        .with_type(email, tight_email)
        .with_type(anonymous, tight_anonymous)
        .with_type(device, tight_device)
        .with_type(crm, held);
    prop::sample::select(vec![default, tight])
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let tight = |identifiers, strands, merges, reviewed_from| Bounds {
        identifiers,
        strands,
        merges,
        reviewed_from,
    };
    prop::sample::select(vec![
        Bounds::DEFAULT,
        tight(1_000, 1_000, 1, 100),
        tight(1_000, 1_000, 0, 100),
        tight(3, 1_000, 100, 100),
        tight(2, 1_000, 1, 100),
        tight(1_000, 2, 100, 100),
        tight(1_000, 1_000, 100, 2),
    ])
}

/// Rulings over the same identifiers, at different places of the log.
fn rulings() -> impl Strategy<Value = Vec<Ruling>> {
    let set = || vec(identifier(), 1..4);
    let says = prop_oneof![
        set().prop_map(Says::Together),
        vec(set(), 2..4).prop_map(|mut parts| {
            // An identifier is in one part.
            let mut seen = BTreeSet::new();
            for part in &mut parts {
                part.retain(|identifier| seen.insert(identifier.clone()));
            }
            Says::Apart(parts)
        }),
    ];
    vec(says, 0..4).prop_map(|all| {
        (1..).zip(all).map(|(since, says)| Ruling { since: model::Seq(since), says }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_is_the_stated_rule(
        links in links(),
        rulings in rulings(),
        rules in rules(),
        bounds in bounds(),
    ) {
        let folded = resolve_within(&links, &rulings, &rules, bounds);
        prop_assert_eq!(folded, oracle::resolve(&links, &rulings, &rules, bounds));
    }

    #[test]
    fn rulings_hold(links in links(), rulings in rulings(), rules in rules(), bounds in bounds()) {
        let resolution = resolve_within(&links, &rulings, &rules, bounds);
        // The last one has nothing later to contradict it.
        if let Some(Ruling { says: Says::Apart(parts), .. }) = rulings.last() {
            for component in &resolution.components {
                let holds = |i: &Identifier| component.identifiers.iter().any(|k| k.identifier == *i);
                let held = parts.iter().filter(|part| part.iter().any(holds)).count();
                prop_assert!(held <= 1, "{component:?} holds what is apart");
            }
        }
    }

    #[test]
    fn only_the_set_of_links_matters(
        (links, shuffled, repeated) in links().prop_flat_map(|links| {
            let shuffled = Just(links.clone()).prop_shuffle();
            let repeated = subsequence(links.clone(), 0..=links.len());
            (Just(links), shuffled, repeated)
        }),
        rulings in rulings(),
        rules in rules(),
        bounds in bounds(),
    ) {
        let folded = resolve_within(&links, &rulings, &rules, bounds);
        let again = [shuffled, repeated].concat();
        let backwards: Vec<Ruling> = rulings.into_iter().rev().collect();
        prop_assert_eq!(resolve_within(&again, &backwards, &rules, bounds), folded);
    }

    #[test]
    fn unconnected_links_do_not_meet(one in links(), other in links(), rules in rules(), bounds in bounds()) {
        let mut other = other;
        for link in &mut other {
            link.strand = strand(link.strand.born.0 + 100);
            link.identifier.value = format!("other-{}", link.identifier.value).into();
        }
        let resolve = |links: &[Link]| resolve_within(links, &[], &rules, bounds);
        let (a, b) = (resolve(&one), resolve(&other));
        let both = resolve(&[other, one].concat());
        prop_assert_eq!(both.components, [a.components, b.components].concat());
        prop_assert_eq!(both.refusals.len(), a.refusals.len() + b.refusals.len());
        prop_assert!(a.refusals.iter().chain(&b.refusals).all(|r| both.refusals.contains(r)));
        prop_assert_eq!(both.contested, a.contested.into_iter().chain(b.contested).collect());
    }

    #[test]
    fn people_are_sound(links in links(), rules in rules(), bounds in bounds()) {
        let resolution = resolve_within(&links, &[], &rules, bounds);
        let mut strands = BTreeSet::new();
        let mut identifiers = BTreeSet::new();
        for component in &resolution.components {
            let users = component.identifiers.iter().filter(|k| k.identifier.kind == IdentifierType::UserId);
            prop_assert!(users.count() <= 1, "one person, one user");
            prop_assert!(component.identifiers.len() <= bounds.identifiers);
            prop_assert!(component.strands.contains(&component.head));
            prop_assert!(component.strands.iter().all(|strand| strands.insert(*strand)), "one strand, one person");
            let held = |k: &crate::KnownIdentifier| identifiers.insert(k.identifier.clone());
            prop_assert!(component.identifiers.iter().all(held), "one identifier, one holder");
        }
        prop_assert_eq!(strands, links.iter().map(|link| link.strand).collect());
    }
}
