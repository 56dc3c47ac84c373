//! People who may be one: proposals to merge them, accepted and rejected by operators.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::Uri,
    response::{IntoResponse, Response},
};
use compact_str::CompactString;
use engine::{
    acts::Ask,
    definitions::Token,
    proposals::{NewProposal, PROPOSED_MAX, ProposalId, WEIGHT_NAME_BYTES_MAX, WEIGHTS_MAX},
};
use serde::Deserialize;

use crate::{
    acts::IdentifierBody,
    app::App,
    audiences::audit,
    body,
    error::ApiError,
    profiles::sight,
    query::{self, checked_limit},
};

/// The states that a listing can be asked for.
const STATES: [&str; 4] = ["open", "accepted", "rejected", "moot"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Lists proposals in one state, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let ListQuery { state, cursor, limit } = query::parse(&uri)?;
    let limit = checked_limit(limit)?;
    let state = state.unwrap_or_else(|| "open".to_owned());
    if !STATES.contains(&state.as_str()) {
        return Err(ApiError::invalid("`state` is open, accepted, rejected or moot"));
    }
    audit(&app, &token, "merge_proposal.list", "merge_proposals".to_owned()).await?;
    let page =
        app.read(move |engine| engine.merge_proposals(&state, cursor.as_deref(), limit)).await?;
    Ok(Json(page).into_response())
}

/// Reads a proposal with what is known of both sides.
pub(crate) async fn read(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let proposal = proposal_id(&id)?;
    audit(&app, &token, "merge_proposal.read", format!("merge_proposals/{proposal}")).await?;
    let sight = sight(&token);
    let found = app.read(move |engine| engine.merge_proposal(proposal, sight)).await?;
    Ok(Json(found.ok_or_else(|| no_proposal(&id))?).into_response())
}

/// Makes one person of the two sides.
pub(crate) async fn accept(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let proposal = proposal_id(&id)?;
    Ok(Json(app.engine.act(Ask::Accept { proposal }, &token).await?).into_response())
}

/// Leaves both sides as they are.
pub(crate) async fn reject(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let proposal = proposal_id(&id)?;
    Ok(Json(app.engine.act(Ask::Reject { proposal }, &token).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProposals {
    proposals: Vec<NewProposalBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProposalBody {
    a: IdentifierBody,
    b: IdentifierBody,
    score: f64,
    /// How much each comparison speaks for it, by its name. Numbers only, so that it holds nothing personal.
    #[serde(default)]
    evidence: BTreeMap<String, f64>,
}

impl NewProposalBody {
    fn read(self, at: usize) -> Result<NewProposal, ApiError> {
        let pointer = format!("/proposals/{at}");
        let (a, b) = (self.a.read(&format!("{pointer}/a"))?, self.b.read(&format!("{pointer}/b"))?);
        if a == b {
            return Err(ApiError::fault(pointer, "`a` and `b` are the same identifier"));
        }
        if !(0.0..=1.0).contains(&self.score) {
            return Err(ApiError::fault(format!("{pointer}/score"), "is a number from 0 to 1"));
        }
        let is_short = |name: &String| name.len() <= WEIGHT_NAME_BYTES_MAX;
        if self.evidence.len() > WEIGHTS_MAX || !self.evidence.keys().all(is_short) {
            let detail = "has at most 32 numbers, by names of at most 64 bytes";
            return Err(ApiError::fault(format!("{pointer}/evidence"), detail));
        }
        let weights = self.evidence.into_iter();
        let weights = weights.map(|(name, weight)| (CompactString::from(name), weight)).collect();
        Ok(NewProposal { a, b, score: self.score, weights })
    }
}

/// Takes in proposals that somebody's matching made.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let NewProposals { proposals } = body::json(&bytes)?;
    if proposals.is_empty() || proposals.len() > PROPOSED_MAX {
        return Err(ApiError::fault("/proposals", "has 1 to 500 items"));
    }
    let read = |(at, new): (usize, NewProposalBody)| new.read(at);
    let proposals = proposals.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let done = app.engine.act(Ask::Propose { proposals }, &token).await?;
    let answer = serde_json::json!({"act": done.act.to_string(), "proposals": done.proposals});
    Ok(Json(answer).into_response())
}

/// Lists people who are so large that somebody should look.
pub(crate) async fn large(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let paging: query::Paging = query::parse(&uri)?;
    let limit = paging.limit()?;
    let cursor = paging.cursor;
    let page = app.read(move |engine| engine.large_profiles(cursor.as_deref(), limit)).await?;
    Ok(Json(page).into_response())
}

fn proposal_id(text: &str) -> Result<ProposalId, ApiError> {
    text.parse().map_err(|_| no_proposal(text))
}

fn no_proposal(id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    ApiError::not_found(format!("merge proposal `{id}`"))
}
