//! The file manager on a real file system: what the API cannot bring about from outside.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use bytes::Bytes;

use super::super::{Conditions, FilesError, Making, Moving, Page, Placed, Removal, Tags, WHOLE_PAGE};
use super::{House, make_fifo, mode, owner, path};
use crate::codes::Code;

impl House {
    pub(super) async fn put(&self, to: &str, text: &str) -> Result<Placed, FilesError> {
        self.put_if(to, text, Conditions::default()).await
    }

    pub(super) async fn put_if(
        &self,
        to: &str,
        text: &str,
        conditions: Conditions,
    ) -> Result<Placed, FilesError> {
        let mut receiving = self.files.receive_file().await?;
        receiving.write(Bytes::copy_from_slice(text.as_bytes())).await?;
        let file = receiving.finish_file().await?;
        self.files.put(self.cuid, file, &path(to), conditions).await
    }

    pub(super) async fn remove_at(&self, at: &str, recursive: bool) -> Result<(), FilesError> {
        let removal = Removal { recursive, conditions: Conditions::default() };
        self.files.remove_at(self.cuid, &path(at), removal).await
    }

    pub(super) async fn make(&self, at: &str, parents: bool) -> Result<bool, FilesError> {
        self.files.make_folder(self.cuid, &path(at), Making { parents }).await
    }

    pub(super) async fn relocate(&self, from: &str, to: &str, overwrite: bool) -> Result<(), FilesError> {
        self.files.relocate(self.cuid, &path(from), &path(to), Moving { overwrite }).await
    }

    async fn page(&self, limit: usize, after: Option<Vec<u8>>) -> (Vec<Vec<u8>>, Option<Vec<u8>>, u64) {
        let listing = self.files.list(self.cuid, &path(""), Page { limit, after }).await.unwrap();
        let names = listing.entries.into_iter().map(|entry| entry.name).collect();
        (names, listing.next, listing.total)
    }
}

pub(super) fn if_match(tag: &str) -> Conditions {
    Conditions { if_match: Some(Tags::These(vec![tag.to_owned()])), ..Conditions::default() }
}

#[tokio::test]
async fn a_put_file_has_owner_and_mode_and_the_tag_of_its_download() {
    let house = House::new().await;
    let new = house.put("f", "one").await.unwrap();
    assert!(new.is_new && new.bytes == 3);
    let meta = fs::metadata(house.at("f")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), mode(&house.at("f"))), (owner().uid, owner().gid, 0o644));
    assert_eq!(house.files.open_file(house.cuid, &path("f")).await.unwrap().etag, new.etag);
    fs::set_permissions(house.at("f"), fs::Permissions::from_mode(0o4751)).unwrap();
    let tag = house.files.open_file(house.cuid, &path("f")).await.unwrap().etag;
    let again = house.put_if("f", "two", if_match(&tag)).await.unwrap();
    assert!(!again.is_new);
    assert_eq!((house.read("f").as_str(), mode(&house.at("f"))), ("two", 0o751));
    assert_ne!(again.etag, tag);
    let stale = house.put_if("f", "three", if_match(&tag)).await.unwrap_err();
    assert_eq!((stale.code(), house.read("f").as_str()), (Code::PreconditionFailed, "two"));
    assert!(house.staging_is_empty());
}

#[tokio::test]
async fn a_reader_that_has_the_old_file_open_keeps_it_whole() {
    let house = House::new().await;
    house.put("f", "old").await.unwrap();
    let open = house.files.open_file(house.cuid, &path("f")).await.unwrap();
    house.put("f", "new and longer").await.unwrap();
    let mut stream = Box::pin(open.read_range(0, open.len));
    let bytes = futures_util::StreamExt::next(&mut stream).await.unwrap().unwrap();
    assert_eq!(&bytes[..], b"old");
}

#[tokio::test]
async fn a_very_deep_tree_is_removed_and_a_link_is_not_followed() {
    let house = House::new().await;
    let outside = house.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    let mut folder = rustix::fs::open(
        house.at(""),
        rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&folder, "d", rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        rustix::fs::symlinkat(&outside, &folder, "link").unwrap();
        folder = super::super::mount::open_beneath(&folder, "d", super::super::mount::FOLDER).unwrap();
    }
    house.remove_at("d", true).await.unwrap();
    house.remove_at("link", true).await.unwrap();
    assert!(house.tree().is_empty(), "{:?}", house.tree());
    assert!(house.staging_is_empty());
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
}

