//! Recreate: the same configuration, made anew with what the image's name stands for by now. And rename.

use std::sync::Arc;

use serde_json::Value;

use super::change::Change;
use super::images::{Reported, Shown};
use super::update::not_back;
use super::{Container, Result, Service};
use crate::access::Principal;
use crate::compose::Recreate;
use crate::container::{Spec, request};

impl Service {
    /// Gives a container another name; nothing of it is restarted.
    pub async fn rename(self: &Arc<Self>, principal: &Principal, id: &str, body: Value) -> Result<Container> {
        let name = request::name(body)?;
        let asks = principal.clone();
        self.change(principal, id, |change| async move {
            let current = change.settled_definition().await?;
            let spec = Spec { name: Some(name), ..current.spec.clone() };
            change.apply(&asks, current, spec).await
        })
        .await
    }

    /// Makes a container anew with its image's newest version: the local one, or the registry's with `pull`.
    pub async fn recreate(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        pull: bool,
    ) -> Result<Container> {
        self.recreate_shown(principal, id, pull, Shown::default()).await
    }

    /// The same, telling how far a pull is.
    pub async fn recreate_told(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        pull: bool,
    ) -> Result<Reported<Container>> {
        let (service, asks, id) = (Arc::clone(self), principal.clone(), id.to_owned());
        self.tell(move |shown| async move { service.recreate_shown(&asks, &id, pull, shown).await }).await
    }

    async fn recreate_shown(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        pull: bool,
        shown: Shown,
    ) -> Result<Container> {
        self.change_shown(principal, id, shown, move |change| async move {
            let image = change.definition()?.spec.image;
            // What it was made of as well: a pull takes the name away from that, and it may be needed again.
            let made_of = change.service.parts.engine.socket().image_of(&change.cuid.to_string()).await?;
            let images = [Some(image.clone()), made_of].into_iter().flatten();
            let _held = change.service.hold_images(change.cuid, images).await;
            if pull {
                change.service.pull_image(&image, &change.shown).await?;
            } else {
                change.service.ensure_image(&image, &change.shown).await?;
            }
            change.make_anew().await
        })
        .await
    }
}

impl Change {
    async fn make_anew(&self) -> Result<()> {
        let state = self.state().await?;
        // One that is up is started, and `boot.py` is looked for at each start.
        let definition =
            if state.status.is_up() { self.settle_program().await?.0 } else { self.definition()? };
        self.service.binds_must_be_sound(&definition.spec).await?;
        let volumes = self.service.own_volumes(self.cuid).await;
        let old_image = self.service.parts.engine.socket().image_of(&self.cuid.to_string()).await?;
        let result = self.match_engine_when(&definition, state.status, Recreate::Always).await;
        let Err(mut error) = result else {
            self.service.remove_unused(volumes).await;
            return self.forget_void_mark(definition).await;
        };
        self.service.clean_for(&mut error, Some(&definition.spec));
        match self.bring_old_back(&definition, &state, old_image, &volumes).await {
            Ok(()) => Err(error),
            Err(second) => Err(not_back(error, &second)),
        }
    }
}
