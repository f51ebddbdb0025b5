//! Start, stop, restart, pause, unpause.

use std::sync::Arc;
use std::time::Duration;

use super::change::{Bring, Change};
use super::{Container, Error, Result, Service};
use crate::access::Principal;
use crate::compose::Grace;
use crate::container::Spec;
use crate::container::compose_file::DOCKERS_GRACE;
use crate::container::status::{Action, State, Verdict};

impl Service {
    /// Does an action, or nothing when it is done already; `grace` is what stop and restart give the
    /// processes before SIGKILL (the container's own stop time when none is said).
    pub async fn act(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        action: Action,
        grace: Option<Duration>,
    ) -> Result<Container> {
        self.change(principal, id, move |change| async move {
            let state = change.state().await?;
            match action.verdict(state.status) {
                Verdict::Nothing => Ok(()),
                Verdict::Refuse => Err(Error::invalid_state(state.status, action)),
                Verdict::Do => change.act(action, &state, grace).await,
            }
        })
        .await
    }
}

impl Change {
    async fn act(&self, action: Action, state: &State, grace: Option<Duration>) -> Result<()> {
        let compose = &self.service.parts.compose;
        match action {
            Action::Start => self.start().await,
            Action::Stop => self.stop(grace).await,
            Action::Restart => self.restart(state, grace).await,
            Action::Pause => Ok(compose.pause(&self.lock).await?),
            Action::Unpause => self.unpause().await,
        }
    }

    /// Brings the container up, with `boot.py` when the mount holds it by now.
    pub(super) async fn start(&self) -> Result<()> {
        let (definition, _) = self.settle_program().await?;
        self.service.ports_must_be_free(self.cuid, &definition.spec.ports).await?;
        self.service.ensure_image(&definition.spec.image, &self.shown).await?;
        self.service.binds_must_be_sound(&definition.spec).await?;
        self.bring(&definition, Bring::Up).await?;
        self.forget_void_mark(definition).await
    }

    async fn stop(&self, grace: Option<Duration>) -> Result<()> {
        self.thaw().await?;
        Ok(self.service.parts.compose.stop(&self.lock, self.with_own(grace)).await?)
    }

    async fn restart(&self, state: &State, grace: Option<Duration>) -> Result<()> {
        let (definition, has_changed) = self.settle_program().await?;
        self.service.binds_must_be_sound(&definition.spec).await?;
        let compose = &self.service.parts.compose;
        if !state.status.is_up() {
            return self.start().await;
        }
        if has_changed {
            self.stop(grace).await?;
            return self.start().await;
        }
        self.thaw().await?;
        let grace = grace.or_else(|| self.unsaid(&definition.spec));
        Ok(compose.restart(&self.lock, self.with_own(grace)).await?)
    }

    /// What a restart has to say although no one did: Podman kills at once without, whatever the container has
    /// of its own.
    fn unsaid(&self, spec: &Spec) -> Option<Duration> {
        let own = spec.options.stop_timeout().map_or(DOCKERS_GRACE, Duration::from_secs);
        self.service.is_podman().then_some(own)
    }

    /// What was said, or what the container itself has.
    const fn with_own(&self, said: Option<Duration>) -> Grace {
        Grace { said, own: self.grace }
    }
}
