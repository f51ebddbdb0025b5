//! A change that broke off: the engine's container is made as the file says, or the file is put back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::change::Change;
use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::compose_file::Definition;

/// The containers that a broken-off change may have left as another than their files say: the daemon was killed
/// in it, or the engine went while the container before it was brought back.
#[derive(Default)]
pub(super) struct Unsettled(Mutex<BTreeSet<Cuid>>);

impl Unsettled {
    /// Notes a container.
    pub(super) fn note(&self, cuid: Cuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(cuid);
    }

    fn forget(&self, cuid: Cuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&cuid);
    }

    fn has(&self, cuid: Cuid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&cuid)
    }

    fn all(&self) -> Vec<Cuid> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl Service {
    /// Settles every container that has to be. What the engine does not answer for is tried again.
    pub(super) async fn settle_all(self: &Arc<Self>) {
        for cuid in self.unsettled.all() {
            let settled = self.in_turn(cuid, |change| async move { change.settle().await }).await;
            match settled {
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                // Deleted meanwhile: there is nothing to put right any more.
                Err(error) if error.code == Code::ContainerNotFound => self.unsettled.forget(cuid),
                Err(error) => {
                    let message = error.message;
                    tracing::error!(%cuid, message, "what a broken-off change left could not be put right");
                    self.unsettled.forget(cuid);
                }
            }
        }
    }
}

impl Change {
    /// What the file says, once a change before this one has come to its end.
    pub(super) async fn settled_definition(&self) -> Result<Definition> {
        self.settle().await?;
        self.definition()
    }

    /// The file and the engine's container are one again. What cannot be noted on the disk is looked at once more.
    pub(super) async fn settled(&self) {
        match self.service.parts.projects.keep(self.cuid).await {
            Ok(()) => self.service.unsettled.forget(self.cuid),
            Err(error) => {
                tracing::warn!(cuid = %self.cuid, %error, "the file before a change could not be removed");
                self.service.unsettled.note(self.cuid);
            }
        }
    }

    /// Makes the engine's container as the file says. Where that is not possible, as the file before it said.
    async fn settle(&self) -> Result<()> {
        if !self.service.unsettled.has(self.cuid) {
            return Ok(());
        }
        match self.make_true().await {
            Ok(()) => {}
            Err(error) if is_passing(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(cuid = %self.cuid, message = error.message, "a broken-off change is taken back");
                self.service.parts.projects.restore(self.cuid).await?;
                self.service.reread(self.cuid);
                match self.make_true().await {
                    Err(error) if is_passing(&error) => return Err(error),
                    // What is wrong with it shows as its state, or as that of its file.
                    _ => {}
                }
            }
        }
        tracing::info!(cuid = %self.cuid, "a change that had broken off has come to its end");
        self.settled().await;
        Ok(())
    }

    async fn make_true(&self) -> Result<()> {
        let definition = self.definition()?;
        let status = self.state().await?.status;
        self.match_engine(&definition, status).await
    }
}

/// Whether it may pass by itself.
const fn is_passing(error: &Error) -> bool {
    matches!(error.code, Code::EngineUnavailable | Code::ChangeTimedOut | Code::NoSpace)
}
