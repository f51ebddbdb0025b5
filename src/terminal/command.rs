//! A command in a container: started with a mark on all that it starts, watched, and its exit code.

use std::sync::Arc;
use std::time::Duration;

use super::frame::Complaint;
use super::leader::Leader;
use super::processes::{self, MARKER, Started};
use super::pump::Ending;
use crate::codes::Code;
use crate::engine::exec::{ExecSpec, ExecState};
use crate::engine::{EngineError, EngineSocket, Input, Output};

/// How long nothing may come from a session without processes before its output is taken to be over.
pub(super) const SILENCE: Duration = Duration::from_secs(2);
/// When the engine is first asked for a process that it was told to start, and how often then: no engine is faster
/// than that, and each question takes from its time.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_millis(6);
/// The exit code of what was killed by SIGKILL.
const KILLED: i64 = 137;

/// Where a command runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The container's id in the engine.
    pub(super) container: &'a str,
    /// The container's main process on the host.
    pub(super) main: i32,
}

/// A command that runs.
pub(super) struct Command {
    pub(super) exec: String,
    pub(super) leader: Option<Arc<Leader>>,
    pub(super) started: Started,
    /// Its exit code, where it had ended before it could be watched.
    ended: Option<i64>,
}

/// What came of starting a command.
pub(super) enum Begun {
    Running(Command, Output, Input),
    /// It cannot be started: a shell's exit code for that, and why.
    Refused(i64, Complaint),
}

/// Starts the command and waits until its process is known. When that fails, nothing of it is left.
pub(super) async fn begin(
    engine: &EngineSocket,
    place: Place<'_>,
    mut spec: ExecSpec,
    marker: String,
) -> Result<Begun, EngineError> {
    spec.env.retain(|pair| !pair.starts_with(&format!("{MARKER}=")));
    spec.env.push(format!("{MARKER}={marker}"));
    let exec = engine.exec_create(place.container, &spec).await?;
    let mut started = Started { marker, leader: 0, container: place.main };
    let begun = start(engine, &exec, &spec).await;
    let (state, output, input) = match begun {
        Ok(begun) => begun,
        Err(EngineError::Api { status, message }) if status == 400 || names_none(&message) => {
            return refused(&message);
        }
        Err(error) => {
            processes::end(started).await;
            return Err(error);
        }
    };
    if state.pid == 0 {
        return refused(&said(output).await);
    }
    if let (Some(size), false) = (spec.tty, engine.at_least(42)) {
        // A process that has ended meanwhile needs no size.
        drop(engine.exec_resize(&exec, size).await);
    }
    started.leader = state.pid;
    let leader = if state.running { Leader::hold(state.pid).map(Arc::new) } else { None };
    let ended = state.exit_code.filter(|_| state.has_ended());
    Ok(Begun::Running(Command { exec, leader, started, ended }, output, input))
}

async fn start(
    engine: &EngineSocket,
    exec: &str,
    spec: &ExecSpec,
) -> Result<(ExecState, Output, Input), EngineError> {
    let (mut output, input) = engine.exec_start(exec, spec.tty).await?;
    let known = async {
        let mut has_begun = false;
        let mut pause = FIRST_LOOK;
        loop {
            tokio::select! {
                // It runs, or has ended.
                () = output.ready(), if !has_begun => has_begun = true,
                () = tokio::time::sleep(pause) => {}
            }
            let state = engine.exec_inspect(exec).await?;
            if state.pid != 0 || state.has_ended() {
                return Ok(state);
            }
            pause = LOOK_EVERY;
        }
    };
    let state = tokio::time::timeout(engine.timeout, known).await.unwrap_or(Err(EngineError::Timeout))?;
    Ok((state, output, input))
}

/// The engine's reason for not starting a command, which it prints where the command's output would be.
async fn said(mut output: Output) -> String {
    let mut text = Vec::new();
    let reading = async {
        while let (true, Ok(Some(pieces))) = (text.len() < 4096, output.next().await) {
            for piece in pieces {
                text.extend_from_slice(&piece.bytes);
            }
        }
    };
    // Whatever was read by then is the reason.
    drop(tokio::time::timeout(SILENCE, reading).await);
    String::from_utf8_lossy(&text).into_owned()
}

/// What a command is that could not be started. The container may have been stopped or frozen by now, which is
/// then not the command's fault: the runtime says so as the engine would have said it a moment later.
fn refused(message: &str) -> Result<Begun, EngineError> {
    if message.contains("cannot exec in a ") {
        return Err(EngineError::Api { status: 409, message: message.to_owned() });
    }
    let (code, complaint) = refusal(message);
    Ok(Begun::Refused(code, complaint))
}

