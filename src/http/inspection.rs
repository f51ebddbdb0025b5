//! What the engine can tell of one container, over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, web};
use utoipa::IntoParams;

use super::State;
use super::error::ApiResult;
use super::query::Query;
use super::wire::operations::{ChangesBody, ProcessesBody};
use crate::service::Principal;
use crate::service::{Error, Result};

/// The most characters of `opts`.
const LONGEST_OPTS: usize = 200;

/// How processes are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct TopParams {
    /// Options of `ps` on the engine's host, which have to leave it a column PID; the default is the engine's. Podman
    /// takes `-o` with columns that it has. Whoever lacks `docker:write` may ask for `-ef`, `aux` and such columns.
    #[param(required = false, pattern = "^[A-Za-z0-9 ,=_:%+./-]{1,200}$", example = "-o pid,user,args")]
    opts: String,
}

/// The processes of a container that runs or is paused.
#[utoipa::path(tag = "inspection", params(TopParams), responses(
    (status = 200, description = "the processes", body = ProcessesBody),
))]
#[get("/containers/{id}/top")]
pub async fn top(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["opts"])?;
    let opts = query.one("opts")?.map(ps_options).transpose()?;
    Ok(HttpResponse::Ok().json(ProcessesBody::from(state.service.processes(&principal, &id, opts).await?)))
}

/// No shell sees them, and still only what options of `ps` are made of may stand there.
fn ps_options(opts: &str) -> Result<&str> {
    const RULE: &str = "has to be 1 to 200 of the characters a-z A-Z 0-9 space , = _ : % + . / -";
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " ,=_:%+./-".contains(c);
    let fits = !opts.is_empty() && opts.len() <= LONGEST_OPTS && opts.chars().all(is_plain);
    if fits { Ok(opts) } else { Err(Error::invalid_query("opts", opts, RULE)) }
}

/// The paths of a container that are not as its image has them.
#[utoipa::path(tag = "inspection", responses(
    (status = 200, description = "the paths", body = ChangesBody),
))]
#[get("/containers/{id}/changes")]
pub async fn changes(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(ChangesBody::from(state.service.changes(&id).await?)))
}

/// The engine's own description of a container, as it gives it; values of its environment are `***` to whoever
/// lacks `docker:write`.
#[utoipa::path(tag = "inspection", responses(
    (status = 200, description = "what the engine says", body = Object),
))]
#[get("/containers/{id}/inspect")]
pub async fn inspect(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(state.service.inspect(&principal, &id).await?))
}

/// The compose file of a container, as it is on the disk.
///
/// Whoever lacks `docker:write` is shown it without comments and with `***` for values of the environment, and is
/// refused one that cannot be read.
#[utoipa::path(tag = "inspection", responses(
    (status = 200, description = "the file", body = serde_json::Value, content_type = "application/yaml"),
))]
#[get("/containers/{id}/compose")]
pub async fn compose(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let file = state.service.compose_file(&principal, &id).await?;
    Ok(HttpResponse::Ok().content_type("application/yaml").body(file))
}
