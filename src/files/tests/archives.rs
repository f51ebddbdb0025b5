//! Every hazard of an archive is refused by its own code and leaves no trace; every usual tool's zip is taken.

use super::super::UnpackMode;
use super::super::archive::testing::rules::{Case, ENTRIES, UNPACKED_BYTES};
use super::super::archive::testing::{file, tar_rules, with_mode, zip, zip_rules, zip64};
use super::super::build_stage::ContextKind;
use super::House;
use crate::codes::Code;

/// A house whose limits each case breaks alone.
async fn strict() -> House {
    House::with(|limits| {
        limits.entries = ENTRIES;
        limits.unpacked_bytes = UNPACKED_BYTES;
    })
    .await
}

/// Uploads a hostile zip: why it is not refused as it should be, or what changed.
async fn wrong(house: &House, case: &Case, mode: UnpackMode) -> Option<String> {
    let before = house.tree();
    let said = house.upload(&case.bytes, "d", mode).await;
    let is_clean = house.tree() == before && house.staging_is_empty();
    let is_refused = said.as_ref().is_err_and(|error| {
        let (text, code) = (error.to_string(), error.code());
        let is_of_host = text.contains("mounts") || text.contains("/tmp");
        code.as_str() == case.code && code.word().status() == 400 && text.contains(case.says) && !is_of_host
    });
    let said = said.map_err(|error| format!("{} {error}", error.code().as_str()));
    (!is_clean || !is_refused)
        .then(|| format!("{} wants {}: {said:?}, clean: {is_clean}", case.rule, case.code))
}

#[tokio::test]
async fn every_zip_that_breaks_a_rule_is_refused_by_its_own_code() {
    let (house, mut all) = (strict().await, Vec::new());
    house.write("d/kept", "kept");
    for case in zip_rules::all() {
        for mode in [UnpackMode::Merge, UnpackMode::Replace] {
            all.extend(wrong(&house, &case, mode).await);
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[tokio::test]
async fn every_tar_that_breaks_a_rule_is_refused_by_its_own_code() {
    let (house, mut all) = (strict().await, Vec::new());
    for case in tar_rules::all() {
        let said = house.context(&case.bytes, ContextKind::Tar).await;
        let said = said.map_err(|error| (error.code().as_str(), error.to_string()));
        if said.as_ref().err().map(|said| said.0) != Some(case.code) || !house.staging_is_empty() {
            all.push(format!("{} wants {}: {said:?}", case.rule, case.code));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// A directory that is read to its end before its entries are counted costs three times its size.
#[tokio::test]
async fn no_more_entries_are_read_than_the_end_record_counts() {
    let many = zip_rules::many_empty(60_000);
    let end = many.len() - 22;
    let claims_one = [&many[..end + 8], &[1, 0, 1, 0], &many[end + 12..]].concat();
    let error = strict().await.merge(&claims_one).await.unwrap_err();
    assert_eq!(error.code(), Code::ArchiveMalformed, "{error}");
}

#[tokio::test]
async fn budgets_are_kept() {
    let house = House::with(|limits| limits.unpacked_bytes = 1000).await;
    let error = house.merge(&zip(&[file("a", [0; 600]), file("b", [0; 600])])).await.unwrap_err();
    assert_eq!(error.code(), Code::ArchiveTooLarge);

    let house = House::with(|limits| limits.archive_bytes = 1000).await;
    assert_eq!(house.merge(&[0; 2000]).await.unwrap_err().code(), Code::BodyTooLarge);

    let house = House::with(|limits| limits.min_free_bytes = u64::MAX / 2).await;
    assert_eq!(house.merge(&zip(&[])).await.unwrap_err().code(), Code::NoSpace);

    let bomb = {
        use std::io::Write;
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.start_file("zeros", zip::write::SimpleFileOptions::default()).unwrap();
        for _ in 0..40 {
            writer.write_all(&vec![0; 1 << 20]).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let house = House::new().await;
    assert_eq!(house.merge(&bomb).await.unwrap_err().code(), Code::ArchiveRatio);
    assert!(house.tree().is_empty() && house.staging_is_empty());
}

#[tokio::test]
async fn zips_of_all_kinds_are_taken() {
    let text = "hello";
    for entry in [
        file("x", text),
        file("x", text).deflated(),
        file("x", text).deflated().streamed(true, false),
        file("x", text).deflated().streamed(false, false),
        file("x", text).deflated().streamed(true, true),
        with_mode("x", text, 0o600),
        with_mode("x", text, 0o100_644),
        file("x", text).both(|header| header.flags |= 1 << 11),
    ] {
        for bytes in [zip(&[file("d/", ""), entry.clone()]), zip64(&[file("d/", ""), entry.clone()], None)] {
            let house = House::new().await;
            let unpacked = house.merge(&bytes).await.unwrap();
            assert_eq!((unpacked.files, unpacked.directories, unpacked.bytes), (1, 1, 5));
            assert_eq!(house.read("x"), text);
        }
    }
    let house = House::new().await;
    let unpacked = house.merge(&zip(&[])).await.unwrap();
    assert_eq!((unpacked.files, unpacked.directories, unpacked.bytes), (0, 0, 0));
    let comment = [&zip(&[file("x", text)])[..]].concat();
    let mut commented = comment;
    let at = commented.len() - 2;
    commented[at] = 5;
    commented.extend(b"hello");
    house.merge(&commented).await.unwrap();
}

/// The other tools' zips: made by the tool itself where it is installed.
#[tokio::test]
#[allow(clippy::disallowed_methods)]
async fn zips_made_by_python_are_taken() {
    const SCRIPT: &str = r"
import sys, zipfile, io
class Pipe(io.RawIOBase):
    def __init__(self, f): self.f = f
    def writable(self): return True
    def seekable(self): return False
    def write(self, b): return self.f.write(b)
f = open(sys.argv[1], 'wb')
out = Pipe(f) if sys.argv[2] == 'pipe' else f
with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('a/b.txt', 'hello')
    z.writestr('grüße.txt', 'hello')
    z.writestr('empty', '')
    z.writestr('dir/', '')
    with z.open('big', 'w', force_zip64=True) as big: big.write(b'x' * 100000)
";
    for kind in ["file", "pipe"] {
        let house = House::new().await;
        let to = house.dir.path().join("made.zip");
        let made = std::process::Command::new("python3").args(["-c", SCRIPT]).arg(&to).arg(kind).status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("no python3 here");
            return;
        }
        let unpacked = house.merge(&std::fs::read(&to).unwrap()).await.unwrap();
        assert_eq!((unpacked.files, unpacked.directories, unpacked.bytes), (4, 2, 100_010));
        assert_eq!(house.read("a/b.txt"), "hello");
        assert_eq!(super::mode(&house.at("a/b.txt")), 0o600);
    }
}

#[tokio::test]
async fn zip64_sizes_are_read_where_they_stand() {
    let house = House::new().await;
    let extra = [&b"\x01\x00\x10\x00"[..], &5_u64.to_le_bytes(), &5_u64.to_le_bytes()].concat();
    let large = file("x", "hello").both(|header| {
        (header.packed, header.unpacked) = (u32::MAX, u32::MAX);
        header.extra.clone_from(&extra);
    });
    assert_eq!(house.merge(&zip(&[large])).await.unwrap().bytes, 5);
    // What the daemon itself sends for a file over 4 GiB.
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    writer.start_file("y", options).unwrap();
    std::io::Write::write_all(&mut writer, b"hello").unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(house.merge(&bytes).await.unwrap().bytes, 5);
    assert_eq!((house.read("x"), house.read("y")), ("hello".to_owned(), "hello".to_owned()));
}
