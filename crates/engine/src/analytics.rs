//! The port through which SQL over the lake is answered: what is asked, and how an answer comes.
//!
//! The engine does not know who answers; the binary gives the server an [`Analytics`].

use std::fmt;

use bytes::Bytes;
use model::Purpose;
use thiserror::Error;

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The text.
    pub sql: String,
    /// What it is for: rows that may not be used for it are not there.
    pub purpose: Purpose,
    /// How the answer is written.
    pub form: Form,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object with `columns` and `items`.
    Json,
    /// Comma-separated values with a line of names.
    Csv,
    /// The Arrow IPC streaming format.
    Arrow,
}

/// What answers queries.
pub trait Analytics: fmt::Debug + Send + Sync {
    /// Begins to answer a query, once it is known to be sound. It takes the calling thread meanwhile.
    ///
    /// # Errors
    ///
    /// When the query is refused.
    fn start(&self, query: Query) -> Result<Box<dyn Answer>, AnalyticsError>;
}

/// An answer on its way. Dropping it ends the query.
pub trait Answer: Send {
    /// The next piece; `None` at the end. It takes the calling thread meanwhile.
    ///
    /// # Errors
    ///
    /// When the query broke; nothing follows then.
    fn next_piece(&mut self) -> Option<Result<Bytes, AnalyticsError>>;
}

/// Why a query was not answered.
#[derive(Debug, Error)]
pub enum AnalyticsError {
    /// The query is at fault; the sentence says what to change.
    #[error("{0}")]
    Query(String),
    /// It met a limit: of time, memory or length.
    #[error("{0}")]
    Limit(String),
    /// Others are being answered.
    #[error("{0}")]
    Busy(String),
    /// Something broke that whoever asked can do nothing about; the detail is for the log.
    #[error("{0}")]
    Failed(String),
}
