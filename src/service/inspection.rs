//! What the engine can tell of one container, asked when it is wanted.

use std::time::Duration;

use serde_json::Value;

use super::scope::{HIDDEN, hide_variable, lacks, shows_env};
use super::{Error, Result, Service};
use crate::access::{Permission, Principal};
use crate::codes::Code;
use crate::container::compose_file;
use crate::container::status::Status;
use crate::container::{Cuid, ps};
use crate::engine::EngineError;

pub use crate::engine::inspection::Processes;

/// What a container's file system has that its image has not, and the other way round; each list sorted.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New paths.
    pub added: Vec<String>,
    /// Paths with other contents or other metadata.
    pub changed: Vec<String>,
    /// Paths that are gone.
    pub deleted: Vec<String>,
}

impl Service {
    /// The processes of a container, by `ps` with these options. Some of them show the variables of processes.
    pub async fn processes(&self, principal: &Principal, id: &str, opts: Option<&str>) -> Result<Processes> {
        let plain = opts.filter(|_| !shows_env(principal)).map(plain_opts).transpose()?;
        let cuid = self.in_engine(id)?;
        if self.is_podman() {
            return self.podmans_processes(cuid, id, opts).await;
        }
        let passed_on = plain.as_deref().or(opts);
        let answer = self.parts.engine.socket().processes(&cuid.to_string(), passed_on).await;
        answer.map_err(|error| match (error.status(), opts) {
            (Some(500), _) if is_ps_missing(&error) => {
                let message = "the host of the container engine has no ps: install procps there";
                Error::new(Code::NotSupported, message).with("feature", "top")
            }
            (Some(400 | 500), Some(opts)) => self.of_ps(opts, &error),
            _ => self.of_container(cuid, id, error),
        })
    }

    /// The processes of a container of Podman, which lists them by columns of its own.
    async fn podmans_processes(&self, cuid: Cuid, id: &str, opts: Option<&str>) -> Result<Processes> {
        let columns = opts.map(|opts| ps::podmans_columns(opts).ok_or_else(podman_has_no_ps)).transpose()?;
        if let (Some(opts), Some(columns)) = (opts, &columns)
            && !columns.contains(&"pid")
        {
            return Err(Error::invalid_query("opts", opts, "has to leave a column PID"));
        }
        let (socket, name) = (self.parts.engine.socket(), cuid.to_string());
        let answer = socket.podmans_processes(&name, columns.as_deref()).await;
        if let Some(processes) = answer.map_err(|error| self.of_container(cuid, id, error))? {
            return Ok(processes);
        }
        let state = self.parts.live.refresh(cuid).await?;
        Err(match state.status {
            Status::Paused => {
                Error::new(Code::NotSupported, "podman lists no processes of a paused container: unpause it")
                    .with("feature", "top")
            }
            Status::Missing => missing(),
            status => not_running(status, "this needs a container that runs"),
        })
    }

    /// The paths of a container that are not as its image has them.
    pub async fn changes(&self, id: &str) -> Result<Changes> {
        let cuid = self.in_engine(id)?;
        let (socket, name) = (self.parts.engine.socket(), cuid.to_string());
        let list = within(self.parts.settings.change_timeout, socket.file_changes(&name)).await;
        let mut changes = Changes::default();
        for change in list.map_err(|error| self.of_container(cuid, id, error))? {
            match change.kind {
                0 => changes.changed.push(change.path),
                1 => changes.added.push(change.path),
                _ => changes.deleted.push(change.path),
            }
        }
        for list in [&mut changes.added, &mut changes.changed, &mut changes.deleted] {
            list.sort_unstable();
        }
        Ok(changes)
    }

    /// The engine's own description of a container, as a caller may see it.
    pub async fn inspect(&self, principal: &Principal, id: &str) -> Result<Value> {
        let cuid = self.in_engine(id)?;
        let answer = self.parts.engine.socket().inspection(&cuid.to_string()).await;
        let mut answer = answer.map_err(|error| self.of_container(cuid, id, error))?;
        if !shows_env(principal) {
            hide_env(&mut answer);
        }
        Ok(answer)
    }

