//! Sends calls over one kept connection and reads just enough of the answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// A server that says nothing for so long is not going to.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The largest answer, in bytes; the largest that is asked for is that of `/metrics`.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection that is kept between calls.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, received: vec![0; 16 * 1024] })
    }

    /// Sends a whole request and waits for its whole answer.
    pub(crate) fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).context("cannot send")?;
        let mut filled = 0;
        loop {
            if filled == self.received.len() {
                ensure!(filled < ANSWER_BYTES_MAX, "an answer is longer than {filled} bytes");
                self.received.resize(filled * 2, 0);
            }
            let free = self.received.get_mut(filled..).unwrap_or_default();
            let count = self.stream.read(free).context("cannot receive")?;
            ensure!(count != 0, "the connection was closed before the answer was complete");
            filled += count;
            let received = self.received.get(..filled).unwrap_or_default();
            if let Some(head) = Head::parse(received)?
                && head.bytes + head.body_bytes <= filled
            {
                let body = self.received.get(head.bytes..head.bytes + head.body_bytes);
                return Ok(Answer { status: head.status, body: body.unwrap_or_default() });
            }
        }
    }
}

/// What the head of an answer says about it.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
}

impl Head {
    /// Reads the head; `None` while it is not complete.
    fn parse(received: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(received.get(..end).unwrap_or_default())?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.context("an answer has no status line")?.parse()?;
        let mut body_bytes = 0;
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                body_bytes = value.trim().parse()?;
            }
            ensure!(
                !name.eq_ignore_ascii_case("transfer-encoding"),
                "an answer does not say its length"
            );
        }
        Ok(Some(Self { status, bytes: end + 4, body_bytes }))
    }
}

/// Makes requests of one kind: the head is written once, and each body goes behind it.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    head: String,
}

impl Envelope {
    /// For calls of `method` to `path` with the secret as a bearer token.
    pub(crate) fn new(method: &str, path: &str, secret: &str) -> Self {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             authorization: Bearer {secret}\r\ncontent-length: "
        );
        Self { head }
    }

    /// Replaces what is in `request` by the head and the body.
    pub(crate) fn write(&self, body: &[u8], request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(self.head.as_bytes());
        request.extend_from_slice(body.len().to_string().as_bytes());
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_once_complete() {
        let answer = b"HTTP/1.1 429 Too Many\r\nContent-Length: 12\r\nretry-after: 1\r\n\r\nab";
        assert_eq!(
            Head::parse(answer).unwrap(),
            Some(Head { status: 429, bytes: answer.len() - 2, body_bytes: 12 })
        );
        assert_eq!(Head::parse(&answer[..40]).unwrap(), None);
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn requests_state_their_length() {
        let mut request = b"old".to_vec();
        Envelope::new("POST", "/v1/batch", "key").write(b"{}", &mut request);
        assert_eq!(
            String::from_utf8(request).unwrap(),
            "POST /v1/batch HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             authorization: Bearer key\r\ncontent-length: 2\r\n\r\n{}"
        );
    }
}
