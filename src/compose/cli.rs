//! `docker compose` as typed verbs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::command::{self, Invocation, Outcome};
use super::projects::{Project, ProjectLock};

/// Where the plugin's own binary stands, the first that exists: 70 ms less a call than through `docker`.
const PLUGIN_PLACES: [&str; 6] = [
    "/usr/local/lib/docker/cli-plugins/docker-compose",
    "/usr/local/libexec/docker/cli-plugins/docker-compose",
    "/usr/libexec/docker/cli-plugins/docker-compose",
    "/usr/lib/docker/cli-plugins/docker-compose",
    "/usr/lib/linux-tools/docker-compose",
    "/opt/homebrew/lib/docker/cli-plugins/docker-compose",
];

/// Where `docker` stands when the plugin's binary is not found.
const DOCKER_PLACES: [&str; 3] = ["/usr/local/bin/docker", "/usr/bin/docker", "/bin/docker"];

/// A `docker compose` command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// It ended with an error.
    #[error("docker compose {verb} ended with status {}", code.map_or("unknown".to_owned(), |code| code.to_string()))]
    Failed {
        /// Which verb.
        verb: &'static str,
        /// Its exit status; none when a signal ended it.
        code: Option<i32>,
        /// The end of what it printed.
        output: String,
    },
    /// It outlasted its limit and was ended with all that it had started.
    #[error("docker compose {verb} did not end within {} s", limit.as_secs())]
    TimedOut {
        /// Which verb.
        verb: &'static str,
        /// The limit.
        limit: Duration,
        /// The end of what it printed.
        output: String,
    },
    /// No one wanted it any more; it was ended with all that it had started.
    #[error("docker compose {verb} was given up")]
    Unwanted {
        /// Which verb.
        verb: &'static str,
    },
    /// It could not be run at all.
    #[error("docker compose cannot be run: {0}")]
    Unusable(String),
}

/// When `create` and `up` make a container anew that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recreate {
    /// Not at all: the engine's container is right, whatever Compose's hash on it says.
    Never,
    /// When its configuration changed.
    Changed,
    /// In any case.
    Always,
}

impl Recreate {
    const fn args(self) -> &'static [&'static str] {
        match self {
            Self::Never => &["--no-recreate"],
            Self::Changed => &[],
            Self::Always => &["--force-recreate"],
        }
    }
}

/// What processes have between the stop signal and SIGKILL.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// What was said for this once.
    pub said: Option<Duration>,
    /// What the container has of its own, which the engine keeps to when nothing was said.
    pub own: Duration,
}

/// The settings of the command line.
#[derive(Clone, Debug)]
pub struct ComposeSettings {
    /// The binary, or none: it is looked for.
    pub binary: Option<PathBuf>,
    /// The engine's socket.
    pub socket: PathBuf,
    /// `HOME` and `PATH` for the child.
    pub env: Vec<(OsString, OsString)>,
    /// How long one command may take.
    pub limit: Duration,
    /// How many commands run side by side.
    pub side_by_side: usize,
}

/// The `docker compose` command line.
#[derive(Debug)]
pub struct Compose {
    pub(super) program: PathBuf,
    pub(super) leading: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    limit: Duration,
    places: Semaphore,
}

impl Compose {
    /// Finds the binary.
    pub fn find(settings: ComposeSettings) -> Result<Self, ComposeError> {
        let first = |places: &[&str]| places.iter().map(PathBuf::from).find(|place| place.is_file());
        let (program, leading) = match settings.binary {
            Some(binary) if binary.is_file() => (binary, Vec::new()),
            Some(binary) => {
                let message = format!("APP_COMPOSE_BIN names {}, which is no file", binary.display());
                return Err(ComposeError::Unusable(message));
            }
            None => match (first(&PLUGIN_PLACES), first(&DOCKER_PLACES)) {
                (Some(plugin), _) => (plugin, Vec::new()),
                (None, Some(docker)) => (docker, vec!["compose".into()]),
                (None, None) => return Err(ComposeError::Unusable(NOT_FOUND.to_owned())),
            },
        };
        let host = format!("unix://{}", settings.socket.display());
        let mut env = settings.env;
        env.extend([
            ("DOCKER_HOST".into(), host.into()),
            ("COMPOSE_DISABLE_ENV_FILE".into(), "1".into()),
            ("LC_ALL".into(), "C.UTF-8".into()),
            // Compose lives for a tenth of a second: collecting its garbage less often spares a sixth of its
            // processor time (script/bench), for some MiB while it runs.
            ("GOGC".into(), "400".into()),
        ]);
        let places = Semaphore::new(settings.side_by_side.max(1));
        Ok(Self { program, leading, env, limit: settings.limit, places })
    }

