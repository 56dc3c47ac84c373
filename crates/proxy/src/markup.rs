//! Where do tags stand in a page of which only a part is there yet?
//!
//! The tokenization of the HTML standard (13.2.5), as far as it tells tags from what is none: nothing is decoded and
//! nothing is put right, so that what is passed on is what came, byte for byte. All marks of the language are ASCII,
//! and no encoding that browsers know for pages, but for UTF-16 and ISO-2022-JP, has `<`, `>` or quotes within a
//! character.

use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memchr2, memmem};

/// The longest mark within a script, `</script` and what follows it, in bytes.
const SCRIPT_MARK_BYTES: usize = 9;

/// A part of a page, as it stands there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a [u8]),
    /// Comments, doctypes, and what is taken for one.
    Mute(&'a [u8]),
    Start(Tag<'a>),
    End(Tag<'a>),
}

impl Piece<'_> {
    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(raw) | Self::Mute(raw) => raw.len(),
            Self::Start(tag) | Self::End(tag) => tag.raw.len(),
        }
    }
}

/// A whole tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) raw: &'a [u8],
    /// In small letters.
    pub(crate) name: Cow<'a, [u8]>,
    pub(crate) attributes: Vec<Attribute<'a>>,
    /// Whether it ends with `/>`, which means something in SVG and MathML alone.
    pub(crate) is_closed: bool,
}

/// An attribute as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) name: &'a [u8],
    /// Empty where there is none.
    pub(crate) value: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The value of an attribute, decoded; the first counts.
    pub(crate) fn value(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        let found = self.attributes.iter().find(|one| one.name.eq_ignore_ascii_case(name));
        found.map(|one| decoded(one.value))
    }
}

/// What the bytes that come next belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Data,
    Comment,
    /// Up to the next `>`.
    Declaration,
    /// Up to `]]>`.
    Characters,
    /// Up to the end tag of this element.
    Raw(&'static [u8]),
    Script(Script),
    /// To the end of the page.
    Plain,
}

/// How far a script is within what looks like a comment: old pages put scripts there, and others whole pages into
/// scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Bare,
    Escaped,
    DoubleEscaped,
}

/// Elements that hold text alone.
const RAW: [&[u8]; 7] =
    [b"title", b"textarea", b"style", b"xmp", b"iframe", b"noembed", b"noframes"];

