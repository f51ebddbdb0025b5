//! Answers that go on: one record after the other, in the form that the client accepts, and how it ended.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, VARY};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::accept::Form;
use super::audit::{EndsItself, Outcome};
use super::error::{self, ApiError, ErrorBody};
use super::request_id::RequestId;
use super::{State, gate, leaving};
use crate::codes::Code;
use crate::service::{End, Part, Source};

/// How often a silent stream of events gives a sign of life, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a stream is made of.
pub trait Record {
    /// The record as a JSON value.
    fn json(&self) -> impl Serialize;
}

/// How the records of a stream become text; nothing for those that have no such form.
pub type Print<T> = Box<dyn FnMut(&T, &mut Vec<u8>)>;

/// How a stream ended, as it stands in its last record.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = StreamEnd)]
pub struct EndBody {
    /// `complete` (all that was asked for was sent), `exited` (the container does not run), `removed` (there
    /// is no container any more), `shutdown` (the daemon stops), `revoked` (the token is no longer good) or `error`.
    #[schema(pattern = "^(complete|exited|removed|shutdown|revoked|error)$")]
    reason: &'static str,
    /// With `exited`: the exit code, if it ever ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    exit_code: Option<i64>,
    /// With `error`: what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    error: Option<ErrorBody>,
}

/// The last record of a stream of lines.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = StreamEndRecord)]
pub struct LastBody {
    /// How it ended.
    end: EndBody,
}

/// The last record of a stream that ends in a result: the result's own fields, and `end`.
#[derive(Serialize)]
struct ResultRecord<T> {
    #[serde(flatten)]
    result: T,
    end: EndBody,
}

/// A stream on its way to a client.
struct Sending<T> {
    source: Source<T>,
    form: Form,
    print: Print<T>,
    left: Pin<Box<dyn Future<Output = ()>>>,
    /// Who asked may not go on.
    revoked: CancellationToken,
    keep_alive: Interval,
    /// What an error at the end is told with.
    request_id: String,
    development: bool,
    has_ended: bool,
    outcome: Outcome,
}

/// Answers with a stream.
pub fn answer<T: Record + 'static>(
    state: &State,
    request: &HttpRequest,
    form: Form,
    source: Source<T>,
    print: Print<T>,
) -> HttpResponse {
    let mut keep_alive = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let sending = Sending {
        source,
        form,
        print,
        left: Box::pin(leaving::left(request)),
        revoked: gate::ended(request),
        keep_alive,
        request_id: request_id.unwrap_or_default(),
        development: state.development,
        has_ended: false,
        outcome: Outcome::of(request),
    };
    let body = stream::unfold(sending, |mut sending| async move {
        let piece = sending.next().await?;
        Some((piece, sending))
    });
    let mut response = HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, form.content_type()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "Accept"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(body);
    response.extensions_mut().insert(EndsItself);
    response
}

impl<T: Record> Sending<T> {
    /// The next bytes; an error, which breaks the connection off, when the client is gone, or when text ends
    /// before its end.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        while !self.has_ended {
            let bytes = tokio::select! {
                biased;
                () = &mut self.left => {
                    self.has_ended = true;
                    return Some(Err(io::ErrorKind::ConnectionReset.into()));
                }
                part = next(&mut self.source, &self.revoked) => match part {
                    Part::Records(records) => self.records(&records),
                    Part::End(End::Error(_) | End::Shutdown | End::Revoked) if self.form == Form::Text => {
                        // Text has no last record to say so: whoever reads it must not take a part for the whole.
                        self.has_ended = true;
                        return Some(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    Part::Result(result) => self.last(End::Complete, Some(&result)),
                    Part::End(end) => self.last(end, None),
                },
                _ = self.keep_alive.tick(), if self.form == Form::Events => b": keep-alive\n\n".to_vec(),
            };
            if !bytes.is_empty() {
                return Some(Ok(bytes.into()));
            }
        }
        None
    }

    fn records(&mut self, records: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            match self.form {
                Form::Text => (self.print)(record, &mut bytes),
                Form::Ndjson | Form::Events => self.line("", &record.json(), &mut bytes),
            }
        }
        self.keep_alive.reset();
        bytes
    }

    /// The last record: how the stream ended, beside what came of it.
    fn last(&mut self, end: End, result: Option<&T>) -> Vec<u8> {
        self.has_ended = true;
        let mut bytes = Vec::new();
        let end = self.end(end);
        match (self.form, result) {
            (Form::Text, _) => {}
            (Form::Ndjson, None) => self.line("", &LastBody { end }, &mut bytes),
            (Form::Events, None) => self.line("event: end\n", &end, &mut bytes),
            (Form::Ndjson | Form::Events, Some(result)) => {
                self.line("event: end\n", &ResultRecord { result: result.json(), end }, &mut bytes);
            }
        }
        bytes
    }

    fn line(&self, before: &str, value: &impl Serialize, to: &mut Vec<u8>) {
        let start = to.len();
        if self.form == Form::Events {
            to.extend_from_slice(before.as_bytes());
            to.extend_from_slice(b"data: ");
        }
        if let Err(error) = serde_json::to_writer(&mut *to, value) {
            tracing::error!(%error, "a record could not be written");
            to.truncate(start);
            return;
        }
        to.extend_from_slice(if self.form == Form::Events { b"\n\n" } else { b"\n" });
    }

    fn end(&self, end: End) -> EndBody {
        let mut body = EndBody { reason: "complete", exit_code: None, error: None };
        match end {
            End::Complete => {}
            End::Exited { exit_code } => (body.reason, body.exit_code) = ("exited", exit_code),
            End::Removed => body.reason = "removed",
            End::Shutdown => body.reason = "shutdown",
            End::Revoked => body.reason = "revoked",
            End::Error(failed) => {
                body.reason = "error";
                let refused = ApiError::from(failed);
                body.error = Some(error::body(&refused, &self.request_id, self.development));
                self.outcome.fail(refused);
            }
        }
        body
    }
}

/// The next part of a stream whose reader may still go on.
async fn next<T>(source: &mut Source<T>, revoked: &CancellationToken) -> Part<T> {
    tokio::select! {
        biased;
        () = revoked.cancelled() => Part::End(End::Revoked),
        part = source.next() => part.unwrap_or_else(broke_off),
    }
}

fn broke_off<T>() -> Part<T> {
    let message = "the stream broke off by a fault of the daemon";
    Part::End(End::Error(crate::service::Error::new(Code::InternalError, message)))
}

/// For streams that have no form of text.
pub fn no_text<T>() -> Print<T> {
    Box::new(|_, _| {})
}
