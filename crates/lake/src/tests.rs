use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use ::parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};
use bytes::Bytes;
use model::{Value, value::Object};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A file in memory that can be read once its writer is gone.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(format: Format, table: &'static Table, rows: &[Object]) -> Vec<u8> {
    let file = Shared::default();
    let mut writer = writer(format, table, Box::new(file.clone())).unwrap();
    for row in rows {
        writer.write(row).unwrap();
    }
    writer.finish().unwrap();
    std::mem::take(&mut *file.0.lock().unwrap())
}

fn text(format: Format, table: &'static Table, rows: &[Object]) -> String {
    String::from_utf8(written(format, table, rows)).unwrap()
}

fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("not an object") };
    object
}

/// The rows of a Parquet file, each value as its column's kind writes it in JSON.
fn read(bytes: Vec<u8>, table: &'static Table) -> Vec<Object> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    let row = |row: ::parquet::record::Row| {
        let columns = row.get_column_iter().zip(table.columns);
        let values = columns.filter_map(|((name, field), column)| {
            assert_eq!(name, column.name);
            let value = match field {
                Field::Null => return None,
                Field::Bool(truth) => json!(truth),
                Field::Long(number) => json!(number),
                Field::Double(number) => json!(number),
                Field::Str(text) if column.kind == Kind::Json => {
                    serde_json::from_str(text).unwrap()
                }
                Field::Str(text) => json!(text),
                Field::Bytes(bytes) => serde_json::from_slice(bytes.data()).unwrap(),
                Field::TimestampMillis(time) => json!(model::Timestamp(*time)),
                other => panic!("{other:?}"),
            };
            Some((name.clone(), value))
        });
        values.collect()
    };
    rows.map(|found| row(found.unwrap())).collect()
}

fn member() -> Object {
    object(json!({
        "audience": "vip", "audience_version": 3, "profile": "p1", "user_id": "a \"b\", c",
        "since": "2026-11-26T07:00:00.250Z",
    }))
}

#[test]
fn rows_are_written_as_each_format_has_them() {
    let table = &table::MEMBERSHIPS;
    assert_eq!(
        text(Format::Csv, table, &[member()]),
        "audience,audience_version,profile,user_id,since,valid_until\n\
         vip,3,p1,\"a \"\"b\"\", c\",2026-11-26T07:00:00.250Z,\n"
    );
    let line: Value = serde_json::from_str(&text(Format::Jsonl, table, &[member()])).unwrap();
    assert_eq!(line, Value::Object(member()));
    assert_eq!(read(written(Format::Parquet, table, &[member()]), table), [member()]);
    for format in Format::ALL {
        let empty = written(format, table, &[]);
        assert_eq!(empty.is_empty(), format == Format::Jsonl, "{format:?}");
    }
    assert!(read(written(Format::Parquet, table, &[]), table).is_empty());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let table = &table::MEMBERSHIPS;
    let refused = |name: &str, value: Value| {
        let mut row = member();
        row.insert(name.to_owned(), value);
        let errors = Format::ALL.map(|format| {
            let mut writer = writer(format, table, Box::new(Shared::default())).unwrap();
            writer.write(&row).unwrap_err().to_string()
        });
        assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
        errors[0].clone()
    };
    let version = "column `audience_version` of table `memberships` takes an integer";
    assert_eq!(refused("audience_version", json!(1.5)), version);
    assert_eq!(refused("audience_version", Value::Null), version);
    assert_eq!(
        refused("since", json!("yesterday")),
        "column `since` of table `memberships` takes an instant (RFC 3339)"
    );
    assert_eq!(refused("more", json!(1)), "table `memberships` has no column `more`");
}

#[test]
fn the_reference_lists_every_column() {
    let reference = include_str!("../../../docs/reference/export.md");
    for table in table::ALL {
        let mut expected = format!(
            "## {}\n\nA row is {}.\n\n| column | kind | meaning |\n|---|---|---|\n",
            table.name, table.row
        );
        for Column { name, kind, required, meaning } in table.columns {
            let kind = kind.name();
            let kind = if *required { kind.to_owned() } else { format!("{kind}, may be absent") };
            expected.push_str(&format!("| `{name}` | {kind} | {meaning} |\n"));
        }
        assert!(reference.contains(&expected), "docs/reference/export.md should have\n{expected}");
    }
}

prop_compose! {
    fn value_of(kind: Kind)(
        text in ".{0,12}", integer in any::<i64>(), number in -1e9..1e9_f64, truth in any::<bool>(),
        millisecond in 0..4_000_000_000_000_i64,
    ) -> Value {
        match kind {
            Kind::Text => json!(text),
            Kind::Integer => json!(integer),
            Kind::Number => json!(number),
            Kind::Boolean => json!(truth),
            Kind::Time => json!(model::Timestamp(millisecond)),
            Kind::Json => json!({text: [integer, truth, null]}),
        }
    }
}