/// Reads a page piece by piece.
#[derive(Debug)]
pub(crate) struct Scanner {
    mode: Mode,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { mode: Mode::Data }
    }

    /// Goes on with what an element of HTML holds. What stands in `noscript` is markup to whoever runs no scripts.
    pub(crate) fn enter(&mut self, name: &[u8]) {
        self.mode = match name {
            b"script" => Mode::Script(Script::Bare),
            b"plaintext" => Mode::Plain,
            _ => RAW.iter().find(|raw| **raw == name).map_or(Mode::Data, |raw| Mode::Raw(raw)),
        };
    }

    /// Whether so many bytes, which were too few, can only be the beginning of a tag.
    pub(crate) fn is_within_tag(&self, waiting_bytes: usize) -> bool {
        self.mode == Mode::Data && b"<![CDATA[".len() <= waiting_bytes
    }

    /// The piece with which `input` begins; none where that needs more than is there. Nothing is missing once it
    /// `is_last`. Within SVG and MathML, which `is_foreign` says, there are sections of characters.
    pub(crate) fn next<'a>(
        &mut self,
        input: &'a [u8],
        is_last: bool,
        is_foreign: bool,
    ) -> Option<Piece<'a>> {
        if input.is_empty() {
            return None;
        }
        match self.mode {
            Mode::Data => self.data(input, is_last, is_foreign),
            Mode::Comment => self.comment(input, is_last),
            Mode::Declaration => {
                let end = memchr(b'>', input);
                Some(self.mute(input, end.map(|at| at + 1), input.len()))
            }
            Mode::Characters => {
                let end = memmem::find(input, b"]]>").map(|at| at + 3);
                let sure = if is_last { input.len() } else { input.len().saturating_sub(2) };
                (end.is_some() || 0 < sure).then(|| self.mute(input, end, sure))
            }
            Mode::Raw(name) => self.raw(name, input, is_last),
            Mode::Script(script) => self.script(script, input, is_last),
            Mode::Plain => Some(Piece::Text(input)),
        }
    }

    /// Up to the end, after which there is markup again, or as far as it goes on for sure.
    fn mute<'a>(&mut self, input: &'a [u8], end: Option<usize>, sure: usize) -> Piece<'a> {
        if end.is_some() {
            self.mode = Mode::Data;
        }
        Piece::Mute(input.get(..end.unwrap_or(sure)).unwrap_or(input))
    }

    fn data<'a>(&mut self, input: &'a [u8], is_last: bool, is_foreign: bool) -> Option<Piece<'a>> {
        match memchr(b'<', input) {
            None => return Some(Piece::Text(input)),
            Some(0) => {}
            Some(at) => return input.get(..at).map(Piece::Text),
        }
        let begins = |mark: &[u8]| match input.get(..mark.len()) {
            Some(begin) => Some(begin.eq_ignore_ascii_case(mark)),
            None if !is_last && mark.starts_with(input) => None,
            None => Some(false),
        };
        let rest = input.get(1..).unwrap_or_default();
        match rest {
            [] if !is_last => None,
            [b'!', ..] => {
                if begins(b"<!--")? {
                    return self.open_comment(input, is_last);
                }
                self.mode = match is_foreign && begins(b"<![CDATA[")? {
                    true => Mode::Characters,
                    false => Mode::Declaration,
                };
                input.get(..2).map(Piece::Mute)
            }
            [b'?', ..] => {
                self.mode = Mode::Declaration;
                input.get(..1).map(Piece::Mute)
            }
            [b'/'] if !is_last => None,
            [b'/', b'>', ..] => input.get(..3).map(Piece::Mute),
            [b'/', letter, ..] if letter.is_ascii_alphabetic() => end_tag(input, is_last),
            [b'/', _, ..] => {
                self.mode = Mode::Declaration;
                input.get(..2).map(Piece::Mute)
            }
            [letter, ..] if letter.is_ascii_alphabetic() => match tag(input, 1) {
                Some(tag) => Some(Piece::Start(tag)),
                None => is_last.then_some(Piece::Mute(input)),
            },
            _ => input.get(..1).map(Piece::Text),
        }
    }

    /// `<!-->` and `<!--->` are comments as a whole.
    fn open_comment<'a>(&mut self, input: &'a [u8], is_last: bool) -> Option<Piece<'a>> {
        for whole in [b"<!-->".as_slice(), b"<!--->"] {
            if input.starts_with(whole) {
                return input.get(..whole.len()).map(Piece::Mute);
            }
        }
        if !is_last && b"<!--->".starts_with(input) {
            return None;
        }
        self.mode = Mode::Comment;
        input.get(..4).map(Piece::Mute)
    }

    fn comment<'a>(&mut self, input: &'a [u8], is_last: bool) -> Option<Piece<'a>> {
        let mut from = 0;
        while let Some(at) = input.get(from..).and_then(|rest| memchr(b'>', rest)) {
            from += at + 1;
            let whole = input.get(..from).unwrap_or_default();
            if whole.ends_with(b"-->") || whole.ends_with(b"--!>") {
                return Some(self.mute(input, Some(from), 0));
            }
        }
        // What may be the beginning of its end waits.
        let sure = if is_last { input.len() } else { input.len().saturating_sub(3) };
        (0 < sure).then(|| self.mute(input, None, sure))
    }

    fn raw<'a>(
        &mut self,
        name: &'static [u8],
        input: &'a [u8],
        is_last: bool,
    ) -> Option<Piece<'a>> {
        let mut at = 0;
        while let Some(found) = input.get(at..).and_then(|rest| memchr(b'<', rest)) {
            at += found;
            let rest = input.get(at..).unwrap_or_default();
            match is_end_of(name, rest) {
                Some(true) if at == 0 => return self.leave(input, is_last),
                None if is_last => break,
                Some(true) | None => {
                    return (0 < at).then(|| input.get(..at).map(Piece::Text)).flatten();
                }
                Some(false) => at += 1,
            }
        }
        Some(Piece::Text(input))
    }

    /// The end tag with which an element of text ends.
    fn leave<'a>(&mut self, input: &'a [u8], is_last: bool) -> Option<Piece<'a>> {
        let piece = end_tag(input, is_last)?;
        self.mode = Mode::Data;
        Some(piece)
    }

    fn script<'a>(
        &mut self,
        mut script: Script,
        input: &'a [u8],
        is_last: bool,
    ) -> Option<Piece<'a>> {
        let mut at = 0;
        while let Some(found) = input.get(at..).and_then(|rest| memchr2(b'<', b'-', rest)) {
            at += found;
            let rest = input.get(at..).unwrap_or_default();
            if rest.len() < SCRIPT_MARK_BYTES && !is_last {
                return (0 < at).then(|| input.get(..at).map(Piece::Text)).flatten();
            }
            let is_end = is_end_of(b"script", rest) == Some(true);
            at += 1;
            script = match script {
                Script::Bare | Script::Escaped if is_end => {
                    return match at {
                        1 => self.leave(input, is_last),
                        _ => input.get(..at - 1).map(Piece::Text),
                    };
                }
                // Its dashes may be those of the end.
                Script::Bare if rest.starts_with(b"<!--") => Script::Escaped,
                Script::Escaped if is_mark(b"<script", rest) == Some(true) => Script::DoubleEscaped,
                Script::DoubleEscaped if is_end => Script::Escaped,
                Script::Escaped | Script::DoubleEscaped if rest.starts_with(b"-->") => Script::Bare,
                same => same,
            };
            self.mode = Mode::Script(script);
        }
        Some(Piece::Text(input))
    }
}

