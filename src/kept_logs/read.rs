//! A kept log that is read back.

use std::io::ErrorKind;
use std::path::PathBuf;

use tokio::fs::File;

use crate::engine::logs::{LogReader, Message};

/// Reads one file after the other.
pub struct KeptReader {
    left: std::vec::IntoIter<PathBuf>,
    current: Option<LogReader>,
}

impl KeptReader {
    pub(super) fn new(segments: Vec<PathBuf>) -> Self {
        Self { left: segments.into_iter(), current: None }
    }

    /// The next messages, or nothing at the end. A file that cannot be read to its end is left there.
    pub async fn next(&mut self) -> Option<Vec<Message>> {
        loop {
            if let Some(current) = &mut self.current {
                match current.next().await {
                    Ok(Some(messages)) => return Some(messages),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "a kept log cannot be read to its end"),
                }
                self.current = None;
            }
            let path = self.left.next()?;
            match File::open(&path).await {
                Ok(file) => self.current = Some(LogReader::of_frames(Box::pin(file))),
                // It has become one too many meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(%error, "a kept log cannot be opened"),
            }
        }
    }
}
