//! PATCH: a new configuration in the place of the old one, or the old one as it was.

use std::sync::Arc;

use serde_json::Value;

use super::catalog::Known;
use super::change::{Bring, Change};
use super::images::{Reported, Shown};
use super::limits::LiveChange;
use super::shared::Made;
use super::{Container, Error, Result, Service};
use crate::access::Principal;
use crate::compose::Recreate;
use crate::container::compose_file::{self, Definition};
use crate::container::status::{State, Status};
use crate::container::{Spec, request};

impl Service {
    /// Changes a container as the body of a PATCH says.
    pub async fn update(self: &Arc<Self>, principal: &Principal, id: &str, body: Value) -> Result<Container> {
        self.update_shown(principal, id, body, Shown::default()).await
    }

    /// The same, telling how far a pull is.
    pub async fn update_told(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        body: Value,
    ) -> Result<Reported<Container>> {
        let (service, asks, id) = (Arc::clone(self), principal.clone(), id.to_owned());
        self.tell(move |shown| async move { service.update_shown(&asks, &id, body, shown).await }).await
    }

    async fn update_shown(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        body: Value,
        shown: Shown,
    ) -> Result<Container> {
        let asks = principal.clone();
        self.change_shown(principal, id, shown, |change| async move {
            let current = change.settled_definition().await?;
            let spec = request::patch(&current.spec, body, change.service.host_limits())?;
            change.apply(&asks, current, spec).await
        })
        .await
    }

    /// Puts a list of ports in the place of the old one.
    pub async fn update_ports(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        body: Value,
    ) -> Result<Container> {
        let asks = principal.clone();
        self.change(principal, id, |change| async move {
            let current = change.settled_definition().await?;
            let spec = request::ports(&current.spec, body)?;
            change.apply(&asks, current, spec).await
        })
        .await
    }
}

impl Change {
    /// Brings a new configuration up; whenever that fails, the old one is back, or the error says that it is not.
    pub(super) async fn apply(&self, principal: &Principal, current: Definition, spec: Spec) -> Result<()> {
        if spec == current.spec {
            return Ok(());
        }
        let images = [current.spec.image.clone(), spec.image.clone()];
        let _held = self.service.hold_images(self.cuid, images).await;
        let state = self.state().await?;
        let live = self.live_change(&current, &spec, &state).await?;
        let wanted = match live {
            Some(_) => Definition { spec, ..current.clone() },
            None => self.wanted(&current, spec, &state).await?,
        };
        self.service.parts.projects.keep(self.cuid).await?;
        self.service.reserve_name(wanted.spec.name.as_deref(), self.cuid)?;
        let mut made = Made::default();
        let volumes = self.service.own_volumes(self.cuid).await;
        match self.bring_new(principal, (&current, &wanted), &state, (live, &mut made)).await {
            Ok(definition) => {
                // The old name was kept until now, so that it could come back.
                self.service.catalog.put(Known::new(self.cuid, Ok(definition)));
                self.service.release_network(&current.spec).await;
                self.service.remove_unused(volumes).await;
                self.settled().await;
                Ok(())
            }
            Err(mut error) => {
                self.service.clean_for(&mut error, Some(&wanted.spec));
                let back = self.bring_back(&current, &state, &volumes).await;
                self.service.take_away(made, &wanted.spec).await;
                match back {
                    Ok(()) => Err(error),
                    Err(_) if error.details.contains_key("rolled_back") => Err(error),
                    Err(second) => Err(not_back(error, &second)),
                }
            }
        }
    }

    /// The definition that a PATCH asks for. One that is up is started with it, and `boot.py` is looked for.
    async fn wanted(&self, current: &Definition, spec: Spec, state: &State) -> Result<Definition> {
        let looks = state.status.is_up() && spec.would_boot();
        let boots = if looks { self.has_boot_file().await? } else { current.boots && spec.would_boot() };
        let mut by_hand = current.by_hand.clone();
        by_hand.give_up(&current.spec, &spec);
        Ok(Definition { spec, boots, by_hand, ..current.clone() })
    }

    /// Writes the new file and makes it true; answers what the file then says.
    async fn bring_new(
        &self,
        principal: &Principal,
        (current, wanted): (&Definition, &Definition),
        state: &State,
        (live, made): (Option<LiveChange>, &mut Made),
    ) -> Result<Definition> {
        let parts = &self.service.parts;
        if wanted.spec.ports != current.spec.ports {
            self.service.ports_must_be_free(self.cuid, &wanted.spec.ports).await?;
        }
        let around = self.service.surroundings();
        let is_same = compose_file::is_same_container(self.cuid, current, wanted, &around);
        let stays = live.is_some() || (is_same && state.status != Status::Missing);
        if !is_same && !stays {
            self.service.ensure_image(&wanted.spec.image, &self.shown).await?;
            self.service.binds_must_be_sound(&wanted.spec).await?;
            let who = (self.cuid, Some(principal));
            self.service.make_shared(who, &wanted.spec, Some(&current.spec), made).await?;
        }
        if wanted.spec.mount_path.is_some() {
            parts.files.create(self.cuid).await?;
        }
        // A mark holds as long as the container that bears it.
        let mark = current.limits_set_live.clone().filter(|_| is_same && stays);
        let wanted = Definition { limits_set_live: mark, ..wanted.clone() };
        self.replace(&wanted).await?;
        self.service.reserve_name(current.spec.name.as_deref(), self.cuid)?;
        let done = match live {
            Some(live) => self.set_live(&wanted, &live).await?,
            None => stays.then(|| wanted.clone()),
        };
        match done {
            Some(definition) => Ok(definition),
            None => self.match_engine(&wanted, state.status).await.map(|()| wanted),
        }
    }

    /// Makes the engine's container as the file says, and puts it into the status that it had.
    pub(super) async fn match_engine(&self, definition: &Definition, status: Status) -> Result<()> {
        self.match_engine_when(definition, status, self.recreate(definition).await?).await
    }

    /// The same, with a word on when a container that is there is made anew.
    pub(super) async fn match_engine_when(
        &self,
        definition: &Definition,
        status: Status,
        recreate: Recreate,
    ) -> Result<()> {
        if !status.is_up() {
            return self.bring_when(definition, Bring::Made, recreate).await;
        }
        self.bring_when(definition, Bring::Up, recreate).await?;
        if status == Status::Paused && self.state().await?.status == Status::Running {
            self.service.parts.compose.pause(&self.lock).await?;
        }
        Ok(())
    }
}

/// The error of a change that failed and could not be taken back whole.
pub(super) fn not_back(error: Error, second: &Error) -> Error {
    tracing::error!(message = second.message, "the container before a failed change is not back");
    let message =
        format!("{}; the container before it could not be brought back: start it again", error.message);
    Error { message, ..error }.with("rolled_back", false)
}
