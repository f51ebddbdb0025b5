//! Transfers: one for each image and direction, in a task of its own, however many wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::progress::{Progress, Table};
use super::refusals::Attempt;
use crate::codes::Code;
use crate::container::EngineKind;
use crate::container::image::Reference;
use crate::engine::images::RegistryAuth;
use crate::engine::images::transfer::{Direction, PushedImage, TransferRecord};
use crate::engine::{EngineError, EngineHealth};
use crate::service::{Error, Result, Service};

/// What two callers have to have in common to share a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) direction: Direction,
    pub(super) reference: Reference,
    /// What is pushed: a name may come to stand for another image meanwhile.
    pub(super) pushed: Option<String>,
}

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    /// The image's id after a pull, its digest after a push.
    pub(super) id: String,
    /// The size of the image after a pull, of its manifest after a push, in bytes.
    pub(super) size: u64,
}

/// One image on its way.
pub(in crate::service) struct Transfer {
    key: Key,
    table: Mutex<Table>,
    /// Told of each change of the table.
    changes: watch::Sender<()>,
    outcome: watch::Sender<Option<Result<Arrived>>>,
}

/// After how many seconds a transfer that found no place may be tried again.
const TRY_AGAIN_AFTER: u64 = 10;

/// The transfers that are under way.
pub(in crate::service) struct Transfers {
    most: usize,
    running: Mutex<HashMap<Key, Arc<Transfer>>>,
    tasks: TaskTracker,
}

impl Transfers {
    /// None yet; at most so many at a time.
    pub(in crate::service) fn new(most: usize) -> Self {
        Self { most, running: Mutex::default(), tasks: TaskTracker::new() }
    }

    /// Takes no new ones on their own account, and waits for those under way; says whether all have ended
    /// within the limit. A change in flight may still begin one: it is waited for with the change.
    pub(in crate::service) async fn drain(&self, limit: Duration) -> bool {
        self.tasks.close();
        timeout(limit, self.tasks.wait()).await.is_ok()
    }

    /// Runs something that a shutdown waits for.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
    }

    pub(super) fn must_be_open(&self) -> Result<()> {
        if self.tasks.is_closed() { Err(Error::shutting_down()) } else { Ok(()) }
    }

    fn forget(&self, transfer: &Arc<Transfer>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&transfer.key);
    }
}

impl Transfer {
    fn new(key: Key) -> Self {
        let (changes, outcome) = (watch::Sender::new(()), watch::Sender::new(None));
        Self { key, table: Mutex::default(), changes, outcome }
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> Result<Arrived> {
        let mut outcome = self.outcome.subscribe();
        let told = outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        told.unwrap_or_else(|| Err(broken_off()))
    }

    /// What has changed since a version of the table, and the version that this is.
    pub(super) fn since(&self, version: u64) -> (Vec<Progress>, u64) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).since(version)
    }

    /// Whether the engine has begun to move something.
    pub(super) fn has_begun(&self) -> bool {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).has_begun()
    }

    fn waits_its_turn(&self) -> bool {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).waits_its_turn()
    }

    /// Told of each change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_replace(());
    }
}

