//! One session from `ready` to the close of the socket.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::container_output;
use super::frame::{Complaint, ServerMessage};
use super::link::{Gone, Link, Traffic};
use super::shell;
use crate::codes::Code;
use crate::engine::exec::Size;
use crate::engine::{EngineError, EngineSocket};

/// What comes from the client's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// A text frame.
    Text(String),
    /// A binary frame, which the protocol has no use for.
    Binary,
    /// The socket is gone.
    Closed,
}

/// What goes to the client's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A text frame.
    Frame(String),
    /// The close frame; nothing comes after it.
    Close {
        /// 1000 after `exit`, 1001 when the daemon stops, 1011 after a fault.
        code: u16,
        /// Why, in words.
        reason: String,
    },
}

/// Whose streams a session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those of a command started for it.
    Shell,
    /// The container's own.
    Attach,
}

/// What a session is to do.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The container's cuid, which marks every process that the session starts.
    pub cuid: String,
    /// The container's id in the engine.
    pub container_id: String,
    /// Whether the container's main process has a terminal.
    pub container_tty: bool,
    /// Whose streams are shown.
    pub mode: Mode,
    /// Whether the command gets a terminal.
    pub tty: bool,
    /// The terminal's columns, 1 to 1000.
    pub cols: u16,
    /// The terminal's rows, 1 to 1000.
    pub rows: u16,
    /// The command and its arguments; empty for a shell.
    pub cmd: Vec<String>,
    /// `user[:group]` for the command.
    pub user: Option<String>,
    /// The folder for the command.
    pub working_dir: Option<String>,
    /// `K=V` each, for the command.
    pub env: Vec<String>,
    /// The id of the request that opened the session, for its error frames.
    pub request_id: String,
    /// Cancelled when the client may not go on.
    pub revoked: CancellationToken,
    /// Where its bytes are counted.
    pub traffic: Traffic,
}

impl SessionOptions {
    /// The terminal's size.
    #[must_use]
    pub fn size(&self) -> Size {
        Size { cols: self.cols, rows: self.rows }
    }

    /// Whether what the client types to has a terminal.
    #[must_use]
    pub fn has_tty(&self) -> bool {
        match self.mode {
            Mode::Shell => self.tty,
            Mode::Attach => self.container_tty,
        }
    }
}

/// What a session came to, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// The session's id, as `ready` named it.
    pub session: String,
    /// The exit code of the process, when it ended by itself.
    pub exit_code: Option<i64>,
    /// Bytes typed.
    pub bytes_in: u64,
    /// Bytes printed, as they stand in the frames.
    pub bytes_out: u64,
    /// Why it ended: `exited`, `closed`, `lost`, `shutdown`, `revoked` or `failed`.
    pub reason: &'static str,
}

/// How the work of a session ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Exited(i64),
    Gone(Gone),
    Failed(Complaint),
}

impl From<EngineError> for Outcome {
    fn from(error: EngineError) -> Self {
        Self::Failed(complaint(&error))
    }
}

/// The engine's error in the words of the API.
pub(super) fn complaint(error: &EngineError) -> Complaint {
    let (code, message) = match error {
        EngineError::Unavailable(_) | EngineError::Timeout => {
            (Code::EngineUnavailable, "the container engine does not answer".to_owned())
        }
        EngineError::Api { status: 404, message } => (Code::ContainerNotFound, message.clone()),
        EngineError::Api { status: 409, message } => (Code::ContainerNotRunning, message.clone()),
        EngineError::Api { message, .. } => (Code::InternalError, format!("the engine refused: {message}")),
        EngineError::Protocol(_) => (Code::InternalError, error.to_string()),
    };
    Complaint::new(code, message)
}

/// Serves one client until its process ends, it goes, or `shutdown` is cancelled; then nothing that the
/// session started is left. The future has to be run to its end: dropped, it leaves processes behind until
/// the next [`sweep`](super::sweep).
pub async fn run(
    engine: &EngineSocket,
    options: SessionOptions,
    client: mpsc::Receiver<ClientEvent>,
    server: mpsc::Sender<ServerEvent>,
    shutdown: CancellationToken,
) -> SessionSummary {
    let session = uuid::Uuid::new_v4().to_string();
    let ends = (shutdown, options.revoked.clone());
    let mut link = Link::new(client, server, ends, options.request_id.clone(), options.traffic.clone());
    link.say(&ServerMessage::Ready { session: session.clone(), tty: options.has_tty() }, 0);
    let outcome = match options.mode {
        Mode::Shell => shell::serve(engine, &options, &session, &mut link).await,
        Mode::Attach => container_output::attach(engine, &options, &mut link).await,
    };
    let (exit_code, reason) = conclude(&mut link, outcome).await;
    SessionSummary { session, exit_code, bytes_in: link.bytes_in, bytes_out: link.bytes_out, reason }
}

async fn conclude(link: &mut Link, outcome: Outcome) -> (Option<i64>, &'static str) {
    match outcome {
        Outcome::Exited(code) => {
            link.say(&ServerMessage::Exit { code }, 0);
            match link.flush().await {
                Ok(()) => link.close(1000, "the process has ended").await,
                Err(gone) => say_goodbye(link, gone).await,
            }
            (Some(code), "exited")
        }
        Outcome::Failed(complaint) => {
            link.complain(complaint);
            match link.flush().await {
                Ok(()) => link.close(1011, "the session failed").await,
                Err(gone) => say_goodbye(link, gone).await,
            }
            (None, "failed")
        }
        Outcome::Gone(gone) => {
            say_goodbye(link, gone).await;
            let reason = match gone {
                Gone::Closed => "closed",
                Gone::Lost => "lost",
                Gone::Shutdown => "shutdown",
                Gone::Revoked => "revoked",
            };
            (None, reason)
        }
    }
}

pub(super) async fn say_goodbye(link: &mut Link, gone: Gone) {
    match gone {
        Gone::Closed => link.close(1000, "closed by the client").await,
        Gone::Shutdown => link.close(1001, "the daemon ends the session").await,
        // RFC 6455, 7.4.1: what the client does violates the server's policy.
        Gone::Revoked => link.close(1008, "the credentials are no longer good").await,
        Gone::Lost => {}
    }
}
