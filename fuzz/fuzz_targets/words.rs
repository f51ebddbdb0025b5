//! The words of queries and headers: images, times, cursors, ranges, signals, sizes.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use wharfinger::container::image::{Reference, podmans_name, problem, registry_problem};
use wharfinger::container::signal::Signal;
use wharfinger::container::{moment, ps, rules, size};

fuzz_target!(|text: &str| {
    let Some((kind, text)) = text.split_at_checked(1) else { return };
    match kind {
        "i" => image(text),
        "q" => wharfinger::http::fuzzing::query(text),
        "c" => wharfinger::service::fuzzing::cursor(text),
        "r" => range(text),
        _ => rest(text),
    }
});

/// What is taken is its own spelling, and goes through every rule that names of images stand under.
fn image(text: &str) {
    let parsed = Reference::parse(text);
    assert_eq!(parsed.is_ok(), problem(text).is_none());
    let _ = registry_problem(text);
    let Ok(reference) = parsed else { return };
    let written = reference.to_string();
    assert_eq!(Reference::parse(&written).as_ref(), Ok(&reference), "{text:?} is {written:?}");
    assert!(
        !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c.is_control()),
        "{text:?}"
    );
    assert!(rules::image_problem(&written).is_none() || rules::image_problem(text).is_some());
    let full = format!("{}/{}", reference.registry, reference.repository);
    let full = reference.tag.iter().fold(full, |full, tag| format!("{full}:{tag}"));
    let full = reference.digest.iter().fold(full, |full, digest| format!("{full}@{digest}"));
    if problem(&full).is_none() {
        assert_eq!(Reference::parse(&full).as_ref(), Ok(&reference), "{text:?} in full is {full:?}");
        let name = podmans_name(&full);
        assert!(problem(name).is_none() || !full.ends_with(&written), "{full:?} is {name:?}");
    }
}

fn range(text: &str) {
    let (len, header) = text.split_once(' ').unwrap_or(("10", text));
    wharfinger::http::fuzzing::range(header, len.parse().unwrap_or(u64::MAX));
}

fn rest(text: &str) {
    let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
    if let Some(time) = moment::parse(text, now) {
        let written = time.to_string();
        // Before the year 0 there is no such form.
        assert!(
            written.starts_with('-') || moment::parse(&written, now) == Some(time),
            "{text:?} is {written}"
        );
    }
    if let Some(signal) = Signal::parse(text) {
        assert_eq!(Signal::parse(&signal.name()), Some(signal), "{text:?}");
    }
    if let Some(bytes) = size::bytes(text) {
        assert!((0..=9_007_199_254_740_991).contains(&bytes));
        assert_eq!(size::bytes(&bytes.to_string()), Some(bytes), "{text:?}");
    }
    if let Some(plain) = ps::plain(text) {
        assert_eq!(ps::plain(&plain).as_deref(), Some(plain.as_str()), "{text:?}");
    }
    let _ = (ps::podmans_columns(text), rules::user_problem(text), rules::memory_problem(text));
    if rules::mount_path_problem(text).is_none() {
        assert!(text.starts_with('/') && !text.contains('\0'), "{text:?}");
    }
}
