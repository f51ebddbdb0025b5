//! Why an archive is refused: each hazard is its own variant and has its own code.

use super::super::error::shown;
use crate::codes::Code;

/// Why an archive is refused. Entry names are escaped.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes are not a zip.
    #[error("the upload is not a zip archive")]
    NotAZip,
    /// The bytes are not a tar.
    #[error("the upload is not a tar archive, or is compressed otherwise than by gzip")]
    NotATar,
    /// The archive's end is missing.
    #[error("the archive is cut off; send it whole")]
    Truncated,
    /// A record of the archive cannot be read.
    #[error("the archive is malformed: {0}; pack it again")]
    Malformed(&'static str),
    /// Data does not decompress, or its checksum is wrong.
    #[error("the entry `{0}` is damaged; pack the archive again")]
    Corrupt(String),
    /// Bytes that belong to no part of the archive.
    #[error("the archive has other bytes {0}; send the archive alone")]
    ExtraBytes(&'static str),
    /// The archive is one of several disks.
    #[error("the archive is split over several disks; send it as one file")]
    MultiDisk,
    /// An entry is encrypted.
    #[error("the entry `{0}` is encrypted; pack the archive without a password")]
    Encrypted(String),
    /// An entry is compressed by an unknown method.
    #[error("the entry `{name}` uses compression method {method}; use stored or deflate")]
    MethodUnsupported {
        /// The entry.
        name: String,
        /// The method's number in the zip specification.
        method: u16,
    },
    /// The two headers of an entry say different things.
    #[error("the entry `{name}` has two different values of {what}; pack the archive again")]
    HeadersDisagree {
        /// The entry.
        name: String,
        /// What differs.
        what: &'static str,
    },
    /// Two entries share bytes of the archive.
    #[error("the entry `{0}` shares bytes with another part of the archive; pack it again")]
    Overlap(String),
    /// An entry is larger or smaller than it says.
    #[error("the entry `{0}` does not have the size that it says; pack the archive again")]
    SizeLies(String),
    /// More entries than allowed.
    #[error("the archive has {found} entries, {limit} are allowed; send it in parts")]
    TooManyEntries {
        /// How many the end record says.
        found: u64,
        /// The most allowed.
        limit: u64,
    },
    /// More unpacked bytes than allowed.
    #[error("the archive unpacks to more than the {limit} bytes allowed; send it in parts")]
    TooLarge {
        /// The most bytes allowed.
        limit: u64,
    },
    /// Compressed more tightly than allowed.
    #[error("the archive unpacks to more than {limit} times its size; store its files uncompressed")]
    Ratio {
        /// The largest ratio allowed.
        limit: u64,
    },
    /// Folders nested deeper than allowed.
    #[error("the entry `{name}` lies deeper than the {limit} folders allowed")]
    TooDeep {
        /// The entry.
        name: String,
        /// The deepest allowed.
        limit: usize,
    },
    /// An entry without a name.
    #[error("entry {0} of the archive has no name")]
    NameEmpty(usize),
    /// An absolute name.
    #[error("the entry name `{0}` is absolute; pack relative names")]
    NameAbsolute(String),
    /// A `..` part.
    #[error("the entry name `{0}` has a `..` part; pack names without it")]
    NameParent(String),
    /// An empty or `.` part.
    #[error("the entry name `{0}` has an empty or `.` part; pack plain relative names")]
    NameNotCanonical(String),
    /// A backslash.
    #[error("the entry name `{0}` has a backslash; separate folders by `/`")]
    NameBackslash(String),
    /// A NUL.
    #[error("the entry name `{0}` has a NUL character")]
    NameNul(String),
    /// A control character.
    #[error("the entry name `{0}` has a control character; rename the file")]
    NameControl(String),
    /// Not UTF-8.
    #[error("the entry name `{0}` is not utf-8; pack the archive with utf-8 names")]
    NameNotUtf8(String),
    /// A name over 4095 bytes with the folder it goes to, or a part over 255.
    #[error("the entry name `{0}` is too long; a part may have 255 bytes and a path 4095")]
    NameTooLong(String),
    /// Two entries of one name.
    #[error("the archive has two entries named `{0}`; keep one")]
    Duplicate(String),
    /// One name is both a file and a folder.
    #[error("`{0}` is both a file and a folder in the archive")]
    FileAndFolder(String),
    /// An entry beneath a link of the archive.
    #[error("the entry `{0}` lies beneath a symbolic link of the archive")]
    BelowLink(String),
    /// Neither file, folder nor link.
    #[error("the entry `{0}` is not a file, a folder or a symbolic link; leave it out")]
    KindNotAllowed(String),
    /// An absolute link.
    #[error("the symbolic link `{0}` has an absolute target; only relative ones are kept")]
    LinkAbsolute(String),
    /// A link that may lead outside the folder unpacked to.
    #[error(
        "the symbolic link `{0}` leads outside the folder unpacked to, or may (`..` stands in the middle \
         of its target); leave it out"
    )]
    LinkEscapes(String),
    /// A target that cannot be one.
    #[error("the symbolic link `{0}` has a target that is empty, over 4095 bytes, or has a NUL")]
    LinkTargetInvalid(String),
}

