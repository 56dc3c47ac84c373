//! Documents made of the cases in `spec/conditions.json`: whatever parses says the same when printed, and is
//! answered as the reference answers it.

use super::spec::spec;
use crate::{
    Value,
    condition::{Condition, Rule, reference},
};

#[test]
fn any_document_is_refused_or_answered_as_the_reference_answers_it() {
    let spec = spec();
    let cases = spec.cases.iter().map(|case| &case.condition);
    let seeds = cases.chain(spec.refused.iter().map(|refused| &refused.condition));
    let seeds: Vec<String> = seeds.map(ToString::to_string).collect();
    let instants: Vec<_> = spec.cases.iter().map(|case| case.now).step_by(40).collect();
    ::fuzz::run("conditions", &seeds.join("\n"), |input| {
        let Ok(document) = serde_json::from_slice::<Value>(input) else { return "no JSON".into() };
        let condition = match Condition::parse(&document) {
            Ok(condition) => condition,
            Err(faults) => {
                return faults.first().map_or_else(String::new, |it| ::fuzz::kind_of(&it.detail));
            }
        };
        let printed = serde_json::to_value(&condition).unwrap();
        let again = Condition::parse(&printed).expect("what was printed parses");
        assert_eq!(serde_json::to_value(&again).unwrap(), printed, "printed twice");
        let (rule, again) = (Rule::compile(condition), Rule::compile(again));
        let mut outcome = String::new();
        for person in spec.people.values() {
            for &now in &instants {
                let verdict = rule.evaluate(person, now);
                assert_eq!(verdict.truth, reference::truth(&document, person, now), "at {now}");
                assert_eq!(verdict, again.evaluate(person, now), "what was printed says the same");
                assert!(
                    verdict.valid_until.is_none_or(|until| now < until),
                    "an expiry lies ahead"
                );
                outcome = format!("{:?} {}", verdict.truth, verdict.valid_until.is_some());
            }
        }
        outcome
    });
}
