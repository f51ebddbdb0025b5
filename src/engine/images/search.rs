//! What a registry has to offer, asked by the engine.

use hyper::Method;
use serde::Deserialize;

use crate::engine::socket::escaped;
use crate::engine::{EngineError, EngineSocket};

/// A repository that was found.
#[derive(Clone, Debug, Deserialize)]
pub struct FoundRepository {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// Whether the registry vouches for it.
    #[serde(default)]
    pub is_official: bool,
    /// How many like it.
    #[serde(default)]
    pub star_count: i64,
}

impl EngineSocket {
    /// Searches a registry, which may take its time.
    pub async fn search_images(&self, term: &str, limit: u32) -> Result<Vec<FoundRepository>, EngineError> {
        let path = format!("/images/search?term={}&limit={limit}", escaped(term));
        self.json_whenever(Method::GET, &path, None).await
    }
}
