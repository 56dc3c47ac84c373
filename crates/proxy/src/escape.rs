//! Text as a page can hold it, in ASCII alone: so it is the same whatever encoding the page has.

use std::fmt::Write as _;

/// Text for within an element or for an attribute in double quotes.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            _ => push(letter, &mut escaped),
        }
    }
    escaped
}

/// Text that has its references already.
pub(crate) fn html_again(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    text.chars().for_each(|letter| push(letter, &mut escaped));
    escaped
}

fn push(letter: char, escaped: &mut String) {
    match letter {
        '<' => escaped.push_str("&lt;"),
        '>' => escaped.push_str("&gt;"),
        '"' => escaped.push_str("&quot;"),
        '\t' | '\n' | ' '..='~' => escaped.push(letter),
        // Pages have no other control characters, and references to them mean something else.
        _ if letter.is_control() => {}
        _ => write!(escaped, "&#x{:x};", u32::from(letter)).unwrap_or_default(),
    }
}

/// JSON for within a script: outside of its texts there are none of these characters.
pub(crate) fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' => write!(escaped, "\\u{:04x}", u32::from(letter)).unwrap_or_default(),
            _ if letter.is_ascii() => escaped.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").unwrap_or_default();
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_what_it_stands_in() {
        assert_eq!(html("a<b> & \"ö\"\r\u{0}\u{85}\n"), "a&lt;b&gt; &amp; &quot;&#xf6;&quot;\n");
        assert_eq!(html_again("&lt;<"), "&lt;&lt;");
    }

    #[test]
    fn json_means_the_same() {
        let text = r#"{"a":"</script><!--&\n ö𝄞 "}"#;
        let escaped = json(text);
        assert!(escaped.is_ascii() && !escaped.contains('<'), "{escaped}");
        let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(same(&escaped), same(text));
    }
}
