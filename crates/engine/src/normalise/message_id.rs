//! The message id of an event that came without one, so that a retry is the same event (I2).

use compact_str::CompactString;
use model::{EventKind, Value, value::Object};

use super::Envelope;

/// What differs between two attempts to send the same event, and so must not enter its id.
const PER_ATTEMPT: [&str; 7] =
    ["sentAt", "sent_at", "receivedAt", "received_at", "writeKey", "write_key", "_metadata"];

/// 128 bits of BLAKE3, in hexadecimal, over the source, the call, what tells equal events apart, and the event as
/// canonical JSON.
///
/// The client's time enters as the event's own `timestamp`. Two equal events that carry neither a
/// message id nor a time cannot be told from a retry, and are one event within the dedup window.
pub(super) fn derive(
    text: &str,
    kind: EventKind,
    envelope: &Envelope<'_>,
) -> Result<CompactString, serde_json::Error> {
    let mut event: Object = serde_json::from_str(text)?;
    for key in PER_ATTEMPT {
        event.remove(key);
    }
    // The path may have named the call; whether the body repeats it must make no difference.
    event.insert("type".to_owned(), kind.to_string().into());
    let mut hasher = blake3::Hasher::new();
    for part in [envelope.source.as_str(), envelope.row.unwrap_or_default()] {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    hash_object(&mut hasher, &event);
    let hex = hasher.finalize().to_hex();
    Ok(CompactString::from(hex.get(..32).unwrap_or_default()))
}

fn hash_value(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(true) => hasher.update(b"t"),
        Value::Bool(false) => hasher.update(b"f"),
        Value::Number(number) => hasher.update(b"#").update(number.to_string().as_bytes()),
        Value::String(text) => hash_text(hasher, text),
        Value::Array(items) => {
            hasher.update(b"[");
            items.iter().for_each(|item| hash_value(hasher, item));
            hasher.update(b"]")
        }
        Value::Object(object) => hash_object(hasher, object),
    };
}

/// Entries enter in key order, in whichever order the map keeps them.
fn hash_object<'h>(hasher: &'h mut blake3::Hasher, object: &Object) -> &'h mut blake3::Hasher {
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    hasher.update(b"{");
    for (key, value) in entries {
        hash_text(hasher, key);
        hash_value(hasher, value);
    }
    hasher.update(b"}")
}

/// The length goes first, so that no two different sequences of texts feed the same bytes.
fn hash_text<'h>(hasher: &'h mut blake3::Hasher, text: &str) -> &'h mut blake3::Hasher {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    hasher.update(b"\"").update(&length.to_le_bytes()).update(text.as_bytes())
}
