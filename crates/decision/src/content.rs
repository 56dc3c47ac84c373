//! Content made ready to serve: what is fixed is shared, what is a template is filled in per
//! request.

use std::sync::Arc;

use model::{LazyObject, Value, definition::Fault, value::Object};

use crate::{
    changes,
    schema::{Schema, child},
    template::{self, Escape, MAX_OUTPUT_BYTES, Scope, Template, TemplateError},
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
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Content {
    /// Compiles `content`, which stands at `pointer`, and holds it against the placement's schema.
    /// `profile` says whether its templates may read the profile.
    pub(crate) fn compile(
        content: &Object,
        schema: &Schema,
        pointer: &str,
        profile: bool,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        schema.check(content, pointer, &mut faults);
        changes::check(content, pointer, &mut faults);
        let mut compiler = Compiler { profile, faults };
        let members = compiler.object(content, Some(schema), pointer, 0);
        if !compiler.faults.is_empty() {
            return Err(compiler.faults);
        }
        let fixed = members.iter().all(|(_, node)| matches!(node, Node::Fixed(_)));
        Ok(if fixed { Self::Fixed(Arc::new(content.clone())) } else { Self::Filled(members) })
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
    fn render(&self, scope: &Scope<'_>, room: &mut usize) -> Result<Value, TemplateError> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template, escape) => Value::String(template.render(scope, *escape, room)?),
            Self::Array(nodes) => {
                let values: Result<_, _> =
                    nodes.iter().map(|node| node.render(scope, room)).collect();
                Value::Array(values?)
            }
            Self::Object(members) => Value::Object(render_object(members, scope, room)?),
        })
    }
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
                let nodes: Vec<_> = elements
                    .iter()
                    .enumerate()
                    .map(|(i, v)| self.node(v, items, &format!("{pointer}/{i}"), depth + 1))
                    .collect();
                let fixed = nodes.iter().all(|node| matches!(node, Node::Fixed(_)));
                if fixed { Node::Fixed(value.clone()) } else { Node::Array(nodes) }
            }
            Value::Object(object) => {
                let members = self.object(object, schema, pointer, depth);
                let fixed = members.iter().all(|(_, node)| matches!(node, Node::Fixed(_)));
                if fixed { Node::Fixed(value.clone()) } else { Node::Object(members) }
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
