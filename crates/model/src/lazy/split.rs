//! Where the members of a JSON object stand, found without decoding them.
//!
//! The text is known to be JSON. What the decoder may still refuse in it is left to the decoder: a
//! surrogate without its other half, a number out of range, deep nesting.

use std::sync::OnceLock;

use compact_str::CompactString;

use super::Member;

/// Deepest nesting of a member, far less than the decoder takes.
const DEPTH_MAX: usize = 32;
/// Longest number, in bytes: without an exponent it is in the decoder's range.
const NUMBER_BYTES_MAX: usize = 300;
/// Room for the members of most contexts.
const MEMBERS: usize = 8;

/// The members of the object `text`, by name and then by place; `None` when it is no object, or
/// holds what the decoder may refuse.
pub(super) fn members(text: &str) -> Option<Vec<Member>> {
    let bytes = text.as_bytes();
    let mut members = Vec::with_capacity(MEMBERS);
    let mut at = space_end(bytes, usize::from(bytes.first() == Some(&b'{')));
    while *bytes.get(at)? == b'"' {
        let name_end = string_end(bytes, at)?;
        let colon = space_end(bytes, name_end);
        let start = space_end(bytes, colon + 1);
        let end = value_end(bytes, start)?;
        let name = name(text.get(at..name_end)?)?;
        members.push(Member { name, place: start..end, decoded: OnceLock::new() });
        at = space_end(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = space_end(bytes, at + 1);
        }
    }
    if bytes.get(at) != Some(&b'}') {
        return None;
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Some(members)
}

/// A name as it is meant, from how it is written.
fn name(written: &str) -> Option<CompactString> {
    if written.contains('\\') {
        return serde_json::from_str(written).ok();
    }
    Some(written.trim_matches('"').into())
}

fn space_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The end of the value that starts here.
fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0);
    loop {
        at = match bytes.get(at)? {
            b'"' => string_end(bytes, at)?,
            b'-' | b'0'..=b'9' => number_end(bytes, at)?,
            b't' | b'n' => at + 4,
            b'f' => at + 5,
            b'{' | b'[' if depth < DEPTH_MAX => {
                depth += 1;
                at + 1
            }
            b'}' | b']' => {
                depth = usize::checked_sub(depth, 1)?;
                at + 1
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {
                at += 1;
                continue;
            }
            _ => return None,
        };
        if depth == 0 {
            return Some(at);
        }
    }
}

fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        if let Some([b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F']) =
            bytes.get(at + 1..at + 4)
        {
            return None;
        }
        at += 2;
    }
}

fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let digits = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-')).count();
    let has_exponent = matches!(rest.get(digits), Some(b'e' | b'E'));
    (digits <= NUMBER_BYTES_MAX && !has_exponent).then_some(start + digits)
}
