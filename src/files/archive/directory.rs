//! The central directory of a zip, read by the project's own rules.

use std::fs::File;

use super::super::error::{FilesError, shown};
use super::bytes::{u16_at, u32_at, u64_at};
use super::end_record::{EndRecord, read_bytes};
use super::error::ArchiveError;
use super::times::modified;

const HEADER: &[u8] = b"PK\x01\x02";
const HEADER_LEN: usize = 46;
/// The most bytes a central directory may have, since it is held in memory.
const MOST_BYTES: u64 = 64 << 20;
/// General purpose flags: encrypted, strongly encrypted, masked headers.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

const ZIP64_FIELD: u16 = 0x0001;
const UNICODE_PATH_FIELD: u16 = 0x7075;

/// One entry as the central directory of a zip, or the header of a tar, has it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The raw name; a folder's ends in `/`.
    pub(super) name: Box<[u8]>,
    pub(super) kind: EntryKind,
    /// Permission bits, when the archive was made where there are any.
    pub(super) mode: Option<u32>,
    /// Seconds since 1970.
    pub(super) modified: i64,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    /// Where its header stands; in a tar, where its bytes do.
    pub(super) header_start: u64,
}

/// What an entry becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
    Link,
}

/// Reads every entry of the central directory.
pub(super) fn read(file: &File, end: EndRecord) -> Result<Vec<Entry>, FilesError> {
    if end.directory_len > MOST_BYTES {
        return Err(ArchiveError::Malformed("its directory is over 64 MiB").into());
    }
    let bytes = read_bytes(file, end.directory_start, end.directory_len)?;
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    // Their number is within the limit; what a directory has beyond it is not even read.
    while !rest.is_empty() && (entries.len() as u64) < end.entries {
        let (entry, after) = read_entry(rest, entries.len())?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() as u64 != end.entries || !rest.is_empty() {
        return Err(ArchiveError::Malformed("its end record counts other entries than there are").into());
    }
    Ok(entries)
}

fn read_entry(bytes: &[u8], index: usize) -> Result<(Entry, &[u8]), ArchiveError> {
    let malformed = ArchiveError::Malformed("its directory cannot be read");
    if bytes.len() < HEADER_LEN || !bytes.starts_with(HEADER) {
        return Err(malformed);
    }
    let name_end = HEADER_LEN + usize::from(u16_at(bytes, 28));
    let extra_end = name_end + usize::from(u16_at(bytes, 30));
    let end = extra_end + usize::from(u16_at(bytes, 32));
    if bytes.len() < end {
        return Err(malformed);
    }
    let (name, extra) = (&bytes[HEADER_LEN..name_end], &bytes[name_end..extra_end]);
    if name.is_empty() {
        return Err(ArchiveError::NameEmpty(index));
    }
    if !matches!(u16_at(bytes, 34), 0 | u16::MAX) {
        return Err(ArchiveError::MultiDisk);
    }
    let sizes = resolve_zip64(extra, name, [u32_at(bytes, 24), u32_at(bytes, 20), u32_at(bytes, 42)])?;
    check_unicode_path(extra, name)?;
    let (kind, mode) = kind_and_mode(name, u16_at(bytes, 4), u32_at(bytes, 38))?;
    let entry = Entry {
        name: name.into(),
        kind,
        mode,
        modified: modified(u16_at(bytes, 14), u16_at(bytes, 12), extra),
        flags: u16_at(bytes, 8),
        method: u16_at(bytes, 10),
        crc: u32_at(bytes, 16),
        packed: sizes[1],
        unpacked: sizes[0],
        header_start: sizes[2],
    };
    check_method(&entry)?;
    Ok((entry, &bytes[end..]))
}

/// Refuses what cannot be unpacked, and sizes that cannot be.
fn check_method(entry: &Entry) -> Result<(), ArchiveError> {
    let name = || shown(&entry.name);
    if entry.flags & ENCRYPTED != 0 {
        return Err(ArchiveError::Encrypted(name()));
    }
    if entry.method != STORED && entry.method != DEFLATED {
        return Err(ArchiveError::MethodUnsupported { name: name(), method: entry.method });
    }
    let stored_differs = entry.method == STORED && entry.packed != entry.unpacked;
    let folder_with_data = entry.kind == EntryKind::Folder && entry.unpacked != 0;
    if stored_differs || folder_with_data {
        return Err(ArchiveError::SizeLies(name()));
    }
    Ok(())
}

/// The sizes and the offset of an entry: those that do not fit stand in the zip64 field, in this order.
pub(super) fn resolve_zip64<const N: usize>(
    extra: &[u8],
    name: &[u8],
    small: [u32; N],
) -> Result<[u64; N], ArchiveError> {
    let field = match find_field(extra, ZIP64_FIELD) {
        Ok(field) => field.unwrap_or_default(),
        Err(()) => return Err(ArchiveError::disagree(name, "its zip64 sizes")),
    };
    let mut at = 0;
    let mut sizes = [0; N];
    for (size, small) in sizes.iter_mut().zip(small) {
        // A lone 0xFFFFFFFF without the field is a size like any other.
        if small == u32::MAX && !field.is_empty() {
            if field.len() < at + 8 {
                return Err(ArchiveError::disagree(name, "its zip64 sizes"));
            }
            *size = u64_at(field, at);
            at += 8;
        } else {
            *size = small.into();
        }
    }
    Ok(sizes)
}

/// The one field with this id; an error when there are two.
pub(super) fn find_field(extra: &[u8], wanted: u16) -> Result<Option<&[u8]>, ()> {
    let mut rest = extra;
    let mut found = None;
    while rest.len() >= 4 {
        let end = 4 + usize::from(u16_at(rest, 2));
        // Padding that is no field ends the list; all tools write some.
        let Some(field) = rest.get(4..end) else { break };
        if u16_at(rest, 0) == wanted && found.replace(field).is_some() {
            return Err(());
        }
        rest = &rest[end..];
    }
    Ok(found)
}

/// A second name, which some readers prefer, must be the same name.
fn check_unicode_path(extra: &[u8], name: &[u8]) -> Result<(), ArchiveError> {
    match find_field(extra, UNICODE_PATH_FIELD) {
        Ok(None) => Ok(()),
        Ok(Some(field)) if field.get(5..) == Some(name) => Ok(()),
        // A name that is not UTF-8 is what the field is for, and has its own answer.
        Ok(Some(_)) if std::str::from_utf8(name).is_err() => Err(ArchiveError::NameNotUtf8(shown(name))),
        Ok(Some(_)) | Err(()) => Err(ArchiveError::disagree(name, "its name")),
    }
}

/// Kind and permissions. Only Unix (3) and macOS (19) put a mode into the upper attribute bits.
fn kind_and_mode(
    name: &[u8],
    made_by: u16,
    attributes: u32,
) -> Result<(EntryKind, Option<u32>), ArchiveError> {
    const KIND_BITS: u32 = 0o170_000;
    let mode = if matches!(made_by >> 8, 3 | 19) { attributes >> 16 } else { 0 };
    let folder = name.ends_with(b"/");
    let kind = match (mode & KIND_BITS, folder) {
        (0 | 0o040_000, true) => EntryKind::Folder,
        (0 | 0o100_000, false) => EntryKind::File,
        (0o120_000, false) => EntryKind::Link,
        _ => return Err(ArchiveError::KindNotAllowed(shown(name))),
    };
    Ok((kind, Some(mode & 0o777).filter(|_| mode != 0)))
}
