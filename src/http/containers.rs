//! Containers over HTTP: parse, one call, answer.

use actix_web::http::header::{HeaderName, HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use utoipa::IntoParams;

use super::accept::Form;
use super::asked::{CreateBody, PatchBody, PortsBody};
use super::audit::note_cuid;
use super::error::ApiResult;
use super::images::transfer::told;
use super::query::Query;
use super::wire::transfers::ContainerLine;
use super::wire::{ContainerBody, DeletedBody, PageBody};
use super::{State, body};
use crate::service::Principal;
use crate::service::{Container, DeleteOptions, ListQuery, Result};

/// Creates a container.
///
/// A missing image is pulled; if it cannot be had, nothing is left behind. All violations are told at once. With
/// `Accept: application/x-ndjson` (or server-sent events) the answer shows how far the pull is, and the container
/// is its last record; what is refused before that has its own status also then.
#[utoipa::path(tag = "containers", request_body = CreateBody, responses(
    (status = 200, description = "the pull of its image, then the container", content(
        (ContainerLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
    (status = 201, description = "the container", body = ContainerBody,
        headers(("Location" = String, description = "its path"))),
))]
#[post("/containers")]
pub async fn create(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    if let Some(form) = Form::progress(&request) {
        let (cuid, source) = state.service.create_told(&principal, body).await?;
        note_cuid(&request, cuid.to_string());
        return Ok(told(&state, &request, form, source));
    }
    let container = state.service.create(&principal, body).await?;
    note_cuid(&request, container.cuid.to_string());
    let location = format!("/containers/{}", container.cuid);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(ContainerBody::from(container)))
}

/// What a list may hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct ListParams {
    /// A comma list of statuses; `stopped` stands for created, exited and dead, `all` for all.
    #[param(
        required = false,
        pattern = "^(created|running|paused|restarting|exited|dead|missing|stopped|all)(,(created|running|paused|restarting|exited|dead|missing|stopped|all))*$",
        example = "running,paused"
    )]
    status: String,
    /// Tags that all have to be there.
    #[param(required = false, style = Form, explode = true)]
    tag: Vec<String>,
    /// A part of the name.
    #[param(required = false)]
    name: String,
    /// A part of the image.
    #[param(required = false)]
    image: String,
    /// The most containers of a page.
    #[param(required = false, minimum = 1, maximum = 500, default = 100)]
    limit: u32,
    /// `next_cursor` of the page before.
    #[param(required = false)]
    cursor: String,
}

/// Lists containers, by creation time.
#[utoipa::path(tag = "containers", params(ListParams), responses(
    (status = 200, description = "one page", body = PageBody,
        headers(("Warning" = String, description = "the engine does not answer: this is what was last known"))),
))]
#[get("/containers")]
pub async fn list(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["status", "tag", "name", "image", "limit", "cursor"])?;
    let asked = ListQuery {
        status: query.text("status")?,
        tags: query.all("tag")?,
        name: query.text("name")?,
        image: query.text("image")?,
        limit: query.number("limit", 1, 500)?.unwrap_or(100),
        cursor: query.one("cursor")?.map(str::to_owned),
    };
    let page = state.service.list(&principal, &asked)?;
    let body = PageBody {
        containers: state.rendered.texts(&state.service, &page.containers),
        next_cursor: page.next_cursor,
        total: page.total,
    };
    Ok(fresh(&state, HttpResponse::Ok().json(body)))
}

/// One container.
#[utoipa::path(tag = "containers", responses(
    (status = 200, description = "the container", body = ContainerBody,
        headers(("Warning" = String, description = "the engine does not answer: this is what was last known"))),
))]
#[get("/containers/{id}")]
pub async fn get(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let seen = state.service.get(&principal, &id)?;
    let text = state.rendered.text(&state.service, &seen);
    Ok(fresh(&state, HttpResponse::Ok().json(text)))
}

/// One container; the same as `GET /containers/{id}`.
#[utoipa::path(tag = "containers", responses(
    (status = 200, description = "the container", body = ContainerBody,
        headers(("Warning" = String, description = "the engine does not answer: this is what was last known"))),
))]
#[get("/containers/{id}/status")]
pub async fn status(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let seen = state.service.get(&principal, &id)?;
    let text = state.rendered.text(&state.service, &seen);
    Ok(fresh(&state, HttpResponse::Ok().json(text)))
}

/// Changes a container.
///
/// `env` and `resources` merge, everything else replaces. A running container is made anew; whenever that
/// fails, the old configuration is back as it was. The pull of a missing image is shown as with a create.
#[utoipa::path(tag = "containers", request_body = PatchBody, responses(
    (status = 200, description = "the container", content(
        (ContainerBody = "application/json"),
        (ContainerLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
))]
#[patch("/containers/{id}")]
pub async fn update(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    if let Some(form) = Form::progress(&request) {
        return Ok(told(&state, &request, form, state.service.update_told(&principal, &id, body).await?));
    }
    answer(state.service.update(&principal, &id, body).await)
}

/// Replaces the ports of a container.
#[utoipa::path(tag = "containers", request_body = PortsBody, responses(
    (status = 200, description = "the container", body = ContainerBody),
))]
#[patch("/containers/{id}/ports")]
pub async fn update_ports(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    answer(state.service.update_ports(&principal, &id, body).await)
}

/// How a container is deleted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct DeleteParams {
    /// Also when it is up.
    #[param(required = false, default = false)]
    force: bool,
    /// Keep the mount.
    #[param(required = false, default = false)]
    keep_files: bool,
}

/// Deletes a container, its compose folder and its mount.
#[utoipa::path(tag = "containers", params(DeleteParams), responses(
    (status = 200, description = "it is gone", body = DeletedBody),
))]
#[delete("/containers/{id}")]
pub async fn remove(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["force", "keep_files"])?;
    let options = DeleteOptions {
        force: query.flag("force")?.unwrap_or(false),
        keep_files: query.flag("keep_files")?.unwrap_or(false),
    };
    let cuid = state.service.delete(&id, options).await?;
    Ok(HttpResponse::Ok().json(DeletedBody { cuid: cuid.to_string(), deleted: true }))
}

/// A container, or why there is none.
pub(super) fn answer(container: Result<Container>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(ContainerBody::from(container?)))
}

/// Marks an answer from memory that the engine cannot confirm (RFC 7234, 5.5: 110 "Response is Stale").
fn fresh(state: &State, mut response: HttpResponse) -> HttpResponse {
    if state.service.stale_because().is_some() {
        let value = HeaderValue::from_static(
            "110 wharfinger \"the engine does not answer: this is what was last known\"",
        );
        response.headers_mut().insert(HeaderName::from_static("warning"), value);
    }
    response
}