fn rows_of(table: &'static Table) -> impl Strategy<Value = Vec<Object>> {
    let columns = table.columns.iter().map(|column| {
        let value = value_of(column.kind);
        if column.required { value.boxed() } else { prop_oneof![value, Just(Value::Null)].boxed() }
    });
    let row = columns.collect::<Vec<_>>().prop_map(|values| {
        let named = table.columns.iter().map(|column| column.name.to_owned()).zip(values);
        named.filter(|(_, value)| !value.is_null()).collect::<Object>()
    });
    proptest::collection::vec(row, 0..20)
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(
        (table, rows) in (0..table::ALL.len()).prop_flat_map(|index| {
            let table = table::ALL[index];
            rows_of(table).prop_map(move |rows| (table, rows))
        })
    ) {
        let lines = text(Format::Jsonl, table, &rows);
        let read_lines: Vec<Object> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(&read_lines, &rows);
        prop_assert_eq!(&read(written(Format::Parquet, table, &rows), table), &rows);
        let file = written(Format::Csv, table, &rows);
        let mut reader = csv::Reader::from_reader(&file[..]);
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(records.len(), rows.len());
        for (record, row) in records.iter().zip(&rows) {
            for (field, column) in record.iter().zip(table.columns) {
                let expected = match row.get(column.name) {
                    None => String::new(),
                    Some(Value::String(text)) if column.kind != Kind::Json => text.clone(),
                    Some(Value::Number(number)) if column.kind == Kind::Number => number.as_f64().unwrap().to_string(),
                    Some(value) => value.to_string(),
                };
                prop_assert_eq!(field, expected);
            }
        }
    }
}

#[test]
fn many_rows_make_several_groups() {
    let table = &table::MEMBERSHIPS;
    let rows = vec![member(); 100_001];
    let bytes = Bytes::from(written(Format::Parquet, table, &rows));
    let reader = SerializedFileReader::new(bytes).unwrap();
    let groups: Vec<i64> =
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [100_000, 1]);
}

/// A table with a column of each kind, always and perhaps.
static ALL_KINDS: Table = Table {
    name: "all_kinds",
    row: "anything",
    columns: &[
        Column::always("strand", Kind::Text, "by what rows are sorted"),
        Column::always("time", Kind::Time, "a time"),
        Column::always("seq", Kind::Integer, "by what rows are sorted, then"),
        Column::always("truth", Kind::Boolean, "true or not"),
        Column::perhaps("text", Kind::Text, "a text"),
        Column::perhaps("json", Kind::Json, "JSON"),
        Column::perhaps("integer", Kind::Integer, "an integer"),
        Column::perhaps("number", Kind::Number, "a number"),
        Column::perhaps("boolean", Kind::Boolean, "true or not"),
        Column::perhaps("instant", Kind::Time, "a time"),
    ],
};

prop_compose! {
    fn cells()(
        strand in "[a-c]{1,2}", times in any::<[i64; 2]>(), seq in 0..99_i64, truths in any::<[bool; 2]>(),
        text in ".{0,9}", integer in any::<i64>(), number in -1e300..1e300_f64, has in any::<[bool; 6]>(),
    ) -> Row {
        let perhaps = [
            Cell::Text(text.clone().into()),
            Cell::Text(json!({text: 1}).to_string().into()),
            Cell::Integer(integer),
            Cell::Number(number),
            Cell::Boolean(truths[0]),
            Cell::Time(model::Timestamp(times[0])),
        ];
        let perhaps = perhaps.into_iter().zip(has);
        let always = [
            Cell::Text(strand.into()),
            Cell::Time(model::Timestamp(times[1])),
            Cell::Integer(seq),
            Cell::Boolean(truths[1]),
        ];
        always.into_iter().chain(perhaps.map(|(cell, has)| if has { cell } else { Cell::Absent })).collect()
    }
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    let key = |row: &Row| match (&row[0], &row[2]) {
        (Cell::Text(strand), Cell::Integer(seq)) => (strand.to_string(), *seq),
        other => panic!("{other:?}"),
    };
    rows.sort_by_key(key);
    rows
}

