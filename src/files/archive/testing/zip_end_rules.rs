//! Zips whose end breaks a rule.

use super::rules::{Case, case};
use super::{file, zip, zip_counting, zip64 as with_zip64};

pub fn zip64() -> Vec<Case> {
    let good = with_zip64(&[file("a", "1")], None);
    let (end, locator, record) = (good.len() - 22, good.len() - 42, good.len() - 98);
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let claims = |count: u64| with_zip64(&[file("a", "1")], Some(count));
    vec![
        case("zip64: a million entries", claims(1_000_000), "ARCHIVE_TOO_MANY_ENTRIES", "1000000 entries"),
        case(
            "zip64: more entries than bytes",
            claims(u64::MAX),
            "ARCHIVE_TOO_MANY_ENTRIES",
            "1000 are allowed",
        ),
        case("zip64: one entry too many", claims(2), "ARCHIVE_MALFORMED", "counts other entries"),
        case("zip64: no entries", claims(0), "ARCHIVE_MALFORMED", "counts other entries"),
        case("zip64: the end records differ", changed(end + 10, &[9, 0]), "ARCHIVE_MALFORMED", "differ"),
        case(
            "zip64: the record lies elsewhere",
            changed(locator + 8, &[0; 8]),
            "ARCHIVE_MALFORMED",
            "elsewhere",
        ),
        case(
            "zip64: the record lies beyond",
            changed(locator + 8, &[0xff; 8]),
            "ARCHIVE_MALFORMED",
            "elsewhere",
        ),
        case(
            "zip64: the record has another length",
            changed(record + 4, &[45]),
            "ARCHIVE_MALFORMED",
            "elsewhere",
        ),
        case("zip64: two disks", changed(locator + 16, &[2]), "ARCHIVE_MULTI_DISK", "disks"),
        case("zip64: entries of another disk", changed(record + 24, &[0]), "ARCHIVE_MULTI_DISK", "disks"),
        case(
            "zip64: a directory beyond the end",
            changed(record + 40, &[0xff; 8]),
            "ARCHIVE_TRUNCATED",
            "cut off",
        ),
    ]
}

pub fn plain() -> Vec<Case> {
    let good = zip(&[file("a", "1"), file("b", "2")]);
    let end = good.len() - 22;
    let changed = |at: usize, to: &[u8]| {
        let mut zip = good.clone();
        zip[at..at + to.len()].copy_from_slice(to);
        zip
    };
    let mut offset_too = zip(&[file("a", "1")]);
    let directory = u32::try_from(31 + 1 + 1).unwrap();
    let at = offset_too.len() - 6;
    offset_too[at..at + 4].copy_from_slice(&directory.to_le_bytes());
    let field = at - 16 - 1 - 4;
    offset_too[field..field + 4].copy_from_slice(&1_u32.to_le_bytes());
    offset_too.insert(0, b'x');
    let mut all = vec![
        case("end: no bytes", Vec::new(), "ARCHIVE_NOT_A_ZIP", "not a zip"),
        case("end: a text", b"hello ".repeat(100), "ARCHIVE_NOT_A_ZIP", "not a zip"),
        case("end: one byte short", good[..good.len() - 1].to_vec(), "ARCHIVE_TRUNCATED", "cut off"),
        case("end: half of it", good[..good.len() / 2].to_vec(), "ARCHIVE_TRUNCATED", "cut off"),
        case("end: without its start", good[1..].to_vec(), "ARCHIVE_TRUNCATED", "cut off"),
        case("end: junk behind", [&good[..], b"x"].concat(), "ARCHIVE_EXTRA_BYTES", "after its end"),
        case("end: junk before", [b"x", &good[..]].concat(), "ARCHIVE_EXTRA_BYTES", "before it"),
        case("end: junk before that it knows of", offset_too, "ARCHIVE_EXTRA_BYTES", "before it"),
        case("end: two archives", [&good[..], &good].concat(), "ARCHIVE_EXTRA_BYTES", "before it"),
        case("end: another disk", changed(end + 4, &[1]), "ARCHIVE_MULTI_DISK", "disks"),
        case("end: a directory on another disk", changed(end + 6, &[1]), "ARCHIVE_MULTI_DISK", "disks"),
        case("end: entries on another disk", changed(end + 8, &[1]), "ARCHIVE_MULTI_DISK", "disks"),
        case(
            "end: one too few",
            changed(end + 8, &[1, 0, 1, 0]),
            "ARCHIVE_MALFORMED",
            "counts other entries",
        ),
        case(
            "end: one too many",
            changed(end + 8, &[3, 0, 3, 0]),
            "ARCHIVE_MALFORMED",
            "counts other entries",
        ),
        case(
            "end: over the limit",
            changed(end + 8, &[0xe9, 3, 0xe9, 3]),
            "ARCHIVE_TOO_MANY_ENTRIES",
            "1001",
        ),
        case("end: no directory", changed(end - 47, b"X"), "ARCHIVE_MALFORMED", "directory"),
        case("end: a directory of nothing", changed(end + 12, &[0; 4]), "ARCHIVE_EXTRA_BYTES", "before"),
        case("end: a directory beyond", changed(end + 16, &[0xff; 4]), "ARCHIVE_TRUNCATED", "cut off"),
    ];
    all.extend(two_ends());
    all
}

/// Comments that hold an end record of their own: one that readers from behind take, and one that they do not.
fn two_ends() -> Vec<Case> {
    let good = zip(&[file("a", "1")]);
    let commented = |comment: &[u8]| {
        let mut bytes = good.clone();
        let at = bytes.len() - 2;
        bytes[at..].copy_from_slice(&u16::try_from(comment.len()).unwrap().to_le_bytes());
        bytes.extend(comment);
        bytes
    };
    let end = &good[good.len() - 22..];
    // Its own directory, with a name that the first one does not have.
    let mut other = zip(&[file("a", "1").central(|header| header.name = b"b".to_vec())])[32..].to_vec();
    let at = other.len() - 6;
    other[at..at + 4].copy_from_slice(&u32::try_from(good.len()).unwrap().to_le_bytes());
    // One too few of the entries, and no directory where the others would stand: it is not read that far.
    let mut many = zip_counting(&[file("a", "1"), file("b", "2")], 1);
    let second = many.len() - 22 - 47;
    many[second] = b'X';
    let first = commented(&[end, b"x"].concat());
    vec![
        case("end: a second one in its comment", first, "ARCHIVE_MALFORMED", "another end record"),
        case(
            "end: a second one behind its own",
            commented(&other),
            "ARCHIVE_MALFORMED",
            "another end record",
        ),
        case("end: the rest of its directory is not read", many, "ARCHIVE_MALFORMED", "counts other entries"),
    ]
}
