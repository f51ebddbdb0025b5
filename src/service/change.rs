//! What every change has in common: its turn, the project's lock, the file read anew, the live view after it.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::catalog::Known;
use super::images::Shown;
use super::keep::Keeper;
use super::shared::Made;
use super::{Container, Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::compose::projects::ProjectLock;
use crate::compose::{ComposeError, Recreate};
use crate::container::compose_file::{self, Definition};
use crate::container::spec::BOOT_FILE;
use crate::container::status::{State, Status};
use crate::container::{Cuid, EngineKind, Spec};
use crate::engine::EngineHealth;
use crate::files::{FilesError, MountPath};

/// One change in progress.
pub(super) struct Change {
    pub(super) service: Arc<Service>,
    pub(super) cuid: Cuid,
    pub(super) lock: ProjectLock,
    /// What the processes of the container as it was have to end, where that was asked for.
    pub(super) grace: Duration,
    /// Where the transfer is shown that it waits for.
    pub(super) shown: Shown,
}

/// What is to become of the engine's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bring {
    /// It is made, and not started.
    Made,
    /// It runs.
    Up,
}

impl Service {
    /// Changes one container in its turn, and answers it as it is after that, as its caller may see it.
    pub(super) async fn change<F>(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        work: impl FnOnce(Change) -> F + Send + 'static,
    ) -> Result<Container>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.change_shown(principal, id, Shown::default(), work).await
    }

    /// The same, with a place where the transfer is shown that it waits for.
    pub(super) async fn change_shown<F>(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        shown: Shown,
        work: impl FnOnce(Change) -> F + Send + 'static,
    ) -> Result<Container>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let cuid = self.resolve(id)?;
        let work = |change| work(Change { shown, ..change });
        let changed = self.in_turn(cuid, work).await.map_err(|error| self.told_to(principal, error))?;
        let container = changed.1.ok_or_else(|| Error::no_container(id))?;
        Ok(self.shown_to(principal, container))
    }

    /// Runs the work of a change in the container's turn. Whatever comes of it, the live view is up to date after
    /// it. Answers what the work answers, and the container as it is then: none when it is deleted.
    pub(super) async fn in_turn<T, F>(
        self: &Arc<Self>,
        cuid: Cuid,
        work: impl FnOnce(Change) -> F + Send + 'static,
    ) -> Result<(T, Option<Container>)>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let service = Arc::clone(self);
        let change = async move {
            let hold = service.parts.live.hold(cuid);
            let result = match service.begin(cuid).await {
                Ok(change) => work(change).await,
                Err(error) => Err(error),
            };
            service.note_outcome(result.as_ref().err());
            drop(hold);
            service.end(cuid, result).await
        };
        self.turns.run(cuid, change).await
    }

    /// Takes the project's lock and reads its file: a person may have edited it.
    async fn begin(self: &Arc<Self>, cuid: Cuid) -> Result<Change> {
        self.catalog.get(cuid).ok_or_else(|| Error::no_container(&cuid.to_string()))?;
        self.engine_must_answer()?;
        let lock = self.lock(cuid).await?;
        self.reread(cuid);
        let known = self.catalog.get(cuid).and_then(|known| known.definition.clone().ok());
        let grace = known.and_then(|definition| definition.spec.options.stop_timeout()).unwrap_or_default();
        let grace = Duration::from_secs(grace);
        Ok(Change { service: Arc::clone(self), cuid, lock, grace, shown: Shown::default() })
    }

    /// Takes a project's lock; a child of a daemon that died may still hold it.
    pub(super) async fn lock(&self, cuid: Cuid) -> Result<ProjectLock> {
        let limit = self.parts.settings.change_timeout;
        self.parts.projects.lock(cuid, limit).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => {
                Error::new(Code::ChangeTimedOut, "another process changes the container: try again later")
            }
            _ => error.into(),
        })
    }

    /// Brings the live view up to date, whatever came of the change.
    async fn end<T>(&self, cuid: Cuid, result: Result<T>) -> Result<(T, Option<Container>)> {
        let refreshed = match self.catalog.get(cuid) {
            Some(_) => self.parts.live.refresh(cuid).await.map(drop),
            None => Ok(()),
        };
        let answer = result.map_err(|error| self.clean(error, cuid))?;
        refreshed?;
        Ok((answer, self.catalog.get(cuid).map(|known| self.whole(&known))))
    }

    /// Fails at once when the engine is known to be away: Compose would wait for it.
    pub(super) fn engine_must_answer(&self) -> Result<()> {
        match self.parts.live.health() {
            EngineHealth::Up(_) => Ok(()),
            EngineHealth::Down { reason, .. } => Err(Error::engine_away(&reason)),
        }
    }

    /// Puts what the compose file says into the catalog.
    pub(super) fn reread(&self, cuid: Cuid) {
        let text = self.parts.projects.read(cuid);
        let definition = match text {
            Ok(text) => compose_file::read(cuid, &text),
            Err(error) => Err(compose_file::ReadError::unreadable(&error)),
        };
        self.catalog.put(Known::new(cuid, definition));
    }

    /// Remembers when Compose last did not end in time, until a change succeeds: an engine can answer and
    /// yet do nothing.
    pub(super) fn note_outcome(&self, error: Option<&Error>) {
        let mut stuck = self.stuck_since.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) if error.code == Code::ChangeTimedOut && error.details.contains_key("verb") => {
                stuck.get_or_insert_with(Instant::now);
            }
            None => *stuck = None,
            Some(_) => {}
        }
    }

    /// Takes out of an error what a client must not see.
    pub(super) fn clean(&self, mut error: Error, cuid: Cuid) -> Error {
        let known = self.catalog.get(cuid);
        let spec = known
            .as_ref()
            .and_then(|known| known.definition.as_ref().ok())
            .map(|definition| &definition.spec);
        self.clean_for(&mut error, spec);
        error
    }

    /// Takes host paths and the values of a container's `env` out of an error.
    pub(super) fn clean_for(&self, error: &mut Error, spec: Option<&Spec>) {
        error.message = self.parts.redactor.clean(&error.message, spec);
        if let Some(serde_json::Value::String(output)) = error.details.get_mut("output") {
            *output = self.parts.redactor.clean(output, spec);
        }
    }
}

