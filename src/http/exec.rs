//! One command in a container, over HTTP.

use actix_web::{HttpRequest, HttpResponse, post, web};

use super::asked::ExecBody;
use super::audit::note;
use super::error::ApiResult;
use super::query::Query;
use super::wire::operations::RanBody;
use super::{State, body};
use crate::service::Principal;

/// Runs one command in a running container to its end, and answers its exit code and what it printed.
///
/// When it outlasts its time the answer is 408 `EXEC_TIMED_OUT` with what it had printed in `details`, and every
/// process of it is gone. What it leaves in the background when it ends by itself goes on.
#[utoipa::path(tag = "exec", request_body = ExecBody, responses(
    (status = 200, description = "it has ended", body = RanBody),
))]
#[post("/containers/{id}/exec")]
pub async fn run(
    state: web::Data<State>,
    request: HttpRequest,
    principal: Principal,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(&request, payload, &state).await?;
    let ran = state.service.exec(&principal, &id, body).await?;
    note(&request, "exit_code", ran.exit_code);
    Ok(HttpResponse::Ok().json(RanBody::from(ran)))
}
