//! Who is in an audience: its members, and a preview of a condition that may never be saved.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Json,
    extract::{Path, Request, State as Shared},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use compact_str::CompactString;
use engine::{
    definitions::{AuditEntry, Kind, Scope, Token},
    people::AudienceChoice,
};
use model::{Key, Timestamp, Value, definition::State, value::Object};
use serde::Deserialize;

use crate::{
    app::App,
    body,
    definitions::{self, Target},
    error::ApiError,
    profiles::{no_profile, profile_id, sight},
    query::{self, checked_limit},
};

/// How long a preview looks at people. What is around it takes less than as long again, so it is answered within 2 s.
const PREVIEW_TIME: Duration = Duration::from_millis(900);
/// How many people a preview looks at: of one in a hundred of them, the size is then known to within 6 %.
const PREVIEW_PEOPLE: u64 = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersQuery {
    at: Option<Timestamp>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Lists the members of a saved audience.
pub(crate) async fn members(
    Shared(app): Shared<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let MembersQuery { at, cursor, limit } = query::parse(&uri)?;
    let limit = checked_limit(limit)?;
    let key = audience_key(&key)?;
    audit(&app, &token, "audience.members", format!("audiences/{key}")).await?;
    let choice = saved(&app, key)?;
    let members =
        app.scan(move |engine| engine.members(&choice, at, cursor.as_deref(), limit)).await?;
    Ok(Json(members).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainQuery {
    profile: String,
    at: Option<Timestamp>,
}

/// Says why a person is in a saved audience, or is not.
pub(crate) async fn explain(
    Shared(app): Shared<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let ExplainQuery { profile, at } = query::parse(&uri)?;
    let (key, profile) = (audience_key(&key)?, profile_id(&profile)?);
    let subject = format!("audiences/{key} profiles/{profile}");
    audit(&app, &token, "audience.explain", subject).await?;
    let choice = saved(&app, key)?;
    let sight = sight(&token);
    let explained =
        app.read(move |engine| engine.explain_membership(&choice, at, profile, sight)).await?;
    Ok(Json(explained.ok_or_else(|| no_profile(profile))?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preview {
    /// Absent: that of the saved audience.
    condition: Option<Value>,
    /// Documents of computed traits that the condition names and that are not saved.
    #[serde(default)]
    computed_traits: Vec<Object>,
    at: Option<Timestamp>,
    limit: Option<usize>,
}

/// Estimates how many would be in an audience, and shows some of them.
///
/// A token that may not read profiles gets the numbers alone.
pub(crate) async fn preview(
    Shared(app): Shared<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let Preview { condition, computed_traits, at, limit } =
        body::json(if bytes.is_empty() { b"{}" } else { &bytes })?;
    let limit = checked_limit(limit)?;
    let key = audience_key(&key)?;
    let may_see_people = token.allows(Scope::ProfilesRead);
    if may_see_people {
        audit(&app, &token, "audience.preview", format!("audiences/{key}")).await?;
    }
    let choice = match condition {
        Some(condition) => AudienceChoice::Draft { condition, computed_traits },
        None => saved(&app, key)?,
    };
    let limit = if may_see_people { limit } else { 0 };
    let found = app.sample(move |engine| {
        let begun = Instant::now();
        let goes_on = |people| people < PREVIEW_PEOPLE && begun.elapsed() < PREVIEW_TIME;
        engine.preview(&choice, at, limit, &goes_on)
    });
    Ok(Json(found.await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditQuery {
    limit: Option<usize>,
}

/// Tells how far the newest version of an audience has been computed, and how it differs from the one that acts.
pub(crate) async fn edit(
    Shared(app): Shared<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let EditQuery { limit } = query::parse(&uri)?;
    let limit = checked_limit(limit)?;
    let key = audience_key(&key)?;
    let may_see_people = token.allows(Scope::ProfilesRead);
    if may_see_people {
        audit(&app, &token, "audience.edit", format!("audiences/{key}")).await?;
    }
    let limit = if may_see_people { limit } else { 0 };
    let edit = app.sample(move |engine| {
        let begun = Instant::now();
        let goes_on = |people| people < PREVIEW_PEOPLE && begun.elapsed() < PREVIEW_TIME;
        engine.edit(&key, limit, &goes_on)
    });
    Ok(Json(edit.await?).into_response())
}

/// Lets the newest version of an audience act, once it has been computed for everyone.
pub(crate) async fn switch(
    Shared(app): Shared<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let target = Target { kind: Kind::Audience, key: audience_key(&key)? };
    let expect = definitions::expectation(&app.engine, &target, &headers)?;
    let acting = app.engine.switch_audience(target.key, expect, &token).await?;
    Ok(definitions::represented(StatusCode::OK, &acting))
}

/// A saved audience. One that is not live acts on nobody and is not compiled; its condition is asked instead.
fn saved(app: &App, key: Key) -> Result<AudienceChoice, ApiError> {
    let mut definition = app.engine.definition(Kind::Audience, &key, None)?;
    Ok(match definition.document.remove("condition") {
        Some(condition) if definition.state != State::Live => AudienceChoice::draft(condition),
        _ => AudienceChoice::Saved(key),
    })
}

fn audience_key(text: &str) -> Result<Key, ApiError> {
    text.parse().map_err(|error| ApiError::fault("/key", format!("{error}")))
}

/// Writes down who looked at people, before they are shown.
pub(crate) async fn audit(
    app: &App,
    token: &Token,
    action: &'static str,
    subject: String,
) -> Result<(), ApiError> {
    let entry = AuditEntry {
        at: app.engine.now(),
        actor: token.name.clone(),
        action: CompactString::const_new(action),
        subject,
        change: None,
    };
    Ok(app.engine.record_audit(entry).await?)
}
