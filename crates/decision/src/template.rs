//! Liquid in content: what a template may do, and what it reads.
//!
//! Templates are `{{ … }}` with filters, `if`, `unless`, `case`, `comment` and `raw`. There is
//! nothing that loops, assigns or includes, so the work of a template is bounded by its length. A
//! variable that is missing, or may not be read, is empty and false.

mod comment;
mod filters;
mod members;
mod scope;

use std::{
    io::{self, Write},
    panic,
    sync::{Arc, LazyLock},
};

use liquid_core::{Language, Renderable, parser, runtime};
use liquid_lib::stdlib::{CaseBlock, IfBlock, RawBlock, UnlessBlock};
use thiserror::Error;

pub(crate) use filters::escape_html;
pub(crate) use scope::{Escape, Scope};

/// Longest template, in bytes: the size of a long piece of HTML.
pub(crate) const MAX_TEMPLATE_BYTES: usize = 16 * 1024;
/// Most text that the templates of one content may become, in bytes.
pub(crate) const MAX_OUTPUT_BYTES: usize = 64 * 1024;
/// Most tags in a template: bounds the depth to which they nest.
const MAX_TAGS: usize = 200;
/// Longest run of digits: one more would not fit the integers of the language.
const MAX_DIGITS: usize = 18;

/// The language, built once: it holds no state.
static LANGUAGE: LazyLock<Language> = LazyLock::new(|| {
    let mut language = Language::empty();
    language.blocks.register("if".into(), Box::new(IfBlock));
    language.blocks.register("unless".into(), Box::new(UnlessBlock));
    language.blocks.register("case".into(), Box::new(CaseBlock));
    language.blocks.register("comment".into(), Box::new(comment::CommentBlock));
    language.blocks.register("raw".into(), Box::new(RawBlock));
    filters::register(&mut language.filters);
    language
});

/// Why a template cannot be used or filled in. It never quotes a person's data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TemplateError {
    #[error("the template is longer than {MAX_TEMPLATE_BYTES} bytes")]
    TooLong,
    #[error("the template has more than {MAX_TAGS} tags")]
    TooManyTags,
    #[error("the template has a number of more than {MAX_DIGITS} digits")]
    LongNumber,
    #[error("not a template: {0}")]
    Syntax(String),
    #[error("`{0}` is not a variable here: use {1}")]
    UnknownVariable(String, &'static str),
    #[error("the content is longer than {MAX_OUTPUT_BYTES} bytes")]
    TooMuchOutput,
    #[error("{0}")]
    Render(String),
}

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parsed: Arc<runtime::Template>,
}

/// Whether `text` holds anything to fill in.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

impl Template {
    /// Parses `text`.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        if MAX_TEMPLATE_BYTES < text.len() {
            return Err(TemplateError::TooLong);
        }
        if MAX_TAGS < text.matches("{%").count() {
            return Err(TemplateError::TooManyTags);
        }
        if text.split(|c: char| !c.is_ascii_digit()).any(|digits| MAX_DIGITS < digits.len()) {
            return Err(TemplateError::LongNumber);
        }
        // The parser states that its grammar leaves no panic reachable; a fault in one definition
        // must stay one even if it errs.
        let parsed = panic::catch_unwind(|| parser::parse(text, &LANGUAGE))
            .map_err(|_| TemplateError::Syntax("the parser gave up on it".into()))?
            .map_err(|error| TemplateError::Syntax(syntax_message(&error)))?;
        Ok(Self { parsed: Arc::new(runtime::Template::new(parsed)) })
    }

    /// Fills the template in. `room` is what is left of the content's bytes and is lowered by what
    /// was written.
    pub(crate) fn render(
        &self,
        scope: &Scope<'_>,
        escape: Escape,
        room: &mut usize,
    ) -> Result<String, TemplateError> {
        let mut output = Bounded { bytes: Vec::new(), room: *room, overflow: false };
        let rendered = self.parsed.render_to(&mut output, &scope.runtime(escape));
        if output.overflow {
            return Err(TemplateError::TooMuchOutput);
        }
        rendered.map_err(|error| TemplateError::Render(first_line(&error)))?;
        *room = output.room;
        String::from_utf8(output.bytes)
            .map_err(|_| TemplateError::Render("the content is not text".into()))
    }
}

/// Collects what is written until there is no more room.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
    overflow: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.room.checked_sub(bytes.len()) {
            Some(room) => {
                self.room = room;
                self.bytes.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            None => {
                self.overflow = true;
                Err(io::ErrorKind::OutOfMemory.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first line of an error: what went wrong, without the values it went wrong with, which are a
/// person's.
fn first_line(error: &liquid_core::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("liquid: ").unwrap_or(line).trim().to_owned()
}

/// All of a syntax error in one line: it quotes nothing but the template.
fn syntax_message(error: &liquid_core::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("liquid: ").unwrap_or(&text);
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
