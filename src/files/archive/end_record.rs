//! The record at the end of a zip: how many entries there are, read before any of them is.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::error::FilesError;
use super::bytes::{u16_at, u32_at, u64_at};
use super::error::ArchiveError;
use super::window::Window;

const END: &[u8] = b"PK\x05\x06";
const END_LEN: u64 = 22;
const END64: &[u8] = b"PK\x06\x06";
const END64_LEN: u64 = 56;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_LEN: u64 = 20;
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
/// Readers differ in which of the two they take.
const TWO_ENDS: ArchiveError = ArchiveError::Malformed("its comment holds another end record");

/// What the end record says of the central directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndRecord {
    pub(super) entries: u64,
    pub(super) directory_start: u64,
    pub(super) directory_len: u64,
}

/// Reads the end record, in its zip64 form when there is one.
pub(super) fn read(file: &File, len: u64) -> Result<EndRecord, FilesError> {
    let tail_start = len.saturating_sub(END_LEN + u64::from(u16::MAX));
    let tail = read_bytes(file, tail_start, len - tail_start)?;
    let at = find(&tail, usize::MAX).ok_or(()).or_else(|()| Err(what_instead(file, len)?))?;
    if find(&tail, at).is_some() {
        return Err(TWO_ENDS.into());
    }
    let (end, end_at) = (&tail[at..], tail_start + at as u64);
    let locator = match end_at.checked_sub(LOCATOR_LEN) {
        Some(start) => Some(read_bytes(file, start, LOCATOR_LEN)?).filter(|bytes| bytes.starts_with(LOCATOR)),
        None => None,
    };
    let (record, record_at) = match locator {
        Some(locator) => read_zip64(file, end, &locator, end_at)?,
        None => (small_record(end)?, end_at),
    };
    match record.directory_start.checked_add(record.directory_len) {
        Some(directory_end) if directory_end == record_at => Ok(record),
        Some(directory_end) if directory_end < record_at => {
            Err(ArchiveError::ExtraBytes("before it or before its end record").into())
        }
        _ => Err(ArchiveError::Truncated.into()),
    }
}

/// Where the last end record starts that lies below a place: its comment has to reach exactly to the end of the file.
fn find(tail: &[u8], below: usize) -> Option<usize> {
    let starts = tail.len().checked_sub(21)?.min(below);
    (0..starts)
        .rev()
        .find(|&at| tail[at..].starts_with(END) && at + 22 + usize::from(u16_at(tail, at + 20)) == tail.len())
}

/// What the file is when it has no end record.
fn what_instead(file: &File, len: u64) -> Result<FilesError, FilesError> {
    let head = read_bytes(file, 0, len.min(4))?;
    let tail_start = len.saturating_sub(END_LEN + u64::from(u16::MAX));
    let tail = read_bytes(file, tail_start, len - tail_start)?;
    let error = if let Some(at) = tail.windows(4).rposition(|bytes| bytes == END) {
        let comment_end = tail.get(at + 20..at + 22).map(|_| at + 22 + usize::from(u16_at(&tail, at + 20)));
        match comment_end {
            Some(end) if end < tail.len() => ArchiveError::ExtraBytes("after its end"),
            _ => ArchiveError::Truncated,
        }
    } else if head == LOCAL_HEADER {
        ArchiveError::Truncated
    } else {
        ArchiveError::NotAZip
    };
    Ok(error.into())
}

fn small_record(end: &[u8]) -> Result<EndRecord, ArchiveError> {
    let (disk, directory_disk) = (u16_at(end, 4), u16_at(end, 6));
    let (here, entries) = (u16_at(end, 8), u16_at(end, 10));
    if disk != 0 || directory_disk != 0 || here != entries {
        return Err(ArchiveError::MultiDisk);
    }
    if end[22..].windows(4).any(|bytes| bytes == END) {
        return Err(TWO_ENDS);
    }
    Ok(EndRecord {
        entries: entries.into(),
        directory_len: u32_at(end, 12).into(),
        directory_start: u32_at(end, 16).into(),
    })
}

fn read_zip64(file: &File, end: &[u8], locator: &[u8], end_at: u64) -> Result<(EndRecord, u64), FilesError> {
    let at = u64_at(locator, 8);
    if u32_at(locator, 4) != 0 || u32_at(locator, 16) > 1 {
        return Err(ArchiveError::MultiDisk.into());
    }
    if at.checked_add(END64_LEN + LOCATOR_LEN).is_none_or(|least| least > end_at) {
        return Err(ArchiveError::Malformed("its zip64 end record lies elsewhere").into());
    }
    let large = read_bytes(file, at, END64_LEN)?;
    let reaches_to = u64_at(&large, 4).checked_add(at).and_then(|end| end.checked_add(12));
    if !large.starts_with(END64) || reaches_to != Some(end_at - LOCATOR_LEN) {
        return Err(ArchiveError::Malformed("its zip64 end record lies elsewhere").into());
    }
    if u32_at(&large, 16) != 0 || u32_at(&large, 20) != 0 || u64_at(&large, 24) != u64_at(&large, 32) {
        return Err(ArchiveError::MultiDisk.into());
    }
    let record = EndRecord {
        entries: u64_at(&large, 32),
        directory_len: u64_at(&large, 40),
        directory_start: u64_at(&large, 48),
    };
    let (entries, len, start) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
    let agree = (entries == u16::MAX || u64::from(entries) == record.entries)
        && (len == u32::MAX || u64::from(len) == record.directory_len)
        && (start == u32::MAX || u64::from(start) == record.directory_start);
    if agree { Ok((record, at)) } else { Err(ArchiveError::Malformed("its two end records differ").into()) }
}

/// Reads exactly `len` bytes; the caller has checked that the archive can have them.
pub(super) fn read_bytes(file: &File, at: u64, len: u64) -> Result<Vec<u8>, FilesError> {
    filled(len, |bytes| file.read_exact_at(bytes, at))
}

/// The same, where what is read next stands near.
pub(super) fn read_near(window: &mut Window, file: &File, at: u64, len: u64) -> Result<Vec<u8>, FilesError> {
    filled(len, |bytes| window.read_exact(file, at, bytes))
}

fn filled(len: u64, fill: impl FnOnce(&mut [u8]) -> std::io::Result<()>) -> Result<Vec<u8>, FilesError> {
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| ArchiveError::Truncated)?];
    match fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(ArchiveError::Truncated.into())
        }
        Err(error) => Err(FilesError::io("read the upload", error)),
    }
}
