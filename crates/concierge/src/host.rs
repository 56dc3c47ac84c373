//! A server inside this process: what `serve` and `demo` run, and what client commands open with `--data`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use engine::{
    Engine, EngineError, SteadyClock, SystemClock, Uptime,
    archive::{Lake, Limits},
    engine::FirstKeys,
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    task::JoinHandle,
};

use crate::lake_files::Files;

/// How to start one.
#[derive(Debug)]
pub(crate) struct HostOptions<'a> {
    pub(crate) dir: &'a Path,
    /// Where the files of the lake are; `None` keeps none.
    pub(crate) lake: Option<PathBuf>,
    /// `HOST:PORT`; port 0 takes any free one.
    pub(crate) listen: &'a str,
    pub(crate) cache_bytes: usize,
    pub(crate) server: server::Options,
    /// Keys for a first start.
    pub(crate) write_key: Option<String>,
    pub(crate) token: Option<String>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Host {
    runtime: Runtime,
    engine: Engine,
    address: std::net::SocketAddr,
    first_keys: Option<FirstKeys>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Host {
    /// Opens the data directory, binds the address and serves.
    ///
    /// The address is bound first, so that a busy port is told before a directory is created.
    pub(crate) fn start(options: HostOptions<'_>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("concierge-http")
            .build()
            .context("starting threads")?;
        let listen = options.listen;
        let listener = runtime.block_on(TcpListener::bind(listen)).with_context(|| {
            format!("cannot listen on {listen}: is another server running? Choose another address with --listen")
        })?;
        let address = listener.local_addr().context("reading the bound address")?;
        let (engine, first_keys) = Engine::open(engine::Options {
            dir: options.dir.to_owned(),
            clock: Arc::new(SteadyClock::new(SystemClock, Uptime::default())),
            cache_bytes: options.cache_bytes,
            write_key: options.write_key,
            token: options.token,
        })
        .map_err(|error| {
            let what_to_do = advice(&error, options.dir);
            anyhow!(error).context(format!(
                "cannot open the data directory {}: {what_to_do}",
                options.dir.display()
            ))
        })?;
        let mut server = options.server;
        if let Some(dir) = &options.lake {
            let lake = keep_lake(&engine, dir)
                .with_context(|| format!("cannot keep the lake in {}", dir.display()))?;
            server.analytics = queries(&engine, lake, dir)?;
        }
        let (stop, stopped) = oneshot::channel();
        let serving = runtime.spawn(serve(engine.clone(), server, listener, stopped));
        let serving = Some(serving);
        Ok(Self { runtime, engine, address, first_keys, stop: Some(stop), serving })
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// What runs it, for what is to be served beside it and to end with it.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The keys made by a first start; they can be read here and never again.
    pub(crate) fn first_keys(&self) -> Option<&FirstKeys> {
        self.first_keys.as_ref()
    }

    /// From now on the signals to stop (SIGTERM, SIGINT) no longer end the process by themselves.
    pub(crate) fn catch_signals(&self) -> anyhow::Result<Signals> {
        let _within = self.runtime.enter();
        Signals::catch()
    }

    /// Serves until the process is told to stop or serving fails, then drains.
    pub(crate) fn serve_until(mut self, mut signals: Signals) -> anyhow::Result<()> {
        let failed = match self.serving.as_mut() {
            None => None,
            Some(serving) => self.runtime.block_on(async {
                tokio::select! {
                    name = signals.first() => {
                        tracing::info!(signal = name, "stopping: answering what was taken, then closing the data directory");
                        None
                    }
                    ended = serving => Some(ended),
                }
            }),
        };
        match failed {
            None => self.stop(),
            Some(ended) => {
                self.serving = None;
                self.stop()?;
                match ended.context("the server's task broke")? {
                    Ok(()) => Err(anyhow!("the server stopped by itself")),
                    Err(error) => Err(error.context("the server stopped")),
                }
            }
        }
    }

    /// Takes no more calls, answers those it has, commits and closes.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.close()
    }

    fn close(&mut self) -> anyhow::Result<()> {
        // Dropping the sender is the word to stop.
        drop(self.stop.take());
        let ended = match self.serving.take() {
            Some(serving) => self.runtime.block_on(serving).context("the server's task broke"),
            None => Ok(Ok(())),
        };
        self.engine.flush_and_shutdown();
        ended?
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "stopping the server");
        }
    }
}

fn keep_lake(engine: &Engine, dir: &Path) -> anyhow::Result<Lake> {
    let files = Files(lake::Folder::open(dir)?);
    Ok(engine.keep_lake(Arc::new(files), Limits::default())?)
}

/// What answers SQL over the lake, in a build that has it.
#[cfg(feature = "query")]
fn queries(
    engine: &Engine,
    lake: Lake,
    dir: &Path,
) -> anyhow::Result<Option<Arc<dyn engine::analytics::Analytics>>> {
    let queries = crate::analytics::LakeQueries::new(engine.clone(), lake, dir);
    Ok(Some(Arc::new(queries.context("starting the query engine")?)))
}

#[cfg(not(feature = "query"))]
fn queries(
    _: &Engine,
    _: Lake,
    _: &Path,
) -> anyhow::Result<Option<Arc<dyn engine::analytics::Analytics>>> {
    Ok(None)
}

/// What to do about a directory that does not open.
fn advice(error: &EngineError, dir: &Path) -> String {
    match error {
        EngineError::Store(store::StoreError::Locked { .. }) => {
            "it has a server already, and commands speak to that one with --server instead of --data".to_owned()
        }
        _ => format!("see `concierge doctor --data {}`", dir.display()),
    }
}

async fn serve(
    engine: Engine,
    options: server::Options,
    listener: TcpListener,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let stopped = async {
        // Nothing is ever sent: the sender being gone is the word.
        stopped.await.unwrap_or_default();
    };
    server::serve(engine, options, listener, stopped).await
}

/// The signals to stop, which are caught since [`Signals::catch`].
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves. Needs a runtime.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let caught = |kind| signal(kind).context("signals to stop cannot be received");
        Ok(Self {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first of them, and names it.
    pub(crate) async fn first(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
