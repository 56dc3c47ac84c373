//! Ready-made audiences: listed with their parameters, filled in as documents, and saved as ordinary audiences.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Request, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use engine::{
    definitions::{DefinitionError, Expect, Kind, Page, Token},
    ready_made::{self, Filled, ReadyMade},
};
use model::{Key, Value, consent::PurposeKey, definition::State, value::Object};
use serde::Deserialize;

use crate::{app::App, body, definitions, error::ApiError, query};

/// What of a computed trait's document is not its rule.
const BESIDE_THE_RULE: [&str; 4] = ["name", "description", "tags", "state"];

/// Lists the ready-made audiences.
pub(crate) async fn list(uri: Uri) -> Result<Response, ApiError> {
    let query::Nothing {} = query::parse(&uri)?;
    let page = Page { items: ready_made::all().iter().collect(), next_cursor: None };
    Ok(Json::<Page<&ReadyMade>>(page).into_response())
}

/// What to make of a ready-made audience.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filling {
    #[serde(default)]
    parameters: Object,
    /// The key of the audience; absent: that of the ready-made one.
    key: Option<Key>,
    #[serde(default)]
    state: State,
    purpose: Option<PurposeKey>,
}

/// Answers with the documents, and saves nothing.
pub(crate) async fn draft(
    Shared(app): Shared<App>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (_, filled) = filled(&app, &key, request).await?;
    Ok(Json(filled).into_response())
}

/// Saves the audience, and before it the computed traits that it asks about.
pub(crate) async fn save(
    Shared(app): Shared<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (key, Filled { computed_traits, audience }) = filled(&app, &key, request).await?;
    if let Ok(there) = app.engine.definition(Kind::Audience, &key, None) {
        // Told before a computed trait is saved for nothing.
        let error = DefinitionError::Conflict { kind: Kind::Audience, key, current: there.version };
        return Err(error.into());
    }
    for document in computed_traits {
        save_computed_trait(&app, document, &token).await?;
    }
    let saved =
        app.engine.put_definition(Kind::Audience, key, audience, Expect::Absent, &token).await?;
    Ok(definitions::represented(StatusCode::CREATED, &saved))
}

/// Saves a computed trait unless it is there; one of another rule stays, since others may ask about it.
async fn save_computed_trait(app: &App, document: Object, token: &Token) -> Result<(), ApiError> {
    let kind = Kind::ComputedTrait;
    let key: Key = document
        .get("key")
        .and_then(Value::as_str)
        .and_then(|key| key.parse().ok())
        .ok_or_else(|| ApiError::internal("a ready-made computed trait has no key"))?;
    let expect = match app.engine.definition(kind, &key, None) {
        Err(_) => Expect::Absent,
        Ok(there) if rule(&there.document) != rule(&document) => {
            let detail = format!(
                "there is a computed trait `{key}` with another rule; set the parameter `trait` to another key"
            );
            return Err(ApiError::new(StatusCode::CONFLICT, "in_use", detail));
        }
        Ok(there) if there.state == State::Live => return Ok(()),
        Ok(there) => Expect::Version(there.version),
    };
    app.engine.put_definition(kind, key, document, expect, token).await?;
    Ok(())
}

/// A document without what is not its rule.
fn rule(document: &Object) -> Object {
    let mut rule = document.clone();
    for name in BESIDE_THE_RULE {
        rule.remove(name);
    }
    rule
}

/// The documents that the body asks for, and the key of the audience among them.
async fn filled(app: &App, key: &str, request: Request) -> Result<(Key, Filled), ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let Filling { parameters, key: own, state, purpose } =
        body::json(if bytes.is_empty() { b"{}" } else { &bytes })?;
    let known = key.parse().ok().and_then(|key| ready_made::find(&key));
    let shown: String = key.chars().take(Key::MAX_BYTES).collect();
    let ready_made =
        known.ok_or_else(|| ApiError::not_found(format!("ready-made audience `{shown}`")))?;
    let mut filled = ready_made.fill(&parameters).map_err(DefinitionError::Invalid)?;
    let key = own.unwrap_or_else(|| ready_made.key.clone());
    filled.audience.insert("key".into(), key.as_str().into());
    filled.audience.insert("state".into(), state.to_string().into());
    for document in &mut filled.computed_traits {
        // What an audience asks about must be live, be it live itself or not.
        document.insert("state".into(), State::Live.to_string().into());
    }
    if let Some(purpose) = purpose {
        for document in filled.computed_traits.iter_mut().chain([&mut filled.audience]) {
            document.insert("purpose".into(), purpose.to_string().into());
        }
    }
    Ok((key, filled))
}
