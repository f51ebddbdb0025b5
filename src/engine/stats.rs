//! What a container uses, as the engine counts it.

use std::collections::HashMap;

use hyper::Method;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};

use super::socket::escaped;
use super::stream::Reader;
use super::{EngineError, EngineSocket};

/// The API version from which on a sample does not wait for a second one.
const ONE_SHOT: u32 = 41;

/// What a container has used up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// When it was read.
    pub at: Timestamp,
    /// Processor time in all, in nanoseconds.
    pub cpu_nano: u64,
    /// Of it within the kernel.
    pub system_nano: u64,
    /// Memory in bytes, without the file cache that could be given back at once, as `docker stats` counts.
    pub memory: u64,
    /// The most it may have; what the host has where there is no limit.
    pub memory_limit: u64,
    /// Bytes received.
    pub net_input: u64,
    /// Bytes sent.
    pub net_output: u64,
    /// Bytes read from block devices.
    pub block_input: u64,
    /// Bytes written to them.
    pub block_output: u64,
    /// Processes and threads.
    pub pids: u64,
    /// The measurement before it, where the engine tells that: when, and the processor time up to it.
    pub before: Option<(Timestamp, u64)>,
}

impl Usage {
    /// How busy it was between two measurements, in percent of one processor.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
    pub fn cpu_since(&self, (at, cpu_nano): (Timestamp, u64)) -> f64 {
        let wall = self.at.duration_since(at).as_nanos();
        if wall <= 0 {
            return 0.0;
        }
        self.cpu_nano.saturating_sub(cpu_nano) as f64 / wall as f64 * 100.0
    }

    /// What the next measurement is compared with.
    #[must_use]
    pub const fn mark(&self) -> (Timestamp, u64) {
        (self.at, self.cpu_nano)
    }
}

#[derive(Deserialize)]
struct Told {
    read: Timestamp,
    #[serde(default)]
    preread: Option<Timestamp>,
    #[serde(default)]
    cpu_stats: Cpu,
    #[serde(default)]
    precpu_stats: Cpu,
    #[serde(default)]
    memory_stats: Memory,
    #[serde(default)]
    networks: Option<HashMap<String, Network>>,
    #[serde(default)]
    blkio_stats: Blocks,
    #[serde(default)]
    pids_stats: Pids,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cpu {
    cpu_usage: CpuUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CpuUsage {
    total_usage: u64,
    usage_in_kernelmode: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    usage: u64,
    limit: u64,
    stats: HashMap<String, u64>,
}

#[derive(Deserialize)]
struct Network {
    rx_bytes: u64,
    tx_bytes: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Blocks {
    io_service_bytes_recursive: Option<Vec<Block>>,
}

#[derive(Deserialize)]
struct Block {
    op: String,
    value: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pids {
    current: u64,
}

impl Told {
    /// Nothing for a container that does not run: the engine then counts nothing.
    fn into_usage(self) -> Option<Usage> {
        // The year 1 stands for "never"; what has run has used some time.
        if self.read.as_second() < 0 || self.cpu_stats.cpu_usage.total_usage == 0 {
            return None;
        }
        let before = self.preread.filter(|at| at.as_second() > 0);
        let networks = || self.networks.iter().flat_map(HashMap::values);
        Some(Usage {
            at: self.read,
            cpu_nano: self.cpu_stats.cpu_usage.total_usage,
            system_nano: self.cpu_stats.cpu_usage.usage_in_kernelmode,
            memory: self.memory_stats.in_use(),
            memory_limit: self.memory_stats.limit,
            net_input: networks().map(|network| network.rx_bytes).sum(),
            net_output: networks().map(|network| network.tx_bytes).sum(),
            block_input: self.blkio_stats.bytes("read"),
            block_output: self.blkio_stats.bytes("write"),
            pids: self.pids_stats.current,
            before: before.map(|at| (at, self.precpu_stats.cpu_usage.total_usage)),
        })
    }
}

impl Memory {
    /// As the Docker CLI does: cgroup v1 names the cache `total_inactive_file`, v2 `inactive_file`.
    fn in_use(&self) -> u64 {
        let cache = ["total_inactive_file", "inactive_file"].iter().find_map(|name| self.stats.get(*name));
        let cache = cache.copied().filter(|cache| *cache < self.usage).unwrap_or(0);
        self.usage - cache
    }
}

impl Blocks {
    fn bytes(&self, op: &str) -> u64 {
        let all = self.io_service_bytes_recursive.iter().flatten();
        all.filter(|block| block.op.eq_ignore_ascii_case(op)).map(|block| block.value).sum()
    }
}

/// Measurements as the engine makes them, about one a second.
pub struct Measurements {
    lines: Lines<BufReader<Reader>>,
}

impl Measurements {
    /// The next one; nothing when the container does not run any more. Nothing is lost when the future is
    /// dropped.
    pub async fn next(&mut self) -> Result<Option<Usage>, EngineError> {
        match self.lines.next_line().await.map_err(EngineError::Unavailable)? {
            Some(line) => Ok(serde_json::from_str::<Told>(&line)?.into_usage()),
            None => Ok(None),
        }
    }
}

impl EngineSocket {
    /// Whether a measurement is to be had at once.
    #[must_use]
    pub fn measures_at_once(&self) -> bool {
        self.at_least(ONE_SHOT)
    }

    /// One measurement; nothing when the container does not run. An engine that cannot do it at once takes
    /// two, a second apart, and tells both.
    pub async fn usage(&self, container: &str) -> Result<Option<Usage>, EngineError> {
        let one_shot = if self.measures_at_once() { "&one-shot=true" } else { "" };
        let path = format!("/containers/{}/stats?stream=false{one_shot}", escaped(container));
        Ok(self.json::<Told>(Method::GET, &path, None).await?.into_usage())
    }

    /// Measurements for as long as the container runs.
    pub async fn measurements(&self, container: &str) -> Result<Measurements, EngineError> {
        let path = format!("/containers/{}/stats?stream=true", escaped(container));
        let reader = self.streamed(Method::GET, &path).await?;
        Ok(Measurements { lines: BufReader::new(reader).lines() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_told_in_percent_of_one() {
        let start: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let usage = Usage {
            at: "2026-01-31T12:00:00.2Z".parse().unwrap(),
            cpu_nano: 500_000_000,
            ..Usage::default()
        };
        assert!((usage.cpu_since((start, 100_000_000)) - 200.0).abs() < 1e-9);
        assert!(usage.cpu_since(usage.mark()).abs() < 1e-9, "no time has passed");
        assert!(usage.cpu_since((start, 600_000_000)).abs() < 1e-9, "made anew in between");
    }

    #[test]
    fn a_container_that_does_not_run_has_no_usage() {
        let told: Told = serde_json::from_str(
            r#"{"read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","memory_stats":{},"networks":null}"#,
        )
        .unwrap();
        assert_eq!(told.into_usage(), None);
    }

    #[test]
    fn the_cache_is_taken_off_as_both_versions_of_cgroups_name_it() {
        for name in ["total_inactive_file", "inactive_file"] {
            let memory = Memory { usage: 100, limit: 200, stats: HashMap::from([(name.to_owned(), 30)]) };
            assert_eq!(memory.in_use(), 70, "{name}");
        }
    }
}
