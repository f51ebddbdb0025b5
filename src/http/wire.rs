//! The bodies of answers, as they stand in the `OpenAPI` document.

pub mod access;
pub mod builds;
pub mod images;
pub mod operations;
pub mod registries;
pub mod system;
pub mod transfers;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::limits::ResourcesBody;
use super::rendered::ContainerText;
use super::schemas;
use crate::container::Spec;
use crate::container::port::{Port, Protocol};
use crate::container::spec::CommandLine;
use crate::container::status::{BoundPort, State};
use crate::service;

/// A command line: a string, which `/bin/sh -c` runs, or the program and its arguments.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum CommandBody {
    /// Run by `/bin/sh -c`.
    Shell(String),
    /// The program and its arguments.
    Argv(Vec<String>),
}

/// A port mapping.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Port)]
pub struct PortBody {
    /// The port on the host. Where the engine picks it: the one it picked, and 0 while the container is not up.
    #[schema(minimum = 0, maximum = 65535, example = 8080)]
    pub host: u16,
    /// The port in the container.
    #[schema(minimum = 1, maximum = 65535, example = 80)]
    pub container: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The host's address to listen on; `null`: all.
    #[schema(example = "127.0.0.1")]
    pub host_ip: Option<String>,
}

/// A container.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Container)]
pub struct ContainerBody {
    /// Its id.
    #[schema(pattern = "^c[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
    pub cuid: String,
    /// Its unique name, if it has one.
    pub name: Option<String>,
    /// Its image, as it was named.
    pub image: String,
    /// What it runs; `null`: `boot.py` of its mount, or the image's own command.
    #[schema(schema_with = schemas::command)]
    pub command: Option<CommandBody>,
    /// What it runs in place of the image's entrypoint.
    #[schema(schema_with = schemas::command)]
    pub entrypoint: Option<CommandBody>,
    /// The environment that was asked for; values are `***` to whoever lacks `docker:write`.
    pub env: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its limits.
    pub resources: ResourcesBody,
    /// Its ports.
    pub ports: Vec<PortBody>,
    /// Who it runs as, if that was asked for.
    pub user: Option<String>,
    /// Where it runs, if that was asked for.
    pub working_dir: Option<String>,
    /// Where its mount appears; `null`: it has none.
    pub mount_path: Option<String>,
    /// When the engine starts it again by itself.
    #[schema(example = "no")]
    pub restart: String,
    /// What else was asked for; the document's schema has each of them.
    #[serde(flatten)]
    #[schema(ignore)]
    pub options: Map<String, Value>,
    /// The engine's truth at the moment of the answer.
    pub status: StatusWord,
    /// The exit code of the last run; `null` while it runs or has never run.
    pub exit_code: Option<i64>,
    /// What its health check says.
    pub health: Option<String>,
    /// When it was created.
    #[schema(format = DateTime)]
    pub created_at: Option<String>,
    /// When it was last started.
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it last ended.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
    /// How often the engine has started it again by its restart policy.
    pub restart_count: i64,
    /// Whether the kernel ended it for want of memory.
    pub oom_killed: bool,
    /// What is wrong with it: the engine's word on a failed start, or a compose file that cannot be read.
    pub error: Option<String>,
    /// The host's path of the engine's log file.
    pub logfile: Option<String>,
}

/// The status of a container.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Status)]
pub enum StatusWord {
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Dead,
    Missing,
}

/// One page of containers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ContainerPage)]
pub struct PageBody {
    /// The containers, by creation time, then cuid.
    #[schema(value_type = Vec<ContainerBody>)]
    pub containers: Vec<ContainerText>,
    /// Send it as `cursor` for the next page; `null`: this is the last.
    pub next_cursor: Option<String>,
    /// How many containers there are on all pages. One who is limited to some containers is shown those alone.
    pub total: usize,
}

/// A container that is gone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deleted)]
pub struct DeletedBody {
    /// Its id.
    pub cuid: String,
    /// True.
    pub deleted: bool,
}

/// What an upload brought.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Uploaded)]
pub struct UploadedBody {
    /// The container.
    pub cuid: String,
    /// The folder unpacked into, relative to the mount; empty: its root.
    pub path: String,
    /// Files and links in the archive.
    pub files: u64,
    /// Folders in the archive.
    pub directories: u64,
    /// Bytes unpacked.
    pub bytes: u64,
}