impl Change {
    /// What the compose file says; a change needs one that can be read.
    pub(super) fn definition(&self) -> Result<Definition> {
        let known =
            self.service.catalog.get(self.cuid).ok_or_else(|| Error::no_container(&self.cuid.to_string()))?;
        known.definition.clone().map_err(|error| Error::new(Code::ComposeFileInvalid, error.to_string()))
    }

    /// The state as the engine tells it now.
    pub(super) async fn state(&self) -> Result<State> {
        Ok(self.service.parts.live.refresh(self.cuid).await?)
    }

    /// Writes a definition in the place of the one that is there, which is kept until the change has ended.
    pub(super) async fn replace(&self, definition: &Definition) -> Result<()> {
        let text = self.service.render(self.cuid, definition)?;
        self.service.parts.projects.replace(self.cuid, text).await?;
        self.service.catalog.put(Known::new(self.cuid, Ok(definition.clone())));
        Ok(())
    }

    /// Writes the file anew when `boot.py` has come or gone since; says what is in force.
    pub(super) async fn settle_program(&self) -> Result<(Definition, bool)> {
        let mut definition = self.definition()?;
        let boots = definition.spec.would_boot() && self.has_boot_file().await?;
        let has_changed = definition.boots != boots;
        if has_changed {
            definition.boots = boots;
            self.replace(&definition).await?;
            self.service.parts.projects.keep(self.cuid).await?;
        }
        Ok((definition, has_changed))
    }

    /// Whether the mount holds `boot.py`; a mount that someone has removed does not.
    pub(super) async fn has_boot_file(&self) -> Result<bool> {
        let path = MountPath::parse(BOOT_FILE, None)?;
        match self.service.parts.files.has_regular_file(self.cuid, &path).await {
            Err(FilesError::NoMount) => Ok(false),
            result => Ok(result?),
        }
    }

