//! The bodies of requests: JSON, and archives as they stream in.

use std::io;
use std::pin::Pin;

use actix_multipart::MultipartError;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::{State, gate};
use crate::codes::Code;
use crate::service::{BodyDeadlines, ContextKind, Error, Result};

/// A body as a stream of the service's own results.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes>>>>;

/// What the `Content-Type` of a request says, without parameters and in lower case.
fn media_type(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn unsupported(given: Option<&str>, wanted: &str) -> Error {
    let given = given.unwrap_or("none");
    let message = format!("the Content-Type is {given}: send the body as {wanted}");
    Error::new(Code::UnsupportedMediaType, message).with("field", "Content-Type").with("provided", given)
}

/// Reads a whole JSON body.
pub async fn json(request: &HttpRequest, payload: web::Payload, state: &State) -> Result<Value> {
    let given = media_type(request);
    if given.as_deref() != Some("application/json") {
        return Err(unsupported(given.as_deref(), "application/json"));
    }
    parsed(&whole(request, payload, state).await?)
}

/// The options that a JSON object in the body names; nothing where there is no body, or one that is no JSON.
pub async fn options(
    request: &HttpRequest,
    payload: web::Payload,
    state: &State,
) -> Result<Map<String, Value>> {
    if media_type(request).as_deref() != Some("application/json") {
        return Ok(Map::new());
    }
    let bytes = whole(request, payload, state).await?;
    // Some clients name the type of a body that they do not send.
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match parsed(&bytes)? {
        Value::Object(options) => Ok(options),
        _ => Err(Error::new(Code::InvalidType, "body has to be a JSON object").with("field", "body")),
    }
}

async fn whole(request: &HttpRequest, payload: web::Payload, state: &State) -> Result<Vec<u8>> {
    let end = Instant::now() + state.json_deadline;
    let mut bytes = Vec::new();
    let mut body = limited(request, payload, state, Some(state.json_max_bytes as u64));
    while let Some(piece) = timeout_at(end, body.next()).await.map_err(|_| too_slow())? {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

fn parsed(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(Code::InvalidJson, format!("the body is not JSON: {error}")).with("field", "body")
    })
}

fn too_slow() -> Error {
    Error::new(Code::BodyTimedOut, "the body did not come to its end in time: send it again, faster")
}

/// The archive that a request brings: as the body itself, or as the field `file` of a form.
pub async fn archive(request: &HttpRequest, payload: web::Payload, state: &State) -> Result<Body> {
    let given = media_type(request);
    match given.as_deref() {
        Some("application/zip" | "application/x-zip-compressed" | "application/octet-stream") => {
            Ok(limited(request, payload, state, state.upload_max_bytes))
        }
        Some("multipart/form-data") => {
            let body = limited(request, payload, state, state.upload_max_bytes);
            form_file(request, timely(body, state.upload_deadlines)).await
        }
        other => Err(unsupported(other, "application/zip")),
    }
}

/// The context of a build that a request brings, and what it says that it is.
pub async fn context(
    request: &HttpRequest,
    payload: web::Payload,
    state: &State,
) -> Result<(Body, ContextKind)> {
    let given = media_type(request);
    let kind = match given.as_deref() {
        Some("application/zip" | "application/x-zip-compressed") => ContextKind::Zip,
        Some("application/octet-stream" | "multipart/form-data") => ContextKind::Either,
        Some("application/x-tar" | "application/gzip" | "application/x-gzip") => ContextKind::Tar,
        other => return Err(unsupported(other, "application/zip, application/x-tar or application/gzip")),
    };
    let body = limited(request, payload, state, state.upload_max_bytes);
    if given.as_deref() != Some("multipart/form-data") {
        return Ok((body, kind));
    }
    Ok((form_file(request, timely(body, state.upload_deadlines)).await?, kind))
}

/// An archive of images, or of an image's files, whatever compressed it.
pub fn image_archive(request: &HttpRequest, payload: web::Payload, state: &State) -> Result<Body> {
    match media_type(request).as_deref() {
        Some("application/x-tar" | "application/gzip" | "application/octet-stream") => {
            Ok(limited(request, payload, state, state.image_max_bytes))
        }
        other => Err(unsupported(other, "application/x-tar, application/gzip or application/octet-stream")),
    }
}

/// A body as it is, of any type.
pub fn raw(request: &HttpRequest, payload: web::Payload, state: &State) -> Body {
    limited(request, payload, state, state.upload_max_bytes)
}

/// Finds the field `file` of a form; what stands before it is skipped.
async fn form_file(request: &HttpRequest, body: Body) -> Result<Body> {
    let mut form = actix_multipart::Multipart::new(request.headers(), body.map(|piece| piece.map_err(carry)));
    while let Some(field) = form.next().await {
        let field = field.map_err(of_form)?;
        if field.name() == Some("file") {
            let pieces = field.map(|piece| piece.map_err(of_form));
            // The form is kept: it feeds its field.
            return Ok(Box::pin(stream::unfold((pieces, form), |(mut pieces, form)| async move {
                pieces.next().await.map(|piece| (piece, (pieces, form)))
            })));
        }
    }
    let message = "the form has no field file: put the archive into it";
    Err(Error::new(Code::MissingField, message).with("field", "file"))
}

/// An error of the body on its way through the reader of forms, which knows only its own kind.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct Carried(Error);

fn carry(error: Error) -> PayloadError {
    PayloadError::Io(io::Error::other(Carried(error)))
}

/// The error that was carried, or the form's own.
fn of_form(error: MultipartError) -> Error {
    let own = Error::new(Code::IncompleteBody, format!("the form cannot be read: {error}"));
    let MultipartError::Payload(PayloadError::Io(error)) = error else { return own };
    error.into_inner().and_then(|error| error.downcast::<Carried>().ok()).map_or(own, |carried| carried.0)
}

/// Ends a body that does not come in time, from now on: a form is also read where no field of it is yet.
fn timely(body: Body, deadlines: BodyDeadlines) -> Body {
    let end = Instant::now() + deadlines.whole;
    let timely = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        let next = Instant::now() + deadlines.piece;
        match timeout_at(next.min(end), body.next()).await {
            Ok(piece) => piece.map(|piece| (piece, Some(body))),
            Err(_) => Some((Err(too_slow()), None)),
        }
    });
    // The reader of forms asks on after the end.
    Box::pin(timely.fuse())
}

/// Counts the bytes of a body, since the framework itself knows no limit for a streamed one; and takes nothing more
/// from who may not go on.
fn limited(request: &HttpRequest, payload: web::Payload, state: &State, limit: Option<u64>) -> Body {
    let (mut taken, received) = (0_u64, state.metrics.received(request));
    let counted = payload.map(move |piece| {
        let piece = piece
            .map_err(|error| Error::new(Code::IncompleteBody, format!("the body broke off: {error}")))?;
        taken += piece.len() as u64;
        received.inc_by(piece.len() as u64);
        match limit {
            Some(limit) if taken > limit => {
                let message = format!("the body is larger than the {limit} bytes that are allowed");
                Err(Error::new(Code::BodyTooLarge, message).with("limit", limit))
            }
            _ => Ok(piece),
        }
    });
    let wanted = stream::unfold(Some((counted, gate::ended(request))), |left| async move {
        let (mut pieces, ended) = left?;
        let piece = tokio::select! {
            biased;
            () = ended.cancelled() => return Some((Err(Error::revoked()), None)),
            piece = pieces.next() => piece?,
        };
        Some((piece, Some((pieces, ended))))
    });
    Box::pin(wanted.fuse())
}
