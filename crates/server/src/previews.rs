//! Previews: links under which decisions are made as somebody else, of drafts and of forced variants.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::{
    definitions::{Scope, Token},
    preview::{Claims, LASTS_MAX, Preview, PreviewError},
};
use model::{Duration, Key, Timestamp, definition::Fault};
use serde::Deserialize;
use serde_json::json;

use crate::{app::App, audiences::audit, body, cors, error::ApiError, gate};

/// How long a preview can be looked at where nothing is said: long enough to show it around the office.
const LASTS: Duration = Duration::hours(1);

/// Largest body of whoever looks, in bytes: a token and keys.
const LOOK_BYTES_MAX: usize = 64 * 1024;
/// Most experiences of which the variants are told at once.
const EXPERIENCES_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPreview {
    #[serde(default)]
    preview: Preview,
    #[serde(default = "lasts")]
    lasts: Duration,
}

fn lasts() -> Duration {
    LASTS
}

/// Signs a preview. One as a real person needs the right to see people, one with reasons that to ask for them; both are
/// noted in the audit log.
pub(crate) async fn sign(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let bytes = body::read(sent, &parts.headers, &app.options).await?;
    let NewPreview { preview, lasts } = body::json(&bytes)?;
    if !(1..=LASTS_MAX.0).contains(&lasts.0) {
        let detail = format!("a preview lasts for more than nothing and at most {LASTS_MAX}");
        return Err(ApiError::fault("/lasts", detail));
    }
    if preview.debug {
        if !token.allows(Scope::Decide) {
            return Err(gate::missing_scope(Scope::Decide));
        }
        audit(&app, &token, "preview.sign", "debug".to_owned()).await?;
    }
    if let Some(id) = preview.profile_id() {
        if !token.allows(Scope::ProfilesRead) {
            return Err(gate::missing_scope(Scope::ProfilesRead));
        }
        audit(&app, &token, "preview.sign", format!("profiles/{id}")).await?;
    }
    let expires_at = app.engine.now().saturating_add(lasts);
    let signed = signed(&app, preview, expires_at).await?;
    let answer = json!({"token": signed, "expires_at": expires_at});
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn signed(app: &App, preview: Preview, expires_at: Timestamp) -> Result<String, ApiError> {
    let signed = app.read(move |engine| engine.sign_preview(preview, expires_at)).await?;
    signed.map_err(invalid)
}

fn invalid(faults: Vec<Fault>) -> ApiError {
    ApiError::faults(StatusCode::UNPROCESSABLE_ENTITY, "invalid_preview", faults)
}

#[derive(Deserialize)]
struct Look {
    preview: String,
    #[serde(default)]
    experiences: Vec<Key>,
    #[serde(default)]
    variants: Option<BTreeMap<Key, Key>>,
}

/// Answers whoever holds a preview's link with what it shows.
pub(crate) async fn look(State(app): State<App>, request: Request) -> Response {
    cors::open(gate::finish_other(&app, looked(&app, request).await))
}

async fn looked(app: &App, request: Request) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let bytes = body::read_limited(sent, &parts.headers, LOOK_BYTES_MAX).await?;
    let Look { preview: token, experiences, variants } = body::json(&bytes)?;
    let Claims { preview, expires_at } = app.engine.read_preview(&token)?;
    if !preview.debug && (variants.is_some() || !experiences.is_empty()) {
        return Err(PreviewError::WithoutDebug.into());
    }
    if experiences.len() > EXPERIENCES_MAX {
        let detail = format!("at most {EXPERIENCES_MAX} experiences fit one request");
        return Err(ApiError::fault("/experiences", detail));
    }
    let choices = app.engine.preview_choices(&preview, &experiences);
    let mut answer = json!({"preview": preview, "expires_at": expires_at, "experiences": choices});
    if let Some(variants) = variants {
        let keys: Vec<Key> = variants.keys().cloned().collect();
        let known = app.engine.preview_choices(&preview, &keys);
        // Of drafts that the link does not name, nothing is told.
        let is_known = |key: &&Key| known.iter().any(|choice| choice.key == **key);
        if let Some(unknown) = keys.iter().find(|key| !is_known(key)) {
            let fault = Fault::new(
                format!("/variants/{unknown}"),
                format!("there is no experience `{unknown}`"),
            );
            return Err(invalid(vec![fault]));
        }
        let signed = signed(app, Preview { variants, ..preview }, expires_at).await?;
        answer["token"] = signed.into();
    }
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
