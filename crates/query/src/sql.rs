//! The engine: its threads, its limits, and how a query runs.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use datafusion::{
    arrow::{array::RecordBatch, error::ArrowError},
    dataframe::DataFrame,
    error::DataFusionError,
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::FairSpillPool,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    prelude::{SQLOptions, SessionConfig, SessionContext},
    sql::sqlparser::{
        dialect::GenericDialect,
        tokenizer::{Token, Tokenizer},
    },
};
use futures_util::StreamExt as _;
use tokio::{
    runtime::Runtime,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

use crate::{Answer, Format, QueryError, Source, output::Encoder, source};

/// Pieces of an answer that wait for whoever asked.
const PIECES_MAX: usize = 2;
/// The stack of a thread: a query of [`PARTS_MAX`] parts, each within the one before, is handled in a
/// third of it without any optimisation.
const STACK_BYTES: usize = 32 << 20;
/// Most parts of a query that can lie within one another, such as operators, keywords and names. A list
/// of values may be as long as the text may.
const PARTS_MAX: usize = 2000;
/// Functions that make a value of any size of a small number. What one makes of a batch of rows is in memory before
/// anything counts it, and no limit of time ends it half-way.
const BOUNDLESS: [&str; 9] = [
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "array_resize",
    "range",
    "generate_series",
    "arrow_cast",
    "arrow_try_cast",
];
/// Rows that are handled at once.
const BATCH_ROWS: usize = 8192;

/// What queries may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Memory that all queries have together for what they gather, in bytes. What is being read comes on top,
    /// some megabytes for each thread.
    pub memory_bytes: usize,
    /// Where what does not fit into memory may be put; nowhere when absent.
    pub spill: Option<PathBuf>,
    /// How much of it, in bytes.
    pub spill_bytes: u64,
    /// How long one query may take.
    pub time: Duration,
    /// Longest text of a query, in bytes.
    pub text_bytes: usize,
    /// Longest answer, in bytes.
    pub answer_bytes: usize,
    /// Queries at once; more are refused.
    pub running: usize,
    /// Threads that compute.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            spill: None,
            spill_bytes: 4 << 30,
            time: Duration::from_secs(60),
            text_bytes: 64 << 10,
            answer_bytes: 256 << 20,
            running: 2,
            threads: 2,
        }
    }
}

/// The engine.
pub struct Sql {
    // An option only so that it can be taken when the engine goes.
    runtime: Option<Runtime>,
    resources: Arc<RuntimeEnv>,
    places: Arc<Semaphore>,
    limits: Limits,
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Sql {
    /// An engine with threads of its own, each of which calls `on_thread_start` first.
    ///
    /// # Errors
    ///
    /// When threads cannot be started, or the folder for what does not fit into memory cannot be used.
    pub fn new(limits: Limits, on_thread_start: fn()) -> Result<Self, QueryError> {
        let failed = |error: String| QueryError::Failed(error);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(on_thread_start)
            .enable_time()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let mode = match &limits.spill {
            Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::Disabled,
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(limits.spill_bytes);
        let resources = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| failed(error.to_string()))?;
        let places = Arc::new(Semaphore::new(limits.running));
        Ok(Self { runtime: Some(runtime), resources, places, limits })
    }

    /// Begins to answer a query over `sources`. It is planned, and refused, before anything is answered.
    ///
    /// Waits on the calling thread, so it must not be called from one that runs tasks.
    ///
    /// # Errors
    ///
    /// When the query is refused; what breaks later comes from [`Answer::next_piece`].
    pub fn start(
        &self,
        text: &str,
        sources: Vec<Source>,
        format: Format,
    ) -> Result<Answer, QueryError> {
        if self.limits.text_bytes < text.len() {
            let (bytes, bytes_max) = (text.len(), self.limits.text_bytes);
            return Err(QueryError::TooLong { bytes, bytes_max });
        }
        bound_depth(text)?;
        let Some(runtime) = &self.runtime else {
            return Err(QueryError::Failed("the engine has stopped".into()));
        };
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| QueryError::Busy { running: self.limits.running })?;
        let (pieces, taken) = mpsc::channel(PIECES_MAX);
        let (planned, is_planned) = tokio::sync::oneshot::channel();
        let run = Run {
            resources: Arc::clone(&self.resources),
            limits: self.limits.clone(),
            text: text.to_owned(),
            sources,
            format,
            place,
        };
        let task = runtime.spawn(run.finish(planned, pieces));
        let answer = Answer::new(taken, task.abort_handle());
        match is_planned.blocking_recv() {
            Ok(Ok(())) => Ok(answer),
            Ok(Err(error)) => Err(error),
            // The task panicked; the log has the panic.
            Err(_) => Err(QueryError::Failed("planning the query broke off".into())),
        }
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Refuses a text that could make a tree so deep that walking it, or letting it go, takes more stack than there is.
fn bound_depth(text: &str) -> Result<(), QueryError> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize();
    let tokens = tokens.map_err(|error| QueryError::Sql(error.to_string()))?;
    let is_flat = |token: &Token| {
        matches!(token, Token::Number(..) | Token::SingleQuotedString(_) | Token::Comma)
            || matches!(token, Token::Whitespace(_))
    };
    let parts = tokens.iter().filter(|token| !is_flat(token)).count();
    if PARTS_MAX < parts {
        return Err(QueryError::TooManyParts { parts, parts_max: PARTS_MAX });
    }
    Ok(())
}

/// One query on its way.
struct Run {
    resources: Arc<RuntimeEnv>,
    limits: Limits,
    text: String,
    sources: Vec<Source>,
    format: Format,
    /// Held to the end.
    place: OwnedSemaphorePermit,
}

type Pieces = mpsc::Sender<Result<Bytes, QueryError>>;

impl Run {
    async fn finish(
        self,
        planned: tokio::sync::oneshot::Sender<Result<(), QueryError>>,
        pieces: Pieces,
    ) {
        let until = tokio::time::Instant::now() + self.limits.time;
        let late = || QueryError::Time { seconds: self.limits.time.as_secs() };
        let plan = tokio::time::timeout_at(until, self.plan()).await;
        let plan = match plan.unwrap_or_else(|_| Err(late())) {
            Ok(plan) => plan,
            Err(error) => {
                // Whoever hears of it may ask again at once.
                drop(self.place);
                return drop(planned.send(Err(error)));
            }
        };
        if planned.send(Ok(())).is_err() {
            return;
        }
        let answered = tokio::time::timeout_at(until, self.answer(plan, &pieces)).await;
        if let Err(error) = answered.unwrap_or_else(|_| Err(late())) {
            // Whoever asked may have gone.
            drop(pieces.send(Err(error)).await);
        }
        drop(self.place);
    }

