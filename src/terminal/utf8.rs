//! Bytes to text without breaking a character that was split between reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::frame::Encoding;

/// One output's bytes on their way to frames; holds back at most three, the start of a character.
#[derive(Debug, Default)]
pub struct Utf8 {
    held: Vec<u8>,
}

/// The `data` of a frame and how it holds its bytes.
pub type Encoded = (String, Encoding);

impl Utf8 {
    /// What can be sent now: text as far as it is text, and base64 from the first byte that is not.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Encoded> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        self.held = all.split_off(all.len() - unfinished(&all));
        encode(all)
    }

    /// What was held back, when nothing more will come.
    pub fn finish(&mut self) -> Vec<Encoded> {
        encode(std::mem::take(&mut self.held))
    }
}

/// How many bytes at the end begin a character that more bytes could complete.
#[must_use]
pub fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    let Some(start) = tail.iter().rposition(|byte| *byte >= 0b1100_0000) else { return 0 };
    match std::str::from_utf8(&tail[start..]) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() == 0 => tail.len() - start,
        _ => 0,
    }
}

fn encode(bytes: Vec<u8>) -> Vec<Encoded> {
    let mut encoded = Vec::new();
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => {}
        Ok(text) => encoded.push((text, Encoding::Utf8)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let (text, rest) = error.as_bytes().split_at(valid);
            if !text.is_empty() {
                encoded.push((String::from_utf8_lossy(text).into_owned(), Encoding::Utf8));
            }
            encoded.push((STANDARD.encode(rest), Encoding::Base64));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(chunks: &[&[u8]]) -> Vec<Encoded> {
        let mut utf8 = Utf8::default();
        let mut frames: Vec<_> = chunks.iter().flat_map(|chunk| utf8.feed(chunk)).collect();
        assert!(utf8.held.len() <= 3);
        frames.extend(utf8.finish());
        frames
    }

    fn bytes(frames: &[Encoded]) -> Vec<u8> {
        let decode = |(data, encoding): &Encoded| match encoding {
            Encoding::Utf8 => data.clone().into_bytes(),
            Encoding::Base64 => STANDARD.decode(data).unwrap(),
        };
        frames.iter().flat_map(decode).collect()
    }

    #[test]
    fn a_split_character_waits_for_its_rest() {
        let frames = sent(&[b"a\xF0\x9F", b"\x8E", b"\x89b"]);
        assert_eq!(frames, [("a".into(), Encoding::Utf8), ("🎉b".into(), Encoding::Utf8)]);
    }

    #[test]
    fn what_never_becomes_a_character_is_sent_at_the_end() {
        assert_eq!(sent(&[b"\xE2\x82"]), [(STANDARD.encode(b"\xE2\x82"), Encoding::Base64)]);
    }

    #[test]
    fn text_before_bytes_that_are_none_stays_text() {
        let frames = sent(&[b"ok\xFFno\xC3"]);
        assert_eq!(frames[0], ("ok".into(), Encoding::Utf8));
        assert_eq!(frames[1], (STANDARD.encode(b"\xFFno"), Encoding::Base64));
    }

    proptest! {
        #[test]
        fn every_byte_arrives_once_and_in_order(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..12),
        ) {
            let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(bytes(&sent(&slices)), chunks.concat());
        }

        #[test]
        fn text_is_never_sent_as_base64_however_it_is_cut(text in "\\PC{0,60}", size in 1usize..9) {
            let slices: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let frames = sent(&slices);
            prop_assert!(frames.iter().all(|(_, encoding)| *encoding == Encoding::Utf8));
            prop_assert_eq!(bytes(&frames), text.into_bytes());
        }
    }
}