/// Whether the end tag of an element of text begins here; none where that cannot be told yet.
fn is_end_of(name: &[u8], input: &[u8]) -> Option<bool> {
    match input.get(..2) {
        Some(b"</") => is_mark(name, input.get(2..).unwrap_or_default()),
        Some(_) => Some(false),
        None => None,
    }
}

/// Whether a name begins here and ends there.
fn is_mark(mark: &[u8], input: &[u8]) -> Option<bool> {
    let begin = input.get(..mark.len().min(input.len()))?;
    if !mark.get(..begin.len())?.eq_ignore_ascii_case(begin) {
        return Some(false);
    }
    input.get(mark.len()).map(|after| is_space(*after) || b"/>".contains(after))
}

fn end_tag(input: &[u8], is_last: bool) -> Option<Piece<'_>> {
    match tag(input, 2) {
        Some(tag) => Some(Piece::End(tag)),
        None => is_last.then_some(Piece::Mute(input)),
    }
}

fn is_space(byte: u8) -> bool {
    b"\t\n\x0c\r ".contains(&byte)
}

/// The tag at the beginning of `input`, whose name stands at `name_at`; none where its end is not there.
fn tag(input: &[u8], name_at: usize) -> Option<Tag<'_>> {
    memchr(b'>', input)?;
    let mut cursor = Cursor { input, at: name_at };
    let name = cursor.until(|byte| is_space(byte) || b"/>".contains(&byte))?;
    let mut attributes = Vec::new();
    let is_closed = loop {
        let separators = cursor.until(|byte| !is_space(byte) && byte != b'/')?;
        if cursor.peek()? == b'>' {
            let separators = input.get(separators).unwrap_or_default();
            break separators.last() == Some(&b'/');
        }
        attributes.push(cursor.attribute()?);
    };
    let name = input.get(name)?;
    let is_small = !name.iter().any(u8::is_ascii_uppercase);
    let name = if is_small { name.into() } else { name.to_ascii_lowercase().into() };
    Some(Tag { raw: input.get(..=cursor.at)?, name, attributes, is_closed })
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Goes on to the first byte that is an end; none where there is none.
    fn until(&mut self, is_end: impl Fn(u8) -> bool) -> Option<Range<usize>> {
        let from = self.at;
        let rest = self.input.get(from..)?;
        self.at += rest.iter().position(|byte| is_end(*byte))?;
        Some(from..self.at)
    }

    fn attribute(&mut self) -> Option<Attribute<'a>> {
        let from = self.at;
        // A name may begin with what else ends it.
        self.at += 1;
        self.until(|byte| is_space(byte) || b"/>=".contains(&byte))?;
        let name = from..self.at;
        self.until(|byte| !is_space(byte))?;
        let mut value = 0..0;
        let mut end = name.end;
        if self.peek()? == b'=' {
            self.at += 1;
            self.until(|byte| !is_space(byte))?;
            value = match self.peek()? {
                quote @ (b'"' | b'\'') => {
                    self.at += 1;
                    let value = self.until(|byte| byte == quote)?;
                    self.at += 1;
                    value
                }
                b'>' => 0..0,
                _ => self.until(|byte| is_space(byte) || byte == b'>')?,
            };
            end = self.at;
        }
        let get = |range: Range<usize>| self.input.get(range);
        Some(Attribute { raw: get(from..end)?, name: get(name)?, value: get(value)? })
    }
}

