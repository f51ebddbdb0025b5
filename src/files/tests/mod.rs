//! The room as a whole, on a real file system.

#![allow(clippy::disallowed_methods, reason = "the tests look at the files from outside")]

mod archives;
mod archives_random;
mod downloads;
mod manage;
mod manage_race;
mod mounts;
mod race;
mod races;
mod special;
mod uploads;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tempfile::TempDir;

use super::build_stage::ContextKind;
use super::{ArchiveLimits, Files, FilesError, MountPath, Owner, UnpackMode, Unpacked};
use crate::container::Cuid;

/// All mounts in a folder of their own, with the mount of one container.
struct House {
    dir: TempDir,
    files: Files,
    cuid: Cuid,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut ArchiveLimits)) -> Self {
        Self::at_dir(tempfile::tempdir().unwrap(), change).await
    }

    /// In memory where that can be had: a race is one of names, and no disk makes it slower.
    async fn in_memory() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self::at_dir(dir, |_| {}).await
    }

    async fn at_dir(dir: TempDir, change: impl FnOnce(&mut ArchiveLimits)) -> Self {
        let removal = Duration::from_secs(300);
        let mut limits = ArchiveLimits { min_free_bytes: 1 << 20, removal, ..ArchiveLimits::default() };
        change(&mut limits);
        let files = Files::open(&dir.path().join("mounts"), owner(), limits).unwrap();
        let cuid = Cuid::new();
        files.create(cuid).await.unwrap();
        Self { dir, files, cuid }
    }

    fn mounts(&self) -> PathBuf {
        self.dir.path().join("mounts")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.mounts().join(self.cuid.to_string()).join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    async fn upload(&self, zip: &[u8], path: &str, mode: UnpackMode) -> Result<Unpacked, FilesError> {
        let mut receiving = self.files.receive().await?;
        for chunk in zip.chunks(70_000) {
            receiving.write(Bytes::copy_from_slice(chunk)).await?;
        }
        let staged = receiving.finish().await?;
        self.files.unpack(self.cuid, staged, &MountPath::parse(path, None)?, mode).await
    }

    /// Unpacks an archive as the context of a build, and removes it again.
    async fn context(&self, archive: &[u8], kind: ContextKind) -> Result<(), FilesError> {
        let mut receiving = self.files.receive().await?;
        receiving.write(Bytes::copy_from_slice(archive)).await?;
        let stage = self.files.stage_build(receiving.finish().await?, kind).await?;
        stage.remove().await;
        Ok(())
    }

    async fn merge(&self, zip: &[u8]) -> Result<Unpacked, FilesError> {
        self.upload(zip, "", UnpackMode::Merge).await
    }

    /// Everything in the mount: path to mode and content.
    fn tree(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut pending = vec![self.at("")];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let text = if meta.is_dir() {
                    pending.push(path.clone());
                    "/".to_owned()
                } else if meta.is_symlink() {
                    format!("-> {}", fs::read_link(&path).unwrap().display())
                } else if meta.is_file() {
                    String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
                } else {
                    "special".to_owned()
                };
                found.insert(path.strip_prefix(self.at("")).unwrap().display().to_string(), text);
            }
        }
        found
    }

    fn staging_is_empty(&self) -> bool {
        fs::read_dir(self.mounts().join(".staging")).unwrap().next().is_none()
    }
}

/// How many rounds a race has: `short` of them, and more with `RELIABILITY_ROUNDS`, which multiplies.
fn rounds(short: usize) -> usize {
    let more = std::env::var("RELIABILITY_ROUNDS").ok().and_then(|text| text.parse().ok());
    short * more.unwrap_or(1).max(1)
}

fn path(text: &str) -> MountPath {
    MountPath::parse(text, None).unwrap()
}

/// Root can give files away; others are owners of what they make.
fn owner() -> Owner {
    let me = fs::metadata("/proc/self").unwrap();
    if me.uid() == 0 { Owner { uid: 1234, gid: 5678 } } else { Owner { uid: me.uid(), gid: me.gid() } }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Makes a FIFO.
fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, Mode, mkfifoat};
    mkfifoat(CWD, path, Mode::from_raw_mode(0o644)).unwrap();
}

/// What a stream brings, whole.
async fn collect(stream: impl Stream<Item = Result<Bytes, FilesError>>) -> Result<Vec<u8>, FilesError> {
    let mut stream = std::pin::pin!(stream);
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await {
        all.extend(bytes?);
    }
    Ok(all)
}
