//! Prune: the images that no one needs, one by one, since the engine's own prune knows no compose files.

use std::collections::HashSet;
use std::sync::Arc;

use super::reclaimed::{LayerSizes, reclaimed};
use super::{ImageFilter, InspectedImage, RemovedImages};
use crate::container::EngineKind;
use crate::engine::EngineError;
use crate::service::{Result, Service};

/// Which images are to go.
#[derive(Clone, Debug, Default)]
pub struct ImagePrune {
    /// Those with a name as well, when no container is made of them.
    pub all: bool,
    /// Labels that all have to be there: `key` or `key=value`.
    pub labels: Vec<String>,
}

impl Service {
    /// Removes the images that no container of the engine is made of and no compose file of ours names. Answers
    /// what is gone, and how many bytes of layers with it.
    pub async fn prune_images(self: &Arc<Self>, query: ImagePrune) -> Result<(RemovedImages, u64)> {
        self.engine_must_answer()?;
        let socket = self.parts.engine.socket();
        let filter = ImageFilter {
            dangling: (!query.all).then_some(true),
            labels: query.labels,
            ..Default::default()
        };
        // The list first: what is made of an image between the two is seen.
        let images = socket.images(&filter).await?;
        let used: HashSet<String> = socket.image_uses().await?.into_iter().map(|used| used.image).collect();
        let (mut all, mut bytes) = (RemovedImages::default(), 0);
        for image in images.iter().filter(|image| !used.contains(&image.id)) {
            match self.prune_image(&image.id, query.all, &mut all).await {
                Ok(freed) => bytes += freed,
                Err(error) => {
                    let RemovedImages { deleted, untagged } = all;
                    let error = error.with("deleted", deleted).with("untagged", untagged);
                    return Err(error.with("space_reclaimed", bytes));
                }
            }
        }
        Ok((all, bytes))
    }

    /// Removes one image, as it is by now, unless it is needed; one that the engine keeps stays. Answers how many
    /// bytes went with it.
    async fn prune_image(&self, id: &str, all: bool, removed: &mut RemovedImages) -> Result<u64> {
        let _turn = self.held_images.removing.lock().await;
        let Some(image) = self.parts.engine.socket().image(id).await? else { return Ok(0) };
        let names = image.names();
        let has_come_by_a_name = !all && !names.tags.is_empty();
        if has_come_by_a_name || !self.naming(names).is_empty() || !self.holding(names).is_empty() {
            return Ok(0);
        }
        let sizes = self.layer_sizes(&image).await?;
        let mut targets: Vec<&str> = names.tags.iter().chain(names.digests).map(String::as_str).collect();
        if targets.is_empty() {
            targets.push(&image.id);
        }
        let mut deleted = Vec::new();
        for target in targets {
            match self.parts.engine.socket().remove_image(target, false).await {
                Ok(more) => {
                    deleted.extend_from_slice(&more.deleted);
                    removed.deleted.extend(more.deleted);
                    removed.untagged.extend(more.untagged);
                }
                // Someone needs it, or was faster; with the last tag of a repository its digests have gone.
                Err(EngineError::Api { status: 404 | 409, .. }) => {}
                Err(error) => return Err(self.redacted(error.into())),
            }
        }
        Ok(match self.parts.live.engine_kind() {
            // It does not tell of layers.
            Some(EngineKind::Podman) if deleted.iter().any(|id| image.id.ends_with(id)) => image.size,
            _ => reclaimed(&sizes, &deleted),
        })
    }

    async fn layer_sizes(&self, image: &InspectedImage) -> Result<LayerSizes> {
        let history = match self.parts.engine.socket().image_history(&image.id).await {
            Err(error) if error.status() == Some(404) => Vec::new(),
            history => history?,
        };
        let sizes = history.iter().rev().map(|step| step.size).filter(|size| *size > 0).collect();
        Ok(LayerSizes { layers: image.layers().to_vec(), sizes })
    }
}
