//! The lake's files: the engine's archive in a folder of Parquet files.

use std::{error::Error, path::PathBuf};

use engine::archive::{Archive, ArchiveError, Rows, Scanned};
use lake::{Folder, Table, Wanted};

/// A folder of Parquet files.
#[derive(Debug)]
pub(crate) struct Files(pub(crate) Folder);

fn failed<E: Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> ArchiveError {
    move |source| ArchiveError { what, source: Box::new(source) }
}

impl Archive for Files {
    fn write(&self, table: &'static Table, name: &str, rows: Rows) -> Result<u64, ArchiveError> {
        let mut rows = rows.map(|row| row.map_err(Into::into));
        self.0.write(table, name, &mut rows).map_err(failed("write"))
    }

    fn read(&self, table: &'static Table, name: &str) -> Result<Rows, ArchiveError> {
        let rows = self.0.read(table, name).map_err(failed("open"))?;
        Ok(Box::new(rows.map(|row| row.map_err(failed("read")))))
    }

    fn scan(
        &self,
        table: &'static Table,
        name: &str,
        wanted: &Wanted<'_>,
        visit: &mut Scanned<'_>,
    ) -> Result<(), ArchiveError> {
        self.0.scan(table, name, wanted, visit).map_err(failed("read"))
    }

    fn strands(&self, table: &'static Table, name: &str) -> Result<Vec<String>, ArchiveError> {
        self.0.first_column(table, name).map_err(failed("read"))
    }

    fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        self.0.remove(name).map_err(failed("remove"))
    }

    fn list(&self) -> Result<Vec<String>, ArchiveError> {
        self.0.list().map_err(failed("find"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }
}
