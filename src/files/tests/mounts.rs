//! Mounts come and go.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::super::Files;
use super::{House, make_fifo, mode, owner, path};
use crate::container::Cuid;

#[tokio::test]
async fn a_mount_is_made_once_and_belongs_to_the_owner() {
    let house = House::new().await;
    assert_eq!(mode(&house.mounts()), 0o700);
    assert_eq!(mode(&house.mounts().join(".staging")), 0o700);
    assert_eq!(mode(&house.at("")), 0o755);
    assert_eq!(fs::metadata(house.at("")).unwrap().uid(), owner().uid);
    house.write("x", "1");
    house.files.create(house.cuid).await.unwrap();
    assert_eq!(house.read("x"), "1");
    fs::write(house.mounts().join(".gitignore"), "*").unwrap();
    assert_eq!(house.files.cuids().await.unwrap(), [house.cuid]);
    assert!(house.files.exists(house.cuid).await.unwrap());
    assert!(!house.files.exists(Cuid::new()).await.unwrap());
}

#[tokio::test]
async fn removal_takes_everything_and_nothing_outside() {
    let house = House::new().await;
    let outside = house.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    house.write("a/b/c/d", "x");
    make_fifo(&house.at("fifo"));
    std::os::unix::fs::symlink(&outside, house.at("a/link")).unwrap();
    assert!(!house.files.remove_if_empty(house.cuid).await.unwrap());
    house.files.remove(house.cuid).await.unwrap();
    house.files.remove(house.cuid).await.unwrap();
    assert!(!house.files.exists(house.cuid).await.unwrap());
    assert!(house.staging_is_empty());
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    house.files.create(house.cuid).await.unwrap();
    assert!(house.files.remove_if_empty(house.cuid).await.unwrap());
}

/// As deep as no path can name: made as a hostile process does, a step at a time.
#[tokio::test]
async fn a_tree_deeper_than_any_path_is_removed() {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let house = House::new().await;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open(house.at(""), flags, Mode::empty()).unwrap();
    for _ in 0..5000 {
        mkdirat(&folder, "deep", Mode::from_raw_mode(0o755)).unwrap();
        folder = openat(&folder, "deep", flags, Mode::empty()).unwrap();
    }
    drop(folder);
    house.files.remove(house.cuid).await.unwrap();
    assert!(house.staging_is_empty());
}

#[tokio::test]
async fn the_next_start_sweeps_staging() {
    let house = House::new().await;
    house.write("x", "1");
    fs::create_dir_all(house.mounts().join(".staging/left/tree/a")).unwrap();
    fs::write(house.mounts().join(".staging/left/tree/a/b"), "x").unwrap();
    fs::write(house.mounts().join(".staging/upload"), "x").unwrap();
    Files::open(&house.mounts(), owner(), house.files.shared.limits).unwrap();
    assert!(house.staging_is_empty());
    assert_eq!(house.read("x"), "1");
}

#[tokio::test]
async fn only_a_regular_file_is_one() {
    let house = House::new().await;
    house.write("boot.py", "1");
    house.write("folder/x", "1");
    make_fifo(&house.at("fifo"));
    std::os::unix::fs::symlink("boot.py", house.at("link")).unwrap();
    for (name, is_file) in
        [("boot.py", true), ("folder", false), ("fifo", false), ("link", false), ("none", false)]
    {
        assert_eq!(house.files.has_regular_file(house.cuid, &path(name)).await.unwrap(), is_file, "{name}");
    }
}