    /// The path of the binary.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Compose's own version; fails where it is not version 2 or later.
    pub async fn version(&self) -> Result<String, ComposeError> {
        let args = ["version", "--short"].map(OsString::from);
        let args = self.leading.iter().cloned().chain(args).collect();
        let output = self.invoke("version", args, PathBuf::from("/"), None, Duration::from_secs(20)).await?;
        let version = output.lines().last().unwrap_or_default().trim().trim_start_matches('v').to_owned();
        let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
        match major {
            Some(major) if major >= 2 => Ok(version),
            _ => Err(ComposeError::Unusable(format!("version 2 or later is needed, this is {version:?}"))),
        }
    }

    /// Makes the container, or makes it anew; does not start it. `grace` is what the one before has to end.
    pub async fn create(
        &self,
        lock: &ProjectLock,
        recreate: Recreate,
        grace: Duration,
    ) -> Result<(), ComposeError> {
        let args = ["--no-build", "--pull", "never", "--remove-orphans"];
        self.in_place(lock, "create", &[&args[..], recreate.args()].concat(), grace).await.map(drop)
    }

    /// Brings the container up: makes it where it is missing, or anew, and starts it. `grace` is what the one
    /// before has to end.
    pub async fn up(
        &self,
        lock: &ProjectLock,
        recreate: Recreate,
        grace: Duration,
    ) -> Result<(), ComposeError> {
        let args = ["--detach", "--no-build", "--pull", "never", "--remove-orphans"];
        self.in_place(lock, "up", &[&args[..], recreate.args()].concat(), grace).await.map(drop)
    }

    /// The hash of what the file says now; Compose writes it on each container that it makes.
    pub async fn hash(&self, lock: &ProjectLock) -> Result<Option<String>, ComposeError> {
        let service = lock.project().cuid.to_string();
        let output = self.in_place(lock, "config", &["--hash", &service], Duration::ZERO).await?;
        // Beside warnings, there is one line for each service.
        let line = output.lines().find_map(|line| line.trim().strip_prefix(&service));
        Ok(line.map(|hash| hash.trim().to_owned()))
    }

    /// Ends the container's processes: its stop signal, then SIGKILL after `grace`.
    pub async fn stop(&self, lock: &ProjectLock, grace: Grace) -> Result<(), ComposeError> {
        self.with_grace(lock, "stop", grace).await
    }

    /// Ends the container's processes as [`Compose::stop`] does and starts it again.
    pub async fn restart(&self, lock: &ProjectLock, grace: Grace) -> Result<(), ComposeError> {
        self.with_grace(lock, "restart", grace).await
    }

    /// Freezes the container.
    pub async fn pause(&self, lock: &ProjectLock) -> Result<(), ComposeError> {
        self.in_place(lock, "pause", &[], Duration::ZERO).await.map(drop)
    }

    /// Lets a frozen container go on.
    pub async fn unpause(&self, lock: &ProjectLock) -> Result<(), ComposeError> {
        self.in_place(lock, "unpause", &[], Duration::ZERO).await.map(drop)
    }

    /// Sends a signal, by its name, to the container's main process.
    pub async fn kill(&self, lock: &ProjectLock, signal: &str) -> Result<(), ComposeError> {
        self.in_place(lock, "kill", &["--signal", signal], Duration::ZERO).await.map(drop)
    }

