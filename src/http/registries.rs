//! Registries over HTTP: credentials in, and never out.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, delete, get, put, web};

use super::asked::LoginBody;
use super::audit::note;
use super::error::ApiResult;
use super::query::Query;
use super::wire::registries::{ForgottenBody, RegistriesBody, RegistryBody};
use super::{State, body};

/// The registries for which credentials are kept; the credentials themselves are never shown.
#[utoipa::path(tag = "registries", responses(
    (status = 200, description = "their hosts, in order", body = RegistriesBody),
))]
#[get("/registries")]
pub async fn list(state: web::Data<State>, request: HttpRequest) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let hosts = state.service.registries().await?;
    let registries = hosts.into_iter().map(|host| RegistryBody { host }).collect();
    Ok(HttpResponse::Ok().json(RegistriesBody { registries }))
}

/// Keeps the credentials of a registry, once the registry has taken them.
///
/// They are used wherever an image of this registry is pulled, pushed or built upon, and take the place of
/// those that were there. `docker.io` is Docker Hub.
#[utoipa::path(tag = "registries", request_body = LoginBody, params(("host" = String, Path, description =
    "the registry as image names begin with it", pattern = "^[a-zA-Z0-9.-]+(:[0-9]+)?$", example = "docker.io")),
    responses(
        (status = 200, description = "they are in the place of others", body = RegistryBody),
        (status = 201, description = "they are kept", body = RegistryBody,
            headers(("Location" = String, description = "its path"))),
))]
#[put("/registries/{host}")]
pub async fn set(
    state: web::Data<State>,
    request: HttpRequest,
    host: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let host = host.into_inner().to_ascii_lowercase();
    note(&request, "registry", host.as_str());
    let body = body::json(&request, payload, &state).await?;
    let had = state.service.set_registry(&host, body).await?;
    if had {
        return Ok(HttpResponse::Ok().json(RegistryBody { host }));
    }
    let location = format!("/registries/{host}");
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(RegistryBody { host }))
}

/// Forgets the credentials of a registry.
#[utoipa::path(tag = "registries", params(("host" = String, Path, description =
    "the registry as image names begin with it", example = "docker.io")), responses(
    (status = 200, description = "they are forgotten", body = ForgottenBody),
))]
#[delete("/registries/{host}")]
pub async fn remove(
    state: web::Data<State>,
    request: HttpRequest,
    host: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let host = host.into_inner().to_ascii_lowercase();
    note(&request, "registry", host.as_str());
    state.service.remove_registry(&host).await?;
    Ok(HttpResponse::Ok().json(ForgottenBody { host, deleted: true }))
}
