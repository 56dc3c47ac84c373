//! `concierge serve`: opens a data directory and answers HTTP until told to stop.

use engine::engine::FirstKeys;

use crate::{
    cli::ServeFlags,
    failure::{Failure, Outcome},
    host::{Host, HostOptions},
    screen,
    settings::{Name, Settings},
};

const EXAMPLES: &str = "\
Examples:
  concierge serve --data /var/lib/concierge --listen 0.0.0.0:8080
  CONCIERGE_TOKEN=… CONCIERGE_WRITE_KEY=… concierge serve     (a first start with keys of your choice)

The first start prints the administrator token and the first write key once; only hashes of them are kept.
SIGTERM and SIGINT answer what was taken, commit and exit with 0.";

/// Arguments of `concierge serve`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) flags: ServeFlags,
}

/// Serves until a signal.
pub(crate) fn run(settings: &Settings) -> Outcome {
    let host = start(settings)?;
    if let Some(keys) = host.first_keys() {
        screen::say(first_keys_text(keys, settings));
    }
    // Whoever reads that it listens may stop it at once.
    let signals = host.catch_signals()?;
    screen::say(format!("listening on http://{}", host.address()));
    Ok(host.serve_until(signals)?)
}

/// Starts a server as the settings say.
pub(crate) fn start(settings: &Settings) -> Result<Host, Failure> {
    let (dir, listen) = (settings.data(), settings.listen()?);
    let given = |name| settings.text(name).map(str::to_owned);
    let host = Host::start(HostOptions {
        dir: &dir,
        lake: settings.lake()?,
        listen: &listen,
        cache_bytes: settings.cache_bytes()?,
        server: settings.server_options()?,
        write_key: given(Name::WriteKey),
        token: given(Name::Token),
    })?;
    tracing::info!(address = %host.address(), data = %dir.display(), "serving");
    Ok(host)
}

/// What a first start says, once: the keys that were made up, not those that were given.
pub(crate) fn first_keys_text(keys: &FirstKeys, settings: &Settings) -> String {
    let mut lines = vec!["This is the first start of this data directory.".to_owned()];
    let made = |name| settings.get(name).is_none();
    if made(Name::WriteKey) || made(Name::Token) {
        lines.push("Keep what follows: it is not shown again.".to_owned());
    }
    if made(Name::WriteKey) {
        let key = &keys.write_key;
        lines
            .push(format!("  write key  {key}   (sends events: --write-key, CONCIERGE_WRITE_KEY)"));
    }
    if made(Name::Token) {
        let token = &keys.token;
        lines.push(format!("  token      {token}   (administers: --token, CONCIERGE_TOKEN)"));
    }
    lines.join("\n")
}
