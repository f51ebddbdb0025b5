//! Zips that each break one rule.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::rules::{Case, case};
use super::{Header, Raw, file, link, with_mode, zip, zip64};

/// Every zip that has to be refused. Each holds a good entry too, which must not be unpacked either.
pub fn all() -> Vec<Case> {
    [
        names(),
        clashes(),
        links(),
        kinds(),
        headers(),
        zip64_lies(),
        data(),
        overlaps(),
        super::zip_end_rules::plain(),
        bombs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn with(entry: Raw) -> Vec<u8> {
    zip(&[file("first", "1"), entry])
}

fn names() -> Vec<Case> {
    let long = [b'x'; 256];
    let cases: [(&str, &[u8], &str); 21] = [
        ("a parent", b"../evil", "ENTRY_NAME_PARENT"),
        ("a parent inside", b"a/../../evil", "ENTRY_NAME_PARENT"),
        ("a parent that stays inside", b"a/../evil", "ENTRY_NAME_PARENT"),
        ("a parent alone", b"..", "ENTRY_NAME_PARENT"),
        ("a parent at the end", b"a/..", "ENTRY_NAME_PARENT"),
        ("absolute", b"/etc/evil", "ENTRY_NAME_ABSOLUTE"),
        ("a drive", b"C:/evil", "ENTRY_NAME_ABSOLUTE"),
        ("a backslash", b"a\\b", "ENTRY_NAME_BACKSLASH"),
        ("a parent by backslash", b"..\\evil", "ENTRY_NAME_BACKSLASH"),
        ("a dot part", b"./evil", "ENTRY_NAME_NOT_CANONICAL"),
        ("a dot inside", b"a/./evil", "ENTRY_NAME_NOT_CANONICAL"),
        ("an empty part", b"a//evil", "ENTRY_NAME_NOT_CANONICAL"),
        ("two slashes at the end", b"a//", "ENTRY_NAME_NOT_CANONICAL"),
        ("a NUL", b"a\0b", "ENTRY_NAME_NUL"),
        ("a control character", b"a\x1bb", "ENTRY_NAME_CONTROL"),
        ("a line break", b"a\nb", "ENTRY_NAME_CONTROL"),
        ("DEL", b"a\x7fb", "ENTRY_NAME_CONTROL"),
        ("a control character of C1", "a\u{85}b".as_bytes(), "ENTRY_NAME_CONTROL"),
        ("not UTF-8", b"a\xff\xfe", "ENTRY_NAME_NOT_UTF8"),
        ("a surrogate", b"a\xed\xa0\x80", "ENTRY_NAME_NOT_UTF8"),
        ("a part over 255 bytes", &long, "ENTRY_NAME_TOO_LONG"),
    ];
    let mut all: Vec<Case> = cases
        .map(|(rule, name, code)| case(format!("name: {rule}"), with(file(name, "")), code, "entry"))
        .into();
    all.push(case("name: none", with(file("", "x")), "ENTRY_NAME_EMPTY", "entry 1"));
    let path = "xyz/".repeat(1023) + "longer";
    all.push(case("name: over 4095 bytes", with(file(path, "x")), "ENTRY_NAME_TOO_LONG", "4095"));
    all.push(case("name: too deep", with(file("d/".repeat(200) + "x", "")), "ARCHIVE_TOO_DEEP", "deeper"));
    all
}

fn clashes() -> Vec<Case> {
    let cases = [
        ("two files", vec![file("a", "1"), file("a", "2")], "ENTRY_DUPLICATE"),
        ("two folders", vec![file("a/", ""), file("a/", "")], "ENTRY_DUPLICATE"),
        ("a link and a file", vec![link("a", "b"), file("a", "")], "ENTRY_DUPLICATE"),
        ("a file and a folder", vec![file("a", "1"), file("a/", "")], "ENTRY_FILE_AND_FOLDER"),
        ("a folder and a file", vec![file("a/", ""), file("a", "1")], "ENTRY_FILE_AND_FOLDER"),
        ("a file and one beneath", vec![file("a", "1"), file("a/b", "")], "ENTRY_FILE_AND_FOLDER"),
        ("one beneath and a file", vec![file("a/b", "1"), file("a", "")], "ENTRY_FILE_AND_FOLDER"),
        ("a link and one beneath", vec![link("a", "b"), file("a/b", "")], "ENTRY_BELOW_LINK"),
        ("one beneath and a link", vec![file("a/b", ""), link("a", "b")], "ENTRY_BELOW_LINK"),
    ];
    cases.map(|(rule, entries, code)| case(format!("one name: {rule}"), zip(&entries), code, "")).into()
}

fn links() -> Vec<Case> {
    let long = "x".repeat(5000);
    let cases = [
        ("absolute", "l", "/etc/passwd", "LINK_ABSOLUTE"),
        ("to the parent", "l", "..", "LINK_ESCAPES"),
        ("up by one too many", "a/l", "../../x", "LINK_ESCAPES"),
        ("up behind a name", "a/b/l", "x/../../y", "LINK_ESCAPES"),
        ("up behind a dot", "l", "./../x", "LINK_ESCAPES"),
        ("to nothing", "l", "", "LINK_TARGET_INVALID"),
        ("with a NUL", "l", "a\0b", "LINK_TARGET_INVALID"),
        ("too long", "l", &long, "LINK_TARGET_INVALID"),
    ];
    cases.map(|(rule, at, to, code)| case(format!("link: {rule}"), with(link(at, to)), code, "link")).into()
}

fn kinds() -> Vec<Case> {
    let cases = [
        ("a FIFO", "x", 0o010_644),
        ("a character device", "x", 0o020_644),
        ("a block device", "x", 0o060_644),
        ("a socket", "x", 0o140_644),
        ("a folder named as a file", "x", 0o040_755),
        ("a link named as a folder", "x/", 0o120_777),
        ("a file named as a folder", "x/", 0o100_644),
    ];
    let mut all: Vec<Case> = cases
        .map(|(rule, name, mode)| {
            case(format!("kind: {rule}"), with(with_mode(name, "", mode)), "ENTRY_KIND_NOT_ALLOWED", "`x")
        })
        .into();
    let flagged = |flag: u16| with(file("x", "1").both(|header| header.flags |= flag));
    all.push(case("encrypted", flagged(1), "ARCHIVE_ENCRYPTED", "password"));
    all.push(case("strongly encrypted", flagged(1 << 6), "ARCHIVE_ENCRYPTED", "password"));
    all.push(case("masked headers", flagged(1 << 13), "ARCHIVE_ENCRYPTED", "password"));
    let bzip2 = with(file("x", "1").both(|header| header.method = 12));
    all.push(case("another method", bzip2, "ARCHIVE_METHOD_UNSUPPORTED", "method 12"));
    all
}

fn headers() -> Vec<Case> {
    let streamed = || file("x", "12345678").deflated().streamed(true, false);
    let descriptor = |change: fn(&mut Vec<u8>)| {
        let mut entry = streamed();
        change(&mut entry.behind);
        entry
    };
    let mut moved = file("x", [0; 100]);
    moved.offset = Some(40);
    let cases: Vec<(&str, Raw)> = vec![
        ("name", file("x", "1").local(|header| header.name = b"y".to_vec())),
        ("a name that leads out", file("x", "1").local(|header| header.name = b"../y".to_vec())),
        ("length of the name", file("x", "1").local(|header| header.name = b"xy".to_vec())),
        ("method", file("x", "12345678").deflated().local(|header| header.method = 0)),
        ("encrypted in one", file("x", "1").local(|header| header.flags = 1)),
        ("UTF-8 in one", file("x", "1").local(|header| header.flags = 1 << 11)),
        ("sizes behind in one", file("x", "1").local(|header| header.flags = 8)),
        ("sizes behind in the other", file("x", "1").central(|header| header.flags = 8)),
        ("checksum", file("x", "1").local(|header| header.crc ^= 1)),
        ("size", file("x", "1").deflated().local(|header| header.unpacked = 7)),
        ("packed size", file("x", "1").deflated().local(|header| header.packed = 3)),
        ("size where it stands behind", streamed().local(|header| header.unpacked = 7)),
        ("checksum behind", descriptor(|behind| behind[4] ^= 1)),
        ("packed size behind", descriptor(|behind| behind[8] ^= 1)),
        ("size behind", descriptor(|behind| behind[12] ^= 1)),
        ("no sizes behind", descriptor(Vec::clear)),
        ("half of the sizes behind", descriptor(|behind| behind.truncate(8))),
        ("no local header where it should be", moved),
        ("a second name", second_name(b"../y")),
        (
            "two second names",
            file("x", "1").central(|header| header.extra = [unicode_path(b"x"), unicode_path(b"x")].concat()),
        ),
    ];
    let to_case = |(rule, entry)| {
        let rule = format!("the two headers differ: {rule}");
        case(rule, with(entry), "ARCHIVE_HEADERS_DISAGREE", "two different values")
    };
    cases.into_iter().map(to_case).collect()
}

fn second_name(name: &[u8]) -> Raw {
    file("x", "1").central(|header| header.extra = unicode_path(name))
}

fn unicode_path(name: &[u8]) -> Vec<u8> {
    let length = u16::try_from(name.len() + 5).unwrap();
    [&0x7075_u16.to_le_bytes()[..], &length.to_le_bytes(), b"\x01\0\0\0\0", name].concat()
}

fn zip64_field(values: &[u64]) -> Vec<u8> {
    let length = u16::try_from(values.len() * 8).unwrap();
    let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    [&1_u16.to_le_bytes()[..], &length.to_le_bytes(), &values].concat()
}

/// An entry whose sizes stand in the zip64 fields of its two headers.
fn large(central: &[u8], local: &[u8]) -> Raw {
    let all_ones = |header: &mut Header| (header.packed, header.unpacked) = (u32::MAX, u32::MAX);
    let entry = file("x", "hello").both(all_ones);
    entry.central(|header| header.extra = central.to_vec()).local(|header| header.extra = local.to_vec())
}

fn zip64_lies() -> Vec<Case> {
    let right = || zip64_field(&[5, 5]);
    let twice = [right(), right()].concat();
    let cases = [
        ("another size in one", large(&right(), &zip64_field(&[6, 5])), "ARCHIVE_HEADERS_DISAGREE"),
        ("half a field", large(&zip64_field(&[5]), &right()), "ARCHIVE_HEADERS_DISAGREE"),
        ("two fields", large(&twice, &right()), "ARCHIVE_HEADERS_DISAGREE"),
        ("sizes without a field", large(&[], &[]), "ARCHIVE_TOO_LARGE"),
        ("all the bytes there are", large(&zip64_field(&[u64::MAX; 2]), &right()), "ARCHIVE_TOO_LARGE"),
        ("stored in fewer bytes", large(&zip64_field(&[5, 4]), &right()), "ARCHIVE_SIZE_LIES"),
    ];
    let mut all: Vec<Case> =
        cases.map(|(rule, entry, code)| case(format!("zip64: {rule}"), with(entry), code, "")).into();
    let mut beyond = file("x", "1").central(|header| header.extra = zip64_field(&[u64::MAX - 40]));
    beyond.offset = Some(u32::MAX);
    all.push(case("zip64: a header beyond the end", with(beyond), "ARCHIVE_OVERLAP", "shares"));
    all.extend(super::zip_end_rules::zip64());
    all
}

fn data() -> Vec<Case> {
    let mut broken = file("x", "12345678").deflated();
    broken.data[0] = 7;
    let mut cut = file("x", "12345678").deflated();
    cut.data.truncate(6);
    cut = cut.both(|header| header.packed = 6);
    let sized = |size: u32| file("x", "12345678").deflated().both(|header| header.unpacked = size);
    let stored = file("x", "12345678").both(|header| header.unpacked = 1 << 20);
    vec![
        case("data: checksum", with(file("x", "1").both(|h| h.crc ^= 1)), "ARCHIVE_CORRUPT", "`x`"),
        case("data: checksum of nothing", with(file("x", "").both(|h| h.crc ^= 1)), "ARCHIVE_CORRUPT", "`x`"),
        case("data: not deflated", with(broken), "ARCHIVE_CORRUPT", "`x`"),
        case("data: cut off", with(cut), "ARCHIVE_CORRUPT", "`x`"),
        case("data: more than it says", with(sized(1)), "ARCHIVE_SIZE_LIES", "`x`"),
        case("data: less than it says", with(sized(20)), "ARCHIVE_SIZE_LIES", "`x`"),
        case("data: stored in fewer bytes", with(stored), "ARCHIVE_SIZE_LIES", "`x`"),
        case("data: a folder with some", with(file("x/", "data")), "ARCHIVE_SIZE_LIES", "`x/`"),
    ]
}

fn overlaps() -> Vec<Case> {
    let mut twin = file("x", "12345678");
    twin.offset = Some(0);
    let renamed = twin.clone().central(|header| header.name = b"y".to_vec());
    // The first entry's data holds the whole second entry.
    let inner = zip(&[file("in", "12345678")]);
    let mut second = file("in", "12345678");
    second.offset = Some(30 + 5);
    second.data.clear();
    let beyond = file("x", "1").both(|header| (header.packed, header.unpacked) = (9999, 9999));
    vec![
        case("overlap: one entry twice", zip(&[file("x", "12345678"), twin]), "ENTRY_DUPLICATE", "`x`"),
        case(
            "overlap: one entry, two names",
            zip(&[file("x", "12345678"), renamed]),
            "ARCHIVE_OVERLAP",
            "`y`",
        ),
        case("overlap: one in another", zip(&[file("outer", &inner), second]), "ARCHIVE_OVERLAP", "`in`"),
        case("overlap: into the directory", zip(&[beyond]), "ARCHIVE_OVERLAP", "`x`"),
        case(
            "overlap: a bomb that quotes its own headers",
            quoting_bomb(10, 1 << 20),
            "ARCHIVE_OVERLAP",
            "`",
        ),
    ]
}

/// Entries each of which quotes the header of the next and goes on with its data: all of them share one kernel.
fn quoting_bomb(count: usize, kernel: usize) -> Vec<u8> {
    let zeros = vec![0; kernel];
    let packed = deflated(&zeros);
    let (mut data, mut plain) = (packed, zeros);
    let mut entries: Vec<Raw> = Vec::new();
    for number in (0..count).rev() {
        let mut entry = file(format!("f{number:02}"), "");
        let sizes =
            (super::crc32(&plain), u32::try_from(data.len()).unwrap(), u32::try_from(plain.len()).unwrap());
        entry = entry.both(|header| {
            (header.method, header.crc, header.packed, header.unpacked) = (8, sizes.0, sizes.1, sizes.2);
        });
        let header = entry.local.as_local();
        entries.insert(0, entry);
        let length = u16::try_from(header.len()).unwrap();
        data = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &header, &data].concat();
        plain = [&header[..], &plain].concat();
    }
    // The kernel stands behind the last header; each entry begins five bytes behind the one before.
    let mut offset = 0;
    for (number, entry) in entries.iter_mut().enumerate() {
        entry.offset = Some(offset);
        offset += u32::try_from(30 + entry.local.name.len() + 5).unwrap();
        if number == 0 {
            entry.data = data[5 + 30 + entry.local.name.len()..].to_vec();
        }
    }
    let tail: Vec<Raw> = entries.split_off(1);
    zip_with_hidden(&entries[0], &tail)
}

/// A zip of one entry with bytes, and entries that stand somewhere in those.
fn zip_with_hidden(shown: &Raw, hidden: &[Raw]) -> Vec<u8> {
    let whole = zip(&[&[shown.clone()][..], hidden].concat());
    let start = 30 + shown.local.name.len() + shown.data.len();
    // What `zip` wrote of the hidden ones is cut out, and the directory moves up.
    let length: usize = hidden.iter().map(|entry| 30 + entry.local.name.len() + entry.data.len()).sum();
    let mut bytes = [&whole[..start], &whole[start + length..]].concat();
    let end = bytes.len() - 6;
    bytes[end..end + 4].copy_from_slice(&u32::try_from(start).unwrap().to_le_bytes());
    bytes
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut writer = DeflateEncoder::new(Vec::new(), Compression::best());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bombs() -> Vec<Case> {
    let zeros = vec![0; 20 << 20];
    let packed = deflated(&zeros);
    let sizes =
        (super::crc32(&zeros), u32::try_from(packed.len()).unwrap(), u32::try_from(zeros.len()).unwrap());
    let mut bomb = file("zeros", "").both(|header| {
        (header.method, header.crc, header.packed, header.unpacked) = (8, sizes.0, sizes.1, sizes.2);
    });
    bomb.data = packed;
    let claims = |size: u32| with(bomb.clone().both(|header| header.unpacked = size));
    vec![
        case("bomb: its ratio", with(bomb.clone()), "ARCHIVE_RATIO", "200 times"),
        case("bomb: one that says less", claims(1000), "ARCHIVE_SIZE_LIES", "zeros"),
        case("bomb: one that says more", claims(u32::MAX - 1), "ARCHIVE_TOO_LARGE", "bytes allowed"),
        case("bomb: empty entries", many_empty(1001), "ARCHIVE_TOO_MANY_ENTRIES", "1001 entries"),
    ]
}

/// Entries of no bytes.
pub fn many_empty(count: u32) -> Vec<u8> {
    let entries: Vec<Raw> = (0..count).map(|number| file(number.to_string(), "")).collect();
    match u16::try_from(count) {
        Ok(_) => zip(&entries),
        Err(_) => zip64(&entries, None),
    }
}
