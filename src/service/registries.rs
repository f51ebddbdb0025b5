//! Registries: whom they know, checked when it is told and used wherever an image is moved.

use serde_json::Value;

use super::{Error, Result, Service};
use crate::codes::Code;
use crate::container::login::Login;
use crate::engine::EngineError;
use crate::engine::images::RegistryAuth;
use crate::registries::Credentials;

impl Service {
    /// Keeps credentials of a registry, once it has taken them; says whether there were other ones before.
    pub async fn set_registry(&self, host: &str, body: Value) -> Result<bool> {
        let Login { username, password } = Login::parse(host, body)?;
        self.engine_must_answer()?;
        let auth = RegistryAuth { username, password, server: server(host) };
        self.parts.engine.socket().check_login(&auth).await.map_err(|error| refusal(host, error))?;
        let RegistryAuth { username, password, .. } = auth;
        Ok(self.parts.registries.set(host, Credentials { username, password }).await?)
    }

    /// Forgets the credentials of a registry.
    pub async fn remove_registry(&self, host: &str) -> Result<()> {
        if self.parts.registries.remove(host).await? {
            return Ok(());
        }
        let message = "no credentials are kept for this registry: GET /registries lists those that are";
        Err(Error::new(Code::RegistryNotFound, message).with("host", host))
    }

    /// The hosts of the registries for which there are credentials.
    pub async fn registries(&self) -> Result<Vec<String>> {
        Ok(self.parts.registries.hosts().await?)
    }

    /// What a registry is told of who asks; nothing where it was not named.
    pub(super) async fn registry_auth(&self, registry: &str) -> Result<Option<RegistryAuth>> {
        let found = self.parts.registries.find(registry).await?;
        Ok(found.map(|Credentials { username, password }| RegistryAuth {
            username,
            password,
            server: server(registry),
        }))
    }
}

/// A registry as the engine names it.
fn server(registry: &str) -> String {
    let host = crate::registries::host_of(registry);
    if host == crate::container::image::DOCKER_HUB { "https://index.docker.io/v1/".to_owned() } else { host }
}

/// What the engine said when it asked a registry about a login.
fn refusal(host: &str, error: EngineError) -> Error {
    let output = match error {
        EngineError::Api { status: 401 | 403, message } => message,
        EngineError::Api { message, .. } if !is_denied(&message) => return unreachable(host, &message),
        EngineError::Api { message, .. } => message,
        EngineError::Timeout => return unreachable(host, "no answer in time"),
        other => return other.into(),
    };
    let message = format!("{host} does not take this username and password: nothing was changed");
    Error::new(Code::RegistryDenied, message).with("host", host).with("output", output)
}

/// The engine answers 500 to some refusals; then only the registry's status in its words tells.
fn is_denied(message: &str) -> bool {
    let words =
        ["401 Unauthorized", "403 Forbidden", "unauthorized:", "denied:", "incorrect username or password"];
    words.iter().any(|words| message.contains(words))
}

fn unreachable(host: &str, output: &str) -> Error {
    let message = format!("{host} does not answer as a registry does: nothing was changed");
    let mut error = Error::new(Code::RegistryUnreachable, message).with("host", host).with("output", output);
    error.retry_after = Some(5);
    error
}
