//! A point in time as a query names it: RFC 3339, Unix seconds, or a duration back from now.

use jiff::{SignedDuration, Timestamp};

/// What a query's moment has to be.
pub const RULE: &str = "has to be a time: RFC 3339 (2026-01-31T12:00:00Z), Unix seconds with or without a \
                        fraction (1769860800.5), or a duration back from now (90s, 10m, 1h30m)";

/// Reads a moment; `now` is what a duration counts back from.
#[must_use]
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unsigned = text.starts_with(|first: char| first.is_ascii_digit());
    if !unsigned {
        return None;
    }
    if text.contains('-') {
        return rfc3339(text);
    }
    unix(text).or_else(|| now.checked_sub(duration(text)?).ok())
}

/// jiff reads more than RFC 3339: `2026-01-31 12+00[UTC]`. One form is enough, and it wants an offset.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let is_form = [0..4, 5..7, 8..10, 11..13, 14..16, 17..19].into_iter().all(digits)
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .iter()
            .all(|(at, byte)| bytes.get(*at) == Some(byte));
    let end = text.get(19..)?.trim_start_matches('.').trim_start_matches(|c: char| c.is_ascii_digit());
    let is_offset = end == "Z"
        || (end.len() == 6
            && end.starts_with(['+', '-'])
            && end.bytes().enumerate().skip(1).all(|(at, byte)| match at {
                3 => byte == b':',
                _ => byte.is_ascii_digit(),
            }));
    (is_form && is_offset).then(|| text.parse().ok()).flatten()
}

/// `seconds[.fraction]`, to the nanosecond.
fn unix(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanos).ok()
}

/// Parts of a number and a unit each, as Go's `time.ParseDuration` takes them.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut left = text;
    let mut whole = 0.0;
    while !left.is_empty() {
        let digits = left.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = left[..digits].parse().ok()?;
        left = &left[digits..];
        let length = left.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(left.len());
        let seconds = match &left[..length] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        whole += number * seconds;
        left = &left[length..];
    }
    SignedDuration::try_from_secs_f64(whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<String> {
        parse(text, "2026-01-31T12:00:00Z".parse().unwrap()).map(|time| time.to_string())
    }

    #[test]
    fn three_forms_are_read() {
        for (text, wanted) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.123456789+02:00", "2026-01-31T10:00:00.123456789Z"),
            ("1769860800", "2026-01-31T12:00:00Z"),
            ("1769860800.5", "2026-01-31T12:00:00.5Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("10m", "2026-01-31T11:50:00Z"),
            ("1h30m", "2026-01-31T10:30:00Z"),
            ("1.5h", "2026-01-31T10:30:00Z"),
            ("250ms", "2026-01-31T11:59:59.75Z"),
        ] {
            assert_eq!(at(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "-1",
            "+1",
            "now",
            "10",
            "2026",
            "1 m",
            "5x",
            "m",
            "1m2",
            "..s",
            "1.2.3",
            "2026-01-31",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00:00",
            "2026-13-31T12:00:00Z",
            "1769860800.",
            "99999999999999h",
        ] {
            let is_number = ["10", "2026"].contains(&text);
            assert_eq!(at(text).is_some(), is_number, "{text}");
        }
    }
}
