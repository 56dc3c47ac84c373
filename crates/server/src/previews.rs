//! Previews: links under which decisions are made as somebody else, of drafts and of forced variants.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use engine::{
    definitions::{Scope, Token},
    preview::{LASTS_MAX, Preview},
};
use model::Duration;
use serde::Deserialize;
use serde_json::json;

use crate::{app::App, audiences::audit, body, error::ApiError, gate};

/// How long a preview can be looked at where nothing is said: long enough to show it around the office.
const LASTS: Duration = Duration::hours(1);

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

/// Signs a preview. One as a real person needs the right to see people, and is noted in the audit log.
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
    if let Some(id) = preview.profile_id() {
        if !token.allows(Scope::ProfilesRead) {
            return Err(gate::missing_scope(Scope::ProfilesRead));
        }
        audit(&app, &token, "preview.sign", format!("profiles/{id}")).await?;
    }
    let expires_at = app.engine.now().saturating_add(lasts);
    let signed = app.read(move |engine| engine.sign_preview(preview, expires_at)).await?;
    let signed = signed.map_err(|faults| {
        ApiError::faults(StatusCode::UNPROCESSABLE_ENTITY, "invalid_preview", faults)
    })?;
    let answer = json!({"token": signed, "expires_at": expires_at});
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}
