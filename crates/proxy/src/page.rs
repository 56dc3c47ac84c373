//! A page that is changed while it streams through.
//!
//! What is not changed is passed on byte for byte, as soon as it is known what it is. Whatever a page does that is not
//! foreseen here ends the changes, never the page: from then on it passes through as it is.

use std::sync::Arc;

use decision::changes::Where;

use crate::{
    elements,
    markup::{Piece, Scanner, Tag},
    plan::{Content, Edit},
    selector::{Element, Found, Matcher},
    start_tag,
};

/// The longest tag, in bytes. It is held back until it is there as a whole.
const TAG_BYTES_MAX: usize = 64 * 1024;
/// The most that an element may hold whose content is replaced, in bytes: it is held back, lest it be lost should the
/// element not end.
const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// Most elements within each other, as many as browsers nest.
const DEPTH_MAX: usize = 512;
/// Most elements at which one edit is made, as in the browser.
const ELEMENTS_MAX: usize = 100;

/// What is done to a page.
#[derive(Debug)]
pub(crate) struct Changes {
    matcher: Matcher,
    edits: Vec<Edit>,
    /// What comes at the end of the head, or before its first script.
    head: String,
}

impl Changes {
    /// These edits, and this for the head.
    pub(crate) fn new(edits: Vec<(crate::selector::Selector, Edit)>, head: String) -> Self {
        let (selectors, edits) = edits.into_iter().unzip();
        Self { matcher: Matcher::new(selectors), edits, head }
    }
}

/// An element that is open.
#[derive(Debug)]
struct Open {
    name: Box<[u8]>,
    found: Found,
    children: usize,
    /// The children by name.
    types: Vec<(Box<[u8]>, usize)>,
    /// Whether it is of SVG or MathML.
    is_foreign: bool,
    /// What comes last in it, and after it.
    last: String,
    after: String,
}

/// The content of an element that is held back until it is known where it ends.
#[derive(Debug)]
struct Held {
    /// How many elements are open where it ends.
    depth: usize,
    /// Where it begins in what is to be passed on.
    from: usize,
    instead: String,
}

/// A page on its way.
#[derive(Debug)]
pub(crate) struct Page {
    changes: Arc<Changes>,
    scanner: Scanner,
    /// What has come and is not understood yet.
    waiting: Vec<u8>,
    /// So much of it was looked at in vain.
    looked_at: usize,
    /// What is to be passed on.
    out: Vec<u8>,
    held: Option<Held>,
    open: Vec<Open>,
    /// How often each edit was made.
    made: Vec<usize>,
    has_head: bool,
    has_begun: bool,
    is_given_up: bool,
}

impl Page {
    pub(crate) fn new(changes: Arc<Changes>) -> Self {
        Self {
            made: vec![0; changes.edits.len()],
            changes,
            scanner: Scanner::new(),
            waiting: Vec::new(),
            looked_at: 0,
            out: Vec::new(),
            held: None,
            open: Vec::new(),
            has_head: false,
            has_begun: false,
            is_given_up: false,
        }
    }

    /// Takes in what comes next of the page, and answers with what can be passed on.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(chunk);
        if !self.has_begun {
            self.has_begun = 1 < self.waiting.len();
            // So pages in UTF-16 begin, and no others.
            match self.waiting.as_slice() {
                [] | [_] => return Vec::new(),
                [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => self.is_given_up = true,
                _ => {}
            }
        }
        // Of a long tag only the end can be news.
        let news = self.waiting.get(self.looked_at..).unwrap_or_default();
        if !self.scanner.is_within_tag(self.looked_at) || news.contains(&b'>') {
            self.read(false);
        }
        self.looked_at = self.waiting.len();
        if self.is_given_up || TAG_BYTES_MAX < self.waiting.len() {
            self.give_up();
        }
        if self.held.as_ref().is_some_and(|held| CONTENT_BYTES_MAX < self.out.len() - held.from) {
            self.held = None;
        }
        let ready = self.held.as_ref().map_or(self.out.len(), |held| held.from);
        if let Some(held) = &mut self.held {
            held.from = 0;
        }
        let rest = self.out.split_off(ready);
        std::mem::replace(&mut self.out, rest)
    }

