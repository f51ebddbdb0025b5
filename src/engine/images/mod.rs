//! Images: what the engine has, and how they come and go.

pub mod archive;
pub mod inspect;
pub mod list;
mod login;
pub mod records;
pub mod remove;
pub mod search;
pub mod transfer;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::json;

/// What a registry is told of who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryAuth {
    /// The user.
    pub username: String,
    /// The password, or a token in its place.
    pub password: String,
    /// The registry as the engine names it.
    pub server: String,
}

impl RegistryAuth {
    /// The value of `X-Registry-Auth`.
    #[must_use]
    pub fn header(&self) -> String {
        let value =
            json!({"username": self.username, "password": self.password, "serveraddress": self.server});
        URL_SAFE.encode(value.to_string())
    }

    /// The value of `X-Registry-Auth` where nothing is known: a push is refused without the header.
    #[must_use]
    pub fn nobodys_header() -> String {
        URL_SAFE.encode("{}")
    }
}

impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RegistryAuth").field("server", &self.server).finish_non_exhaustive()
    }
}
