//! Running the binary and speaking to it.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread::JoinHandle,
};

use serde_json::Value;
use ureq::{Agent, http};

pub(crate) const WRITE_KEY: &str = "test-write-key-0123456789";
pub(crate) const TOKEN: &str = "test-token-0123456789";

/// The binary, with no setting from the outside.
pub(crate) fn concierge(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concierge"));
    let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("CONCIERGE_"));
    for name in ours {
        command.env_remove(name);
    }
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Output {
    concierge(dir)
        .args(arguments)
        .env("CONCIERGE_TOKEN", TOKEN)
        .env("CONCIERGE_WRITE_KEY", WRITE_KEY)
        .output()
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
    agent: Agent,
    /// Reads what the server goes on to print, so that it never waits for a reader.
    output: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts `serve` on the data directory `dir/data` and waits until it listens.
    pub(crate) fn start(dir: &Path, listen: &str) -> Self {
        Self::spawn(dir, &["serve", "--data", "data", "--listen", listen], "listening on ")
    }

    /// Starts the binary and waits for the line that begins with `sign`; what follows it is the address.
    pub(crate) fn spawn(dir: &Path, arguments: &[&str], sign: &str) -> Self {
        let mut child = concierge(dir)
            .args(arguments)
            .env("CONCIERGE_TOKEN", TOKEN)
            .env("CONCIERGE_WRITE_KEY", WRITE_KEY)
            .env("CONCIERGE_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix(sign).map(str::to_owned))
            .expect("the server ended before it listened");
        let output = std::thread::spawn(move || lines.for_each(drop));
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { child, base, agent, output: Some(output) }
    }

    /// Calls with the token, or with the write key on the ingest paths.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value), ureq::Error> {
        call(&self.agent, &self.base, method, path, body)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call("GET", path, &Value::Null).unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call("POST", path, body).unwrap();
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// The message ids of everything a user did, newest first, through the timeline's pages.
    pub(crate) fn timeline(&self, user: &str) -> Vec<String> {
        let profile = self.get(&format!("/api/v1/profiles/lookup?type=user_id&value={user}"));
        let id = profile["id"].as_str().unwrap().to_owned();
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/api/v1/profiles/{id}/timeline?limit=500{cursor}"));
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["message_id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process: nothing of it gets a chance to clean up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.output.take().unwrap().join().unwrap();
    }

    /// Asks the process to stop, and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        self.output.take().unwrap().join().unwrap();
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only a test that failed leaves a server running.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One call; the credential is that of the path.
pub(crate) fn call(
    agent: &Agent,
    base: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<(u16, Value), ureq::Error> {
    let ingest = path.starts_with("/v1/") && path != "/v1/decide";
    let credential = if ingest { WRITE_KEY } else { TOKEN };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{base}{path}"))
        .header("authorization", format!("Bearer {credential}"))
        .header("content-type", "application/json");
    let mut response = match body {
        Value::Null => agent.run(request.body(()).unwrap())?,
        body => agent.run(request.body(body.to_string()).unwrap())?,
    };
    let text = response.body_mut().read_to_string()?;
    let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok((response.status().as_u16(), answer))
}
