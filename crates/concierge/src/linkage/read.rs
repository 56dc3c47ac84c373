//! From a file to records, each with its name.

use std::path::Path;

use matching::{Kind, Records, RecordsBuilder};

use crate::rows::{self, Columns, Form, Row};

/// Records with what names each.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) records: Records,
    /// By place.
    pub(super) names: Vec<Box<str>>,
    /// Lines that hold no record.
    pub(super) skipped: u64,
}

/// Reads the columns of every row; a row is named by its column `id`, else by its line.
pub(super) fn read(
    path: &Path,
    form: Form,
    id: Option<&str>,
    columns: &[(String, Kind)],
) -> anyhow::Result<Named> {
    let mut known = Columns::default();
    let id = id.map(|name| known.column(name));
    let places: Vec<_> = columns.iter().map(|(name, _)| known.column(name)).collect();
    let mut builder = RecordsBuilder::new(columns.iter().map(|(_, kind)| *kind));
    let (mut names, mut skipped): (Vec<Box<str>>, u64) = (Vec::new(), 0);
    rows::read_rows(path, form, &known, &mut |line, row| {
        let Row::Record(record) = row else {
            skipped += 1;
            return Ok(true);
        };
        builder.push(places.iter().map(|place| record.text(*place)))?;
        let name = id.and_then(|id| record.text(id));
        names.push(name.map_or_else(|| format!("line {line}").into(), |name| Box::from(&*name)));
        Ok(true)
    })?;
    Ok(Named { records: builder.finish(), names, skipped })
}
