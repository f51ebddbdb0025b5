//! Files and folders on their way out.

use std::fs;
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use futures_util::StreamExt;

use super::super::UnpackMode;
use super::{House, collect, make_fifo, mode, path};
use crate::codes::Code;

#[tokio::test]
async fn a_file_is_read_whole_and_in_part() {
    let house = House::new().await;
    let text: String = "0123456789abcdef".repeat(20_000);
    house.write("a/b", &text);
    let file = house.files.open_file(house.cuid, &path("a/b")).await.unwrap();
    assert_eq!(file.len, text.len() as u64);
    assert_eq!(collect(file.read_range(0, file.len)).await.unwrap(), text.as_bytes());
    assert_eq!(collect(file.read_range(70_000, 10)).await.unwrap(), &text.as_bytes()[70_000..70_010]);
    let again = house.files.open_file(house.cuid, &path("a/b")).await.unwrap();
    assert_eq!(again.etag, file.etag);
    house.write("a/b", &text);
    let changed = house.files.open_file(house.cuid, &path("a/b")).await.unwrap();
    assert_ne!(changed.etag, file.etag);
}

#[tokio::test]
async fn a_file_that_shrinks_ends_in_an_error_and_one_that_grows_sends_its_old_length() {
    let house = House::new().await;
    house.write("x", &"1".repeat(200_000));
    let file = house.files.open_file(house.cuid, &path("x")).await.unwrap();
    house.write("x", &"2".repeat(300_000));
    assert_eq!(collect(file.read_range(0, file.len)).await.unwrap().len(), 200_000);
    house.write("x", &"3".repeat(100_000));
    assert_eq!(collect(file.read_range(0, file.len)).await.unwrap_err().code(), Code::FileChanged);
}

#[tokio::test]
async fn what_is_no_file_says_so() {
    let house = House::new().await;
    house.write("folder/x", "1");
    make_fifo(&house.at("fifo"));
    std::os::unix::fs::symlink("folder", house.at("link")).unwrap();
    for (name, code) in [
        ("folder", Code::IsDirectory),
        ("", Code::IsDirectory),
        ("none", Code::FileNotFound),
        ("folder/x/y", Code::FileNotFound),
        ("fifo", Code::NotARegularFile),
        ("link", Code::NotARegularFile),
        ("link/x", Code::PathNotAllowed),
    ] {
        let error = house.files.open_file(house.cuid, &path(name)).await.unwrap_err();
        assert_eq!(error.code(), code, "{name}");
    }
    for (name, code) in
        [("folder/x", Code::NotADirectory), ("none", Code::FileNotFound), ("link", Code::NotADirectory)]
    {
        let error = house.files.pack(house.cuid, &path(name)).await.err().unwrap();
        assert_eq!(error.code(), code, "{name}");
    }
}

#[tokio::test]
async fn a_folder_comes_back_as_it_was() {
    let house = House::new().await;
    house.write("d/a/b", "text");
    house.write("d/größe", &"big ".repeat(100_000));
    house.write("d/run", "#!");
    fs::set_permissions(house.at("d/run"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::create_dir(house.at("d/empty")).unwrap();
    fs::set_permissions(house.at("d/empty"), fs::Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("../run", house.at("d/a/link")).unwrap();
    make_fifo(&house.at("d/fifo"));
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_001);
    fs::File::open(house.at("d/run")).unwrap().set_modified(time).unwrap();
    let zip = collect(house.files.pack(house.cuid, &path("d")).await.unwrap()).await.unwrap();
    let unpacked = house.upload(&zip, "copy", UnpackMode::Merge).await.unwrap();
    assert_eq!((unpacked.files, unpacked.directories), (4, 2));
    let tree = house.tree();
    let below = |top: &str| -> Vec<_> {
        tree.iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(top)?.to_owned(), text.clone())))
            .collect()
    };
    assert_eq!(
        below("copy/"),
        below("d/").into_iter().filter(|(_, text)| text != "special").collect::<Vec<_>>()
    );
    assert_eq!(mode(&house.at("copy/run")), 0o751);
    assert_eq!(mode(&house.at("copy/empty")), 0o750);
    assert_eq!(fs::metadata(house.at("copy/run")).unwrap().mtime(), 1_000_000_001);
    let empty = collect(house.files.pack(house.cuid, &path("d/empty")).await.unwrap()).await.unwrap();
    assert_eq!(house.merge(&empty).await.unwrap().files, 0);
}

