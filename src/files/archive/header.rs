//! One block of a tar that stands before an entry.

use super::error::ArchiveError;

/// How long a block is, in bytes.
pub(super) const BLOCK: usize = 512;

/// What the block says.
#[derive(Debug)]
pub(super) struct Header {
    /// The name, with what the block has of it before.
    pub(super) name: Vec<u8>,
    /// What it is, by the letters and digits of tar.
    pub(super) kind: u8,
    /// The bytes that follow.
    pub(super) size: u64,
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: i64,
    /// What a link leads to.
    pub(super) target: Vec<u8>,
}

/// Why a block is none.
#[derive(Debug, PartialEq)]
pub(super) enum Flaw {
    /// Its checksum is another one: these are other bytes.
    Checksum,
    /// A number in it is none.
    Number,
}

impl From<Flaw> for ArchiveError {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Checksum => Self::Malformed("a header's checksum is wrong"),
            Flaw::Number => Self::Malformed("a number of a header cannot be read"),
        }
    }
}

impl Header {
    /// Reads a block.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, Flaw> {
        let said = number(&block[148..156]).map_err(|_| Flaw::Checksum)?;
        if !checksums(block).contains(&said) {
            return Err(Flaw::Checksum);
        }
        let is_posix = &block[257..263] == b"ustar\0";
        let prefix = if is_posix { text(&block[345..500]) } else { &[] };
        let name = text(&block[..100]);
        Ok(Self {
            name: if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() },
            kind: block[156],
            size: number(&block[124..136]).and_then(|size| u64::try_from(size).map_err(|_| Flaw::Number))?,
            // Of the mode the permissions count, and the lowest bits of any number are those.
            mode: u32::try_from(number(&block[100..108])? & 0o777).map_err(|_| Flaw::Number)?,
            modified: number(&block[136..148])?,
            target: text(&block[157..257]).to_vec(),
        })
    }
}

/// The sum of all bytes with spaces for the sum itself; some old programs took bytes for signed.
fn checksums(block: &[u8; BLOCK]) -> [i64; 2] {
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let bytes = || block.iter().enumerate().map(byte);
    [bytes().map(i64::from).sum(), bytes().map(|byte| i64::from(byte.cast_signed())).sum()]
}

/// The bytes up to a NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number: octal digits, or where those do not suffice its bytes, marked by the first bit.
fn number(field: &[u8]) -> Result<i64, Flaw> {
    if field[0] & 0x80 != 0 {
        let sign = if field[0] & 0x40 != 0 { -1 } else { 0 };
        let first = i64::from(field[0] & 0x3f) | if sign < 0 { !0x3f } else { 0 };
        return field[1..].iter().try_fold(first, |value, byte| {
            value.checked_mul(256).map(|value| value | i64::from(*byte)).ok_or(Flaw::Number)
        });
    }
    let digits = text(field).trim_ascii();
    if digits.is_empty() {
        return Ok(0);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Flaw::Number)?;
    let is_octal = digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    i64::from_str_radix(digits, 8).ok().filter(|_| is_octal).ok_or(Flaw::Number)
}

#[cfg(test)]
mod tests {
    use super::{Flaw, Header, number};

    #[test]
    fn numbers_are_octal_or_bytes() {
        assert_eq!(number(b"0000644\0"), Ok(0o644));
        assert_eq!(number(b"   644 \0"), Ok(0o644));
        assert_eq!(number(b"\0\0\0\0"), Ok(0));
        assert_eq!(number(b"77777777777\0"), Ok((8 << 30) - 1));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Ok(8 << 30));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Ok(-1));
        assert_eq!(number(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Err(Flaw::Number));
        for wrong in [&b"-644\0"[..], b"+644\0", b"0x12\0", b"8\0", b"1 2\0"] {
            assert_eq!(number(wrong), Err(Flaw::Number), "{wrong:?}");
        }
    }

    #[test]
    fn other_bytes_are_no_header() {
        assert_eq!(Header::parse(&[b'x'; 512]).unwrap_err(), Flaw::Checksum);
    }
}
