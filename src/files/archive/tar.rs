//! A tar, read header by header: what each entry is, and where its bytes stand.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::super::error::{FilesError, shown};
use super::super::limits::ArchiveLimits;
use super::super::path::LONGEST_PATH;
use super::SharedFile;
use super::directory::{Entry, EntryKind, STORED};
use super::end_record::read_bytes;
use super::error::ArchiveError;
use super::header::{BLOCK, Flaw, Header};
use super::names::{self, NameRules};
use super::pax::{Said, sparse};

/// The most bytes of one header that says more of the next entry.
const MOST_SAID: u64 = 1 << 20;
/// The most bytes of all names together, since they are held in memory.
const MOST_NAMES: usize = 64 << 20;
/// What a file system can take for a time, in seconds since 1970.
const TIMES: (i64, i64) = (0, 253_402_300_799);

/// What links lead to, by the number of their entry.
type Targets = HashMap<usize, Box<[u8]>>;

/// The bytes of a tar's entries.
#[derive(Clone)]
pub(super) struct Bodies {
    file: SharedFile,
    targets: Arc<Targets>,
}

impl Bodies {
    pub(super) fn new(file: SharedFile, targets: Targets) -> Self {
        Self { file, targets: Arc::new(targets) }
    }

    pub(super) fn open(&self, number: usize, entry: &Entry) -> Box<dyn Read + '_> {
        if let Some(target) = self.targets.get(&number) {
            return Box::new(Cursor::new(target));
        }
        Box::new(self.file.at(entry.header_start).take(entry.unpacked))
    }
}

/// Reads all headers of a tar, and what its links lead to.
pub(super) fn read(
    file: &File,
    len: u64,
    limits: &ArchiveLimits,
) -> Result<(Vec<Entry>, Targets), FilesError> {
    let mut scan = Scan {
        file,
        len,
        limits,
        at: 0,
        headers: 0,
        names: 0,
        entries: Vec::new(),
        targets: Targets::new(),
        files: HashMap::new(),
    };
    let mut said = Said::default();
    while let Some(header) = scan.next_header()? {
        match header.kind {
            b'x' => said.read(&scan.said(&header)?)?,
            b'g' => Said::check_global(&scan.said(&header)?)?,
            b'L' => said.name = Some(Said::long(&scan.said(&header)?)),
            b'K' => said.target = Some(Said::long(&scan.said(&header)?)),
            _ => scan.entry(header, std::mem::take(&mut said))?,
        }
    }
    Ok((scan.entries, scan.targets))
}

/// A tar that is being read.
struct Scan<'a> {
    file: &'a File,
    len: u64,
    limits: &'a ArchiveLimits,
    at: u64,
    headers: u64,
    names: usize,
    entries: Vec<Entry>,
    targets: Targets,
    /// The number of each file, which a hard link may name again.
    files: HashMap<Box<[u8]>, usize>,
}

