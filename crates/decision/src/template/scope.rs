//! What a template reads: the request's context and the profile fields it may see.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeSet,
    fmt,
};

use liquid_core::{
    Error, ObjectView, Runtime, ValueCow, ValueView,
    model::{self, KString, KStringCow, KStringRef, ScalarCow, State},
    runtime::{PartialStore, Registers},
};
use model::Value as Liquid;
use serde_json::Value;

use ::model::{LazyObject, value::Object};

use super::members::{Lent, Members};

/// How values are written into the text around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As they are.
    Nothing,
    /// As text within HTML, because the placement's schema says that the field is HTML.
    Html,
}

/// The variables of one rendering.
pub(crate) struct Scope<'a> {
    context: &'a LazyObject,
    /// Where profile fields come from; asked at most once, and only by a template that reads one.
    source: Option<&'a dyn Fn() -> Object>,
    profile: OnceCell<Object>,
    /// What is read of an account by somebody who belongs to none.
    no_account: Object,
    /// Roots that were read and do not exist, so that a check can name them.
    unknown: RefCell<BTreeSet<String>>,
}

impl<'a> Scope<'a> {
    /// A scope with `context`, and with `profile` where fields may be read at all.
    pub(crate) fn new(context: &'a LazyObject, profile: Option<&'a dyn Fn() -> Object>) -> Self {
        let (no_account, unknown) = (Object::new(), RefCell::default());
        Self { context, source: profile, profile: OnceCell::new(), no_account, unknown }
    }

    /// The first root that was read and does not exist.
    pub(crate) fn unknown_root(&self) -> Option<String> {
        self.unknown.borrow().first().cloned()
    }

    /// The scope as the templating library wants it.
    pub(super) fn runtime(&self, escape: Escape) -> Variables<'_> {
        Variables { scope: self, escape, registers: Registers::default(), lent: Lent::default() }
    }

    fn root(&self, name: &str) -> Option<Root<'_>> {
        match (name, self.source) {
            ("context", _) => Some(Root::Context(self.context)),
            ("profile", Some(source)) => Some(Root::Fields(self.profile.get_or_init(source))),
            // The current account of the profile, by a name of its own.
            ("account", Some(source)) => {
                let account = self.profile.get_or_init(source).get("account");
                let account = account.and_then(Value::as_object);
                Some(Root::Fields(account.unwrap_or(&self.no_account)))
            }
            _ => {
                self.unknown.borrow_mut().insert(name.to_owned());
                None
            }
        }
    }

    fn find(&self, path: &[ScalarCow<'_>]) -> Option<Found<'_>> {
        let (root, rest) = path.split_first()?;
        let root = self.root(&root.to_kstr())?;
        let Some((first, rest)) = rest.split_first() else { return Some(Found::Root(root)) };
        let mut value = root.get(first.to_kstr().as_str())?;
        let Some((last, between)) = rest.split_last() else { return Some(Found::Value(value)) };
        for part in between {
            value = step(value, part)?;
        }
        match value {
            Value::Array(array) if last.to_kstr() == "size" => Some(Found::Size(array.len())),
            Value::Object(object) if last.to_kstr() == "size" && !object.contains_key("size") => {
                Some(Found::Size(object.len()))
            }
            _ => step(value, last).map(Found::Value),
        }
    }
}

/// What the first part of a path leads to.
#[derive(Clone, Copy)]
enum Root<'a> {
    Context(&'a LazyObject),
    Fields(&'a Object),
}

impl<'a> Root<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        match self {
            Self::Context(context) => context.get(name),
            Self::Fields(fields) => fields.get(name),
        }
    }
}

enum Found<'a> {
    Root(Root<'a>),
    Value(&'a Value),
    Size(usize),
}

/// One step along a path.
fn step<'a>(value: &'a Value, part: &ScalarCow<'_>) -> Option<&'a Value> {
    let array = match value {
        Value::Object(object) => return object.get(part.to_kstr().as_str()),
        Value::Array(array) => array,
        _ => return None,
    };
    match part.to_kstr().as_str() {
        "first" => array.first(),
        "last" => array.last(),
        _ => {
            let index = part.to_integer()?;
            let from_end = usize::try_from(index.unsigned_abs()).ok()?;
            let index = if index < 0 { array.len().checked_sub(from_end)? } else { from_end };
            array.get(index)
        }
    }
}

/// A scope for one template.
pub(super) struct Variables<'a> {
    scope: &'a Scope<'a>,
    escape: Escape,
    registers: Registers,
    lent: Lent,
}

