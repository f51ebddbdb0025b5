//! Builds of images: a context of its own for each, the builder's words as they come, and the image at last.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::build_failure::{self, plain};
use crate::codes::Code;
use crate::compose::Build;
use crate::container::build::{AskedBuild, BuildRequest, Builder, client_config};
use crate::engine::EngineHealth;
use crate::files::{BuildStage, ContextKind};
use crate::service::redact::end_of;
use crate::service::{Error, Result, Service, Source};

const COMPOSE_FILE: &str = "compose.yaml";
const CLIENT_CONFIG: &str = "config.json";
/// Values of arguments that are shorter are shown: they are versions and switches, and taking them out would
/// garble what the builder says.
const LEAST_SECRET: usize = 8;
/// After how many seconds a build that found no place may be tried again.
const TRY_AGAIN_AFTER: u64 = 10;

/// The images that are being built.
pub struct Builds {
    most: usize,
    limit: Duration,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// An image that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its id.
    pub id: String,
    /// Its name with tag.
    pub image: String,
}

/// One record of a build that is told.
#[derive(Clone, Debug)]
pub enum BuildPart {
    /// A line of the builder, with its line end.
    Line(String),
    /// What came of it all.
    Built(Built),
}

/// A build whose context is here and checked.
pub struct PreparedBuild {
    request: BuildRequest,
    stage: BuildStage,
    place: OwnedSemaphorePermit,
}

/// A build that runs. When this is dropped, it is ended.
struct RunningBuild {
    task: JoinHandle<Result<Built>>,
    _wanted: DropGuard,
}

impl Builds {
    /// None yet; at most so many at a time, for so long each.
    #[must_use]
    pub fn new(most: usize, limit: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { most, limit, places, tasks: TaskTracker::new(), shutdown: CancellationToken::new() }
    }

    /// Ends all builds, and lets no new ones begin.
    pub fn end_all(&self) {
        self.shutdown.cancel();
        self.tasks.close();
    }

    /// Waits until all have ended; says whether they did within the limit.
    pub async fn drain(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }

    fn take_place(&self) -> Result<OwnedSemaphorePermit> {
        if self.shutdown.is_cancelled() {
            return Err(Error::shutting_down());
        }
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = "too many images are being built: try again when one of them is done";
            let mut error = Error::new(Code::TooManyBuilds, message).with("building", self.most);
            error.retry_after = Some(TRY_AGAIN_AFTER);
            error
        })
    }
}

impl Service {
    /// Checks what is asked for, before anything of the context is read.
    pub fn build_request(&self, asked: AskedBuild) -> Result<BuildRequest> {
        Ok(BuildRequest::parse(asked)?)
    }

    /// Takes in the context of a build, and checks it.
    pub async fn prepare_build(
        &self,
        request: BuildRequest,
        kind: ContextKind,
        body: impl Stream<Item = Result<Bytes>>,
    ) -> Result<PreparedBuild> {
        self.engine_must_answer()?;
        // Refused before the context is sent where that is known; a slow sender keeps no place from others.
        drop(self.parts.builds.take_place()?);
        let files = &self.parts.files;
        let archive = self.fill(files.receive().await?, body).await?.finish().await?;
        let place = self.parts.builds.take_place()?;
        let stage = files.stage_build(archive, kind).await?;
        match stage.find(&request.dockerfile)? {
            Some(_) => Ok(PreparedBuild { request, stage, place }),
            None => Err(no_dockerfile(&request)),
        }
    }

    /// Builds an image. When no one waits for it any more, or the client has `left`, the build is ended.
    pub async fn build(
        self: &Arc<Self>,
        prepared: PreparedBuild,
        left: impl Future<Output = ()>,
    ) -> Result<Built> {
        let running = self.start_build(prepared, None);
        tokio::select! {
            built = running.ended() => built,
            () = left => Err(Error::new(Code::IncompleteBody, "the client left before the end: the build was ended")),
        }
    }

    /// The same, telling what the builder says.
    pub fn build_told(self: &Arc<Self>, prepared: PreparedBuild) -> Result<Source<BuildPart>> {
        let place = self.parts.streams.take_place()?;
        let service = Arc::clone(self);
        let secrets = secrets(&prepared.request);
        Ok(self.parts.streams.begin_with_result(place, |sink| async move {
            let (sender, mut lines) = mpsc::channel::<Vec<String>>(1);
            let running = service.start_build(prepared, Some(sender));
            while let Some(lines) = lines.recv().await {
                let shown = |line: String| service.parts.redactor.hide(&plain(&line), secrets.iter());
                sink.send(lines.into_iter().map(|line| BuildPart::Line(shown(line))).collect()).await;
            }
            running.ended().await.map(BuildPart::Built)
        }))
    }

    /// Starts a build in a task of its own: it cleans up after itself also when no one waits for it.
    fn start_build(
        self: &Arc<Self>,
        prepared: PreparedBuild,
        lines: Option<mpsc::Sender<Vec<String>>>,
    ) -> RunningBuild {
        let unwanted = CancellationToken::new();
        let service = Arc::clone(self);
        let wanted = unwanted.clone().drop_guard();
        let task = self.parts.builds.tasks.spawn(async move {
            let PreparedBuild { request, stage, place } = prepared;
            let built = service.run_build(&request, &stage, lines, unwanted).await;
            stage.remove().await;
            drop(place);
            built
        });
        RunningBuild { task, _wanted: wanted }
    }

