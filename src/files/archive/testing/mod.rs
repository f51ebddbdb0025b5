//! Writes archives byte by byte, so that every header can lie. The tests over HTTP take this file in too.

#![allow(dead_code, reason = "each of its users needs a part of it")]

pub mod rules;
pub mod tar_rules;
#[path = "../../../../tests/api/support/tars.rs"]
pub mod tars;
pub mod zip_end_rules;
pub mod zip_rules;

/// One entry, whose two headers can differ.
#[derive(Clone)]
pub struct Raw {
    pub local: Header,
    pub central: Header,
    pub data: Vec<u8>,
    /// What stands behind the data.
    pub behind: Vec<u8>,
    pub made_by: u16,
    pub attributes: u32,
    /// Where the central header says that the local one stands.
    pub offset: Option<u32>,
}

/// What both headers have.
#[derive(Clone)]
pub struct Header {
    pub name: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u32,
    pub unpacked: u32,
    pub extra: Vec<u8>,
}

/// A stored file without a mode.
pub fn file(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Raw {
    let data = data.as_ref();
    let len = u32::try_from(data.len()).unwrap();
    let header = Header {
        name: name.as_ref().to_vec(),
        flags: 0,
        method: 0,
        crc: crc32(data),
        packed: len,
        unpacked: len,
        extra: Vec::new(),
    };
    Raw {
        local: header.clone(),
        central: header,
        data: data.to_vec(),
        behind: Vec::new(),
        made_by: 20,
        attributes: 0,
        offset: None,
    }
}

/// An entry with a Unix mode.
pub fn with_mode(name: &str, data: &str, mode: u32) -> Raw {
    Raw { made_by: 0x0314, attributes: mode << 16, ..file(name, data) }
}

/// A symbolic link.
pub fn link(name: &str, target: &str) -> Raw {
    with_mode(name, target, 0o120_777)
}

impl Raw {
    /// Changes both headers.
    pub fn both(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }

    /// Changes the local header.
    pub fn local(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        self
    }

    /// Changes the central header.
    pub fn central(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.central);
        self
    }

    /// Sizes behind the data, as streaming tools write them.
    pub fn streamed(mut self, signed: bool, wide: bool) -> Self {
        let header = self.central.clone();
        self = self.both(|header| header.flags |= 8);
        (self.local.crc, self.local.packed, self.local.unpacked) = (0, 0, 0);
        let mut behind = if signed { b"PK\x07\x08".to_vec() } else { Vec::new() };
        behind.extend(header.crc.to_le_bytes());
        for size in [header.packed, header.unpacked] {
            behind.extend(size.to_le_bytes());
            behind.extend(vec![0; if wide { 4 } else { 0 }]);
        }
        self.behind = behind;
        self
    }

    /// The data as one deflate block that is not compressed.
    pub fn deflated(mut self) -> Self {
        let len = u16::try_from(self.data.len()).unwrap();
        let mut packed = vec![1];
        packed.extend(len.to_le_bytes());
        packed.extend((!len).to_le_bytes());
        packed.append(&mut self.data);
        self.data = packed;
        let packed = u32::from(len) + 5;
        self.both(|header| (header.method, header.packed) = (8, packed))
    }
}

impl Header {
    fn write(&self, out: &mut Vec<u8>) {
        for short in [self.flags, self.method, 0x6000, 0x5a21] {
            out.extend(short.to_le_bytes());
        }
        for long in [self.crc, self.packed, self.unpacked] {
            out.extend(long.to_le_bytes());
        }
        for len in [self.name.len(), self.extra.len()] {
            out.extend(u16::try_from(len).unwrap().to_le_bytes());
        }
    }
}

impl Header {
    /// The bytes of a local header that this is, with its name.
    pub fn as_local(&self) -> Vec<u8> {
        let mut header = b"PK\x03\x04\x14\0".to_vec();
        self.write(&mut header);
        [&header[..], &self.name].concat()
    }
}

/// The whole zip.
pub fn zip(entries: &[Raw]) -> Vec<u8> {
    zip_counting(entries, u16::try_from(entries.len()).unwrap())
}

/// The whole zip, whose end record counts other entries than there are.
pub fn zip_counting(entries: &[Raw], count: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = entry.offset.unwrap_or(u32::try_from(out.len()).unwrap());
        out.extend(b"PK\x03\x04\x14\x00");
        entry.local.write(&mut out);
        out.extend(&entry.local.name);
        out.extend(&entry.local.extra);
        out.extend(&entry.data);
        out.extend(&entry.behind);
        directory.extend(b"PK\x01\x02");
        directory.extend(entry.made_by.to_le_bytes());
        directory.extend([20, 0]);
        entry.central.write(&mut directory);
        directory.extend([0; 6]);
        directory.extend(entry.attributes.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.central.name);
        directory.extend(&entry.central.extra);
    }
    let (start, len) = (u32::try_from(out.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    out.extend([len.to_le_bytes(), start.to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

/// The same zip with zip64 end records.
pub fn zip64(entries: &[Raw], claimed: Option<u64>) -> Vec<u8> {
    // The small record has no room for more.
    let mut out = zip_counting(entries, 0);
    let end = out.split_off(out.len() - 22);
    let at = out.len() as u64;
    let count = claimed.unwrap_or(entries.len() as u64);
    let long = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
    out.extend(b"PK\x06\x06");
    out.extend(44_u64.to_le_bytes());
    out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [count, count, long(12), long(16)] {
        out.extend(value.to_le_bytes());
    }
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend(at.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([0xff; 12]);
    out.extend([0, 0]);
    out
}

/// The checksum that zip uses.
pub fn crc32(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}
