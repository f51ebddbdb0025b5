//! What can go wrong with the engine, for all of this room.

use std::io;

/// A call to the engine that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot be reached, or went away in the middle.
    #[error("the container engine cannot be reached: {0}")]
    Unavailable(#[source] io::Error),
    /// The engine did not answer within its deadline.
    #[error("the container engine did not answer in time")]
    Timeout,
    /// The engine answered that it will not.
    #[error("the container engine answered {status}: {message}")]
    Api {
        /// The HTTP status of its answer.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// The engine sent something that its API does not know.
    #[error("the container engine sent what is not its protocol: {0}")]
    Protocol(String),
}

impl EngineError {
    /// Whether the engine itself is the problem, so that the same call may work later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout)
    }

    /// The HTTP status of the engine's refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            Self::Unavailable(_) | Self::Timeout | Self::Protocol(_) => None,
        }
    }
}

impl From<hyper::Error> for EngineError {
    fn from(error: hyper::Error) -> Self {
        Self::Unavailable(io::Error::other(error))
    }
}

impl From<serde_json::Error> for EngineError {
    fn from(error: serde_json::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}
