//! The end of containers that no one needs any more, over HTTP.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use utoipa::IntoParams;

use super::State;
use super::audit::note;
use super::error::ApiResult;
use super::query::Query;
use super::wire::operations::PrunedBody;
use crate::service::Principal;
use crate::service::PruneQuery;

/// The greatest age that can be asked for, in seconds: a hundred years.
const OLDEST: u64 = 3_155_760_000;

/// What is to go.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "stands in the OpenAPI document; `Query` reads the values")]
pub struct PruneParams {
    /// A comma list of statuses; `stopped` stands for created, exited and dead. What is up is never pruned.
    #[param(
        required = false,
        pattern = "^(created|exited|dead|missing|stopped)(,(created|exited|dead|missing|stopped))*$",
        example = "exited,dead"
    )]
    status: String,
    /// Seconds since it ended, or since it was created where it has never ended.
    #[param(required = false, minimum = 0, maximum = 3_155_760_000_i64)]
    older_than: u64,
    /// Tags that all have to be there.
    #[param(required = false, style = Form, explode = true)]
    tag: Vec<String>,
    /// Keep the mounts.
    #[param(required = false, default = false)]
    keep_files: bool,
}

/// Deletes the containers that are created, exited, dead or missing, or those of them that are asked for.
///
/// One that cannot be deleted stands in `failed` and does not keep the others; one whose compose file cannot be
/// read stays. The parameters may also be sent as the fields of a JSON object.
#[utoipa::path(tag = "containers", params(PruneParams), responses(
    (status = 200, description = "what is gone", body = PrunedBody),
))]
#[post("/containers/prune")]
pub async fn prune(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let known = ["status", "older_than", "tag", "keep_files"];
    let query = Query::or_body(&request, payload, &state, &known).await?;
    let asked = PruneQuery {
        status: query.all("status")?,
        older_than: query.number("older_than", 0, OLDEST)?.map(Duration::from_secs),
        tags: query.all("tag")?,
        keep_files: query.flag("keep_files")?.unwrap_or(false),
    };
    let body = PrunedBody::from(state.service.prune(&principal, asked).await?);
    note(&request, "deleted", body.deleted.clone());
    Ok(HttpResponse::Ok().json(body))
}
