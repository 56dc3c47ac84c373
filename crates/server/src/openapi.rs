//! The OpenAPI document, built from the table of routes and the schemas of the definitions.

mod schemas;

use std::sync::OnceLock;

use engine::{Engine, definitions::Kind};
use model::{Value, value::Object};
use serde_json::json;

use crate::{
    health::VERSION,
    routes::{self, Access, Parameter, Route},
};

/// The whole document.
pub fn document() -> Value {
    let mut components = schemas::shared();
    for kind in Kind::ALL {
        add_kind(&mut components, kind);
    }
    let mut paths = Object::new();
    for route in routes::all() {
        for kind in kinds_of(route) {
            for (position, path) in std::iter::once(&route.path).chain(route.aliases).enumerate() {
                let path = match kind {
                    Some(kind) => path.replace("{kind}", kind.plural()),
                    None => (*path).to_owned(),
                };
                let operation = operation(route, &path, kind, position);
                if let Value::Object(item) = paths.entry(path).or_insert_with(|| json!({})) {
                    item.insert(route.method.to_owned(), operation);
                }
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Concierge",
            "version": VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": security_schemes(),
            "responses": {"Problem": {
                "description": "It was not done",
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                }},
            }},
        },
    })
}

const DESCRIPTION: &str = "\
Paths under /v1 take a source's write key and answer browsers from any page; they also answer with a slash at the end. \
Paths under /api/v1 take a token. Errors are problem documents (RFC 9457) with a stable `code`.";

/// The document as it is sent.
pub(crate) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| document().to_string())
}

/// A route whose path names a kind stands in the document once for each kind, so that clients get types.
fn kinds_of(route: &Route) -> Vec<Option<Kind>> {
    if route.path.contains("{kind}") {
        // What the program writes itself can only be read.
        let is_there = |kind: &Kind| kind.is_written_by_people() || route.method == "get";
        Kind::ALL.into_iter().filter(is_there).map(Some).collect()
    } else {
        vec![None]
    }
}

fn operation(route: &Route, path: &str, kind: Option<Kind>, alias: usize) -> Value {
    let doc = &route.doc;
    let mut id = doc.id.to_owned();
    if let Some(kind) = kind {
        id = format!("{id}_{}", kind.plural());
    }
    if alias > 0 {
        id = format!("{id}_{}", path.trim_matches('/').replace('/', "_"));
    }
    let (status, answer) = doc.answer;
    let mut responses = Object::new();
    responses.insert(status.to_string(), response(answer, kind));
    // An image is answered whatever came of the call.
    if answer != Some("Gif") {
        responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Problem"}));
    }
    let mut operation = json!({
        "operationId": id,
        "tags": [doc.tag],
        "summary": doc.summary,
        "parameters": parameters(path, doc.query),
        "responses": responses,
        "security": security(path, route.access),
    });
    if let Some(operation) = operation.as_object_mut() {
        if let Some(body) = doc.body {
            let content = json!({"application/json": {"schema": schema_ref(body, kind)}});
            operation
                .insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        }
        if let Access::Token(Some(scope)) = route.access {
            operation.insert("x-scope".to_owned(), scope.as_str().into());
        }
        operation.insert("x-stability".to_owned(), "beta".into());
    }
    operation
}

fn response(schema: Option<&str>, kind: Option<Kind>) -> Value {
    match schema {
        None => json!({"description": "Done"}),
        Some("Text") => {
            json!({"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}})
        }
        Some("Html") => {
            json!({"description": "OK", "content": {"text/html": {"schema": {"type": "string"}}}})
        }
        Some("Bytes") => json!({"description": "OK", "content": {"application/octet-stream": {}}}),
        Some("QueryAnswer") => json!({"description": "OK", "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/QueryAnswer"}},
            "text/csv": {},
            "application/vnd.apache.arrow.stream": {},
        }}),
        Some("Lines") => json!({"description": "OK", "content": {"application/x-ndjson": {}}}),
        Some("EventStream") => json!({"description": "OK", "content": {"text/event-stream": {}}}),
        Some("Redirect") => json!({
            "description": "where to go on",
            "headers": {"Location": {"schema": {"type": "string"}}},
        }),
        Some("Script") => {
            json!({"description": "OK", "content": {"text/javascript": {"schema": {"type": "string"}}}})
        }
        Some("Gif") => json!({"description": "Always", "content": {"image/gif": {}}}),
        Some(schema) => json!({
            "description": "OK",
            "content": {"application/json": {"schema": schema_ref(schema, kind)}},
        }),
    }
}

