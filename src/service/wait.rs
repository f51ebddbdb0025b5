//! Wait: the end of a container, whoever brings it about.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::inspection::missing;
use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::Cuid;
use crate::engine::{EngineError, EngineHealth};

/// What the engine says of an end.
type Told = std::result::Result<i64, EngineError>;

/// How long the engine has to answer, whatever the limit.
const LEAST: Duration = Duration::from_secs(1);
/// How long it may take until Podman has noted the end of a container.
const NOTED_WITHIN: Duration = Duration::from_secs(5);

impl Service {
    /// Waits until a container does not run, and answers its exit code: at once for one that has ended, and
    /// with 0 for one that was never started, as `docker wait` does. One that a change of this API makes anew
    /// has not ended by that; one that is restarted has. Nothing is held while this waits.
    pub async fn wait(&self, id: &str, limit: Option<Duration>) -> Result<i64> {
        let shutdown = self.parts.terminals.shutdown();
        // The engine answers at once for one that has ended, but not within no time.
        let allowed = limit.map(|limit| limit.max(LEAST));
        tokio::select! {
            code = self.end_of(id) => code,
            () = elapsed(allowed) => self.known_end(id).ok_or_else(|| too_long(limit.unwrap_or_default())),
            error = self.interrupted(&shutdown) => Err(error),
        }
    }

    /// The exit code of a container that has ended as far as is known: of one that a busy engine did not answer for
    /// in time.
    fn known_end(&self, id: &str) -> Option<i64> {
        let cuid = self.in_engine(id).ok()?;
        let state = self.parts.live.state(cuid);
        (!self.turns.is_busy(cuid) && !state.status.is_up()).then(|| state.exit_code.unwrap_or_default())
    }

    async fn end_of(&self, id: &str) -> Result<i64> {
        let cuid = self.in_engine(id)?;
        loop {
            let (waited_for, code) = self.end_of_run(cuid).await?;
            self.turns.idle(cuid).await;
            if self.catalog.get(cuid).is_none() {
                return Err(Error::no_container(id));
            }
            let now = self.parts.live.refresh(cuid).await?;
            if now.engine_id == waited_for || !now.status.is_up() {
                return code.map_err(|error| self.of_container(cuid, id, error));
            }
        }
    }

    /// The engine's id of a container, and the exit code at the end of its present run.
    async fn end_of_run(&self, cuid: Cuid) -> Result<(Option<String>, Told)> {
        let (live, socket) = (&self.parts.live, self.parts.engine.socket());
        if !self.is_podman() {
            let id = live.state(cuid).engine_id.clone();
            let code = socket.container_end(id.as_deref().unwrap_or(&cuid.to_string())).await;
            return Ok((id, code));
        }
        // Podman takes its time to tell of one that has ended, and has -1 for one that never ran.
        let state = live.refresh(cuid).await?;
        let id = state.engine_id.clone().ok_or_else(missing)?;
        if !state.status.is_up() {
            return Ok((state.engine_id, Ok(state.exit_code.unwrap_or_default())));
        }
        let begun = state.started_at.and_then(|at| at.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        // It looks now and then whether the container runs: a restart may have passed in between. Of one that was
        // removed it may say 0. What it notes of the end is right.
        let code = tokio::select! {
            told = socket.container_end(&id) => {
                let noted = socket.podmans_past_end(&id, begun);
                timeout(NOTED_WITHIN, noted).await.unwrap_or(told)
            }
            code = socket.podmans_end(&id, begun) => code,
        };
        Ok((state.engine_id, code))
    }

    /// Returns when there is no use in waiting any longer for what the engine is to say.
    pub(super) async fn interrupted(&self, shutdown: &CancellationToken) -> Error {
        let mut health = self.parts.live.health_changes();
        tokio::select! {
            () = shutdown.cancelled() => Error::shutting_down(),
            health = health.wait_for(|health| matches!(health, EngineHealth::Down { .. })) => match health.as_deref() {
                Ok(EngineHealth::Down { reason, .. }) => Error::engine_away(reason),
                _ => Error::engine_away("it is no longer looked after"),
            },
        }
    }
}

async fn elapsed(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

fn too_long(limit: Duration) -> Error {
    let message = format!("the container did not end within {} s: wait again, or longer", limit.as_secs());
    Error::new(Code::WaitTimedOut, message).with("timeout_s", limit.as_secs())
}
