//! What a race is made of: a mount, what lies outside of it, and a process of the container that exchanges names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, openat, readlinkat, renameat_with, symlinkat, unlinkat,
};

use super::{House, owner};
use crate::container::Cuid;

/// What lies outside of the mount, all of it.
const OUTSIDE: [&str; 4] = ["file", "secret", "deep/file", "deep/secret"];
pub(super) const SECRET: &str = "secret";
/// What the mount's own files hold.
pub(super) const INSIDE: &str = "inside";
/// The names that are exchanged.
const NAMES: (&str, &str) = ("in", "other");
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What the container exchanges without a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    /// The folder that is worked in, and a link to the outside.
    Folder,
    /// The same for a folder in the middle of the path.
    Middle,
    /// The file that is worked on, and a link to one outside.
    File,
}

impl Swap {
    /// The folder that is worked in, from the mount's root.
    pub(super) fn dir(self) -> &'static str {
        if self == Self::Middle { "in/deep" } else { "in" }
    }

    /// The file that is worked on.
    pub(super) fn file(self) -> String {
        format!("{}/file", self.dir())
    }
}

/// A process that exchanges two names as fast as it can, in a folder that it holds open: wherever the daemon moves
/// the folder, it goes on.
pub(super) struct Hostile {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    folders: mpsc::Sender<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    fn start(names: (&'static str, &'static str)) -> Self {
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (folders, given) = mpsc::channel::<OwnedFd>();
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = std::thread::spawn(move || {
            let mut folder = None;
            while !stopped.load(Ordering::Relaxed) {
                folder = given.try_iter().last().or(folder);
                let Some(folder) = &folder else { continue };
                let swapped = renameat_with(folder, names.0, folder, names.1, RenameFlags::EXCHANGE).is_ok();
                counted.fetch_add(u64::from(swapped), Ordering::Relaxed);
            }
        });
        Self { stop, swaps, folders, thread: Some(thread) }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A mount that is raced, and what must not be touched.
pub(super) struct Arena {
    pub(super) house: House,
    pub(super) swap: Swap,
    outside: PathBuf,
    /// The folder that is worked in, which stays the same under whatever name.
    dir: OwnedFd,
    hostile: Hostile,
}

impl Arena {
    pub(super) async fn new(swap: Swap) -> Self {
        let house = House::in_memory().await;
        let outside = house.dir.path().join("outside");
        make_outside(&outside);
        house.write("in/deep/file", INSIDE);
        symlink(&outside, house.at(NAMES.1)).unwrap();
        let dir = openat(CWD, house.at(swap.dir()), FOLDER, Mode::empty()).unwrap();
        let names = if swap == Swap::File { ("file", "link") } else { NAMES };
        let hostile = Hostile::start(names);
        let arena = Self { house, swap, outside, dir, hostile };
        arena.restore();
        let held = if swap == Swap::File { arena.house.at("in") } else { arena.house.at("") };
        arena.hand_over(&held);
        arena
    }

    /// Lets the container exchange its names in this folder from now on.
    fn hand_over(&self, folder: &Path) {
        self.hostile.folders.send(openat(CWD, folder, FOLDER, Mode::empty()).unwrap()).unwrap();
    }

    /// How often the names were exchanged.
    pub(super) fn swaps(&self) -> u64 {
        self.hostile.swaps.load(Ordering::Relaxed)
    }

    /// Makes what earlier rounds took away. In the folder that is held, since any path is raced.
    pub(super) fn restore(&self) {
        let is_link = |name| readlinkat(&self.dir, name, Vec::new()).is_ok();
        let make_file = |name| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Ok(file) = openat(&self.dir, name, flags, Mode::from_raw_mode(0o644)) {
                rustix::io::write(&file, INSIDE.as_bytes()).unwrap();
            }
        };
        make_file("file");
        if self.swap != Swap::File {
            return;
        }
        let make_link = || symlinkat(self.outside.join("file"), &self.dir, "link").is_ok();
        if !make_link() && is_link("file") == is_link("link") {
            // Both are files, or both links: seen while they were exchanged, or for good.
            let _ = unlinkat(&self.dir, "link", AtFlags::empty());
            let _ = unlinkat(&self.dir, "file", AtFlags::empty());
            make_file("file");
            make_link();
        }
    }

    /// A mount with a tree whose folder and link are exchanged, in a house that another one replaces.
    pub(super) fn plant(&self, at: &Path) {
        let new = self.house.dir.path().join("new");
        fs::create_dir_all(new.join("in/deep")).unwrap();
        for file in ["in/file", "in/deep/file", "file"] {
            fs::write(new.join(file), INSIDE).unwrap();
        }
        symlink(&self.outside, new.join(NAMES.1)).unwrap();
        self.hand_over(&new);
        renameat_with(CWD, &new, CWD, at, RenameFlags::NOREPLACE).unwrap();
    }

    /// Whether something outside is not as it was; makes it so again.
    pub(super) fn is_harmed(&self) -> bool {
        let mut names: Vec<_> = names(&self.outside).collect();
        names.extend(self::names(&self.outside.join("deep")).map(|name| format!("deep/{name}")));
        names.sort();
        let is_secret =
            |name: &&str| fs::read(self.outside.join(name)).is_ok_and(|text| text == SECRET.as_bytes());
        if names == ["deep", "deep/file", "deep/secret", "file", "secret"] && OUTSIDE.iter().all(is_secret) {
            return false;
        }
        eprintln!("outside: {names:?}");
        let _ = fs::remove_dir_all(&self.outside);
        make_outside(&self.outside);
        true
    }

    /// The mount of a container beside, for what removes mounts.
    pub(super) fn other_mount(&self) -> (Cuid, PathBuf) {
        let cuid = Cuid::new();
        (cuid, self.house.mounts().join(cuid.to_string()))
    }
}

fn make_outside(outside: &Path) {
    fs::create_dir_all(outside.join("deep")).unwrap();
    for name in OUTSIDE {
        fs::write(outside.join(name), SECRET).unwrap();
    }
    let owner = owner();
    // As the container's own user could change it, did it but reach it.
    std::os::unix::fs::chown(outside, Some(owner.uid), Some(owner.gid)).unwrap();
}

/// The names in a folder.
pub(super) fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}
