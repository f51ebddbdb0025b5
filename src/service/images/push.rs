//! Push: an image to its registry.

use std::sync::Arc;

use super::report::{Reported, Shown};
use super::transfer::Key;
use super::{Direction, Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::image::Reference;

/// An image that a registry has now.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// Its name with tag.
    pub image: String,
    /// The digest of its manifest.
    pub digest: String,
    /// The size of its manifest, in bytes.
    pub size: u64,
}

impl Service {
    /// Gives an image to its registry. One that was made of a container is not for whom the values of its variables
    /// are hidden from: who has the registry has them.
    pub async fn push(self: &Arc<Self>, principal: &Principal, reference: Reference) -> Result<Pushed> {
        self.transfers.must_be_open()?;
        self.push_shown(principal, reference, &Shown::default()).await
    }

    /// The same, telling how far it is.
    pub async fn push_told(
        self: &Arc<Self>,
        principal: Principal,
        reference: Reference,
    ) -> Result<Reported<Pushed>> {
        self.transfers.must_be_open()?;
        let service = Arc::clone(self);
        self.tell(move |shown| async move { service.push_shown(&principal, reference, &shown).await }).await
    }

    async fn push_shown(
        self: &Arc<Self>,
        principal: &Principal,
        reference: Reference,
        shown: &Shown,
    ) -> Result<Pushed> {
        self.engine_must_answer()?;
        let image = reference.to_string();
        let Some(facts) = self.parts.engine.socket().image(&image).await? else {
            let text = format!("image {image} is not on this host: pull, build or tag it first");
            return Err(Error::new(Code::ImageNotFound, text).with("image", image));
        };
        self.must_be_shown_whole(principal, &facts)?;
        let transfer =
            self.transfer(Key { direction: Direction::Push, reference, pushed: Some(facts.id) })?;
        shown.show(Arc::clone(&transfer));
        let arrived = transfer.ended().await?;
        Ok(Pushed { image, digest: arrived.id, size: arrived.size })
    }
}
