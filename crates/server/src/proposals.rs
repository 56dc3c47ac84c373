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
    acts::{ActError, Ask},
    definitions::Token,
    proposals::{NewProposal, PROPOSED_MAX, ProposalId, WEIGHT_NAME_BYTES_MAX, WEIGHTS_MAX},
};
use model::Value;
use serde::Deserialize;
use serde_json::json;

use crate::{
    acts::IdentifierBody,
    app::App,
    audiences::audit,
    body,
    error::ApiError,
    profiles::sight,
    query::{self, checked_limit},
};

/// Most proposals that one call reviews: each is a commit of its own, of some milliseconds.
const REVIEWED_MAX: usize = 100;

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
struct Review {
    proposals: Vec<Reviewed>,
    /// That of all proposals that have none of their own.
    verdict: Option<Verdict>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reviewed {
    id: String,
    verdict: Option<Verdict>,
}

/// What an operator says of a proposal.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Accept,
    Reject,
}

impl Verdict {
    fn ask(self, proposal: ProposalId) -> Ask {
        match self {
            Self::Accept => Ask::Accept { proposal },
            Self::Reject => Ask::Reject { proposal },
        }
    }

    /// The state that it brings a proposal into.
    fn state(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Reject => "rejected",
        }
    }
}

/// Accepts and rejects many proposals, each by itself: one that cannot be is told and stops no other.
///
/// A call that is repeated, or that was cut short and is made again, does what is left to do.
pub(crate) async fn review(
    State(app): State<App>,
    Extension(token): Extension<Arc<Token>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, &app.options).await?;
    let Review { proposals, verdict: of_all } = body::json(&bytes)?;
    if proposals.is_empty() || proposals.len() > REVIEWED_MAX {
        return Err(ApiError::fault("/proposals", "has 1 to 100 items"));
    }
    let read = |(at, Reviewed { id, verdict }): (usize, Reviewed)| {
        let fault = |field, detail| ApiError::fault(format!("/proposals/{at}/{field}"), detail);
        let proposal: ProposalId =
            id.parse().map_err(|_| fault("id", "is no id of a merge proposal"))?;
        let verdict = verdict.or(of_all);
        let verdict = verdict.ok_or_else(|| fault("verdict", "is missing, here and for all"))?;
        Ok((proposal, verdict))
    };
    let proposals: Vec<_> =
        proposals.into_iter().enumerate().map(read).collect::<Result<_, ApiError>>()?;
    let mut told = Vec::new();
    for (proposal, verdict) in proposals {
        told.push(review_one(&app, &token, proposal, verdict).await?);
    }
    Ok(Json(json!({"proposals": told})).into_response())
}

/// Accepts or rejects one of many; fails where nothing can be done now.
async fn review_one(
    app: &App,
    token: &Token,
    proposal: ProposalId,
    verdict: Verdict,
) -> Result<Value, ApiError> {
    let (id, state) = (proposal.to_string(), verdict.state());
    match app.engine.act(verdict.ask(proposal), token).await {
        Ok(done) => {
            let act = done.act.to_string();
            Ok(json!({"id": id, "state": state, "act": act, "profiles": done.profiles}))
        }
        Err(ActError::Decided(_, known)) if known == state => Ok(json!({"id": id, "state": state})),
        Err(error) => {
            let error = ApiError::from(error);
            if error.status().is_server_error() {
                return Err(error);
            }
            let (code, detail) = error.told();
            Ok(json!({"id": id, "code": code, "detail": detail}))
        }
    }
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