    /// The bytes of a container's compose file, whether they can be understood or not; without values of variables
    /// to whom they are not shown.
    pub async fn compose_file(&self, principal: &Principal, id: &str) -> Result<Vec<u8>> {
        let cuid = self.resolve(id)?;
        let bytes = self.parts.projects.read_bytes(cuid).await;
        let bytes = bytes.map_err(|error| self.of_compose_file(cuid, id, error))?;
        if shows_env(principal) {
            return Ok(bytes);
        }
        let text = String::from_utf8(bytes).ok();
        let shown = text.and_then(|text| compose_file::without_values(&text)).ok_or_else(|| {
            let message = "the compose file cannot be read, so that no values can be hidden in it: it is shown to \
                           those who have the permission docker:write";
            lacks(Permission::DockerWrite, message)
        })?;
        Ok(shown.into_bytes())
    }

    fn of_compose_file(&self, cuid: Cuid, id: &str, error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::NotFound if self.catalog.get(cuid).is_none() => Error::no_container(id),
            std::io::ErrorKind::NotFound => {
                Error::new(Code::FileNotFound, "someone removed the compose file of this container")
            }
            _ => error.into(),
        }
    }

    /// The container of an id that the engine has to have, as far as memory tells.
    pub(super) fn in_engine(&self, id: &str) -> Result<Cuid> {
        let cuid = self.resolve(id)?;
        self.engine_must_answer()?;
        match self.parts.live.state(cuid).status {
            Status::Missing => Err(missing()),
            _ => Ok(cuid),
        }
    }

    /// The engine's refusal of a call about one container: it may have gone, ended or been paused meanwhile.
    pub(super) fn of_container(&self, cuid: Cuid, id: &str, error: EngineError) -> Error {
        match error {
            EngineError::Api { status: 404, .. } if self.catalog.get(cuid).is_none() => {
                Error::no_container(id)
            }
            // What is not there is the command, not the container: it ended before the command began.
            EngineError::Api { status: 404, message } if !message.contains("exec instance") => missing(),
            EngineError::Api { status: 404 | 409, .. } => {
                not_running(self.parts.live.state(cuid).status, "this needs a container that runs")
            }
            error => self.clean(error.into(), cuid),
        }
    }

    fn of_ps(&self, opts: &str, error: &EngineError) -> Error {
        let words = self.parts.redactor.clean(&error.to_string(), None);
        let rule = "has to be options of ps on the engine's host that leave it a column PID";
        Error::invalid_query("opts", opts, rule).with("output", words)
    }
}

/// Options of `ps` in a form that shows no variables, whatever its version makes of them.
fn plain_opts(opts: &str) -> Result<String> {
    ps::plain(opts).ok_or_else(|| {
        let message = "opts has to be -ef, aux, or -o with columns such as pid,ppid,user,args: others can show the \
                       environment of processes, which needs the permission docker:write";
        lacks(Permission::DockerWrite, message).with("field", "opts").with("provided", opts)
    })
}

/// Takes the values of variables out of the engine's description of a container.
fn hide_env(description: &mut Value) {
    match description {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Array(variables) if name.eq_ignore_ascii_case("env") => {
                        variables.iter_mut().for_each(hide_value);
                    }
                    Value::Object(variables) if name.eq_ignore_ascii_case("env") => {
                        variables.values_mut().for_each(|value| *value = HIDDEN.into());
                    }
                    // What a person calls a label is no variable.
                    _ if name == "Labels" => {}
                    value => hide_env(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_env),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn hide_value(variable: &mut Value) {
    match variable {
        Value::String(text) => hide_variable(text),
        other => *other = HIDDEN.into(),
    }
}

fn podman_has_no_ps() -> Error {
    let message =
        "podman has no ps to pass opts to: use -o with columns such as pid,ppid,user,args, or no opts";
    Error::new(Code::NotSupported, message).with("feature", "top").with("field", "opts")
}

/// The container has to run for this.
pub(super) fn not_running(status: Status, need: &str) -> Error {
    let status = status.as_str();
    let message = format!("{need}, this one is {status}");
    Error::new(Code::ContainerNotRunning, message).with("status", status)
}

/// The container is known, and the engine does not have it.
pub(super) fn missing() -> Error {
    let message = "someone removed the container from the engine: start or recreate brings it back";
    Error::new(Code::InvalidState, message).with("status", Status::Missing.as_str())
}

pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = std::result::Result<T, EngineError>>,
) -> std::result::Result<T, EngineError> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(EngineError::Timeout))
}

fn is_ps_missing(error: &EngineError) -> bool {
    error.to_string().contains("executable file not found")
}
