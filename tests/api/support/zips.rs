//! Archives written by hand, so that they can lie.

/// An archive in the making. Everything is stored, except what `bomb` makes.
#[derive(Default)]
pub struct Zip {
    bytes: Vec<u8>,
    central: Vec<u8>,
    count: u16,
}

/// One entry, with what its headers claim.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub local_name: Vec<u8>,
    pub data: Vec<u8>,
    pub mode: u32,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub claimed: u32,
    /// DOS time and date.
    pub time: (u16, u16),
}

/// 2024-05-06 07:08:10, as zip has it.
pub const TIME: (u16, u16) = ((7 << 11) | (8 << 5) | 5, ((2024 - 1980) << 9) | (5 << 5) | 6);

impl Entry {
    pub fn new(name: &[u8], data: &[u8], mode: u32) -> Self {
        let claimed = u32::try_from(data.len()).unwrap();
        let flags = 0x0800;
        let (name, data) = (name.to_vec(), data.to_vec());
        Self {
            local_name: name.clone(),
            name,
            crc: crc32(&data),
            data,
            mode,
            flags,
            method: 0,
            claimed,
            time: TIME,
        }
    }
}

impl Zip {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn file(self, name: &str, data: impl AsRef<[u8]>) -> Self {
        self.file_mode(name, data, 0o644)
    }

    pub fn file_mode(self, name: &str, data: impl AsRef<[u8]>, mode: u32) -> Self {
        self.entry(&Entry::new(name.as_bytes(), data.as_ref(), 0o100_000 | mode))
    }

    pub fn dir(self, name: &str) -> Self {
        self.entry(&Entry::new(format!("{name}/").as_bytes(), b"", 0o040_755))
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.entry(&Entry::new(name.as_bytes(), target.as_bytes(), 0o120_777))
    }

    pub fn entry(mut self, e: &Entry) -> Self {
        let offset = u32::try_from(self.bytes.len()).unwrap();
        let stored = u32::try_from(e.data.len()).unwrap();
        let mut common = Vec::new();
        for part in [e.flags, e.method, e.time.0, e.time.1] {
            common.extend(part.to_le_bytes());
        }
        for part in [e.crc, stored, e.claimed] {
            common.extend(part.to_le_bytes());
        }
        let header = |name: &[u8], common: &[u8]| {
            let mut bytes = common.to_vec();
            bytes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend(0_u16.to_le_bytes());
            bytes
        };
        self.bytes.extend(0x0403_4b50_u32.to_le_bytes());
        self.bytes.extend(20_u16.to_le_bytes());
        self.bytes.extend(header(&e.local_name, &common));
        self.bytes.extend(&e.local_name);
        self.bytes.extend(&e.data);
        self.central.extend(0x0201_4b50_u32.to_le_bytes());
        self.central.extend([20, 3, 20, 0]);
        self.central.extend(header(&e.name, &common));
        self.central.extend([0; 6]);
        self.central.extend((e.mode << 16).to_le_bytes());
        self.central.extend(offset.to_le_bytes());
        self.central.extend(&e.name);
        self.count += 1;
        self
    }

    pub fn bytes(mut self) -> Vec<u8> {
        let start = u32::try_from(self.bytes.len()).unwrap();
        let length = u32::try_from(self.central.len()).unwrap();
        self.bytes.append(&mut self.central);
        self.bytes.extend(0x0605_4b50_u32.to_le_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend([0; 2]);
        self.bytes
    }
}

/// One file of `size` zeros, deflated: about a thousandth of it.
pub fn bomb(size: usize) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("zeros", options).unwrap();
    let piece = vec![0; 1 << 16];
    let mut left = size;
    while left > 0 {
        let n = left.min(piece.len());
        writer.write_all(&piece[..n]).unwrap();
        left -= n;
    }
    writer.finish().unwrap().into_inner()
}

/// Name, mode and bytes of every entry of an archive (folders end in `/`).
pub fn read(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
    use std::io::Read;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut all = Vec::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let mut data = Vec::new();
        file.read_to_end(&mut data).unwrap();
        all.push((file.name().unwrap().into_owned(), file.unix_mode().unwrap_or(0), data));
    }
    all.sort();
    all
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let mut crc = crc ^ u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
        crc
    };
    !data.iter().fold(!0, step)
}
