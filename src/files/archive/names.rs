//! What an entry may be called, decided on the raw bytes of its name.

use super::super::error::shown;
use super::super::path::{LONGEST_PART, LONGEST_PATH};
use super::error::ArchiveError;

/// Where names are unpacked to, as far as it limits them.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameRules {
    /// The most folders above an entry.
    pub(super) depth: usize,
    /// The bytes of the path that the entry's name is appended to.
    pub(super) folder_len: usize,
}

/// Checks the raw name of the entry at `index`.
pub(super) fn check(raw: &[u8], index: usize, rules: NameRules) -> Result<(), ArchiveError> {
    let fail = |reason: fn(String) -> ArchiveError| Err(reason(shown(raw)));
    if raw.is_empty() {
        return Err(ArchiveError::NameEmpty(index));
    }
    if raw.contains(&0) {
        return fail(ArchiveError::NameNul);
    }
    // Whether the name's UTF-8 flag is set does not matter: most tools leave it out.
    let Ok(name) = std::str::from_utf8(raw) else { return fail(ArchiveError::NameNotUtf8) };
    if name.chars().any(char::is_control) {
        return fail(ArchiveError::NameControl);
    }
    if name.contains('\\') {
        return fail(ArchiveError::NameBackslash);
    }
    if name.starts_with('/') || has_drive(name) {
        return fail(ArchiveError::NameAbsolute);
    }
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.split('/').any(|part| part == "..") {
        return fail(ArchiveError::NameParent);
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        return fail(ArchiveError::NameNotCanonical);
    }
    let too_long = path.split('/').any(|part| part.len() > LONGEST_PART);
    if too_long || path.len() + 1 + rules.folder_len > LONGEST_PATH {
        return fail(ArchiveError::NameTooLong);
    }
    if path.split('/').count() > rules.depth + 1 {
        return Err(ArchiveError::TooDeep { name: shown(raw), limit: rules.depth });
    }
    Ok(())
}

/// Whether the name starts with a Windows drive, `C:` or `C:/`.
fn has_drive(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && letters.next() == Some(':')
        && matches!(letters.next(), None | Some('/'))
}

/// Checks where a link points. `link_depth` is how many folders lie above the link, counted from the
/// folder unpacked to.
///
/// `..` may stand at the start of the target only. There it climbs real folders, since no entry lies
/// beneath a link; after a name that is itself a link it would climb from wherever that one leads, and
/// no reckoning on the text could say where it ends.
pub(super) fn check_link(name: &[u8], target: &[u8], link_depth: usize) -> Result<(), ArchiveError> {
    let fail = |reason: fn(String) -> ArchiveError| Err(reason(shown(name)));
    if target.is_empty() || target.len() > LONGEST_PATH || target.contains(&0) {
        return fail(ArchiveError::LinkTargetInvalid);
    }
    if target.starts_with(b"/") {
        return fail(ArchiveError::LinkAbsolute);
    }
    let mut climbed = 0;
    let mut descended = false;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if descended || climbed == link_depth => return fail(ArchiveError::LinkEscapes),
            b".." => climbed += 1,
            _ => descended = true,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{NameRules, check, check_link};
    use crate::codes::Code;

    fn code(raw: &[u8]) -> Option<Code> {
        check(raw, 0, NameRules { depth: 8, folder_len: 10 }).err().map(|error| error.code())
    }

    #[test]
    fn each_hazard_in_a_name_has_its_own_code() {
        assert_eq!(code(b""), Some(Code::EntryNameEmpty));
        for name in [&b"../x"[..], b"a/../x", b"..", b"a/..", b"../"] {
            assert_eq!(code(name), Some(Code::EntryNameParent));
        }
        for name in [&b"/etc/x"[..], b"//x", b"C:/x", b"/"] {
            assert_eq!(code(name), Some(Code::EntryNameAbsolute));
        }
        for name in [&b"a//b"[..], b"./a", b"a/./b", b".", b"a//"] {
            assert_eq!(code(name), Some(Code::EntryNameNotCanonical));
        }
        assert_eq!(code(b"a\\b"), Some(Code::EntryNameBackslash));
        assert_eq!(code(b"a\0b"), Some(Code::EntryNameNul));
        assert_eq!(code(b"a\nb"), Some(Code::EntryNameControl));
        assert_eq!(code(b"caf\x82"), Some(Code::EntryNameNotUtf8));
        assert_eq!(code(&[b'x'; 256]), Some(Code::EntryNameTooLong));
        assert_eq!(code("xyz/".repeat(1100).as_bytes()), Some(Code::EntryNameTooLong));
        assert_eq!(code("d/".repeat(10).as_bytes()), Some(Code::ArchiveTooDeep));
        for name in [&b"a"[..], b"a/b/", "grüße/..x/x..".as_bytes(), &[b'x'; 255], b"ab:c"] {
            assert_eq!(code(name), None);
        }
    }

    #[test]
    fn links_stay_inside_whatever_they_pass_through() {
        let code = |target: &[u8], depth| check_link(b"l", target, depth).err().map(|error| error.code());
        for (target, depth) in
            [(&b"a"[..], 0), (b"a/b", 0), (b"../a", 1), (b"../../x/y", 2), (b".", 0), (b"./../a", 1)]
        {
            assert_eq!(code(target, depth), None);
        }
        for (target, depth) in [(&b".."[..], 0), (b"../../a", 1), (b"a/../b", 5), (b"a/..", 5), (b"./..", 0)]
        {
            assert_eq!(code(target, depth), Some(Code::LinkEscapes));
        }
        assert_eq!(code(b"/etc", 3), Some(Code::LinkAbsolute));
        for target in [&b""[..], b"a\0b", &[b'x'; 4096]] {
            assert_eq!(code(target, 0), Some(Code::LinkTargetInvalid));
        }
    }
}