    /// The rest of it, once nothing more comes.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.read(true);
        self.held = None;
        while !self.is_given_up && !self.open.is_empty() {
            self.close();
        }
        self.give_up();
        self.out
    }

    /// From now on the page passes through as it is.
    fn give_up(&mut self) {
        self.is_given_up = true;
        self.held = None;
        self.out.append(&mut self.waiting);
        self.looked_at = 0;
    }

    fn read(&mut self, is_last: bool) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut rest = waiting.as_slice();
        while !self.is_given_up {
            let is_foreign = self.open.last().is_some_and(|open| open.is_foreign);
            let Some(piece) = self.scanner.next(rest, is_last, is_foreign) else { break };
            match &piece {
                Piece::Text(raw) | Piece::Mute(raw) => self.out.extend_from_slice(raw),
                Piece::Start(tag) => self.start(tag),
                Piece::End(tag) => self.end_tag(tag),
            }
            rest = rest.get(piece.bytes()..).unwrap_or_default();
        }
        self.waiting = rest.to_vec();
    }

    fn start(&mut self, tag: &Tag<'_>) {
        self.end_before(tag);
        self.complete_head(&tag.name);
        let is_foreign = self.is_foreign_within(&tag.name);
        let (element, open) = self.arrive(tag, is_foreign);
        let is_leaf = if is_foreign { tag.is_closed } else { elements::is_void(&tag.name) };
        let mut open = self.change(tag, element, open, is_leaf);
        if is_leaf {
            self.out.append(&mut std::mem::take(&mut open.after).into_bytes());
            return;
        }
        if self.open.len() == DEPTH_MAX {
            return self.give_up();
        }
        self.open.push(open);
        if !is_foreign {
            self.scanner.enter(&tag.name);
        }
    }

    /// Ends what the beginning of an element ends.
    fn end_before(&mut self, tag: &Tag<'_>) {
        while let Some(last) = self.open.last() {
            let is_out = last.is_foreign && elements::breaks_out(&tag.name);
            if !is_out && !elements::ends_by(&last.name, &tag.name) {
                return;
            }
            self.close();
        }
    }

    /// Whether an element that begins here is of SVG or MathML.
    fn is_foreign_within(&self, name: &[u8]) -> bool {
        let parent = self.open.last();
        let goes_on =
            parent.is_some_and(|open| open.is_foreign && !elements::integrates(&open.name));
        goes_on || matches!(name, b"svg" | b"math")
    }

    /// What a head has comes before its first script, and before all that it cannot hold: after what says in which
    /// encoding the page is, which browsers look for in its beginning.
    fn complete_head(&mut self, name: &[u8]) {
        const HEAD: [&[u8]; 9] = [
            b"base",
            b"head",
            b"html",
            b"link",
            b"meta",
            b"noscript",
            b"style",
            b"template",
            b"title",
        ];
        let is_within =
            self.open.last().is_some_and(|open| !matches!(&*open.name, b"head" | b"html"));
        if !self.has_head && !is_within && !HEAD.contains(&name) {
            self.has_head = true;
            self.out.extend_from_slice(self.changes.head.as_bytes());
        }
    }

    /// Counts an element among its siblings, and finds out which selectors find it.
    fn arrive(&mut self, tag: &Tag<'_>, is_foreign: bool) -> (Vec<usize>, Open) {
        let (mut child, mut of_type) = (1, 1);
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
            child = parent.children;
            match parent.types.iter_mut().find(|(name, _)| **name == *tag.name) {
                Some((_, count)) => {
                    *count += 1;
                    of_type = *count;
                }
                None => parent.types.push((tag.name.as_ref().into(), 1)),
            }
        }
        let element = Element { tag, child, of_type };
        let parent = self.open.last().map(|open| &open.found);
        let (found, positions) = self.changes.matcher.find(element, parent);
        let open = Open {
            name: tag.name.as_ref().into(),
            found,
            children: 0,
            types: Vec::new(),
            is_foreign,
            last: String::new(),
            after: String::new(),
        };
        (positions, open)
    }

    /// Passes a start tag on, with what is to be changed of its element.
    fn change(
        &mut self,
        tag: &Tag<'_>,
        positions: Vec<usize>,
        mut open: Open,
        is_leaf: bool,
    ) -> Open {
        let changes = Arc::clone(&self.changes);
        let may = May::of(tag, &self.open, is_leaf, self.held.is_some());
        let (mut claimed, mut edits, mut first, mut content) =
            (Vec::new(), Vec::new(), String::new(), None);
        for position in positions {
            let (Some(edit), Some(made)) =
                (changes.edits.get(position), self.made.get_mut(position))
            else {
                continue;
            };
            let claims = edit.claims();
            let is_claimed = claims.is_some_and(|claim| claimed.contains(&claim));
            if !may.be(edit) || is_claimed || *made == ELEMENTS_MAX {
                continue;
            }
            *made += 1;
            claimed.extend(claims);
            match edit {
                Edit::Content(Content::Text(new) | Content::Markup(new)) => content = Some(new),
                Edit::Insert { side, html } => {
                    let html = format!("<noscript>{html}</noscript>");
                    match side {
                        Where::Before => self.out.extend_from_slice(html.as_bytes()),
                        Where::Start => first.insert_str(0, &html),
                        Where::End => open.last.push_str(&html),
                        Where::After => open.after.insert_str(0, &html),
                    }
                }
                _ => edits.push(edit),
            }
        }
        if edits.is_empty() {
            self.out.extend_from_slice(tag.raw);
        } else {
            self.out.extend_from_slice(&start_tag::edited(tag, &edits));
        }
        if let Some(content) = content {
            let depth = self.open.len();
            let instead = format!("{first}{content}");
            self.held = Some(Held { depth, from: self.out.len(), instead });
        } else {
            self.out.extend_from_slice(first.as_bytes());
        }
        open
    }

    fn end_tag(&mut self, tag: &Tag<'_>) {
        let name = &*tag.name;
        if name == b"head" {
            self.complete_head(b"body");
        }
        let position = self.open.iter().rposition(|open| *open.name == *name);
        let within = position.and_then(|at| self.open.get(at + 1..)).unwrap_or_default();
        let is_passed_over = within.iter().any(|open| elements::holds_against(&open.name, name));
        let Some(position) = position.filter(|_| !is_passed_over) else {
            self.out.extend_from_slice(tag.raw);
            return;
        };
        while position + 1 < self.open.len() {
            self.close();
        }
        self.end_content();
        let Some(open) = self.open.pop() else { return };
        self.out.extend_from_slice(open.last.as_bytes());
        self.out.extend_from_slice(tag.raw);
        self.out.extend_from_slice(open.after.as_bytes());
    }

    /// Ends the innermost element where the page has no end tag.
    fn close(&mut self) {
        self.end_content();
        let Some(open) = self.open.pop() else { return };
        self.out.extend_from_slice(open.last.as_bytes());
        if !open.after.is_empty() {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(&open.name);
            self.out.push(b'>');
            self.out.extend_from_slice(open.after.as_bytes());
        }
    }

    /// Puts what is to stand in an element's place of what stood there, where the element ends.
    fn end_content(&mut self) {
        if let Some(held) = self.held.take_if(|held| held.depth + 1 == self.open.len()) {
            self.out.truncate(held.from);
            self.out.extend_from_slice(held.instead.as_bytes());
        }
    }
}

