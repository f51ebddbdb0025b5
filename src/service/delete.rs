//! Delete: the container, its compose folder and its mount, in an order that a crash cannot spoil.

use std::sync::Arc;

use super::change::Change;
use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::Cuid;

/// How a container is deleted.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteOptions {
    /// Also when it runs.
    pub force: bool,
    /// Its mount stays.
    pub keep_files: bool,
}

impl Service {
    /// Deletes a container.
    pub async fn delete(self: &Arc<Self>, id: &str, options: DeleteOptions) -> Result<Cuid> {
        let cuid = self.resolve(id)?;
        self.in_turn(cuid, move |change| async move { change.delete(options).await }).await?;
        Ok(cuid)
    }
}

impl Change {
    pub(super) async fn delete(&self, options: DeleteOptions) -> Result<()> {
        let (service, cuid) = (&self.service, self.cuid);
        let status = self.state().await?.status;
        if status.is_up() && !options.force {
            let message = "the container is up: stop it first, or delete it with force=true";
            return Err(Error::new(Code::ContainerRunning, message)
                .with("status", status.as_str())
                .with("action", "delete")
                .with("allowed", vec!["stop"]));
        }
        let spec = self.definition().ok().map(|definition| definition.spec);
        let volumes = service.own_volumes(cuid).await;
        self.take_down().await?;
        service.remove_unused(volumes).await;
        service.parts.projects.begin_delete(cuid, options.keep_files).await?;
        service.catalog.remove(cuid);
        service.parts.live.forget(cuid);
        service.disown(cuid).await;
        if let Some(spec) = spec {
            service.release_network(&spec).await;
        }
        if !options.keep_files {
            service.parts.files.remove(cuid).await?;
        }
        service.remove_kept_logs(cuid).await?;
        Ok(service.parts.projects.finish_delete(cuid).await?)
    }

    /// Removes the engine's container. Compose needs a file that it can read: where there is none, one stands
    /// in, and a person's own is put back when it did not help.
    async fn take_down(&self) -> Result<()> {
        let (service, cuid) = (&self.service, self.cuid);
        self.thaw().await?;
        if self.definition().is_ok() {
            return Ok(service.parts.compose.down(&self.lock).await?);
        }
        // The container is found by its project's label.
        let stand_in = format!("services: {{\"{cuid}\": {{image: scratch}}}}\n");
        service.parts.projects.replace(cuid, stand_in).await?;
        let result = service.parts.compose.down(&self.lock).await;
        if result.is_err() {
            service.parts.projects.restore(cuid).await?;
            service.parts.projects.keep(cuid).await?;
        }
        Ok(result?)
    }
}