impl ArchiveError {
    /// Two headers of the entry `name` differ in `what`.
    pub(super) fn disagree(name: &[u8], what: &'static str) -> Self {
        Self::HeadersDisagree { name: shown(name), what }
    }

    /// The code that the API answers.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAZip => Code::ArchiveNotAZip,
            Self::NotATar => Code::ArchiveNotATar,
            Self::Truncated => Code::ArchiveTruncated,
            Self::Malformed(_) => Code::ArchiveMalformed,
            Self::Corrupt(_) => Code::ArchiveCorrupt,
            Self::ExtraBytes(_) => Code::ArchiveExtraBytes,
            Self::MultiDisk => Code::ArchiveMultiDisk,
            Self::Encrypted(_) => Code::ArchiveEncrypted,
            Self::MethodUnsupported { .. } => Code::ArchiveMethodUnsupported,
            Self::HeadersDisagree { .. } => Code::ArchiveHeadersDisagree,
            Self::Overlap(_) => Code::ArchiveOverlap,
            Self::SizeLies(_) => Code::ArchiveSizeLies,
            Self::TooManyEntries { .. } => Code::ArchiveTooManyEntries,
            Self::TooLarge { .. } => Code::ArchiveTooLarge,
            Self::Ratio { .. } => Code::ArchiveRatio,
            Self::TooDeep { .. } => Code::ArchiveTooDeep,
            Self::NameEmpty(_) => Code::EntryNameEmpty,
            Self::NameAbsolute(_) => Code::EntryNameAbsolute,
            Self::NameParent(_) => Code::EntryNameParent,
            Self::NameNotCanonical(_) => Code::EntryNameNotCanonical,
            Self::NameBackslash(_) => Code::EntryNameBackslash,
            Self::NameNul(_) => Code::EntryNameNul,
            Self::NameControl(_) => Code::EntryNameControl,
            Self::NameNotUtf8(_) => Code::EntryNameNotUtf8,
            Self::NameTooLong(_) => Code::EntryNameTooLong,
            Self::Duplicate(_) => Code::EntryDuplicate,
            Self::FileAndFolder(_) => Code::EntryFileAndFolder,
            Self::BelowLink(_) => Code::EntryBelowLink,
            Self::KindNotAllowed(_) => Code::EntryKindNotAllowed,
            Self::LinkAbsolute(_) => Code::LinkAbsolute,
            Self::LinkEscapes(_) => Code::LinkEscapes,
            Self::LinkTargetInvalid(_) => Code::LinkTargetInvalid,
        }
    }
}