/// Exit code and complaint for a command that could not be started. Engine 20.10 itself says 126 for all.
fn refusal(message: &str) -> (i64, Complaint) {
    let reason = message.trim().trim_end_matches(": unknown");
    let reason =
        reason.rsplit_once("unable to start container process: ").map_or(reason, |(_, reason)| reason);
    let missing = reason.contains("not found in $PATH") || reason.contains("no such file or directory");
    let (status, code) = if names_none(reason) {
        (126, Code::InvalidValue)
    } else if missing {
        (127, Code::CommandNotFound)
    } else {
        (126, Code::CommandNotExecutable)
    };
    (status, Complaint::new(code, format!("the command cannot be started: {reason}")))
}

/// Whether the container does not have the folder or user that was asked for. Podman says so with status 500.
fn names_none(reason: &str) -> bool {
    let names = ["chdir to cwd", "unable to find user", "unable to find group"];
    names.iter().any(|name| reason.contains(name))
}

impl Command {
    /// The end of the command: by its process where that can be watched, else by the engine's word.
    pub(super) fn end(&self, engine: &EngineSocket) -> Ending<Result<(), EngineError>> {
        if self.ended.is_some() {
            return Box::pin(std::future::ready(Ok(())));
        }
        match self.leader.clone() {
            Some(leader) => Box::pin(async move {
                leader.ended().await;
                Ok(())
            }),
            None => self.end_by_engine(engine, Duration::from_millis(100)),
        }
    }

    /// The same for a command whose output has ended, which it also has when the engine is gone.
    pub(super) fn end_or_engine_gone(&self, engine: &EngineSocket) -> Ending<Result<(), EngineError>> {
        let (mut own, mut engines) = (self.end(engine), self.end_by_engine(engine, Duration::from_secs(1)));
        Box::pin(async move {
            tokio::select! {
                ended = &mut own => ended,
                ended = &mut engines => ended,
            }
        })
    }

    fn end_by_engine(&self, engine: &EngineSocket, every: Duration) -> Ending<Result<(), EngineError>> {
        let (engine, exec) = (engine.clone(), self.exec.clone());
        Box::pin(async move {
            while !engine.exec_inspect(&exec).await?.has_ended() {
                tokio::time::sleep(every).await;
            }
            Ok(())
        })
    }

    /// Asks until the engine knows the exit code; it is up to 2 s behind the process.
    pub(super) async fn exit_code(&self, engine: &EngineSocket, container: &str) -> Result<i64, EngineError> {
        if let Some(code) = self.ended {
            return Ok(code);
        }
        let asking = async {
            loop {
                let state = engine.exec_inspect(&self.exec).await?;
                match state.exit_code {
                    Some(code) if !state.running => return Ok(code),
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        match tokio::time::timeout(engine.timeout, asking).await.unwrap_or(Err(EngineError::Timeout)) {
            Err(error) if error.status() == Some(404) => code_without_container(engine, container).await,
            result => result,
        }
    }
}

/// The engine has forgotten the exec: its container was removed, or the engine was restarted.
async fn code_without_container(engine: &EngineSocket, container: &str) -> Result<i64, EngineError> {
    match engine.container_facts(container).await {
        Err(error) if error.status() == Some(404) => Ok(KILLED),
        _ => Err(EngineError::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_was_stopped_meanwhile_is_not_the_command_s_fault() {
        let text =
            "OCI runtime exec failed: exec failed: cannot exec in a paused container (use --ignore-paused)";
        assert!(matches!(refused(text), Err(EngineError::Api { status: 409, .. })));
        assert!(matches!(refused("exec: \"x\": permission denied"), Ok(Begun::Refused(126, _))));
    }

    #[test]
    fn a_command_that_cannot_start_is_told_as_a_shell_tells_it() {
        let oci = |reason: &str| {
            let text = "OCI runtime exec failed: exec failed: unable to start container process: ";
            refusal(&format!("{text}{reason}: unknown\r\n"))
        };
        let (code, complaint) = oci("exec: \"nosuch\": executable file not found in $PATH");
        assert_eq!((code, complaint.code), (127, Code::CommandNotFound));
        assert!(complaint.message.ends_with("executable file not found in $PATH"), "{}", complaint.message);
        assert_eq!(oci("exec: \"/x\": stat /x: no such file or directory").0, 127);
        assert_eq!(oci("exec: \"/etc/passwd\": permission denied").0, 126);
        let (code, complaint) =
            oci("chdir to cwd (\"/nope\") set in config.json failed: no such file or directory");
        assert_eq!((code, complaint.code), (126, Code::InvalidValue));
        let (code, complaint) = refusal("unable to find user x: no matching entries in passwd file");
        assert_eq!((code, complaint.code), (126, Code::InvalidValue));
    }
}
