//! Tars that each break one rule.

use super::rules::{Case, case};
use super::tars::{Tar, gzip};
use super::{file, zip};

/// What every tar begins with, which must not be unpacked either.
fn good() -> Tar {
    Tar::new().file("first", "1")
}

/// Every tar that has to be refused.
pub fn all() -> Vec<Case> {
    let cases = [names(), kinds(), ends(), sizes(), compressed()].into_iter().flatten();
    cases.map(|(rule, bytes, code)| case(format!("tar: {rule}"), bytes, code, "")).collect()
}

type Row = (&'static str, Vec<u8>, &'static str);

fn names() -> Vec<Row> {
    let pax = |path: &str| good().pax(b'x', "path", path).file("x", "").bytes();
    let many = "d/".repeat(200) + "x";
    vec![
        ("parent", good().file("../evil", "x").bytes(), "ENTRY_NAME_PARENT"),
        ("parent behind a dot", good().file("./../evil", "x").bytes(), "ENTRY_NAME_PARENT"),
        ("absolute", good().file("/etc/evil", "x").bytes(), "ENTRY_NAME_ABSOLUTE"),
        ("dot", good().file("a/./b", "x").bytes(), "ENTRY_NAME_NOT_CANONICAL"),
        ("dots", good().file("././b", "x").bytes(), "ENTRY_NAME_NOT_CANONICAL"),
        ("backslash", good().file("a\\b", "x").bytes(), "ENTRY_NAME_BACKSLASH"),
        ("control", good().file("a\nb", "x").bytes(), "ENTRY_NAME_CONTROL"),
        ("not UTF-8", good().entry(b'0', b"caf\xe9", b"", b"").bytes(), "ENTRY_NAME_NOT_UTF8"),
        ("no name", good().file("", "x").bytes(), "ENTRY_NAME_EMPTY"),
        ("pax: parent", pax("../evil"), "ENTRY_NAME_PARENT"),
        ("pax: absolute", pax("/evil"), "ENTRY_NAME_ABSOLUTE"),
        ("pax: NUL", pax("a\0b"), "ENTRY_NAME_NUL"),
        ("pax: part over 255 bytes", pax(&"x".repeat(256)), "ENTRY_NAME_TOO_LONG"),
        ("pax: too deep", pax(&many), "ARCHIVE_TOO_DEEP"),
        ("GNU: parent", good().long_file(&("../".repeat(40) + "evil"), "x").bytes(), "ENTRY_NAME_PARENT"),
        ("duplicate", good().file("./first", "x").bytes(), "ENTRY_DUPLICATE"),
        ("file and folder", good().file("a", "").file("a/b", "").bytes(), "ENTRY_FILE_AND_FOLDER"),
        ("beneath a link", good().link("a", ".").file("a/b", "").bytes(), "ENTRY_BELOW_LINK"),
        ("beneath a link to be", good().file("a/b", "").link("a", ".").bytes(), "ENTRY_BELOW_LINK"),
    ]
}

fn kinds() -> Vec<Row> {
    let kind = |kind: u8| good().entry(kind, b"x", b"", b"").bytes();
    vec![
        ("link out", good().link("l", "../../etc/shadow").bytes(), "LINK_ESCAPES"),
        ("link out of a folder", good().link("d/l", "../../x").bytes(), "LINK_ESCAPES"),
        ("absolute link", good().link("l", "/etc/shadow").bytes(), "LINK_ABSOLUTE"),
        ("link to nothing", good().link("l", "").bytes(), "LINK_TARGET_INVALID"),
        ("pax: absolute link", good().pax(b'x', "linkpath", "/etc").link("l", "x").bytes(), "LINK_ABSOLUTE"),
        ("hard link out", good().hard_link("l", "/etc/shadow").bytes(), "ENTRY_KIND_NOT_ALLOWED"),
        (
            "hard link to what comes later",
            good().hard_link("l", "z").file("z", "").bytes(),
            "ENTRY_KIND_NOT_ALLOWED",
        ),
        ("hard link to a link", good().link("s", "x").hard_link("l", "s").bytes(), "ENTRY_KIND_NOT_ALLOWED"),
        ("character device", kind(b'3'), "ENTRY_KIND_NOT_ALLOWED"),
        ("block device", kind(b'4'), "ENTRY_KIND_NOT_ALLOWED"),
        ("FIFO", kind(b'6'), "ENTRY_KIND_NOT_ALLOWED"),
        ("sparse", kind(b'S'), "ENTRY_KIND_NOT_ALLOWED"),
        ("of several volumes", kind(b'M'), "ENTRY_KIND_NOT_ALLOWED"),
        (
            "pax: sparse",
            good().pax(b'x', "GNU.sparse.major", "1").file("x", "").bytes(),
            "ENTRY_KIND_NOT_ALLOWED",
        ),
    ]
}

