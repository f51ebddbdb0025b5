//! Work that waits for a transfer, told as it goes on: how far the transfer is, and at last what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::progress::Progress;
use super::transfer::Transfer;
use crate::codes::Code;
use crate::service::streams::{Place, Sink};
use crate::service::{Error, Result, Service, Source};

/// How long an answer waits for the engine's first word, so that a refusal is an answer of its own.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(10);

/// One record of work that is told.
#[derive(Clone, Debug)]
pub enum Report<R> {
    /// How far a transfer is.
    Progress(Progress),
    /// What came of it all.
    Result(R),
}

/// Work that is told.
pub type Reported<R> = Source<Report<R>>;

/// Where a piece of work shows the transfer that it waits for.
#[derive(Clone)]
pub(in crate::service) struct Shown(watch::Sender<Option<Arc<Transfer>>>);

impl Default for Shown {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Shown {
    pub(super) fn show(&self, transfer: Arc<Transfer>) {
        self.0.send_replace(Some(transfer));
    }
}

impl Service {
    /// Does work in a task of its own, which goes on when no one looks any more, and tells of it. What fails
    /// before there is anything to tell is an error at once.
    pub(in crate::service) async fn tell<R, F>(&self, work: impl FnOnce(Shown) -> F) -> Result<Reported<R>>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        let place = self.parts.streams.take_place()?;
        self.tell_in(place, work).await
    }

    /// The same, with a place that was taken before.
    pub(in crate::service) async fn tell_in<R, F>(
        &self,
        place: Place,
        work: impl FnOnce(Shown) -> F,
    ) -> Result<Reported<R>>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        let shown = Shown::default();
        let mut view = View { shown: shown.0.subscribe(), transfer: None, version: 0 };
        // A shutdown waits for it, so that its end is told.
        let mut task = self.transfers.spawn(work(shown));
        let early = tokio::select! {
            biased;
            result = &mut task => Some(of_task(result)?),
            () = view.begins() => None,
        };
        Ok(self.parts.streams.begin_with_result(place, |sink| async move {
            match early {
                Some(result) => {
                    sink.send(view.rest()).await;
                    Ok(Report::Result(result))
                }
                None => view.follow(task, sink).await,
            }
        }))
    }
}

/// What one viewer has seen.
struct View {
    shown: watch::Receiver<Option<Arc<Transfer>>>,
    transfer: Option<(Arc<Transfer>, watch::Receiver<()>)>,
    /// Of the transfer's table.
    version: u64,
}

impl View {
    /// Waits until there is something to tell: the engine's first word, or its silence.
    async fn begins(&mut self) {
        let transfer = self.shown.wait_for(Option::is_some).await.ok().and_then(|shown| shown.clone());
        // Where the work has ended without a transfer, its end is what there is to tell.
        let Some(transfer) = transfer else { return std::future::pending().await };
        let mut changes = transfer.changes();
        let first_word = async {
            while !transfer.has_begun() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(FIRST_WORD_WITHIN, first_word).await;
    }

    async fn follow<R>(
        mut self,
        mut task: JoinHandle<Result<R>>,
        sink: Sink<Report<R>>,
    ) -> Result<Report<R>> {
        loop {
            sink.send(self.rest()).await;
            tokio::select! {
                biased;
                result = &mut task => {
                    sink.send(self.rest()).await;
                    return of_task(result).map(Report::Result);
                }
                () = self.changed() => {}
            }
        }
    }

    /// What has changed since this was asked last.
    fn rest<R>(&mut self) -> Vec<Report<R>> {
        let now = self.shown.borrow_and_update().clone();
        if let Some(now) = now
            && self.transfer.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, &now))
        {
            let changes = now.changes();
            (self.transfer, self.version) = (Some((now, changes)), 0);
        }
        let Some((transfer, changes)) = &mut self.transfer else { return Vec::new() };
        changes.mark_unchanged();
        let (newest, version) = transfer.since(self.version);
        self.version = version;
        newest.into_iter().map(Report::Progress).collect()
    }

    /// Waits for the next change; for ever where there can be none any more.
    async fn changed(&mut self) {
        let Self { shown, transfer, .. } = self;
        let of_transfer = async {
            let ended = match transfer {
                Some((_, changes)) => changes.changed().await.is_err(),
                None => true,
            };
            if ended {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = of_transfer => {}
            Ok(()) = shown.changed() => {}
        }
    }
}

fn of_task<R>(result: std::result::Result<Result<R>, tokio::task::JoinError>) -> Result<R> {
    result.unwrap_or_else(|_| {
        Err(Error::new(Code::InternalError, "the work broke off by a fault of the daemon"))
    })
}
