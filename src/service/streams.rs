//! Answers that go on: how many there are, how they end, and where a container goes on after one run.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryFutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::Cuid;
use crate::engine::attach::ContainerFacts;

/// How often a container that changes is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the last records have to leave at a shutdown, when there is a result.
const LAST_RECORDS: Duration = Duration::from_millis(300);
/// How long a container that has ended may take to be up again before it counts as ended: someone may
/// restart it at the engine itself.
const GRACE: Duration = Duration::from_millis(300);

/// The open streams.
pub struct Streams {
    most: usize,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
    /// Those that end in a result have until then.
    last_call: CancellationToken,
}

/// Why a stream has ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All that was asked for was sent.
    Complete,
    /// The container does not run any more, or never did.
    Exited {
        /// The exit code of its last run; none when there was none.
        exit_code: Option<i64>,
    },
    /// The container was removed.
    Removed,
    /// The daemon stops.
    Shutdown,
    /// Who asked may not go on: the token was revoked, has expired, or may do less than before.
    Revoked,
    /// Something failed on the way.
    Error(Error),
}

/// A part of a stream.
#[derive(Debug)]
pub enum Part<T> {
    /// The next records.
    Records(Vec<T>),
    /// What came of it all, the last of all as well.
    Result(T),
    /// The last of all.
    End(End),
}

/// Where a stream's records are put; waits while no one takes them.
pub(super) struct Sink<T>(mpsc::Sender<Part<T>>);

impl<T> Sink<T> {
    /// Puts records in. When the reader is gone this never returns, and whoever waits for it is dropped.
    pub(super) async fn send(&self, records: Vec<T>) {
        if !records.is_empty() && self.0.send(Part::Records(records)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A stream's records. What makes them ends when this is dropped.
pub struct Source<T> {
    parts: mpsc::Receiver<Part<T>>,
    _place: Place,
}

impl<T> Source<T> {
    /// The next part; nothing after the last.
    pub async fn next(&mut self) -> Option<Part<T>> {
        self.parts.recv().await
    }
}

/// A place among the open streams; it is free again when this is dropped.
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Streams {
    /// None yet; at most so many at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { most, places, shutdown: CancellationToken::new(), last_call: CancellationToken::new() }
    }

    /// Ends all streams but those that end in a result, and lets no new ones begin.
    pub fn close_all(&self) {
        self.shutdown.cancel();
    }

    /// Ends those that end in a result, too: what they wait for has ended, or is given up.
    pub fn close_results(&self) {
        self.last_call.cancel();
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    pub(super) fn take_place(&self) -> Result<Place> {
        if self.shutdown.is_cancelled() {
            return Err(Error::new(
                Code::ShuttingDown,
                "the daemon is shutting down: try again when it is back",
            ));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Place).map_err(|_| {
            let message = "too many streams are open: close one and try again";
            let mut error = Error::new(Code::TooManyStreams, message).with("open", self.most);
            error.retry_after = Some(5);
            error
        })
    }

    /// Begins a stream. `work` makes it, in a task of its own, until it ends or no one reads it any more.
    pub(super) fn begin<T, F>(&self, place: Place, work: impl FnOnce(Sink<T>) -> F) -> Source<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<End>> + Send + 'static,
    {
        Self::begin_parts(place, self.shutdown.clone().cancelled_owned(), |sink| work(sink).map_ok(Part::End))
    }

    /// Begins a stream that ends in a result, as [`Streams::begin`] does. A shutdown waits for what it waits for.
    pub(super) fn begin_with_result<T, F>(&self, place: Place, work: impl FnOnce(Sink<T>) -> F) -> Source<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let last_call = self.last_call.clone();
        let stop = async move {
            last_call.cancelled().await;
            tokio::time::sleep(LAST_RECORDS).await;
        };
        Self::begin_parts(place, stop, |sink| work(sink).map_ok(Part::Result))
    }

    fn begin_parts<T, F>(
        place: Place,
        stop: impl Future<Output = ()> + Send + 'static,
        work: impl FnOnce(Sink<T>) -> F,
    ) -> Source<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<Part<T>>> + Send + 'static,
    {
        // One part waits while the next is made: a reader that stops stops the making.
        let (sender, parts) = mpsc::channel(1);
        let work = work(Sink(sender.clone()));
        tokio::spawn(async move {
            let last = tokio::select! {
                biased;
                () = sender.closed() => return,
                () = stop => Part::End(End::Shutdown),
                last = work => last.unwrap_or_else(|error| Part::End(match error.code {
                    Code::ShuttingDown => End::Shutdown,
                    _ => End::Error(error),
                })),
            };
            // Where it fails no one is there to be told.
            let _ = sender.send(last).await;
        });
        Source { parts, _place: place }
    }
}

/// How a container goes on after one of its runs.
pub(super) enum Outlook {
    /// It is up, as this incarnation.
    Up(ContainerFacts),
    /// It is not, and nothing is about to change that.
    Down(ContainerFacts),
    /// There is none any more.
    Gone,
}

impl Outlook {
    /// How a stream of the container ends.
    pub(super) fn end(&self) -> Option<End> {
        match self {
            Self::Up(_) => None,
            Self::Down(facts) => {
                let has_run = facts.state.status != "created";
                Some(End::Exited { exit_code: has_run.then_some(facts.state.exit_code) })
            }
            Self::Gone => Some(End::Removed),
        }
    }
}

impl Service {
    /// What the engine has of a container; nothing where it has none.
    pub(super) async fn facts(&self, cuid: Cuid) -> Result<Option<ContainerFacts>> {
        match self.parts.engine.socket().container_facts(&cuid.to_string()).await {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How a container goes on that does not seem to run: waits while a change of it is under way, and while
    /// the engine is about to start it again.
    pub(super) async fn outlook(&self, cuid: Cuid) -> Result<Outlook> {
        let mut has_waited = false;
        loop {
            if self.turns.is_busy(cuid) {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            if self.catalog.get(cuid).is_none() {
                return Ok(Outlook::Gone);
            }
            match self.facts(cuid).await? {
                Some(facts) if facts.state.restarting => tokio::time::sleep(LOOK_EVERY).await,
                Some(facts) if facts.state.running => return Ok(Outlook::Up(facts)),
                _ if self.turns.is_busy(cuid) => {}
                _ if !has_waited => {
                    has_waited = true;
                    tokio::time::sleep(GRACE).await;
                }
                Some(facts) => return Ok(Outlook::Down(facts)),
                None => return Ok(Outlook::Gone),
            }
        }
    }
}
