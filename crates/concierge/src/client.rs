//! The client side: blocking HTTP to a server, with retries when it is busy and errors that say what to do.

use std::{io::Read, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use ureq::{Agent, http};

mod problem;

pub(crate) use problem::Problem;

/// How often a call is repeated when the server answers that it is busy.
const BUSY_TRIES: u32 = 60;
/// Longest wait that a busy server may ask for.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long an answer that is read as it comes may take: a backup of a full disk over a slow line.
const STREAM_TIME_MAX: Duration = Duration::from_hours(24);

/// What a call shows to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Nothing: health and readiness.
    None,
    /// The management token.
    Token,
    /// A source's write key.
    WriteKey,
}

/// A server with the keys to it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
    write_key: Option<String>,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    body: Vec<u8>,
    retry_after: Option<u64>,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    /// Path and query, already encoded.
    pub(crate) path: &'a str,
    pub(crate) auth: Auth,
    /// JSON.
    pub(crate) body: Option<&'a [u8]>,
}

impl<'a> Call<'a> {
    /// Reads what is at a path, with the token.
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: "GET", path, auth: Auth::Token, body: None }
    }
}

impl Client {
    /// A client of the server at `base` (`http://HOST:PORT`).
    pub(crate) fn new(base: String, token: Option<String>, write_key: Option<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(120)))
            .user_agent(concat!("concierge/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), base, token, write_key }
    }

    /// Where it speaks to.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Reads with the token; an answer that is not 2xx is an error.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(&Call::get(path))?.success(path)
    }

    /// Sends JSON; an answer that is not 2xx is an error.
    pub(crate) fn post(&self, path: &str, auth: Auth, body: &Value) -> anyhow::Result<Value> {
        let bytes = serde_json::to_vec(body).context("writing JSON")?;
        let answer = self.call(&Call { method: "POST", path, auth, body: Some(&bytes) })?;
        answer.success(path)
    }

    /// Calls, and calls again for as long as the server says that it is busy.
    pub(crate) fn call(&self, call: &Call<'_>) -> anyhow::Result<Answer> {
        for _ in 1..BUSY_TRIES {
            let answer = self.call_once(call)?;
            if !matches!(answer.status, 429 | 503) {
                return Ok(answer);
            }
            let asked = Duration::from_secs(answer.retry_after.unwrap_or(1));
            std::thread::sleep(asked.clamp(Duration::from_millis(100), BUSY_WAIT_MAX));
        }
        self.call_once(call)
    }

    /// Calls exactly once.
    pub(crate) fn call_once(&self, call: &Call<'_>) -> anyhow::Result<Answer> {
        let url = format!("{}{}", self.base, call.path);
        let mut request = http::Request::builder().method(call.method).uri(&url);
        if let Some(credential) = self.credential(call.auth)? {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let sent = match call.body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body);
                self.agent.run(request.with_context(|| format!("`{url}` is no address"))?)
            }
            None => {
                let request = request.body(());
                self.agent.run(request.with_context(|| format!("`{url}` is no address"))?)
            }
        };
        let mut response = sent.map_err(|error| self.unreachable(error))?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (etag, retry_after) = (header("etag"), header("retry-after"));
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok(Answer {
            status: response.status().as_u16(),
            etag,
            retry_after: retry_after.and_then(|text| text.parse().ok()),
            body: body.with_context(|| format!("reading the answer of {url}"))?,
        })
    }

    /// Reads an answer as it comes. What it ends with, or its length, must show that it is whole.
    pub(crate) fn stream(&self, call: &Call<'_>) -> anyhow::Result<Box<dyn Read>> {
        let path = call.path;
        for _ in 1..BUSY_TRIES {
            let response = self.begin(call)?;
            let status = response.status().as_u16();
            if (200..300).contains(&status) {
                return Ok(Box::new(response.into_body().into_reader()));
            }
            let body = response.into_body().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
            let body = body.with_context(|| format!("reading the answer of {path}"))?;
            if !matches!(status, 429 | 503) {
                return Err(Problem::read(status, &body).into_error(path));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        bail!("{path} is busy: the server has others like it on their way")
    }

    fn begin(&self, call: &Call<'_>) -> anyhow::Result<http::Response<ureq::Body>> {
        let url = format!("{}{}", self.base, call.path);
        let mut request = http::Request::builder().method(call.method).uri(&url);
        if let Some(credential) = self.credential(call.auth)? {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let no_address = || format!("`{url}` is no address");
        let sent = match call.body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body);
                let request = self.agent.configure_request(request.with_context(no_address)?);
                self.agent.run(request.timeout_global(Some(STREAM_TIME_MAX)).build())
            }
            None => {
                let request = request.body(()).with_context(no_address)?;
                let request = self.agent.configure_request(request);
                self.agent.run(request.timeout_global(Some(STREAM_TIME_MAX)).build())
            }
        };
        sent.map_err(|error| self.unreachable(error))
    }

    fn credential(&self, auth: Auth) -> anyhow::Result<Option<&str>> {
        match auth {
            Auth::None => Ok(None),
            Auth::Token => match &self.token {
                Some(token) => Ok(Some(token)),
                None => bail!(
                    "this needs a token: give --token or set CONCIERGE_TOKEN to the one the first start printed"
                ),
            },
            Auth::WriteKey => match &self.write_key {
                Some(key) => Ok(Some(key)),
                None => bail!(
                    "this needs a write key: give --write-key or set CONCIERGE_WRITE_KEY to the one the first \
                     start printed"
                ),
            },
        }
    }

    fn unreachable(&self, error: ureq::Error) -> anyhow::Error {
        anyhow!(error).context(format!(
            "no server answers at {}: start one with `concierge serve`, name another with --server, \
             or open a data directory with --data",
            self.base
        ))
    }
}

impl Answer {
    /// Whether the server did what it was asked.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `null` when there is none.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).context("the server's answer is not JSON")
    }

    /// The body of an answer that is 2xx; otherwise the problem as an error.
    pub(crate) fn success(&self, path: &str) -> anyhow::Result<Value> {
        if self.is_success() { self.json() } else { Err(self.problem().into_error(path)) }
    }

    /// What the server says went wrong.
    pub(crate) fn problem(&self) -> Problem {
        Problem::read(self.status, &self.body)
    }
}

/// Writes text as one part of a path or a value of a query.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_parts_are_encoded() {
        assert_eq!(encode("a b/ö+1@x.se"), "a%20b%2F%C3%B6%2B1%40x.se");
    }

    #[test]
    fn a_missing_token_says_what_to_do() {
        let client = Client::new("http://127.0.0.1:1".into(), None, None);
        let error = client.get("/api/v1/audiences").unwrap_err();
        assert!(error.to_string().contains("CONCIERGE_TOKEN"), "{error}");
    }
}
