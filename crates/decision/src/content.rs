//! Content made ready to serve: what is fixed is shared, what is a template is filled in per
//! request.

use std::{borrow::Cow, sync::Arc};

use model::{Key, LazyObject, Value, definition::Fault, value::Object};
use serde_json::json;

use crate::{
    changes,
    component::{self, Component, Piece, Shape},
    schema::{Schema, child},
    template::{self, Escape, MAX_OUTPUT_BYTES, Scope, Template, TemplateError, escape_html},
};

/// Deepest nesting of content.
const MAX_DEPTH: usize = 16;

/// One content, compiled.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Nothing to fill in: every answer shares it.
    Fixed(Arc<Object>),
    /// Filled in per request.
    Filled(Vec<(String, Node)>),
}

/// One value of a content that has templates in it.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Fixed(Value),
    Text(Template, Escape),
    /// Markup with texts in it.
    Markup(Vec<Part>),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// A part of a markup.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Fixed(String),
    /// A text that is filled in, of which nothing is markup.
    Text(Template),
}

impl Content {
    /// Compiles `content`, which stands at `pointer` and is for `placement`, and holds it against the placement's
    /// schema. A component becomes one more declared change. `profile` says whether its templates may read the profile.
    pub(crate) fn compile(
        content: &Object,
        schema: &Schema,
        pointer: &str,
        placement: &Key,
        profile: bool,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        schema.check(content, pointer, &mut faults);
        changes::check(content, pointer, &mut faults);
        component::check(content, pointer, &mut faults);
        let mut compiler = Compiler { profile, faults };
        let mut members = compiler.object(content, Some(schema), pointer, 0);
        if let Some(component) = Component::of(content) {
            add_change(&mut members, made_of(&component, placement));
        }
        if !compiler.faults.is_empty() {
            return Err(compiler.faults);
        }
        Ok(match fixed(&members) {
            Some(object) => Self::Fixed(Arc::new(object)),
            None => Self::Filled(members),
        })
    }

    /// Fills the content in.
    pub(crate) fn render(&self, scope: &Scope<'_>) -> Result<Arc<Object>, TemplateError> {
        match self {
            Self::Fixed(object) => Ok(Arc::clone(object)),
            Self::Filled(members) => {
                let mut room = MAX_OUTPUT_BYTES;
                render_object(members, scope, &mut room).map(Arc::new)
            }
        }
    }
}

impl Node {
    /// Its value, where nothing has to be filled in.
    fn fixed(&self) -> Option<&Value> {
        match self {
            Self::Fixed(value) => Some(value),
            _ => None,
        }
    }

    fn render(&self, scope: &Scope<'_>, room: &mut usize) -> Result<Value, TemplateError> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template, escape) => Value::String(template.render(scope, *escape, room)?),
            Self::Markup(parts) => {
                let mut markup = String::new();
                for part in parts {
                    markup += &part.render(scope, room)?;
                }
                Value::String(markup)
            }
            Self::Array(nodes) => {
                let values: Result<_, _> =
                    nodes.iter().map(|node| node.render(scope, room)).collect();
                Value::Array(values?)
            }
            Self::Object(members) => Value::Object(render_object(members, scope, room)?),
        })
    }
}

