//! The daemon, its engine, its host.

use super::catalog::Known;
use super::host::{self, HostFacts};
use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::EngineKind;
use crate::container::status::Status;
use crate::engine::system::{EngineInfo, EngineVersion};

/// What the daemon and what it stands on are.
#[derive(Clone, Debug)]
pub struct Versions {
    /// Which engine it is.
    pub kind: EngineKind,
    /// The engine's; none while it does not answer.
    pub engine: Option<EngineVersion>,
    /// Compose's version.
    pub compose: String,
}

/// All that there is to tell of the place that the daemon runs at.
#[derive(Clone, Debug)]
pub struct Info {
    /// Which engine it is.
    pub kind: EngineKind,
    /// Its version.
    pub engine: EngineVersion,
    /// What the engine tells of its host and store.
    pub told: EngineInfo,
    /// What the kernel tells of the host.
    pub host: HostFacts,
    /// Compose's version.
    pub compose: String,
}

impl Service {
    /// The versions of everything that takes part.
    pub async fn versions(&self) -> Versions {
        let engine = match self.engine_must_answer() {
            Ok(()) => self.parts.engine.version().await.ok(),
            Err(_) => None,
        };
        Versions { kind: self.engine_kind(), engine, compose: self.parts.health.compose_version.clone() }
    }

    /// Host, engine, compose and store; a limited caller is told how many containers there are that it knows of.
    pub async fn info(&self, principal: &Principal) -> Result<Info> {
        self.engine_must_answer()?;
        let engine = &self.parts.engine;
        let (engine, mut told) = tokio::try_join!(engine.version(), engine.info())?;
        let host = tokio::task::spawn_blocking(host::read).await.ok().flatten();
        let host = host.ok_or_else(|| Error::new(Code::IoFailed, "the memory of the host cannot be read"))?;
        if principal.is_limited() {
            let is_there = |known: &Known| self.parts.live.state(known.cuid).status != Status::Missing;
            told.containers = self.seen_by(principal).iter().filter(|known| is_there(known)).count() as u64;
        }
        Ok(Info {
            kind: self.engine_kind(),
            engine,
            told,
            host,
            compose: self.parts.health.compose_version.clone(),
        })
    }
}
