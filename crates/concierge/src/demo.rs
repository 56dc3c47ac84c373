//! `concierge demo`: a shop with audiences, experiences and simulated shoppers, served until told to stop.

use std::{
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use engine::engine::FirstKeys;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    apply,
    cli::ServeFlags,
    client::{Auth, Client},
    failure::{Failure, Outcome},
    host::Host,
    screen, serve,
    settings::{Name, Settings},
    simulate,
};

mod definitions;
mod shop;

use shop::Shop;

const EXAMPLES: &str = "\
Examples:
  concierge demo
  concierge demo --data /tmp/demo --listen 127.0.0.1:9000 --shoppers 1000
  concierge demo --shop examples/shop/dist --open     (after `make shop`)

The demo's data lies in a directory of its own; delete it to begin anew.";

/// Where the demo's data lies when nobody says otherwise, so that it never mixes with a real server's.
const DIR: &str = "concierge-demo";
/// The world of the demo.
const SEED: u64 = 1;

/// Arguments of `concierge demo`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) flags: ServeFlags,
    /// How many shoppers
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    shoppers: u64,
    /// How many days they have been shopping
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// A built shop to serve beside, whose visitors are decided for like the shoppers
    #[arg(long, value_name = "DIR")]
    shop: Option<PathBuf>,
    /// Where the shop listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081", requires = "shop")]
    shop_listen: String,
    /// Open the shop in a browser, where there is one
    #[arg(long, requires = "shop")]
    open: bool,
}

/// Serves, applies the definitions, lets the shoppers act, tells what to try, and serves on.
pub(crate) fn run(settings: &Settings, args: &DemoArgs) -> Outcome {
    let settings = settings.with_default(Name::Data, DIR);
    let is_new = !settings.data().exists();
    let host = serve::start(&settings)?;
    let keys = keys(&host, &settings)?;
    let base = format!("http://{}", host.address());
    let client = Client::new(base, Some(keys.token.clone()), Some(keys.write_key.clone()));
    if is_new {
        fill(&client, args)?;
    } else {
        screen::note(format!(
            "{} is there already: serving it as it is",
            settings.data().display()
        ));
    }
    let signals = host.catch_signals()?;
    screen::say(what_to_try(client.base(), &keys, args));
    let (shoppers, days) = (args.shoppers, args.days);
    let coming = client.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        if let Err(error) = simulate::keep_coming(&coming, shoppers, days) {
            tracing::debug!(%error, "no more shoppers come");
        }
    });
    if let Some(dir) = &args.shop {
        let address = serve_shop(&host, dir, &args.shop_listen, client.base(), &keys.write_key)?;
        screen::say(where_the_shop_is(address, &debugger(&client)?));
        if args.open {
            open_in_browser(&format!("http://{address}/"));
        }
    }
    Ok(host.serve_until(signals)?)
}

/// Serves the shop beside the server, for as long as that lives.
fn serve_shop(
    host: &Host,
    dir: &Path,
    listen: &str,
    base: &str,
    write_key: &str,
) -> anyhow::Result<SocketAddr> {
    let shop = Shop::open(dir, base, write_key)?;
    let runtime = host.runtime();
    let listener = runtime.block_on(TcpListener::bind(listen)).with_context(|| {
        format!("the shop cannot listen on {listen}: choose another address with --shop-listen")
    })?;
    let address = listener.local_addr().context("reading the shop's address")?;
    runtime.spawn(shop.serve(listener));
    Ok(address)
}

/// A preview's token with which the shop says why it shows what it shows.
fn debugger(client: &Client) -> anyhow::Result<String> {
    let asked = json!({"preview": {"debug": true}, "lasts": "7d"});
    let made = client.post("/api/v1/previews", Auth::Token, &asked)?;
    let token = made["token"].as_str().context("the server made no preview's token")?;
    Ok(token.to_owned())
}

fn where_the_shop_is(address: SocketAddr, debugger: &str) -> String {
    format!(
        "
The shop is open at http://{address}/
  in Swedish     http://{address}/sv/
  in Arabic      http://{address}/ar/
  with React     http://{address}/react/

See why it shows you what it shows: this opens it with the debugger, for a week
  http://{address}/?concierge_preview={debugger}"
    )
}

