//! The end of a container, over HTTP.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use utoipa::IntoParams;

use super::State;
use super::audit::note;
use super::error::{ApiError, ApiResult};
use super::gate::ended;
use super::leaving::left;
use super::query::Query;
use super::wire::operations::WaitedBody;
use crate::codes::Code;
use crate::service::Error;

/// The longest `timeout`, in seconds.
const LONGEST_WAIT: u64 = 86_400;

/// How long to wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct WaitParams {
    /// Seconds after which the answer is 408; without it there is no limit.
    #[param(required = false, minimum = 0, maximum = 86400)]
    timeout: u32,
}

/// Waits until a container has ended, and answers its exit code: at once where it does not run, with 0 where it
/// was never started.
///
/// One that a change of this API makes anew has not ended by that; one that is restarted has. The parameters may
/// also be sent as the fields of a JSON object.
#[utoipa::path(tag = "lifecycle", params(WaitParams), responses(
    (status = 200, description = "it has ended", body = WaitedBody),
))]
#[post("/containers/{id}/wait")]
pub async fn wait(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let query = Query::or_body(&request, payload, &state, &["timeout"]).await?;
    let limit = query.number("timeout", 0, LONGEST_WAIT)?.map(Duration::from_secs);
    let ended = ended(&request);
    let exit_code = tokio::select! {
        code = state.service.wait(&id, limit) => code?,
        () = ended.cancelled() => return Err(Error::revoked().into()),
        () = left(&request) => return Err(ApiError::new(Code::WaitTimedOut, "the client left before the end")),
    };
    note(&request, "exit_code", exit_code);
    Ok(HttpResponse::Ok().json(WaitedBody { exit_code }))
}
