//! One command in a container from its start to its end, with what it printed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::command::{Begun, Command, Place, SILENCE, begin};
use super::processes;
use crate::codes::Code;
use crate::engine::exec::ExecSpec;
use crate::engine::{EngineError, EngineSocket, Input, Output, Piece, StdStream};

/// What stands before the cuid in the mark of such commands: what they leave behind may outlive the daemon.
const MARK: &str = "exec";
/// How long the output of a command that has ended may be silent before it is taken to be whole, where
/// something that the command left behind holds it open.
const PAUSE: Duration = Duration::from_millis(300);
/// How long it is read in all: by then the engine has sent what was printed before the end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The same where nothing was left behind, so that the output is about to end.
const LAST_PIECES: Duration = Duration::from_secs(5);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct OneShot {
    /// The container's cuid, which marks every process that the command starts.
    pub cuid: String,
    /// The container's id in the engine.
    pub container_id: String,
    /// The command and its arguments.
    pub cmd: Vec<String>,
    /// `K=V` each.
    pub env: Vec<String>,
    /// `user[:group]`, instead of the container's.
    pub user: Option<String>,
    /// The folder it starts in, instead of the container's.
    pub working_dir: Option<String>,
    /// What is typed to it; none: it has no standard input.
    pub stdin: Option<Vec<u8>>,
    /// How long it may take.
    pub timeout: Duration,
    /// How many bytes of each output are kept.
    pub max_output: usize,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, or by a signal; also when it could not be started, as a shell says: 126, 127.
    Exited(i64),
    /// Its user or its folder does not exist: why.
    Refused(String),
    /// It outlasted its time; every process of it is gone.
    TimedOut,
    /// The daemon went away; every process of it is gone.
    Shutdown,
}

/// What was kept of one output.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    bytes: Vec<u8>,
    /// Whether there was more.
    pub is_cut: bool,
}

/// What it printed.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// Standard output.
    pub stdout: Kept,
    /// Standard error.
    pub stderr: Kept,
}

impl Kept {
    fn keep(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.is_cut |= room < bytes.len();
    }

    /// As text, and whether that is base64: of bytes that are not UTF-8. What is cut is cut between characters.
    #[must_use]
    pub fn into_text(self) -> (String, bool) {
        match String::from_utf8(self.bytes) {
            Ok(text) => (text, false),
            Err(error) => {
                let (whole, is_unfinished) =
                    (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
                let mut bytes = error.into_bytes();
                if self.is_cut && is_unfinished {
                    bytes.truncate(whole);
                    return (String::from_utf8_lossy(&bytes).into_owned(), false);
                }
                (STANDARD.encode(bytes), true)
            }
        }
    }
}

impl Printed {
    fn keep(&mut self, pieces: &[Piece], limit: usize) {
        for piece in pieces {
            match piece.stream {
                StdStream::Out => self.stdout.keep(&piece.bytes, limit),
                StdStream::Err => self.stderr.keep(&piece.bytes, limit),
            }
        }
    }
}

/// Runs a command to its end. What it leaves in the background goes on when it ends by itself, and is not waited
/// for. The future has to be run to its end: dropped, it leaves the command behind.
pub async fn run_once(
    engine: &EngineSocket,
    options: OneShot,
    shutdown: CancellationToken,
) -> Result<(End, Printed), EngineError> {
    let facts = engine.container_facts(&options.container_id).await?;
    let place = Place { container: &options.container_id, main: facts.state.pid };
    let marker = format!("{MARK}.{}.{}", options.cuid, uuid::Uuid::new_v4());
    let spec = ExecSpec {
        cmd: options.cmd,
        env: options.env,
        user: options.user,
        working_dir: options.working_dir,
        tty: None,
        stdin: options.stdin.is_some(),
    };
    let mut printed = Printed::default();
    match begin(engine, place, spec, marker).await? {
        Begun::Running(command, output, input) => {
            let mut run = Run { engine, command, output, is_open: true, printed, limit: options.max_output };
            let end = run.finish(place, (input, options.stdin), options.timeout, shutdown).await?;
            Ok((end, run.printed))
        }
        Begun::Refused(_, complaint) if complaint.code == Code::InvalidValue => {
            Ok((End::Refused(complaint.message), printed))
        }
        Begun::Refused(code, complaint) => {
            printed.stderr.keep(format!("{}\n", complaint.message).as_bytes(), options.max_output);
            Ok((End::Exited(code), printed))
        }
    }
}

/// A command that runs, and what it has printed so far.
struct Run<'a> {
    engine: &'a EngineSocket,
    command: Command,
    output: Output,
    is_open: bool,
    printed: Printed,
    limit: usize,
}

