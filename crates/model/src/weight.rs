//! What decoded things take in memory, so that caches hold as much as they have room for.

use compact_str::CompactString;

use crate::{Key, Value};

/// Allocators hand out blocks in steps of about this many bytes.
const STEP: usize = 16;
/// The counts of an `Arc`, in front of what it shares.
const COUNTS: usize = 16;
/// Entries that a node of a map has room for.
const NODE_ENTRIES: usize = 11;

/// Bytes of a block on the heap.
pub fn block(bytes: usize) -> usize {
    bytes.next_multiple_of(STEP)
}

/// Bytes of a block that is shared.
pub fn shared(bytes: usize) -> usize {
    block(COUNTS + bytes)
}

/// Bytes of the nodes of a B-tree with so many entries.
pub fn map<K, V>(entries: usize) -> usize {
    entries.div_ceil(NODE_ENTRIES) * block(NODE_ENTRIES * size_of::<(K, V)>() + 16)
}

/// Bytes of a text beside the text's own.
pub fn text(text: &CompactString) -> usize {
    if text.is_heap_allocated() { block(text.capacity()) } else { 0 }
}

/// Bytes of a key beside the key's own.
pub fn key(key: &Key) -> usize {
    key.weight()
}

/// Bytes of a value beside the value's own.
pub fn value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => block(text.capacity()),
        Value::Array(items) => {
            block(items.capacity() * size_of::<Value>())
                + items.iter().map(self::value).sum::<usize>()
        }
        Value::Object(fields) => {
            let inner =
                |(key, field): (&String, &Value)| block(key.capacity()) + self::value(field);
            map::<String, Value>(fields.len()) + fields.iter().map(inner).sum::<usize>()
        }
    }
}