/// How the daemon is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    /// `ok`, or `degraded` with the problems named.
    pub status: HealthWord,
    /// Compose's version.
    pub compose_version: String,
    /// The engine's version; `null` until it has answered once.
    pub engine_version: Option<String>,
    /// The daemon's version.
    pub version: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// How many containers have which status; to one who is limited, of those that it knows of.
    pub containers: BTreeMap<&'static str, usize>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Whether the daemon can do all its work.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthWord {
    /// It can.
    Ok,
    /// It cannot.
    Degraded,
}

impl From<service::Container> for ContainerBody {
    fn from(container: service::Container) -> Self {
        let service::Container { cuid, definition, state } = container;
        match definition {
            Ok(definition) => {
                Self::new(cuid.to_string(), definition.spec, Some(definition.created_at), state)
            }
            Err(error) => {
                let mut body = Self::new(cuid.to_string(), Spec::of_image(String::new()), None, state);
                body.error = Some(error.to_string());
                body
            }
        }
    }
}

impl ContainerBody {
    fn new(cuid: String, spec: Spec, created_at: Option<String>, state: State) -> Self {
        let ports = ports(&spec.ports, &state);
        Self {
            cuid,
            name: spec.name,
            image: spec.image,
            command: spec.command.map(command),
            entrypoint: spec.entrypoint.map(command),
            env: spec.env,
            tags: spec.tags,
            labels: spec.labels,
            resources: spec.resources.into(),
            ports,
            user: spec.user,
            working_dir: spec.working_dir,
            mount_path: spec.mount_path,
            restart: spec.restart,
            options: spec.options.to_map(),
            status: status(state.status),
            exit_code: state.exit_code,
            health: state.health,
            created_at: created_at.and_then(|time| local(&time)),
            started_at: state.started_at.and_then(|time| local(&time)),
            finished_at: state.finished_at.and_then(|time| local(&time)),
            restart_count: state.restart_count,
            oom_killed: state.oom_killed,
            error: state.error,
            logfile: state.logfile,
        }
    }
}

const fn status(status: crate::container::status::Status) -> StatusWord {
    use crate::container::status::Status;
    match status {
        Status::Created => StatusWord::Created,
        Status::Running => StatusWord::Running,
        Status::Paused => StatusWord::Paused,
        Status::Restarting => StatusWord::Restarting,
        Status::Exited => StatusWord::Exited,
        Status::Dead => StatusWord::Dead,
        Status::Missing => StatusWord::Missing,
    }
}

fn command(line: CommandLine) -> CommandBody {
    match line {
        CommandLine::Shell(line) => CommandBody::Shell(line),
        CommandLine::Argv(argv) => CommandBody::Argv(argv),
    }
}

/// The ports as asked for; where the engine picked the host's, the one it picked.
fn ports(asked: &[Port], state: &State) -> Vec<PortBody> {
    let is_of = |port: &Port, bound: &BoundPort| {
        let is_same = bound.container == port.container && bound.protocol == port.protocol;
        is_same && port.host_ip.is_none_or(|address| address == bound.host_ip)
    };
    let is_fixed = |bound: &BoundPort| asked.iter().any(|port| port.host == bound.host && is_of(port, bound));
    let mut picked: Vec<BoundPort> = state.ports.iter().filter(|bound| !is_fixed(bound)).copied().collect();
    let mut bodies = Vec::with_capacity(asked.len());
    for port in asked {
        let mut host = port.host;
        if host == 0
            && let Some(at) = picked.iter().position(|bound| is_of(port, bound))
        {
            host = picked[at].host;
            // The engine binds it once for IPv4 and once for IPv6.
            picked.retain(|bound| bound.host != host || !is_of(port, bound));
        }
        bodies.push(PortBody {
            host,
            container: port.container,
            protocol: port.protocol,
            host_ip: port.host_ip.map(|address| address.to_string()),
        });
    }
    bodies
}

/// A time with the local offset, to the millisecond.
fn local(time: &str) -> Option<String> {
    Some(local_time(time.parse().ok()?))
}

/// A time with the local offset, to the millisecond.
fn local_time(time: jiff::Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%FT%T%.3f%:z").to_string()
}
