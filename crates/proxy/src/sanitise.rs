//! Markup that a page can be given: what says and shows something, and nothing that runs.
//!
//! The rules are those of the browser's client (`packages/sdk-browser/src/sanitise.ts`). What is let through is written
//! anew: tags of these elements alone, each of them ended, their attributes in quotes, all else as text. None of them
//! holds raw text (what is in a `textarea` can end it, but only by a `<` that is written as text), so whoever reads it
//! finds these tags and no others, however the markup was meant to be read.

use std::fmt::Write as _;

use decision::changes::is_safe_address;

use crate::{
    elements, escape,
    markup::{Attribute, Piece, Scanner, Tag, decoded},
};

/// Elements that say or show something, and lay it out. What is not here goes with everything in it.
const ELEMENTS: [&str; 63] = [
    "a",
    "article",
    "aside",
    "audio",
    "b",
    "blockquote",
    "br",
    "button",
    "caption",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "ins",
    "li",
    "main",
    "mark",
    "nav",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "s",
    "section",
    "small",
    "source",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "u",
    "ul",
    "video",
];
/// Attributes, beside `aria-…` and `data-…`. No `id` and `name`: pages look elements up by them, scripts variables.
const ATTRIBUTES: [&str; 26] = [
    "alt",
    "class",
    "colspan",
    "controls",
    "datetime",
    "dir",
    "height",
    "hidden",
    "href",
    "lang",
    "loading",
    "maxlength",
    "media",
    "open",
    "poster",
    "rel",
    "role",
    "rows",
    "rowspan",
    "sizes",
    "src",
    "srcset",
    "target",
    "title",
    "type",
    "width",
];
/// What elements of the page may be given besides.
const OWN: [&str; 7] = ["checked", "disabled", "id", "name", "placeholder", "tabindex", "value"];
/// Attributes that name what is loaded or gone to.
const ADDRESSES: [&str; 4] = ["href", "poster", "src", "srcset"];
/// Most elements of a markup that are open at once, far below where browsers stop to nest.
const DEPTH_MAX: usize = 100;

/// Whether an attribute of an element of the page may be given this value.
pub(crate) fn is_safe_attribute(name: &str, value: &str) -> bool {
    let plain = name.to_ascii_lowercase();
    (is_free(&plain) || OWN.contains(&plain.as_str()))
        && (!ADDRESSES.contains(&plain.as_str()) || is_safe_address(value))
}

/// Whether markup may have an attribute, by its name in small letters.
fn is_free(name: &str) -> bool {
    let rest = name.strip_prefix("aria-").or_else(|| name.strip_prefix("data-"));
    let is_word = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    ATTRIBUTES.contains(&name) || rest.is_some_and(is_word)
}

/// A piece of markup, without all that is not allowed, in ASCII.
pub(crate) fn sanitise(markup: &str) -> String {
    let mut scanner = Scanner::new();
    let mut clean = Clean::default();
    let mut rest = markup.as_bytes();
    while let Some(piece) = scanner.next(rest, true, false) {
        match &piece {
            // A piece ends beside characters of ASCII, so it is text as the whole is.
            Piece::Text(raw) => clean.text(&String::from_utf8_lossy(raw)),
            Piece::Mute(_) => {}
            Piece::Start(tag) => {
                clean.start(tag);
                scanner.enter(&tag.name);
            }
            Piece::End(tag) => clean.end(&tag.name),
        }
        rest = rest.get(piece.bytes()..).unwrap_or_default();
    }
    clean.end_to(0);
    clean.written
}

#[derive(Default)]
struct Clean {
    written: String,
    open: Vec<&'static str>,
    /// The element that goes with everything in it, and how often it is open.
    gone: Option<(Vec<u8>, usize)>,
}

