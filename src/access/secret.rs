//! The secret of a token: made once, shown once, known by its hash alone.
//!
//! A secret has 128 random bits, so a fast hash keeps it: there is nothing to guess. It is short, since it has to
//! serve as a password too: clients that write credentials with line breaks after 45 bytes (Ruby's `encode64`) can
//! send it with a name of up to 18 bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What every secret begins with: tools that look for lost secrets know it by that.
pub const PREFIX: &str = "whf_";
const RANDOM: usize = 16;

/// The hash by which a secret is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash")
    }
}

/// A new secret for a token.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// Whether a text has the form of a secret.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    let bytes = text.strip_prefix(PREFIX).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
    bytes.is_some_and(|bytes| bytes.len() == RANDOM)
}

#[cfg(test)]
mod tests {
    use super::{SecretHash, generate, is_secret};

    #[test]
    fn no_two_secrets_are_the_same_and_each_has_one_spelling() {
        let (first, second) = (generate().unwrap(), generate().unwrap());
        assert_ne!(first, second);
        assert!(is_secret(&first) && first.len() == 26 && !first.contains(':'));
        assert_ne!(SecretHash::of(&first), SecretHash::of(&second));
        for other in
            ["", "whf_", &first[1..], &first[..25], &format!("{first}A"), &format!("{}_", &first[..25])]
        {
            assert!(!is_secret(other), "{other}");
        }
    }
}
