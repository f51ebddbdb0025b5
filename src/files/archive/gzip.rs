//! A tar that is compressed by gzip, inflated into a file without a name.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;

use flate2::read::MultiGzDecoder;

use super::super::error::FilesError;
use super::super::limits::ArchiveLimits;
use super::super::receive::StagedArchive;
use super::super::staging::Staging;
use super::error::ArchiveError;
use super::{SharedFile, check_budget};

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// How many bytes are inflated at once.
const CHUNK: usize = 128 << 10;
/// How many bytes are inflated between two looks at the free space.
const LOOK_EVERY: u64 = 32 << 20;

/// Whether an upload begins as gzip does.
pub(in super::super) fn is_gzip(staged: &StagedArchive) -> bool {
    let mut start = [0; MAGIC.len()];
    staged.file.read_exact_at(&mut start, 0).is_ok_and(|()| start == MAGIC)
}

/// Inflates an upload, within the limits of what may come out of it.
pub(in super::super) fn inflated(
    staged: StagedArchive,
    staging: &Staging,
    limits: &ArchiveLimits,
) -> Result<StagedArchive, FilesError> {
    let packed = staged.len;
    let reader = SharedFile::new(staged.file, packed);
    let mut data = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, reader));
    let mut file: File = staging.unnamed_file()?;
    let (mut len, mut looked_at) = (0_u64, 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match data.read(&mut buffer) {
            Ok(0) => return Ok(StagedArchive { file, len }),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(refused(error)),
        };
        len += read as u64;
        check_budget(len, packed, limits)?;
        if len - looked_at >= LOOK_EVERY {
            looked_at = len;
            staging.need_room(0)?;
        }
        file.write_all(&buffer[..read]).map_err(|error| FilesError::io("write the upload", error))?;
    }
}

fn refused(error: std::io::Error) -> FilesError {
    match error.kind() {
        ErrorKind::UnexpectedEof => ArchiveError::Truncated.into(),
        _ if error.raw_os_error().is_some() => FilesError::io("read the upload", error),
        _ => ArchiveError::Malformed("its gzip data is damaged").into(),
    }
}