fn source(
    rows: &[Row],
) -> impl Iterator<Item = Result<Row, Box<dyn std::error::Error + Send + Sync>>> {
    rows.iter().cloned().map(Ok)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_folder_reads_back_what_it_wrote(few in proptest::collection::vec(cells(), 0..30), times in 1..120_usize) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("lake")).unwrap();
        let rows = sorted(few.iter().cycle().take(few.len() * times).cloned().collect());
        let name = "all_kinds/day=2026-11-26/1-2.parquet";
        let bytes = folder.write(&ALL_KINDS, name, &mut source(&rows)).unwrap();
        prop_assert_eq!(bytes, folder.path(name).metadata().unwrap().len());
        let read: Vec<Row> = folder.read(&ALL_KINDS, name).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(&read, &rows);
        let mut strands: Vec<String> = rows.iter().map(|row| format!("{:?}", row[0])).collect();
        strands.dedup();
        let found = folder.first_column(&ALL_KINDS, name).unwrap();
        let found: Vec<String> =
            found.into_iter().map(|strand| format!("{:?}", Cell::Text(strand.into()))).collect();
        prop_assert_eq!(found, strands);
    }
}

#[test]
fn a_file_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let name = "all_kinds/day=2026-11-26/1-2.parquet";
    assert!(
        folder.write(&ALL_KINDS, name, &mut source(&[Vec::new()])).is_err(),
        "it lacks columns"
    );
    let mut breaks = (0..3).map(|_| Err("no more".into()));
    let refused = folder.write(&ALL_KINDS, name, &mut breaks).unwrap_err();
    assert!(matches!(refused, FolderError::Row(_)));
    assert_eq!(folder.list().unwrap(), [""; 0]);
    std::fs::write(folder.path("all_kinds/day=2026-11-26/3-4.unfinished"), "PAR1").unwrap();
    assert_eq!(folder.list().unwrap(), ["all_kinds/day=2026-11-26/3-4.unfinished"]);
    let damaged = folder.read(&ALL_KINDS, "all_kinds/day=2026-11-26/3-4.unfinished");
    assert!(matches!(damaged, Err(FolderError::Parquet(_))));
    folder.remove("all_kinds/day=2026-11-26/3-4.unfinished").unwrap();
    folder.remove("all_kinds/day=2026-11-26/3-4.unfinished").unwrap();
    assert!(
        !folder.path("all_kinds/day=2026-11-26").exists(),
        "its folder goes with the last file"
    );
}

static DEEDS: Table = Table {
    name: "deeds",
    row: "what was done",
    columns: &[
        Column::always("strand", Kind::Text, "whose it is"),
        Column::always("lane", Kind::Integer, "where it lies"),
        Column::always("seq", Kind::Integer, "its position"),
        Column::always("name", Kind::Text, "what was done"),
        Column::perhaps("to", Kind::Text, "to whom"),
        Column::perhaps("amount", Kind::Number, "how much"),
        Column::perhaps("nth", Kind::Integer, "which of several"),
        Column::always("counts", Kind::Boolean, "whether it counts"),
        Column::always("at", Kind::Time, "when"),
        Column::perhaps("note", Kind::Json, "what no other has"),
    ],
};

/// More rows than a row group has, in the order of files; what each has follows from its number.
fn deeds() -> Vec<Row> {
    let deed = |number: i64| {
        let mixed =
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()).unsigned_abs() >> 8;
        let drawn = |below: u64| (mixed >> 16) % below;
        let name = if drawn(50) == 0 { "bought" } else { "looked" };
        vec![
            Cell::Text(format!("{:04x}{number:016x}", number / 170).into()),
            Cell::Integer(number / 170),
            Cell::Integer(number),
            Cell::Text(name.into()),
            if drawn(3) == 0 {
                Cell::Absent
            } else {
                Cell::Text(format!("to {}", drawn(9)).into())
            },
            if drawn(7) == 0 { Cell::Number(number as f64 / 8.0) } else { Cell::Absent },
            if drawn(5) == 0 { Cell::Absent } else { Cell::Integer(-number) },
            Cell::Boolean(drawn(2) == 0),
            Cell::Time(model::Timestamp(number * 1_000)),
            if drawn(11) == 0 { Cell::Absent } else { Cell::Text(format!("[{mixed}]").into()) },
        ]
    };
    (0..170_000).map(deed).collect()
}

/// Parts as rows of cells, all columns of one row behind the other.
fn told(part: &Part) -> Vec<Vec<String>> {
    let cell = |row: usize| {
        let columns = part.columns.iter();
        let values = columns.map(|column| match column.text(row) {
            Some(text) => text.to_owned(),
            None => format!(
                "{:?} {:?} {:?} {:?}",
                column.strand(row),
                column.integer(row),
                column.number(row),
                column.boolean(row)
            ),
        });
        values.collect()
    };
    (0..part.rows).map(cell).collect()
}

/// Writes a file as it was before ids were numbers and pages of the second version.
fn write_earlier(folder: &Folder, name: &str, rows: &[Row]) {
    let file = std::fs::File::create(folder.path(name)).unwrap();
    let mut groups =
        parquet::Groups::begin(&DEEDS, Box::new(file), parquet::Layout::Loose).unwrap();
    rows.iter().for_each(|row| groups.push(row.clone()).unwrap());
    groups.end().unwrap();
}

