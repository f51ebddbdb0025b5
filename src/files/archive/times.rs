//! When an entry was last written to.

use super::bytes::{u16_at, u32_at, u64_at};
use super::directory::find_field;

const EXTENDED_TIMESTAMP_FIELD: u16 = 0x5455;
const NTFS_FIELD: u16 = 0x000a;

/// Seconds since 1970: from the extended timestamp or the NTFS field, else from the DOS date and time,
/// which say no zone and are taken as UTC.
pub(super) fn modified(date: u16, time: u16, extra: &[u8]) -> i64 {
    extended(extra).or_else(|| ntfs(extra)).unwrap_or_else(|| from_dos(date, time))
}

fn extended(extra: &[u8]) -> Option<i64> {
    let field = find_field(extra, EXTENDED_TIMESTAMP_FIELD).ok()??;
    let has_modified = field.len() >= 5 && field[0] & 1 == 1;
    has_modified.then(|| i64::from(u32_at(field, 1).cast_signed()))
}

fn ntfs(extra: &[u8]) -> Option<i64> {
    let field = find_field(extra, NTFS_FIELD).ok()??;
    let has_times = field.len() >= 32 && u16_at(field, 4) == 1;
    // Ticks of 100 ns since 1601.
    let seconds = i64::try_from(u64_at(field, 8) / 10_000_000).ok()? - 11_644_473_600;
    has_times.then_some(seconds)
}

fn from_dos(date: u16, time: u16) -> i64 {
    let part =
        |value: u16, shift: u16, bits: u16| i8::try_from(value >> shift & ((1 << bits) - 1)).unwrap_or(0);
    let year = i16::try_from(1980 + (date >> 9)).unwrap_or(1980);
    let (hour, minute, second) = (part(time, 11, 5), part(time, 5, 6), part(time, 0, 5) * 2);
    jiff::civil::DateTime::new(year, part(date, 5, 4), part(date, 0, 5), hour, minute, second.min(59), 0)
        .and_then(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC))
        .map_or(315_532_800, |moment| moment.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::modified;

    #[test]
    fn times_come_from_the_best_field_there_is() {
        let (date, time) = (0x585d, 0x63c7);
        assert_eq!(modified(date, time, &[]), 1_709_209_814);
        assert_eq!(modified(date, time, b"UT\x05\x00\x01\x01\x00\x00\x00"), 1);
        assert_eq!(modified(date, time, b"UT\x05\x00\x01\xff\xff\xff\xff"), -1);
        assert_eq!(modified(0, 0, &[]), 315_532_800, "no date at all is 1980");
    }
}
