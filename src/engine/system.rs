//! What the engine tells of itself and of its host.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;

use super::{Engine, EngineError};

/// The engine's version and how it was built.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EngineVersion {
    /// Its version.
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api_version: String,
    /// The Go that built it.
    pub go_version: String,
    /// The commit it was built from.
    pub git_commit: String,
    /// When it was built (RFC 3339, or Go's own way to write a time).
    pub build_time: String,
    /// Its operating system.
    pub os: String,
    /// Its architecture, in Go's words.
    pub arch: String,
}

/// What the engine tells of its host and its store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EngineInfo {
    /// The host's name.
    pub name: String,
    /// Its kernel.
    pub kernel_version: String,
    /// Its system, `linux`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// Its architecture, in the kernel's words.
    pub architecture: String,
    /// Its processors.
    #[serde(rename = "NCPU")]
    pub cpus: u32,
    /// All containers of the engine, whoever made them.
    pub containers: u64,
    /// All images of the engine.
    pub images: u64,
    /// The storage driver.
    pub driver: String,
    /// What the driver says of itself, in pairs of name and value.
    pub driver_status: Option<Vec<(String, String)>>,
    /// The folder of the store on the host.
    pub docker_root_dir: String,
    /// What guards the containers, `name=rootless` among it.
    pub security_options: Option<Vec<String>>,
    /// The registries.
    pub registry_config: Option<RegistryConfig>,
}

/// The registries that the engine was told of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RegistryConfig {
    /// By name.
    pub index_configs: Option<BTreeMap<String, Registry>>,
    /// Networks whose registries may be spoken to without TLS.
    #[serde(rename = "InsecureRegistryCIDRs")]
    pub insecure_networks: Option<Vec<String>>,
}

/// One registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Registry {
    /// Whether it is spoken to by TLS alone.
    pub secure: bool,
}

impl Engine {
    /// Asks which engine it is.
    pub async fn version(&self) -> Result<EngineVersion, EngineError> {
        self.socket().json(Method::GET, "/version", None).await
    }

    /// Asks for what it tells of its host and its store.
    pub async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.socket().json(Method::GET, "/info", None).await
    }
}
