//! One child process: argv only, a clean environment, its own process group, a limit, capped output.
#![expect(clippy::disallowed_methods, reason = "the one place that starts processes")]

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::lines::Lines;

/// How much of the end of what a child prints is kept, in bytes.
const KEPT: usize = 16 * 1024;
/// How long a child that outlasted its limit has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// A program to run, and all that it gets from us.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<OsString>,
    /// Its whole environment.
    pub(super) env: Vec<(OsString, OsString)>,
    /// The folder it runs in.
    pub(super) folder: PathBuf,
}

/// How a child ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// By itself.
    Ended {
        /// Its exit status.
        status: ExitStatus,
        /// The end of what it printed, standard output and error together.
        output: String,
    },
    /// It outlasted its limit; its whole process group is gone.
    TimedOut {
        /// The end of what it printed until then.
        output: String,
    },
    /// No one wants it any more; its whole process group is gone.
    Unwanted,
}

/// Runs a child to its end, for at most `limit`.
///
/// `lock` becomes the child's standard input: whoever holds that open file holds the project's lock, so a
/// child that outlives this daemon keeps the next one from starting a second change beside it.
pub(super) async fn run(
    invocation: &Invocation,
    lock: Option<File>,
    limit: Duration,
) -> std::io::Result<Outcome> {
    run_told(invocation, lock, limit, Told { lines: None, unwanted: std::future::pending() }).await
}

/// Who looks at a child while it runs.
pub(super) struct Told<U> {
    /// Where the lines go that it prints, as they come. It waits while no one takes them.
    pub(super) lines: Option<mpsc::Sender<Vec<String>>>,
    /// When it is no longer wanted.
    pub(super) unwanted: U,
}

/// Runs a child to its end as [`run`] does, telling what it prints, until it is no longer wanted.
pub(super) async fn run_told(
    invocation: &Invocation,
    lock: Option<File>,
    limit: Duration,
    told: Told<impl Future<Output = ()>>,
) -> std::io::Result<Outcome> {
    let mut child = spawn(invocation, lock)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut tail = Tail::default();
    let ended = tokio::select! {
        biased;
        () = told.unwanted => None,
        ended = timeout(limit, wait(&mut child, &mut tail, told.lines)) => Some(ended),
    };
    if let Some(Ok(status)) = ended {
        return Ok(Outcome::Ended { status: status?, output: tail.text() });
    }
    end_group(&mut child, group, &mut tail).await?;
    Ok(if ended.is_none() { Outcome::Unwanted } else { Outcome::TimedOut { output: tail.text() } })
}

fn spawn(invocation: &Invocation, lock: Option<File>) -> std::io::Result<Child> {
    Command::new(&invocation.program)
        .args(&invocation.args)
        .env_clear()
        .envs(invocation.env.iter().map(|(name, value)| (name, value)))
        .current_dir(Path::new(&invocation.folder))
        .stdin(lock.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Reads what the child prints until it has ended.
async fn wait(
    child: &mut Child,
    tail: &mut Tail,
    mut told: Option<mpsc::Sender<Vec<String>>>,
) -> std::io::Result<ExitStatus> {
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    let mut out = vec![0; 4096];
    let mut err = vec![0; 4096];
    let (mut out_lines, mut err_lines) = (Lines::default(), Lines::default());
    while stdout.is_some() || stderr.is_some() {
        let (lines, bytes) = tokio::select! {
            // Why a program fails it says last, on its standard error: of both, that is read after the other.
            biased;
            count = read(&mut stdout, &mut out), if stdout.is_some() => (&mut out_lines, &out[..count]),
            count = read(&mut stderr, &mut err), if stderr.is_some() => (&mut err_lines, &err[..count]),
        };
        tail.push(bytes);
        if let Some(told_to) = &told {
            let whole = if bytes.is_empty() { lines.rest() } else { lines.push(bytes) };
            if !whole.is_empty() && told_to.send(whole).await.is_err() {
                told = None;
            }
        }
    }
    child.wait().await
}

/// Reads once; at the end of the stream, or on an error, the stream is let go.
async fn read(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let count = match stream {
        Some(open) => open.read(buffer).await.unwrap_or(0),
        None => 0,
    };
    if count == 0 {
        *stream = None;
    }
    count
}

/// Ends the whole process group: killing the child alone leaves what it started.
async fn end_group(child: &mut Child, group: Option<Pid>, tail: &mut Tail) -> std::io::Result<()> {
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    signal(Signal::TERM);
    let has_ended = timeout(GRACE, wait(child, tail, None)).await.is_ok();
    signal(Signal::KILL);
    if !has_ended {
        child.wait().await?;
    }
    Ok(())
}

/// The end of what a child printed.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * KEPT {
            self.0.drain(..self.0.len() - KEPT);
        }
    }

    fn text(&self) -> String {
        let start = self.0.len().saturating_sub(KEPT);
        String::from_utf8_lossy(&self.0[start..]).trim().to_owned()
    }
}
