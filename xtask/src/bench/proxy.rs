//! How much later does a page begin behind a proxy, passed on as it is and with what was decided?

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::{
    arguments::Arguments,
    latency::Latencies,
    measured::ms,
    proc::{self, Usage},
    server::{Cores, Server},
    table::{Budget, Table},
};

/// Calls in each way, in turns, so that whatever else the machine does meets all alike.
const CALLS: u32 = 5_000;
/// Calls in each way before any counts.
const CALLS_BEFORE: u32 = 500;
/// Changes of the page.
const CHANGES: usize = 20;
/// Paragraphs of the page that the site has.
const PARAGRAPHS: usize = 400;
/// Room for a page and more, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// The page of the site: some 40 KB.
pub(crate) fn page() -> String {
    let head =
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>Shop</title></head><body>";
    let paragraph = |number| {
        format!(
            "<div class='row r{number}'><p id=p{number}>Things that last, and how they are made</p></div>"
        )
    };
    let body: String = (0..PARAGRAPHS).map(paragraph).collect();
    format!("{head}{body}</body></html>")
}

/// Asks for the page of one site directly, through the proxy as it is, and with what was decided, in turns.
pub(crate) fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    crate::say("pages through the proxy");
    let arguments = arguments.beside("proxy");
    crate::remove(&arguments.data)?;
    let server = Server::start(&arguments, Cores::All)?;
    define(&server)?;
    let site = Server::start_echo(Cores::All)?;
    let proxy = Server::start_proxy(&arguments, &site, &server)?;
    let mut direct = Way::to(site.address(), "*/*")?;
    let mut passed_on = Way::to(proxy.address(), "*/*")?;
    let mut personal = Way::to(proxy.address(), "text/html")?;
    for number in 0..CALLS_BEFORE {
        for way in [&mut direct, &mut passed_on, &mut personal] {
            way.call(number)?;
        }
    }
    let ways = [&mut direct, &mut passed_on, &mut personal];
    let mut costs = [Duration::ZERO; 3];
    for way in ways.into_iter() {
        way.latencies = Latencies::default();
    }
    let usage = || Usage::of(proxy.pid());
    let busy_before = proc::busy()?;
    let begun = Instant::now();
    for number in CALLS_BEFORE..CALLS_BEFORE + CALLS {
        for way in [&mut direct, &mut passed_on, &mut personal] {
            way.call(number)?;
        }
    }
    let (busy, took) = (proc::busy()?.saturating_sub(busy_before), begun.elapsed());
    // Apart, since the kernel counts a process's time in ticks that are longer than a call.
    for (way, cost) in [&mut passed_on, &mut personal].into_iter().zip(&mut costs) {
        let before = usage()?;
        let latencies = std::mem::take(&mut way.latencies);
        for number in 0..CALLS {
            way.call(number)?;
        }
        way.latencies = latencies;
        *cost = usage()?.since(before).cpu / CALLS;
    }
    table.section(format!(
        "Pages through the proxy: time to the first byte, {CALLS} calls in each way, in turns"
    ));
    let [p99, ..] = add(&mut direct, "direct", table);
    add(&mut passed_on, "passed on", table);
    let [personal_p99, ..] = add(&mut personal, "with 20 changes", table);
    table.judged("later at p99 with changes, ms", personal_p99 - p99, Budget::AtMost(5.0));
    table.row("proxy CPU per page passed on, µs", costs[0].as_secs_f64() * 1e6);
    table.row("proxy CPU per page with changes, µs", costs[1].as_secs_f64() * 1e6);
    table.row("cores busy with anything", busy.as_secs_f64() / took.as_secs_f64());
    ensure!(personal.has_changes, "the page was not changed");
    [proxy, site, server].into_iter().try_for_each(Server::stop)?;
    crate::remove(&arguments.data)
}

fn add(way: &mut Way, name: &str, table: &mut Table) -> [f64; 2] {
    let all = Latencies::merged([std::mem::take(&mut way.latencies)]);
    let [p50, p99] = [500, 990].map(|part| ms(all.per_mille(part)));
    table.row(format!("{name}: p50, ms"), p50);
    table.row(format!("{name}: p99, ms"), p99);
    [p99, p50]
}

fn define(server: &Server) -> anyhow::Result<()> {
    let change = |number: usize| json!({"kind": "text", "selector": format!("#p{}", number * 7), "value": "Changed"});
    let changes: Vec<Value> = (0..CHANGES).map(change).collect();
    server.put("/api/v1/placements/page", &json!({"state": "live"}))?;
    let variants = json!([{"key": "on", "content": {"changes": changes}}]);
    let experience = json!({"state": "live", "placement": "page", "variants": variants});
    server.put("/api/v1/experiences/changed", &experience)
}

/// One way to the page: a connection that is kept.
struct Way {
    stream: TcpStream,
    accept: &'static str,
    received: Vec<u8>,
    latencies: Latencies,
    has_changes: bool,
}

impl Way {
    fn to(address: SocketAddr, accept: &'static str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        let received = vec![0; BUFFER_BYTES];
        Ok(Self { stream, accept, received, latencies: Latencies::default(), has_changes: false })
    }

    /// Asks for the page as another visitor each time, and counts until it begins.
    fn call(&mut self, visitor: u32) -> anyhow::Result<()> {
        let request = format!(
            "GET / HTTP/1.1\r\nhost: bench\r\naccept: {}\r\naccept-language: en\r\n\
             user-agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0\r\ncookie: ajs_anonymous_id=visitor-{visitor}\r\n\r\n",
            self.accept
        );
        let begun = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        let mut has_begun = false;
        loop {
            let free = self.received.get_mut(filled..).unwrap_or_default();
            let count = self.stream.read(free).context("cannot receive")?;
            ensure!(count != 0, "the page broke off");
            filled += count;
            let received = self.received.get(..filled).unwrap_or_default();
            if !has_begun && find(received, b"<!doctype").is_some() {
                self.latencies.push(begun.elapsed());
                has_begun = true;
            }
            if find(received.get(filled.saturating_sub(32)..).unwrap_or_default(), b"</html>")
                .is_some()
                && (find(received, b"chunked").is_none() || received.ends_with(b"0\r\n\r\n"))
            {
                self.has_changes = find(received, b">Changed</p>").is_some();
                return Ok(());
            }
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
