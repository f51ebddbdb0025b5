//! Search: what Docker Hub, or the registry that the term names, has to offer.

use std::time::Duration;

use super::FoundRepository;
use crate::codes::Code;
use crate::engine::EngineError;
use crate::service::{Error, Result, Service};

/// How long a registry may take.
const LIMIT: Duration = Duration::from_secs(60);

impl Service {
    /// Searches for repositories.
    pub async fn search_images(&self, term: &str, limit: u32) -> Result<Vec<FoundRepository>> {
        self.engine_must_answer()?;
        let socket = self.parts.engine.socket();
        let found = tokio::time::timeout(LIMIT, socket.search_images(term, limit)).await;
        found.unwrap_or(Err(EngineError::Timeout)).map_err(|error| match error {
            EngineError::Api { status: 400, message } => {
                Error::invalid_query("term", term, "is not what the registry can be asked for")
                    .with("output", message)
            }
            EngineError::Api { message, .. } => {
                let text = format!("the registry cannot be searched: {message}");
                self.redacted(Error::new(Code::RegistryUnreachable, text).with("output", message))
            }
            EngineError::Timeout => {
                let text = format!("the registry did not answer within {} s", LIMIT.as_secs());
                Error::new(Code::RegistryUnreachable, text)
            }
            error => error.into(),
        })
    }
}
