//! Settings for those who write none: from the names of columns what is compared, from their values how to block.

use crate::{
    records::Records,
    settings::{Comparison, Key, Like, RULES_MAX},
};

/// Pairs that a rule may make for each record: more of them find little and cost as much each.
const PAIRS_PER_RECORD: f64 = 30.0;

/// Pairs that a rule may make in any case, so that small files are compared widely.
const PAIRS_ANYWAY: f64 = 100_000.0;

/// Rules that are made of what columns hold; further ones find hardly anything new.
const RULES_INFERRED_MAX: usize = 8;

const _: () = assert!(RULES_INFERRED_MAX <= RULES_MAX);

/// Parts of names, each with what a column called so holds. The first that fits decides, so the
/// narrower ones come first: `street_number` before `street`.
const NAMES: &[(&str, Option<Like>)] = &[
    ("mail", Some(Like::Email)),
    ("phone", Some(Like::Phone)),
    ("mobile", Some(Like::Phone)),
    ("birth", Some(Like::Date)),
    ("dob", Some(Like::Date)),
    ("soc_sec", Some(Like::Number)),
    ("social", Some(Like::Number)),
    ("ssn", Some(Like::Number)),
    ("passport", Some(Like::Number)),
    ("tax", Some(Like::Number)),
    ("national", Some(Like::Number)),
    ("street_number", Some(Like::Code)),
    ("house", Some(Like::Code)),
    ("postal", Some(Like::Code)),
    ("postcode", Some(Like::Code)),
    ("post_code", Some(Like::Code)),
    ("zip", Some(Like::Code)),
    ("user_name", None),
    ("username", None),
    ("company", Some(Like::Place)),
    ("organi", Some(Like::Place)),
    ("employer", Some(Like::Place)),
    ("street", Some(Like::Place)),
    ("address", Some(Like::Place)),
    ("suburb", Some(Like::Place)),
    ("city", Some(Like::Place)),
    ("town", Some(Like::Place)),
    ("name", Some(Like::Name)),
    ("gender", Some(Like::Category)),
    ("sex", Some(Like::Category)),
    ("country", Some(Like::Category)),
    ("state", Some(Like::Category)),
    ("region", Some(Like::Category)),
];

/// What a column holds, by its name; `None` where the name says nothing, or something that does not tell people apart.
pub fn like(column: &str) -> Option<Like> {
    let name = snake_case(column);
    NAMES.iter().find(|(part, _)| name.contains(part)).and_then(|(_, like)| *like)
}

/// What is compared where nobody says: the columns whose names say what they hold.
pub fn comparisons<'a>(columns: impl IntoIterator<Item = &'a str>) -> Vec<Comparison> {
    let comparison = |column: &'a str| Some(like(column)?.comparison(column.to_owned()));
    columns.into_iter().filter_map(comparison).take(crate::settings::COMPARISONS_MAX).collect()
}

/// `FirstName`, `first name` and `first-name` as `first_name`.
fn snake_case(name: &str) -> String {
    let mut words = String::new();
    let mut before_is_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && before_is_lower {
            words.push('_');
        }
        before_is_lower = letter.is_lowercase() || letter.is_numeric();
        if letter.is_alphanumeric() {
            words.extend(letter.to_lowercase());
        } else {
            words.push('_');
        }
    }
    words
}

/// Rules for records whose columns are those of the comparisons, in their order.
///
/// A column that few records share is a rule by itself; of those that many share, two together are.
pub fn blocking(comparisons: &[Comparison], records: &Records) -> Vec<Vec<Key>> {
    let most = (PAIRS_PER_RECORD * f64::from(records.len())).max(PAIRS_ANYWAY);
    let (mut narrow, mut wide) = (Vec::new(), Vec::new());
    for column in 0..comparisons.len() {
        let pairs = records.equal_pairs(&[column]);
        if pairs <= most {
            narrow.push((pairs, vec![column]));
        } else {
            wide.push(column);
        }
    }
    let mut both = Vec::new();
    for (place, &first) in wide.iter().enumerate() {
        for &second in wide.iter().skip(place + 1) {
            let pairs = records.equal_pairs(&[first, second]);
            if pairs <= most {
                both.push((pairs, vec![first, second]));
            }
        }
    }
    narrow.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    both.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let key = |column: usize| {
        let column = comparisons.get(column).map(|it| it.column.clone());
        Key::Whole(column.unwrap_or_default())
    };
    let rules = narrow.into_iter().chain(both).filter(|(pairs, _)| *pairs > 0.0);
    let rules = rules.map(|(_, columns)| columns.into_iter().map(key).collect());
    rules.take(RULES_INFERRED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RecordsBuilder, settings::Kind};

    #[test]
    fn names_tell_what_columns_hold() {
        let found = |name: &str| like(name);
        assert_eq!(found("FirstName"), Some(Like::Name));
        assert_eq!(found("E-Mail"), Some(Like::Email));
        assert_eq!(found("date of birth"), Some(Like::Date));
        assert_eq!(found("street_number"), Some(Like::Code));
        assert_eq!(found("Street"), Some(Like::Place));
        assert_eq!(found("companyName"), Some(Like::Place));
        assert_eq!(found("username"), None);
        assert_eq!(found("plan"), None);
    }

    #[test]
    fn common_values_block_two_by_two() {
        let comparisons = comparisons(["email", "city", "zip"]);
        let mut builder = RecordsBuilder::new([Kind::Text; 3]);
        for record in 0..2_000_u32 {
            let row = [record / 2, record % 10, record % 13].map(|value| Some(value.to_string()));
            builder.push(row).unwrap();
        }
        let key = |column: &str| Key::Whole(column.to_owned());
        let rules = blocking(&comparisons, &builder.finish());
        assert_eq!(rules, [vec![key("email")], vec![key("city"), key("zip")]]);
    }
}
