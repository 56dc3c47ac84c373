//! Taking a batch call apart, so that each event is judged on its own: one that is not even JSON spoils no other.

use model::{LazyObject, Timestamp};
use serde::{Deserialize, de::IgnoredAny};
use thiserror::Error;

use super::depth;

/// A batch call, taken apart.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The write key, where the body carries it.
    pub write_key: Option<String>,
    /// When the sender sent it, by the sender's clock; `None` also when it is no time.
    pub sent_at: Option<Timestamp>,
    /// What all its events share.
    pub context: Option<LazyObject>,
    /// Each event's text, not yet parsed.
    pub events: Vec<&'a [u8]>,
}

/// Why a batch call could not be taken apart.
#[derive(Debug, Error)]
pub enum BatchError {
    /// What surrounds the events is no JSON object.
    #[error("the body is not JSON: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The brackets of the events do not close, or an event is missing between two commas.
    #[error("the body is not JSON: the list `{key}` does not end as it should")]
    Unclosed {
        /// Where the list stands.
        key: &'static str,
    },
    /// No list of events.
    #[error("the body has no list `{key}`")]
    NoList {
        /// Where it should stand.
        key: &'static str,
    },
    /// More events than a call may carry.
    #[error("the batch has more than {max} events")]
    TooMany {
        /// Most events of one call.
        max: usize,
    },
}

/// What surrounds the events.
#[derive(Deserialize)]
struct Around {
    #[serde(default, rename = "writeKey", alias = "write_key")]
    write_key: Option<String>,
    #[serde(default, rename = "sentAt", alias = "sent_at")]
    sent_at: Option<String>,
    #[serde(default)]
    context: Option<LazyObject>,
    // Named so that a second list is refused, not dropped.
    #[serde(default, rename = "batch")]
    _batch: Option<IgnoredAny>,
}

/// Takes the batch call `body` apart; at most `events_max` events.
pub fn split(body: &[u8], events_max: usize) -> Result<Batch<'_>, BatchError> {
    let (around, events) = split_list(body, "batch", events_max)?;
    let around: Around = serde_json::from_slice(&around)?;
    Ok(Batch {
        write_key: around.write_key,
        sent_at: around.sent_at.and_then(|text| text.parse().ok()),
        context: around.context,
        events,
    })
}

/// Takes out the elements of the list under the top-level key `key`, unparsed: the rest of the body
/// with an empty list in its place, and the text of each element. The rest is not parsed either.
pub fn split_list<'a>(
    body: &'a [u8],
    key: &'static str,
    elements_max: usize,
) -> Result<(Vec<u8>, Vec<&'a [u8]>), BatchError> {
    let Some(open) = find_list(body, key) else {
        serde_json::from_slice::<IgnoredAny>(body)?;
        return Err(BatchError::NoList { key });
    };
    let list = List { body, key, open };
    let (elements, close) = list.elements(elements_max)?;
    let mut around = Vec::with_capacity(256);
    around.extend_from_slice(body.get(..=open).unwrap_or_default());
    around.extend_from_slice(body.get(close..).unwrap_or_default());
    Ok((around, elements))
}

/// The position of the bracket that opens the list under the top-level key `key`.
fn find_list(body: &[u8], key: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => {
                let end = depth::string_end(body, at)?;
                let is_key = depth == 1 && body.get(at + 1..end) == Some(key.as_bytes());
                at = end;
                if is_key && let Some(open) = list_after_colon(body, end + 1) {
                    return Some(open);
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
    None
}

fn list_after_colon(body: &[u8], from: usize) -> Option<usize> {
    let colon = next_visible(body, from)?;
    if body.get(colon) != Some(&b':') {
        return None;
    }
    let open = next_visible(body, colon + 1)?;
    (body.get(open) == Some(&b'[')).then_some(open)
}

fn next_visible(body: &[u8], from: usize) -> Option<usize> {
    let step = body.get(from..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
    Some(from + step)
}

/// A list inside a body, by the position of the bracket that opens it.
struct List<'a> {
    body: &'a [u8],
    key: &'static str,
    open: usize,
}

impl<'a> List<'a> {
    /// The text of each element, and the position of the closing bracket.
    fn elements(&self, elements_max: usize) -> Result<(Vec<&'a [u8]>, usize), BatchError> {
        let unclosed = || BatchError::Unclosed { key: self.key };
        let mut found = Vec::new();
        let mut start = self.open + 1;
        let mut depth = 0_usize;
        let mut at = start;
        loop {
            match self.body.get(at).ok_or_else(unclosed)? {
                b'"' => at = depth::string_end(self.body, at).ok_or_else(unclosed)?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => depth -= 1,
                b'}' => return Err(unclosed()),
                end @ (b',' | b']') if depth == 0 => {
                    let element = self.body.get(start..at).unwrap_or_default().trim_ascii();
                    let is_empty_list = *end == b']' && found.is_empty();
                    match (element.is_empty(), is_empty_list) {
                        (true, false) => return Err(unclosed()),
                        (true, true) => {}
                        (false, _) if found.len() == elements_max => {
                            return Err(BatchError::TooMany { max: elements_max });
                        }
                        (false, _) => found.push(element),
                    }
                    if *end == b']' {
                        return Ok((found, at));
                    }
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
    }
}
