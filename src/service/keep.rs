//! Keeping what a container has printed while it is made anew: its log goes with the engine's old container.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::copies::{Incarnation, Underway};
use super::log_position::Position;
use super::{Error, Result, Service};
use crate::container::{Cuid, EngineKind};
use crate::engine::EngineError;
use crate::engine::logs::{LogQuery, LogReader};
use crate::kept_logs::{Copy, PodmansLog};

/// How long a change waits for its copy; a longer one goes on behind it, and who reads the log waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long each part of a copy may take after that.
const LONGEST: Duration = Duration::from_secs(60);
/// How much earlier what comes begins than what there was ends, so that nothing falls between.
const OVERLAP: Duration = Duration::from_millis(10);
/// How often an engine that could not say what it has is asked again.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// The log of a container that a change may replace. It is opened before the change, and read only if the
/// container is gone after it: the engine goes on with a log that it has begun, also when its files are
/// removed meanwhile. So a change that replaces nothing costs nothing.
pub(super) struct Keeper {
    service: Arc<Service>,
    of: Incarnation,
    has_tty: bool,
    log: Log,
    underway: Underway,
}

/// A log that is open.
enum Log {
    /// Docker's, by its API.
    Streams {
        /// What there was when it was opened.
        past: LogReader,
        /// What came after, of a container that runs. In one stream the engine comes to this part only when it
        /// has sent what was there before, and leaves it out when the container has ended by then.
        coming: Option<LogReader>,
    },
    /// Podman's, by its file: its API begins with a log when it is read, and ends with the file's name.
    File(PodmansLog),
}

impl Service {
    /// Removes what earlier incarnations of a container printed; a copy that is under way is broken off before.
    pub(super) async fn remove_kept_logs(&self, cuid: Cuid) -> Result<()> {
        self.copies.cancel(cuid).await;
        Ok(self.parts.kept_logs.remove(cuid).await?)
    }
}

impl Keeper {
    /// Opens the log of the present incarnation, if there is one. A log that cannot be read is not kept.
    pub(super) async fn begin(service: &Arc<Service>, cuid: Cuid) -> Option<Self> {
        let state = service.parts.live.state(cuid);
        let id = state.engine_id.clone().filter(|_| service.parts.kept_logs.keeps())?;
        let log = if service.is_podman() {
            let path = state.logfile.as_deref().unwrap_or_default();
            PodmansLog::open(Path::new(path)).await.map(Log::File).map_err(Error::from)
        } else {
            open(service, &id, state.tty, state.status.is_up()).await.map_err(Error::from)
        };
        let warn = |error: &Error| tracing::warn!(%cuid, message = error.message, "the log is not kept");
        let log = log.inspect_err(warn).ok()?;
        let of = (cuid, id);
        let underway = service.copies.begin(of.clone());
        Some(Self { service: Arc::clone(service), of, has_tty: state.tty, log, underway })
    }

    /// After the change: what is gone is kept.
    pub(super) async fn end(self) {
        // A copy that takes longer goes on by itself.
        let _ = timeout(PATIENCE, tokio::spawn(self.keep())).await;
    }

    /// Copies the log if its container is gone. What is written is written whole also when it is broken off, so
    /// that nothing of it comes after that.
    async fn keep(self) {
        let Self { service, of, has_tty, log, underway } = self;
        if !is_gone(&service, &of, &underway.cancel).await {
            return;
        }
        underway.alone(&of).await;
        if let Err(error) = copy(&service, &of, has_tty, log, &underway.cancel).await {
            tracing::warn!(cuid = %of.0, message = error.message, "a log could not be kept whole");
        }
    }
}

/// Whether the engine has another container by now, or none. One that cannot say is asked again.
async fn is_gone(service: &Service, (cuid, id): &Incarnation, cancel: &CancellationToken) -> bool {
    let end = Instant::now() + LONGEST;
    while Instant::now() < end && !cancel.is_cancelled() {
        match service.parts.live.refresh(*cuid).await {
            Ok(state) => return state.engine_id.as_ref() != Some(id),
            Err(_) => sleep(ASK_EVERY).await,
        }
    }
    false
}

/// Docker's log.
async fn open(
    service: &Service,
    id: &str,
    has_tty: bool,
    is_up: bool,
) -> std::result::Result<Log, EngineError> {
    let engine = service.parts.engine.socket();
    let coming = if is_up {
        let query = LogQuery { follow: true, tail: Some(0), ..LogQuery::ALL };
        let coming = engine.messages(EngineKind::Docker, id, has_tty, query).await?;
        // The engine answers before it has gone to the end of the log.
        sleep(OVERLAP).await;
        Some(coming)
    } else {
        None
    };
    let past = engine.messages(EngineKind::Docker, id, has_tty, LogQuery::ALL).await?;
    Ok(Log::Streams { past, coming })
}

/// Copies a log whole. Where a followed log ended before its last lines, it is read once more, as long as its
/// container is still there.
async fn copy(
    service: &Service,
    (cuid, id): &Incarnation,
    has_tty: bool,
    log: Log,
    cancel: &CancellationToken,
) -> Result<()> {
    let mut copy = service.parts.kept_logs.copy(*cuid, id).await?;
    let mut position = Position::default();
    let (past, coming) = match log {
        Log::Streams { past, coming } => (past, coming),
        Log::File(mut file) => {
            while !cancel.is_cancelled()
                && let Some(messages) = file.next().await?
            {
                copy.write(&messages).await?;
            }
            return Ok(copy.finish().await?);
        }
    };
    pour(past, &mut position, &mut copy, cancel).await?;
    if let Some(coming) = coming {
        position.resume();
        pour(coming, &mut position, &mut copy, cancel).await?;
        position.resume();
        let query = LogQuery { since: position.since(), ..LogQuery::ALL };
        if let Ok(rest) = service.parts.engine.socket().messages(EngineKind::Docker, id, has_tty, query).await
        {
            pour(rest, &mut position, &mut copy, cancel).await?;
        }
    }
    Ok(copy.finish().await?)
}

async fn pour(
    mut reader: LogReader,
    position: &mut Position,
    copy: &mut Copy,
    cancel: &CancellationToken,
) -> Result<()> {
    let end = Instant::now() + LONGEST;
    let mut next = async || {
        tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            next = timeout_at(end, reader.next()) => next.ok()?.ok()?,
        }
    };
    // A stream that breaks off has told what it could.
    while let Some(mut messages) = next().await {
        messages.retain(|message| position.pass(message));
        copy.write(&messages).await?;
    }
    Ok(())
}
