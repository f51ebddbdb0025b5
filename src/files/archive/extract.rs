//! The data of a checked archive, unpacked into a folder that no container sees.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Mode, OFlags, Timespec, Timestamps, chownat, fchmod, fchown, futimens, mkdirat, openat,
    symlinkat, utimensat,
};

use super::super::error::{FilesError, shown};
use super::super::limits::{ArchiveLimits, Owner};
use super::super::mount::{FOLDER, open_beneath};
use super::super::staging::Staging;
use super::directory::Entry;
use super::error::ArchiveError;
use super::names::check_link;
use super::plan::{Node, NodeKind, Plan, ROOT};
use super::{Archive, Data, check_budget};

/// How many bytes are unpacked at once.
const CHUNK: usize = 128 << 10;
/// How many bytes are unpacked between two looks at the free space.
const LOOK_EVERY: u64 = 32 << 20;
/// How many files are unpacked side by side, where there are as many processors.
const SIDE_BY_SIDE: usize = 4;
/// What is worth a thread of its own.
const FILES_A_THREAD: usize = 64;
const BYTES_A_THREAD: u64 = 4 << 20;

/// What unpacking needs to know.
pub(in super::super) struct Extraction<'a> {
    /// The empty folder unpacked into.
    pub(in super::super) root: &'a OwnedFd,
    /// For the free space.
    pub(in super::super) staging: &'a Staging,
    /// Whom the files belong to.
    pub(in super::super) owner: Owner,
    /// What may come out.
    pub(in super::super) limits: &'a ArchiveLimits,
}

/// The bytes that came out so far, of all that is unpacked side by side.
struct Meter<'a> {
    unpacked: AtomicU64,
    looked_at: AtomicU64,
    packed: u64,
    to: &'a Extraction<'a>,
}

/// What is left to unpack: files and links by their node, in the archive's order.
struct Queue {
    nodes: Vec<usize>,
    next: AtomicUsize,
    is_over: AtomicBool,
}

/// One of those that unpack side by side.
struct Worker<'a> {
    plan: &'a Plan,
    entries: &'a [Entry],
    data: Data,
    folders: Folders<'a>,
    copier: Copier<'a>,
}

/// What copies the data of entries, one after the other.
struct Copier<'a> {
    buffer: Vec<u8>,
    meter: &'a Meter<'a>,
}

/// The folder that was used last: neighbours in an archive mostly share one.
struct Folders<'a> {
    root: &'a OwnedFd,
    last: Option<(usize, OwnedFd)>,
}

/// Unpacks everything and checks every byte of it; answers how many bytes came out.
pub(in super::super) fn extract(archive: &Archive, to: &Extraction<'_>) -> Result<u64, FilesError> {
    make_folders(&archive.plan, to)?;
    let packed = archive.packed;
    let meter = Meter { unpacked: AtomicU64::new(0), looked_at: AtomicU64::new(0), packed, to };
    let queue = Queue::of(&archive.plan);
    let by_bytes = usize::try_from(archive.unpacked / BYTES_A_THREAD).unwrap_or(SIDE_BY_SIDE);
    let worth = by_bytes.max(queue.nodes.len() / FILES_A_THREAD).min(queue.nodes.len());
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let beside = worth.min(processors).min(SIDE_BY_SIDE).saturating_sub(1);
    let work = || Worker::new(archive, &meter).all(&queue);
    let failures = thread::scope(|scope| {
        // Where no thread is to be had, this one does it all.
        let others = (0..beside).map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok());
        let others: Vec<_> = others.collect();
        let own = work();
        let ends = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ends.chain([own]).filter_map(Result::err).collect::<Vec<_>>()
    });
    // They take the entries in order, so the first that is wrong is among them however they ran.
    match failures.into_iter().min_by_key(|(number, _)| *number) {
        Some((_, error)) => return Err(error),
        None => finish_folders(archive, to)?,
    }
    Ok(meter.unpacked.into_inner())
}

fn make_folders(plan: &Plan, to: &Extraction<'_>) -> Result<(), FilesError> {
    let mut folders = Folders { root: to.root, last: None };
    for (_, node) in plan.nodes().skip(1).filter(|(_, node)| matches!(node.kind, NodeKind::Folder(_))) {
        let parent = folders.open(plan, node.parent)?;
        mkdirat(parent, &*node.name, Mode::from_raw_mode(0o700)).map_err(FilesError::on("make a folder"))?;
    }
    Ok(())
}

impl Queue {
    fn of(plan: &Plan) -> Self {
        let is_data = |node: &Node| matches!(node.kind, NodeKind::File(_) | NodeKind::Link(_));
        let nodes = plan.nodes().filter(|(_, node)| is_data(node)).map(|(number, _)| number).collect();
        Self { nodes, next: AtomicUsize::new(0), is_over: AtomicBool::new(false) }
    }

