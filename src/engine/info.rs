//! Which limits an engine would drop: it takes them and says so in a warning, which no one sees.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Engine, EngineError};
use crate::container::resources::{Limit, LimitSet};

/// A file that only version 2 of cgroups has.
const CGROUP_2: &str = "/sys/fs/cgroup/cgroup.controllers";

/// What is read of `/info`. What an engine does not say is not lacking.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Info {
    #[serde(rename = "NCPU")]
    pub(super) cpus: Option<u32>,
    cgroup_version: String,
    memory_limit: Option<bool>,
    swap_limit: Option<bool>,
    cpu_cfs_period: Option<bool>,
    cpu_cfs_quota: Option<bool>,
    #[serde(rename = "CPUShares")]
    cpu_shares: Option<bool>,
    #[serde(rename = "CPUSet")]
    cpu_set: Option<bool>,
    pids_limit: Option<bool>,
    warnings: Option<Vec<String>>,
}

/// What `/info` says plainly.
fn told(info: &Info) -> LimitSet {
    let lacks_blkio =
        info.warnings.iter().flatten().any(|warning| warning.contains("No blkio weight support"));
    let told = [
        (Limit::Memory, info.memory_limit),
        (Limit::MemoryReservation, info.memory_limit),
        (Limit::MemorySwap, info.swap_limit),
        (Limit::CpuPeriod, info.cpu_cfs_period),
        (Limit::CpuQuota, info.cpu_cfs_quota),
        (Limit::Cpus, info.cpu_cfs_quota),
        (Limit::CpuShares, info.cpu_shares),
        (Limit::CpusetCpus, info.cpu_set),
        (Limit::Pids, info.pids_limit),
        (Limit::BlkioWeight, Some(!lacks_blkio)),
    ];
    told.into_iter().filter(|(_, has)| *has == Some(false)).map(|(limit, _)| limit).collect()
}

/// What Podman would drop: it refuses what it cannot do, but there is no swappiness in cgroup v2. Its `/info`
/// looks for the files of v1 and so denies every limit on v2.
pub(super) fn podman_lacks() -> LimitSet {
    let is_v2 = rustix::fs::stat(CGROUP_2).is_ok();
    is_v2.then_some(Limit::MemorySwappiness).into_iter().collect()
}

impl Engine {
    /// The limits that Docker would drop.
    pub(super) async fn docker_lacks(&self, info: &Info) -> Result<LimitSet, EngineError> {
        let mut lacks = told(info);
        if info.cgroup_version == "2" {
            // There is no such file in v2.
            lacks.insert(Limit::MemorySwappiness);
        } else if self.drops_blkio_weight().await? {
            lacks.insert(Limit::BlkioWeight);
        }
        Ok(lacks)
    }

    /// Whether Docker drops a weight of block devices, of which `/info` says nothing on cgroup v1. It is asked
    /// for a container that cannot be made: where it knows weights, this one is out of range (400), and where it
    /// does not, it drops it and finds that there is no such image (404).
    async fn drops_blkio_weight(&self) -> Result<bool, EngineError> {
        let image = format!("sha256:{:064}", 0);
        let request = json!({"Image": image, "HostConfig": {"BlkioWeight": 1}});
        let socket = self.socket();
        match socket.json::<Value>(Method::POST, "/containers/create", Some(&request)).await {
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) => Ok(error.status() == Some(404)),
            Ok(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Info, Limit, told};

    fn info(text: &str) -> Info {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_the_engine_says_it_lacks_is_known_by_the_names_of_the_limits() {
        let full = r#"{"NCPU": 2, "MemoryLimit": true, "SwapLimit": true, "CpuCfsQuota": true, "CPUShares": true,
            "CPUSet": true, "PidsLimit": true, "CpuCfsPeriod": true, "Warnings": null, "CgroupVersion": "1"}"#;
        assert_eq!(told(&info(full)).iter().count(), 0);
        assert_eq!(told(&info("{}")).iter().count(), 0);
        let lacking = r#"{"SwapLimit": false, "CPUSet": false, "CpuCfsQuota": false,
            "Warnings": ["WARNING: No blkio weight support"]}"#;
        let lacks: Vec<Limit> = told(&info(lacking)).iter().collect();
        let expected =
            [Limit::Cpus, Limit::CpusetCpus, Limit::CpuQuota, Limit::MemorySwap, Limit::BlkioWeight];
        assert_eq!(lacks, expected);
    }
}
