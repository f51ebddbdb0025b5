//! Images to and from registries, over HTTP.

use actix_web::{HttpRequest, HttpResponse, post, web};

use crate::container::image::Reference;
use crate::http::accept::Form;
use crate::http::asked::{PullBody, PushBody};
use crate::http::audit::note;
use crate::http::error::ApiResult;
use crate::http::query::Query;
use crate::http::streaming::{self, Record};
use crate::http::wire::transfers::{PullLine, PulledBody, PushLine, PushedBody};
use crate::http::{State, body};
use crate::service::{Direction, Principal, Report, Reported};

/// Pulls an image, also one that is here: there may be a newer one.
///
/// Without a tag it is `latest`. Pulls of one image at the same time share one transfer, and it goes on when a
/// client leaves. With `Accept: application/x-ndjson` (or server-sent events) the answer shows how far it is: the
/// newest state of each layer that has changed, then the result. What is refused before anything moves has its
/// own status also then.
#[utoipa::path(tag = "images", request_body = PullBody, responses(
    (status = 200, description = "the image is here", content(
        (PulledBody = "application/json"),
        (PullLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
))]
#[post("/images/pull")]
pub async fn pull(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let reference = asked(&state, &request, payload, Direction::Pull).await?;
    if let Some(form) = Form::progress(&request) {
        return Ok(told(&state, &request, form, state.service.pull_told(reference).await?));
    }
    let pulled = state.service.pull(reference).await?;
    Ok(HttpResponse::Ok().json(PulledBody::from(pulled)))
}

/// Gives an image of this host to its registry, the one that its name begins with.
///
/// Without a tag it is `latest`. What holds for a pull holds for a push; the layers are counted as they are
/// before they are compressed. An image that was made of a container has the values of its variables in it: it needs
/// `docker:write` as well, and with a token that is limited to containers one of those.
#[utoipa::path(tag = "images", request_body = PushBody, responses(
    (status = 200, description = "the registry has the image", content(
        (PushedBody = "application/json"),
        (PushLine = "application/x-ndjson"),
        (String = "text/event-stream"),
    )),
))]
#[post("/images/push")]
pub async fn push(
    state: web::Data<State>,
    principal: Principal,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let reference = asked(&state, &request, payload, Direction::Push).await?;
    if let Some(form) = Form::progress(&request) {
        return Ok(told(&state, &request, form, state.service.push_told(principal, reference).await?));
    }
    let pushed = state.service.push(&principal, reference).await?;
    Ok(HttpResponse::Ok().json(PushedBody::from(pushed)))
}

/// The image that a request is about; its line in the audit log has it, whatever becomes of it.
async fn asked(
    state: &State,
    request: &HttpRequest,
    payload: web::Payload,
    direction: Direction,
) -> ApiResult<Reference> {
    Query::parse(request.query_string(), &[])?;
    let body = body::json(request, payload, state).await?;
    let reference = state.service.image_to_move(body, direction)?;
    note(request, "image", reference.to_string());
    Ok(reference)
}

/// Answers with work that is told as it goes on.
pub fn told<R>(state: &State, request: &HttpRequest, form: Form, source: Reported<R>) -> HttpResponse
where
    Report<R>: Record,
    R: 'static,
{
    streaming::answer(state, request, form, source, streaming::no_text())
}
