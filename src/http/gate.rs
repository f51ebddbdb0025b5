//! What every request passes, outermost first: id, line of the audit log, login, origin, permission, intent, errors'
//! bodies.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CONTENT_LENGTH, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use tokio_util::sync::CancellationToken;

use super::State;
use super::audit::{ActionId, AuditedBody, EndsItself, Entry, Notes, Outcome, intend};
use super::auth::Shown;
use super::error::{self, ApiError};
use super::head;
use super::held::Asked;
use super::request_id::{self, RequestId};
use super::routes::{self, Route};
use crate::audit::{self, Action};
use crate::codes::Code;
use crate::service::{self, Permission, Principal};

/// The client's address.
#[derive(Clone, Copy, Debug)]
struct Remote(IpAddr);

/// Lets a request through, or answers it, and writes its line either way.
///
/// The work is a task of its own: a client that resets its connection drops this future, but neither the
/// work nor its line; and a handler that panics answers like any other fault.
pub async fn gate(
    state: web::Data<State>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = request_id::of(&request);
    request.extensions_mut().insert(id.clone());
    if let Some(remote) = state.origins.remote(&request) {
        request.extensions_mut().insert(Remote(remote));
    }
    let action = describe(&request, &state, &id);
    request.extensions_mut().insert(ActionId(action.id.clone()));
    let asked = Asked::begin(request.request());
    if request.method() == Method::HEAD && !request.headers().contains_key(SEC_WEBSOCKET_KEY) {
        // What a handler answers is the same; its body is taken off below.
        request.head_mut().method = Method::GET;
    }
    let (who, line) = (Who::default(), action.clone());
    let work = handle(request, next, state.clone(), (action, started), who.clone());
    let answered = actix_web::rt::spawn(work).await;
    let answered = answered.unwrap_or_else(|_| Err(fault(&state, who.sign(line), started)))?;
    Ok(answered.map_body(|_, body| asked.until_sent(body)))
}

/// Lets the request in or not, writes that a change begins, runs the handler, gives an error its body, and writes
/// the line.
async fn handle(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    state: web::Data<State>,
    (action, started): (Action, Instant),
    who: Who,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let admitted = admit(&mut request, &state, &who).await;
    let mut action = who.sign(action);
    if admitted.as_ref().is_ok_and(|route| route.is_change()) {
        intend(&state.audit, &action).await;
    }
    let response = match admitted {
        Ok(_) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(refused) => Ok(request.into_response(HttpResponse::from_error(refused))),
    };
    let Ok(response) = response else { return Err(fault(&state, action, started)) };
    let (request, response) = response.into_parts();
    let refused = refusal(&response);
    let mut response = match &refused {
        Some(refused) => error::render(refused, &action.request_id, state.development),
        None => response,
    };
    finish_headers(&mut response, &action.request_id);
    complete(&mut action, &request, &response);
    let is_head = action.method == Method::HEAD.as_str();
    let outcome = request.extensions_mut().remove::<Outcome>();
    state.metrics.answered(&action, started.elapsed());
    let mut entry = Entry::new(state, action, started).with_outcome(outcome);
    if let Some(refused) = &refused {
        entry.refuse(refused);
    }
    if !is_head {
        let ended = ended(&request);
        return Ok(ServiceResponse::new(request, audited(response, entry, ended)));
    }
    entry.write();
    Ok(ServiceResponse::new(request, head::bodiless(response)))
}

/// Who a request was authenticated as, once that is known.
#[derive(Clone, Default)]
struct Who(Rc<OnceCell<Principal>>);

impl Who {
    fn sign(&self, action: Action) -> Action {
        match self.0.get() {
            Some(principal) => signed(action, principal),
            None => action,
        }
    }
}

fn signed(action: Action, principal: &Principal) -> Action {
    let token = principal.token_id().map(|id| id.to_string());
    Action { user: Some(principal.name().to_owned()), token, ..action }
}

/// A line of the audit log under the id of the request's own, that says who asked, and with which permission.
pub fn signature(request: &HttpRequest) -> Action {
    let route = routes::find(request.method(), &routes::path_of(request.uri()));
    let id = request.extensions().get::<ActionId>().map(|id| id.0.clone()).unwrap_or_default();
    let action = Action { id, permission: route.map(|route| route.permission.as_str()), ..Action::default() };
    match request.extensions().get::<Principal>() {
        Some(principal) => signed(action, principal),
        None => action,
    }
}

/// Cancelled when who asked may not go on.
pub fn ended(request: &HttpRequest) -> CancellationToken {
    request.extensions().get::<Principal>().map_or_else(CancellationToken::new, Principal::ended)
}

/// The client's address.
pub fn remote(request: &HttpRequest) -> Option<String> {
    request.extensions().get::<Remote>().map(|remote| remote.0.to_string())
}

/// Login, origin, permission, container. Routing comes after them, so that nothing is told to a stranger, not even
/// a 404; and only here is it looked at what someone may do.
async fn admit(request: &mut ServiceRequest, state: &State, who: &Who) -> Result<&'static Route, ApiError> {
    let path = routes::path_of(request.uri());
    let route = routes::find(request.method(), &path);
    let (shown, remote) = (Shown::by(request, route), state.origins.remote(request));
    let principal = state.authenticator.authenticate(&state.service, shown, remote).await?;
    let principal = who.0.get_or_init(|| principal);
    request.extensions_mut().insert(principal.clone());
    state.origins.check(request)?;
    check_upgrade(request)?;
    // What is in no table reaches no handler, whatever the router would make of it.
    let Some(route) = route else { return Err(routes::unknown(&path)) };
    if !principal.may(route.permission) {
        return Err(lacks(route.permission));
    }
    if principal.is_limited()
        && let Some(id) = route.id(request.path())
    {
        let cuid = state.service.resolve_for(principal, &id)?;
        lead(request, &route.with_id(request.path(), &cuid.to_string()))?;
    }
    Ok(route)
}

