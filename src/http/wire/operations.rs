//! The bodies of answers of the one-shot operations.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::asked::TextEncoding;
use crate::service::{Changes, Processes, Pruned, Ran, encoding};

/// The processes of a container.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Processes)]
pub struct ProcessesBody {
    /// The heads of the columns.
    #[schema(example = json!(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]))]
    pub titles: Vec<String>,
    /// One row for each process; numbers of processes are the host's.
    pub processes: Vec<Vec<String>>,
}

/// What is not as the image has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Changes)]
pub struct ChangesBody {
    /// New paths, sorted.
    pub added: Vec<String>,
    /// Paths with other contents or other metadata, sorted.
    pub changed: Vec<String>,
    /// Paths that are gone, sorted.
    pub deleted: Vec<String>,
}

/// The end of a container.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Waited)]
pub struct WaitedBody {
    /// The exit code of its main process.
    pub exit_code: i64,
}

/// A command that has ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ran)]
pub struct RanBody {
    /// Its exit code; 127: there is no such program in the container, 126: it cannot be run; `stderr` says why.
    pub exit_code: i64,
    /// What it printed to its standard output.
    pub stdout: String,
    /// What it printed to its standard error.
    pub stderr: String,
    /// `base64` when the bytes are not UTF-8.
    #[schema(value_type = TextEncoding)]
    pub stdout_encoding: &'static str,
    /// `base64` when the bytes are not UTF-8.
    #[schema(value_type = TextEncoding)]
    pub stderr_encoding: &'static str,
    /// Whether it printed more than `max_output` to one of them.
    pub truncated: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// An image that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Committed)]
pub struct CommittedBody {
    /// Its id.
    pub id: String,
    /// Its name with tag.
    pub image: String,
}

/// What became of a prune.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pruned)]
pub struct PrunedBody {
    /// The containers that are gone, in the order of their creation.
    pub deleted: Vec<String>,
    /// Those that could not be deleted, and why.
    pub failed: Vec<NotPrunedBody>,
}

/// A container that could not be deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotPruned)]
pub struct NotPrunedBody {
    /// Which.
    pub cuid: String,
    /// The stable reason, as in an error.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl From<Pruned> for PrunedBody {
    fn from(pruned: Pruned) -> Self {
        let failed = pruned.failed.into_iter().map(|(cuid, error)| NotPrunedBody {
            cuid: cuid.to_string(),
            code: error.code.as_str(),
            message: error.message,
        });
        Self {
            deleted: pruned.deleted.into_iter().map(|cuid| cuid.to_string()).collect(),
            failed: failed.collect(),
        }
    }
}

impl From<Ran> for RanBody {
    fn from(ran: Ran) -> Self {
        let (stdout, is_stdout_base64) = ran.output.stdout;
        let (stderr, is_stderr_base64) = ran.output.stderr;
        Self {
            exit_code: ran.exit_code,
            stdout,
            stderr,
            stdout_encoding: encoding(is_stdout_base64),
            stderr_encoding: encoding(is_stderr_base64),
            truncated: ran.output.is_truncated,
            duration_ms: ran.output.duration_ms,
        }
    }
}

impl From<Processes> for ProcessesBody {
    fn from(list: Processes) -> Self {
        Self { titles: list.titles, processes: list.processes.unwrap_or_default() }
    }
}

impl From<Changes> for ChangesBody {
    fn from(changes: Changes) -> Self {
        Self { added: changes.added, changed: changes.changed, deleted: changes.deleted }
    }
}
