//! What a container may leave in its mount that is no plain file or folder, or has no end.

use std::fs;
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};
use rustix::io::Errno;

use super::super::archive::testing::{file, zip};
use super::super::{EntryKind, Page, UnpackMode};
use super::{House, collect, make_fifo, mode, path};
use crate::codes::Code;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first page of a folder.
const PAGE: Page = Page { limit: 100, after: None };

/// Awaits what must not hang.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it hangs")
}

/// A folder as a zip, or why there is none; how many bytes it has is enough to say in a message.
async fn packed(house: &House, at: &str) -> Result<usize, Code> {
    let packed = async { collect(house.files.pack(house.cuid, &path(at)).await.unwrap()).await };
    soon(packed).await.map(|bytes| bytes.len()).map_err(|error| error.code())
}

/// A device that no one has to own: `/dev/zero`, without end. Whether it could be made.
fn make_device(at: &Path, kind: FileType) -> bool {
    let number = if kind == FileType::CharacterDevice { (1, 5) } else { (1, 0) };
    let device = rustix::fs::makedev(number.0, number.1);
    match mknodat(CWD, at, kind, Mode::from_raw_mode(0o666), device) {
        Ok(()) => true,
        // Not everyone who runs the tests may.
        Err(Errno::PERM | Errno::ACCESS) => false,
        Err(errno) => panic!("{errno}"),
    }
}

#[tokio::test]
async fn a_special_file_is_opened_by_no_verb_and_holds_up_none() {
    let kinds = ["fifo", "socket", "character", "block"];
    for kind in kinds {
        let house = House::new().await;
        house.write("kept", "kept");
        let (at, mut socket) = (house.at("special"), None);
        let is_made = match kind {
            "fifo" => {
                make_fifo(&at);
                true
            }
            "socket" => socket.insert(UnixListener::bind(&at).unwrap()).local_addr().is_ok(),
            "character" => make_device(&at, FileType::CharacterDevice),
            _ => make_device(&at, FileType::BlockDevice),
        };
        if !is_made {
            eprintln!("{kind}: may not be made here");
            continue;
        }
        let special = path("special");
        let opened = soon(house.files.open_file(house.cuid, &special)).await;
        assert_eq!(opened.unwrap_err().code(), Code::NotARegularFile, "{kind}");
        assert!(soon(house.files.pack(house.cuid, &special)).await.is_err(), "{kind}");
        let packed =
            soon(async { collect(house.files.pack(house.cuid, &path("")).await.unwrap()).await }).await;
        let packed = zip::ZipArchive::new(Cursor::new(packed.unwrap())).unwrap();
        assert_eq!(packed.len(), 1, "{kind}: it is left out");
        let listing = soon(house.files.list(house.cuid, &path(""), PAGE)).await.unwrap();
        let listed = listing.entries.iter().find(|entry| entry.name == b"special").unwrap();
        assert_eq!(listed.kind, EntryKind::Other, "{kind}");
        assert_eq!(
            soon(house.put("special", "x")).await.unwrap_err().code(),
            Code::NotARegularFile,
            "{kind}"
        );
        assert!(soon(house.make("special/x", true)).await.is_err(), "{kind}");
        soon(house.relocate("special", "moved", false)).await.unwrap();
        soon(house.remove_at("moved", false)).await.unwrap();
        // An upload replaces it, as it does any file of the same name, and writes nothing into it.
        drop(socket);
        make_fifo(&house.at("special"));
        soon(house.merge(&zip(&[file("special", "new")]))).await.unwrap();
        assert_eq!((house.read("special").as_str(), house.read("kept").as_str()), ("new", "kept"), "{kind}");
        assert!(house.staging_is_empty());
    }
}

#[tokio::test]
async fn no_file_gets_setuid_setgid_or_sticky_from_the_daemon() {
    let house = House::new().await;
    for (name, bits) in [("a", 0o4755), ("b", 0o2755), ("c", 0o1777)] {
        house.write(name, "old");
        fs::set_permissions(house.at(name), fs::Permissions::from_mode(bits)).unwrap();
    }
    let packed = collect(house.files.pack(house.cuid, &path("")).await.unwrap()).await.unwrap();
    house.upload(&packed, "copy", UnpackMode::Merge).await.unwrap();
    for name in ["a", "b", "c"] {
        assert_eq!(mode(&house.at(&format!("copy/{name}"))) & 0o7000, 0, "{name}");
        house.put(name, "new").await.unwrap();
        assert_eq!(mode(&house.at(name)) & 0o7000, 0, "{name}: a put keeps the rest of the mode alone");
    }
}

