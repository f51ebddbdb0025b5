//! Create: image, mount, compose file, container; whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::catalog::Known;
use super::change::{Bring, Change};
use super::images::{Reported, Shown};
use super::shared::Made;
use super::{Container, Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::compose_file::Definition;
use crate::container::request::CreateRequest;

impl Service {
    /// Creates a container out of a request's body.
    pub async fn create(self: &Arc<Self>, principal: &Principal, body: Value) -> Result<Container> {
        let (cuid, request) = self.accept(principal, body).await?;
        self.create_shown(principal, cuid, request, Shown::default()).await
    }

    /// The same, telling how far the pull of its image is; its id is known from the start.
    pub async fn create_told(
        self: &Arc<Self>,
        principal: &Principal,
        body: Value,
    ) -> Result<(Cuid, Reported<Container>)> {
        let place = self.parts.streams.take_place()?;
        let (cuid, request) = self.accept(principal, body).await?;
        let (service, asks) = (Arc::clone(self), principal.clone());
        let create = move |shown| async move { service.create_shown(&asks, cuid, request, shown).await };
        Ok((cuid, self.tell_in(place, create).await?))
    }

    /// Checks what can be checked at once, and keeps the name.
    async fn accept(&self, principal: &Principal, body: Value) -> Result<(Cuid, CreateRequest)> {
        let request = CreateRequest::parse(body, self.host_limits())?;
        self.binds_must_be_sound(&request.spec).await?;
        self.engine_must_answer()?;
        let cuid = Cuid::new();
        let reserved = self.reserve_name(request.spec.name.as_deref(), cuid);
        reserved.map_err(|error| self.told_to(principal, error))?;
        Ok((cuid, request))
    }

    async fn create_shown(
        self: &Arc<Self>,
        principal: &Principal,
        cuid: Cuid,
        request: CreateRequest,
        shown: Shown,
    ) -> Result<Container> {
        let (service, asks) = (Arc::clone(self), principal.clone());
        let change = async move {
            let spec = request.spec.clone();
            let mut made = Made::default();
            let result = service.make(&asks, cuid, request, (&mut made, shown)).await;
            service.note_outcome(result.as_ref().err());
            if let Err(mut error) = result {
                service.clean_for(&mut error, Some(&spec));
                service.unmake(cuid, &error).await;
                service.take_away(made, &spec).await;
                service.disown(cuid).await;
                return Err(error);
            }
            Ok(service.container(&service.get(&asks, &cuid.to_string())?))
        };
        let result = self.turns.run(cuid, change).await;
        if result.is_err() {
            self.catalog.remove(cuid);
        }
        result.map_err(|error| self.told_to(principal, error))
    }

    async fn make(
        self: &Arc<Self>,
        principal: &Principal,
        cuid: Cuid,
        request: CreateRequest,
        (made, shown): (&mut Made, Shown),
    ) -> Result<()> {
        self.adopt(principal, cuid).await?;
        let _held = self.hold_images(cuid, [request.spec.image.clone()]).await;
        self.ensure_image(&request.spec.image, &shown).await?;
        self.make_shared((cuid, Some(principal)), &request.spec, None, made).await?;
        let created_at = jiff::Zoned::now().strftime("%FT%T%.6f%:z").to_string();
        let definition = Definition::new(request.spec, created_at);
        let text = self.render(cuid, &definition)?;
        if definition.spec.mount_path.is_some() {
            self.parts.files.create(cuid).await?;
        }
        self.parts.projects.create(cuid, text).await?;
        self.parts.live.track(cuid);
        // Once more: the pull of the image may have taken its time.
        self.binds_must_be_sound(&definition.spec).await?;
        let lock = self.lock(cuid).await?;
        let change = Change { service: Arc::clone(self), cuid, lock, grace: Duration::ZERO, shown };
        if request.start {
            self.ports_must_be_free(cuid, &definition.spec.ports).await?;
            change.bring(&definition, Bring::Up).await?;
        } else {
            change.bring(&definition, Bring::Made).await?;
        }
        self.parts.live.refresh(cuid).await?;
        self.catalog.put(Known::new(cuid, Ok(definition)));
        Ok(())
    }

    /// Leaves nothing of a container that could not be made. Where the engine cannot be asked, or may still
    /// be at work, it is marked as deleted, and [`Service::reap`] ends it as soon as that can be done.
    async fn unmake(self: &Arc<Self>, cuid: Cuid, error: &Error) {
        let is_over = !matches!(error.code, Code::ChangeTimedOut | Code::EngineUnavailable);
        let removed = match self.parts.projects.read(cuid) {
            Ok(_) if is_over && self.take_down(cuid).await => self.parts.projects.discard(cuid).await,
            Ok(_) => self.parts.projects.begin_delete(cuid, false).await,
            Err(_) => self.parts.projects.discard(cuid).await,
        };
        if let Err(error) = removed {
            tracing::warn!(%cuid, %error, "what a failed create left could not be removed");
        }
        if let Err(error) = self.parts.files.remove(cuid).await {
            tracing::warn!(%cuid, %error, "the mount of a failed create could not be removed");
        }
        if let Err(error) = self.remove_kept_logs(cuid).await {
            tracing::warn!(%cuid, message = error.message, "the kept logs of a failed create could not be removed");
        }
        self.parts.live.forget(cuid);
    }

    async fn take_down(self: &Arc<Self>, cuid: Cuid) -> bool {
        let Ok(lock) = self.lock(cuid).await else { return false };
        self.parts.compose.down(&lock).await.is_ok()
    }

    /// Keeps a name for a container.
    pub(super) fn reserve_name(&self, name: Option<&str>, cuid: Cuid) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        self.catalog.reserve(name, cuid).map_err(|holder| {
            Error::new(
                Code::NameInUse,
                format!("the name {name} belongs to another container: choose another"),
            )
            .with("field", "name")
            .with("name", name)
            .with("held_by", holder.to_string())
        })
    }
}
