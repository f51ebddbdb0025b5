//! Running a command in a container: create, start, resize, inspect.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::socket::escaped;
use super::{EngineError, EngineSocket, Input, Output};

/// Keys that would detach from a terminal. The engine's default is Ctrl-P Ctrl-Q, and it holds back every
/// Ctrl-P, which shells use; the API has no word for none, so it is a sequence that no one types.
pub(super) const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@";

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct ExecSpec {
    /// The command and its arguments.
    pub cmd: Vec<String>,
    /// `K=V` each, beside the container's own environment.
    pub env: Vec<String>,
    /// `user[:group]`, instead of the container's.
    pub user: Option<String>,
    /// The folder it starts in, instead of the container's.
    pub working_dir: Option<String>,
    /// Its terminal, when it gets one.
    pub tty: Option<Size>,
    /// Whether it gets a standard input.
    pub stdin: bool,
}

/// How an exec is doing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecState {
    /// Whether its process runs.
    pub running: bool,
    /// Its exit code; nothing before the end.
    pub exit_code: Option<i64>,
    /// Its process on the host; 0 before the start, and for ever when it could not start.
    #[serde(default)]
    pub pid: i32,
}

impl ExecState {
    /// Whether it is over, also when it never began.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !self.running && self.exit_code.is_some()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

impl EngineSocket {
    /// Prepares a command in a running container and answers its id.
    pub async fn exec_create(&self, container: &str, spec: &ExecSpec) -> Result<String, EngineError> {
        let body = json!({
            "AttachStdin": spec.stdin,
            "AttachStdout": true,
            "AttachStderr": true,
            "Cmd": spec.cmd,
            "Env": spec.env,
            "User": spec.user.as_deref().unwrap_or_default(),
            "WorkingDir": spec.working_dir.as_deref().unwrap_or_default(),
            "Tty": spec.tty.is_some(),
            "DetachKeys": DETACH_KEYS,
        });
        let path = format!("/containers/{}/exec", escaped(container));
        Ok(self.json::<Created>(Method::POST, &path, Some(&body)).await?.id)
    }

    /// Starts it and takes its streams. Before API 1.42 the terminal's size has to be set by
    /// [`Self::exec_resize`] once the process exists.
    pub async fn exec_start(&self, exec: &str, tty: Option<Size>) -> Result<(Output, Input), EngineError> {
        let mut body = json!({ "Detach": false, "Tty": tty.is_some() });
        if let (Some(size), true) = (tty, self.at_least(42)) {
            body["ConsoleSize"] = json!([size.rows, size.cols]);
        }
        let (reader, input) = self.upgrade(&format!("/exec/{}/start", escaped(exec)), Some(&body)).await?;
        Ok((Output::of(reader, tty.is_some()), input))
    }

    /// Gives its terminal another size.
    pub async fn exec_resize(&self, exec: &str, size: Size) -> Result<(), EngineError> {
        let path = format!("/exec/{}/resize?h={}&w={}", escaped(exec), size.rows, size.cols);
        self.command(Method::POST, &path, None).await
    }

    /// Asks how it is doing.
    pub async fn exec_inspect(&self, exec: &str) -> Result<ExecState, EngineError> {
        self.json(Method::GET, &format!("/exec/{}/json", escaped(exec)), None::<&Value>).await
    }
}
