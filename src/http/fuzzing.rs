//! What the fuzz targets reach of the parsing of requests: `cfg(fuzzing)` alone has it.

use actix_web::web;

use super::query::Query;
use super::range::{Wanted, part};

/// The kinds of parameters there are, by the names that the seeds use.
const KNOWN: [&str; 12] = [
    "path", "limit", "cursor", "since", "until", "tail", "follow", "stream", "status", "tag", "cmd",
    "timeout",
];

/// Reads a query as the handlers do; what it answers has to be in the query.
pub fn query(text: &str) {
    let Ok(query) = Query::parse(text, &KNOWN) else { return };
    for name in KNOWN {
        let all = query.all(name).unwrap_or_default();
        assert!(all.iter().all(|value| !value.contains('\0')), "NUL goes no further");
        if let Ok(Some(one)) = query.text(name) {
            assert_eq!(all, [one], "a parameter that stands once is the only one");
        }
        if let Ok(Some(number)) = query.number(name, 1_u64, 500) {
            assert!((1..=500).contains(&number), "a number is within its bounds");
        }
        let _ = (query.flag(name), query.moment(name), query.word(name, &["stdout", "stderr", "both"]));
    }
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
    let known = |pair: &(String, String)| KNOWN.contains(&pair.0.as_str());
    assert!(pairs.is_ok_and(|pairs| pairs.iter().all(known)), "an unknown parameter is refused");
}

/// Reads a `Range`; a part lies within the file and is not empty.
pub fn range(header: &str, len: u64) {
    if let Wanted::Part(first, count) = part(header, len) {
        assert!(
            count > 0 && first.checked_add(count).is_some_and(|end| end <= len),
            "{first}+{count} of {len}"
        );
    }
}
