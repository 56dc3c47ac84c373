use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    Comparison, Key, Kind, Level, RecordsBuilder, Settings,
    model::{Learnt, LearntLevel},
};

type Row = [Option<String>; 2];

fn plan() -> Plan {
    let name = Comparison {
        column: "name".to_owned(),
        kind: Kind::Text,
        levels: vec![Level::Exact, Level::JaroWinkler(0.9), Level::Edits(2)],
        term_frequency: true,
    };
    let born = Comparison {
        column: "born".to_owned(),
        kind: Kind::Date,
        levels: vec![Level::Exact, Level::Edits(1), Level::Days(40)],
        term_frequency: false,
    };
    let rule = |column: &str| vec![Key::Whole(column.to_owned())];
    let blocking = vec![rule("name"), rule("born")];
    Plan::new(Settings { seed: 3, blocking, comparisons: vec![name, born] }).unwrap()
}

fn records(rows: &[Row]) -> Records {
    let mut builder = RecordsBuilder::new(plan().columns().map(|(_, kind)| kind));
    for row in rows {
        builder.push(row.iter().map(Option::as_deref)).unwrap();
    }
    builder.finish()
}

fn model() -> Model {
    let learnt = |column: &str, levels: [(&str, f64, f64); 4]| Learnt {
        column: column.to_owned(),
        levels: levels.map(|(level, m, u)| LearntLevel { level: level.to_owned(), m, u }).to_vec(),
    };
    Model {
        lambda: 0.001,
        comparisons: vec![
            learnt(
                "name",
                [
                    ("exact", 0.7, 0.01),
                    ("jaro_winkler 0.9", 0.2, 0.005),
                    ("edits 2", 0.05, 0.01),
                    ("else", 0.05, 0.975),
                ],
            ),
            learnt(
                "born",
                [
                    ("exact", 0.9, 0.0001),
                    ("edits 1", 0.05, 0.001),
                    ("days 40", 0.01, 0.01),
                    ("else", 0.04, 0.9889),
                ],
            ),
        ],
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let name = prop::option::weighted(0.9, "(ann|anna|hanna|bo|bosse|[a-c]{2,4})");
    let born = prop::option::weighted(0.9, "(19700101|19700110|1970-01-01|1980010[1-9]|soon)");
    prop::collection::vec((name, born).prop_map(|(name, born)| [name, born]), 2..30)
}

proptest! {
    #[test]
    fn weights_have_no_direction_and_add_up(rows in rows()) {
        let (plan, model) = (plan(), model());
        let records = records(&rows);
        let scale = Scale::new(&plan, &records, &model);
        for a in 0..records.len() {
            for b in 0..records.len() {
                let weight = scale.weight(a, b);
                prop_assert!((weight - scale.weight(b, a)).abs() < 1e-9);
                prop_assert!((weight - scale.explain(a, b).weight()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_order_of_records_changes_no_pair(rows in rows(), by in 1_usize..29) {
        let (plan, model) = (plan(), model());
        let turned: Vec<Row> = rows.iter().cycle().skip(by).take(rows.len()).cloned().collect();
        let found = |rows: &[Row]| -> BTreeSet<(Row, Row, String)> {
            let records = records(rows);
            let linkage = Linkage::new(&plan, &records).unwrap();
            let row = |place: u32| rows[place as usize].clone();
            let scored = linkage.score(&model, 0.01).unwrap().into_iter().map(|pair| {
                let (a, b) = (row(pair.a), row(pair.b));
                let weight = format!("{:.6}", pair.weight);
                if a <= b { (a, b, weight) } else { (b, a, weight) }
            });
            scored.collect()
        };
        prop_assert_eq!(found(&rows), found(&turned));
    }

    #[test]
    fn scoring_finds_what_weighing_every_pair_finds(rows in rows(), probability in 0.001..0.999) {
        let (plan, model) = (plan(), model());
        let records = records(&rows);
        let linkage = Linkage::new(&plan, &records).unwrap();
        let found = linkage.score(&model, probability).unwrap();
        prop_assert!(found.iter().all(|pair| pair.probability() >= probability - 1e-12));
        prop_assert!(found.is_sorted_by(|x, y| x.weight >= y.weight));
        let scale = Scale::new(&plan, &records, &model);
        let mut expected = BTreeSet::new();
        for b in 0..records.len() {
            for a in 0..b {
                let is_blocked = (0..2).any(|column| {
                    let code = |record| records.code(record, column);
                    code(a) != 0 && code(a) == code(b)
                });
                if is_blocked && scale.weight(a, b) >= weight_of(probability) {
                    expected.insert((a, b));
                }
            }
        }
        prop_assert_eq!(found.iter().map(|pair| (pair.a, pair.b)).collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn learning_gives_a_sound_model_of_anything(rows in rows()) {
        let plan = plan();
        let records = records(&rows);
        let linkage = Linkage::new(&plan, &records).unwrap();
        if let Ok(model) = linkage.train() {
            prop_assert_eq!(model.check(&plan), Ok(()));
            for learnt in &model.comparisons {
                let total = |of: fn(&LearntLevel) -> f64| learnt.levels.iter().map(of).sum::<f64>();
                prop_assert!((total(|level| level.m) - 1.0).abs() < 1e-9);
                prop_assert!((total(|level| level.u) - 1.0).abs() < 1e-9);
            }
            prop_assert_eq!(linkage.train(), Ok(model));
        }
    }

    #[test]
    fn clusters_are_what_pairs_reach(
        pairs in prop::collection::vec((0_u32..20, 0_u32..20, -5.0..5.0_f64), 0..20),
    ) {
        let distinct = pairs.into_iter().filter(|(a, b, _)| a != b);
        let mut pairs: Vec<Scored> =
            distinct.map(|(a, b, weight)| Scored { a, b, weight }).collect();
        pairs.sort_by(|x, y| y.weight.total_cmp(&x.weight));
        let found = clusters(&pairs, 20);
        // Spread the smallest name along pairs until nothing changes.
        let mut names: Vec<u32> = (0..20).collect();
        for _ in 0..20 {
            for pair in &pairs {
                let least = names[pair.a as usize].min(names[pair.b as usize]);
                names[pair.a as usize] = least;
                names[pair.b as usize] = least;
            }
        }
        prop_assert_eq!(found, names);

        let kept = one_to_one(&pairs, 20);
        let ends: Vec<u32> = kept.iter().flat_map(|pair| [pair.a, pair.b]).collect();
        let distinct: BTreeSet<u32> = ends.iter().copied().collect();
        for pair in &pairs {
            // Whatever was not kept lost an end to a pair that weighs as much or more.
            let ends = |kept: &Scored| [kept.a, kept.b].iter().any(|end| [pair.a, pair.b].contains(end));
            prop_assert!(kept.iter().any(|kept| ends(kept) && kept.weight >= pair.weight));
        }
        prop_assert_eq!(distinct.len(), ends.len());
    }
}

#[test]
fn a_rare_value_weighs_more_by_its_frequency() {
    let row = |name: &str| [Some(name.to_owned()), None];
    let mut rows = vec![row("quill"), row("quill")];
    rows.extend((0..14).map(|_| row("smith")));
    let (plan, model, records) = (plan(), model(), records(&rows));
    let scale = Scale::new(&plan, &records, &model);
    let (rare, common) = (scale.weight(0, 1), scale.weight(2, 3));
    assert!((rare - common - 7_f64.log2()).abs() < 1e-9);
    // The level's own chance cancels out: what counts is m over the value's frequency.
    let expected = weight_of(0.001) + (0.7_f64 / (2.0 / 16.0)).log2();
    assert!((rare - expected).abs() < 1e-9);
}

#[test]
fn what_is_missing_says_nothing() {
    let (plan, model) = (plan(), model());
    let records = records(&[[None, None], [Some("ann".to_owned()), None]]);
    let scale = Scale::new(&plan, &records, &model);
    assert!((scale.weight(0, 1) - weight_of(0.001)).abs() < 1e-12);
}

#[test]
fn too_little_is_told() {
    let plan = plan();
    let none = records(&[]);
    assert_eq!(Linkage::new(&plan, &none).unwrap().train(), Err(NoEvidence::Records));
    let strangers = records(&[[Some("a".to_owned()), None], [Some("b".to_owned()), None]]);
    assert_eq!(Linkage::new(&plan, &strangers).unwrap().train(), Err(NoEvidence::Pairs));
}
