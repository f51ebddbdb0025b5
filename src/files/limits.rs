//! How much an upload may bring and a download may take.

use std::time::Duration;

pub use crate::container::spec::Owner;

/// How much an upload may bring.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLimits {
    /// The most bytes of the archive itself.
    pub archive_bytes: u64,
    /// The most entries.
    pub entries: u64,
    /// The most bytes that come out.
    pub unpacked_bytes: u64,
    /// The most bytes that may come out for one that went in; not applied below 16 MiB.
    pub ratio: u64,
    /// The most folders above an entry, counted from the folder unpacked to.
    pub depth: usize,
    /// The bytes that have to stay free on the disk.
    pub min_free_bytes: u64,
    /// How long a removal is waited for; what takes longer goes on beside.
    pub removal: Duration,
    /// How much a folder's download may take.
    pub pack: PackLimits,
}

/// How much a folder's download may take.
#[derive(Clone, Copy, Debug)]
pub struct PackLimits {
    /// The most files, folders and links.
    pub entries: u64,
    /// The most bytes of files, before compression.
    pub bytes: u64,
    /// The most folders above a file.
    pub depth: usize,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            archive_bytes: 4 << 30,
            entries: 200_000,
            unpacked_bytes: 16 << 30,
            ratio: 200,
            depth: 128,
            min_free_bytes: 256 << 20,
            removal: Duration::from_secs(30),
            pack: PackLimits::default(),
        }
    }
}

impl Default for PackLimits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 64 << 30, depth: 256 }
    }
}
