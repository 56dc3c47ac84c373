use super::*;

const PAGE: &str = include_str!("../../../../docs/reference/computed-traits.md");

#[test]
fn every_example_of_the_reference_page_can_be_computed() {
    let blocks = PAGE.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for block in blocks {
        for document in serde_json::Deserializer::from_str(block).into_iter() {
            let document: ComputedTraitDocument =
                document.unwrap_or_else(|error| panic!("{error} in {block}"));
            document.compile().unwrap_or_else(|faults| panic!("{block}: {faults:?}"));
            count += 1;
        }
    }
    assert!(3 < count, "the page has examples");
}

#[test]
fn every_measure_of_the_document_is_one_of_the_language() {
    use Measure::*;
    let all = [
        Count,
        Sum,
        Min,
        Max,
        Avg,
        Median,
        First,
        Last,
        MostFrequent,
        Unique,
        Days,
        Recency,
        Affinity,
    ];
    for measure in all {
        let mut document = serde_json::json!({"key": "k", "event": "E", "measure": measure});
        if !matches!(measure, Count | Days | Recency) {
            document["property"] = "p".into();
        }
        if measure == Affinity {
            document["half_life"] = "1d".into();
        }
        let document: ComputedTraitDocument = serde_json::from_value(document).unwrap();
        document.compile().unwrap_or_else(|faults| panic!("{measure:?}: {faults:?}"));
    }
}
