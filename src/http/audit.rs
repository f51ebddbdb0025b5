//! One line of the audit log for each request, written before the last byte of the answer leaves.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::{HttpMessage, HttpRequest, web};
use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::State;
use super::error::{ApiError, now};
use super::metrics::Counter;
use crate::audit::{Action, Audit, Phase};

/// What a handler adds to its request's line.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The container it was about, where the path does not tell.
    pub cuid: Option<String>,
    /// What the action adds.
    pub more: Map<String, Value>,
}

/// Adds one thing to the request's line.
pub fn note(request: &HttpRequest, name: &str, value: impl Into<Value>) {
    let mut extensions = request.extensions_mut();
    if !extensions.contains::<Notes>() {
        extensions.insert(Notes::default());
    }
    if let Some(notes) = extensions.get_mut::<Notes>() {
        notes.more.insert(name.to_owned(), value.into());
    }
}

/// Says which container the request made.
pub fn note_cuid(request: &HttpRequest, cuid: String) {
    let mut extensions = request.extensions_mut();
    let mut notes = extensions.remove::<Notes>().unwrap_or_default();
    notes.cuid = Some(cuid);
    extensions.insert(notes);
}

/// How an answer that goes on has ended: its status was sent long before.
#[derive(Clone, Debug, Default)]
pub struct Outcome(Arc<Mutex<Option<ApiError>>>);

impl Outcome {
    /// The outcome of a request, which its line will have.
    pub fn of(request: &HttpRequest) -> Self {
        let outcome = Self::default();
        request.extensions_mut().insert(outcome.clone());
        outcome
    }

    /// It has failed.
    pub fn fail(&self, error: ApiError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn error(&self) -> Option<ApiError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The id of a request's lines, as the rest of the room finds it in the request's extensions.
#[derive(Clone, Debug)]
pub struct ActionId(pub String);

/// Writes that a change is about to begin. It is on the disk when this returns; a log that cannot be written stops no
/// change, and health tells of it.
pub async fn intend(audit: &Arc<Audit>, action: &Action) {
    let (audit, mut intent) = (Arc::clone(audit), action.clone());
    (intent.phase, intent.timestamp) = (Phase::Intent, now());
    // The write waits for the disk, and this thread serves others.
    let _ = tokio::task::spawn_blocking(move || audit.intend(&intent)).await;
}

/// A line that waits for its answer to end.
pub struct Entry {
    state: web::Data<State>,
    action: Action,
    started: Instant,
    outcome: Outcome,
}

impl Entry {
    /// The line of a request that has been answered.
    pub fn new(state: web::Data<State>, action: Action, started: Instant) -> Self {
        Self { state, action, started, outcome: Outcome::default() }
    }

    /// Says where it will stand how the answer has ended.
    #[must_use]
    pub fn with_outcome(self, outcome: Option<Outcome>) -> Self {
        Self { outcome: outcome.unwrap_or_default(), ..self }
    }

    /// Says what was refused.
    pub fn refuse(&mut self, refused: &ApiError) {
        self.action.error = Some(refused.error.code.word().as_str());
        self.action.code = Some(refused.error.code.as_str());
        self.action.message = Some(refused.error.message.clone());
        for name in ["exit_status", "verb"] {
            if let Some(value) = refused.error.details.get(name) {
                self.action.more.insert(name.to_owned(), value.clone());
            }
        }
    }

    /// What counts the bytes of the answer.
    pub fn sent(&self) -> Counter {
        self.state.metrics.sent(self.action.action)
    }

    /// Writes the line.
    pub fn write(mut self) {
        if let Some(failed) = self.outcome.error() {
            self.refuse(&failed);
        }
        self.action.timestamp = now();
        let duration = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.action.duration_ms = Some(duration);
        self.state.metrics.ended(&self.action);
        self.state.audit.write(&self.action);
    }
}

/// A body that writes its request's line when its last piece is about to leave.
pub struct AuditedBody {
    inner: BoxBody,
    entry: Option<Entry>,
    /// One piece is held back: only when the next poll brings none is it known to be the last.
    held: Option<Bytes>,
    sent: u64,
    counted: Counter,
    /// The inner body has ended: it must not be asked again.
    has_ended: bool,
    /// Returns when who asked may not go on.
    revoked: Pin<Box<dyn Future<Output = ()>>>,
}

/// Marks an answer that ends by itself, in order, when who asked may not go on.
#[derive(Clone, Copy, Debug)]
pub struct EndsItself;

impl AuditedBody {
    /// Wraps the body of an answer, which breaks off when `revoked` is cancelled.
    #[must_use]
    pub fn new(inner: BoxBody, entry: Entry, revoked: CancellationToken) -> Self {
        let revoked = Box::pin(revoked.cancelled_owned());
        let counted = entry.sent();
        Self { inner, entry: Some(entry), held: None, sent: 0, counted, has_ended: false, revoked }
    }

    fn break_off(&mut self, why: &str) {
        self.has_ended = true;
        self.held = None;
        self.finish(Some(why));
    }

    fn finish(&mut self, broken: Option<&str>) {
        let Some(mut entry) = self.entry.take() else { return };
        entry.action.more.insert("bytes".to_owned(), self.sent.into());
        if let Some(reason) = broken {
            entry.action.more.insert("aborted".to_owned(), reason.into());
        }
        entry.write();
    }
}

impl MessageBody for AuditedBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        while !this.has_ended {
            if this.revoked.as_mut().poll(context).is_ready() {
                this.break_off("the credentials are no longer good");
                return Poll::Ready(Some(Err(
                    std::io::Error::from(std::io::ErrorKind::PermissionDenied).into()
                )));
            }
            let Poll::Ready(next) = Pin::new(&mut this.inner).poll_next(context) else {
                return match this.inner.size() {
                    // What a stream has is sent before more comes: its own end is its last piece.
                    BodySize::Stream if this.held.is_some() => Poll::Ready(this.held.take().map(Ok)),
                    _ => Poll::Pending,
                };
            };
            match next {
                Some(Ok(piece)) => {
                    this.sent += piece.len() as u64;
                    this.counted.inc_by(piece.len() as u64);
                    if let Some(earlier) = this.held.replace(piece) {
                        return Poll::Ready(Some(Ok(earlier)));
                    }
                }
                Some(Err(error)) => {
                    this.break_off("the body could not be sent to its end");
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    this.has_ended = true;
                    this.finish(None);
                }
            }
        }
        Poll::Ready(this.held.take().map(Ok))
    }
}

impl Drop for AuditedBody {
    fn drop(&mut self) {
        self.finish(Some("the client went away"));
    }
}
