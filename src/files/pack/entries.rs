//! The entries of a zip that is being made: small ones are packed side by side, large ones while they are read.

use std::collections::VecDeque;
use std::io::{Cursor, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use zip::result::ZipResult;
use zip::write::{ExtendedFileOptions, FileOptions, StreamWriter};
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::super::error::FilesError;
use super::writer::{Outlet, Valve};

/// Up to this size a file is read whole and packed aside.
pub(super) const SMALL: usize = 128 << 10;
/// How much is packed aside at once: bytes, and entries.
const BATCH: (usize, usize) = (256 << 10, 64);
/// How many batches may be packed, or be packed already and wait for those before them.
const UNDER_WAY: usize = 3;
/// Quick: a download is rather waited for than stored.
const LEVEL: i64 = 2;

/// How many threads help all downloads together.
static HELPERS: AtomicUsize = AtomicUsize::new(0);

/// Times, mode and the like of an entry.
pub(super) type Options = FileOptions<'static, 'static, ExtendedFileOptions>;
/// Some entries, packed.
type Packed = ZipResult<ZipArchive<Cursor<Vec<u8>>>>;
/// Some entries, and where they go when they are packed.
type Job = (Vec<Entry>, SyncSender<Packed>);

/// An entry that is held in memory.
pub(super) enum Entry {
    /// A folder, by its path.
    Folder(String, Options),
    /// A symbolic link, and where it leads.
    Link(Vec<u8>, Options, Vec<u8>),
    /// A file of at most [`SMALL`] bytes, and these.
    File(Vec<u8>, Options, Vec<u8>),
}

/// The zip under way. Its entries come in the order in which they were added.
pub(super) struct Entries<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    zip: ZipWriter<StreamWriter<Outlet>>,
    batch: Vec<Entry>,
    batch_bytes: usize,
    helper: Option<SyncSender<Job>>,
    under_way: VecDeque<Receiver<Packed>>,
}

impl<'scope, 'env> Entries<'scope, 'env> {
    /// A zip that is written to the outlet. What helps with it ends with the scope.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, outlet: Outlet) -> Self {
        let zip = ZipWriter::new_stream(outlet);
        Self { scope, zip, batch: Vec::new(), batch_bytes: 0, helper: None, under_way: VecDeque::new() }
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, entry: Entry) -> Result<(), FilesError> {
        self.batch_bytes += entry.len();
        self.batch.push(entry);
        if self.batch_bytes < BATCH.0 && self.batch.len() < BATCH.1 {
            return Ok(());
        }
        let batch = self.taken();
        if self.helper.is_none() {
            self.helper = help(self.scope);
        }
        let Some(helper) = &self.helper else { return self.write(batch) };
        let (to_zip, packed) = sync_channel(1);
        helper.send((batch, to_zip)).map_err(|_| FilesError::Interrupted)?;
        self.under_way.push_back(packed);
        self.merge(UNDER_WAY)
    }

    /// Adds a file whose bytes are then written to what is answered.
    pub(super) fn large(&mut self, name: &[u8], options: Options) -> Result<&mut impl Write, FilesError> {
        self.settle()?;
        start_file(&mut self.zip, name, options).map_err(zip_failed)?;
        Ok(&mut self.zip)
    }

    /// Ends the zip, and answers what it was written to. Where that fails nothing more is let through.
    pub(super) fn finish(mut self, valve: &Valve) -> Result<Outlet, FilesError> {
        self.settle().inspect_err(|_| valve.close())?;
        let finished = self.zip.finish().inspect_err(|_| valve.close());
        Ok(finished.map_err(zip_failed)?.into_inner())
    }

    /// Writes what was added before.
    fn settle(&mut self) -> Result<(), FilesError> {
        self.merge(0)?;
        let batch = self.taken();
        self.write(batch)
    }

    fn taken(&mut self) -> Vec<Entry> {
        self.batch_bytes = 0;
        std::mem::take(&mut self.batch)
    }

    /// Takes over what the helper has packed until no more than so many batches are left.
    fn merge(&mut self, left: usize) -> Result<(), FilesError> {
        while self.under_way.len() > left {
            let Some(packed) = self.under_way.pop_front() else { break };
            let packed = packed.recv().map_err(|_| FilesError::Interrupted)?;
            packed.and_then(|packed| self.zip.merge_archive(packed)).map_err(zip_failed)?;
        }
        Ok(())
    }

    fn write(&mut self, batch: Vec<Entry>) -> Result<(), FilesError> {
        batch.into_iter().try_for_each(|entry| entry.write(&mut self.zip)).map_err(zip_failed)
    }
}

impl Entry {
    fn len(&self) -> usize {
        match self {
            Self::Folder(..) => 0,
            Self::Link(_, _, bytes) | Self::File(_, _, bytes) => bytes.len(),
        }
    }

    fn write<W: Write + std::io::Seek>(self, zip: &mut ZipWriter<W>) -> ZipResult<()> {
        match self {
            Self::Folder(name, options) => zip.add_directory(name, options),
            Self::Link(name, options, target) => {
                let options = options.external_attributes(0o120_777 << 16);
                let options = options.compression_method(CompressionMethod::Stored);
                zip.start_file_with_options(options.name(&name))?;
                Ok(zip.write_all(&target)?)
            }
            Self::File(name, options, bytes) => {
                start_file(zip, &name, options)?;
                Ok(zip.write_all(&bytes)?)
            }
        }
    }
}

fn start_file<W: Write + std::io::Seek>(
    zip: &mut ZipWriter<W>,
    name: &[u8],
    options: Options,
) -> ZipResult<()> {
    let options = options.compression_method(CompressionMethod::Deflated).compression_level(Some(LEVEL));
    zip.start_file_with_options(options.name(name))
}

/// A thread that packs one batch after the other; none where each processor has one already.
fn help<'scope>(scope: &'scope Scope<'scope, '_>) -> Option<SyncSender<Job>> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let place = Place::take(processors - 1)?;
    let (sender, batches) = sync_channel::<Job>(UNDER_WAY);
    let work = move || {
        let _place = place;
        for (batch, to_zip) in batches {
            // One who has failed or is gone takes no more.
            to_zip.send(pack(batch)).ok();
        }
    };
    thread::Builder::new().name("pack".to_owned()).spawn_scoped(scope, work).ok().map(|_| sender)
}

fn pack(batch: Vec<Entry>) -> Packed {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    batch.into_iter().try_for_each(|entry| entry.write(&mut zip))?;
    ZipArchive::new(zip.finish()?)
}

/// One of the threads that help.
struct Place;

impl Place {
    fn take(most: usize) -> Option<Self> {
        let more = |used| (used < most).then_some(used + 1);
        HELPERS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        HELPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The failure of the zip crate.
pub(super) fn zip_failed(error: zip::result::ZipError) -> FilesError {
    FilesError::io("make the zip", std::io::Error::from(error))
}
