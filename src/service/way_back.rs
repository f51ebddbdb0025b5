//! The way back of a failed change: the container as it was, with the volumes that it alone had.

use super::Result;
use super::catalog::Known;
use super::change::{Bring, Change};
use crate::compose::Recreate;
use crate::container::Spec;
use crate::container::compose_file::{Definition, OwnVolume};
use crate::container::status::State;

impl Change {
    /// Puts the old file back, and the old container where the new one has taken its place. `volumes` are those
    /// that the old one had for itself.
    pub(super) async fn bring_back(
        &self,
        current: &Definition,
        before: &State,
        volumes: &[OwnVolume],
    ) -> Result<()> {
        self.restore(current).await?;
        // Where this breaks off, the container is made as the file says when the engine is back.
        self.service.unsettled.note(self.cuid);
        let now = self.state().await?;
        if now.engine_id != before.engine_id || now.status != before.status {
            let (lost, strays) = self.lost(volumes).await;
            let handed_on = self.hand_on(current, &lost).await;
            let result = self.match_engine(current, before.status).await;
            self.service.remove_unused(strays).await;
            result.and(handed_on)?;
        }
        self.settled().await;
        Ok(())
    }

    /// Puts the container back as it was, of the very image that it was made of: its name stands for another
    /// by now, so the file names it by its id for as long as that takes.
    pub(super) async fn bring_old_back(
        &self,
        current: &Definition,
        before: &State,
        image: Option<String>,
        volumes: &[OwnVolume],
    ) -> Result<()> {
        let now = self.state().await?;
        let Some(image) = image.filter(|_| now.engine_id != before.engine_id || now.status != before.status)
        else {
            return Ok(());
        };
        let (lost, strays) = self.lost(volumes).await;
        let spec = Spec { image, ..current.spec.clone() };
        let pinned = Definition { spec, limits_set_live: None, ..current.clone() }.with_volumes(&lost);
        self.replace(&pinned).await?;
        let result = self.match_engine(&pinned, before.status).await;
        self.restore(current).await?;
        self.service.remove_unused(strays).await;
        result?;
        self.settled().await;
        Ok(())
    }

    async fn restore(&self, current: &Definition) -> Result<()> {
        self.service.parts.projects.restore(self.cuid).await?;
        self.service.catalog.put(Known::new(self.cuid, Ok(current.clone())));
        Ok(())
    }

    /// What the container that is there by now does not have of these volumes, and what it has beside them.
    async fn lost(&self, before: &[OwnVolume]) -> (Vec<OwnVolume>, Vec<OwnVolume>) {
        let now = self.service.own_volumes(self.cuid).await;
        let without = |all: &[OwnVolume], others: &[OwnVolume]| {
            all.iter().filter(|volume| !others.contains(volume)).cloned().collect()
        };
        (without(before, &now), without(&now, before))
    }

    /// Gives volumes that only their names lead to by now to the container that is made next: one is made that
    /// names them, and never runs. Compose hands them on from that by where they are mounted, as it does whenever
    /// it makes a container anew.
    async fn hand_on(&self, current: &Definition, volumes: &[OwnVolume]) -> Result<()> {
        if volumes.is_empty() {
            return Ok(());
        }
        let pinned = Definition { limits_set_live: None, ..current.with_volumes(volumes) };
        self.replace(&pinned).await?;
        let result = self.bring_when(&pinned, Bring::Made, Recreate::Always).await;
        self.restore(current).await?;
        result
    }
}
