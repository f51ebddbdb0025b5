//! What leaves a container as a whole, over HTTP: its file system, an image of it.

use actix_web::http::header::{CONTENT_DISPOSITION, LOCATION};
use actix_web::{HttpRequest, HttpResponse, get, post, web};

use super::asked::CommitBody;
use super::audit::note;
use super::error::ApiResult;
use super::files::{disposition, fallible};
use super::leaving::left;
use super::query::Query;
use super::schemas::Binary;
use super::wire::operations::CommittedBody;
use super::{State, body};
use crate::service::Principal;

/// The file system of a container as a tar, without what is mounted into it.
#[utoipa::path(tag = "inspection", responses(
    (status = 200, description = "the tar", body = Binary, content_type = "application/x-tar",
        headers(("Content-Disposition" = String, description = "its name"))),
))]
#[get("/containers/{id}/export")]
pub async fn export(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    // A client that has left frees the engine's connection also while the engine has nothing to send.
    let (name, tar) = state.service.export(&id, left(&request)).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/x-tar")
        .insert_header((CONTENT_DISPOSITION, disposition(&name)))
        .streaming(fallible(tar)))
}

/// Makes an image of a container as it is now, without what is mounted into it.
///
/// The values of the container's variables come to stand in the image: this needs `docker:write` beside `image:write`.
#[utoipa::path(tag = "inspection", request_body = CommitBody, responses(
    (status = 201, description = "the image", body = CommittedBody,
        headers(("Location" = String, description = "its path"))),
))]
#[post("/containers/{id}/commit")]
pub async fn commit(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    let made = state.service.commit(&principal, &id, body).await?;
    note(&request, "image", made.image.as_str());
    let location = format!("/images/{}", made.id);
    let body = CommittedBody { id: made.id, image: made.image };
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(body))
}
