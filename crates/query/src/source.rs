//! What a query reads: a table's files, and its rows that are in no file yet.

use std::{any::Any, fmt, path::PathBuf, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    catalog::TableProvider,
    dataframe::DataFrame,
    datasource::{
        MemTable,
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    error::{DataFusionError, Result},
    prelude::SessionContext,
};
use model::table::{Column, Kind, Row, Table};
use url::Url;

use crate::{
    convert,
    left_out::{self, Seen},
};

/// A table as it is at one instant.
#[derive(Clone)]
pub struct Source {
    /// Its name and columns.
    pub table: &'static Table,
    /// Parquet files with its rows. A column that a file lacks is absent in its rows.
    pub files: Vec<PathBuf>,
    /// Which rows of the files are still rows of the table: those of which all of these say so.
    pub kept: Vec<Seen>,
    /// Rows that are in no file yet.
    pub recent: Vec<Arc<Vec<Row>>>,
    /// Which of all these rows may be seen: those of which all of these say so.
    pub seen: Vec<Seen>,
    /// Kept until the answer has ended, so that no file goes away under it.
    pub guard: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("table", &self.table.name)
            .field("files", &self.files.len())
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// The columns of a table as the engine knows them.
pub(crate) fn schema(table: &Table) -> SchemaRef {
    let field = |column: &Column| {
        let kind = match column.kind {
            Kind::Text | Kind::Json => DataType::Utf8,
            Kind::Integer => DataType::Int64,
            Kind::Number => DataType::Float64,
            Kind::Boolean => DataType::Boolean,
            Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        };
        // A file of an earlier version may lack what every row has today.
        Field::new(column.name, kind, true)
    };
    Arc::new(Schema::new(table.columns.iter().map(field).collect::<Vec<_>>()))
}

/// Makes a source a table that queries can name.
pub(crate) fn register(session: &SessionContext, source: &Source) -> Result<()> {
    let schema = schema(source.table);
    let recent = source.recent.iter();
    let recent = recent.map(|rows| convert::batch(source.table, &schema, rows));
    let recent = recent.collect::<Result<Vec<_>>>()?;
    let recent = MemTable::try_new(Arc::clone(&schema), vec![recent])?;
    let mut rows = session.read_table(Arc::new(recent))?;
    if !source.files.is_empty() {
        let files = session.read_table(files(&schema, &source.files)?)?;
        rows = filtered(files, &source.kept)?.union(rows)?;
    }
    let rows = filtered(rows, &source.seen)?;
    session.register_table(source.table.name, rows.into_view())?;
    Ok(())
}

fn filtered(rows: DataFrame, seen: &[Seen]) -> Result<DataFrame> {
    seen.iter().try_fold(rows, |rows, seen| rows.filter(left_out::condition(seen)))
}

fn files(schema: &SchemaRef, files: &[PathBuf]) -> Result<Arc<dyn TableProvider>> {
    let url = |path: &PathBuf| {
        let unfit = || DataFusionError::Internal("a path of a file is not absolute".into());
        let url = Url::from_file_path(path).map_err(|()| unfit())?;
        ListingTableUrl::try_new(url, None)
    };
    let urls = files.iter().map(url).collect::<Result<Vec<_>>>()?;
    let format = ParquetFormat::default();
    let options = ListingOptions::new(Arc::new(format)).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(Arc::clone(schema));
    Ok(Arc::new(ListingTable::try_new(config)?))
}