impl Scan<'_> {
    /// The next header; nothing at the end, which is a block of zeros and nothing but zeros behind it.
    fn next_header(&mut self) -> Result<Option<Header>, FilesError> {
        let mut block = [0; BLOCK];
        match self.file.read_exact_at(&mut block, self.at) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let error = if self.headers == 0 { ArchiveError::NotATar } else { ArchiveError::Truncated };
                return Err(error.into());
            }
            Err(error) => return Err(FilesError::io("read the upload", error)),
        }
        self.at += BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) {
            return self.check_end().map(|()| None);
        }
        let header = Header::parse(&block).map_err(|flaw| match flaw {
            Flaw::Checksum if self.headers == 0 => ArchiveError::NotATar,
            flaw => flaw.into(),
        })?;
        self.headers += 1;
        // An entry has at most three headers beside its own.
        let most = self.limits.entries.saturating_mul(4).saturating_add(16);
        if self.headers > most {
            return Err(self.too_many(self.headers));
        }
        Ok(Some(header))
    }

    fn check_end(&self) -> Result<(), FilesError> {
        let mut at = self.at;
        let mut buffer = vec![0; 64 << 10];
        while at < self.len {
            let count = usize::try_from(self.len - at).unwrap_or(usize::MAX).min(buffer.len());
            let piece = &mut buffer[..count];
            self.file.read_exact_at(piece, at).map_err(|error| FilesError::io("read the upload", error))?;
            if piece.iter().any(|byte| *byte != 0) {
                return Err(ArchiveError::ExtraBytes("after its end").into());
            }
            at += count as u64;
        }
        Ok(())
    }

    /// What a header that belongs to the next entry says.
    fn said(&mut self, header: &Header) -> Result<Vec<u8>, FilesError> {
        if header.size > MOST_SAID {
            return Err(ArchiveError::Malformed("a header has over 1 MiB").into());
        }
        let start = self.skip(header.size)?;
        read_bytes(self.file, start, header.size)
    }

    /// Goes behind the bytes of an entry; answers where they start.
    fn skip(&mut self, size: u64) -> Result<u64, ArchiveError> {
        let start = self.at;
        let whole = size.div_ceil(BLOCK as u64).checked_mul(BLOCK as u64);
        let end = whole.and_then(|whole| start.checked_add(whole));
        self.at = end.filter(|end| *end <= self.len).ok_or(ArchiveError::Truncated)?;
        Ok(start)
    }

    fn entry(&mut self, header: Header, said: Said) -> Result<(), FilesError> {
        let mut name = said.name.unwrap_or(header.name);
        let target = said.target.unwrap_or(header.target);
        if said.is_sparse {
            return Err(sparse(&name).into());
        }
        // `tar c .` writes each name so, and the folder itself.
        if name.starts_with(b"./") {
            name.drain(..2);
        }
        let kind = match (header.kind, name.ends_with(b"/")) {
            (b'5', _) | (0, true) => EntryKind::Folder,
            (b'0' | b'7' | 0, false) | (b'1', _) => EntryKind::File,
            (b'2', false) => EntryKind::Link,
            _ => return Err(ArchiveError::KindNotAllowed(shown(&name)).into()),
        };
        if kind == EntryKind::Folder && (name.is_empty() || name == b"." || name == b"./") {
            return Ok(());
        }
        let size = said.size.unwrap_or(header.size);
        let has_data = kind == EntryKind::File && header.kind != b'1';
        if size != 0 && !has_data {
            return Err(ArchiveError::SizeLies(shown(&name)).into());
        }
        if kind == EntryKind::Folder && !name.ends_with(b"/") {
            name.push(b'/');
        }
        let start = self.skip(size)?;
        let modified = said.modified.unwrap_or(header.modified).clamp(TIMES.0, TIMES.1);
        let own = (start, size, header.mode);
        let (header_start, unpacked, mode) = match header.kind {
            b'1' => self.linked(&name, &target)?,
            b'2' => (start, target.len() as u64, header.mode),
            _ => own,
        };
        self.push(
            Entry {
                name: name.into(),
                kind,
                mode: Some(mode),
                modified,
                flags: 0,
                method: STORED,
                crc: 0,
                packed: unpacked,
                unpacked,
                header_start,
            },
            &target,
        )
    }

    /// Another name of an earlier file becomes a file of its own, with the same bytes.
    fn linked(&self, name: &[u8], target: &[u8]) -> Result<(u64, u64, u32), ArchiveError> {
        let target = target.strip_prefix(b"./").unwrap_or(target);
        let file = self.files.get(target).and_then(|number| self.entries.get(*number));
        let file = file.ok_or_else(|| ArchiveError::KindNotAllowed(shown(name)))?;
        Ok((file.header_start, file.unpacked, file.mode.unwrap_or(0o644)))
    }

    fn push(&mut self, entry: Entry, target: &[u8]) -> Result<(), FilesError> {
        let number = self.entries.len();
        if number as u64 >= self.limits.entries {
            return Err(self.too_many(number as u64 + 1));
        }
        names::check(&entry.name, number, NameRules { depth: self.limits.depth, folder_len: 0 })?;
        self.names += entry.name.len();
        match entry.kind {
            EntryKind::File => drop(self.files.insert(entry.name.clone(), number)),
            EntryKind::Link if target.len() > LONGEST_PATH => {
                return Err(ArchiveError::LinkTargetInvalid(shown(&entry.name)).into());
            }
            EntryKind::Link => {
                self.names += target.len();
                self.targets.insert(number, target.into());
            }
            EntryKind::Folder => {}
        }
        if self.names > MOST_NAMES {
            return Err(ArchiveError::Malformed("its names have over 64 MiB").into());
        }
        self.entries.push(entry);
        Ok(())
    }

    fn too_many(&self, found: u64) -> FilesError {
        ArchiveError::TooManyEntries { found, limit: self.limits.entries }.into()
    }
}
