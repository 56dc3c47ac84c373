use model::{
    Key, Purpose, PurposeSet, UnitId, Value,
    condition::{EventName, Fact, Facts, Membership, Rows, Truth},
    consent::PurposeKey,
    value::Path,
};
use serde_json::json;

use super::{InPlace, evaluate_in_place};
use crate::{
    Catalog, Change, FactsByPurpose, Memberships,
    fixture::{at, catalog, key, live, paths, row},
    reference::{Learnt, Person},
};

/// A person within a request from a mobile device.
struct Mobile<'a>(&'a dyn Facts, Value);

impl Facts for Mobile<'_> {
    fn trait_value(&self, path: &Path) -> Fact<&Value> {
        self.0.trait_value(path)
    }

    fn context(&self, path: &Path) -> Fact<&Value> {
        if path.as_str() == "device.type" { Fact::Known(&self.1) } else { Fact::Missing }
    }

    fn events(&self, name: &EventName) -> Fact<Rows<'_>> {
        self.0.events(name)
    }

    fn membership(&self, _: &Key) -> Option<Membership> {
        None
    }

    fn consents_to(&self, purpose: &PurposeKey) -> Option<bool> {
        self.0.consents_to(purpose)
    }

    fn unit(&self) -> UnitId {
        self.0.unit()
    }
}

fn buyer() -> Person {
    let mut person = Person::default();
    let row = row(at(1), PurposeSet::ALL, None);
    person.learn(&Learnt::Event { name: "Order".into(), row, paths: paths() });
    person
}

const PURPOSE: Purpose = Purpose::PERSONALIZATION;

#[test]
fn requests_answer_what_is_never_stored() {
    let catalog = catalog([
        ("buyer", json!({"event": "Order", "within": "10s"})),
        ("mobile", json!({"context": "device.type", "op": "eq", "value": "mobile"})),
        ("mobile_buyer", json!({"all": [{"audience": "mobile"}, {"audience": "buyer"}]})),
    ]);
    let person = buyer();
    let mut memberships = Memberships::default();
    let everything = catalog.touched(&Change::Everything);
    memberships.update(&catalog, &person, &everything, at(2));
    assert_eq!(memberships.entries().len(), 1, "only the buyer is stored");

    let request = Mobile(person.facts(PURPOSE), "mobile".into());
    let facts = InPlace::new(&catalog, &memberships, &request, PURPOSE, at(3));
    let both = facts.membership(&key("mobile_buyer")).unwrap();
    let valid_until = Some(at(11));
    assert_eq!(both, Membership { valid_until, ..Membership::unrecorded(Truth::True) });
    let stored = facts.membership(&key("buyer")).unwrap();
    assert_eq!(stored, Membership { since: Some(at(2)), ..both });
    assert_eq!(facts.membership(&key("unheard_of")), None);
}

#[test]
fn an_expired_answer_is_not_taken_nor_one_from_the_future() {
    let catalog = catalog([("buyer", json!({"event": "Order", "within": "10s"}))]);
    let person = buyer();
    let mut memberships = Memberships::default();
    let everything = catalog.touched(&Change::Everything);
    memberships.update(&catalog, &person, &everything, at(2));
    let seen = |now| {
        let facts = person.facts(PURPOSE);
        let facts = InPlace::new(&catalog, &memberships, facts, PURPOSE, now);
        let Membership { truth, since, .. } = facts.membership(&key("buyer")).unwrap();
        (truth, since)
    };
    assert_eq!(seen(at(10)), (Truth::True, Some(at(2))));
    assert_eq!(seen(at(11)), (Truth::False, Some(at(11))));
    assert_eq!(seen(at(15)), (Truth::False, Some(at(11))), "since it expired");
    assert_eq!(seen(at(1)), (Truth::True, None), "the clock is set back");
    assert_eq!(seen(at(0)), (Truth::False, None), "to before the order");
}

#[test]
fn another_purpose_sees_nothing() {
    let everybody = || json!({"all": []});
    let (catalog, faults) = Catalog::compile(vec![
        live("mine", 1, "personalization", everybody()),
        live("theirs", 1, "marketing", everybody()),
    ]);
    assert_eq!(faults, []);
    let person = buyer();
    let memberships = Memberships::default();
    let facts = InPlace::new(&catalog, &memberships, person.facts(PURPOSE), PURPOSE, at(3));
    let truth = |key_text| facts.membership(&key(key_text)).unwrap().truth;
    assert_eq!(truth("mine"), Truth::True);
    assert_eq!(truth("theirs"), Truth::Withheld);
    let theirs = person.facts(Purpose::MARKETING);
    let alone = evaluate_in_place(&catalog, &key("theirs"), theirs, at(3)).unwrap();
    assert_eq!(alone.truth, Truth::True);
}

/// Each audience asks twice about the one before; answered without memory this would take 2^16 evaluations.
#[test]
fn an_audience_is_evaluated_once_a_request() {
    let name = |i: usize| format!("a{i:02}");
    let chain = (0..17).map(|i| {
        let condition = match i {
            0 => json!({"event": "Order"}),
            _ => json!({"any": [{"not": {"audience": name(i - 1)}}, {"audience": name(i - 1)}]}),
        };
        live(&name(i), 1, "personalization", condition)
    });
    let (catalog, faults) = Catalog::compile(chain.collect());
    assert_eq!(faults, []);
    let person = buyer();
    let last = key(&name(16));
    let found = evaluate_in_place(&catalog, &last, person.facts(PURPOSE), at(2));
    assert_eq!(found.unwrap().truth, Truth::True);
}
