//! Health over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, web};

use super::State;
use super::error::ApiResult;
use super::gate::Rendered;
use super::query::Query;
use super::wire::{HealthBody, HealthWord};
use crate::service::Health;
use crate::service::Principal;

/// How the daemon is.
#[utoipa::path(tag = "health", responses(
    (status = 200, description = "it can do its work; `problems` names what is wrong all the same", body = HealthBody),
    (status = 503, description = "it cannot; `problems` says why", body = HealthBody),
))]
#[get("/healthz")]
pub async fn healthz(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let health = state.service.health(&principal);
    let mut builder = if health.is_able { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let mut response = builder.json(HealthBody::from(health));
    response.extensions_mut().insert(Rendered);
    Ok(response)
}

impl From<Health> for HealthBody {
    fn from(health: Health) -> Self {
        Self {
            status: if health.problems.is_empty() { HealthWord::Ok } else { HealthWord::Degraded },
            compose_version: health.compose_version,
            engine_version: health.engine_version,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: health.uptime_s,
            containers: health.containers,
            problems: health.problems,
        }
    }
}