#[tokio::test]
async fn pages_hold_every_name_once_also_names_of_any_bytes() {
    let house = House::new().await;
    let mut expected: Vec<Vec<u8>> = (0..250).map(|n| format!("f{n}").into_bytes()).collect();
    expected.extend([b"\xff\xfe".to_vec(), b"caf\xe9".to_vec(), b"new\nline".to_vec()]);
    expected.sort();
    for name in &expected {
        fs::write(house.at("").join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    for limit in [1, 7, 100, 252, 253, 254, WHOLE_PAGE] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (names, next, total) = house.page(limit, after).await;
            assert!(names.len() <= limit && total == 253);
            found.extend(names);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_page_of_long_link_targets_ends_early_and_the_next_one_goes_on() {
    let house = House::new().await;
    for n in 0..2000 {
        symlink("x".repeat(4000), house.at(&format!("link{n:05}"))).unwrap();
    }
    let (names, next, total) = house.page(WHOLE_PAGE, None).await;
    assert!(names.len() < 1200 && total == 2000, "{} of {total}", names.len());
    let (rest, end, _) = house.page(WHOLE_PAGE, next).await;
    assert_eq!((names.len() + rest.len(), end), (2000, None));
}

#[tokio::test]
async fn a_folder_of_too_many_names_is_refused() {
    let house = House::with(|limits| limits.pack.entries = 5).await;
    for n in 0..5 {
        house.write(&format!("f{n}"), "");
    }
    assert_eq!(house.page(2, None).await.2, 5);
    house.write("f5", "");
    let page = Page { limit: 2, after: None };
    let error = house.files.list(house.cuid, &path(""), page).await.unwrap_err();
    assert_eq!(error.code(), Code::TreeTooLarge);
}

#[tokio::test]
async fn folders_are_made_whole_or_not_at_all() {
    let house = House::new().await;
    assert!(house.make("a/b/c", true).await.unwrap());
    assert!(!house.make("a/b/c", true).await.unwrap());
    for inner in ["a", "a/b", "a/b/c"] {
        let meta = fs::metadata(house.at(inner)).unwrap();
        assert_eq!((meta.uid(), meta.gid(), mode(&house.at(inner))), (owner().uid, owner().gid, 0o755));
    }
    house.write("file", "");
    assert_eq!(house.make("file/x/y", true).await.unwrap_err().code(), Code::NotADirectory);
    let deep = "d/".repeat(2000);
    assert!(house.make(&deep, true).await.unwrap());
    house.remove_at("d", true).await.unwrap();
    assert!(house.staging_is_empty());
}

#[tokio::test]
async fn two_names_of_one_file_are_one_after_a_move() {
    let house = House::new().await;
    house.write("a", "x");
    fs::hard_link(house.at("a"), house.at("b")).unwrap();
    assert_eq!(house.relocate("a", "b", false).await.unwrap_err().code(), Code::FileExists);
    house.relocate("a", "b", true).await.unwrap();
    assert_eq!(house.tree(), [("b".to_owned(), "x".to_owned())].into());
}

#[tokio::test]
async fn what_is_special_is_moved_and_removed_but_not_replaced_by_a_put() {
    let house = House::new().await;
    make_fifo(&house.at("fifo"));
    assert_eq!(house.put("fifo", "x").await.unwrap_err().code(), Code::NotARegularFile);
    house.relocate("fifo", "pipe", false).await.unwrap();
    assert_eq!(house.tree(), [("pipe".to_owned(), "special".to_owned())].into());
    house.remove_at("pipe", false).await.unwrap();
    assert!(house.tree().is_empty() && house.staging_is_empty());
}

#[tokio::test]
async fn a_full_disk_is_told_and_changes_nothing() {
    let house = House::with(|limits| limits.min_free_bytes = u64::MAX / 2).await;
    house.write("f", "old");
    assert_eq!(house.put("f", "new").await.unwrap_err().code(), Code::NoSpace);
    assert_eq!(house.read("f"), "old");
    house.remove_at("f", false).await.unwrap();
}

#[tokio::test]
async fn without_its_mount_every_step_says_so() {
    let house = House::new().await;
    fs::remove_dir(house.at("")).unwrap();
    let page = Page { limit: 1, after: None };
    let codes = [
        house.files.list(house.cuid, &path(""), page).await.unwrap_err().code(),
        house.put("f", "x").await.unwrap_err().code(),
        house.remove_at("f", true).await.unwrap_err().code(),
        house.make("f", true).await.unwrap_err().code(),
        house.relocate("f", "g", true).await.unwrap_err().code(),
    ];
    assert_eq!(codes, [Code::NoMount; 5]);
    assert!(house.staging_is_empty());
}
