//! The examples of the language's reference page.

use crate::{Value, condition::Condition};

const PAGE: &str = include_str!("../../../../../docs/reference/conditions.md");

#[test]
fn every_example_of_the_reference_page_is_a_condition() {
    let blocks = PAGE.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for block in blocks {
        for document in serde_json::Deserializer::from_str(block).into_iter::<Value>() {
            let document = document.unwrap_or_else(|error| panic!("{error} in {block}"));
            Condition::parse(&document).unwrap_or_else(|faults| panic!("{document}: {faults:?}"));
            count += 1;
        }
    }
    assert!(count > 20, "the page has examples");
}
