//! A folder of Parquet files: each is written whole or is not there.

use std::{
    error::Error,
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use model::table::{Row, Table, Wanted};
use thiserror::Error;

use crate::{
    WriteError,
    parquet::{Groups, Layout},
    read, scan,
};

/// What a file is called until it is whole.
const DRAFT: &str = "unfinished";

/// Why a file of a folder was not written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The file system failed.
    #[error("the file system failed")]
    Io(#[from] io::Error),
    /// A row does not fit, or the file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file is no Parquet file of this table, or is damaged.
    #[error("the file cannot be read")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// The file has no column that the table needs, or one of another kind.
    #[error("column `{0}` of the file is not that of the table")]
    Column(&'static str),
    /// A row could not be had.
    #[error("a row could not be had")]
    Row(#[source] Box<dyn Error + Send + Sync>),
}

/// Rows from wherever they come.
pub type Source<'a> = dyn Iterator<Item = Result<Row, Box<dyn Error + Send + Sync>>> + 'a;

/// A folder, with folders in it. Only its owner may read what is in it.
#[derive(Clone, Debug)]
pub struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Opens a folder, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        make_dir(dir)?;
        Ok(Self { dir: dir.to_path_buf() })
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes the rows of a table, which come in the order of its first and third column, and returns the size of the
    /// file once it is on disk under its name.
    ///
    /// # Errors
    ///
    /// When a row cannot be had or does not fit, or the file cannot be written. There is no file of this name then.
    pub fn write(
        &self,
        table: &'static Table,
        name: &str,
        rows: &mut Source<'_>,
    ) -> Result<u64, FolderError> {
        let path = self.path(name);
        let parent = path.parent().unwrap_or(&self.dir);
        make_dir(parent)?;
        let draft = path.with_extension(DRAFT);
        let written = write_file(table, &draft, rows).and_then(|bytes| {
            fs::rename(&draft, &path)?;
            sync_dir(parent)?;
            sync_dir(&self.dir.join(table.name))?;
            sync_dir(&self.dir)?;
            Ok(bytes)
        });
        if written.is_err() {
            // Half a file is of no use; that it cannot be removed changes nothing.
            drop(fs::remove_file(&draft));
        }
        written
    }

    /// The rows of a file, in its order, read a part at a time.
    ///
    /// # Errors
    ///
    /// When it is not there or is none of this table.
    pub fn read(&self, table: &'static Table, name: &str) -> Result<read::Rows, FolderError> {
        read::Rows::of(table, fs::File::open(self.path(name))?)
    }

    /// The different values of the first column of a file, in its order.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn first_column(
        &self,
        table: &'static Table,
        name: &str,
    ) -> Result<Vec<String>, FolderError> {
        read::first_column(table, fs::File::open(self.path(name))?)
    }

    /// Visits what is wanted of the rows of a file, in its order, until `visit` breaks.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; also when the table has no column of a name.
    pub fn scan(
        &self,
        table: &'static Table,
        name: &str,
        wanted: &Wanted<'_>,
        visit: &mut scan::Visit<'_>,
    ) -> Result<(), FolderError> {
        scan::scan(table, fs::File::open(self.path(name))?, wanted, visit)
    }

    /// Removes a file, and its folder with the last one; one that is not there is removed already.
    ///
    /// # Errors
    ///
    /// When it is still there.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(parent) = path.parent() {
            // Others are in it, mostly.
            drop(fs::remove_dir(parent));
        }
        Ok(())
    }

    /// The names of all files in its folders, unfinished ones included.
    ///
    /// # Errors
    ///
    /// When they cannot be listed.
    pub fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        list_into(&self.dir, "", &mut names)?;
        Ok(names)
    }
}

fn write_file(
    table: &'static Table,
    path: &Path,
    rows: &mut Source<'_>,
) -> Result<u64, FolderError> {
    let file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let to: Box<dyn Write + Send> = Box::new(io::BufWriter::new(file.try_clone()?));
    let mut groups = Groups::begin(table, to, Layout::Sorted)?;
    for row in rows {
        groups.push(row.map_err(FolderError::Row)?)?;
    }
    groups.end()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn list_into(dir: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
            continue;
        };
        if entry.file_type()?.is_dir() {
            list_into(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes the entries of a directory durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}
