//! The program under measurement: started as its users start it, asked through HTTP only.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    arguments::Arguments,
    client::{Client, Envelope},
    proc,
};

/// The secrets of the run; the data is thrown away with them.
pub(crate) const WRITE_KEY: &str = "bench_write_key_0123456789";
pub(crate) const TOKEN: &str = "bench_token_0123456789abcdef";

/// Tells the echo where to listen.
pub(crate) const LISTEN_VARIABLE: &str = "BENCH_LISTEN";

/// Recovery of a large directory may take long; longer than this it is broken.
const START_TIME_MAX: Duration = Duration::from_secs(120);

/// Which cores a process runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    All,
    /// The first, when something is measured that must have one core to itself.
    Server,
    /// The last, where the load comes from.
    Generator,
}

/// A running process that answers HTTP.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts the program on the run's data and waits until it is ready.
    pub(crate) fn start(arguments: &Arguments, cores: Cores) -> anyhow::Result<Self> {
        let server = Self::launch(arguments, cores)?;
        server.wait_until(Self::is_ready)?;
        Ok(server)
    }

    /// Starts the program on the run's data.
    pub(crate) fn launch(arguments: &Arguments, cores: Cores) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(&arguments.binary);
        command.arg("serve").arg("--data").arg(&arguments.data);
        command.arg("--listen").arg(address.to_string());
        command.arg("--lake").arg(if arguments.has_lake { "on" } else { "off" });
        command.env("CONCIERGE_WRITE_KEY", WRITE_KEY).env("CONCIERGE_TOKEN", TOKEN);
        command.env("CONCIERGE_LOG", "warn");
        Self::spawn(command, address, cores)
    }

    /// Starts the echo, in another process of this program.
    pub(crate) fn start_echo(cores: Cores) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("echo").env(LISTEN_VARIABLE, address.to_string());
        let server = Self::spawn(command, address, cores)?;
        server.wait_until(|_| Ok(true))?;
        Ok(server)
    }

    /// Starts a proxy before a site, which asks a server what is decided.
    pub(crate) fn start_proxy(
        arguments: &Arguments,
        site: &Self,
        server: &Self,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(&arguments.binary);
        command.arg("proxy").arg("--listen").arg(address.to_string());
        command.arg("--upstream").arg(format!("http://{}", site.address));
        command.arg("--server").arg(format!("http://{}", server.address));
        command.env("CONCIERGE_WRITE_KEY", WRITE_KEY).env("CONCIERGE_LOG", "warn");
        let proxy = Self::spawn(command, address, Cores::All)?;
        proxy.wait_until(|_| Ok(true))?;
        Ok(proxy)
    }

    /// Starts a process. It inherits the cores of the thread that starts it.
    fn spawn(mut command: Command, address: SocketAddr, cores: Cores) -> anyhow::Result<Self> {
        proc::pin_to(cores)?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        proc::pin_to(Cores::Generator)?;
        let program = Path::new(command.get_program()).display().to_string();
        Ok(Self { child: child.with_context(|| format!("cannot start {program}"))?, address })
    }

    /// Tries until something holds, and tells how long it took. Each try has a new connection.
    pub(crate) fn wait_until(
        &self,
        mut holds: impl FnMut(&mut Client) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Duration> {
        let start = Instant::now();
        loop {
            // Until it listens, every try fails.
            let tried = Client::connect(self.address).and_then(|mut client| holds(&mut client));
            match tried {
                Ok(true) => return Ok(start.elapsed()),
                Err(error) if START_TIME_MAX < start.elapsed() => return Err(error),
                Ok(false) if START_TIME_MAX < start.elapsed() => bail!("the server is not ready"),
                _ => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Whether it says that it can serve.
    pub(crate) fn is_ready(client: &mut Client) -> anyhow::Result<bool> {
        Ok(get(client, "/readyz")?.0 == 200)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let mut client = Client::connect(self.address)?;
        let (_, body) = get(&mut client, "/metrics")?;
        let text = String::from_utf8(body)?;
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            (labels.is_empty() || labels.starts_with('{')).then(|| value.parse::<u64>().ok())?
        });
        Ok(values.sum())
    }

    /// Saves a definition.
    pub(crate) fn put(&self, path: &str, document: &Value) -> anyhow::Result<()> {
        let mut request = Vec::new();
        let body = serde_json::to_vec(document)?;
        Envelope::new("PUT", path, TOKEN).write(&body, &mut request);
        let mut client = Client::connect(self.address)?;
        let answer = client.call(&request).with_context(|| format!("saving {path}"))?;
        let text = String::from_utf8_lossy(answer.body);
        ensure!(answer.status < 300, "{path} was answered with {}: {text}", answer.status);
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.child.wait()?;
        let asked = status.signal() == Some(Signal::TERM.as_raw());
        ensure!(status.success() || asked, "the server ended with {status}");
        Ok(())
    }

    /// Kills it without a chance to write anything.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id())?;
        let pid = Pid::from_raw(pid).context("the server has no process id")?;
        kill_process(pid, signal).context("cannot signal the server")
    }
}

impl Drop for Server {
    /// A measurement that failed leaves nothing running. Killing what has ended does nothing.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn get(client: &mut Client, path: &str) -> anyhow::Result<(u16, Vec<u8>)> {
    let answer = client.call(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes())?;
    Ok((answer.status, answer.body.to_vec()))
}

/// An address that nobody listens on at the moment.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
