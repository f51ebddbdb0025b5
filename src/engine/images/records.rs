//! JSON records a line each, of whatever length the engine makes them.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::engine::EngineError;
use crate::engine::stream::Reader;

/// The longest record, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The records of what the engine does, as they come.
pub struct Records<T> {
    lines: BufReader<Reader>,
    line: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Records<T> {
    /// The records that a body brings.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { lines: BufReader::new(reader), line: Vec::new(), of: PhantomData }
    }

    /// The next record, or nothing at the end. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<T>, EngineError> {
        loop {
            let left = LONGEST.saturating_sub(self.line.len() as u64);
            let mut limited = (&mut self.lines).take(left);
            let read = limited.read_until(b'\n', &mut self.line).await.map_err(EngineError::Unavailable)?;
            let is_whole = self.line.last() == Some(&b'\n');
            if !is_whole && read > 0 && (read as u64) < left {
                // The last line may come without an end: the next read says so.
                continue;
            }
            if !is_whole && read > 0 {
                return Err(EngineError::Protocol(format!("a record is larger than {LONGEST} bytes")));
            }
            let line = std::mem::take(&mut self.line);
            match line.trim_ascii() {
                [] if read == 0 => return Ok(None),
                [] => {}
                line => return Ok(Some(serde_json::from_slice(line)?)),
            }
        }
    }
}

impl<T> std::fmt::Debug for Records<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Records").finish_non_exhaustive()
    }
}