/// A schema by its name in the table of routes, where three names stand for those of the path's kind.
fn schema_ref(name: &str, kind: Option<Kind>) -> Value {
    let name = match (name, kind) {
        ("Document", Some(kind)) => format!("{}Document", singular(kind)),
        ("Definition", Some(kind)) => format!("Saved{}", singular(kind)),
        ("DefinitionPage", Some(kind)) => format!("Saved{}Page", singular(kind)),
        _ => name.to_owned(),
    };
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn singular(kind: Kind) -> &'static str {
    match kind {
        Kind::Purpose => "Purpose",
        Kind::Source => "Source",
        Kind::Trait => "Trait",
        Kind::ComputedTrait => "ComputedTrait",
        Kind::Audience => "Audience",
        Kind::Stages => "Stages",
        Kind::Placement => "Placement",
        Kind::Experience => "Experience",
        Kind::Policy => "Policy",
        Kind::EventSchema => "EventSchema",
        Kind::Metric => "Metric",
        Kind::TrafficRule => "TrafficRule",
        Kind::RetentionRule => "RetentionRule",
        Kind::ExclusionGroup => "ExclusionGroup",
        Kind::Holdout => "Holdout",
    }
}

fn parameters(path: &str, query: &[Parameter]) -> Vec<Value> {
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(
        |name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}),
    );
    let in_query = query.iter().map(|parameter| {
        let schema = match parameter.kind {
            "time" => json!({"type": "string", "format": "date-time"}),
            kind => json!({"type": kind}),
        };
        json!({
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.description,
            "schema": schema,
        })
    });
    in_path.chain(in_query).collect()
}

fn security(path: &str, access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::WriteKey => json!([{"write_key_basic": []}, {"write_key_header": []}]),
        Access::WriteKeyOrToken => {
            let mut ways =
                json!([{"write_key_basic": []}, {"write_key_header": []}, {"token": []}]);
            if let (true, Some(ways)) = (path.starts_with("/ofrep/"), ways.as_array_mut()) {
                ways.push(json!({"flag_key": []}));
            }
            ways
        }
        Access::Token(_) => json!([{"token": []}]),
    }
}

fn security_schemes() -> Value {
    json!({
        "token": {"type": "http", "scheme": "bearer", "description": "a management token"},
        "write_key_basic": {
            "type": "http",
            "scheme": "basic",
            "description": "a source's write key as the user, with an empty password; also as Bearer, as `writeKey` in the query or the body",
        },
        "write_key_header": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
        "flag_key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "a write key or a token, for feature flags",
        },
    })
}

/// Adds a kind's document, and the same as it is read.
fn add_kind(components: &mut Object, kind: Kind) {
    let mut document = Engine::schema(kind);
    if let Some(schema) = document.as_object_mut() {
        schema.remove("$schema");
        if let Some(Value::Object(definitions)) = schema.remove("$defs") {
            for (name, mut definition) in definitions {
                move_refs(&mut definition);
                components.insert(name, definition);
            }
        }
    }
    move_refs(&mut document);
    let mut saved = document.clone();
    if let Some(properties) = saved.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("version".to_owned(), json!({"type": "integer", "readOnly": true}));
        let time = json!({"type": "string", "format": "date-time", "readOnly": true});
        properties.insert("updated_at".to_owned(), time);
        properties.insert("updated_by".to_owned(), json!({"type": "string", "readOnly": true}));
    }
    let name = singular(kind);
    let page = schemas::page(json!({"$ref": format!("#/components/schemas/Saved{name}")}));
    components.insert(format!("{name}Document"), document);
    components.insert(format!("Saved{name}"), saved);
    components.insert(format!("Saved{name}Page"), page);
}

/// Points references at the place where the document keeps its schemas.
fn move_refs(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/components/schemas/{name}");
            }
            object.values_mut().for_each(move_refs);
        }
        Value::Array(items) => items.iter_mut().for_each(move_refs),
        _ => {}
    }
}
