//! The rules of archives, and for each the archive that breaks it.

/// Limits under which each case breaks its own rule alone.
pub const ENTRIES: u64 = 1000;
/// The same for the bytes that come out.
pub const UNPACKED_BYTES: u64 = 100 << 20;

/// One broken rule.
pub struct Case {
    /// The rule, in a few words.
    pub rule: String,
    /// The archive.
    pub bytes: Vec<u8>,
    /// The code of the answer.
    pub code: &'static str,
    /// What the message has to hold.
    pub says: &'static str,
}

/// A case; `says` is what its message holds.
pub fn case(rule: impl Into<String>, bytes: Vec<u8>, code: &'static str, says: &'static str) -> Case {
    Case { rule: rule.into(), bytes, code, says }
}
