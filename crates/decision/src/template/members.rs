//! Objects as templates have them: written as JSON, counted by their members.

use std::{cell::OnceCell, fmt};

use liquid_core::{
    ObjectView, ValueView,
    model::{DisplayCow, KStringCow, ScalarCow, State, Value},
};

/// An object.
#[derive(Debug)]
pub(super) struct Members {
    text: String,
    count: usize,
}

/// The objects that one rendering has read, each lent out for as long as that lasts.
#[derive(Debug, Default)]
pub(super) struct Lent(OnceCell<Box<(Members, Lent)>>);

impl Members {
    /// An object with so many members that is written as `text`.
    pub(super) fn new(text: String, count: usize) -> Self {
        Self { text, count }
    }
}

impl Lent {
    /// Keeps an object. A template reads few, so that walking past the others costs nothing.
    pub(super) fn lend(&self, members: Members) -> &Members {
        let mut place = self;
        while let Some(taken) = place.0.get() {
            place = &taken.1;
        }
        &place.0.get_or_init(|| Box::new((members, Self::default()))).0
    }
}

impl ValueView for Members {
    fn as_debug(&self) -> &dyn fmt::Debug {
        self
    }

    fn render(&self) -> DisplayCow<'_> {
        DisplayCow::Borrowed(&self.text)
    }

    fn source(&self) -> DisplayCow<'_> {
        DisplayCow::Borrowed(&self.text)
    }

    fn type_name(&self) -> &'static str {
        "object"
    }

    fn query_state(&self, state: State) -> bool {
        match state {
            State::Truthy => true,
            State::DefaultValue | State::Empty | State::Blank => self.count == 0,
        }
    }

    fn to_kstr(&self) -> KStringCow<'_> {
        KStringCow::from_ref(&self.text)
    }

    fn to_value(&self) -> Value {
        Value::scalar(self.text.clone())
    }

    // What asks for a text gets the JSON, as it does of an object within a list.
    fn as_scalar(&self) -> Option<ScalarCow<'_>> {
        Some(ScalarCow::new(&*self.text))
    }

    fn as_object(&self) -> Option<&dyn ObjectView> {
        Some(self)
    }
}

/// Nothing in the language walks an object: paths that lead into one are followed before.
impl ObjectView for Members {
    fn as_value(&self) -> &dyn ValueView {
        self
    }

    fn size(&self) -> i64 {
        i64::try_from(self.count).unwrap_or(i64::MAX)
    }

    fn keys<'k>(&'k self) -> Box<dyn Iterator<Item = KStringCow<'k>> + 'k> {
        Box::new(std::iter::empty())
    }

    fn values<'k>(&'k self) -> Box<dyn Iterator<Item = &'k dyn ValueView> + 'k> {
        Box::new(std::iter::empty())
    }

    fn iter<'k>(&'k self) -> Box<dyn Iterator<Item = (KStringCow<'k>, &'k dyn ValueView)> + 'k> {
        Box::new(std::iter::empty())
    }

    fn contains_key(&self, _: &str) -> bool {
        false
    }

    fn get<'s>(&'s self, _: &str) -> Option<&'s dyn ValueView> {
        None
    }
}
