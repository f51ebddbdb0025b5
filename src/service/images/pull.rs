//! Pull: an image from its registry, for its own sake or for a container's.

use std::sync::Arc;

use serde_json::Value;

use super::report::{Reported, Shown};
use super::transfer::Key;
use super::{Direction, Error, Result, Service};
use crate::codes::Code;
use crate::container::image::Reference;
use crate::container::transfer_request;

/// An image that is here now.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Its id.
    pub id: String,
    /// Its name, with tag or digest.
    pub image: String,
    /// How much it takes on the disk, in bytes.
    pub size: u64,
}

impl Service {
    /// The image that the body of a request names.
    pub fn image_to_move(&self, body: Value, direction: Direction) -> Result<Reference> {
        Ok(transfer_request::image(body, direction == Direction::Push)?)
    }

    /// Pulls an image, also one that is here: there may be a newer one.
    pub async fn pull(self: &Arc<Self>, reference: Reference) -> Result<Pulled> {
        self.transfers.must_be_open()?;
        self.pull_shown(reference, &Shown::default()).await
    }

    /// The same, telling how far it is.
    pub async fn pull_told(self: &Arc<Self>, reference: Reference) -> Result<Reported<Pulled>> {
        self.transfers.must_be_open()?;
        let service = Arc::clone(self);
        self.tell(move |shown| async move { service.pull_shown(reference, &shown).await }).await
    }

    /// Makes sure that the engine has the image of a container: it is pulled when it is missing.
    pub(in crate::service) async fn ensure_image(self: &Arc<Self>, image: &str, shown: &Shown) -> Result<()> {
        match self.parts.engine.socket().image(image).await? {
            Some(_) => Ok(()),
            None => self.pull_image(image, shown).await,
        }
    }

    /// Pulls the image of a container.
    pub(in crate::service) async fn pull_image(self: &Arc<Self>, image: &str, shown: &Shown) -> Result<()> {
        let reference = Reference::parse(image)
            .map_err(|problem| Error::new(Code::InvalidImage, format!("image {image}: {problem}")))?;
        self.pull_shown(reference, shown).await.map(drop)
    }

    async fn pull_shown(self: &Arc<Self>, reference: Reference, shown: &Shown) -> Result<Pulled> {
        self.engine_must_answer()?;
        let image = reference.to_string();
        let transfer = self.transfer(Key { direction: Direction::Pull, reference, pushed: None })?;
        shown.show(Arc::clone(&transfer));
        let arrived = transfer.ended().await?;
        Ok(Pulled { id: arrived.id, image, size: arrived.size })
    }
}