    /// Makes the engine's container as its file says. Where its network or a volume is gone, with a new one:
    /// the container then has to be made anew, since it names the old one by its id.
    pub(super) async fn bring(&self, definition: &Definition, what: Bring) -> Result<()> {
        self.bring_when(definition, what, self.recreate(definition).await?).await
    }

    /// The same, with a word on when a container that is there is made anew.
    pub(super) async fn bring_when(
        &self,
        definition: &Definition,
        what: Bring,
        recreate: Recreate,
    ) -> Result<()> {
        let service = &self.service;
        let spec = &definition.spec;
        let own = spec.options.stop_timeout().unwrap_or_default();
        let grace = self.grace.max(Duration::from_secs(own));
        self.thaw().await?;
        service.parts.engine.tidy_half_made(self.cuid).await?;
        let keeper = Keeper::begin(service, self.cuid).await;
        let result = match self.run(what, recreate, grace).await {
            Err(ComposeError::Failed { output, .. }) if is_something_missing(&output) => {
                match self.make_what_is_missing(spec).await {
                    Ok(()) => self.run(what, Recreate::Always, grace).await.map_err(Failure::OfCompose),
                    Err(error) => Err(Failure::OfEngine(error)),
                }
            }
            Err(ComposeError::Failed { output, .. }) if has_stale_task(&output) => {
                self.run(what, Recreate::Always, grace).await.map_err(Failure::OfCompose)
            }
            result => result.map_err(Failure::OfCompose),
        };
        // Whatever came of it: what the container before has printed may be gone by now.
        if let Some(keeper) = keeper {
            keeper.end().await;
        }
        match result {
            Ok(()) => Ok(()),
            Err(Failure::OfEngine(error)) => Err(error),
            Err(Failure::OfCompose(error)) => Err(service.explain(self.cuid, spec, error).await),
        }
    }

    /// Makes the networks and volumes of a container again that someone has removed.
    async fn make_what_is_missing(&self, spec: &Spec) -> Result<()> {
        let service = &self.service;
        service.parts.engine.ensure_network(&service.parts.settings.surroundings.network).await?;
        service.make_shared((self.cuid, None), spec, Some(spec), &mut Made::default()).await
    }

    /// Lets a frozen container go on where the engine could not end it: Podman refuses to.
    pub(super) async fn thaw(&self) -> Result<()> {
        let live = &self.service.parts.live;
        let is_frozen = live.state(self.cuid).status == Status::Paused;
        if is_frozen && live.engine_kind() == Some(EngineKind::Podman) {
            self.unpause().await
        } else {
            Ok(())
        }
    }

    /// Lets a frozen container go on. Compose does not see one with Podman, which lists only what runs.
    pub(super) async fn unpause(&self) -> Result<()> {
        let parts = &self.service.parts;
        match parts.live.engine_kind() {
            Some(EngineKind::Podman) => Ok(parts.engine.unpause(self.cuid).await?),
            Some(EngineKind::Docker) | None => Ok(parts.compose.unpause(&self.lock).await?),
        }
    }

    /// `grace` is what the processes of a container that is made anew have to end.
    async fn run(
        &self,
        what: Bring,
        recreate: Recreate,
        grace: Duration,
    ) -> std::result::Result<(), ComposeError> {
        match what {
            Bring::Made => self.service.parts.compose.create(&self.lock, recreate, grace).await,
            Bring::Up => self.service.parts.compose.up(&self.lock, recreate, grace).await,
        }
    }
}

/// Why a container could not be brought up.
enum Failure {
    OfCompose(ComposeError),
    OfEngine(Error),
}

fn is_something_missing(output: &str) -> bool {
    let is_named = output.contains("network") || output.contains("volume");
    is_named && (output.contains("could not be found") || output.contains("not found"))
}

/// Whether an engine that was killed while it started the container never will again: its containerd has kept the
/// task. A container that is made anew has another.
fn has_stale_task(output: &str) -> bool {
    output.contains(": task ") && output.contains(": already exists")
}
