//! What the targets share: mounts of their own in memory, what an unpacked tree has to be, and archives made right.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wharfinger::container::Cuid;
use wharfinger::files::{
    ArchiveLimits, Files, FilesError, MountPath, Owner, StagedArchive, UnpackMode, Unpacked,
};

/// The id that stands for every container.
pub const CUID: &str = "c11111111-1111-4111-8111-111111111111";

/// The longest archive, in bytes.
pub const LONGEST: u64 = 64 << 10;
/// The most that comes out of one, in bytes.
pub const MOST_UNPACKED: u64 = 1 << 20;
/// The most entries.
pub const MOST_ENTRIES: u64 = 48;
/// The most folders above an entry.
pub const DEEPEST: usize = 6;

/// All mounts, in a folder of their own.
pub struct Lab {
    dir: TempDir,
    runtime: Runtime,
    pub files: Files,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// In memory where that can be had: it is the parsing that is tried, not the disk.
    pub fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let limits = ArchiveLimits {
            archive_bytes: LONGEST,
            entries: MOST_ENTRIES,
            unpacked_bytes: MOST_UNPACKED,
            ratio: 200,
            depth: DEEPEST,
            min_free_bytes: 0,
            ..ArchiveLimits::default()
        };
        let me = fs::metadata(dir.path()).expect("the folder is there");
        let owner = Owner { uid: me.uid(), gid: me.gid() };
        let files = Files::open(&dir.path().join("mounts"), owner, limits).expect("mounts");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { dir, runtime, files }
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A new mount.
    pub fn mount(&self) -> Cuid {
        let cuid = Cuid::new();
        self.wait(self.files.create(cuid)).expect("a mount");
        cuid
    }

    pub fn remove(&self, cuid: Cuid) {
        self.wait(self.files.remove(cuid)).expect("the mount is removed");
        let staging = fs::read_dir(self.dir.path().join("mounts/.staging")).expect("staging");
        assert_eq!(staging.count(), 0, "nothing stays in staging");
        assert_eq!(
            fs::read_dir(self.dir.path()).expect("the folder").count(),
            1,
            "nothing is beside the mounts"
        );
    }

    pub fn staged(&self, bytes: &[u8]) -> Result<StagedArchive, FilesError> {
        self.wait(async {
            let mut receiving = self.files.receive().await?;
            receiving.write(Bytes::copy_from_slice(bytes)).await?;
            receiving.finish().await
        })
    }

    pub fn upload(
        &self,
        cuid: Cuid,
        bytes: &[u8],
        to: &str,
        mode: UnpackMode,
    ) -> Result<Unpacked, FilesError> {
        let staged = self.staged(bytes)?;
        self.wait(self.files.unpack(cuid, staged, &MountPath::parse(to, None)?, mode))
    }

    /// A folder of a mount as a zip.
    pub fn packed(&self, cuid: Cuid, path: &str) -> Result<Vec<u8>, FilesError> {
        self.wait(async {
            let stream = self.files.pack(cuid, &MountPath::parse(path, None)?).await?;
            let mut stream = std::pin::pin!(stream);
            let mut all = Vec::new();
            while let Some(bytes) = stream.next().await {
                all.extend(bytes?);
            }
            Ok(all)
        })
    }

    /// What a mount holds, and that it may.
    pub fn tree(&self, cuid: Cuid) -> BTreeMap<String, String> {
        safe_tree(&self.dir.path().join("mounts").join(cuid.to_string()))
    }
}

/// All that lies in a folder: its kind, mode, time and content. Panics over what may not come out of an archive.
pub fn safe_tree(root: &Path) -> BTreeMap<String, String> {
    let real = root.canonicalize().expect("the folder is there");
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).expect("a folder is read") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("it has a name").as_bytes();
            let name = std::str::from_utf8(name).expect("a name is UTF-8");
            assert!(!name.chars().any(char::is_control) && !name.contains('\\'), "{name:?}");
            let meta = fs::symlink_metadata(&path).expect("it is there");
            let text = if meta.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                assert!(target.is_relative(), "{path:?} leads to {target:?}");
                if let Ok(end) = path.canonicalize() {
                    assert!(end.starts_with(&real), "{path:?} leads to {end:?}");
                }
                format!("-> {target:?}")
            } else {
                assert!(meta.is_file() || meta.is_dir(), "{path:?} is special");
                assert_eq!(meta.mode() & 0o7000, 0, "{path:?} has mode {:o}", meta.mode());
                if meta.is_dir() {
                    pending.push(path.clone());
                }
                let bytes =
                    if meta.is_file() { fs::read(&path).expect("a file is read") } else { Vec::new() };
                format!("{:o} {} {bytes:?}", meta.mode(), meta.mtime())
            };
            let path = path.strip_prefix(root).expect("it is beneath").display().to_string();
            found.insert(path, text);
        }
    }
    found
}

/// How many files and links, folders and bytes a tree has.
pub fn counts(tree: &BTreeMap<String, String>) -> (u64, u64) {
    let folders = tree.values().filter(|text| text.starts_with("4")).count() as u64;
    (tree.len() as u64 - folders, folders)
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    let field = bytes.get(at..at + len)?;
    Some(field.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

/// The CRC-32 of zips.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

/// Writes the right checksums into a zip's stored entries: no fuzzer guesses them.
pub fn right_zip(zip: &mut [u8]) {
    let Some(end) = zip.windows(4).rposition(|bytes| bytes == b"PK\x05\x06") else { return };
    let Some(mut at) = number(zip, end + 16, 4) else { return };
    while zip.get(at..at + 4) == Some(b"PK\x01\x02") && at + 46 <= zip.len() {
        let field = |offset, len| number(zip, at + offset, len).unwrap_or_default();
        let (method, packed, local) = (field(10, 2), field(20, 4), field(42, 4));
        let next = at + 46 + field(28, 2) + field(30, 2) + field(32, 2);
        let lens = number(zip, local + 26, 2).zip(number(zip, local + 28, 2));
        if let (0, Some((name, extra))) = (method, lens) {
            let start = local + 30 + name + extra;
            if let Some(data) = start.checked_add(packed).and_then(|end| zip.get(start..end)) {
                let crc = crc32(data).to_le_bytes();
                for place in [at + 16, local + 14] {
                    zip[place..place + 4].copy_from_slice(&crc);
                }
            }
        }
        at = next;
    }
}

/// Cuts a tar to whole blocks, writes the right checksums into its headers, and ends it.
pub fn right_tar(tar: &mut Vec<u8>) {
    tar.resize(tar.len().div_ceil(512) * 512, 0);
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + 512) {
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let size = std::str::from_utf8(&block[124..135]).ok().map(|text| text.trim_matches(['\0', ' ']));
        let size = size.and_then(|text| usize::from_str_radix(text, 8).ok()).unwrap_or_default();
        at += 512 + size.min(LONGEST as usize).div_ceil(512) * 512;
    }
    tar.extend([0; 1024]);
}
