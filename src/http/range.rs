//! Conditional and partial requests for one file (RFC 9110, sections 13 and 14).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::HttpRequest;

/// What a request wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// Some bytes: the first one, and how many.
    Part(u64, u64),
    /// Nothing: the client has it already.
    NotModified,
    /// A precondition does not hold.
    PreconditionFailed,
    /// No byte lies in the range.
    NotSatisfiable,
}

/// The file as it is.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// Its strong entity tag, with the quotes.
    pub etag: &'a str,
    /// When it was last changed.
    pub modified: SystemTime,
    /// Its length in bytes.
    pub len: u64,
}

/// Decides what to send, in the order of RFC 9110, 13.2.2. A list of ranges is answered with the whole.
pub fn wanted(request: &HttpRequest, file: Present<'_>) -> Wanted {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_unmodified_since =
        |date: &str| parse_date(date).is_none_or(|date| whole_seconds(file.modified) <= date);
    let holds = match (header("if-match"), header("if-unmodified-since")) {
        (Some(tags), _) => matches(tags, file.etag, Comparison::Strong),
        (None, Some(date)) => is_unmodified_since(date),
        (None, None) => true,
    };
    if !holds {
        return Wanted::PreconditionFailed;
    }
    let is_known = match (header("if-none-match"), header("if-modified-since")) {
        (Some(tags), _) => matches(tags, file.etag, Comparison::Weak),
        (None, Some(date)) => parse_date(date).is_some_and(|date| whole_seconds(file.modified) <= date),
        (None, None) => false,
    };
    if is_known {
        return Wanted::NotModified;
    }
    let range_applies = header("if-range").is_none_or(|validator| {
        let is_tag = validator.starts_with('"') || validator.starts_with("W/");
        if is_tag {
            validator == file.etag
        } else {
            parse_date(validator) == Some(whole_seconds(file.modified))
        }
    });
    header("range").filter(|_| range_applies).map_or(Wanted::Whole, |range| part(range, file.len))
}

/// Reads `bytes=…`; what is malformed, or another unit, is ignored as the RFC asks.
pub(super) fn part(header: &str, len: u64) -> Wanted {
    let Some(range) = header.strip_prefix("bytes=").map(str::trim).filter(|range| !range.contains(','))
    else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-') else { return Wanted::Whole };
    let number =
        |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => Wanted::NotSatisfiable,
        (None, Some(suffix)) if first.is_empty() && len > 0 => {
            Wanted::Part(len - suffix.min(len), suffix.min(len))
        }
        (None, Some(_)) if first.is_empty() => Wanted::NotSatisfiable,
        (Some(first), Some(last)) if last < first => Wanted::Whole,
        (Some(first), None) if !last.is_empty() || first >= len => {
            if last.is_empty() {
                Wanted::NotSatisfiable
            } else {
                Wanted::Whole
            }
        }
        (Some(first), Some(_)) if first >= len => Wanted::NotSatisfiable,
        (Some(first), Some(last)) => Wanted::Part(first, last.min(len - 1) - first + 1),
        (Some(first), None) => Wanted::Part(first, len - first),
        (None, _) => Wanted::Whole,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn matches(tags: &str, etag: &str, comparison: Comparison) -> bool {
    tags.split(',').map(str::trim).any(|tag| {
        let tag = if comparison == Comparison::Weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == "*" || tag == etag
    })
}

fn parse_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// HTTP dates have no fractions of a second.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::{Wanted, part};

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let cases = [
            ("bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=2-", Wanted::Part(2, 8)),
            ("bytes=-3", Wanted::Part(7, 3)),
            ("bytes=-30", Wanted::Part(0, 10)),
            ("bytes=5-99", Wanted::Part(5, 5)),
            ("bytes=10-", Wanted::NotSatisfiable),
            ("bytes=10-12", Wanted::NotSatisfiable),
            ("bytes=-0", Wanted::NotSatisfiable),
            ("bytes=3-2", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=1-x", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
        ];
        for (header, wanted) in cases {
            assert_eq!(part(header, 10), wanted, "{header}");
        }
        assert_eq!(part("bytes=-5", 0), Wanted::NotSatisfiable);
    }
}
