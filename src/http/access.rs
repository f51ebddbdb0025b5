//! Tokens, roles and tickets over HTTP. The secret of a token is in the answer that makes it, and nowhere else.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use utoipa::IntoParams;

use super::audit::{note, note_cuid};
use super::error::ApiResult;
use super::query::Query;
use super::wire::access::{
    CreateTokenBody, NewTokenBody, RemovedRoleBody, RevokedBody, RoleBody, RolesBody, SetRoleBody,
    TicketBody, TokenBody, TokensBody, WantedTicketBody,
};
use super::{State, body};
use crate::service::{Principal, TICKET_LIFE};

/// Which tokens are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct TokensParams {
    /// The most tokens of a page.
    #[param(required = false, minimum = 1, maximum = 500, default = 100)]
    limit: u32,
    /// `next_cursor` of the page before.
    #[param(required = false)]
    cursor: String,
}

/// Makes a token.
///
/// Send it as `Authorization: Bearer …`, or as the password of Basic with the token's name as user. `token` is shown
/// this once: only its hash is kept. Nobody grants more than they may do themselves.
#[utoipa::path(tag = "access", request_body = CreateTokenBody, responses(
    (status = 201, description = "the token", body = NewTokenBody,
        headers(("Location" = String, description = "its path"))),
))]
#[post("/tokens")]
pub async fn create(
    state: web::Data<State>,
    request: HttpRequest,
    principal: Principal,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    let (view, secret) = state.service.create_token(&principal, body).await?;
    note(&request, "token_id", view.record.id.to_string());
    note(&request, "granted", view.granted.words());
    let location = format!("/tokens/{}", view.record.id);
    let body = NewTokenBody { token: secret, made: view.into() };
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(body))
}

/// Lists tokens, by creation time.
#[utoipa::path(tag = "access", params(TokensParams), responses(
    (status = 200, description = "one page", body = TokensBody),
))]
#[get("/tokens")]
pub async fn list(state: web::Data<State>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let query = Query::parse(request.query_string(), &["limit", "cursor"])?;
    let limit = query.number("limit", 1, 500)?.unwrap_or(100);
    Ok(HttpResponse::Ok().json(TokensBody::from(state.service.tokens(limit, query.one("cursor")?)?)))
}

/// One token: what it may do, and when and from where it was last used.
#[utoipa::path(tag = "access", responses((status = 200, description = "the token", body = TokenBody)))]
#[get("/tokens/{token}")]
pub async fn get(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().json(TokenBody::from(state.service.token(&id)?)))
}

/// Revokes a token. Its open terminals and streams end.
#[utoipa::path(tag = "access", responses((status = 200, description = "it is revoked", body = RevokedBody)))]
#[delete("/tokens/{token}")]
pub async fn revoke(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let id = state.service.revoke_token(&id).await?.to_string();
    note(&request, "token_id", id.as_str());
    Ok(HttpResponse::Ok().json(RevokedBody { id, deleted: true }))
}

/// Every role: the three built-in ones first.
#[utoipa::path(tag = "access", responses((status = 200, description = "the roles", body = RolesBody)))]
#[get("/roles")]
pub async fn roles(state: web::Data<State>, request: HttpRequest) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let roles = state.service.roles().into_iter().map(RoleBody::from).collect();
    Ok(HttpResponse::Ok().json(RolesBody { roles }))
}

/// Makes a role, or gives it other permissions: at once, in every token that has it.
///
/// Where they are fewer than before, the open terminals and streams of those tokens end.
#[utoipa::path(tag = "access", request_body = SetRoleBody, params(("name" = String, Path, description =
    "the role", pattern = "^[a-z][a-z0-9_-]{0,63}$", example = "operators")), responses(
    (status = 200, description = "it has other permissions now", body = RoleBody),
    (status = 201, description = "it is made", body = RoleBody,
        headers(("Location" = String, description = "its path"))),
))]
#[put("/roles/{name}")]
pub async fn set_role(
    state: web::Data<State>,
    request: HttpRequest,
    principal: Principal,
    name: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    let (role, had) = state.service.set_role(&principal, &name, body).await?;
    note(&request, "role", role.name.as_str());
    note(&request, "granted", role.permissions.words());
    if had {
        return Ok(HttpResponse::Ok().json(RoleBody::from(role)));
    }
    let location = format!("/roles/{}", role.name);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(RoleBody::from(role)))
}

/// Removes a role that no token has.
#[utoipa::path(tag = "access", params(("name" = String, Path, description = "the role", example = "operators")),
    responses((status = 200, description = "it is gone", body = RemovedRoleBody)))]
#[delete("/roles/{name}")]
pub async fn remove_role(
    state: web::Data<State>,
    request: HttpRequest,
    name: web::Path<String>,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let name = name.into_inner();
    state.service.remove_role(&name).await?;
    note(&request, "role", name.as_str());
    Ok(HttpResponse::Ok().json(RemovedRoleBody { name, deleted: true }))
}

/// Makes a ticket: credentials for one terminal of one container, for browsers.
///
/// Open `/ws/{id}?ticket=…` with it within its time; it is good once. What it opens is done in the name of who asked
/// for it.
#[utoipa::path(tag = "access", request_body = WantedTicketBody, responses(
    (status = 201, description = "the ticket", body = TicketBody,
        headers(("Location" = String, description = "the path of the terminal, without the ticket"))),
))]
#[post("/ws-tickets")]
pub async fn create_ticket(
    state: web::Data<State>,
    request: HttpRequest,
    principal: Principal,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    let (cuid, ticket) = state.service.create_ticket(&principal, body)?;
    note_cuid(&request, cuid.to_string());
    let body = TicketBody { ticket, expires_in: TICKET_LIFE.as_secs() };
    Ok(HttpResponse::Created().insert_header((LOCATION, format!("/ws/{cuid}"))).json(body))
}
