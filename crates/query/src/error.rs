//! Why a query was not answered, in words for whoever wrote it.

use datafusion::{arrow::error::ArrowError, error::DataFusionError};
use thiserror::Error;

/// Why a query was not answered.
///
/// The first kinds are for whoever asked; [`Failed`](Self::Failed) holds a detail for the log only.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is no SQL, or names what is not there.
    #[error("{0}")]
    Sql(String),
    /// It is SQL that would change something or set something.
    #[error("only queries that read are answered: {0}")]
    NotReadOnly(String),
    /// The text is too long.
    #[error("the query has {bytes} bytes; {bytes_max} are taken")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// What is taken.
        bytes_max: usize,
    },
    /// It has too many operators, keywords and names.
    #[error("the query has {parts} operators, keywords and names; {parts_max} are taken")]
    TooManyParts {
        /// How many it has.
        parts: usize,
        /// How many are taken.
        parts_max: usize,
    },
    /// It broke on a value, as in a division by zero.
    #[error("{0}")]
    Value(String),
    /// It needed more memory, or more room on disk, than a query gets.
    #[error("the query needs more memory than the {megabytes} MiB that queries have together")]
    Memory {
        /// What all queries have together.
        megabytes: usize,
    },
    /// It took too long.
    #[error("the query was stopped after {seconds} s")]
    Time {
        /// How long a query may take.
        seconds: u64,
    },
    /// The answer is longer than one may be.
    #[error("the answer is longer than {megabytes} MiB; ask for less with `limit` or by groups")]
    Answer {
        /// How long an answer may be.
        megabytes: usize,
    },
    /// Others are being answered.
    #[error("{running} queries are running, and no more run at once")]
    Busy {
        /// How many.
        running: usize,
    },
    /// Something broke that whoever asked can do nothing about; the detail is for the log.
    #[error("the query failed")]
    Failed(String),
}

impl QueryError {
    /// What an error of the engine means; `megabytes` is the memory of all queries.
    pub(crate) fn of(error: &DataFusionError, megabytes: usize) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Memory { megabytes },
            DataFusionError::SQL(error, _) => Self::Sql(error.to_string()),
            root @ (DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_)) => Self::Sql(plain(root)),
            DataFusionError::Diagnostic(_, inner) => Self::of(inner, megabytes),
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => Self::of(first, megabytes),
                None => Self::Failed("no error was given".into()),
            },
            DataFusionError::ArrowError(error, _) => match &**error {
                ArrowError::DivideByZero => Self::Value("division by zero".into()),
                ArrowError::CastError(text)
                | ArrowError::ParseError(text)
                | ArrowError::ComputeError(text)
                | ArrowError::InvalidArgumentError(text)
                | ArrowError::ArithmeticOverflow(text) => Self::Value(text.clone()),
                other => Self::Failed(other.to_string()),
            },
            root @ DataFusionError::Execution(_) => Self::Value(plain(root)),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// The engine's sentence without the kind of error that it begins with, and in one line.
fn plain(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let text = text.split_once("error: ").map_or(text.as_str(), |(_, rest)| rest);
    text.lines().next().unwrap_or_default().to_owned()
}
