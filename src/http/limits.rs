//! The limits of a container, as requests and answers have them in the `OpenAPI` document.

use serde::Serialize;
use utoipa::ToSchema;

use super::schemas;
use crate::container::spec::Resources;

/// Limits; what is not there is not limited. Unknown fields are refused. They are judged together:
/// `cpus` stands neither beside `cpu_period` nor beside `cpu_quota`, `memory_swap` needs `memory` and is at least as
/// much, and `memory_reservation` is at most as much. What the engine or its host lacks is a 501.
#[derive(ToSchema)]
#[schema(as = WantedResources)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "stands in the OpenAPI document only")]
pub struct WantedResources {
    /// Processor time, in processors; at most those of the host.
    #[schema(minimum = 0.01, example = 1.0)]
    cpus: Option<f64>,
    /// The share of processor time when it is scarce, relative to other containers; the engine's own is 1024.
    #[schema(minimum = 2, maximum = 262_144, example = 512)]
    cpu_shares: Option<i64>,
    /// The processors it may run on: numbers and ranges of them, from 0 on; of a range the lower one first.
    #[schema(schema_with = schemas::cpuset, required = false)]
    cpuset_cpus: Option<String>,
    /// The period that `cpu_quota` is of, in microseconds.
    #[schema(minimum = 1000, maximum = 1_000_000, example = 100_000)]
    cpu_period: Option<i64>,
    /// Processor time in each period, in microseconds; -1: no limit.
    #[schema(schema_with = schemas::cpu_quota, required = false)]
    cpu_quota: Option<i64>,
    /// Memory as Compose writes it (`512m`, `1.5g`) or in bytes; at least 6 MiB.
    #[schema(schema_with = schemas::memory, required = false)]
    memory: Option<String>,
    /// What its memory is pushed back to when memory is scarce, likewise; at most `memory`.
    #[schema(schema_with = schemas::memory, required = false)]
    memory_reservation: Option<String>,
    /// Memory and swap together, likewise; at least `memory`, which it needs; -1: no limit to swap. Without it
    /// there is as much swap as memory.
    #[schema(schema_with = schemas::memory_swap, required = false)]
    memory_swap: Option<String>,
    /// How readily its memory is swapped out, in percent. For no swap at all set `memory_swap` to `memory`.
    #[schema(minimum = 1, maximum = 100, example = 10)]
    memory_swappiness: Option<i64>,
    /// The most processes and threads at a time.
    #[schema(minimum = 1, maximum = 4_194_304, example = 256)]
    pids: Option<i64>,
    /// The share of block device time, relative to other containers.
    #[schema(minimum = 10, maximum = 1000, example = 300)]
    blkio_weight: Option<i64>,
    /// The size of `/dev/shm`, as Compose writes it or in bytes; the engine's own is 64m.
    #[schema(schema_with = schemas::shm_size, required = false)]
    shm_size: Option<String>,
}

/// Limits; what is not there is not limited.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Resources)]
pub struct ResourcesBody {
    /// Processor time, in processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1.0)]
    pub cpus: Option<f64>,
    /// The share of processor time when it is scarce.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 512)]
    pub cpu_shares: Option<i64>,
    /// The processors it may run on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "0-1")]
    pub cpuset_cpus: Option<String>,
    /// The period that `cpu_quota` is of, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 100_000)]
    pub cpu_period: Option<i64>,
    /// Processor time in each period, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 50_000)]
    pub cpu_quota: Option<i64>,
    /// Memory, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "512m")]
    pub memory: Option<String>,
    /// What its memory is pushed back to when memory is scarce, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "256m")]
    pub memory_reservation: Option<String>,
    /// Memory and swap together, as it was asked for; `-1`: no limit to swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "1g")]
    pub memory_swap: Option<String>,
    /// How readily its memory is swapped out, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 10)]
    pub memory_swappiness: Option<i64>,
    /// The most processes and threads at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 256)]
    pub pids: Option<i64>,
    /// The share of block device time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 300)]
    pub blkio_weight: Option<i64>,
    /// The size of `/dev/shm`, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "64m")]
    pub shm_size: Option<String>,
}

impl From<Resources> for ResourcesBody {
    fn from(resources: Resources) -> Self {
        Self {
            cpus: resources.cpus,
            cpu_shares: resources.cpu_shares,
            cpuset_cpus: resources.cpuset_cpus,
            cpu_period: resources.cpu_period,
            cpu_quota: resources.cpu_quota,
            memory: resources.memory,
            memory_reservation: resources.memory_reservation,
            memory_swap: resources.memory_swap,
            memory_swappiness: resources.memory_swappiness,
            pids: resources.pids,
            blkio_weight: resources.blkio_weight,
            shm_size: resources.shm_size,
        }
    }
}
