//! What operators do to people: split them, and take that back.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use engine::{
    acts::{ActError, Ask, Split},
    definitions::Token,
};
use model::{ActId, Identifier, IdentifierType};
use serde::Deserialize;

use crate::{
    app::App,
    audiences::audit,
    body,
    error::ApiError,
    profiles::{no_profile, profile_id},
};

/// Most identifiers that one call names: as many as a person has.
const IDENTIFIERS_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitBody {
    #[serde(default)]
    identifiers: Vec<IdentifierBody>,
    #[serde(default)]
    all: bool,
}

/// An identifier as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierBody {
    r#type: String,
    value: String,
}

impl IdentifierBody {
    /// The identifier in normal form; `pointer` is its place in the body.
    pub(crate) fn read(&self, pointer: &str) -> Result<Identifier, ApiError> {
        let kind = IdentifierType::parse(&self.r#type).ok_or_else(|| {
            let detail = "is user_id, anonymous_id, email, phone, device_id or external:<name>";
            ApiError::fault(format!("{pointer}/type"), detail)
        })?;
        if self.value.is_empty() || self.value.len() > IdentifierType::MAX_VALUE_BYTES {
            return Err(ApiError::fault(format!("{pointer}/value"), "has 1 to 512 bytes"));
        }
        Ok(Identifier::new(kind, self.value.as_str()).normalised())
    }
}

/// Takes a person apart.
pub(crate) async fn split(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let profile = profile_id(&id)?;
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let SplitBody { identifiers, all } = body::json(&bytes)?;
    let how = match (identifiers.as_slice(), all) {
        ([], true) => Split::All,
        ([_, ..], false) if identifiers.len() <= IDENTIFIERS_MAX => {
            let read =
                |(at, one): (usize, &IdentifierBody)| one.read(&format!("/identifiers/{at}"));
            let read = identifiers.iter().enumerate().map(read);
            Split::Identifiers(read.collect::<Result<_, _>>()?)
        }
        _ => {
            let detail = "give either `identifiers`, 1 to 1000 of them, or `all`: true";
            return Err(ApiError::fault("", detail));
        }
    };
    let done = app.engine.act(Ask::Split { profile, how }, &token).await?;
    Ok(Json(done).into_response())
}

/// Takes an act back.
pub(crate) async fn undo(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path((id, act)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let profile = profile_id(&id)?;
    let act: ActId = act.parse().map_err(|_| {
        let act: String = act.chars().take(40).collect();
        ApiError::not_found(format!("act `{act}`"))
    })?;
    let done = app.engine.act(Ask::Undo { profile, act }, &token).await?;
    Ok(Json(done).into_response())
}

/// Lists what operators did to a person, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = profile_id(&id)?;
    audit(&app, &token, "profile.acts", format!("profiles/{id}")).await?;
    let acts = app.read(move |engine| engine.acts(id)).await?;
    let items = acts.ok_or_else(|| no_profile(id))?;
    Ok(Json(serde_json::json!({"items": items, "next_cursor": null})).into_response())
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        let detail = error.to_string();
        match error {
            ActError::NoProfile(_) | ActError::NoAct(_) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", detail)
            }
            ActError::NoProposal(_) => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            ActError::Decided(..) => Self::new(StatusCode::CONFLICT, "already_decided", detail),
            ActError::Moot(_) => Self::new(StatusCode::CONFLICT, "moot", detail),
            ActError::CannotMerge(_) => Self::new(StatusCode::CONFLICT, "cannot_merge", detail),
            ActError::NotInForce(_) => Self::new(StatusCode::CONFLICT, "not_in_force", detail),
            ActError::CannotSplit(_) => Self::new(StatusCode::CONFLICT, "cannot_split", detail),
            ActError::Random | ActError::Unavailable(_) => Self::unavailable(detail),
        }
    }
}
