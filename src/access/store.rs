//! The folder `access/`: `roles.json`, `tokens/<id>.json`, `uses.json`, all open to the daemon's user alone.
//!
//! Every file is written beside its place, synced, and moved there, so that a crash leaves the old one or the new
//! one. Whoever changes something holds the lock of the folder: the daemon and the command line may meet.
#![expect(clippy::disallowed_methods, reason = "the room of tokens and roles")]

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions as Mode, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TokenId;
use super::file::{RolesFile, TokenFile, UsesFile};
use super::role::Roles;
use super::token::{LastUse, TokenRecord};

const ROLES: &str = "roles.json";
const TOKENS: &str = "tokens";
const USES: &str = "uses.json";
const LOCK: &str = ".lock";
/// How a file is called that is being written.
const NEW: &str = ".new-";
/// How long to wait for another process that changes something, and how long between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

/// Held while something is changed.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its drop")] File);

/// Which version of a file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(found) => Ok(Some(Self {
                inode: found.ino(),
                modified: (found.mtime(), found.mtime_nsec()),
                length: found.len(),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When that version was made, in nanoseconds since 1970.
    pub(super) fn modified(self) -> i128 {
        i128::from(self.modified.0) * 1_000_000_000 + i128::from(self.modified.1)
    }
}

impl Store {
    /// Opens the folder, makes what is missing, closes it to everyone else, and removes what a crash left.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        let tokens = folder.join(TOKENS);
        for folder in [&folder, &tokens] {
            make(folder)?;
            fs::set_permissions(folder, Mode::from_mode(0o700))?;
        }
        let store = Self { folder };
        let _lock = store.lock()?;
        for folder in [&store.folder, &tokens] {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name();
                if name.to_str().is_some_and(|name| name.starts_with(NEW)) {
                    fs::remove_file(entry.path())?;
                } else if entry.file_type()?.is_file() {
                    fs::set_permissions(entry.path(), Mode::from_mode(0o600))?;
                }
            }
        }
        Ok(store)
    }

    /// Waits until nobody else changes anything, for some seconds.
    pub(super) fn lock(&self) -> io::Result<Lock> {
        let path = self.folder.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::other("another process holds access/.lock: end it and try again"));
                }
            }
        }
    }

    /// The version of the file of roles.
    pub(super) fn roles_stamp(&self) -> io::Result<Option<Stamp>> {
        Stamp::of(&self.folder.join(ROLES))
    }

    /// The version of the folder of tokens: another one whenever a token comes, goes or is changed.
    pub(super) fn tokens_stamp(&self) -> io::Result<Option<Stamp>> {
        Stamp::of(&self.folder.join(TOKENS))
    }

    /// The roles in the file.
    pub(super) fn roles(&self) -> io::Result<Roles> {
        let file: Option<RolesFile> = read(&self.folder.join(ROLES))?;
        Ok(file.unwrap_or_default().into())
    }

    /// Writes the roles. The lock has to be held.
    pub(super) fn write_roles(&self, _lock: &Lock, roles: &Roles) -> io::Result<()> {
        write(&self.folder, ROLES, &RolesFile::from(roles))
    }

    /// The tokens that have a file, and the version of it.
    pub(super) fn token_files(&self) -> io::Result<BTreeMap<TokenId, Stamp>> {
        let mut found = BTreeMap::new();
        let entries = match fs::read_dir(self.folder.join(TOKENS)) {
            Ok(entries) => entries,
            // Whoever removes the folder means all that was in it.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
            if let Some(id) = id
                && let Some(stamp) = Stamp::of(&entry.path())?
            {
                found.insert(id, stamp);
            }
        }
        Ok(found)
    }

    /// The version of a token's file.
    pub(super) fn token_stamp(&self, id: TokenId) -> io::Result<Option<Stamp>> {
        Stamp::of(&self.token_path(id))
    }

    /// What the file of a token says; nothing where there is none.
    pub(super) fn token(&self, id: TokenId) -> io::Result<Option<TokenRecord>> {
        let file: Option<TokenFile> = read(&self.token_path(id))?;
        file.map(|file| {
            file.into_record(id).map_err(|problem| io::Error::new(ErrorKind::InvalidData, problem))
        })
        .transpose()
    }

    /// Writes a token's file. The lock has to be held.
    pub(super) fn write_token(&self, _lock: &Lock, record: &TokenRecord) -> io::Result<()> {
        let tokens = self.folder.join(TOKENS);
        make(&tokens)?;
        write(&tokens, &format!("{}.json", record.id), &TokenFile::from(record))
    }

    /// Removes a token's file; says whether there was one. The lock has to be held.
    pub(super) fn remove_token(&self, _lock: &Lock, id: TokenId) -> io::Result<bool> {
        match fs::remove_file(self.token_path(id)) {
            Ok(()) => File::open(self.folder.join(TOKENS))?.sync_all().map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// When tokens were last used. What cannot be read is forgotten: it decides nothing.
    pub(super) fn uses(&self) -> BTreeMap<TokenId, LastUse> {
        let file = read::<UsesFile>(&self.folder.join(USES)).ok().flatten();
        file.map(UsesFile::into_uses).unwrap_or_default()
    }

    /// Writes when tokens were last used. The lock has to be held.
    pub(super) fn write_uses(&self, _lock: &Lock, uses: &BTreeMap<TokenId, LastUse>) -> io::Result<()> {
        write(&self.folder, USES, &UsesFile::from(uses))
    }

    fn token_path(&self, id: TokenId) -> PathBuf {
        self.folder.join(TOKENS).join(format!("{id}.json"))
    }
}

/// Makes a folder that is open to its owner alone, unless it is there.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Reads a file of JSON; nothing where there is none. The error names the file, and shows nothing of it.
fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let name = || path.file_name().unwrap_or_default().display();
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(io::Error::new(error.kind(), format!("{} cannot be read: {error}", name())));
        }
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let problem = format!(
            "{} is not what the daemon writes there (line {line}, column {column}): mend it or remove it",
            name()
        );
        io::Error::new(ErrorKind::InvalidData, problem)
    })
}

/// Writes the file beside its place, syncs it, moves it into place, and syncs the folder.
fn write(folder: &Path, name: &str, contents: &impl Serialize) -> io::Result<()> {
    // A temporary file is open to its owner alone from the beginning.
    let mut file = tempfile::Builder::new().prefix(NEW).tempfile_in(folder)?;
    let mut bytes = serde_json::to_vec_pretty(contents)?;
    bytes.push(b'\n');
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
