//! Which elements does a selector find, by their start tags and those of the elements around them?
//!
//! Whatever depends on what comes later in the page, or on what an element holds, cannot be told while it streams
//! through; such a selector is refused, and left to the browser.

use std::{borrow::Cow, iter::Peekable, str::Chars};

use crate::markup::Tag;

/// Most parts of a selector: as many as there are bits to keep in mind which have been found.
const PARTS_MAX: usize = 16;

/// A selector: whatever any of its alternatives finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    alternatives: Vec<Vec<Part>>,
}

/// What an element has to be, and where the element of the part before has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    is_child: bool,
    tests: Vec<Test>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Name(String),
    Id(String),
    Class(String),
    Attribute {
        name: String,
        relation: Relation,
        value: String,
        is_any_case: bool,
    },
    Not(Vec<Vec<Test>>),
    /// The place among the children of its parent, from 1 on.
    Child(usize),
    /// The same among those of its name.
    OfType(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Present,
    Equal,
    Word,
    Language,
    Prefix,
    Suffix,
    Within,
}

/// An element by its start tag, and its place among its siblings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: &'a Tag<'a>,
    pub(crate) child: usize,
    pub(crate) of_type: usize,
}

/// Which parts of each alternative an element has been found for, and which an element around it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    here: Vec<u16>,
    around: Vec<u16>,
}

/// Many selectors, looked for at once.
#[derive(Debug)]
pub(crate) struct Matcher {
    selectors: Vec<Selector>,
}

impl Matcher {
    pub(crate) fn new(selectors: Vec<Selector>) -> Self {
        Self { selectors }
    }

    /// Finds an element within another: what to know of it for those within, and the positions of the selectors that
    /// find it.
    pub(crate) fn find(&self, element: Element<'_>, parent: Option<&Found>) -> (Found, Vec<usize>) {
        let mut found = Found::default();
        let mut positions = Vec::new();
        for (position, selector) in self.selectors.iter().enumerate() {
            let mut is_found = false;
            for parts in &selector.alternatives {
                let slot = found.here.len();
                let bits = |of: fn(&Found) -> &Vec<u16>| {
                    parent.and_then(|parent| of(parent).get(slot)).copied().unwrap_or(0)
                };
                let (above, further) = (bits(|found| &found.here), bits(|found| &found.around));
                let here = matched(parts, element, above, above | further);
                is_found |= here >> (parts.len() - 1) & 1 == 1;
                found.here.push(here);
                found.around.push(above | further);
            }
            if is_found {
                positions.push(position);
            }
        }
        (found, positions)
    }
}

/// The parts that an element is found for, a bit each: those that it fits and whose part before was found where it has
/// to be.
fn matched(parts: &[Part], element: Element<'_>, above: u16, around: u16) -> u16 {
    let mut bits = 0;
    for (position, part) in parts.iter().enumerate() {
        let before = if part.is_child { above } else { around };
        let is_reached = position == 0 || before >> (position - 1) & 1 == 1;
        if is_reached && fits(&part.tests, element) {
            bits |= 1 << position;
        }
    }
    bits
}

fn fits(tests: &[Test], element: Element<'_>) -> bool {
    tests.iter().all(|test| test.holds(element))
}

impl Test {
    fn holds(&self, element: Element<'_>) -> bool {
        let Element { tag, child, of_type } = element;
        let words = |value: &Cow<'_, [u8]>, word: &str| {
            !word.is_empty()
                && value.split(u8::is_ascii_whitespace).any(|one| one == word.as_bytes())
        };
        match self {
            Self::Name(name) => name == "*" || *tag.name == *name.as_bytes(),
            Self::Id(id) => tag.value(b"id").is_some_and(|value| *value == *id.as_bytes()),
            Self::Class(class) => tag.value(b"class").is_some_and(|value| words(&value, class)),
            Self::Not(alternatives) => !alternatives.iter().any(|tests| fits(tests, element)),
            Self::Child(place) => child == *place,
            Self::OfType(place) => of_type == *place,
            Self::Attribute { name, relation, value: wanted, is_any_case } => {
                let Some(mut value) = tag.value(name.as_bytes()) else { return false };
                if *is_any_case {
                    value.to_mut().make_ascii_lowercase();
                }
                let bytes = wanted.as_bytes();
                let is_some = !bytes.is_empty();
                match relation {
                    Relation::Present => true,
                    Relation::Equal => *value == *bytes,
                    Relation::Word => words(&value, wanted),
                    Relation::Language => value
                        .strip_prefix(bytes)
                        .is_some_and(|rest| matches!(rest, [] | [b'-', ..])),
                    Relation::Prefix => is_some && value.starts_with(bytes),
                    Relation::Suffix => is_some && value.ends_with(bytes),
                    Relation::Within => is_some && memchr::memmem::find(&value, bytes).is_some(),
                }
            }
        }
    }
}