#[test]
fn what_is_scanned_of_a_file_is_what_is_wanted_of_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let mut rows = deeds();
    let write = |name: &str, rows: &[Row]| {
        folder.write(&DEEDS, name, &mut rows.iter().cloned().map(Ok)).unwrap();
    };
    write("deeds/all.parquet", &rows);
    write_earlier(&folder, "deeds/earlier.parquet", &rows);
    are_scanned(&folder, &["deeds/all.parquet", "deeds/earlier.parquet"], &rows);
    // Where one row has no number, ids are read as they are written.
    rows[3][0] = Cell::Text("0000ffffffffffffffff".into());
    rows[4][0] = Cell::Text("nobody".into());
    write("deeds/strange.parquet", &rows);
    are_scanned(&folder, &["deeds/strange.parquet"], &rows);
    let wanted = Wanted { columns: &["seq"], lanes: 0..1_024, only: None };
    let mut parts = 0;
    let mut stop = |_: &Part| {
        parts += 1;
        std::ops::ControlFlow::Break(())
    };
    folder.scan(&DEEDS, "deeds/all.parquet", &wanted, &mut stop).unwrap();
    assert_eq!(parts, 1);
    let wanted = Wanted { columns: &["colour"], lanes: 0..1, only: None };
    let mut go_on = |_: &Part| std::ops::ControlFlow::Continue(());
    let refused = folder.scan(&DEEDS, "deeds/all.parquet", &wanted, &mut go_on).unwrap_err();
    assert!(matches!(refused, FolderError::Column(_)), "{refused}");
}

/// Looks whether of each of these files is found what is wanted of its rows.
fn are_scanned(folder: &Folder, files: &[&str], rows: &[Row]) {
    let (all, some) = (["strand", "to", "amount", "nth", "counts", "at", "name", "note"], ["seq"]);
    let is_bought = |name: &str| name == "bought";
    let nobody = |_: &str| false;
    for (columns, lanes, only) in [
        (&all[..], 0..1_024, None),
        (&all[..], 100..611, None),
        (&all[..], 0..1_024, Some(("name", &is_bought as &dyn Fn(&str) -> bool))),
        (&all[..], 588..590, Some(("name", &is_bought as &dyn Fn(&str) -> bool))),
        (&some[..], 3..1_000, Some(("to", &|to: &str| to == "to 4"))),
        (&some[..], 5..6, None),
        (&some[..], 1_001..1_024, None),
        (&all[..], 0..1_024, Some(("name", &nobody as &dyn Fn(&str) -> bool))),
    ] {
        let wanted = Wanted { columns, lanes, only };
        let expected = told(&Part::of(&DEEDS, &wanted, rows));
        for file in files {
            let mut found = Vec::new();
            let mut take = |part: &Part| {
                found.extend(told(part));
                std::ops::ControlFlow::Continue(())
            };
            folder.scan(&DEEDS, file, &wanted, &mut take).unwrap();
            assert!(found == expected, "{file}: {wanted:?}");
        }
    }
}

/// What is in a file beside the columns of its table, and which of its pages are compressed.
#[test]
fn ids_are_numbers_as_well_and_dense_pages_are_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let rows = deeds();
    folder.write(&DEEDS, "deeds/all.parquet", &mut source(&rows)).unwrap();
    let file = std::fs::File::open(folder.path("deeds/all.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let last = schema.column(schema.num_columns() - 1);
    assert_eq!((last.name(), schema.num_columns()), ("strand_number", DEEDS.columns.len() + 1));
    let number = reader.get_row_iter(None).unwrap().nth(171).unwrap().unwrap();
    let number = number.get_column_iter().last().unwrap().1.clone();
    assert_eq!(number, Field::Long((1 << 48) + 171), "the lane, and the position of the birth");
    let group = reader.get_row_group(0).unwrap();
    let is_compressed = |column: usize| {
        let pages = group.get_column_page_reader(column).unwrap();
        let of = |page: ::parquet::column::page::Page| match page {
            ::parquet::column::page::Page::DataPageV2 { is_compressed, .. } => Some(is_compressed),
            _ => None,
        };
        pages.filter_map(|page| of(page.unwrap())).collect::<std::collections::BTreeSet<_>>()
    };
    let pages_of = |column: &str| {
        let place = (0..schema.num_columns()).find(|place| schema.column(*place).name() == column);
        is_compressed(place.unwrap()).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(pages_of("strand_number"), [false]);
    assert_eq!(pages_of("name"), [true], "nearly all are alike");
    assert_eq!(
        pages_of("strand"),
        [false, true],
        "numbers of a dictionary are dense, texts are not"
    );
}
