//! Tars written by hand, so that they can lie.

/// A tar in the making.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn file(self, name: &str, data: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', name.as_bytes(), b"", data.as_ref())
    }

    pub fn dir(self, name: &str) -> Self {
        self.entry(b'5', name.as_bytes(), b"", b"")
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name.as_bytes(), target.as_bytes(), b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name.as_bytes(), target.as_bytes(), b"")
    }

    /// A header that says more of the next entry, by pax.
    pub fn pax(self, kind: u8, key: &str, value: &str) -> Self {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len();
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        self.entry(kind, b"pax", b"", format!("{length}{rest}").as_bytes())
    }

    /// An entry whose name is told before it, as GNU tar does.
    pub fn long_file(self, name: &str, data: &str) -> Self {
        let whole = [name.as_bytes(), b"\0"].concat();
        self.entry(b'L', b"././@LongLink", b"", &whole).entry(
            b'0',
            &name.as_bytes()[..99],
            b"",
            data.as_bytes(),
        )
    }

    pub fn entry(self, kind: u8, name: &[u8], target: &[u8], data: &[u8]) -> Self {
        self.claiming(kind, name, target, data, data.len() as u64)
    }

    /// An entry that says another size than it has.
    pub fn claiming(mut self, kind: u8, name: &[u8], target: &[u8], data: &[u8], size: u64) -> Self {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name);
        block[100..107].copy_from_slice(b"0000755");
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[136..147].copy_from_slice(b"14700000000");
        block[148..156].copy_from_slice(b"        ");
        block[156] = kind;
        block[157..157 + target.len()].copy_from_slice(target);
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(block);
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn bytes(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    /// Without the zeros of its end.
    pub fn without_end(self) -> Vec<u8> {
        self.0
    }
}

/// The bytes as gzip has them.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}
