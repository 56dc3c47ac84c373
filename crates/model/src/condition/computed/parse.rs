//! From a document to a [`ComputedTrait`].

use super::{Affinity, Aggregate, ComputedTrait, Level, MAX_LEVELS, MAX_LISTED};
use crate::{
    Duration, Value,
    condition::{Window, calendar::Zone, parse, reader::Reader, statistic::Statistic},
    definition::Fault,
    value::{Object, Path},
};

/// How many different values are kept where nothing is said.
const LISTED: u16 = 20;
/// How many items are listed where nothing is said.
const ITEMS_LISTED: u16 = 5;

/// What can be made of events, each with the fields that go with it.
const MEASURES: [(&str, &[&str]); 13] = [
    ("count", &[]),
    ("sum", &["property"]),
    ("min", &["property"]),
    ("max", &["property"]),
    ("avg", &["property"]),
    ("median", &["property"]),
    ("first", &["property"]),
    ("last", &["property"]),
    ("most_frequent", &["property"]),
    ("unique", &["property", "limit"]),
    ("days", &["timezone"]),
    ("recency", &[]),
    ("affinity", &["property", "weight", "half_life", "limit"]),
];

/// The fields that say something about the measure.
const DETAILS: [&str; 5] = ["property", "weight", "half_life", "limit", "timezone"];

impl ComputedTrait {
    /// Reads a rule from the fields `event`, `where`, `within`, `measure`, what goes with the
    /// measure, and `levels`; every fault is reported with its place. Other fields are passed over.
    pub fn parse(document: &Object) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        match computed_trait(&mut reader, document) {
            Some(rule) if reader.faults().is_empty() => Ok(rule),
            _ => Err(reader.into_faults()),
        }
    }
}

fn computed_trait(reader: &mut Reader, document: &Object) -> Option<ComputedTrait> {
    let of = parse::pattern(reader, document);
    let within = window(reader, document);
    let aggregate = aggregate(reader, document);
    let levels = match document.get("levels") {
        Some(levels) => reader.inside("levels", |reader| scale(reader, levels)),
        None => Some(Vec::new()),
    };
    let (of, within, aggregate, levels) = (of?, within?, aggregate?, levels?);
    if !levels.is_empty() && !aggregate.is_number() {
        reader.fault_at("levels", "levels are made of a number: a count, a sum, days and the like");
        return None;
    }
    Some(ComputedTrait { of, within, aggregate, levels: levels.into() })
}

/// The window, where there is one. One that begins after something else, or with a visit, would make what
/// is read depend on other events, and on audiences, which are folded later.
#[expect(clippy::option_option, reason = "a field that may be left out, and may be wrong")]
fn window(reader: &mut Reader, document: &Object) -> Option<Option<Window>> {
    let within = parse::window(reader, document)?;
    if let Some(Window::Since(_) | Window::Visit) = within {
        const HELP: &str =
            "the window of a computed trait is neither `since` something else nor a visit";
        reader.fault_at("within", HELP);
        return None;
    }
    Some(within)
}

fn aggregate(reader: &mut Reader, document: &Object) -> Option<Aggregate> {
    let asked = document.get("measure").and_then(Value::as_str);
    let known = MEASURES.into_iter().find(|(word, _)| Some(*word) == asked);
    let Some((word, fields)) = known else {
        let words: Vec<&str> = MEASURES.into_iter().map(|(word, _)| word).collect();
        reader.fault_at("measure", format!("`measure` is one of {}", words.join(", ")));
        return None;
    };
    for field in DETAILS {
        if document.contains_key(field) && !fields.contains(&field) {
            reader.fault_at(field, format!("`{field}` does not go with the measure `{word}`"));
        }
    }
    let property =
        if fields.contains(&"property") { parse::path(reader, document, "property") } else { None };
    Some(match word {
        "count" => Aggregate::Count,
        "median" => Aggregate::Median(property?),
        "first" => Aggregate::First(property?),
        "last" => Aggregate::Last(property?),
        "most_frequent" => Aggregate::MostFrequent(property?),
        "unique" => {
            let limit = limit(reader, document, LISTED);
            Aggregate::Unique { property: property?, limit: limit? }
        }
        "days" => Aggregate::Days(zone(reader, document)?),
        "recency" => Aggregate::Recency,
        "affinity" => Aggregate::Affinity(affinity(reader, document, property)?),
        _ => Aggregate::Numbers { statistic: Statistic::parse(word)?, property: property? },
    })
}

fn affinity(reader: &mut Reader, document: &Object, property: Option<Path>) -> Option<Affinity> {
    let limit = limit(reader, document, ITEMS_LISTED);
    let weight = match document.contains_key("weight") {
        true => parse::path(reader, document, "weight").map(Some),
        false => Some(None),
    };
    const HELP: &str = "`half_life` is how long it takes for a weight to halve, as in \"30d\"";
    let half_life = reader.parsed::<Duration>(document, "half_life", HELP);
    let half_life = half_life.and_then(|length| parse::positive(reader, "half_life", length));
    Some(Affinity { property: property?, weight: weight?, half_life: half_life?, limit: limit? })
}

fn limit(reader: &mut Reader, document: &Object, default: u16) -> Option<u16> {
    let Some(limit) = document.get("limit") else { return Some(default) };
    let limit = limit.as_u64().and_then(|limit| u16::try_from(limit).ok());
    let limit = limit.filter(|limit| (1..=MAX_LISTED).contains(limit));
    if limit.is_none() {
        reader.fault_at("limit", format!("`limit` is a whole number from 1 to {MAX_LISTED}"));
    }
    limit
}

fn zone(reader: &mut Reader, document: &Object) -> Option<Zone> {
    parse::zone(reader, document)
}

/// The levels, each with the number it begins at, from the lowest to the highest.
fn scale(reader: &mut Reader, levels: &Value) -> Option<Vec<Level>> {
    let levels = reader.list(levels, MAX_LEVELS, "levels", level)?;
    let is_sound = match levels.split_first() {
        Some((lowest, higher)) => {
            lowest.from.is_none()
                && !higher.is_empty()
                && higher.iter().all(|level| level.from.is_some())
                && higher.windows(2).all(|pair| matches!(pair, [a, b] if a.from < b.from))
        }
        None => true,
    };
    let mut names: Vec<&str> = levels.iter().map(|level| level.name.as_str()).collect();
    names.sort_unstable();
    if !is_sound || names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        reader.fault(
            "levels go from the lowest, which has no `from`, to the highest, each with a name of its \
             own and a larger `from` than the one before",
        );
        return None;
    }
    Some(levels)
}

fn level(reader: &mut Reader, value: &Value) -> Option<Level> {
    const HELP: &str = "a level is an object, as in {\"name\":\"expert\",\"from\":20}";
    const MAX_NAME_BYTES: usize = 64;
    let object = reader.object(value, HELP)?;
    reader.refuse_unknown(object, &["name", "from"]);
    let name = object.get("name").and_then(Value::as_str);
    let name = name.filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len()));
    if name.is_none() {
        reader.fault_at("name", format!("`name` is a text of 1 to {MAX_NAME_BYTES} bytes"));
    }
    let from = match object.get("from") {
        None => Some(None),
        Some(number) => number.as_f64().filter(|number| number.is_finite()).map(Some),
    };
    if from.is_none() {
        reader.fault_at("from", "`from` is a number");
    }
    Some(Level { name: name?.into(), from: from? })
}
