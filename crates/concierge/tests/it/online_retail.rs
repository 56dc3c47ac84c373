//! A year of a real shop's invoices: imported, and asked the questions of the example's audiences.
//!
//! The data is not part of the project; the test says so and ends where it is absent.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use crate::support::{Server, run, stderr, stdout};

/// The repository, asked for when the test runs: clones share build results.
fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..")
}

fn file() -> Option<PathBuf> {
    let root = root();
    let data = std::env::var("CONCIERGE_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|_| root.join("../shared/data"));
    let file = data.join("online-retail/online_retail.csv.gz");
    file.exists().then_some(file)
}

/// The questions answered by hand, from the file itself: customers, orders, and members at the end of 2011-12-09.
fn by_hand(file: &Path) -> (usize, usize, usize) {
    let mut reader =
        csv::Reader::from_reader(MultiGzDecoder::new(std::fs::File::open(file).unwrap()));
    // Customer and order to its first line's time and its total in ten-thousandths.
    let mut orders: BTreeMap<(String, String), (String, i64)> = BTreeMap::new();
    for row in reader.records() {
        let row = row.unwrap();
        let (invoice, at, customer) = (&row[0], &row[4], &row[6]);
        if customer.is_empty() || invoice.starts_with('C') {
            continue;
        }
        let quantity: i64 = row[3].parse().unwrap();
        let price: f64 = row[5].parse().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "prices are below a million")]
        let line = quantity * (price * 10_000.0).round() as i64;
        let key = (customer.to_owned(), invoice.to_owned());
        orders.entry(key).or_insert_with(|| (at.to_owned(), 0)).1 += line;
    }
    let mut customers: BTreeMap<&str, (i64, usize, usize)> = BTreeMap::new();
    for ((customer, _), (at, total)) in &orders {
        let known = customers.entry(customer).or_default();
        // Windows (now − d, now] before 2011-12-10T00:00 in London, where it is winter at both ends
        // of the shorter ones.
        let after = |start: &str| at.as_str() > start;
        if after("2011-09-11 01:00:00") {
            known.0 += total;
        }
        known.1 += usize::from(after("2011-06-13 01:00:00"));
        known.2 += usize::from(after("2011-11-10 00:00:00"));
    }
    let spent = customers.values().filter(|(sum, _, _)| *sum > 1000 * 10_000).count();
    let quiet = customers.values().filter(|(_, half_year, month)| *half_year >= 3 && *month == 0);
    (orders.len(), spent, quiet.count())
}

#[test]
fn the_examples_audiences_hold_whom_a_count_by_hand_finds() {
    let Some(file) = file() else {
        eprintln!("skipped: online-retail is not there; CONCIERGE_DATA names the folder it is in");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let example = root().join("examples/online-retail");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let server = Server::start(dir.path(), "127.0.0.1:0");
    let definitions = text(&example.join("definitions"));
    let applied = run(dir.path(), &["apply", "-f", &definitions, "--server", &server.base]);
    assert!(applied.status.success(), "{}", stderr(&applied));
    let mapping = text(&example.join("mapping.toml"));
    let imported =
        run(dir.path(), &["import", "--mapping", &mapping, &text(&file), "--server", &server.base]);
    assert!(imported.status.success(), "{}", stderr(&imported));
    let summary = stdout(&imported);
    assert!(summary.contains("541,909 rows read, 22,190 events applied"), "{summary}");
    assert!(summary.contains("135,080 rows left out: no customer"), "{summary}");
    let count = |audience: &str| {
        let path = format!("/api/v1/audiences/{audience}/members?limit=1&at=2011-12-10T00:00:00Z");
        usize::try_from(server.get(&path)["count"].as_u64().unwrap()).unwrap()
    };
    let (orders, spent, quiet) = by_hand(&file);
    assert!(orders > 18_000 && spent > 100 && quiet > 100, "{orders} {spent} {quiet}");
    assert_eq!(count("spent_over_1000_in_90_days"), spent);
    assert_eq!(count("regulars_gone_quiet"), quiet);
    assert!(server.terminate().success());
}
