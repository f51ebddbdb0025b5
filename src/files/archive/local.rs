//! Each entry's local header against the central one, and the bytes that each entry takes.

use std::fs::File;

use super::super::error::{FilesError, shown};
use super::bytes::{u16_at, u32_at, u64_at};
use super::directory::{Entry, resolve_zip64};
use super::end_record::read_near;
use super::error::ArchiveError;
use super::window::Window;

const HEADER: &[u8] = b"PK\x03\x04";
const HEADER_LEN: u64 = 30;
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// General purpose flag: the sizes stand behind the data.
const SIZES_BEHIND: u16 = 1 << 3;
/// The flags that have to be the same in both headers: encryption, sizes behind, UTF-8, masked.
const FLAGS_COMPARED: u16 = 1 | SIZES_BEHIND | 1 << 6 | 1 << 11 | 1 << 13;

/// Checks all local headers, and that no byte of the archive belongs to two entries.
pub(super) fn check(file: &File, entries: &[Entry], directory_start: u64) -> Result<(), FilesError> {
    let mut in_order: Vec<&Entry> = entries.iter().collect();
    in_order.sort_unstable_by_key(|entry| entry.header_start);
    let (mut taken, mut window) = (0, Window::default());
    for (position, entry) in in_order.iter().enumerate() {
        if entry.header_start < taken {
            return Err(ArchiveError::Overlap(shown(&entry.name)).into());
        }
        if position == 0 && entry.header_start > 0 {
            return Err(ArchiveError::ExtraBytes("before it").into());
        }
        taken = check_one((file, &mut window), entry, directory_start)?;
    }
    if in_order.is_empty() && directory_start > 0 {
        return Err(ArchiveError::ExtraBytes("before it").into());
    }
    Ok(())
}

/// Checks one local header; answers where the entry's bytes end.
fn check_one((file, window): (&File, &mut Window), entry: &Entry, limit: u64) -> Result<u64, FilesError> {
    let start = entry.header_start;
    let within = |end: Option<u64>| match end {
        Some(end) if end <= limit => Ok(end),
        _ => Err(FilesError::from(ArchiveError::Overlap(shown(&entry.name)))),
    };
    within(start.checked_add(HEADER_LEN))?;
    let header = read_near(window, file, start, HEADER_LEN)?;
    if !header.starts_with(HEADER) {
        return Err(ArchiveError::disagree(&entry.name, "where it starts").into());
    }
    let (name_len, extra_len) = (u64::from(u16_at(&header, 26)), u64::from(u16_at(&header, 28)));
    let data_start = within(start.checked_add(HEADER_LEN + name_len + extra_len))?;
    let rest = read_near(window, file, start + HEADER_LEN, name_len + extra_len)?;
    let (name, extra) = rest.split_at(usize::from(u16_at(&header, 26)));
    compare(entry, &header, name, extra)?;
    let data_end = within(data_start.checked_add(entry.packed))?;
    if entry.flags & SIZES_BEHIND == 0 {
        return Ok(data_end);
    }
    let behind = read_near(window, file, data_end, (limit - data_end).min(24))?;
    match descriptor_len(entry, &behind) {
        Some(len) => Ok(data_end + len),
        None => Err(ArchiveError::disagree(&entry.name, "its size").into()),
    }
}

fn compare(entry: &Entry, header: &[u8], name: &[u8], extra: &[u8]) -> Result<(), ArchiveError> {
    let disagree = |what| Err(ArchiveError::disagree(&entry.name, what));
    if name != &*entry.name {
        return disagree("its name");
    }
    if u16_at(header, 8) != entry.method {
        return disagree("its compression method");
    }
    if (u16_at(header, 6) ^ entry.flags) & FLAGS_COMPARED != 0 {
        return disagree("its flags");
    }
    let crc = u32_at(header, 14);
    let [unpacked, packed] = resolve_zip64(extra, name, [u32_at(header, 22), u32_at(header, 18)])?;
    let streamed = entry.flags & SIZES_BEHIND != 0;
    // Of a streamed entry the local header may leave them open, as zeros or as all ones.
    let open = |value: u64| streamed && (value == 0 || value == u64::from(u32::MAX));
    if crc != entry.crc && !(streamed && crc == 0) {
        return disagree("its checksum");
    }
    if (unpacked != entry.unpacked && !open(unpacked)) || (packed != entry.packed && !open(packed)) {
        return disagree("its size");
    }
    Ok(())
}

/// The length of the record behind the data, in whichever of its four forms matches; folders and empty
/// files may go without.
fn descriptor_len(entry: &Entry, behind: &[u8]) -> Option<u64> {
    let signed = behind.strip_prefix(DESCRIPTOR).map(|rest| (rest, 4));
    for (record, before) in signed.into_iter().chain([(behind, 0)]) {
        if record.len() >= 12
            && u32_at(record, 0) == entry.crc
            && u64::from(u32_at(record, 4)) == entry.packed
            && u64::from(u32_at(record, 8)) == entry.unpacked
        {
            return Some(before + 12);
        }
        if record.len() >= 20
            && u32_at(record, 0) == entry.crc
            && u64_at(record, 4) == entry.packed
            && u64_at(record, 12) == entry.unpacked
        {
            return Some(before + 20);
        }
    }
    (entry.packed == 0 && entry.unpacked == 0).then_some(0)
}
