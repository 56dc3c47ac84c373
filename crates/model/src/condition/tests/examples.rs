//! The examples of the reference pages.

use crate::{Value, condition::Condition};

const CONDITIONS: &str = include_str!("../../../../../docs/reference/conditions.md");
const CONTEXT: &str = include_str!("../../../../../docs/reference/context.md");

#[test]
fn every_example_of_the_reference_pages_is_a_condition() {
    assert!(examples(CONDITIONS) > 20, "the page has examples");
    assert!(examples(CONTEXT) >= 3);
}

/// How many examples a page has, all of which are conditions.
fn examples(page: &str) -> usize {
    let blocks = page.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for block in blocks {
        for document in serde_json::Deserializer::from_str(block).into_iter::<Value>() {
            let document = document.unwrap_or_else(|error| panic!("{error} in {block}"));
            Condition::parse(&document).unwrap_or_else(|faults| panic!("{document}: {faults:?}"));
            count += 1;
        }
    }
    count
}
