//! Exec: one command in a running container, to its end.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::exec::ExecRequest;
use crate::terminal::one_shot::{End, OneShot, Printed, run_once};

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; as a shell says 127 for what does not exist and 126 for what cannot be run.
    pub exit_code: i64,
    /// What it printed.
    pub output: PrintedText,
}

/// What a command printed.
#[derive(Clone, Debug)]
pub struct PrintedText {
    /// Standard output, and whether it is base64.
    pub stdout: (String, bool),
    /// Standard error, and whether it is base64.
    pub stderr: (String, bool),
    /// Whether there was more of one of them than was to be kept.
    pub is_truncated: bool,
    /// How long it took.
    pub duration_ms: u64,
}

impl Service {
    /// Runs the command of a request's body in a container. It runs to its end also when no one waits for it any
    /// more, as with `docker exec`.
    pub async fn exec(self: &Arc<Self>, principal: &Principal, id: &str, body: Value) -> Result<Ran> {
        let cuid = self.resolve(id)?;
        let request = ExecRequest::parse(body)?;
        let container_id = self.running(cuid, "a command needs a container that runs")?;
        let place = self.parts.terminals.take_place(cuid)?;
        let options = one_shot(cuid, container_id, request.clone());
        let (service, begin) = (Arc::clone(self), Instant::now());
        let (revoked, ended) = (principal.ended(), principal.ended());
        let task = self.parts.terminals.spawn(async move {
            let _place = place;
            let stop = service.parts.terminals.shutdown();
            let _revoked = stop_with(&revoked, &stop);
            run_once(&service.parts.engine.socket(), options, stop).await
        });
        let fault = |_| Error::new(Code::InternalError, "the command broke off by a fault of the daemon");
        let (end, printed) =
            task.await.map_err(fault)?.map_err(|error| self.of_container(cuid, id, error))?;
        let output = PrintedText::new(printed, begin);
        match end {
            End::Exited(exit_code) => Ok(Ran { exit_code, output }),
            End::Refused(reason) => Err(refused(&request, &self.parts.redactor.clean(&reason, None))),
            End::TimedOut => Err(timed_out(&request, output)),
            End::Shutdown if ended.is_cancelled() => Err(Error::revoked()),
            End::Shutdown => Err(Error::shutting_down()),
        }
    }
}

/// Stops what waits for `stop` when who asked may not go on, until this is dropped.
fn stop_with(revoked: &CancellationToken, stop: &CancellationToken) -> DropGuard {
    let over = CancellationToken::new();
    let (revoked, stop, watched) = (revoked.clone(), stop.clone(), over.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = revoked.cancelled() => stop.cancel(),
            () = watched.cancelled() => {}
        }
    });
    over.drop_guard()
}

fn one_shot(cuid: Cuid, container_id: String, request: ExecRequest) -> OneShot {
    OneShot {
        cuid: cuid.to_string(),
        container_id,
        cmd: request.cmd,
        env: request.env.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
        user: request.user,
        working_dir: request.working_dir,
        stdin: request.stdin,
        timeout: request.timeout,
        max_output: request.max_output,
    }
}

impl PrintedText {
    fn new(printed: Printed, begin: Instant) -> Self {
        Self {
            is_truncated: printed.stdout.is_cut || printed.stderr.is_cut,
            stdout: printed.stdout.into_text(),
            stderr: printed.stderr.into_text(),
            duration_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The word of the API for how a text is to be read.
#[must_use]
pub const fn encoding(is_base64: bool) -> &'static str {
    if is_base64 { "base64" } else { "utf8" }
}

/// The container has no such user, or no such folder.
fn refused(request: &ExecRequest, reason: &str) -> Error {
    let (field, provided) = if reason.contains("chdir to cwd") {
        ("working_dir", &request.working_dir)
    } else {
        ("user", &request.user)
    };
    let message = format!("{field} is not one of this container: {reason}");
    Error::new(Code::InvalidValue, message).with("field", field).with("provided", provided.clone())
}

fn timed_out(request: &ExecRequest, output: PrintedText) -> Error {
    let seconds = request.timeout.as_secs();
    let message = format!("the command did not end within {seconds} s; every process of it was ended");
    Error::new(Code::ExecTimedOut, message)
        .with("timeout_s", seconds)
        .with("stdout", output.stdout.0)
        .with("stdout_encoding", encoding(output.stdout.1))
        .with("stderr", output.stderr.0)
        .with("stderr_encoding", encoding(output.stderr.1))
        .with("truncated", output.is_truncated)
        .with("duration_ms", output.duration_ms)
}
