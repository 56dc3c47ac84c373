//! Asking the server what it decides, for no longer than a page can wait, and not again and again while it is gone.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{self, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use parking_lot::Mutex;

use crate::{Address, forward};

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Longest that is waited for one, whatever the page waits for.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// After so many failures in a row nothing is asked for a while.
const FAILURES_MAX: u32 = 5;
/// So long.
const REST: Duration = Duration::from_secs(5);
/// The server lets go of a connection that is idle for 75 s.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// It cannot be reached.
    #[error("the server cannot be asked")]
    Asking(#[from] hyper_util::client::legacy::Error),
    /// It refuses.
    #[error("the server answers with status {}{}", .0.as_u16(), hint(*.0))]
    Status(StatusCode),
    /// What it says breaks off, is too long, or is no text.
    #[error("the server's answer cannot be read")]
    Reading,
    /// It has not answered yet.
    #[error("the server has not answered in time")]
    Late,
}

/// What is likely to be wrong.
fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => ": it knows no public source of this write key",
        _ => "",
    }
}

/// A server that decides.
#[derive(Debug)]
pub(crate) struct Decider {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    failures: Mutex<Failures>,
}

/// Failures in a row.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    rests_until: Option<Instant>,
}

impl Decider {
    pub(crate) fn at(address: &Address) -> Self {
        let connector = forward::connector(ANSWER_TIME_MAX);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .build(connector);
        Self { client, url: format!("http://{address}/v1/decide"), failures: Mutex::default() }
    }

    /// Whether it is worth asking.
    pub(crate) fn is_asked(&self) -> bool {
        !self.failures.lock().has_rest(Instant::now())
    }

    /// The answer to a question.
    pub(crate) async fn ask(&self, question: Vec<u8>, headers: HeaderMap) -> Option<String> {
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, self.answer(question, headers)).await;
        match answer.unwrap_or(Err(AskError::Late)) {
            Ok(answer) => {
                *self.failures.lock() = Failures::default();
                Some(answer)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    async fn answer(&self, question: Vec<u8>, headers: HeaderMap) -> Result<String, AskError> {
        let mut request = Request::new(Full::from(question));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.url.parse().map_err(|_| AskError::Reading)?;
        *request.headers_mut() = headers;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let response = self.client.request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let bytes = body.map_err(|_| AskError::Reading)?.to_bytes();
        String::from_utf8(bytes.into()).map_err(|_| AskError::Reading)
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, error: &AskError) {
        // A key that is not known will not be known for the next page either.
        let is_refused = matches!(error, AskError::Status(StatusCode::UNAUTHORIZED));
        if self.failures.lock().add(if is_refused { FAILURES_MAX } else { 1 }, Instant::now()) {
            let rest_seconds = REST.as_secs();
            tracing::warn!(%error, rest_seconds, "there are no decisions: pages pass through as they are");
        }
    }
}

impl Failures {
    fn has_rest(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Adds some; whether a rest begins.
    fn add(&mut self, count: u32, now: Instant) -> bool {
        self.count = self.count.saturating_add(count);
        let begins = FAILURES_MAX <= self.count && !self.has_rest(now);
        if begins {
            self.rests_until = Some(now + REST);
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_some_failures_there_is_a_rest_and_after_it_one_more_is_enough() {
        let mut failures = Failures::default();
        let now = Instant::now();
        let begun: Vec<bool> = (0..6).map(|_| failures.add(1, now)).collect();
        assert_eq!(begun, [false, false, false, false, true, false]);
        assert!(failures.has_rest(now + REST / 2) && !failures.has_rest(now + REST));
        assert!(failures.add(1, now + REST) && failures.has_rest(now + REST));
    }
}
