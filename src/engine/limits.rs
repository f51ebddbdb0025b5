//! The limits of a container that there is: Compose has no verb for them.

use hyper::Method;
use serde_json::{Map, Value};

use super::{Engine, EngineError};
use crate::container::resources::LiveLimits;

/// The label in which Compose keeps the hash of what it made a container of.
const COMPOSE_HASH: &str = "com.docker.compose.config-hash";

impl Engine {
    /// Sets limits of a container as it is, all of them or none.
    pub async fn set_limits(&self, engine_id: &str, limits: &LiveLimits) -> Result<(), EngineError> {
        let path = format!("/containers/{engine_id}/update");
        let answer: Value = self.socket().json(Method::POST, &path, Some(&request(limits))).await?;
        for warning in answer["Warnings"].as_array().into_iter().flatten() {
            tracing::warn!(engine_id, %warning, "the engine warns of a change of limits");
        }
        Ok(())
    }

    /// Compose's own hash of what it made a container of.
    pub async fn compose_hash(&self, engine_id: &str) -> Result<Option<String>, EngineError> {
        let path = format!("/containers/{engine_id}/json");
        let inspected: Value = self.socket().json(Method::GET, &path, None).await?;
        Ok(inspected["Config"]["Labels"][COMPOSE_HASH].as_str().map(str::to_owned))
    }
}

fn request(limits: &LiveLimits) -> Value {
    let numbers = [
        ("NanoCpus", limits.nano_cpus),
        ("CpuShares", limits.cpu_shares),
        ("CpuPeriod", limits.cpu_period),
        ("CpuQuota", limits.cpu_quota),
        ("Memory", limits.memory),
        ("MemoryReservation", limits.memory_reservation),
        ("MemorySwap", limits.memory_swap),
        ("PidsLimit", limits.pids),
        ("BlkioWeight", limits.blkio_weight),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), number?.into())));
    let mut request: Map<String, Value> = numbers.collect();
    request.extend(limits.cpuset_cpus.clone().map(|cpus| ("CpusetCpus".to_owned(), cpus.into())));
    request.into()
}