impl Run<'_> {
    async fn finish(
        &mut self,
        place: Place<'_>,
        (input, stdin): (Input, Option<Vec<u8>>),
        timeout: Duration,
        shutdown: CancellationToken,
    ) -> Result<End, EngineError> {
        let end = tokio::select! {
            ended = self.watch() => match ended {
                Ok(()) => None,
                Err(error) => {
                    // No one is left to end it in time.
                    processes::end(self.command.started.clone()).await;
                    return Err(error);
                }
            },
            () = tokio::time::sleep(timeout) => Some(End::TimedOut),
            () = shutdown.cancelled() => Some(End::Shutdown),
            () = type_in(input, stdin) => None,
        };
        if let Some(end) = end {
            let started = self.command.started.clone();
            tokio::join!(processes::end(started), self.read_on(SILENCE, LAST_PIECES));
            return Ok(end);
        }
        self.read_the_rest().await;
        Ok(End::Exited(self.command.exit_code(self.engine, place.container).await?))
    }

    /// Reads until the command has ended.
    async fn watch(&mut self) -> Result<(), EngineError> {
        let mut end = self.command.end(self.engine);
        loop {
            tokio::select! {
                pieces = self.output.next(), if self.is_open => if let Ok(Some(pieces)) = pieces {
                    self.printed.keep(&pieces, self.limit);
                } else {
                    // The command has closed its output, or is about to end, or the engine is gone.
                    self.is_open = false;
                    end = self.command.end_or_engine_gone(self.engine);
                },
                ended = &mut end => return ended,
            }
        }
    }

    /// Reads what a command that has ended had printed: to the end of it, unless something that the command
    /// left behind holds the output open.
    async fn read_the_rest(&mut self) {
        if !self.is_open {
            return;
        }
        match processes::left(self.command.started.clone()).await {
            0 => self.read_on(SILENCE, LAST_PIECES).await,
            _ => self.read_on(PAUSE, LAST_WORDS).await,
        }
    }

    /// Reads until the output ends or is silent, or the time is up.
    async fn read_on(&mut self, silence: Duration, in_all: Duration) {
        let Self { output, printed, limit, .. } = self;
        let reading = async {
            while let Ok(Ok(Some(pieces))) = tokio::time::timeout(silence, output.next()).await {
                printed.keep(&pieces, *limit);
            }
        };
        // What was read by then is what there is.
        drop(tokio::time::timeout(in_all, reading).await);
    }
}

/// Types what there is to type, then holds the input until the command has ended: never returns.
async fn type_in(mut input: Input, stdin: Option<Vec<u8>>) {
    if let Some(bytes) = stdin {
        // A command that does not read its input to the end is free to do so.
        drop(input.write_all(&bytes).await);
        drop(input.shutdown().await);
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::Kept;

    fn kept(bytes: &[u8], limit: usize) -> (String, bool, bool) {
        let mut kept = Kept::default();
        for byte in bytes {
            kept.keep(&[*byte], limit);
        }
        let is_cut = kept.is_cut;
        let (text, is_base64) = kept.into_text();
        (text, is_base64, is_cut)
    }

    #[test]
    fn what_is_cut_is_cut_between_characters() {
        let text = "aä\u{1F511}".as_bytes();
        assert_eq!(kept(text, 7), ("aä\u{1F511}".to_owned(), false, false));
        for (limit, left) in [(6, "aä"), (4, "aä"), (3, "aä"), (2, "a"), (1, "a"), (0, "")] {
            assert_eq!(kept(text, limit), (left.to_owned(), false, true), "{limit}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_base64_also_when_it_ends_in_a_part_of_a_character() {
        assert_eq!(kept(b"\xff\x00", 9), ("/wA=".to_owned(), true, false));
        assert_eq!(kept("ä".as_bytes().split_at(1).0, 9), ("ww==".to_owned(), true, false));
        assert_eq!(kept(b"\xffab", 2), ("/2E=".to_owned(), true, true));
    }
}
