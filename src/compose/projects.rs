//! `compose/<cuid>/`: written atomically, read back, locked, removed.
#![expect(clippy::disallowed_methods, reason = "the room of the compose folders")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::container::Cuid;

const FILE: &str = "compose.yaml";
/// The file before a change that is not finished.
const PREVIOUS: &str = ".compose.yaml.previous";
/// A folder that is being made; a crash leaves it, the next start removes it.
const NEW: &str = ".new-";
/// A file that is being written; a crash leaves it, the next start removes it.
const FRESH: &str = ".compose-";
/// A second name that is about to be moved over one of the two files.
const SECOND: &str = ".compose-second";
/// A folder that is being removed together with its mount, or without it.
const DELETING: &str = ".deleting-";
const DELETING_KEEP: &str = ".deleting-keep-";
/// How often a lock that someone else holds is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// One compose project on disk.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its id.
    pub cuid: Cuid,
    /// Its folder.
    pub folder: PathBuf,
}

impl Project {
    /// The path of its compose file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

/// The right to change one project; a child process that was given it keeps it until it ends.
#[derive(Debug)]
pub struct ProjectLock {
    project: Project,
    file: File,
}

impl ProjectLock {
    /// The project that is locked.
    #[must_use]
    pub const fn project(&self) -> &Project {
        &self.project
    }

    /// The same lock once more, for a child process to hold.
    pub fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// All compose projects of one data folder. Held by one daemon at a time.
#[derive(Debug)]
pub struct Projects {
    folder: PathBuf,
    _whole: File,
}

/// A project that was being deleted when the last daemon died.
#[derive(Clone, Copy, Debug)]
pub struct HalfDeleted {
    /// Which.
    pub cuid: Cuid,
    /// Whether its mount was to be kept.
    pub keep_files: bool,
}

impl Projects {
    /// Opens the folder; fails with [`io::ErrorKind::WouldBlock`] when another daemon has it.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let whole = open_lock(&folder.join(".lock"))?;
        match whole.try_lock() {
            Ok(()) => Ok(Self { folder, _whole: whole }),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The project of a container.
    #[must_use]
    pub fn project(&self, cuid: Cuid) -> Project {
        Project { cuid, folder: self.folder.join(cuid.to_string()) }
    }

    /// Every project's id, and the text of its compose file or why it cannot be read.
    pub fn read_all(&self) -> io::Result<Vec<(Cuid, io::Result<String>)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if let Some(cuid) = name.to_str().and_then(|name| name.parse().ok()) {
                found.push((cuid, self.read(cuid)));
            }
        }
        Ok(found)
    }

    /// The text of a compose file.
    pub fn read(&self, cuid: Cuid) -> io::Result<String> {
        fs::read_to_string(self.project(cuid).file())
    }

    /// The text of the compose file of a project that is locked, under whatever name it has by now.
    pub fn read_locked(&self, lock: &ProjectLock) -> io::Result<String> {
        fs::read_to_string(lock.project().file())
    }

    /// The bytes of a compose file, whatever they are.
    pub async fn read_bytes(self: &Arc<Self>, cuid: Cuid) -> io::Result<Vec<u8>> {
        self.blocking(move |projects| fs::read(projects.project(cuid).file())).await
    }

    /// Makes a project with its file: it appears whole or not at all.
    pub async fn create(self: &Arc<Self>, cuid: Cuid, text: String) -> io::Result<()> {
        self.blocking(move |projects| {
            let fresh = projects.folder.join(format!("{NEW}{cuid}"));
            fs::create_dir(&fresh)?;
            open_lock(&fresh.join(".lock"))?;
            write_whole(&fresh, &text)?;
            fs::rename(&fresh, projects.project(cuid).folder)?;
            sync(&projects.folder)
        })
        .await
    }

    /// Puts a new file in the place of the old one: a reader sees the one or the other. The old one is kept
    /// until [`Projects::keep`] says that the change has ended: as long as it is there, the engine's container
    /// may be another than the file says.
    pub async fn replace(self: &Arc<Self>, cuid: Cuid, text: String) -> io::Result<()> {
        self.blocking(move |projects| {
            let folder = projects.project(cuid).folder;
            put_over(&folder, FILE, PREVIOUS)?;
            write_whole(&folder, &text)
        })
        .await
    }

    /// Lets go of the file before the last change: the engine's container is as the file says.
    pub async fn keep(self: &Arc<Self>, cuid: Cuid) -> io::Result<()> {
        self.blocking(move |projects| {
            let folder = projects.project(cuid).folder;
            match fs::remove_file(folder.join(PREVIOUS)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result.and_then(|()| sync(&folder)),
            }
        })
        .await
    }

