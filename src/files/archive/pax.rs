//! What a tar says of its next entry in records of its own: names and sizes that fit into no header.

use super::super::error::shown;
use super::error::ArchiveError;

/// What is said of the next entry, in place of what its header says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) name: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<i64>,
    /// The file's holes are left out of the archive.
    pub(super) is_sparse: bool,
}

const UNREADABLE: ArchiveError = ArchiveError::Malformed("a pax header cannot be read");

impl Said {
    /// Reads the records of a pax header: `length key=value` and a line end, the length being that of all of it.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Result<(), ArchiveError> {
        while !records.is_empty() {
            let (key, value, rest) = record(records).ok_or(UNREADABLE)?;
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(whole(value)?),
                b"mtime" => self.modified = Some(seconds(value)?),
                _ => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
            records = rest;
        }
        Ok(())
    }

    /// Reads the records that count for all entries: what names one entry may not stand there.
    pub(super) fn check_global(records: &[u8]) -> Result<(), ArchiveError> {
        let mut said = Self::default();
        said.read(records)?;
        if said.name.is_some() || said.target.is_some() || said.size.is_some() || said.is_sparse {
            return Err(ArchiveError::Malformed("a pax header gives all entries one name or size"));
        }
        Ok(())
    }

    /// A name that is longer than a header holds, as GNU tar writes it.
    pub(super) fn long(text: &[u8]) -> Vec<u8> {
        text.strip_suffix(b"\0").unwrap_or(text).to_vec()
    }
}

fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let (record, rest) = records.split_at_checked(len)?;
    let pair = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..], rest))
}

fn whole(value: &[u8]) -> Result<u64, ArchiveError> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(UNREADABLE)
}

/// Whole seconds of a time; their fraction does not count.
fn seconds(value: &[u8]) -> Result<i64, ArchiveError> {
    let text = std::str::from_utf8(value).map_err(|_| UNREADABLE)?;
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().map_err(|_| UNREADABLE)
}

/// A sparse file has bytes that the archive does not have.
pub(super) fn sparse(name: &[u8]) -> ArchiveError {
    ArchiveError::KindNotAllowed(shown(name))
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn records_are_as_long_as_they_say() {
        let mut said = Said::default();
        said.read(b"10 path=x\n22 comment=a\nline=\xff=\n\n12 size=123\n13 mtime=1.9\n").unwrap();
        assert_eq!((said.name.as_deref(), said.size, said.modified), (Some(&b"x"[..]), Some(123), Some(1)));
        for wrong in [
            &b"8 path=x\n"[..],
            b"11 path=x\n",
            b"path=x\n",
            b"5 ab\n",
            b"0 \n",
            b"12 size=-12\n",
            b"99999999999999999999 a=b\n",
        ] {
            assert!(Said::default().read(wrong).is_err(), "{wrong:?}");
        }
        assert!(Said::check_global(b"13 comment=x\n").is_ok());
        assert!(Said::check_global(b"10 path=x\n").is_err());
    }
}