/// What may be done to an element, by where it stands.
struct May {
    change: bool,
    text: bool,
    markup: bool,
    beside: bool,
    within: bool,
}

impl May {
    fn of(tag: &Tag<'_>, open: &[Open], is_leaf: bool, is_replaced: bool) -> Self {
        // What runs, loads or styles is no content, wherever a selector leads.
        const UNTOUCHED: [&[u8]; 9] = [
            b"script", b"style", b"link", b"base", b"meta", b"object", b"embed", b"animate", b"set",
        ];
        const TEXT: [&[u8]; 3] = [b"title", b"textarea", b"option"];
        // Browsers would move what is put there, or show nothing of it.
        const STRICT: [&[u8]; 12] = [
            b"audio",
            b"head",
            b"html",
            b"iframe",
            b"noembed",
            b"noframes",
            b"noscript",
            b"optgroup",
            b"picture",
            b"select",
            b"video",
            b"xmp",
        ];
        let name = &*tag.name;
        let is_in = |wanted: &[u8]| open.iter().any(|open| *open.name == *wanted);
        let change = !is_replaced && !is_in(b"template") && !UNTOUCHED.contains(&name);
        let is_text = TEXT.contains(&name);
        let holds = |name: &[u8]| {
            let is_cell = matches!(name, b"td" | b"th" | b"caption");
            !STRICT.contains(&name)
                && !TEXT.contains(&name)
                && (is_cell || !elements::is_of_table(name))
        };
        let is_drawing = open.last().is_some_and(|open| open.is_foreign);
        let is_shown = change && !is_drawing && !is_in(b"head") && !is_in(b"noscript");
        let is_drawn = matches!(name, b"svg" | b"math");
        let within = is_shown && !is_leaf && !is_drawn && holds(name);
        let beside =
            is_shown && name != b"body" && open.last().is_some_and(|open| holds(&open.name));
        Self { change, text: within || change && is_text, markup: within, beside, within }
    }

    fn be(&self, edit: &Edit) -> bool {
        match edit {
            Edit::Content(Content::Text(_)) => self.text,
            Edit::Content(Content::Markup(_)) => self.markup,
            Edit::Insert { side: Where::Before | Where::After, .. } => self.beside,
            Edit::Insert { side: Where::Start | Where::End, .. } => self.within,
            _ => self.change,
        }
    }
}

#[cfg(test)]
mod tests;
