//! A sign of life, versions, and the place the daemon runs at, over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, web};

use super::State;
use super::error::ApiResult;
use super::query::Query;
use super::wire::system::{InfoBody, PingBody, VersionBody};
use crate::service::Principal;

/// A sign of life of the daemon itself, whatever its engine does; `/healthz` tells more.
#[utoipa::path(tag = "system", responses((status = 200, description = "the daemon answers", body = PingBody)))]
#[get("/ping")]
pub async fn ping(request: HttpRequest) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(PingBody { message: "OK" }))
}

/// The versions of the daemon, its engine and Docker Compose.
#[utoipa::path(tag = "system", responses((status = 200, description = "the versions", body = VersionBody)))]
#[get("/version")]
pub async fn version(state: web::Data<State>, request: HttpRequest) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(VersionBody::from(state.service.versions().await)))
}

/// Host, engine, Docker Compose, the engine's store and its registries.
#[utoipa::path(tag = "system", responses((status = 200, description = "what there is", body = InfoBody)))]
#[get("/info")]
pub async fn info(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(InfoBody::from(state.service.info(&principal).await?)))
}