    /// The next one; nothing once they are all taken, or one has failed.
    fn take(&self) -> Option<usize> {
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        self.nodes.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

impl<'a> Worker<'a> {
    fn new(archive: &'a Archive, meter: &'a Meter<'a>) -> Self {
        Self {
            plan: &archive.plan,
            entries: &archive.entries,
            data: archive.data.clone(),
            folders: Folders { root: meter.to.root, last: None },
            copier: Copier { buffer: vec![0; CHUNK], meter },
        }
    }

    /// Unpacks until nothing is left. A failure has the node with it.
    fn all(mut self, queue: &Queue) -> Result<(), (usize, FilesError)> {
        while let Some(number) = queue.take() {
            self.one(number).map_err(|error| {
                queue.is_over.store(true, Ordering::Relaxed);
                (number, error)
            })?;
        }
        Ok(())
    }

    fn one(&mut self, number: usize) -> Result<(), FilesError> {
        let node = self.plan.node(number);
        let parent = self.folders.open(self.plan, node.parent)?;
        let (NodeKind::File(entry) | NodeKind::Link(entry)) = node.kind else { return Ok(()) };
        let is_link = matches!(node.kind, NodeKind::Link(_));
        let (entry, mut data) = (&self.entries[entry], self.data.open(entry, &self.entries[entry])?);
        let make = if is_link { make_link } else { make_file };
        make(node, entry, &mut data, parent, &mut self.copier)
    }
}

impl Folders<'_> {
    fn open(&mut self, plan: &Plan, node: usize) -> Result<&OwnedFd, FilesError> {
        if node == ROOT {
            return Ok(self.root);
        }
        let last = match self.last.take() {
            Some(last) if last.0 == node => last,
            _ => {
                let opened = open_beneath(self.root, plan.path(node).as_slice(), FOLDER);
                (node, opened.map_err(FilesError::on("open a folder"))?)
            }
        };
        Ok(&self.last.insert(last).1)
    }
}

fn make_file(
    node: &Node,
    entry: &Entry,
    data: &mut dyn Read,
    parent: &OwnedFd,
    copier: &mut Copier<'_>,
) -> Result<(), FilesError> {
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::EXCL
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = openat(parent, &*node.name, flags, Mode::from_raw_mode(0o600));
    let mut file = File::from(file.map_err(FilesError::on("make a file"))?);
    copier.copy(entry, data, &mut file)?;
    let attributes = || {
        own(&file, copier.meter.to.owner)?;
        fchmod(&file, Mode::from_raw_mode(entry.mode.unwrap_or(0o644)))?;
        futimens(&file, &times(entry.modified))
    };
    attributes().map_err(FilesError::on("set a file's owner, mode and time"))
}

fn make_link(
    node: &Node,
    entry: &Entry,
    data: &mut dyn Read,
    parent: &OwnedFd,
    copier: &mut Copier<'_>,
) -> Result<(), FilesError> {
    let mut target = Vec::new();
    copier.copy(entry, data, &mut target)?;
    let depth = entry.name.split(|byte| *byte == b'/').count() - 1;
    check_link(&entry.name, &target, depth)?;
    let (user, group) = copier.meter.to.owner.ids();
    let attributes = || {
        symlinkat(target.as_slice(), parent, &*node.name)?;
        chownat(parent, &*node.name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        utimensat(parent, &*node.name, &times(entry.modified), AtFlags::SYMLINK_NOFOLLOW)
    };
    attributes().map_err(FilesError::on("make a symbolic link"))
}

impl Copier<'_> {
    /// Copies an entry's data and holds it to its size, its checksum and the budget.
    fn copy(&mut self, entry: &Entry, data: &mut dyn Read, to: &mut impl Write) -> Result<(), FilesError> {
        let mut copied = 0;
        loop {
            let read = match data.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error().is_some() => {
                    return Err(FilesError::io("read the upload", error));
                }
                Err(error) => return Err(bad_data(entry, &error).into()),
            };
            copied += read as u64;
            if copied > entry.unpacked {
                return Err(ArchiveError::SizeLies(shown(&entry.name)).into());
            }
            self.meter.count(read as u64)?;
            to.write_all(&self.buffer[..read]).map_err(|error| FilesError::io("write a file", error))?;
        }
        if copied == entry.unpacked { Ok(()) } else { Err(ArchiveError::SizeLies(shown(&entry.name)).into()) }
    }
}

impl Meter<'_> {
    /// Counts bytes that came out, before they are written.
    fn count(&self, bytes: u64) -> Result<(), FilesError> {
        let unpacked = self.unpacked.fetch_add(bytes, Ordering::Relaxed) + bytes;
        check_budget(unpacked, self.packed, self.to.limits)?;
        if unpacked.saturating_sub(self.looked_at.load(Ordering::Relaxed)) >= LOOK_EVERY {
            self.looked_at.fetch_max(unpacked, Ordering::Relaxed);
            self.to.staging.need_room(0)?;
        }
        Ok(())
    }
}

/// What is wrong with data that the zip crate refuses. It gives too much data and a wrong checksum the
/// same kind; the text tells them apart, in the one version that is pinned.
fn bad_data(entry: &Entry, error: &std::io::Error) -> ArchiveError {
    let name = shown(&entry.name);
    if error.to_string().contains("larger than its declared") {
        ArchiveError::SizeLies(name)
    } else {
        ArchiveError::Corrupt(name)
    }
}

/// Owner, mode and time of the folders, the inner ones first: making a file in one changes its time.
fn finish_folders(archive: &Archive, to: &Extraction<'_>) -> Result<(), FilesError> {
    let plan = &archive.plan;
    for (number, node) in plan.nodes().rev() {
        let NodeKind::Folder(entry) = node.kind else { continue };
        let entry = entry.map(|entry| &archive.entries[entry]);
        let finish = || {
            let folder = open_beneath(to.root, plan.path(number).as_slice(), FOLDER)?;
            own(&folder, to.owner)?;
            // The owner always gets in, or the container could not even remove it.
            let mode = entry.and_then(|entry| entry.mode).unwrap_or(0o755) | 0o700;
            fchmod(&folder, Mode::from_raw_mode(mode))?;
            entry.map_or(Ok(()), |entry| futimens(&folder, &times(entry.modified)))
        };
        finish().map_err(FilesError::on("set a folder's owner, mode and time"))?;
    }
    Ok(())
}

fn own(thing: impl rustix::fd::AsFd, owner: Owner) -> rustix::io::Result<()> {
    let (user, group) = owner.ids();
    fchown(thing, Some(user), Some(group))
}

fn times(modified: i64) -> Timestamps {
    let time = Timespec { tv_sec: modified, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
