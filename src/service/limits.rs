//! Limits that the engine changes on the container as it is: Compose has no verb for that, and makes it anew.

use super::change::Change;
use super::{Error, Result};
use crate::codes::Code;
use crate::compose::{ComposeError, Recreate};
use crate::container::Spec;
use crate::container::compose_file::{self, Definition};
use crate::container::resources::{LiveLimits, live_change};
use crate::container::status::{State, Status};
use crate::engine::EngineError;

/// A change of limits that the container lives through.
pub(super) struct LiveChange {
    engine_id: String,
    limits: LiveLimits,
    /// The way back, where the engine knows one.
    back: Option<LiveLimits>,
}

impl Change {
    /// The change to `spec` as one that the container lives through: none where more than limits differs, where
    /// the engine cannot, and where its container is not what the file says, since that is then owed as well.
    pub(super) async fn live_change(
        &self,
        current: &Definition,
        spec: &Spec,
        state: &State,
    ) -> Result<Option<LiveChange>> {
        let Some(engine_id) = state.engine_id.clone().filter(|_| can_be_updated(state.status)) else {
            return Ok(None);
        };
        let (old, new) = (&current.spec.resources, &spec.resources);
        let Some(limits) = live_change(old, new).filter(|limits| *limits != LiveLimits::default()) else {
            return Ok(None);
        };
        let with_old_limits = Spec { resources: old.clone(), ..spec.clone() };
        let with_old_limits = Definition { spec: with_old_limits, ..current.clone() };
        let around = &self.service.surroundings();
        let is_rest_same = compose_file::is_same_container(self.cuid, current, &with_old_limits, around);
        if !is_rest_same || !self.is_as_the_file_says(current, &engine_id).await? {
            return Ok(None);
        }
        Ok(Some(LiveChange { engine_id, limits, back: live_change(new, old) }))
    }

    async fn is_as_the_file_says(&self, current: &Definition, engine_id: &str) -> Result<bool> {
        if self.holds_live_limits(current, Some(engine_id))? {
            return Ok(true);
        }
        let parts = &self.service.parts;
        let made_of = parts.engine.compose_hash(engine_id).await?;
        match parts.compose.hash(&self.lock).await {
            Ok(hash) => Ok(hash.is_some() && hash == made_of),
            // A file that Compose does not take, it has made nothing of.
            Err(ComposeError::Failed { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether limits were changed live on this very container, and neither it nor the file has changed since.
    fn holds_live_limits(&self, definition: &Definition, engine_id: Option<&str>) -> Result<bool> {
        let (Some(mark), Some(engine_id)) = (&definition.limits_set_live, engine_id) else {
            return Ok(false);
        };
        let text = self.service.parts.projects.read(self.cuid)?;
        Ok(compose_file::live_mark(engine_id, &text).as_ref() == Some(mark))
    }

    /// Sets the limits and marks the file, which is the new one already, so that no start makes the container
    /// anew for them. Not before: a daemon that dies in between leaves a file that the next start makes true.
    /// Answers none where the engine knows no such call, or not the container any more.
    pub(super) async fn set_live(
        &self,
        wanted: &Definition,
        live: &LiveChange,
    ) -> Result<Option<Definition>> {
        match self.service.parts.engine.set_limits(&live.engine_id, &live.limits).await {
            Ok(()) => {}
            Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => return Ok(None),
            Err(error) => return Err(self.refused(error, live).await),
        }
        let text = self.service.render(self.cuid, wanted)?;
        let mark = compose_file::live_mark(&live.engine_id, &text);
        let marked = Definition { limits_set_live: mark, ..wanted.clone() };
        match self.replace(&marked).await {
            Ok(()) => Ok(Some(marked)),
            Err(error) => {
                let message = error.message;
                tracing::warn!(cuid = %self.cuid, message, "the next start will make the container anew");
                Ok(Some(wanted.clone()))
            }
        }
    }

    /// What a failed change of limits means. An engine that did not answer may have done it all the same.
    async fn refused(&self, error: EngineError, live: &LiveChange) -> Error {
        if !error.is_unavailable() {
            return refusal(error);
        }
        let is_back = match &live.back {
            Some(limits) => self.service.parts.engine.set_limits(&live.engine_id, limits).await.is_ok(),
            None => false,
        };
        let error = Error::from(error);
        if is_back {
            return error;
        }
        let message = format!("{}; the new limits may be in force: PATCH resources again", error.message);
        Error { message, ..error }.with("rolled_back", false)
    }

    /// Whether Compose may make the container anew where its own hash on it is not that of the file.
    pub(super) async fn recreate(&self, definition: &Definition) -> Result<Recreate> {
        if definition.limits_set_live.is_none() {
            return Ok(Recreate::Changed);
        }
        let engine_id = self.state().await?.engine_id;
        let holds = self.holds_live_limits(definition, engine_id.as_deref())?;
        Ok(if holds { Recreate::Never } else { Recreate::Changed })
    }

    /// Takes a mark out of the file that has become void: its container is gone.
    pub(super) async fn forget_void_mark(&self, definition: Definition) -> Result<()> {
        if definition.limits_set_live.is_none() || self.recreate(&definition).await? == Recreate::Never {
            return Ok(());
        }
        match self.replace(&Definition { limits_set_live: None, ..definition }).await {
            Ok(()) => self.service.parts.projects.keep(self.cuid).await?,
            // It stays void, and does no harm.
            Err(error) => tracing::warn!(cuid = %self.cuid, message = error.message, "a void mark is kept"),
        }
        Ok(())
    }
}

/// Whether the engine takes new limits for a container of this status.
const fn can_be_updated(status: Status) -> bool {
    match status {
        Status::Created | Status::Running | Status::Paused | Status::Restarting | Status::Exited => true,
        Status::Dead | Status::Missing => false,
    }
}

/// A refusal of the engine as the request's fault, where it is: it, or the kernel, does not take the limits.
fn refusal(error: EngineError) -> Error {
    match error {
        EngineError::Api { status, message }
            if matches!(status, 400 | 409) || message.starts_with("Cannot update container") =>
        {
            let text = "resources are refused: a limit is below what is in use, or not possible on this host (see \
                        details.output)";
            Error::new(Code::InvalidResources, text).with("field", "resources").with("output", message)
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, EngineError, refusal};

    #[test]
    fn a_refusal_is_the_requests_fault_where_the_engine_judged_the_limits() {
        let code =
            |status, message: &str| refusal(EngineError::Api { status, message: message.to_owned() }).code;
        assert_eq!(code(400, "Requested CPUs are not available"), Code::InvalidResources);
        assert_eq!(code(409, "Conflicting options"), Code::InvalidResources);
        assert_eq!(
            code(500, "Cannot update container 1: unable to set memory limit"),
            Code::InvalidResources
        );
        assert_eq!(code(500, "no space left on device"), Code::InternalError);
    }
}
