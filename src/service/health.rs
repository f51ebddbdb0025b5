//! Whether the daemon can do its work.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::Service;
use crate::access::Principal;
use crate::audit::Audit;
use crate::container::status::Status;
use crate::engine::EngineHealth;

/// How long a change that did not end in time is held against the engine, when no other has succeeded since.
const STUCK_FOR: Duration = Duration::from_secs(300);

/// What the telling of health needs beside the rooms.
pub struct HealthSettings {
    /// Compose's version, as it was at the start.
    pub compose_version: String,
    /// When the daemon was started.
    pub started: Instant,
    /// The audit log.
    pub audit: Arc<Audit>,
}

/// How the daemon is.
#[derive(Clone, Debug)]
pub struct Health {
    /// What is wrong; empty when nothing is.
    pub problems: Vec<String>,
    /// Whether it can do its work all the same.
    pub is_able: bool,
    /// Compose's version.
    pub compose_version: String,
    /// The engine's version, once it has answered.
    pub engine_version: Option<String>,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// How many containers that the caller knows of have which status.
    pub containers: BTreeMap<&'static str, usize>,
}

impl Service {
    /// Tells how the daemon is, from memory.
    #[must_use]
    pub fn health(&self, principal: &Principal) -> Health {
        let mut problems = Vec::new();
        let engine_version = match self.parts.live.health() {
            EngineHealth::Up(facts) => Some(facts.version),
            EngineHealth::Down { last, reason } => {
                problems
                    .push(self.parts.redactor.clean(&format!("the engine does not answer: {reason}"), None));
                last.map(|facts| facts.version)
            }
        };
        let stuck = *self.stuck_since.lock().unwrap_or_else(PoisonError::into_inner);
        if stuck.is_some_and(|since| since.elapsed() < STUCK_FOR) {
            problems.push("the last change did not end in time".to_owned());
        }
        if self.parts.health.audit.is_failing() {
            problems.push("the audit log cannot be written".to_owned());
        }
        let is_able = problems.is_empty();
        // A token that cannot be read keeps its owner out, and no one else.
        problems.extend(self.parts.access.problems());
        Health {
            problems,
            is_able,
            compose_version: self.parts.health.compose_version.clone(),
            engine_version,
            uptime_s: self.parts.health.started.elapsed().as_secs(),
            containers: self.counts(principal),
        }
    }

    fn counts(&self, principal: &Principal) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<_, _> = Status::ALL.into_iter().map(|status| (status.as_str(), 0)).collect();
        for known in self.seen_by(principal) {
            *counts.entry(self.parts.live.state(known.cuid).status.as_str()).or_default() += 1;
        }
        counts
    }
}
