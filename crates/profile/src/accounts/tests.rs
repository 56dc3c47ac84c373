//! What was said of accounts, in any order.

use model::{PurposeSet, Timestamp, condition::Account as _};
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn origin(time: i64, purposes: PurposeSet) -> Origin {
    let order = Order { time: Timestamp(time), tie: 1 };
    Origin { order, source: "web".parse().unwrap(), purposes }
}

fn said() -> impl Strategy<Value = Belonging> {
    let role = prop::option::of(select(vec!["admin", "guest"]));
    (0..4_u8, 0..12_i64, any::<bool>(), role).prop_map(|(account, time, is_member, role)| {
        let origin = origin(time, PurposeSet::ALL);
        let role = role.map(|name| Role { name: name.into(), origin: origin.clone() });
        Belonging { account: format!("a{account}").into(), is_member, origin, role }
    })
}

fn taken<'a>(all: impl IntoIterator<Item = &'a Belonging>) -> Belongings {
    let mut belongings = Belongings::default();
    all.into_iter().for_each(|said| drop(belongings.take(said.clone())));
    belongings
}

proptest! {
    /// The newest word on each thing, by brute force.
    #[test]
    fn the_newest_word_counts_in_whichever_order_it_arrives(
        all in vec(said(), 0..12), cut in any::<prop::sample::Index>(),
    ) {
        let forwards = taken(&all);
        prop_assert_eq!(&forwards, &taken(all.iter().rev()));
        let (one, other) = all.split_at(cut.index(all.len() + 1));
        let mut merged = taken(one);
        merged.merge(&taken(other));
        merged.merge(&taken(one));
        prop_assert_eq!(&forwards, &merged);
        for account in ["a0", "a1", "a2", "a3"] {
            let words: Vec<_> = all.iter().filter(|said| said.account == account).collect();
            let newest = words.iter().map(|said| (said.origin.order, said.is_member)).max();
            let known = forwards.get(account);
            prop_assert_eq!(known.map(|said| (said.origin.order, said.is_member)), newest);
            let role = words.iter().filter_map(|said| said.role.as_ref());
            let role = role.map(|role| (role.origin.order, &role.name)).max();
            let known = known.and_then(|said| said.role.as_ref());
            prop_assert_eq!(known.map(|role| (role.origin.order, &role.name)), role);
        }
    }
}

#[test]
fn those_told_of_longest_ago_are_dropped() {
    let one = |time: i64| Belonging {
        account: format!("a{time}").into(),
        is_member: true,
        origin: origin(time, PurposeSet::ALL),
        role: None,
    };
    let count = i64::try_from(MAX_ACCOUNTS).unwrap() + 20;
    let mut all: Vec<Belonging> = (0..count).map(one).collect();
    let forwards = taken(&all);
    all.reverse();
    assert_eq!(forwards, taken(&all));
    assert_eq!(forwards.iter().count(), MAX_ACCOUNTS);
    assert!(forwards.get("a19").is_none());
    assert_eq!(forwards.newest_first()[0].account, format!("a{}", count - 1));
}

struct Acting;

impl Audiences for Acting {
    fn acting(&self, audience: &Key) -> Option<(u32, Purpose)> {
        let purpose = match audience.as_str() {
            "pricing" => Purpose::PERSONALIZATION,
            "newsletter" => Purpose::MARKETING,
            _ => return None,
        };
        Some((2, purpose))
    }
}

#[test]
fn what_was_collected_for_another_purpose_is_withheld() {
    let (read, other) = (Purpose::PERSONALIZATION, Purpose::MARKETING);
    let mut account = Account::new("acme");
    let (for_read, for_other) = (PurposeSet::NONE.with(read), PurposeSet::NONE.with(other));
    let traits = |name: &str| [(name.to_owned(), Value::from(300))].into_iter().collect();
    let source = "crm".parse().unwrap();
    let order = origin(5, for_read).order;
    account.traits.observe(&traits("employees"), &source, order, for_read);
    account.traits.observe(&traits("revenue"), &source, order, for_other);
    account.members = 4;
    let counted =
        |audience: &str, version| Counted { audience: audience.parse().unwrap(), version };
    account.counts.insert(counted("pricing", 1), Count { inside: 4, outside: 0 });
    account.counts.insert(counted("pricing", 2), Count { inside: 1, outside: 2 });
    account.counts.insert(counted("newsletter", 2), Count { inside: 1, outside: 2 });
    let accounts = [Arc::new(account)];
    let around = Around { accounts: &accounts, audiences: &Acting };
    let role = Some(Role { name: "admin".into(), origin: origin(1, for_other) });
    let said =
        Belonging { account: "acme".into(), is_member: true, origin: origin(5, for_read), role };
    let seen = AccountView::new(&said, around, read);
    let path = |path| Path::parse(path).unwrap();
    assert_eq!(seen.trait_value(&path("employees")), Fact::Known(&Value::from(300)));
    assert_eq!(seen.trait_value(&path("revenue")), Fact::Withheld);
    assert_eq!(seen.trait_value(&path("plan")), Fact::Missing);
    assert_eq!(seen.role(), Fact::Withheld);
    assert_eq!(seen.id(), "acme");
    let fields = serde_json::json!({"id": "acme", "traits": {"employees": 300}});
    assert_eq!(Value::Object(seen.fields()), fields);
    let share = |audience: &str| seen.share(&audience.parse().unwrap());
    assert_eq!(share("pricing"), Share { members: 4, inside: 1, outside: 2 });
    assert_eq!(share("newsletter").inside, 0, "an audience of another purpose tells nothing");
    assert!(share("newsletter").members > 4);
    let gone = AccountView::new(&said, Around { accounts: &[], audiences: &Acting }, read);
    assert_eq!(gone.trait_value(&path("employees")), Fact::Withheld);
}