impl Service {
    /// The transfer of an image: the one under way, or a new one where there is a place for it.
    pub(super) fn transfer(self: &Arc<Self>, key: Key) -> Result<Arc<Transfer>> {
        let mut running = self.transfers.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transfer) = running.get(&key) {
            return Ok(Arc::clone(transfer));
        }
        let most = self.transfers.most;
        if running.len() >= most {
            let message = "too many images are on their way: try again when one of them is here";
            let mut error = Error::new(Code::TooManyTransfers, message).with("open", most);
            error.retry_after = Some(TRY_AGAIN_AFTER);
            return Err(error);
        }
        let transfer = Arc::new(Transfer::new(key.clone()));
        running.insert(key, Arc::clone(&transfer));
        let (service, own) = (Arc::clone(self), Arc::clone(&transfer));
        self.transfers.tasks.spawn(async move {
            let carrier = (Arc::clone(&service), Arc::clone(&own));
            let outcome = tokio::spawn(async move { carrier.0.carry(&carrier.1).await }).await;
            let outcome = outcome.unwrap_or_else(|_| Err(broken_off()));
            // From now on a caller begins another.
            service.transfers.forget(&own);
            own.outcome.send_replace(Some(outcome));
        });
        Ok(transfer)
    }

    /// Carries an image to its end, within the limits of time.
    async fn carry(&self, transfer: &Transfer) -> Result<Arrived> {
        let Key { direction, reference, .. } = &transfer.key;
        tracing::info!(image = %reference, ?direction, "the transfer of an image begins");
        let auth = self.registry_auth(&reference.registry).await?;
        let attempt = Attempt { direction: *direction, reference, has_credentials: auth.is_some() };
        let limit = self.parts.settings.pull_timeout;
        let whole = async {
            let pushed = self.follow(transfer, &attempt, auth.as_ref()).await?;
            match direction {
                Direction::Pull => self.pulled(&attempt).await,
                Direction::Push => {
                    pushed.map(|image| Arrived { id: image.digest, size: image.size }).ok_or_else(|| {
                        Error::new(
                            Code::InternalError,
                            "the container engine did not tell what it has pushed",
                        )
                    })
                }
            }
        };
        let mut outcome = timeout(limit, whole).await.unwrap_or_else(|_| Err(attempt.timed_out(limit)));
        match &mut outcome {
            Ok(_) => transfer.change(|table| table.complete(attempt.done())),
            Err(error) => self.clean_for(error, None),
        }
        outcome
    }

    /// Tells the table what the engine tells, to its end; what was pushed, where it says so.
    async fn follow(
        &self,
        transfer: &Transfer,
        attempt: &Attempt<'_>,
        auth: Option<&RegistryAuth>,
    ) -> Result<Option<PushedImage>> {
        let idle = self.idle_limit(attempt.direction);
        let socket = self.parts.engine.socket();
        let begun = timeout(idle, socket.transfer(attempt.direction, attempt.reference, auth)).await;
        let begun = begun.map_err(|_| self.nothing_moves(attempt))?;
        let mut records = begun.map_err(|error| attempt.refused(error))?;
        let mut pushed = None;
        loop {
            let next = match timeout(idle, records.next()).await {
                Ok(next) => next,
                Err(_) if transfer.waits_its_turn() => continue,
                Err(_) => return Err(self.nothing_moves(attempt)),
            };
            let Some(mut record) = next.map_err(|error| attempt.refused(error))? else { return Ok(pushed) };
            if let Some(message) = record.error.take() {
                return Err(attempt.refused(EngineError::Api { status: 500, message }));
            }
            pushed = record.aux.take().or_else(|| told_pushed(&record)).or(pushed);
            transfer.change(|table| table.note(record));
        }
    }

    /// How long the engine may be silent. Podman tells nothing while it pushes a layer.
    fn idle_limit(&self, direction: Direction) -> Duration {
        match (direction, self.parts.live.engine_kind()) {
            (Direction::Push, Some(EngineKind::Podman)) => self.parts.settings.pull_timeout,
            _ => self.parts.settings.pull_idle_timeout,
        }
    }

    /// Why nothing has moved for too long: the engine, or else the registry.
    fn nothing_moves(&self, attempt: &Attempt<'_>) -> Error {
        match self.parts.live.health() {
            EngineHealth::Down { reason, .. } => Error::engine_away(&reason),
            EngineHealth::Up(_) => attempt.stalled(self.parts.settings.pull_idle_timeout),
        }
    }

    async fn pulled(&self, attempt: &Attempt<'_>) -> Result<Arrived> {
        let facts = self.parts.engine.socket().image(&attempt.reference.to_string()).await?;
        let facts = facts.ok_or_else(|| attempt.gone())?;
        Ok(Arrived { id: facts.id, size: facts.size })
    }
}

/// What was pushed, as Podman says it: `1: digest: sha256:… size: 528`.
fn told_pushed(record: &TransferRecord) -> Option<PushedImage> {
    let (_, rest) = record.status.as_deref()?.split_once("digest: ")?;
    let (digest, size) = rest.split_once(" size: ")?;
    Some(PushedImage { digest: digest.to_owned(), size: size.trim().parse().ok()? })
}

fn broken_off() -> Error {
    Error::new(Code::InternalError, "the transfer broke off by a fault of the daemon")
}
