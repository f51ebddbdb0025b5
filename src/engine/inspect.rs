//! The engine's description of a container, put into our words.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use crate::container::port::Protocol;
use crate::container::status::{BoundPort, State, Status};

/// What is read of the engine's answer to an inspection.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    id: String,
    state: Told,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    host_config: HostConfig,
    #[serde(default)]
    restart_count: i64,
    #[serde(default)]
    log_path: String,
    #[serde(default)]
    network_settings: NetworkSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    status: String,
    #[serde(default)]
    pid: u32,
    exit_code: Option<i64>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    finished_at: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    health: Option<Health>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    tty: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    restart_policy: RestartPolicy,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RestartPolicy {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: String,
    host_port: String,
}

impl Inspected {
    /// The container's state, in our words.
    pub(super) fn into_state(self) -> State {
        let told = self.state;
        let status = status(&told.status, &self.host_config.restart_policy.name);
        let has_ended = matches!(status, Status::Exited | Status::Dead | Status::Restarting);
        let health = told.health.map(|health| health.status).filter(|health| health != "none");
        State {
            status,
            engine_id: Some(self.id),
            pid: Some(told.pid).filter(|pid| *pid > 0),
            exit_code: told.exit_code.filter(|_| has_ended),
            health: health.filter(|health| !health.is_empty()),
            started_at: time(told.started_at),
            finished_at: time(told.finished_at),
            restart_count: self.restart_count,
            oom_killed: told.oom_killed,
            error: Some(told.error).filter(|error| !error.is_empty()),
            logfile: Some(self.log_path).filter(|path| !path.is_empty()),
            tty: self.config.tty,
            ports: self.network_settings.ports.map(bound_ports).unwrap_or_default(),
        }
    }
}

/// A status in our words. `initialized`, `stopping` and `stopped` are Podman's: the last is what has ended and
/// was not cleaned up after yet, upon which it is started again where its policy says so.
fn status(word: &str, restart_policy: &str) -> Status {
    match word {
        "removing" => Status::Dead,
        "initialized" => Status::Created,
        "stopping" => Status::Running,
        "stopped" if ["always", "unless-stopped"].contains(&restart_policy) => Status::Restarting,
        "stopped" => Status::Exited,
        word => Status::parse(word).unwrap_or(Status::Dead),
    }
}

/// A time of the engine; the year 1 stands for "never".
fn time(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty() && !text.starts_with("0001-"))
}

/// An address of the host. Podman leaves it empty where Docker names the one that stands for all.
fn address(text: &str) -> Option<IpAddr> {
    if text.is_empty() { Some(Ipv4Addr::UNSPECIFIED.into()) } else { text.parse().ok() }
}

fn bound_ports(map: BTreeMap<String, Option<Vec<Binding>>>) -> Vec<BoundPort> {
    let mut ports = Vec::new();
    for (key, bindings) in map {
        let Some((container, protocol)) = key.split_once('/') else { continue };
        let (Ok(container), Some(protocol)) = (container.parse(), Protocol::parse(protocol)) else {
            continue;
        };
        for binding in bindings.unwrap_or_default() {
            if let (Ok(host), Some(host_ip)) = (binding.host_port.parse(), address(&binding.host_ip)) {
                ports.push(BoundPort { host_ip, host, container, protocol });
            }
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::{Ipv4Addr, Status, address, status};

    #[test]
    fn an_empty_address_is_every_one() {
        assert_eq!(address(""), Some(Ipv4Addr::UNSPECIFIED.into()));
        assert_eq!(address("127.0.0.1"), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(address("nowhere"), None);
    }

    #[test]
    fn podman_s_words_are_put_into_ours() {
        assert_eq!(status("stopped", "no"), Status::Exited);
        assert_eq!(status("stopped", "always"), Status::Restarting);
        assert_eq!(status("stopping", "no"), Status::Running);
        assert_eq!(status("initialized", "no"), Status::Created);
        assert_eq!(status("exited", "always"), Status::Exited);
        assert_eq!(status("a word of tomorrow", "no"), Status::Dead);
    }
}
