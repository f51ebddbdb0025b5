//! Answers of HTTP: where one ends, and one whole body into a file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::time::Instant;

use memchr::memmem;
use serde_json::{Value, json};

use super::measure::Processor;
use super::transport::{Transport, request};

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
    UntilTheEnd,
}

fn length(head: &str) -> Length {
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for line in head.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            return Length::Known(value.trim().parse().unwrap());
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            return Length::Chunked;
        }
    }
    Length::UntilTheEnd
}

/// Whether the bytes are one whole answer. Nothing comes after it: the next request has not been sent.
pub fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = memmem::find(bytes, b"\r\n\r\n") else { return false };
    match length(std::str::from_utf8(&bytes[..head]).unwrap()) {
        Length::Known(length) => bytes.len() >= head + 4 + length,
        // The bodies are JSON, which has no such bytes.
        Length::Chunked => bytes.ends_with(b"\r\n0\r\n\r\n"),
        Length::UntilTheEnd => panic!("an answer without a length"),
    }
}

/// Asks once and writes the body to a file.
pub fn fetch(place: &str, path: &str, file: &str) -> Value {
    let begun = Instant::now();
    let processor = Processor::now();
    let mut connection = Transport::connect(place);
    connection.write_all(&request(path, "Connection: close\r\n")).unwrap();
    let mut from = BufReader::with_capacity(256 * 1024, connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(from.read_line(&mut head).unwrap(), 0, "the answer ends in its head: {head}");
    }
    let mut to = BufWriter::with_capacity(256 * 1024, File::create(file).unwrap());
    let bytes = match length(&head) {
        Length::Known(length) => copy(&mut from, &mut to, Some(length as u64)),
        Length::UntilTheEnd => copy(&mut from, &mut to, None),
        Length::Chunked => chunks(&mut from, &mut to),
    };
    to.flush().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    json!({"bytes": bytes, "seconds": seconds, "client_cpu": processor.share(seconds)})
}

fn copy(from: &mut impl BufRead, to: &mut impl Write, length: Option<u64>) -> u64 {
    let copied = std::io::copy(&mut from.take(length.unwrap_or(u64::MAX)), to).unwrap();
    assert!(length.is_none_or(|length| length == copied), "the answer ends early");
    copied
}

fn chunks(from: &mut impl BufRead, to: &mut impl Write) -> u64 {
    let (mut all, mut line) = (0, String::new());
    loop {
        line.clear();
        from.read_line(&mut line).unwrap();
        let length = u64::from_str_radix(line.trim(), 16).expect("the length of a chunk");
        all += copy(from, to, Some(length));
        assert_eq!(from.read_line(&mut line).unwrap(), 2, "a chunk ends with a line break");
        if length == 0 {
            return all;
        }
    }
}
