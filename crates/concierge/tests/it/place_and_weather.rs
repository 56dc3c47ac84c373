//! Story S4: the town and its weather shape the page. The database of places and the service that
//! tells the weather are made here, in the forms of the real ones.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use maxminddb_writer::{Database, metadata::IpVersion, paths::IpAddrWithMask};
use serde_json::{Value, json};

use crate::support::{Server, free_address};

/// What Open-Meteo answers, shortened.
const RAIN: &str = r#"{"latitude":55.6,"longitude":13.0,"timezone":"GMT","current":{"time":"2026-11-22T12:00",
    "interval":900,"temperature_2m":6.4,"weather_code":61,"wind_speed_10m":18.7,"is_day":1}}"#;

fn places(path: &Path) {
    let mut database = Database::default();
    database.metadata.binary_format_major_version = 2;
    database.metadata.ip_version = IpVersion::V6;
    let malmo = json!({
        "country": {"iso_code": "SE"},
        "city": {"names": {"en": "Malmo"}},
        "location": {"latitude": 55.60587, "longitude": 13.00073, "time_zone": "Europe/Stockholm"},
    });
    let malmo = database.insert_value(malmo).unwrap();
    database.insert_node("2001:db8::/64".parse::<IpAddrWithMask>().unwrap(), malmo);
    database.write_to(File::create(path).unwrap()).unwrap();
}

/// Answers every call with rain; returns the address, and what was asked is sent to `asked`.
fn weather_service(asked: std::sync::mpsc::Sender<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |mut stream: TcpStream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let question = lines.next().unwrap();
        lines.find(String::is_empty).unwrap();
        let length = RAIN.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{RAIN}"
        )
        .unwrap();
        asked.send(question).ok();
    };
    thread::spawn(move || listener.incoming().map(Result::unwrap).for_each(answer));
    format!("http://{address}/v1/forecast?apikey=k")
}

#[test]
fn umbrellas_are_shown_in_rainy_malmo() {
    let dir = tempfile::tempdir().unwrap();
    places(&dir.path().join("city.mmdb"));
    let (asked, questions) = std::sync::mpsc::channel();
    let service = weather_service(asked);
    let listen = free_address();
    let arguments = [
        "serve",
        "--data",
        "data",
        "--listen",
        &listen,
        "--places",
        "city.mmdb",
        "--weather",
        &service,
    ];
    let server = Server::spawn(dir.path(), &arguments, "listening on ");
    let put = |path: &str, body: &Value| {
        let (status, answer) = server.call("PUT", path, body).unwrap();
        assert!(status < 300, "{answer}");
    };
    put(
        "/api/v1/placements/hero",
        &json!({"state": "live", "default": {"title": "Hello"},
            "content_schema": {"type": "object", "properties": {"title": {"type": "string"}}}}),
    );
    put(
        "/api/v1/experiences/umbrellas",
        &json!({"state": "live", "placement": "hero",
        "eligibility": {"context": "weather.sky", "op": "eq", "value": "rain"},
        "variants": [{"key": "a", "weight": 1, "content": {
            "title": "Umbrellas for {{ context.location.city }}, {{ context.weather.temperature_celsius }} °C"
        }}]}),
    );
    let title = |ip: &str| {
        let ask = json!({"identifiers": {"anonymous_id": "a1"}, "placements": ["hero"], "context": {"ip": ip}});
        server.post("/v1/decide", &ask)["decisions"][0]["content"]["title"].clone()
    };
    assert_eq!(title("2001:db8::7"), "Hello", "nobody waits for the service");
    let question = questions.recv().unwrap();
    assert!(question.contains("apikey=k&latitude=55.6&longitude=13&current="), "{question}");
    // The answer is on its way from the service to those who come next.
    while title("2001:db8::7") == "Hello" {
        thread::yield_now();
    }
    assert_eq!(title("2001:db8::7"), "Umbrellas for Malmo, 6.4 °C");
    assert_eq!(title("2001:db8:9::7"), "Hello", "nobody knows where that is");
    assert!(server.terminate().success());
}