/// Asks the desktop for a browser. There may be neither, and then nothing happens.
fn open_in_browser(url: &str) {
    let quiet = || Stdio::null();
    let asked =
        Command::new("xdg-open").arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    if let Err(error) = asked {
        tracing::debug!(%error, "no browser was opened");
    }
}

/// The keys: those a first start made, or, later, those the settings or the demo's own note tell.
fn keys(host: &Host, settings: &Settings) -> Result<FirstKeys, Failure> {
    let note = settings.data().join("demo-keys.json");
    if let Some(keys) = host.first_keys() {
        write_keys(&note, keys)?;
        return Ok(keys.clone());
    }
    let given = |name| settings.text(name).map(str::to_owned);
    if let (Some(write_key), Some(token)) = (given(Name::WriteKey), given(Name::Token)) {
        return Ok(FirstKeys { write_key, token });
    }
    read_keys(&note).ok_or_else(|| {
        Failure::usage(format!(
            "{} was not made by the demo: name another directory with --data, or give --token and --write-key",
            settings.data().display()
        ))
    })
}

/// Keeps the keys beside the data: the demo's data is made up, and whoever runs it again wants the same keys.
fn write_keys(note: &Path, keys: &FirstKeys) -> anyhow::Result<()> {
    let text = json!({"write_key": keys.write_key, "token": keys.token}).to_string();
    let file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(note);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", note.display()))
}

fn read_keys(note: &Path) -> Option<FirstKeys> {
    let known: serde_json::Value = serde_json::from_slice(&std::fs::read(note).ok()?).ok()?;
    let text = |key: &str| Some(known.get(key)?.as_str()?.to_owned());
    Some(FirstKeys { write_key: text("write_key")?, token: text("token")? })
}

fn fill(client: &Client, args: &DemoArgs) -> anyhow::Result<()> {
    let documents = definitions::documents()?;
    for document in &documents {
        let name = || format!("applying {}/{}", document.kind.plural(), document.key);
        apply::apply(client, document).with_context(name)?;
    }
    screen::note(format!("{} definitions are live; the shoppers come in …", documents.len()));
    let tally = simulate::play_demo(client, SEED, args.shoppers, args.days)?;
    screen::note(simulate::summary(&tally));
    Ok(())
}

fn what_to_try(base: &str, keys: &FirstKeys, args: &DemoArgs) -> String {
    let user = simulate::example_user(SEED, args.shoppers).unwrap_or_default();
    let FirstKeys { write_key, token } = keys;
    format!(
        "\
The demo serves at {base}
  write key  {write_key}
  token      {token}

Try, in another terminal:

1. Send an event
   curl -sS {base}/v1/track -u {write_key}: -H 'content-type: application/json' \\
     -d '{{\"userId\":\"{user}\",\"event\":\"Product Added\",\"properties\":{{\"product_id\":\"audio-1\",\"category\":\"audio\",\"price\":58.45}}}}'

2. Ask what this shopper sees on the home page, and why
   curl -sS {base}/v1/decide -H 'authorization: Bearer {token}' -H 'content-type: application/json' \\
     -d '{{\"identifiers\":{{\"user_id\":\"{user}\"}},\"placements\":[\"home_hero\"],\"context\":{{\"locale\":\"sv-SE\"}},\"explain\":true,\"record\":false}}'

3. Look the shopper up
   curl -sS '{base}/api/v1/profiles/lookup?type=user_id&value={user}' -H 'authorization: Bearer {token}'

4. See what came of an experiment; somebody comes every two seconds, so give it a quarter of an hour
   curl -sS {base}/api/v1/experiences/first_impression/results -H 'authorization: Bearer {token}'

The same for reading, with the token in CONCIERGE_TOKEN:
   concierge decide --server {base} --user-id {user} --placement home_hero --explain
   concierge profile --server {base} user_id {user}
   concierge results --server {base} first_impression

Ctrl-C stops it."
    )
}
