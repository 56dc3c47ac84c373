//! Whom a client command speaks to: a running server, or one it opens itself for its own length.

use std::path::Path;

use crate::{
    cli::ClientFlags,
    client::Client,
    failure::Failure,
    host::{Host, HostOptions},
    screen,
    settings::{Name, Settings},
};

/// A server to speak to; one opened for this command stops with it.
#[derive(Debug)]
pub(crate) struct Target {
    client: Client,
    host: Option<Host>,
}

impl Target {
    /// The server of the settings, or the data directory of the `--data` flag.
    ///
    /// Only the flag opens a directory: where `CONCIERGE_DATA` is set for a server, its clients still want the server.
    pub(crate) fn open(settings: &Settings, flags: &ClientFlags) -> Result<Self, Failure> {
        let given = |name| settings.text(name).map(str::to_owned);
        let (token, write_key) = (given(Name::Token), given(Name::WriteKey));
        let Some(dir) = &flags.data else {
            let client = Client::new(settings.server()?, token, write_key);
            return Ok(Self { client, host: None });
        };
        let host = Host::start(HostOptions {
            dir: Path::new(dir),
            // A command is soon done; the next server has the lake catch up.
            lake: None,
            listen: "127.0.0.1:0",
            cache_bytes: settings.cache_bytes()?,
            server: settings.server_options()?,
            write_key: write_key.clone(),
            token: token.clone(),
        })?;
        let base = format!("http://{}", host.address());
        let client = match host.first_keys() {
            None => Client::new(base, token, write_key),
            Some(keys) => {
                screen::note(crate::serve::first_keys_text(keys, settings));
                Client::new(base, Some(keys.token.clone()), Some(keys.write_key.clone()))
            }
        };
        Ok(Self { client, host: Some(host) })
    }

    /// The client to speak with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the command: a server that was opened for it commits and closes.
    pub(crate) fn close(self) -> Result<(), Failure> {
        match self.host {
            Some(host) => Ok(host.stop()?),
            None => Ok(()),
        }
    }
}