    /// Removes the container and its anonymous volumes; one that runs is killed.
    pub async fn down(&self, lock: &ProjectLock) -> Result<(), ComposeError> {
        let args = ["--volumes", "--timeout", "0", "--remove-orphans"];
        self.in_place(lock, "down", &args, Duration::ZERO).await.map(drop)
    }

    /// Takes no place: it spends its time waiting for a process that is slow to end.
    async fn with_grace(
        &self,
        lock: &ProjectLock,
        verb: &'static str,
        grace: Grace,
    ) -> Result<(), ComposeError> {
        let seconds = grace.said.map(|grace| grace.as_secs().to_string());
        let args: Vec<&str> = seconds.iter().flat_map(|seconds| ["--timeout", seconds]).collect();
        self.verb(lock, verb, &args, self.limit + grace.said.unwrap_or(grace.own)).await.map(drop)
    }

    /// Runs a command in one of the places that there are, and waits for one first; both within the limit,
    /// which `more` is added to.
    async fn in_place(
        &self,
        lock: &ProjectLock,
        verb: &'static str,
        args: &[&str],
        more: Duration,
    ) -> Result<String, ComposeError> {
        let begin = Instant::now();
        let limit = self.limit + more;
        let place = tokio::time::timeout(limit, self.places.acquire()).await;
        let _place = place.map_err(|_| ComposeError::TimedOut {
            verb,
            limit,
            output: "too many other changes are under way".to_owned(),
        })?;
        let left = limit.saturating_sub(begin.elapsed());
        self.verb(lock, verb, args, left).await.map_err(|error| match error {
            // What counts is the limit for all of it, not what the wait for a place left of it.
            ComposeError::TimedOut { verb, output, .. } => ComposeError::TimedOut { verb, limit, output },
            other => other,
        })
    }

    async fn verb(
        &self,
        lock: &ProjectLock,
        verb: &'static str,
        args: &[&str],
        limit: Duration,
    ) -> Result<String, ComposeError> {
        let project = lock.project();
        let leading = arguments(&self.leading, project);
        let args = leading.into_iter().chain([verb.into()]).chain(args.iter().map(OsString::from)).collect();
        let held = lock.share().map_err(|error| ComposeError::Unusable(error.to_string()))?;
        self.invoke(verb, args, project.folder.clone(), Some(held), limit).await
    }

    async fn invoke(
        &self,
        verb: &'static str,
        args: Vec<OsString>,
        folder: PathBuf,
        lock: Option<std::fs::File>,
        limit: Duration,
    ) -> Result<String, ComposeError> {
        let invocation = Invocation { program: self.program.clone(), args, env: self.env.clone(), folder };
        outcome(verb, limit, command::run(&invocation, lock, limit).await)
    }
}

/// What a child printed that ended well, or why it did not.
pub(super) fn outcome(
    verb: &'static str,
    limit: Duration,
    outcome: std::io::Result<Outcome>,
) -> Result<String, ComposeError> {
    match outcome.map_err(|error| ComposeError::Unusable(error.to_string()))? {
        Outcome::Ended { status, output } if status.success() => Ok(output),
        Outcome::Ended { status, output } => Err(ComposeError::Failed { verb, code: status.code(), output }),
        Outcome::TimedOut { output } => Err(ComposeError::TimedOut { verb, limit, output }),
        Outcome::Unwanted => Err(ComposeError::Unwanted { verb }),
    }
}

/// What stands before the verb.
fn arguments(leading: &[OsString], project: &Project) -> Vec<OsString> {
    let name = project.cuid.to_string();
    let mut args = leading.to_vec();
    args.extend(
        ["--ansi", "never", "--progress", "quiet", "--env-file", "/dev/null", "--project-name"]
            .map(OsString::from),
    );
    args.push(name.into());
    args.push("--project-directory".into());
    args.push(project.folder.clone().into());
    args.push("--file".into());
    args.push(project.file().into());
    args
}

const NOT_FOUND: &str = "neither the Compose v2 plugin nor docker was found: install Docker with Compose v2, \
                         or name the binary in APP_COMPOSE_BIN";