    /// Reads the text, and refuses what does not only read.
    async fn plan(&self) -> Result<DataFrame, QueryError> {
        let config = SessionConfig::new()
            .with_target_partitions(self.limits.threads.max(1))
            .with_batch_size(BATCH_ROWS)
            .with_information_schema(true);
        let mut session = SessionContext::new_with_config_rt(config, Arc::clone(&self.resources));
        let failed = |error| self.error(&error);
        datafusion_functions_json::register_all(&mut session).map_err(failed)?;
        BOUNDLESS.iter().for_each(|name| session.deregister_udf(name));
        for source in &self.sources {
            source::register(&session, source).map_err(failed)?;
        }
        let plan = session.state().create_logical_plan(&self.text).await.map_err(failed)?;
        let read_only = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        let refused = |error: DataFusionError| {
            let text = error.strip_backtrace();
            let text = text.split_once(": ").map_or(text.as_str(), |(_, rest)| rest).to_owned();
            QueryError::NotReadOnly(text)
        };
        read_only.verify_plan(&plan).map_err(refused)?;
        session.execute_logical_plan(plan).await.map_err(failed)
    }

    async fn answer(&self, plan: DataFrame, pieces: &Pieces) -> Result<(), QueryError> {
        let failed = |error| self.error(&error);
        let mut stream = plan.execute_stream().await.map_err(failed)?;
        let schema = stream.schema();
        let encoding = |error: ArrowError| self.error(&error.into());
        let (mut encoder, mut piece) = Encoder::begin(self.format, &schema).map_err(encoding)?;
        let mut output = Output { pieces, left: self.limits.answer_bytes, limits: &self.limits };
        // Nothing is sent before the first rows are there: what breaks mostly breaks before them.
        while let Some(batch) = stream.next().await {
            let batch: RecordBatch = batch.map_err(failed)?;
            piece.extend(encoder.batch(&batch).map_err(encoding)?);
            output.send(std::mem::take(&mut piece)).await?;
        }
        piece.extend(encoder.end(&schema).map_err(encoding)?);
        output.send(piece).await
    }

    fn error(&self, error: &DataFusionError) -> QueryError {
        QueryError::of(error, self.limits.memory_bytes >> 20)
    }
}

/// Where pieces go, and how much more may.
struct Output<'a> {
    pieces: &'a Pieces,
    left: usize,
    limits: &'a Limits,
}

impl Output<'_> {
    async fn send(&mut self, piece: Vec<u8>) -> Result<(), QueryError> {
        if piece.is_empty() {
            return Ok(());
        }
        let megabytes = self.limits.answer_bytes >> 20;
        self.left = self.left.checked_sub(piece.len()).ok_or(QueryError::Answer { megabytes })?;
        let gone = |_| QueryError::Failed("nobody takes the answer any more".into());
        self.pieces.send(Ok(piece.into())).await.map_err(gone)
    }
}