/// Refuses a body where a socket is asked for: the server takes everything that comes for its frames, and a proxy that
/// goes by the body's length takes what comes behind it for the next request.
fn check_upgrade(request: &ServiceRequest) -> Result<(), ApiError> {
    let headers = request.headers();
    let is_socket = headers
        .get_all(UPGRADE)
        .any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"));
    let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    let has_body = has_length || headers.contains_key(TRANSFER_ENCODING);
    if is_socket && (has_body || request.method() != Method::GET) {
        let message = "a WebSocket is opened by GET without a body: leave out the header Upgrade";
        return Err(ApiError::new(Code::InvalidHeader, message));
    }
    Ok(())
}

fn lacks(permission: Permission) -> ApiError {
    let required = permission.as_str();
    let message = format!("this needs the permission {required}, which these credentials do not have");
    service::Error::new(Code::PermissionMissing, message).with("required", required).into()
}

/// Leads a request to the container that was looked at: by its name it could be another one a moment later.
fn lead(request: &mut ServiceRequest, path: &str) -> Result<(), ApiError> {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = request.uri().clone().into_parts();
    let led = format!("{path}{query}").parse().ok().and_then(|path_and_query| {
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).ok()
    });
    let uri =
        led.ok_or_else(|| ApiError::new(Code::InternalError, "the path cannot be led to its container"))?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(())
}

/// Answers for a handler that panicked. The request went down with it.
fn fault(state: &web::Data<State>, mut action: Action, started: Instant) -> Error {
    let refused = ApiError::new(Code::InternalError, "the daemon has a fault: see its own log");
    let mut response = error::render(&refused, &action.request_id, state.development);
    finish_headers(&mut response, &action.request_id);
    action.status = Some(response.status().as_u16());
    if action.method == Method::HEAD.as_str() {
        response = head::bodiless(response);
    }
    state.metrics.answered(&action, started.elapsed());
    let mut entry = Entry::new(state.clone(), action, started);
    entry.refuse(&refused);
    entry.write();
    InternalError::from_response(refused, response).into()
}

/// The error of a response, if it is one: ours, or one that the framework made.
fn refusal(response: &HttpResponse<BoxBody>) -> Option<ApiError> {
    if let Some(refused) = response.extensions().get::<ApiError>() {
        return Some(refused.clone());
    }
    let is_bare = response.status().is_client_error() || response.status().is_server_error();
    (is_bare && response.extensions().get::<Rendered>().is_none())
        .then(|| error::of_status(response.status()))
}

/// Marks an answer of an error status that has its own body, which is not the schema of errors.
#[derive(Clone, Copy, Debug)]
pub struct Rendered;

fn finish_headers(response: &mut HttpResponse<BoxBody>, id: &str) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static(request_id::HEADER), value);
    }
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    if !headers.contains_key("cache-control") {
        headers.insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store"));
    }
}

/// What is known before the request is handled; after a delete its name leads nowhere.
fn describe(request: &ServiceRequest, state: &State, id: &RequestId) -> Action {
    let route = routes::find(request.method(), &routes::path_of(request.uri()));
    let named = route.and_then(|route| route.id(request.path()));
    Action {
        id: audit::new_id(),
        request_id: id.0.clone(),
        action: route.map_or("http.unknown", |route| route.action),
        remote: request.extensions().get::<Remote>().map(|remote| remote.0.to_string()),
        method: request.method().to_string(),
        path: without_secrets(request.path()),
        permission: route.map(|route| route.permission.as_str()),
        cuid: named.and_then(|id| state.service.resolve(&id).ok()).map(|cuid| cuid.to_string()),
        ..Action::default()
    }
}

/// A path without the secret of whoever took it for the id of a token: the audit log must not tell it.
fn without_secrets(path: &str) -> String {
    let is_secret =
        |part: &str| service::is_token(&percent_encoding::percent_decode_str(part).decode_utf8_lossy());
    path.split('/').map(|part| if is_secret(part) { "***" } else { part }).collect::<Vec<_>>().join("/")
}

fn complete(action: &mut Action, request: &HttpRequest, response: &HttpResponse<BoxBody>) {
    action.status = Some(response.status().as_u16());
    if action.user.is_none() {
        action.action = "auth.login";
    }
    if let Some(notes) = request.extensions_mut().remove::<Notes>() {
        action.cuid = notes.cuid.or(action.cuid.take());
        action.more = notes.more;
    }
}

/// Writes the line now when the whole answer is there, else when its last piece leaves.
fn audited(response: HttpResponse<BoxBody>, entry: Entry, ended: CancellationToken) -> HttpResponse<BoxBody> {
    let is_upgrade = response.status().as_u16() == 101;
    if is_upgrade || matches!(response.body().size(), BodySize::None | BodySize::Sized(0)) {
        entry.write();
        return response;
    }
    let ends_itself = response.extensions().contains::<EndsItself>();
    let revoked = if ends_itself { CancellationToken::new() } else { ended };
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(whole) => {
            entry.sent().inc_by(whole.len() as u64);
            entry.write();
            BoxBody::new(whole)
        }
        Err(streamed) => BoxBody::new(AuditedBody::new(streamed, entry, revoked)),
    })
}
