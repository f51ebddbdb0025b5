//! Whether a registry takes credentials.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::RegistryAuth;
use crate::engine::{EngineError, EngineSocket};

/// How long the engine may take to ask a registry.
const LIMIT: Duration = Duration::from_secs(30);

impl EngineSocket {
    /// Lets the engine ask the registry whether it takes the credentials.
    pub async fn check_login(&self, auth: &RegistryAuth) -> Result<(), EngineError> {
        let RegistryAuth { username, password, server } = auth;
        let body = json!({"username": username, "password": password, "serveraddress": server});
        let asked = self.json_whenever::<Value>(Method::POST, "/auth", Some(&body));
        tokio::time::timeout(LIMIT, asked).await.unwrap_or(Err(EngineError::Timeout)).map(drop)
    }
}
