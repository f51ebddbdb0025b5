//! What is left in the engine where it, or Compose, was killed while a container was made anew.

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::socket::escaped;
use super::{Engine, EngineError};
use crate::container::Cuid;
use crate::container::compose_file::CUID_LABEL;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    state: String,
}

impl Engine {
    /// Compose makes the new container under a name before the old one's, and gives it that name when the old one
    /// is gone. Where it was killed on the way, the new one is removed, since with it no other could be made; or,
    /// where the old one is gone already, it gets its name. An engine that was killed while it removed the old one
    /// has it for dead.
    pub async fn tidy_half_made(&self, cuid: Cuid) -> Result<(), EngineError> {
        let filters = json!({"label": [format!("{CUID_LABEL}={cuid}")]}).to_string();
        let path = format!("/containers/json?all=1&filters={}", escaped(&filters));
        let listed: Vec<Listed> = self.socket().json(Method::GET, &path, None).await?;
        let (dead, alive): (Vec<_>, Vec<_>) = listed.into_iter().partition(Listed::is_dead);
        for container in dead {
            self.remove_half_made(&container.id).await?;
        }
        let (own, end) = (format!("/{cuid}"), format!("_{cuid}"));
        let is_whole = alive.iter().any(|container| container.names.contains(&own));
        let half = alive.iter().filter(|container| container.names.iter().any(|name| name.ends_with(&end)));
        for (index, container) in half.enumerate() {
            tracing::warn!(%cuid, id = container.id, "a container was half made when Compose or the engine ended");
            if is_whole || index > 0 {
                self.remove_half_made(&container.id).await?;
            } else {
                let path = format!("/containers/{}/rename?name={cuid}", container.id);
                self.socket().command(Method::POST, &path, None).await?;
            }
        }
        Ok(())
    }

    async fn remove_half_made(&self, id: &str) -> Result<(), EngineError> {
        match self.socket().command(Method::DELETE, &format!("/containers/{id}?force=1"), None).await {
            // It is being removed, or gone.
            Err(error) if matches!(error.status(), Some(404 | 409)) => Ok(()),
            result => result,
        }
    }
}

impl Listed {
    fn is_dead(&self) -> bool {
        ["dead", "removing"].contains(&self.state.as_str())
    }
}
