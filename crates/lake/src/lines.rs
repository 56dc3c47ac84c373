//! JSON Lines.

use std::io::{BufWriter, Write};

use model::value::Object;

use crate::{RowWriter, Table, WriteError, cell::cells};

pub(crate) struct Lines<'a> {
    table: &'static Table,
    file: BufWriter<Box<dyn Write + Send + 'a>>,
}

impl<'a> Lines<'a> {
    pub(crate) fn begin(table: &'static Table, file: Box<dyn Write + Send + 'a>) -> Self {
        Self { table, file: BufWriter::new(file) }
    }
}

impl RowWriter for Lines<'_> {
    fn write(&mut self, row: &Object) -> Result<(), WriteError> {
        // JSON stays what it is, but only where the row fits the table.
        cells(self.table, row)?;
        serde_json::to_writer(&mut self.file, row).map_err(std::io::Error::from)?;
        Ok(self.file.write_all(b"\n")?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        Ok(self.file.flush()?)
    }
}
