//! How deep JSON text nests, without recursion, so that hostile nesting costs no stack.

/// The deepest nesting of `json`; `None` when its brackets do not close.
///
/// Text with few brackets cannot be deep, which spares the exact count for ordinary events.
pub(super) fn of(json: &[u8]) -> Option<usize> {
    let openers = json.iter().filter(|&&byte| byte == b'{' || byte == b'[').count();
    if openers <= super::MAX_EVENT_DEPTH {
        return Some(openers);
    }
    let mut deepest = 0_usize;
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = string_end(json, at)?,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
    (depth == 0).then_some(deepest)
}

/// The position of the quote that closes the string opened at `open`.
pub(super) fn string_end(json: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        let rest = json.get(at..)?;
        let step = rest.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        at += step;
        if json.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}
