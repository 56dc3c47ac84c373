//! Comma-separated values.

use std::{borrow::Cow, io::Write};

use model::{table::Cell, value::Object};

use crate::{RowWriter, Table, WriteError, cell::cells};

pub(crate) struct Delimited<'a> {
    table: &'static Table,
    file: csv::Writer<Box<dyn Write + Send + 'a>>,
}

impl<'a> Delimited<'a> {
    pub(crate) fn begin(
        table: &'static Table,
        file: Box<dyn Write + Send + 'a>,
    ) -> Result<Self, WriteError> {
        let mut file = csv::Writer::from_writer(file);
        file.write_record(table.columns.iter().map(|column| column.name))?;
        Ok(Self { table, file })
    }
}

impl RowWriter for Delimited<'_> {
    fn write(&mut self, row: &Object) -> Result<(), WriteError> {
        for cell in cells(self.table, row)? {
            let text: Cow<'_, str> = match cell {
                Cell::Absent => Cow::Borrowed(""),
                Cell::Text(text) => text,
                Cell::Integer(number) => number.to_string().into(),
                Cell::Number(number) => number.to_string().into(),
                Cell::Boolean(truth) => truth.to_string().into(),
                Cell::Time(time) => time.to_string().into(),
            };
            self.file.write_field(text.as_ref())?;
        }
        // The end of the record.
        Ok(self.file.write_record(None::<&[u8]>)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        Ok(self.file.flush()?)
    }
}