#[tokio::test]
async fn a_file_of_eight_exbibytes_ends_in_the_limits() {
    let house = House::in_memory().await;
    let largest = fs::File::create(house.at("sparse")).unwrap();
    // Where the file system has no such files, as large as it has.
    let size =
        [i64::MAX.unsigned_abs(), 1 << 43].into_iter().find(|size| largest.set_len(*size).is_ok()).unwrap();
    house.write("small", "small");
    let listing = house.files.list(house.cuid, &path(""), PAGE).await.unwrap();
    assert_eq!(listing.entries.iter().map(|entry| entry.size).collect::<Vec<_>>(), [5, size]);
    let open = house.files.open_file(house.cuid, &path("sparse")).await.unwrap();
    assert_eq!(open.len, size);
    let end = soon(collect(open.read_range(size - 10, 10))).await.unwrap();
    assert_eq!(end, [0; 10]);
    assert_eq!(packed(&house, "").await, Err(Code::TreeTooLarge));
    // Two of them are more bytes than there are numbers.
    fs::File::create(house.at("second")).unwrap().set_len(size).unwrap();
    assert_eq!(packed(&house, "").await, Err(Code::TreeTooLarge));
    soon(house.relocate("second", "sparse", true)).await.unwrap();
    soon(house.put("sparse", "x")).await.unwrap();
    assert_eq!(house.read("sparse"), "x");
}

