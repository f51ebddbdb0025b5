//! Uploads that succeed, and those that fail halfway.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::super::archive::testing::{file, link, with_mode, zip};
use super::super::{Files, UnpackMode};
use super::{House, mode, owner, rounds};
use crate::codes::Code;

#[tokio::test]
async fn modes_times_links_and_owner_are_kept() {
    let house = House::new().await;
    let extra = b"UT\x05\x00\x01\x15\xcd\x5b\x07";
    let zip = zip(&[
        with_mode("bin/run", "#!", 0o106_755).both(|header| header.extra = extra.to_vec()),
        with_mode("closed/", "", 0o040_000),
        file("plain", "x"),
        link("node_modules/.bin/tool", "../tool/cli.js"),
    ]);
    let unpacked = house.merge(&zip).await.unwrap();
    assert_eq!((unpacked.files, unpacked.directories), (3, 4));
    assert_eq!(mode(&house.at("bin/run")), 0o755, "setuid is gone");
    assert_eq!(mode(&house.at("closed")), 0o700, "the owner gets in");
    assert_eq!(mode(&house.at("plain")), 0o644);
    assert_eq!(mode(&house.at("bin")), 0o755);
    assert_eq!(fs::metadata(house.at("bin/run")).unwrap().mtime(), 123_456_789);
    assert_eq!(fs::read_link(house.at("node_modules/.bin/tool")).unwrap().to_str(), Some("../tool/cli.js"));
    for path in ["bin", "bin/run", "closed", "plain", "node_modules/.bin/tool", ""] {
        let meta = fs::symlink_metadata(house.at(path)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (owner().uid, owner().gid), "{path}");
    }
}

#[tokio::test]
async fn merge_keeps_what_the_archive_does_not_have() {
    let house = House::new().await;
    house.write("a/old", "old");
    house.write("a/both", "old");
    house.write("other", "old");
    let root = fs::metadata(house.at("")).unwrap().ino();
    let held = fs::File::open(house.at("a/both")).unwrap();
    house.merge(&zip(&[file("a/both", "new"), file("a/new", "new"), file("b/c/d", "new")])).await.unwrap();
    assert_eq!(house.read("a/old"), "old");
    assert_eq!(house.read("a/both"), "new");
    assert_eq!(house.read("b/c/d"), "new");
    assert_eq!(house.read("other"), "old");
    assert_eq!(fs::metadata(house.at("")).unwrap().ino(), root, "the root folder stays");
    assert_eq!(std::io::read_to_string(held).unwrap(), "old", "who reads the old file reads it to its end");
    assert!(house.staging_is_empty());
}

#[tokio::test]
async fn replace_removes_the_folders_old_children_only() {
    let house = House::new().await;
    house.write("a/old/deep", "old");
    house.write("a/both", "old");
    house.write("other", "old");
    house.upload(&zip(&[file("both", "new"), file("new/x", "new")]), "a", UnpackMode::Replace).await.unwrap();
    let names: Vec<String> = house.tree().into_keys().collect();
    assert_eq!(names, ["a", "a/both", "a/new", "a/new/x", "other"]);
    let root = fs::metadata(house.at("")).unwrap().ino();
    house.upload(&zip(&[file("only", "x")]), "", UnpackMode::Replace).await.unwrap();
    assert_eq!(house.tree().into_keys().collect::<Vec<_>>(), ["only"]);
    assert_eq!(fs::metadata(house.at("")).unwrap().ino(), root, "the root folder stays");
    assert!(house.staging_is_empty());
}

#[tokio::test]
async fn folders_on_the_way_are_made_for_the_owner() {
    for mode in [UnpackMode::Merge, UnpackMode::Replace] {
        let house = House::new().await;
        let unpacked = house.upload(&zip(&[file("x", "1")]), "/app/p/q/r", mode).await.unwrap();
        assert_eq!((unpacked.files, unpacked.directories), (1, 0));
        assert_eq!(house.read("p/q/r/x"), "1");
        assert_eq!(fs::metadata(house.at("p/q")).unwrap().uid(), owner().uid);
        house.write("file", "x");
        let error = house.upload(&zip(&[]), "file/q", mode).await.unwrap_err();
        assert_eq!(error.code(), Code::NotADirectory);
    }
}

#[tokio::test]
async fn a_clash_with_the_mount_is_found_before_anything_moves() {
    let house = House::new().await;
    house.write("z/folder/x", "old");
    house.write("z/file", "old");
    let before = house.tree();
    for entry in [file("z/folder", "new"), file("z/file/x", "new"), file("z/file/", "")] {
        let error = house.merge(&zip(&[file("a", "new"), entry])).await.unwrap_err();
        assert_eq!(error.code(), Code::PathConflict);
        assert_eq!(house.tree(), before);
    }
}

