//! Errors on the wire: every refusal in one schema, whoever it comes from.

use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::codes::Code;
use crate::service;

/// The one schema of all errors.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// The kind of error; each goes with one HTTP status.
    #[schema(example = "validation_error")]
    pub error: String,
    /// The stable reason, for programs.
    #[schema(example = "MISSING_IMAGE")]
    pub code: String,
    /// What is wrong and what to do about it, for people.
    pub message: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The request's id, also in `X-Request-Id` and in the audit log.
    pub request_id: String,
    /// When it happened (RFC 3339 with the local offset).
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// What a program can use of it.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
    /// Where it happened; in development only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacktrace: Option<String>,
}

/// An error on its way to the wire. The gate gives it its body, since it alone knows the request.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// What went wrong.
    pub error: service::Error,
    /// Headers that belong to it: `Allow` of a 405, `Content-Range` of a 416.
    pub headers: Vec<(HeaderName, String)>,
    /// Where it was made; captured in development only.
    pub trace: Option<String>,
}

/// Whether errors remember where they were made: set once, before the server runs. An error is made far from
/// the configuration, and a trace takes too long to be made for nothing.
pub static CAPTURES_TRACES: AtomicBool = AtomicBool::new(false);

/// What a handler answers.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        service::Error::new(code, message).into()
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<service::Error> for ApiError {
    fn from(error: service::Error) -> Self {
        let trace = CAPTURES_TRACES.load(Ordering::Relaxed).then(|| Backtrace::force_capture().to_string());
        Self { error, headers: Vec::new(), trace }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.error.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.code.word().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code()).finish();
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// The body of an error.
pub fn body(refused: &ApiError, request_id: &str, development: bool) -> ErrorBody {
    let code = refused.error.code;
    ErrorBody {
        error: code.word().as_str().to_owned(),
        code: code.as_str().to_owned(),
        message: refused.error.message.clone(),
        status: code.word().status(),
        request_id: request_id.to_owned(),
        timestamp: now(),
        details: refused.error.details.clone(),
        stacktrace: refused.trace.clone().filter(|_| development),
    }
}

/// Gives an error its body and headers.
pub fn render(refused: &ApiError, request_id: &str, development: bool) -> HttpResponse {
    let code = refused.error.code;
    let mut response = HttpResponseBuilder::new(refused.status_code());
    response.insert_header((CONTENT_TYPE, "application/json"));
    if matches!(code, Code::Unauthorized | Code::TokenExpired | Code::TooManyFailures) {
        response.append_header((WWW_AUTHENTICATE, r#"Basic realm="wharfinger", charset="UTF-8""#));
        response.append_header((WWW_AUTHENTICATE, r#"Bearer realm="wharfinger""#));
    }
    if let Some(seconds) = refused.error.retry_after {
        response.insert_header((RETRY_AFTER, seconds.to_string()));
    }
    for (name, value) in &refused.headers {
        response.insert_header((name.clone(), value.as_str()));
    }
    response.json(body(refused, request_id, development))
}

/// The error that a bare status of the framework stands for.
pub fn of_status(status: StatusCode) -> ApiError {
    let reason = status.canonical_reason().unwrap_or("refused").to_lowercase();
    let code = match status.as_u16() {
        404 => Code::RouteNotFound,
        405 => Code::MethodNotAllowed,
        408 => Code::BodyTimedOut,
        412 => Code::PreconditionFailed,
        413 => Code::BodyTooLarge,
        415 => Code::UnsupportedMediaType,
        416 => Code::RangeNotSatisfiable,
        400..=499 => Code::InvalidHeader,
        _ => Code::InternalError,
    };
    ApiError::new(code, format!("the request was refused: {reason}"))
}

/// The present time, as every answer and every line of the audit log writes it.
#[must_use]
pub fn now() -> String {
    crate::audit::now()
}
