//! What a start does before it serves, and what is made good while it serves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use super::catalog::Known;
use super::{Result, Service};
use crate::compose::projects::HalfDeleted;
use crate::container::Cuid;
use crate::container::compose_file::{self, ReadError};
use crate::engine::EngineHealth;

/// How often half-deleted containers are tried again.
const REAP_EVERY: Duration = Duration::from_secs(20);

impl Service {
    /// Removes what was never finished, and knows every container again; says how many there are.
    pub async fn recover(self: &Arc<Self>) -> Result<usize> {
        self.parts.projects.sweep()?;
        let projects = self.parts.projects.read_all()?;
        let count = projects.len();
        let mut found: Vec<Known> = projects.into_iter().map(|(cuid, text)| known(cuid, text)).collect();
        // In the order of creation: of two that bear one name, the older keeps it.
        found.sort_by_key(Known::place);
        for known in found {
            self.parts.live.track(known.cuid);
            if self.parts.projects.is_unsettled(known.cuid) {
                self.unsettled.note(known.cuid);
            }
            self.catalog.put(known);
        }
        for cuid in self.parts.files.cuids().await? {
            if self.catalog.get(cuid).is_none()
                && let Err(error) = self.parts.files.remove_if_empty(cuid).await
            {
                tracing::warn!(%cuid, %error, "an empty mount could not be removed");
            }
        }
        for cuid in self.parts.kept_logs.cuids().await? {
            if self.catalog.get(cuid).is_none()
                && let Err(error) = self.parts.kept_logs.remove(cuid).await
            {
                tracing::warn!(%cuid, %error, "the kept logs of a deleted container could not be removed");
            }
        }
        Ok(count)
    }

    /// Ends what is half deleted and what broke off, whenever the engine is back and now and then.
    pub async fn reap(self: Arc<Self>) {
        let mut health = self.parts.live.health_changes();
        let mut again = interval(REAP_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = health.changed() => if changed.is_err() { return },
                _ = again.tick() => {}
            }
            let is_up = matches!(*health.borrow_and_update(), EngineHealth::Up(_));
            if is_up {
                self.settle_all().await;
            }
            for half in self.parts.projects.half_deleted().unwrap_or_default() {
                if is_up && let Err(error) = self.finish_delete(half).await {
                    tracing::warn!(cuid = %half.cuid, message = error.message, "a deletion could not be finished");
                }
            }
        }
    }

    async fn finish_delete(self: &Arc<Self>, half: HalfDeleted) -> Result<()> {
        let service = Arc::clone(self);
        let work = async move {
            let parts = &service.parts;
            if !parts.projects.half_deleted()?.iter().any(|other| other.cuid == half.cuid) {
                return Ok(());
            }
            let lock = parts.projects.lock_deleted(half, parts.settings.change_timeout).await?;
            let text = parts.projects.read_locked(&lock);
            // The file goes when all else has gone: without it there is nothing to end, nor could Compose.
            let is_down = text.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
            let definition = text.ok().and_then(|text| compose_file::read(half.cuid, &text).ok());
            if !is_down {
                let volumes = service.own_volumes(half.cuid).await;
                parts.compose.down(&lock).await?;
                service.remove_unused(volumes).await;
            }
            if let Some(definition) = definition {
                service.release_network(&definition.spec).await;
            }
            if !half.keep_files {
                parts.files.remove(half.cuid).await?;
            }
            service.remove_kept_logs(half.cuid).await?;
            service.disown(half.cuid).await;
            Ok(parts.projects.finish_delete(half.cuid).await?)
        };
        self.turns.run(half.cuid, work).await
    }

    /// Reads a compose file anew whenever the engine says that its container changed: a person may have
    /// edited it and run `docker compose`.
    pub async fn follow_edits(self: Arc<Self>) {
        let mut changes = self.parts.live.state_changes();
        loop {
            match changes.recv().await {
                Ok(cuid) => self.reread_in_turn(cuid),
                Err(RecvError::Lagged(_)) => {
                    self.catalog.all().iter().for_each(|known| self.reread_in_turn(known.cuid));
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// A change that is under way reads the file itself.
    fn reread_in_turn(self: &Arc<Self>, cuid: Cuid) {
        if self.turns.is_busy(cuid) || self.catalog.get(cuid).is_none() {
            return;
        }
        let service = Arc::clone(self);
        tokio::spawn(async move {
            let again = Arc::clone(&service);
            let reread = async move {
                if again.catalog.get(cuid).is_some() {
                    again.reread(cuid);
                }
                Ok(())
            };
            // At a shutdown there is nothing to read for.
            let _ = service.turns.run(cuid, reread).await;
        });
    }
}

fn known(cuid: Cuid, text: std::io::Result<String>) -> Known {
    let definition = match text {
        Ok(text) => compose_file::read(cuid, &text),
        Err(error) => Err(ReadError::unreadable(&error)),
    };
    if let Err(error) = &definition {
        tracing::warn!(%cuid, %error, "a container cannot be read back");
    }
    Known::new(cuid, definition)
}