#[tokio::test]
async fn planted_links_are_replaced_or_refused_never_followed() {
    let house = House::new().await;
    let outside = house.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(&outside, house.at("folder")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret"), house.at("file")).unwrap();
    house.merge(&zip(&[file("file", "new")])).await.unwrap();
    assert_eq!(house.read("file"), "new");
    assert!(!house.at("file").is_symlink());
    assert!(house.merge(&zip(&[file("folder/x", "new")])).await.is_err());
    for mode in [UnpackMode::Merge, UnpackMode::Replace] {
        assert!(house.upload(&zip(&[file("x", "new")]), "folder", mode).await.is_err());
    }
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn a_hard_link_to_a_file_elsewhere_is_not_written_through() {
    let house = House::new().await;
    house.write("one", "old");
    fs::hard_link(house.at("one"), house.at("two")).unwrap();
    let before = fs::metadata(house.at("two")).unwrap().uid();
    house.merge(&zip(&[file("one", "new")])).await.unwrap();
    assert_eq!(house.read("two"), "old");
    assert_eq!(fs::metadata(house.at("two")).unwrap().uid(), before);
}

#[tokio::test]
async fn five_thousand_files_unpack() {
    let entries: Vec<_> = (0..5000).map(|n| file(format!("d{}/f{n}", n % 50), "some text")).collect();
    let house = House::new().await;
    let started = std::time::Instant::now();
    let unpacked = house.merge(&zip(&entries)).await.unwrap();
    eprintln!("5000 files in {:?}", started.elapsed());
    assert_eq!((unpacked.files, unpacked.directories, unpacked.bytes), (5000, 50, 45_000));
    house.merge(&zip(&entries)).await.unwrap();
    assert_eq!(house.tree().len(), 5050);
}

#[tokio::test]
async fn of_bad_files_that_are_unpacked_side_by_side_the_first_is_named_and_nothing_stays() {
    let house = House::in_memory().await;
    house.write("f0", "old");
    for round in 0..rounds(20) {
        let (first, last) = (round % 250, 299);
        let entries: Vec<_> = (0..300)
            .map(|number| match file(format!("f{number}"), vec![b'x'; 1 + number * 37]) {
                bad if number == first || number == last || number == first + 1 => bad.both(|h| h.crc ^= 1),
                good => good,
            })
            .collect();
        let error = house.merge(&zip(&entries)).await.unwrap_err();
        assert!(error.to_string().contains(&format!("`f{first}`")), "round {round}: {error}");
        assert_eq!(house.read("f0"), "old");
        assert!(house.staging_is_empty(), "round {round}");
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let house = House::new().await;
    let mut receiving = house.files.receive().await.unwrap();
    receiving.write(vec![0; 2 << 20].into()).await.unwrap();
    assert!(house.staging_is_empty(), "the file has no name");
    drop(receiving);
}

/// What a crash leaves is built by hand: the stages of a replacement as they stand on the disk.
#[tokio::test]
async fn a_replacement_that_a_crash_broke_off_is_ended_at_the_next_start() {
    for (note, expected) in [("clearing", vec!["keep", "moved"]), ("placing", vec!["keep", "new"])] {
        let house = House::new().await;
        house.write("d/keep", "k");
        let stage = house.mounts().join(".staging/crashed");
        fs::create_dir_all(stage.join("old")).unwrap();
        fs::create_dir_all(stage.join("tree/d")).unwrap();
        fs::write(stage.join("old/moved"), "m").unwrap();
        fs::write(stage.join("tree/d/new"), "n").unwrap();
        fs::write(stage.join(note), format!("{}\nd", house.cuid)).unwrap();
        Files::open(&house.mounts(), owner(), house.files.shared.limits).unwrap();
        let names: Vec<String> =
            house.tree().into_keys().filter_map(|name| name.strip_prefix("d/").map(str::to_owned)).collect();
        assert_eq!(names, expected);
        assert!(house.staging_is_empty());
    }
}

/// The fault: a staged file disappears before it is moved, after others were.
#[tokio::test]
async fn an_upload_that_fails_halfway_is_taken_back() {
    use super::super::archive::{Archive, Extraction, extract};
    use super::super::place::{Placing, TREE, place};
    use super::super::unpack::Destination;
    for mode in [UnpackMode::Merge, UnpackMode::Replace] {
        let house = House::new().await;
        house.write("d/both", "old");
        house.write("d/sub/both", "old");
        house.write("d/only", "old");
        let before = house.tree();
        let entries =
            [file("both", "new"), file("sub/both", "new"), file("new/x", "new"), file("last", "new")];
        let mut receiving = house.files.receive().await.unwrap();
        receiving.write(zip(&entries).into()).await.unwrap();
        let upload = receiving.finish().await.unwrap();
        let shared = &house.files.shared;
        let (owner, limits) = (shared.owner, shared.limits);
        let to = Destination { cuid: house.cuid, path: super::path("d"), mode, owner, limits };
        let archive = Archive::read(upload, &to.path, &limits).unwrap();
        let mut stage = shared.staging.stage().unwrap();
        let tree = stage.make_owned_folder(TREE, owner, 0o755).unwrap();
        let extraction = Extraction { root: &tree, staging: &shared.staging, owner, limits: &limits };
        extract(&archive, &extraction).unwrap();
        rustix::fs::unlinkat(&tree, "d/last", rustix::fs::AtFlags::empty()).unwrap();
        let mount = shared.mount(house.cuid).unwrap();
        let placing = Placing { mount: &mount, plan: &archive.plan, tree: &tree, to: &to };
        let error = place(&placing, &mut stage).unwrap_err();
        assert_eq!(error.code(), Code::FileChanged);
        drop(stage);
        assert_eq!(house.tree(), before, "{mode:?}");
        assert!(house.staging_is_empty());
    }
}

#[tokio::test]
async fn a_replacement_that_cannot_be_ended_is_kept() {
    let house = House::new().await;
    let stage = house.mounts().join(".staging/crashed");
    fs::create_dir_all(stage.join("old")).unwrap();
    fs::write(stage.join("old/only-copy"), "m").unwrap();
    fs::write(stage.join("clearing"), format!("{}\ngone", house.cuid)).unwrap();
    fs::write(house.mounts().join(".staging/other"), "x").unwrap();
    Files::open(&house.mounts(), owner(), house.files.shared.limits).unwrap();
    assert_eq!(fs::read_to_string(stage.join("old/only-copy")).unwrap(), "m");
    assert!(!house.mounts().join(".staging/other").exists());
}
