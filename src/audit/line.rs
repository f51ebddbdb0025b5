//! One action as one line: JSON in which no control character stands bare.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// Renders the line of an action, its line feed included.
pub(super) fn render(action: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = value(action)?;
    line.push(b'\n');
    Ok(line)
}

/// A value as it stands in a line.
pub(super) fn value(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(512);
    value.serialize(&mut Serializer::with_formatter(&mut text, Escaping(CompactFormatter)))?;
    Ok(text)
}

/// Escapes what a terminal or a reader of lines could take for something else: JSON itself leaves DEL, C1
/// and the Unicode line and paragraph separators bare.
struct Escaping(CompactFormatter);

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let is_bad = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some(at) = rest.find(is_bad) {
            let (clean, tail) = rest.split_at(at);
            let Some(bad) = tail.chars().next() else { break };
            self.0.write_string_fragment(writer, clean)?;
            write!(writer, "\\u{:04x}", u32::from(bad))?;
            rest = &tail[bad.len_utf8()..];
        }
        self.0.write_string_fragment(writer, rest)
    }
}