impl Part {
    fn render(&self, scope: &Scope<'_>, room: &mut usize) -> Result<Cow<'_, str>, TemplateError> {
        Ok(match self {
            Self::Fixed(text) => Cow::Borrowed(text),
            Self::Text(template) => {
                let text = template.render(scope, Escape::Nothing, room)?;
                Cow::Owned(escape_html(&text))
            }
        })
    }
}

/// The object of members of which none has to be filled in.
fn fixed(members: &[(String, Node)]) -> Option<Object> {
    members.iter().map(|(name, node)| Some((name.clone(), node.fixed()?.clone()))).collect()
}

/// The change that a component comes to.
fn made_of(component: &Component, placement: &Key) -> Node {
    let place = match component.kind {
        Shape::Embedded => json!({"kind": "html", "selector": changes::slot(placement)}),
        _ => json!({"kind": "insert", "selector": "body", "where": "end"}),
    };
    let members = place.as_object().into_iter().flatten();
    let mut members: Vec<_> =
        members.map(|(name, value)| (name.clone(), Node::Fixed(value.clone()))).collect();
    members.push(("css".into(), Node::Fixed(component.style().into())));
    members.push(("html".into(), markup(component.pieces())));
    fixed(&members).map_or(Node::Object(members), |object| Node::Fixed(object.into()))
}

/// Markup of which as much as can be is made now.
fn markup(pieces: Vec<Piece>) -> Node {
    let mut parts = Vec::new();
    for piece in pieces {
        let text = match piece {
            Piece::Markup(markup) => markup,
            Piece::Text(text) if template::is_template(&text) => {
                // One that cannot be read was found among the component's own members.
                parts.extend(Template::parse(&text).ok().map(Part::Text));
                continue;
            }
            Piece::Text(text) => escape_html(&text),
        };
        match parts.last_mut() {
            Some(Part::Fixed(before)) => before.push_str(&text),
            _ => parts.push(Part::Fixed(text)),
        }
    }
    match <[Part; 1]>::try_from(parts) {
        Ok([Part::Fixed(whole)]) => Node::Fixed(whole.into()),
        Ok(parts) => Node::Markup(parts.into()),
        Err(parts) => Node::Markup(parts),
    }
}

/// Adds a declared change after those that are written.
fn add_change(members: &mut Vec<(String, Node)>, change: Node) {
    let place = members.iter().position(|(name, _)| name == changes::MEMBER);
    let written = place.map(|place| members.remove(place).1);
    let mut changes = match written {
        Some(Node::Fixed(Value::Array(values))) => values.into_iter().map(Node::Fixed).collect(),
        Some(Node::Array(nodes)) => nodes,
        _ => Vec::new(),
    };
    changes.push(change);
    members.push((changes::MEMBER.into(), array(changes)));
}

fn array(nodes: Vec<Node>) -> Node {
    let values: Option<Vec<Value>> = nodes.iter().map(|node| node.fixed().cloned()).collect();
    values.map_or(Node::Array(nodes), |values| Node::Fixed(values.into()))
}

fn render_object(
    members: &[(String, Node)],
    scope: &Scope<'_>,
    room: &mut usize,
) -> Result<Object, TemplateError> {
    members.iter().map(|(name, node)| Ok((name.clone(), node.render(scope, room)?))).collect()
}

struct Compiler {
    profile: bool,
    faults: Vec<Fault>,
}

impl Compiler {
    fn object(
        &mut self,
        object: &Object,
        schema: Option<&Schema>,
        pointer: &str,
        depth: usize,
    ) -> Vec<(String, Node)> {
        object
            .iter()
            .map(|(name, value)| {
                let schema = schema.and_then(|schema| schema.property(name));
                (name.clone(), self.node(value, schema, &child(pointer, name), depth + 1))
            })
            .collect()
    }

    fn node(
        &mut self,
        value: &Value,
        schema: Option<&Schema>,
        pointer: &str,
        depth: usize,
    ) -> Node {
        if MAX_DEPTH < depth {
            let detail = format!("content is at most {MAX_DEPTH} levels deep");
            self.faults.push(Fault::new(pointer, detail));
            return Node::Fixed(Value::Null);
        }
        match value {
            Value::String(text) if template::is_template(text) => {
                let html = schema.is_some_and(Schema::is_html);
                self.text(text, if html { Escape::Html } else { Escape::Nothing }, pointer)
            }
            Value::Array(elements) => {
                let items = schema.and_then(Schema::items);
                let nodes = elements
                    .iter()
                    .enumerate()
                    .map(|(i, v)| self.node(v, items, &format!("{pointer}/{i}"), depth + 1))
                    .collect();
                array(nodes)
            }
            Value::Object(object) => {
                let members = self.object(object, schema, pointer, depth);
                fixed(&members).map_or(Node::Object(members), |object| Node::Fixed(object.into()))
            }
            _ => Node::Fixed(value.clone()),
        }
    }

    /// Parses a template and fills it in once with nothing, to find variables that do not exist on
    /// the way it takes.
    fn text(&mut self, text: &str, escape: Escape, pointer: &str) -> Node {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                self.faults.push(Fault::new(pointer, error.to_string()));
                return Node::Fixed(Value::Null);
            }
        };
        let (empty, mut room) = (LazyObject::default(), MAX_OUTPUT_BYTES);
        let nothing = Object::new;
        let scope = Scope::new(&empty, if self.profile { Some(&nothing) } else { None });
        // That it cannot be filled in from nothing is no fault: a filter may need a number that a
        // person has.
        drop(template.render(&scope, escape, &mut room));
        if let Some(root) = scope.unknown_root() {
            let known =
                if self.profile { "`profile`, `account` or `context`" } else { "`context`" };
            let error = TemplateError::UnknownVariable(root, known);
            self.faults.push(Fault::new(pointer, error.to_string()));
        }
        Node::Text(template, escape)
    }
}
