//! The audit log over HTTP.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::error::ApiResult;
use super::query::Query;
use super::{State, schemas};
use crate::audit::{Line, Phase};
use crate::service::{AuditPage, AuditQuery, Error, Principal, Result};

/// How many actions may be named.
const MOST_ACTIONS: usize = 100;

/// Which lines are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct AuditParams {
    /// Nothing older: RFC 3339, Unix seconds, or a duration back from now (`10m`).
    #[param(required = false, schema_with = schemas::moment)]
    since: String,
    /// Nothing later, likewise.
    #[param(required = false, schema_with = schemas::moment)]
    until: String,
    /// One container only, by cuid or name; by cuid also one that is gone.
    #[param(required = false)]
    cuid: String,
    /// These actions only: a whole word (`container.create`), or its beginning up to the dot (`container.`).
    #[param(required = false, style = Form, explode = true, schema_with = schemas::actions_parameter)]
    action: Vec<String>,
    /// One user only.
    #[param(required = false)]
    user: String,
    /// One phase only.
    #[param(required = false, pattern = "^(intent|outcome|interrupted)$")]
    phase: String,
    /// The most lines of a page.
    #[param(required = false, minimum = 1, maximum = 500, default = 100)]
    limit: u32,
    /// `next_cursor` of the page before.
    #[param(required = false)]
    cursor: String,
}

/// A line of the audit log. What it does not have is `null`.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLine)]
pub struct LineBody {
    /// When the line was written.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The action's id, the same in all its lines.
    id: Option<String>,
    /// `intent`: a change is about to begin; `outcome`: what came of it, and the only line of what is no change;
    /// `interrupted`: the daemon ended before it wrote an outcome.
    #[schema(pattern = "^(intent|outcome|interrupted)$")]
    phase: &'static str,
    /// The request's id.
    request_id: String,
    /// What was done.
    action: String,
    /// Who.
    user: Option<String>,
    /// The id of the token that was used.
    token: Option<String>,
    /// The permission that the action needs.
    permission: Option<String>,
    /// The client's address.
    remote: Option<String>,
    /// The HTTP method.
    method: String,
    /// The path, without the query.
    path: String,
    /// The container it was about.
    cuid: Option<String>,
    /// The status of the answer.
    status: Option<u16>,
    /// How long it took.
    duration_ms: Option<u64>,
    /// The error's word.
    error: Option<String>,
    /// The error's code.
    code: Option<String>,
    /// The error's message.
    message: Option<String>,
    /// What the action adds.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

impl From<Line> for LineBody {
    fn from(line: Line) -> Self {
        Self {
            timestamp: line.timestamp,
            id: line.id,
            phase: line.phase.as_str(),
            request_id: line.request_id,
            action: line.action,
            user: line.user,
            token: line.token,
            permission: line.permission,
            remote: line.remote,
            method: line.method,
            path: line.path,
            cuid: line.cuid,
            status: line.status,
            duration_ms: line.duration_ms,
            error: line.error,
            code: line.code,
            message: line.message,
            more: line.more.into_iter().collect(),
        }
    }
}

/// One page of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub struct AuditPageBody {
    /// The lines, the youngest first.
    actions: Vec<LineBody>,
    /// Where the next page begins; `null`: there is nothing more.
    next_cursor: Option<String>,
}

impl From<AuditPage> for AuditPageBody {
    fn from(page: AuditPage) -> Self {
        Self { actions: page.lines.into_iter().map(LineBody::from).collect(), next_cursor: page.next_cursor }
    }
}

/// Lists what was done, the youngest first.
///
/// A page looks at a bounded part of the log: it may have fewer lines than `limit`, or none, and yet a `next_cursor`.
/// A cursor holds its place while lines are appended and files are put aside. Lines that fell off with the oldest
/// file are gone. A token that is limited to some containers sees the lines of those alone.
#[utoipa::path(tag = "audit", params(AuditParams), responses(
    (status = 200, description = "one page", body = AuditPageBody),
))]
#[get("/audit")]
pub async fn list(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let known = ["since", "until", "cuid", "action", "user", "phase", "limit", "cursor"];
    let query = asked(&Query::parse(request.query_string(), &known)?)?;
    let page = state.service.audit(&principal, query).await?;
    Ok(HttpResponse::Ok().json(AuditPageBody::from(page)))
}

fn asked(query: &Query) -> Result<AuditQuery> {
    let phase = query.word("phase", &Phase::ALL.map(Phase::as_str))?;
    Ok(AuditQuery {
        since: query.moment("since")?,
        until: query.moment("until")?,
        container: query.text("cuid")?,
        actions: actions(query)?,
        user: query.text("user")?,
        phase: phase.and_then(|word| Phase::ALL.into_iter().find(|phase| phase.as_str() == word)),
        limit: query.number("limit", 1, 500)?.unwrap_or(100),
        cursor: query.text("cursor")?,
    })
}

fn actions(query: &Query) -> Result<Vec<String>> {
    const RULE: &str =
        "has to be an action, as in container.create, or its beginning up to the dot, as in container.";
    let actions = query.all("action")?;
    let is_word = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_action = |text: &String| {
        text.split_once('.')
            .is_some_and(|(room, action)| !room.is_empty() && is_word(room) && is_word(action))
    };
    if let Some(wrong) = actions.iter().find(|text| !is_action(text)) {
        return Err(Error::invalid_query("action", wrong, RULE));
    }
    if let Some(beyond) = actions.get(MOST_ACTIONS) {
        return Err(Error::invalid_query("action", beyond, "stands more than 100 times"));
    }
    Ok(actions)
}