impl Clean {
    fn text(&mut self, text: &str) {
        if self.gone.is_none() {
            self.written.push_str(&escape::html_again(text));
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        if let Some((name, times)) = &mut self.gone {
            *times += usize::from(*name == *tag.name);
            return;
        }
        let is_loose = elements::is_of_table(&tag.name)
            && *tag.name != *b"table"
            && !self.open.contains(&"table");
        if is_loose || elements::is_void(&tag.name) && known(tag).is_none() {
            return;
        }
        let Some(name) = known(tag).filter(|_| self.open.len() < DEPTH_MAX) else {
            self.gone = Some((tag.name.to_vec(), 1));
            return;
        };
        while self.open.last().is_some_and(|last| elements::ends_by(last.as_bytes(), &tag.name)) {
            self.end_to(self.open.len() - 1);
        }
        self.written.push('<');
        self.written.push_str(name);
        tag.attributes.iter().for_each(|attribute| self.attribute(attribute));
        self.written.push('>');
        if !elements::is_void(&tag.name) {
            self.open.push(name);
        }
    }

    fn attribute(&mut self, attribute: &Attribute<'_>) {
        let name = String::from_utf8_lossy(attribute.name).to_ascii_lowercase();
        let value = String::from_utf8_lossy(attribute.value);
        let is_address = ADDRESSES.contains(&name.as_str());
        if is_free(&name) && (!is_address || is_safe_written(attribute.value)) {
            write!(self.written, " {name}=\"{}\"", escape::html_again(&value)).unwrap_or_default();
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some((gone, times)) = &mut self.gone {
            *times -= usize::from(gone == name);
            if *times == 0 {
                self.gone = None;
            }
            return;
        }
        if let Some(at) = self.open.iter().rposition(|open| open.as_bytes() == name) {
            self.end_to(at);
        }
    }

    /// Ends what is open, the last first, until there is only so much.
    fn end_to(&mut self, count: usize) {
        for name in self.open.drain(count.min(self.open.len())..).rev() {
            write!(self.written, "</{name}>").unwrap_or_default();
        }
    }
}

fn known(tag: &Tag<'_>) -> Option<&'static str> {
    ELEMENTS.into_iter().find(|name| name.as_bytes() == &*tag.name)
}

/// Whether an address as it is written in an attribute is safe. In front of what says where on a site it leads there
/// may be no reference that is not known here.
fn is_safe_written(value: &[u8]) -> bool {
    let address = decoded(value);
    let address = String::from_utf8_lossy(&address);
    let place = address.find(['/', '?', '#']).unwrap_or(address.len());
    let begin = address.get(..place).unwrap_or_default();
    is_safe_address(&address) && !begin.contains('&')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(markup: &str, expected: &str) {
        assert_eq!(sanitise(markup), expected, "{markup}");
    }

    #[test]
    fn what_shows_something_stays() {
        check(
            "<p class='a b'>Hej &amp; <B>då</B>!",
            "<p class=\"a b\">Hej &amp; <b>d&#xe5;</b>!</p>",
        );
        check("<img src=/a.png alt=\"A &quot;\">", "<img src=\"/a.png\" alt=\"A &quot;\">");
        check(
            "<a href='/a?b=1&c=2#d' data-event=x>1 < 2</a>",
            "<a href=\"/a?b=1&c=2#d\" data-event=\"x\">1 &lt; 2</a>",
        );
        check("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>");
        check("<table><tr><td>a</table>", "<table><tr><td>a</td></tr></table>");
    }

    #[test]
    fn what_runs_goes_with_everything_in_it() {
        check("a<script>b</script>c", "ac");
        check("a<style>b</style><svg><svg></svg><b>x</b></svg>c", "ac");
        check("<form><form></form><input>b</form>c", "c");
        check("<b onclick=x style=y id=z name=w>a</b>", "<b>a</b>");
        check("<template><script>x</script></template><iframe src=x></iframe>", "");
        check("<!-- --><!doctype x><?y>a", "a");
        check("<x-y><b>a</x-y>b", "b");
    }

    #[test]
    fn addresses_lead_to_the_web() {
        for bad in [
            "javascript:x",
            " java\tscript:x",
            "java&#115;cript:x",
            "javascript&colon;x",
            "java&Tab;script:x",
            "data:x",
            "vbscript:x",
            "javascript&unknown;x",
            "java&#x0A;script:x",
        ] {
            check(&format!("<a href=\"{bad}\">a</a>"), "<a>a</a>");
        }
        for good in [
            "https://a.se/b",
            "HTTP://a.se",
            "mailto:a@b.se",
            "tel:1",
            "/a:b",
            "a?b:c",
            "#d",
            "",
            "//a.se",
        ] {
            check(&format!("<a href=\"{good}\">a</a>"), &format!("<a href=\"{good}\">a</a>"));
        }
    }

    #[test]
    fn nothing_outside_is_ended() {
        check("</div>a</b><b>", "a<b></b>");
        check("</td><td>a</tr>", "a");
        check("<li>a<li>b", "<li>a</li><li>b</li>");
        check("<b", "");
        check("a<b title=\"", "a");
    }

    proptest! {
        #[test]
        fn what_is_clean_stays_as_it_is(markup in "(<|>|/|b|script|svg|img|a| |=|\"|'|on|href|x:|&lt;|--|!){0,40}") {
            let clean = sanitise(&markup);
            prop_assert_eq!(&sanitise(&clean), &clean);
            let mut scanner = Scanner::new();
            let mut rest = clean.as_bytes();
            while let Some(piece) = scanner.next(rest, true, false) {
                if let Piece::Start(tag) = &piece {
                    prop_assert!(known(tag).is_some(), "{}", clean);
                    prop_assert!(tag.attributes.iter().all(|one| is_free(std::str::from_utf8(one.name).unwrap())));
                }
                prop_assert!(!matches!(piece, Piece::Mute(_)), "{}", clean);
                rest = &rest[piece.bytes()..];
            }
        }
    }
}
