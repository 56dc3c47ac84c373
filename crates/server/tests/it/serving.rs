//! The listener: real connections, and a stop that loses nothing.

use std::time::Duration;

use server::Options;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::harness::{WRITE_KEY, open};

#[tokio::test]
async fn a_call_in_flight_is_answered_before_the_server_stops() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, _) = open(&dir);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = Options { drain: Duration::from_secs(10), ..Options::default() };
    let serving = tokio::spawn(server::serve(engine.clone(), options, listener, async move {
        drop(stopped.await);
    }));

    let body = r#"{"event":"E","userId":"u1"}"#;
    let head = format!(
        "POST /v1/track HTTP/1.1\r\nhost: x\r\nx-write-key: {WRITE_KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");

    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(head.as_bytes()).await.unwrap();
    // The head is read before the stop: the server answers `continue`-less calls only when the body is there.
    busy.write_all(&body.as_bytes()[..5]).await.unwrap();
    let mut probe = TcpStream::connect(address).await.unwrap();
    probe.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    probe.read_exact(&mut answer).await.unwrap();

    stop.send(()).unwrap();
    busy.write_all(&body.as_bytes()[5..]).await.unwrap();
    let mut text = String::new();
    busy.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(text.ends_with(r#"{"success":true}"#), "{text}");
    serving.await.unwrap().unwrap();
    assert!(!engine.ready(), "the engine is stopped");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}