impl Variables<'_> {
    fn convert(&self, value: &Value) -> Liquid {
        match value {
            Value::Null => Liquid::Nil,
            Value::Bool(flag) => Liquid::scalar(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Liquid::scalar(integer),
                (None, Some(float)) => Liquid::scalar(float),
                (None, None) => Liquid::Nil,
            },
            Value::String(text) if self.escape == Escape::Html => {
                Liquid::scalar(super::filters::escape_html(text))
            }
            Value::String(text) => Liquid::scalar(text.clone()),
            Value::Array(elements) => Liquid::array(elements.iter().map(|v| self.convert(v))),
            Value::Object(object) => self.members(object).to_value(),
        }
    }

    /// An object is written as JSON, its members in their order: the library's own has them in one that
    /// differs from run to run.
    fn members(&self, object: &Object) -> Members {
        let text = match object.is_empty() {
            true => String::new(),
            false => serde_json::to_string(object).unwrap_or_default(),
        };
        let is_html = self.escape == Escape::Html;
        let text = if is_html { super::filters::escape_html(&text) } else { text };
        Members::new(text, object.len())
    }

    fn lend(&self, object: &Object) -> ValueCow<'_> {
        ValueCow::Borrowed(self.lent.lend(self.members(object)))
    }
}

impl Runtime for Variables<'_> {
    fn partials(&self) -> &dyn PartialStore {
        &NoPartials
    }

    fn name(&self) -> Option<KStringRef<'_>> {
        None
    }

    fn roots(&self) -> BTreeSet<KStringCow<'_>> {
        BTreeSet::new()
    }

    fn try_get(&self, path: &[ScalarCow<'_>]) -> Option<ValueCow<'_>> {
        Some(match self.scope.find(path) {
            Some(Found::Value(Value::Null)) | None => ValueCow::Borrowed(&Missing),
            Some(Found::Value(Value::Object(object))) => self.lend(object),
            Some(Found::Value(value)) => ValueCow::Owned(self.convert(value)),
            Some(Found::Root(Root::Context(context))) => self.lend(&context.object()),
            Some(Found::Root(Root::Fields(fields))) => self.lend(fields),
            Some(Found::Size(size)) => {
                ValueCow::Owned(Liquid::scalar(i64::try_from(size).unwrap_or(i64::MAX)))
            }
        })
    }

    fn get(&self, path: &[ScalarCow<'_>]) -> liquid_core::Result<ValueCow<'_>> {
        Ok(self.try_get(path).unwrap_or(ValueCow::Borrowed(&Missing)))
    }

    // Nothing in the language assigns, so there is nothing to keep.
    fn set_global(&self, _: KString, _: Liquid) -> Option<Liquid> {
        None
    }

    fn set_index(&self, _: KString, _: Liquid) -> Option<Liquid> {
        None
    }

    fn get_index<'a>(&'a self, _: &str) -> Option<ValueCow<'a>> {
        None
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }
}

/// A value that is not there: nil, and for `contains` an empty object, which the library asks to be
/// one.
#[derive(Clone, Copy, Debug)]
struct Missing;

impl ValueView for Missing {
    fn as_debug(&self) -> &dyn fmt::Debug {
        self
    }

    fn render(&self) -> model::DisplayCow<'_> {
        model::DisplayCow::Borrowed(&"")
    }

    fn source(&self) -> model::DisplayCow<'_> {
        model::DisplayCow::Borrowed(&"nil")
    }

    fn type_name(&self) -> &'static str {
        "nil"
    }

    fn query_state(&self, state: State) -> bool {
        !matches!(state, State::Truthy)
    }

    fn to_kstr(&self) -> KStringCow<'_> {
        KStringCow::from_static("")
    }

    fn to_value(&self) -> Liquid {
        Liquid::Nil
    }

    fn as_object(&self) -> Option<&dyn ObjectView> {
        Some(self)
    }

    fn is_nil(&self) -> bool {
        true
    }
}

impl ObjectView for Missing {
    fn as_value(&self) -> &dyn ValueView {
        self
    }

    fn size(&self) -> i64 {
        0
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

/// There are no partial templates.
#[derive(Debug)]
struct NoPartials;

impl PartialStore for NoPartials {
    fn contains(&self, _: &str) -> bool {
        false
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn try_get(&self, _: &str) -> Option<std::sync::Arc<dyn liquid_core::Renderable>> {
        None
    }

    fn get(&self, _: &str) -> liquid_core::Result<std::sync::Arc<dyn liquid_core::Renderable>> {
        Err(Error::with_msg("there are no partial templates"))
    }
}
