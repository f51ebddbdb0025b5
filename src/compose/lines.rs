//! The lines of what a child prints, as they come in pieces.

/// The longest line that is held; what is longer comes in parts.
const LONGEST: usize = 16 * 1024;

/// The line that has not ended yet.
#[derive(Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// The lines that end in these bytes, each with its line end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") {
                lines.extend(self.rest());
            }
            while self.0.len() > LONGEST {
                let cut = boundary(&self.0, LONGEST);
                let rest = self.0.split_off(cut);
                lines.extend(self.rest());
                self.0 = rest;
            }
        }
        lines
    }

    /// What is left without a line end.
    pub(super) fn rest(&mut self) -> Vec<String> {
        let line = std::mem::take(&mut self.0);
        if line.is_empty() { Vec::new() } else { vec![String::from_utf8_lossy(&line).into_owned()] }
    }
}

/// The last place up to `at` where no character is cut in two.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let starts = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (at.saturating_sub(3)..=at).rev().find(starts).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Lines};

    #[test]
    fn lines_are_whole_however_they_come_in() {
        let mut lines = Lines::default();
        assert!(lines.push(b"a").is_empty());
        assert_eq!(lines.push("b\nc\u{e4}".as_bytes()), ["ab\n"]);
        assert_eq!(lines.push(b"\n\nd"), ["cä\n", "\n"]);
        assert_eq!(lines.rest(), ["d"]);
        assert!(lines.rest().is_empty());
        assert_eq!(lines.push(b"\xff\n"), ["\u{fffd}\n"]);
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever_and_no_character_is_cut() {
        let mut lines = Lines::default();
        let text = "xää".repeat(LONGEST);
        let mut parts = Vec::new();
        for piece in text.as_bytes().chunks(4096) {
            parts.extend(lines.push(piece));
            assert!(lines.0.len() <= LONGEST);
        }
        parts.extend(lines.rest());
        assert_eq!(parts.concat(), text);
        assert!(parts.iter().all(|part| part.len() <= LONGEST));
    }
}