/// What a value says: with its commonest references decoded.
pub(crate) fn decoded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'&', value).is_none() {
        return value.into();
    }
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr(b'&', rest) {
        let (before, from) = rest.split_at(at);
        text.extend_from_slice(before);
        let (character, bytes) = reference(from).unwrap_or(('&', 1));
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = from.get(bytes..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    text.into()
}

/// The character that a reference at the beginning stands for, and its bytes.
fn reference(input: &[u8]) -> Option<(char, usize)> {
    const NAMED: [(&[u8], char); 10] = [
        (b"&amp;", '&'),
        (b"&lt;", '<'),
        (b"&gt;", '>'),
        (b"&quot;", '"'),
        (b"&apos;", '\''),
        (b"&nbsp;", '\u{a0}'),
        (b"&colon;", ':'),
        (b"&Tab;", '\t'),
        (b"&NewLine;", '\n'),
        (b"&sol;", '/'),
    ];
    if let Some((name, character)) = NAMED.iter().find(|(name, _)| input.starts_with(name)) {
        return Some((*character, name.len()));
    }
    let digits = input.strip_prefix(b"&#")?;
    let (digits, radix, before) = match digits {
        [b'x' | b'X', digits @ ..] => (digits, 16, 3),
        digits => (digits, 10, 2),
    };
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let count = digits.iter().position(|byte| !is_digit(byte)).unwrap_or(digits.len());
    let number = std::str::from_utf8(digits.get(..count)?).ok()?;
    let character = u32::from_str_radix(number, radix).ok().and_then(char::from_u32)?;
    let semicolon = usize::from(digits.get(count) == Some(&b';'));
    Some((character, before + count + semicolon))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pieces of a page that comes in parts of so many bytes, those of one kind that follow each other as one.
    fn pieces(page: &[u8], step: usize) -> Vec<String> {
        let mut scanner = Scanner::new();
        let (mut told, mut at, mut end): (Vec<String>, usize, usize) = (Vec::new(), 0, 0);
        loop {
            let is_last = end == page.len();
            let Some(piece) = scanner.next(&page[at..end], is_last, false) else {
                if is_last {
                    return told;
                }
                end = (end + step).min(page.len());
                continue;
            };
            at += piece.bytes();
            let text = |raw| String::from_utf8_lossy(raw).into_owned();
            let (kind, raw) = match &piece {
                Piece::Text(raw) => ("text ", text(raw)),
                Piece::Mute(raw) => ("mute ", text(raw)),
                Piece::Start(tag) => ("start ", text(&tag.name)),
                Piece::End(tag) => ("end ", text(&tag.name)),
            };
            match told.last_mut() {
                Some(last) if last.starts_with(kind) && kind.len() == 5 => last.push_str(&raw),
                _ => told.push(format!("{kind}{raw}")),
            }
            if let Piece::Start(tag) = &piece {
                scanner.enter(&tag.name);
            }
        }
    }

    fn check(page: &str, expected: &[&str]) {
        for step in [1, 2, 3, 7, page.len()] {
            assert_eq!(pieces(page.as_bytes(), step), expected, "{page} by {step}");
        }
    }

    #[test]
    fn tags_are_told_from_what_is_none() {
        check(
            "<!doctype html><P Id=a>1 < 2</p >",
            &["mute <!doctype html>", "start p", "text 1 < 2", "end p"],
        );
        check("<!-- <p> --><!--><!---><b>", &["mute <!-- <p> --><!--><!--->", "start b"]);
        check("<!-- a --!><b></><? x ?>", &["mute <!-- a --!>", "start b", "mute </><? x ?>"]);
        check("<a title='>' b=\">\" c=d/>x", &["start a", "text x"]);
        check("<title><b></title ><b>", &["start title", "text <b>", "end title", "start b"]);
        check("<style></styles></style>", &["start style", "text </styles>", "end style"]);
    }

    #[test]
    fn scripts_end_where_browsers_have_them_end() {
        check("<script>a--b<c</script>x", &["start script", "text a--b<c", "end script", "text x"]);
        let hidden = "<!--<script></script>x-->";
        check(
            &format!("<script>{hidden}</script>"),
            &["start script", &format!("text {hidden}"), "end script"],
        );
        check("<script><!--</script>-->", &["start script", "text <!--", "end script", "text -->"]);
        check(
            "<script><!--><script></script>x",
            &["start script", "text <!--><script>", "end script", "text x"],
        );
    }

    #[test]
    fn what_is_cut_off_is_kept() {
        check("a<b", &["text a", "mute <b"]);
        check("<title>a</titl", &["start title", "text a</titl"]);
        check("<!-- a", &["mute <!-- a"]);
        check("<", &["text <"]);
    }

    #[test]
    fn attributes_are_as_they_are_written() {
        let Some(tag) = tag(br#"<a b = 'c' d e="&#x66;&amp;&lt;&#103" /f/ =g=h B=i>"#, 1) else {
            panic!("no tag");
        };
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        let told: Vec<_> = tag.attributes.iter().map(|one| text(one.raw)).collect();
        assert_eq!(told, ["b = 'c'", "d", r#"e="&#x66;&amp;&lt;&#103""#, "f", "=g=h", "B=i"]);
        let value = |name: &[u8]| tag.value(name).map(|value| text(&value));
        assert_eq!(value(b"b").as_deref(), Some("c"));
        assert_eq!(value(b"d").as_deref(), Some(""));
        assert_eq!(value(b"E").as_deref(), Some("f&<g"));
        assert_eq!(value(b"x"), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_however_it_comes(page in "[<>/!a-c\"'= -]{0,60}", step in 1_usize..9) {
            let page = format!("<script>{page}</script>{page}<!--{page}<textarea>{page}");
            prop_assert_eq!(pieces(page.as_bytes(), step), pieces(page.as_bytes(), page.len()));
        }
    }
}