#[tokio::test]
async fn thousands_of_files_of_all_sizes_come_back_as_they_were_also_of_several_downloads_at_a_time() {
    let house = House::new().await;
    for number in 0..600_usize {
        let folder = format!("d/{}/{}", number % 7, number % 3);
        house.write(&format!("{folder}/{number}"), &format!("{number} ").repeat(number % 400));
    }
    for (name, length) in
        [("a", 131_071), ("b", 131_072), ("c", 131_073), ("d", 1_000_000), ("e", 262_144), ("f", 0)]
    {
        house.write(&format!("d/3/{name}"), &name.repeat(length));
    }
    let raw = std::ffi::OsStr::from_bytes(b"caf\xe9");
    for number in 0..200 {
        std::os::unix::fs::symlink(format!("../{number}"), house.at(&format!("d/5/to-{number}"))).unwrap();
        fs::create_dir(house.at(&format!("d/empty-{number}"))).unwrap();
    }
    let pack = async || collect(house.files.pack(house.cuid, &path("d")).await.unwrap()).await.unwrap();
    let (first, second, third) = tokio::join!(pack(), pack(), pack());
    let names = |zip: &[u8]| -> Vec<_> {
        let archive = zip::ZipArchive::new(Cursor::new(zip.to_vec())).unwrap();
        archive.file_names_raw().map(<[u8]>::to_vec).collect()
    };
    let in_order = names(&first);
    assert_eq!(in_order.len(), 600 + 6 + 400 + 7 + 21);
    for (number, name) in in_order.iter().enumerate() {
        let end = name.strip_suffix(b"/").unwrap_or(name).iter().rposition(|byte| *byte == b'/');
        let parent = end.map(|end| name[..=end].to_vec());
        assert!(
            parent.is_none_or(|parent| in_order[..number].contains(&parent)),
            "{number}: a folder comes first"
        );
    }
    assert!(names(&second) == in_order && names(&third) == in_order);
    for (zip, copy) in [(first, "one"), (second, "two"), (third, "three")] {
        house.upload(&zip, copy, UnpackMode::Merge).await.unwrap();
    }
    fs::write(house.at("d").join(raw), "x").unwrap();
    assert!(names(&pack().await).contains(&raw.as_bytes().to_vec()));
    fs::remove_file(house.at("d").join(raw)).unwrap();
    let tree = house.tree();
    let below = |top: &str| -> Vec<_> {
        tree.iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(top)?.to_owned(), text.clone())))
            .collect()
    };
    for copy in ["one/", "two/", "three/"] {
        assert!(below(copy) == below("d/"), "{copy} is another tree");
    }
}

#[tokio::test]
async fn names_that_are_not_utf8_are_carried_raw_or_end_the_stream() {
    let house = House::new().await;
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::write(house.at("").join(name), "x").unwrap();
    let zip = collect(house.files.pack(house.cuid, &path("")).await.unwrap()).await.unwrap();
    let archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    assert_eq!(archive.file_names_raw().collect::<Vec<_>>(), [b"caf\xe9"]);
    fs::remove_file(house.at("").join(name)).unwrap();
    fs::create_dir(house.at("").join(name)).unwrap();
    let error = collect(house.files.pack(house.cuid, &path("")).await.unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Code::NameNotUtf8);
}

#[tokio::test]
async fn downloads_have_limits_and_never_end_cleanly_over_them() {
    let house = House::with(|limits| {
        limits.pack.entries = 10;
        limits.pack.bytes = 1 << 20;
        limits.pack.depth = 3;
    })
    .await;
    let file = fs::File::create(house.at("sparse")).unwrap();
    file.set_len(1 << 40).unwrap();
    let pack = async || collect(house.files.pack(house.cuid, &path("")).await.unwrap()).await;
    assert_eq!(pack().await.unwrap_err().code(), Code::TreeTooLarge);
    fs::remove_file(house.at("sparse")).unwrap();
    house.write("a/b/c/d/e", "deep");
    assert_eq!(pack().await.unwrap_err().code(), Code::TreeTooLarge);
    fs::remove_dir_all(house.at("a")).unwrap();
    for n in 0..11 {
        house.write(&n.to_string(), "x");
    }
    assert_eq!(pack().await.unwrap_err().code(), Code::TreeTooLarge);
}

#[tokio::test]
async fn half_a_zip_never_looks_whole_and_its_writer_ends_with_the_receiver() {
    let house = House::with(|limits| limits.pack.bytes = 9 << 20).await;
    let mut state = 1_u32;
    let noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let noise: Vec<u8> = std::iter::repeat_with(noise).take(8_000_000).collect();
    fs::write(house.at("big"), &noise).unwrap();
    fs::write(house.at("z"), &noise).unwrap();
    let mut stream = Box::pin(house.files.pack(house.cuid, &path("")).await.unwrap());
    let mut all = Vec::new();
    let mut error = None;
    while let Some(next) = stream.next().await {
        match next {
            Ok(bytes) => all.extend(bytes),
            Err(failed) => error = Some(failed),
        }
    }
    assert_eq!(error.unwrap().code(), Code::TreeTooLarge);
    assert!(zip::ZipArchive::new(Cursor::new(all)).is_err(), "no end record was sent");
    let mut shrunk = Box::pin(house.files.pack(house.cuid, &path("")).await.unwrap());
    shrunk.next().await.unwrap().unwrap();
    for name in ["big", "z"] {
        fs::write(house.at(name), "").unwrap();
    }
    let mut last = None;
    while let Some(next) = shrunk.next().await {
        last = Some(next);
    }
    assert_eq!(last.unwrap().unwrap_err().code(), Code::FileChanged);
    fs::write(house.at("big"), &noise).unwrap();
    let mut dropped = Box::pin(house.files.pack(house.cuid, &path("")).await.unwrap());
    dropped.next().await.unwrap().unwrap();
    drop(dropped);
}

/// The zip writer writes its directory when it is dropped, also after an error.
#[tokio::test]
async fn after_an_error_no_directory_is_sent() {
    let house = House::with(|limits| limits.pack.entries = 1500).await;
    for n in 0..1501 {
        fs::write(house.at(&format!("{n}-{}", "x".repeat(100))), "").unwrap();
    }
    let mut stream = Box::pin(house.files.pack(house.cuid, &path("")).await.unwrap());
    let mut all = Vec::new();
    while let Some(next) = stream.next().await {
        match next {
            Ok(bytes) => all.extend(bytes),
            Err(error) => assert_eq!(error.code(), Code::TreeTooLarge),
        }
    }
    assert!(all.len() > 100_000);
    assert!(!all.windows(4).any(|bytes| bytes == b"PK\x01\x02"));
}
