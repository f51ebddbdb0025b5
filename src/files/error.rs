//! Why an access to a mount failed: one variant a reason, none of which names a host path.

use std::io;

use rustix::io::Errno;

use super::archive::ArchiveError;
use crate::codes::Code;

/// Why an access to a mount failed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A path that leads outside the mount, or cannot be one.
    #[error("the path `{path}` is not allowed: {why}; give one relative to the mount")]
    PathNotAllowed {
        /// The path, escaped.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nothing is there.
    #[error("`{path}` does not exist in the mount")]
    FileNotFound {
        /// The path within the mount, escaped.
        path: String,
    },
    /// A folder stands where a file is needed.
    #[error("`{path}` is a folder; name a file (download-zip sends folders)")]
    IsDirectory {
        /// The path within the mount, escaped.
        path: String,
    },
    /// Something else stands where a folder is needed.
    #[error("`{path}` is not a folder; name a folder")]
    NotADirectory {
        /// The path within the mount, escaped.
        path: String,
    },
    /// A link, FIFO, device or socket stands where a file is needed.
    #[error("`{path}` is {kind}, not a regular file; only regular files can be read and replaced")]
    NotARegularFile {
        /// The path within the mount, escaped.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A path of the host that cannot be mounted.
    #[error("the source {path} {why}")]
    BindSource {
        /// The path of the host, as it was asked for.
        path: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// There is no mount for this container.
    #[error("the container has no mount")]
    NoMount,
    /// A file stands where the archive has a folder, or the other way round.
    #[error(
        "`{path}` is {found} in the mount and {given} in the archive; remove it first or use mode=replace"
    )]
    PathConflict {
        /// The path within the mount, escaped.
        path: String,
        /// What the mount has.
        found: &'static str,
        /// What the archive has.
        given: &'static str,
    },
    /// The folder that something should go into is missing.
    #[error("the folder `{path}` does not exist in the mount; make it first (POST …/files/mkdir)")]
    NoParent {
        /// The folder within the mount, escaped.
        path: String,
    },
    /// Something stands there already.
    #[error("`{path}` exists already; choose another name, or remove it first")]
    FileExists {
        /// The path within the mount, escaped.
        path: String,
    },
    /// A folder that has to be empty is not.
    #[error("the folder `{path}` is not empty; remove it with recursive=true")]
    FolderNotEmpty {
        /// The path within the mount, escaped.
        path: String,
    },
    /// A file should take a folder's place, or the other way round.
    #[error("`{path}` is {found}, and {given} cannot take its place; remove it first")]
    KindConflict {
        /// The path within the mount, escaped.
        path: String,
        /// What the mount has.
        found: &'static str,
        /// What should take its place.
        given: &'static str,
    },
    /// A condition of the request does not hold.
    #[error("`{path}` is not as If-Match, If-None-Match or If-Unmodified-Since says; read it again")]
    PreconditionFailed {
        /// The path within the mount, escaped.
        path: String,
    },
    /// A folder has more names than are read at once.
    #[error("the folder `{path}` has more than {limit} entries, which are too many to list")]
    FolderTooLarge {
        /// The path within the mount, escaped.
        path: String,
        /// The most allowed.
        limit: u64,
    },
    /// The container changed what was being read or written.
    #[error("`{path}` changed meanwhile; try again when the container is not writing to it")]
    Changed {
        /// The path within the mount, escaped.
        path: String,
    },
    /// The disk is full, or would be.
    #[error("there is not enough free disk space; make room and try again")]
    NoSpace,
    /// The body is larger than an upload may be.
    #[error("the upload is larger than the {limit} bytes allowed")]
    BodyTooLarge {
        /// The most bytes allowed.
        limit: u64,
    },
    /// The folder holds more than one download may.
    #[error("the folder has more {what} than the {limit} one download may have; download parts of it")]
    TreeTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most allowed.
        limit: u64,
    },
    /// The name of a folder that a zip cannot carry.
    #[error("the name of the folder `{path}` is not utf-8 and cannot be put into a zip; rename it")]
    NameNotUtf8 {
        /// The path within the mount, escaped.
        path: String,
    },
    /// The archive is refused.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The kernel cannot keep paths inside a mount.
    #[error(
        "this kernel has no openat2 (or a seccomp filter hides it), which keeps paths inside a mount; \
         run Linux 5.6 or newer"
    )]
    KernelTooOld,
    /// Reading or writing failed.
    #[error("could not {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A task of the daemon ended before its work did.
    #[error("the work on the mount was broken off; try again")]
    Interrupted,
}

impl FilesError {
    /// An error of the system while `action` was being done.
    pub(super) fn io(action: &'static str, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace,
            _ => Self::Io { action, source },
        }
    }

    /// The same, for `map_err`.
    pub(super) fn on(action: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::io(action, errno)
    }

    /// The code that the API answers.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::PathNotAllowed { .. } => Code::PathNotAllowed,
            Self::BindSource { .. } => Code::InvalidValue,
            Self::FileNotFound { .. } | Self::NoParent { .. } => Code::FileNotFound,
            Self::FileExists { .. } => Code::FileExists,
            Self::FolderNotEmpty { .. } => Code::FolderNotEmpty,
            Self::PreconditionFailed { .. } => Code::PreconditionFailed,
            Self::IsDirectory { .. } => Code::IsDirectory,
            Self::NotADirectory { .. } => Code::NotADirectory,
            Self::NotARegularFile { .. } => Code::NotARegularFile,
            Self::NoMount => Code::NoMount,
            Self::PathConflict { .. } | Self::KindConflict { .. } => Code::PathConflict,
            Self::Changed { .. } => Code::FileChanged,
            Self::NoSpace => Code::NoSpace,
            Self::BodyTooLarge { .. } => Code::BodyTooLarge,
            Self::TreeTooLarge { .. } | Self::FolderTooLarge { .. } => Code::TreeTooLarge,
            Self::NameNotUtf8 { .. } => Code::NameNotUtf8,
            Self::Archive(error) => error.code(),
            Self::KernelTooOld | Self::Io { .. } => Code::IoFailed,
            Self::Interrupted => Code::InternalError,
        }
    }
}

/// A name as a message may show it: control characters escaped, cut at 200 characters.
pub(super) fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(name);
    let mut out: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}
