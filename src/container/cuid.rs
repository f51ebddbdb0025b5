//! The id of a container: `c` and a `UUIDv4`; parsed once, canonical ever after.

use std::fmt;
use std::str::FromStr;

use uuid::{Uuid, Variant, Version};

/// The id of a container and the name of its compose project: `c` followed by a lower-case `UUIDv4`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cuid(Uuid);

/// The text is not a cuid in its one canonical spelling.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a cuid is `c` followed by a lower-case UUIDv4, 37 characters in all")]
pub struct ParseCuidError;

impl Cuid {
    /// A new, random id.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Default for Cuid {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Cuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "c{}", self.0.as_hyphenated())
    }
}

impl fmt::Debug for Cuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Cuid {
    type Err = ParseCuidError;

    /// Takes the canonical spelling alone: with several, one container would have several locks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uuid =
            text.strip_prefix('c').and_then(|rest| Uuid::try_parse(rest).ok()).ok_or(ParseCuidError)?;
        let cuid = Self(uuid);
        let is_v4 = uuid.get_version() == Some(Version::Random) && uuid.get_variant() == Variant::RFC4122;
        if is_v4 && cuid.to_string() == text { Ok(cuid) } else { Err(ParseCuidError) }
    }
}

#[cfg(test)]
mod tests {
    use super::Cuid;

    #[test]
    fn a_cuid_reads_back_as_itself() {
        let cuid = Cuid::new();
        assert_eq!(cuid.to_string().parse::<Cuid>().unwrap(), cuid);
        assert_eq!(cuid.to_string().len(), 37);
    }

    #[test]
    fn other_spellings_of_one_uuid_are_refused() {
        let cuid = Cuid::new().to_string();
        let bare = cuid.replace('-', "");
        let braced = format!("c{{{}}}", &cuid[1..]);
        for other in
            [cuid.to_uppercase(), bare, braced, cuid[1..].to_string(), format!("{cuid} "), String::new()]
        {
            assert!(other.parse::<Cuid>().is_err(), "{other}");
        }
        assert!("c00000000-0000-0000-0000-000000000000".parse::<Cuid>().is_err());
    }
}
