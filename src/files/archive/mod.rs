//! Archives as uploads: checked whole by the project's own rules before a byte is unpacked.
//!
//! A zip is what goes into a mount; a build's context may be a tar as well, by the same rules.
//! The zip crate decompresses and is asked for its opinion; it decides nothing. Its own extraction
//! strips a leading `/`, merges `a\b` with `a/b` and keeps the last of two duplicates.

mod bytes;
mod directory;
mod end_record;
mod error;
mod extract;
mod gzip;
mod header;
mod local;
mod names;
mod pax;
mod plan;
mod tar;
#[cfg(test)]
pub(super) mod testing;
mod times;
mod window;

use std::fs::File;
use std::io::Read;

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

pub use error::ArchiveError;
pub(super) use extract::{Extraction, extract};
pub(super) use gzip::{inflated, is_gzip};
pub(super) use plan::{Plan, ROOT};

use self::directory::{Entry, EntryKind};
use self::window::SharedFile;
use super::error::{FilesError, shown};
use super::limits::ArchiveLimits;
use super::path::MountPath;
use super::receive::StagedArchive;

/// Below this many unpacked bytes the ratio does not matter.
const RATIO_FLOOR: u64 = 16 << 20;

/// An archive whose headers are checked; its data is checked when it is unpacked.
pub(super) struct Archive {
    data: Data,
    entries: Vec<Entry>,
    /// What it becomes.
    pub(super) plan: Plan,
    /// How many bytes it says to unpack to.
    pub(super) unpacked: u64,
    /// The file it stands in.
    packed: u64,
}

/// Where the bytes of the entries stand; clones read the same file, each at its own place.
#[derive(Clone)]
enum Data {
    Zip(Box<ZipArchive<SharedFile>>),
    Tar(tar::Bodies),
}

impl Data {
    /// What the entry of this number holds; a link's target is what it holds.
    fn open(&mut self, number: usize, entry: &Entry) -> Result<Box<dyn Read + '_>, ArchiveError> {
        match self {
            Self::Tar(bodies) => Ok(bodies.open(number, entry)),
            Self::Zip(zip) => match zip.by_index(number) {
                Ok(data) => Ok(Box::new(data)),
                Err(error) => {
                    tracing::debug!(%error, "the zip crate cannot open an entry");
                    Err(ArchiveError::Corrupt(shown(&entry.name)))
                }
            },
        }
    }
}

impl Archive {
    /// Checks all headers of a zip that goes to the folder at `target`.
    pub(super) fn read(
        staged: StagedArchive,
        target: &MountPath,
        limits: &ArchiveLimits,
    ) -> Result<Self, FilesError> {
        let StagedArchive { file, len } = staged;
        let end = end_record::read(&file, len)?;
        if end.entries > limits.entries {
            return Err(ArchiveError::TooManyEntries { found: end.entries, limit: limits.entries }.into());
        }
        let entries = directory::read(&file, end)?;
        let rules = names::NameRules { depth: limits.depth, folder_len: target.as_str().len() };
        for (index, entry) in entries.iter().enumerate() {
            names::check(&entry.name, index, rules)?;
        }
        let unpacked = check_sizes(&entries, len, limits)?;
        let plan = Plan::build(&entries, target)?;
        local::check(&file, &entries, end.directory_start)?;
        let zip = open_zip(file, len, &entries)?;
        Ok(Self { data: Data::Zip(Box::new(zip)), entries, plan, unpacked, packed: len })
    }

    /// Checks all headers of a tar, which came in as `packed` bytes.
    pub(super) fn read_tar(
        staged: StagedArchive,
        packed: u64,
        limits: &ArchiveLimits,
    ) -> Result<Self, FilesError> {
        let StagedArchive { file, len } = staged;
        let (entries, targets) = tar::read(&file, len, limits)?;
        let unpacked = check_sizes(&entries, packed, limits)?;
        let plan = Plan::build(&entries, &MountPath::root())?;
        let bodies = tar::Bodies::new(SharedFile::new(file, len), targets);
        Ok(Self { data: Data::Tar(bodies), entries, plan, unpacked, packed })
    }
}

/// The sizes that the headers say, against the limits; answers their sum.
fn check_sizes(entries: &[Entry], packed: u64, limits: &ArchiveLimits) -> Result<u64, ArchiveError> {
    let sizes = entries.iter().map(|entry| entry.unpacked);
    let unpacked = sizes.fold(0, u64::saturating_add);
    check_budget(unpacked, packed, limits)?;
    let link_too_long = |entry: &&Entry| entry.kind == EntryKind::Link && entry.unpacked > 4095;
    match entries.iter().find(link_too_long) {
        Some(entry) => Err(ArchiveError::LinkTargetInvalid(shown(&entry.name))),
        None => Ok(unpacked),
    }
}

/// The one budget that both what the headers say and what really comes out are held to.
fn check_budget(unpacked: u64, packed: u64, limits: &ArchiveLimits) -> Result<(), ArchiveError> {
    if unpacked > limits.unpacked_bytes {
        return Err(ArchiveError::TooLarge { limit: limits.unpacked_bytes });
    }
    if unpacked > RATIO_FLOOR && unpacked > packed.saturating_mul(limits.ratio) {
        return Err(ArchiveError::Ratio { limit: limits.ratio });
    }
    Ok(())
}

/// Opens the archive with the zip crate, which has to see in it what the project's own reader saw.
fn open_zip(file: File, len: u64, entries: &[Entry]) -> Result<ZipArchive<SharedFile>, FilesError> {
    let reader = SharedFile::new(file, len);
    let mut zip = ZipArchive::with_config(Config { archive_offset: ArchiveOffset::Known(0) }, reader)
        .map_err(refused)?;
    let same = zip.len() == entries.len()
        && entries.iter().enumerate().all(|(index, entry)| {
            zip.by_index_data(index).is_ok_and(|seen| {
                seen.name_raw() == &*entry.name
                    && seen.header_start() == entry.header_start
                    && seen.compressed_size() == entry.packed
                    && seen.size() == entry.unpacked
                    && seen.crc32() == entry.crc
            })
        });
    if !same {
        return Err(ArchiveError::Malformed("two readers see different entries in it").into());
    }
    zip.validate_header_consistency().map_err(refused)?;
    Ok(zip)
}

/// What the zip crate refuses after the project's own rules let it through.
fn refused(error: zip::result::ZipError) -> FilesError {
    match error {
        zip::result::ZipError::Io(error) if error.raw_os_error().is_some() => {
            FilesError::io("read the upload", error)
        }
        error => {
            tracing::debug!(%error, "the zip crate refuses an archive");
            ArchiveError::Malformed("its headers are not consistent").into()
        }
    }
}