impl Selector {
    /// Reads a selector; none where it is none, or finds what cannot be told from a stream.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader(text.chars().peekable());
        let mut alternatives = vec![reader.parts()?];
        while reader.takes(',') {
            alternatives.push(reader.parts()?);
        }
        let is_whole = reader.0.peek().is_none();
        let is_short = alternatives.iter().all(|parts| parts.len() <= PARTS_MAX);
        (is_whole && is_short).then_some(Self { alternatives })
    }
}

/// Reads CSS, as far as selectors of one element need it (Selectors Level 4).
struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    fn skip_space(&mut self) -> bool {
        let mut is_any = false;
        while self.0.next_if(char::is_ascii_whitespace).is_some() {
            is_any = true;
        }
        is_any
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.0.next_if_eq(&wanted).is_some()
    }

    fn parts(&mut self) -> Option<Vec<Part>> {
        self.skip_space();
        let mut parts = vec![Part { is_child: false, tests: self.tests()? }];
        loop {
            let is_apart = self.skip_space();
            let is_child = self.takes('>');
            if is_child {
                self.skip_space();
            } else if !is_apart || matches!(self.0.peek(), None | Some(',')) {
                return Some(parts);
            }
            parts.push(Part { is_child, tests: self.tests()? });
        }
    }

    /// What stands together, of which there is something.
    fn tests(&mut self) -> Option<Vec<Test>> {
        let mut tests = Vec::new();
        loop {
            let test = match self.0.peek() {
                Some('*') if tests.is_empty() => {
                    self.0.next();
                    Test::Name("*".to_owned())
                }
                Some('#') => {
                    self.0.next();
                    Test::Id(self.name()?)
                }
                Some('.') => {
                    self.0.next();
                    Test::Class(self.name()?)
                }
                Some('[') => self.attribute()?,
                Some(':') => self.pseudo_class()?,
                Some(first) if tests.is_empty() && is_of_name(*first) => {
                    Test::Name(self.name()?.to_ascii_lowercase())
                }
                _ => return (!tests.is_empty()).then_some(tests),
            };
            tests.push(test);
        }
    }

    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            if self.takes('\\') {
                name.push(self.escaped()?);
            } else if let Some(letter) = self.0.next_if(|letter| is_of_name(*letter)) {
                // An identifier begins with no digit, nor with a hyphen and a digit.
                let is_begin = name.is_empty() || name == "-";
                if is_begin && letter.is_ascii_digit() {
                    return None;
                }
                name.push(letter);
            } else {
                return (!name.is_empty() && name != "-").then_some(name);
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let mut digits = String::new();
        while digits.len() < 6
            && let Some(digit) = self.0.next_if(char::is_ascii_hexdigit)
        {
            digits.push(digit);
        }
        if digits.is_empty() {
            return self.0.next().filter(|letter| *letter != '\n');
        }
        self.0.next_if(char::is_ascii_whitespace);
        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
    }

    fn attribute(&mut self) -> Option<Test> {
        self.0.next();
        self.skip_space();
        let name = self.name()?.to_ascii_lowercase();
        self.skip_space();
        if self.takes(']') {
            let relation = Relation::Present;
            return Some(Test::Attribute {
                name,
                relation,
                value: String::new(),
                is_any_case: false,
            });
        }
        let relation = match self.0.next()? {
            '=' => Relation::Equal,
            sign => {
                self.0.next_if_eq(&'=')?;
                match sign {
                    '~' => Relation::Word,
                    '|' => Relation::Language,
                    '^' => Relation::Prefix,
                    '$' => Relation::Suffix,
                    '*' => Relation::Within,
                    _ => return None,
                }
            }
        };
        self.skip_space();
        let mut value = match self.0.peek()? {
            '"' | '\'' => self.quoted()?,
            _ => self.name()?,
        };
        self.skip_space();
        let is_any_case = self.0.next_if(|letter| matches!(letter, 'i' | 'I')).is_some();
        if is_any_case {
            value.make_ascii_lowercase();
        }
        self.skip_space();
        self.takes(']').then_some(Test::Attribute { name, relation, value, is_any_case })
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.0.next()?;
        let mut text = String::new();
        loop {
            match self.0.next()? {
                '\\' => text.push(self.escaped()?),
                '\n' => return None,
                end if end == quote => return Some(text),
                letter => text.push(letter),
            }
        }
    }

    fn pseudo_class(&mut self) -> Option<Test> {
        self.0.next();
        let name = self.name()?;
        match name.as_str() {
            "first-child" => return Some(Test::Child(1)),
            "first-of-type" => return Some(Test::OfType(1)),
            _ => {}
        }
        self.0.next_if_eq(&'(')?;
        self.skip_space();
        let test = match name.as_str() {
            "not" => {
                let mut alternatives = Vec::new();
                loop {
                    self.skip_space();
                    alternatives.push(self.tests()?);
                    self.skip_space();
                    if !self.takes(',') {
                        break Test::Not(alternatives);
                    }
                }
            }
            "nth-child" => Test::Child(self.number()?),
            "nth-of-type" => Test::OfType(self.number()?),
            _ => return None,
        };
        self.skip_space();
        self.takes(')').then_some(test)
    }

    fn number(&mut self) -> Option<usize> {
        let mut digits = String::new();
        while let Some(digit) = self.0.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.parse().ok()
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || letter == '-'
        || letter == '_'
        || letter == '\\'
        || !letter.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Piece, Scanner};

    /// Whether a selector finds the last of elements, each the first child of the one before.
    fn finds(selector: &str, tags: &[&str]) -> bool {
        let matcher = Matcher::new(vec![Selector::parse(selector).expect(selector)]);
        let (mut parent, mut hits) = (None, Vec::new());
        for tag in tags {
            let Some(Piece::Start(tag)) = Scanner::new().next(tag.as_bytes(), true, false) else {
                panic!("{tag} is no tag");
            };
            let element = Element { tag: &tag, child: 1, of_type: 2 };
            let (found, positions) = matcher.find(element, parent.as_ref());
            (parent, hits) = (Some(found), positions);
        }
        !hits.is_empty()
    }

    #[test]
    fn elements_are_found_by_what_they_are() {
        let tag = "<A id=x class='b  c' HREF='/a?b=1&amp;c' lang=en-GB data-e>";
        for selector in [
            "a",
            "*",
            "#x",
            ".b.c",
            "a#x.c[href]",
            "[href='/a?b=1&c']",
            "[class~=c]",
            "[lang|=en]",
            "[href^='/a']",
            "[href$=c]",
            "[href*='b=']",
            "[lang='EN-gb' i]",
            "a:not(.d)",
            "a:not(b, #y)",
            "p, a",
            ":first-child",
            "a:nth-of-type( 2 )",
            r"#\78",
            r"#\000078",
            "[data-e='']",
        ] {
            assert!(finds(selector, &[tag]), "{selector}");
        }
        for selector in [
            "b",
            "#X",
            ".b.d",
            "[title]",
            "[href='/a']",
            "[class~='']",
            "[href^='']",
            "[lang|=e]",
            "a:not(#x)",
            ":nth-child(2)",
            "p a",
            "p > a",
            "a:not([href])",
        ] {
            assert!(!finds(selector, &[tag]), "{selector}");
        }
    }

    #[test]
    fn elements_are_found_by_where_they_are() {
        let tags = ["<main>", "<div class=a>", "<p>", "<b>"];
        for selector in
            ["main b", "main > div > p > b", ".a b", "main p > b", "main * b", "x, .a > p b"]
        {
            assert!(finds(selector, &tags), "{selector}");
        }
        for selector in ["main > b", "p div b", "b b", "main > p b", "div > main b"] {
            assert!(!finds(selector, &tags), "{selector}");
        }
    }

    #[test]
    fn what_cannot_be_told_yet_is_refused() {
        for text in [
            "",
            " ",
            "a,",
            "a >",
            "> a",
            "a + b",
            "a ~ b",
            "a:has(b)",
            "a:last-child",
            "a:hover",
            "a::before",
            "#1",
            "a[b",
            "a[b=]",
            "a:nth-child(2n)",
            "a{",
            "a:not()",
            "a b c d e f g h i j k l m n o p q",
            "-",
            "[a=b x]",
        ] {
            assert_eq!(Selector::parse(text), None, "{text}");
        }
    }
}
