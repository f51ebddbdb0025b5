//! What brings a container from one status to another, over HTTP.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use utoipa::IntoParams;

use super::accept::Form;
use super::asked::RenameBody;
use super::containers::answer;
use super::error::ApiResult;
use super::images::transfer::told;
use super::query::Query;
use super::wire::ContainerBody;
use super::wire::transfers::ContainerLine;
use super::{State, body, schemas};
use crate::container::status::Action;
use crate::service::Principal;

/// The longest `timeout` of stop and restart, in seconds.
const LONGEST_GRACE: u64 = 3600;

/// Starts a container. One that runs stays as it is.
#[utoipa::path(tag = "lifecycle", responses((status = 200, description = "the container", body = ContainerBody)))]
#[post("/containers/{id}/start")]
pub async fn start(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    act(&state, &principal, &request, &id, Action::Start).await
}

/// How long the processes have to end.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct GraceParams {
    /// Seconds between the stop signal and SIGKILL.
    #[param(required = false, minimum = 0, maximum = 3600, default = 10)]
    timeout: u32,
}

/// Stops a container. One that is stopped stays as it is.
#[utoipa::path(tag = "lifecycle", params(GraceParams), responses(
    (status = 200, description = "the container", body = ContainerBody),
))]
#[post("/containers/{id}/stop")]
pub async fn stop(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    act(&state, &principal, &request, &id, Action::Stop).await
}

/// Restarts a container, or starts it.
#[utoipa::path(tag = "lifecycle", params(GraceParams), responses(
    (status = 200, description = "the container", body = ContainerBody),
))]
#[post("/containers/{id}/restart")]
pub async fn restart(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    act(&state, &principal, &request, &id, Action::Restart).await
}

/// Freezes a running container.
#[utoipa::path(tag = "lifecycle", responses((status = 200, description = "the container", body = ContainerBody)))]
#[post("/containers/{id}/pause")]
pub async fn pause(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    act(&state, &principal, &request, &id, Action::Pause).await
}

/// Lets a paused container go on.
#[utoipa::path(tag = "lifecycle", responses((status = 200, description = "the container", body = ContainerBody)))]
#[post("/containers/{id}/unpause")]
pub async fn unpause(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    act(&state, &principal, &request, &id, Action::Unpause).await
}

/// Which signal.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct KillParams {
    /// A name with or without `SIG`, or a number.
    #[param(required = false, schema_with = schemas::signal)]
    signal: String,
}

/// Sends a signal to the main process of a container that is up. After SIGKILL the answer tells its end.
///
/// The parameters may also be sent as the fields of a JSON object.
#[utoipa::path(tag = "lifecycle", params(KillParams), responses(
    (status = 200, description = "the container", body = ContainerBody),
))]
#[post("/containers/{id}/kill")]
pub async fn kill(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = Query::or_body(&request, payload, &state, &["signal"]).await?;
    answer(state.service.kill(&principal, &id, query.one("signal")?.unwrap_or("KILL")).await)
}

/// Gives a container another name. Nothing of it is restarted.
#[utoipa::path(tag = "lifecycle", request_body = RenameBody, responses(
    (status = 200, description = "the container", body = ContainerBody),
))]
#[post("/containers/{id}/rename")]
pub async fn rename(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    answer(state.service.rename(&principal, &id, body).await)
}

/// How a container is made anew.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct RecreateParams {
    /// Pull the image first; where that fails, nothing changes.
    #[param(required = false, default = false)]
    pull: bool,
}

/// Makes a container anew with its image's newest version, local or pulled; it is up again if it was up.
///
/// Whenever the new one cannot be brought up, the old one is back, of the image it had. The parameters may also
/// be sent as the fields of a JSON object. A pull is shown as with a create.
#[utoipa::path(tag = "lifecycle", params(RecreateParams), responses(
    (status = 200, description = "the container", content(
        (ContainerBody = "application/json"),
        (ContainerLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
))]
#[post("/containers/{id}/recreate")]
pub async fn recreate(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = Query::or_body(&request, payload, &state, &["pull"]).await?;
    let pull = query.flag("pull")?.unwrap_or(false);
    if let Some(form) = Form::progress(&request) {
        return Ok(told(&state, &request, form, state.service.recreate_told(&principal, &id, pull).await?));
    }
    answer(state.service.recreate(&principal, &id, pull).await)
}

async fn act(
    state: &State,
    principal: &Principal,
    request: &HttpRequest,
    id: &str,
    action: Action,
) -> ApiResult<HttpResponse> {
    let takes_grace = matches!(action, Action::Stop | Action::Restart);
    let query = Query::parse(request.query_string(), if takes_grace { &["timeout"] } else { &[] })?;
    let grace = query.number("timeout", 0, LONGEST_GRACE)?.map(Duration::from_secs);
    answer(state.service.act(principal, id, action, grace).await)
}