fn ends() -> Vec<Row> {
    let mut second = good().file("x", "").bytes();
    second[1024..1030].copy_from_slice(b"damage");
    vec![
        ("text", b"nothing".to_vec(), "ARCHIVE_NOT_A_TAR"),
        ("empty", Vec::new(), "ARCHIVE_NOT_A_TAR"),
        ("a zip", zip(&[file("a", [7; 1000])]), "ARCHIVE_NOT_A_TAR"),
        ("noise", (0..4096_u32).map(|n| (n * n / 7 % 251).to_le_bytes()[0]).collect(), "ARCHIVE_NOT_A_TAR"),
        ("xz", [&b"\xfd7zXZ\0"[..], &[0x5a; 2048]].concat(), "ARCHIVE_NOT_A_TAR"),
        ("no end", good().without_end(), "ARCHIVE_TRUNCATED"),
        ("cut off", good().file("x", [7; 2000]).bytes()[..2000].to_vec(), "ARCHIVE_TRUNCATED"),
        ("checksum", second, "ARCHIVE_MALFORMED"),
        ("bytes behind its end", [good().bytes(), b"more".to_vec()].concat(), "ARCHIVE_EXTRA_BYTES"),
        ("two archives", [good().bytes(), good().bytes()].concat(), "ARCHIVE_EXTRA_BYTES"),
    ]
}

fn sizes() -> Vec<Row> {
    let over = |size: u64| good().claiming(b'0', b"x", b"", b"", size).bytes();
    let pax = |key: &str, value: &str| good().pax(b'x', key, value).file("x", "").bytes();
    let links =
        (0..200).fold(good().file("z", vec![0; 1 << 20]), |tar, n| tar.hard_link(&format!("l{n}"), "z"));
    vec![
        ("size beyond the end", over(1 << 30), "ARCHIVE_TRUNCATED"),
        ("pax: size beyond the end", pax("size", "99999999999"), "ARCHIVE_TRUNCATED"),
        ("pax: size below nothing", pax("size", "-1"), "ARCHIVE_MALFORMED"),
        ("pax: all the bytes there are", pax("size", "18446744073709551615"), "ARCHIVE_TRUNCATED"),
        ("pax: for all entries", good().pax(b'g', "path", "x").file("y", "").bytes(), "ARCHIVE_MALFORMED"),
        (
            "pax: not a record",
            good().entry(b'x', b"pax", b"", b"9 x=y").file("y", "").bytes(),
            "ARCHIVE_MALFORMED",
        ),
        ("folder with data", good().entry(b'5', b"d", b"", b"data").bytes(), "ARCHIVE_SIZE_LIES"),
        ("link with data", good().entry(b'2', b"l", b"first", b"data").bytes(), "ARCHIVE_SIZE_LIES"),
        (
            "entries",
            (0..1001).fold(good(), |tar, n| tar.file(&n.to_string(), "")).bytes(),
            "ARCHIVE_TOO_MANY_ENTRIES",
        ),
        (
            "headers without entries",
            (0..5000).fold(good(), |tar, _| tar.pax(b'x', "comment", "x")).bytes(),
            "ARCHIVE_TOO_MANY_ENTRIES",
        ),
        ("bomb of hard links", links.bytes(), "ARCHIVE_TOO_LARGE"),
    ]
}

fn compressed() -> Vec<Row> {
    let whole = gzip(&good().bytes());
    let mut flipped = whole.clone();
    let sum = flipped.len() - 8;
    flipped[sum] ^= 1;
    vec![
        ("gzip of nothing", gzip(b"nothing"), "ARCHIVE_NOT_A_TAR"),
        ("gzip cut off", whole[..whole.len() - 10].to_vec(), "ARCHIVE_TRUNCATED"),
        ("gzip with another checksum", flipped, "ARCHIVE_MALFORMED"),
        ("gzip and more", [&whole[..], &[0x5a; 64]].concat(), "ARCHIVE_MALFORMED"),
        ("gzip bomb", gzip(&good().file("zeros", vec![0; 20 << 20]).bytes()), "ARCHIVE_RATIO"),
        ("gzip in gzip", gzip(&gzip(&good().bytes())), "ARCHIVE_NOT_A_TAR"),
        ("gzip of a parent", gzip(&good().file("../evil", "x").bytes()), "ENTRY_NAME_PARENT"),
    ]
}
