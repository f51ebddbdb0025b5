//! What the daemon counts and measures of itself, for whoever watches it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::host::{self, ProcessFacts};
use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::engine::EngineHealth;

/// The figures of one moment.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Whether the engine answers.
    pub is_engine_up: bool,
    /// How long ago the states in memory were last known to be true; none before they were ever read.
    pub live_view_age: Option<Duration>,
    /// Whether the daemon can do its work.
    pub is_able: bool,
    /// How many things are wrong.
    pub problems: usize,
    /// Whether the last line of the audit log could not be written.
    pub is_audit_failing: bool,
    /// How many containers have which status.
    pub containers: BTreeMap<&'static str, usize>,
    /// How many containers have a change that runs or waits.
    pub changing: usize,
    /// How many terminals are open, and commands run.
    pub terminals: usize,
    /// What was typed in all terminals so far, in bytes.
    pub typed: u64,
    /// What was printed in all terminals so far, in bytes.
    pub printed: u64,
    /// How many streams are open.
    pub streams: usize,
    /// The engine's version, once it has answered.
    pub engine_version: Option<String>,
    /// Compose's version.
    pub compose_version: String,
    /// The daemon's own process; none where the kernel does not tell.
    pub process: Option<ProcessFacts>,
}

impl Service {
    /// The figures of this moment, from memory. They are of the whole host, and so not for a limited caller.
    pub async fn figures(&self, principal: &Principal) -> Result<Figures> {
        if principal.is_limited() {
            let message =
                "the figures are of the whole host: ask with a token that is not limited to containers";
            return Err(Error::new(Code::NotYours, message));
        }
        let health = self.health(principal);
        let terminals = &self.parts.terminals;
        Ok(Figures {
            is_engine_up: matches!(self.parts.live.health(), EngineHealth::Up(_)),
            live_view_age: self.parts.live.age(),
            is_able: health.is_able,
            problems: health.problems.len(),
            is_audit_failing: self.parts.health.audit.is_failing(),
            containers: health.containers,
            changing: self.turns.count(),
            terminals: terminals.count(),
            typed: terminals.traffic().typed(),
            printed: terminals.traffic().printed(),
            streams: self.parts.streams.count(),
            engine_version: health.engine_version,
            compose_version: health.compose_version,
            process: tokio::task::spawn_blocking(host::own_process).await.ok().flatten(),
        })
    }
}
