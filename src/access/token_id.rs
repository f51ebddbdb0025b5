//! The id of a token: `t` and a `UUIDv4`. It is no secret.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The id of a token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(Uuid);

/// The text is not the id of a token in its one canonical spelling.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the id of a token is `t` followed by a lower-case UUIDv4, 37 characters in all")]
pub struct ParseTokenIdError;

impl TokenId {
    /// A new, random id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "t{}", self.0.as_hyphenated())
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for TokenId {
    type Err = ParseTokenIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uuid = text.strip_prefix('t').and_then(|rest| Uuid::try_parse(rest).ok());
        uuid.map(Self).filter(|id| id.to_string() == text).ok_or(ParseTokenIdError)
    }
}
