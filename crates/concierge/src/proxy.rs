//! `concierge proxy`: stands in front of a site, and personalises its pages while they stream through.

use std::time::Duration;

use anyhow::Context as _;
use proxy::{Address, Consent, Options};
use tokio::net::TcpListener;

use crate::{
    failure::{Failure, Outcome},
    host::Signals,
    screen,
    settings::{Flags, Name, Settings},
};

const EXAMPLES: &str = "\
Examples:
  concierge proxy --upstream http://127.0.0.1:3000 --write-key KEY
  concierge proxy --upstream http://127.0.0.1:3000 --write-key KEY --listen 0.0.0.0:8090 --proxies 1 \\
    --consent required --tag https://c.shop.example

Pages show what is decided for their visitor, by a public source's write key, without a script and without a build step.
When the server is slow or gone, pages pass through as they are.
SIGTERM and SIGINT finish the calls in flight and exit with 0.";

/// Where it listens when nobody says otherwise, beside the server.
const LISTEN: &str = "127.0.0.1:8090";

/// Arguments of `concierge proxy`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProxyArgs {
    /// The site to stand in front of, over plain http
    #[arg(long, value_name = "URL")]
    upstream: Address,
    /// The server that decides, over plain http [env: CONCIERGE_SERVER; default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The write key of a public source [env: CONCIERGE_WRITE_KEY]
    #[arg(long, value_name = "KEY")]
    write_key: Option<String>,
    /// The address to listen on [env: CONCIERGE_LISTEN; default: 127.0.0.1:8090]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// How long a page waits for what is decided once the site has begun to answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000))]
    timeout: u64,
    /// Whether visitors who were not asked are treated by the workspace's defaults, or left alone
    #[arg(long, value_name = "assumed|required", default_value = "assumed", value_parser = consent)]
    consent: Consent,
    /// How many trusted proxies stand in front, so that the visitor's address, and the site's, are known [env:
    /// CONCIERGE_PROXIES; default: 0]
    #[arg(long, value_name = "COUNT")]
    proxies: Option<String>,
    /// Put the tag on every page, with the address under which browsers reach the server
    #[arg(long, value_name = "URL")]
    tag: Option<String>,
}

impl ProxyArgs {
    pub(crate) fn flags(&self) -> Flags {
        vec![
            (Name::Server, self.server.clone()),
            (Name::WriteKey, self.write_key.clone()),
            (Name::Listen, self.listen.clone()),
            (Name::Proxies, self.proxies.clone()),
        ]
    }
}

fn consent(text: &str) -> Result<Consent, &'static str> {
    match text {
        "assumed" => Ok(Consent::Assumed),
        "required" => Ok(Consent::Required),
        _ => Err("write assumed or required"),
    }
}

/// Passes calls on until a signal.
pub(crate) fn run(settings: &Settings, args: &ProxyArgs) -> Outcome {
    let settings = settings.with_default(Name::Listen, LISTEN);
    let options = options(&settings, args)?;
    let listen = settings.listen()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("concierge-proxy")
        .build()
        .context("starting threads")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&listen).await.with_context(|| {
            format!("cannot listen on {listen}: choose another address with --listen")
        })?;
        let address = listener.local_addr().context("reading the bound address")?;
        // Whoever reads that it listens may stop it at once.
        let mut signals = Signals::catch()?;
        screen::say(format!("listening on http://{address}"));
        let stopped = async {
            let signal = signals.first().await;
            tracing::info!(signal, "stopping: finishing the calls in flight");
        };
        proxy::serve(options, listener, stopped).await;
        Ok(())
    })
}

fn options(settings: &Settings, args: &ProxyArgs) -> Result<Options, Failure> {
    let server = settings.server()?;
    let server = server.parse().map_err(|error| Failure::usage(format!("`{server}`: {error}")))?;
    let write_key = settings.text(Name::WriteKey).ok_or_else(|| {
        Failure::usage("say with --write-key for which source it is asked what is decided")
    })?;
    if write_key.starts_with(engine::TOKENS_BEGIN) {
        return Err(Failure::usage(
            "--write-key is a token of the server, and every page would have it: take the write key of a public source",
        ));
    }
    if let Some(tag) = args.tag.as_ref().filter(|tag| !tag.starts_with("http")) {
        return Err(Failure::usage(format!("`{tag}` is no address: write --tag https://HOST")));
    }
    let options = Options::new(args.upstream.clone(), server, write_key.to_owned());
    Ok(Options {
        patience: Duration::from_millis(args.timeout),
        consent: args.consent,
        proxies: settings.proxies()?,
        tag: args.tag.clone(),
        ..options
    })
}
