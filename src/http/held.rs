//! Connections that are only held: on which nothing is asked, or whose client takes nothing of its answer.
//!
//! The server times the head of a connection's first request and silence between requests. It does not time what
//! trickles in behind an answer (the rest of a body, half of the next head), nor a client that does not read.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Extensions;
use bytes::Bytes;
use rustix::net::{Shutdown, shutdown};
use tokio_util::task::AbortOnDropHandle;

/// How long a connection may be held.
#[derive(Clone, Copy, Debug)]
pub struct HoldLimits {
    /// While nothing is asked on it, whatever comes.
    pub idle: Duration,
    /// While its client takes nothing of an answer that is under way.
    pub answer: Duration,
}

/// What goes on on a connection. All of one connection's work is done on one thread.
#[derive(Debug)]
struct Held {
    /// The requests that are not answered to their end.
    asked: Cell<usize>,
    /// The last piece of an answer was taken to be sent, and no other was wanted since: the client does not read.
    is_full: Cell<bool>,
    /// When anything last went on.
    moved: Cell<Instant>,
}

/// What a connection's requests are told of it. Its watch ends with it.
struct Connection {
    held: Rc<Held>,
    _watch: AbortOnDropHandle<()>,
}

/// Watches a new connection.
pub fn watch(socket: Arc<OwnedFd>, extensions: &mut Extensions, limits: HoldLimits) {
    let (asked, is_full, moved) = (Cell::new(0), Cell::new(false), Cell::new(Instant::now()));
    let held = Rc::new(Held { asked, is_full, moved });
    let watch = actix_web::rt::spawn(end(socket, Rc::clone(&held), limits));
    extensions.insert(Connection { held, _watch: AbortOnDropHandle::new(watch) });
}

/// Ends a connection that is only held: first what it may send, then, where that ends nothing, all of it.
async fn end(socket: Arc<OwnedFd>, held: Rc<Held>, limits: HoldLimits) {
    let mut is_ending = false;
    loop {
        let limit = held.limit(limits);
        let left = limit.map_or(limits.idle, |limit| limit.saturating_sub(held.moved.get().elapsed()));
        if !left.is_zero() {
            tokio::time::sleep(left).await;
            continue;
        }
        let is_last = is_ending || held.is_full.get();
        let how = if is_last { Shutdown::Both } else { Shutdown::Read };
        tracing::debug!(?how, "a connection that is only held is ended");
        if shutdown(&socket, how).is_err() || is_last {
            return;
        }
        is_ending = true;
        held.moved.set(Instant::now());
    }
}

impl Held {
    /// How long it may stay as it is; none: it works.
    fn limit(&self, limits: HoldLimits) -> Option<Duration> {
        match (self.asked.get(), self.is_full.get()) {
            (0, _) => Some(limits.idle),
            (_, true) => Some(limits.answer),
            (_, false) => None,
        }
    }
}

/// A request that is not answered to its end.
pub struct Asked(Option<Rc<Held>>);

impl Asked {
    /// Begins with the request and ends when this is dropped.
    pub fn begin(request: &HttpRequest) -> Self {
        let held = request.conn_data::<Connection>().map(|connection| Rc::clone(&connection.held));
        if let Some(held) = &held {
            held.asked.set(held.asked.get() + 1);
        }
        Self(held)
    }

    /// The body of its answer, which goes on until it is sent.
    pub fn until_sent(self, body: BoxBody) -> BoxBody {
        BoxBody::new(Answer { body, asked: self })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(held) = &self.0 else { return };
        held.asked.set(held.asked.get().saturating_sub(1));
        held.is_full.set(false);
        held.moved.set(Instant::now());
    }
}

/// A body that notes whether more of it is wanted.
struct Answer {
    body: BoxBody,
    asked: Asked,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let next = Pin::new(&mut this.body).poll_next(context);
        if let Some(held) = &this.asked.0 {
            held.is_full.set(matches!(next, Poll::Ready(Some(_))));
            held.moved.set(Instant::now());
        }
        next
    }
}