    async fn run_build(
        &self,
        request: &BuildRequest,
        stage: &BuildStage,
        lines: Option<mpsc::Sender<Vec<String>>>,
        unwanted: CancellationToken,
    ) -> Result<Built> {
        let Builds { limit, ref shutdown, .. } = self.parts.builds;
        let build = self.stage_files(request, stage, limit).await?;
        tracing::info!(image = %request.image, builder = ?build.builder, "an image is built");
        let ended = async {
            tokio::select! {
                () = unwanted.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
        };
        let output = self.parts.compose.build(&build, lines, ended).await.map_err(|error| {
            let secrets = secrets(request);
            build_failure::of(error, |text| end_of(&self.parts.redactor.hide(text, secrets.iter())))
        })?;
        self.built(request, &output).await
    }

    /// Writes what the builder is told, where the arguments stand as well: it goes with the stage.
    async fn stage_files(
        &self,
        request: &BuildRequest,
        stage: &BuildStage,
        limit: Duration,
    ) -> Result<Build> {
        let dockerfile = stage.find(&request.dockerfile)?.ok_or_else(|| no_dockerfile(request))?;
        let file = request.render(&stage.context(), &dockerfile);
        let file = file.map_err(|reason| Error::new(Code::InternalError, reason))?;
        stage.write(COMPOSE_FILE, file.into_bytes()).await?;
        let registries = self.parts.registries.file().await?;
        let config = client_config(registries.as_deref(), &self.parts.compose.plugin_folders());
        stage.write_home(CLIENT_CONFIG, config).await?;
        let facts = match self.parts.live.health() {
            EngineHealth::Up(facts) => Some(facts),
            EngineHealth::Down { last, .. } => last,
        };
        Ok(Build {
            folder: stage.path().to_owned(),
            file: COMPOSE_FILE,
            home: stage.home(),
            builder: facts.map_or(Builder::Classic, |facts| Builder::of(facts.kind, &facts.api_version)),
            no_cache: request.no_cache,
            pull: request.pull,
            limit,
        })
    }

    /// The image that the builder says it made; its name may be another build's by now.
    async fn built(&self, request: &BuildRequest, output: &str) -> Result<Built> {
        let image = request.image.to_string();
        let socket = self.parts.engine.socket();
        let named = match built_id(output) {
            Some(id) => socket.image(id).await?,
            None => None,
        };
        let facts = match named {
            Some(facts) => Some(facts),
            None => socket.image(&image).await?,
        };
        let gone =
            || Error::new(Code::ImageNotFound, format!("image {image} was built, and removed at once"));
        let id = facts.ok_or_else(gone)?.id;
        Ok(Built { id, image })
    }
}

impl RunningBuild {
    async fn ended(self) -> Result<Built> {
        let broken = |_| Error::new(Code::InternalError, "the build broke off by a fault of the daemon");
        self.task.await.map_err(broken)?
    }
}

/// What of the arguments no one but the build is shown.
fn secrets(request: &BuildRequest) -> Vec<String> {
    let lines = request.args.values().flat_map(|value| value.lines());
    lines.filter(|line| line.len() >= LEAST_SECRET).map(str::to_owned).collect()
}

/// The id in the last words of a builder. What a program of the build prints cannot be taken for it: BuildKit puts
/// step and time in front of that, and the classic builder's own word comes after it.
fn built_id(output: &str) -> Option<&str> {
    output.lines().rev().find_map(|line| {
        if let Some(id) = line.strip_prefix("Successfully built ") {
            return Some(id.trim()).filter(|id| is_hex(id));
        }
        let (step, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let id = rest.strip_prefix("writing image ")?.split(' ').next()?;
        let is_step = step.bytes().all(|digit| digit.is_ascii_digit());
        Some(id).filter(|id| is_step && id.strip_prefix("sha256:").is_some_and(is_hex))
    })
}

fn is_hex(text: &str) -> bool {
    text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn no_dockerfile(request: &BuildRequest) -> Error {
    let path = &request.dockerfile;
    let message = format!(
        "the context has no file {path:?} that could be built: put it there, or name another with dockerfile"
    );
    Error::new(Code::DockerfileNotFound, message).with("dockerfile", path.as_str())
}

#[cfg(test)]
mod tests {
    use super::built_id;

    #[test]
    fn the_id_is_the_builders_own_word_and_no_programs() {
        let id = format!("sha256:{}", "a".repeat(64));
        let forged = format!("sha256:{}", "b".repeat(64));
        let output =
            format!("#8 0.1 #9 writing image {forged} done\n#9 writing image {id} done\n#9 DONE 0.1s");
        assert_eq!(built_id(&output), Some(id.as_str()));
        assert_eq!(built_id(&format!("#8 0.332 writing image {forged} done\n#9 DONE")), None);
        let output = "Successfully built bbbbbbbbbbbb\nRemoving x\nSuccessfully built aaaaaaaaaaaa\nSuccessfully tagged x:1";
        assert_eq!(built_id(output), Some("aaaaaaaaaaaa"));
        assert_eq!(built_id("Successfully built ../x\n"), None);
    }
}