    /// Puts the file before the last change back, byte for byte; takes no room on the disk. The change has not
    /// ended by that: see [`Projects::replace`].
    pub async fn restore(self: &Arc<Self>, cuid: Cuid) -> io::Result<()> {
        self.blocking(move |projects| {
            let folder = projects.project(cuid).folder;
            if put_over(&folder, PREVIOUS, FILE)? { sync(&folder) } else { Ok(()) }
        })
        .await
    }

    /// Whether a change of the project was begun and has not ended.
    #[must_use]
    pub fn is_unsettled(&self, cuid: Cuid) -> bool {
        self.project(cuid).folder.join(PREVIOUS).exists()
    }

    /// Waits until no one changes the project, not even a child of a daemon that died.
    pub async fn lock(self: &Arc<Self>, cuid: Cuid, limit: Duration) -> io::Result<ProjectLock> {
        self.lock_project(self.project(cuid), limit).await
    }

    /// The lock of a project that is being deleted, under the name that it has by now.
    pub async fn lock_deleted(
        self: &Arc<Self>,
        half: HalfDeleted,
        limit: Duration,
    ) -> io::Result<ProjectLock> {
        let prefix = if half.keep_files { DELETING_KEEP } else { DELETING };
        let folder = self.folder.join(format!("{prefix}{}", half.cuid));
        self.lock_project(Project { cuid: half.cuid, folder }, limit).await
    }

    async fn lock_project(&self, project: Project, limit: Duration) -> io::Result<ProjectLock> {
        // A person may have removed the folder; the container is still to be deleted.
        fs::create_dir_all(&project.folder)?;
        let file = open_lock(&project.folder.join(".lock"))?;
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(ProjectLock { project, file }),
                Err(TryLockError::WouldBlock) if begin.elapsed() < limit => tokio::time::sleep(RETRY).await,
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::TimedOut.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Takes a project away from under its name: from here on it is deleted, also after a crash.
    pub async fn begin_delete(self: &Arc<Self>, cuid: Cuid, keep_files: bool) -> io::Result<()> {
        let prefix = if keep_files { DELETING_KEEP } else { DELETING };
        self.blocking(move |projects| {
            fs::rename(projects.project(cuid).folder, projects.folder.join(format!("{prefix}{cuid}")))?;
            sync(&projects.folder)
        })
        .await
    }

    /// Removes what [`Projects::begin_delete`] left.
    pub async fn finish_delete(self: &Arc<Self>, cuid: Cuid) -> io::Result<()> {
        self.blocking(move |projects| {
            for prefix in [DELETING, DELETING_KEEP] {
                remove_tree(&projects.folder.join(format!("{prefix}{cuid}")))?;
            }
            Ok(())
        })
        .await
    }

    /// Removes a project at once: one that was never finished.
    pub async fn discard(self: &Arc<Self>, cuid: Cuid) -> io::Result<()> {
        self.blocking(move |projects| {
            remove_tree(&projects.folder.join(format!("{NEW}{cuid}")))?;
            remove_tree(&projects.project(cuid).folder)
        })
        .await
    }

    /// Removes folders that a dead daemon was making, and files that it was writing.
    pub fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(NEW) {
                remove_tree(&entry.path())?;
            } else if name.parse::<Cuid>().is_ok() && entry.file_type()?.is_dir() {
                sweep_project(&entry.path())?;
            }
        }
        Ok(())
    }

    /// The projects that are being deleted and of which something is left.
    pub fn half_deleted(&self) -> io::Result<Vec<HalfDeleted>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(cuid) = name.strip_prefix(DELETING_KEEP).and_then(|cuid| cuid.parse().ok()) {
                found.push(HalfDeleted { cuid, keep_files: true });
            } else if let Some(cuid) = name.strip_prefix(DELETING).and_then(|cuid| cuid.parse().ok()) {
                found.push(HalfDeleted { cuid, keep_files: false });
            }
        }
        Ok(found)
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let projects = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&projects)).await.map_err(io::Error::other)?
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Writes the compose file beside its place, syncs it, moves it into place, and syncs the folder.
fn write_whole(folder: &Path, text: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(FRESH).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(FILE)).map_err(|error| error.error)?;
    sync(folder)
}

/// Gives a file the name of another one, in one step and beside its own; says whether it is there. Takes no room on
/// the disk.
fn put_over(folder: &Path, from: &str, to: &str) -> io::Result<bool> {
    let second = folder.join(SECOND);
    remove_file(&second)?;
    match fs::hard_link(folder.join(from), &second) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        result => result?,
    }
    fs::rename(&second, folder.join(to))?;
    // Where both were one file already, a rename does nothing.
    remove_file(&second)?;
    Ok(true)
}

fn sweep_project(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(FRESH)) {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