/// Does something in a thread of its own until it is dropped.
struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Busy {
    fn with(mut act: impl FnMut(u64) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut round = 0;
            while !stopped.load(Ordering::Relaxed) {
                act(round);
                round += 1;
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A process that adds folders to the folder `tree` of a mount without end, wherever it is moved: as fast as it can once
/// it is told to, so that there is no more to remove in the end than it takes.
fn growing(house: &House, is_fast: &Arc<AtomicBool>) -> Busy {
    let is_fast = Arc::clone(is_fast);
    fs::create_dir_all(house.at("tree")).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = openat(CWD, house.at("tree"), flags, Mode::empty()).unwrap();
    Busy::with(move |round| {
        if !is_fast.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let made = mkdirat(&folder, format!("d{round}"), Mode::from_raw_mode(0o755));
        if made.is_ok() && round.is_multiple_of(50) {
            folder = openat(&folder, format!("d{round}"), flags, Mode::empty())
                .unwrap_or_else(|_| folder.try_clone().unwrap());
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_grows_while_it_is_walked_ends_in_the_limits() {
    let house = House::with(|limits| {
        limits.pack.entries = 200;
        limits.removal = Duration::from_secs(1);
    })
    .await;
    let is_fast = Arc::default();
    let grows = growing(&house, &is_fast);
    let has_grown = async {
        while !house.at("tree/d0/d50/d100/d150/d200/d201").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(has_grown).await;
    let begun = Instant::now();
    assert_eq!(packed(&house, "tree").await, Err(Code::TreeTooLarge));
    // Its folder as well: what is listed stays within the same limit.
    match soon(house.files.list(house.cuid, &path("tree"), PAGE)).await {
        Ok(listing) => assert!(listing.total <= 200),
        Err(error) => assert_eq!(error.code(), Code::TreeTooLarge),
    }
    // It is out of the mount at once, and its removal ends although the process adds to what is removed.
    is_fast.store(true, Ordering::Relaxed);
    soon(house.remove_at("tree", true)).await.unwrap();
    assert!(!house.at("tree").exists());
    eprintln!("ended after {:?}", begun.elapsed());
    // So does the sweep of a daemon that starts meanwhile. What they leave goes once the process does.
    let begun = Instant::now();
    let limits = house.files.shared.limits;
    soon(super::super::task::blocking({
        let mounts = house.mounts();
        move || super::super::Files::open(&mounts, super::owner(), limits).map(drop)
    }))
    .await
    .unwrap();
    eprintln!("started after {:?}", begun.elapsed());
    drop(grows);
    let is_gone = async {
        while !house.staging_is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // How much there is depends on how long the process had, which is not up to the daemon.
    tokio::time::timeout(PATIENCE * 10, is_gone).await.expect("what was removed stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_change_their_size_while_they_are_packed_are_whole_or_end_the_stream() {
    let house = House::in_memory().await;
    house.write("a", "1");
    let at = house.at("a");
    let changes = Busy::with(move |round| {
        let file = fs::OpenOptions::new().write(true).open(&at).unwrap();
        file.set_len(if round.is_multiple_of(2) { 1_500_000 } else { 400_000 }).unwrap();
    });
    let (mut whole, mut broken) = (0, 0);
    for _ in 0..super::rounds(60) {
        match soon(async { collect(house.files.pack(house.cuid, &path("")).await.unwrap()).await }).await {
            Ok(bytes) => {
                let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
                let mut text = Vec::new();
                archive.by_index(0).unwrap().read_to_end(&mut text).unwrap();
                assert!(
                    text.len() == 1 || text.len() == 400_000 || text.len() == 1_500_000,
                    "{}",
                    text.len()
                );
                whole += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), Code::FileChanged);
                broken += 1;
            }
        }
    }
    drop(changes);
    eprintln!("whole {whole}, broken {broken}");
    assert!(whole + broken > 0);
}

#[tokio::test]
async fn a_tree_of_five_thousand_levels_is_refused_listed_moved_and_removed() {
    let house = House::new().await;
    fs::create_dir(house.at("top")).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = openat(CWD, house.at("top"), flags, Mode::empty()).unwrap();
    for _ in 0..5000 {
        mkdirat(&folder, "d", Mode::from_raw_mode(0o755)).unwrap();
        folder = openat(&folder, "d", flags, Mode::empty()).unwrap();
    }
    drop(folder);
    assert_eq!(packed(&house, "").await, Err(Code::TreeTooLarge));
    assert_eq!(house.files.list(house.cuid, &path("top"), PAGE).await.unwrap().total, 1);
    let deepest =
        path(&["top"].into_iter().chain(std::iter::repeat_n("d", 2000)).collect::<Vec<_>>().join("/"));
    assert_eq!(house.files.list(house.cuid, &deepest, PAGE).await.unwrap().total, 1);
    house.relocate("top", "moved", false).await.unwrap();
    house.upload(&zip(&[file("x", "new")]), "moved", UnpackMode::Replace).await.unwrap();
    assert_eq!(house.tree().keys().collect::<Vec<_>>(), ["moved", "moved/x"]);
    assert!(house.staging_is_empty());
}

#[tokio::test]
async fn names_of_any_bytes_go_with_the_folder_that_they_are_in() {
    let house = House::new().await;
    let names: [&[u8]; 5] = [b"caf\xe9", b"\xff", b"new\nline", b"\x1b[31mred", b"..."];
    for name in names {
        fs::create_dir_all(house.at("d")).unwrap();
        fs::write(house.at("d").join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    let listing = house.files.list(house.cuid, &path("d"), PAGE).await.unwrap();
    let mut listed: Vec<&[u8]> = listing.entries.iter().map(|entry| entry.name.as_slice()).collect();
    let mut wanted = names.to_vec();
    listed.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    let packed = collect(house.files.pack(house.cuid, &path("d")).await.unwrap()).await.unwrap();
    assert_eq!(zip::ZipArchive::new(Cursor::new(&packed)).unwrap().len(), 5);
    // What could not have been uploaded is refused with the name that is wrong, and changes nothing.
    let before = house.tree();
    assert!(matches!(
        house.merge(&packed).await.unwrap_err().code(),
        Code::EntryNameNotUtf8 | Code::EntryNameControl
    ));
    assert_eq!(house.tree(), before);
    house.relocate("d", "e", false).await.unwrap();
    house.upload(&zip(&[file("x", "new")]), "e", UnpackMode::Replace).await.unwrap();
    assert_eq!(house.tree().keys().collect::<Vec<_>>(), ["e", "e/x"]);
    house.remove_at("e", true).await.unwrap();
    assert!(house.tree().is_empty() && house.staging_is_empty());
}
