//! The typed calls to the Engine API: what the daemon asks, and the few things Compose has no verb for.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use futures_util::Stream;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::events::EventQuery;
use super::info::{Info, podman_lacks};
use super::inspect::Inspected;
use super::socket::escaped;
use super::{EngineError, EngineSocket};
use crate::container::compose_file::CUID_LABEL;
use crate::container::resources::LimitSet;
use crate::container::status::State;
use crate::container::{Cuid, EngineKind};

/// The newest API version whose answers were tried; an engine that speaks less is spoken to in its own.
const NEWEST: (u32, u32) = (1, 44);

/// The events after which a container's state is not what it was. Podman says `died` and `remove` where Docker
/// says `die` and `destroy`.
const STATE_EVENTS: [&str; 15] = [
    "create",
    "start",
    "restart",
    "die",
    "died",
    "stop",
    "kill",
    "pause",
    "unpause",
    "destroy",
    "remove",
    "oom",
    "rename",
    "update",
    "health_status",
];

/// The header in which Podman's service says its own version.
const PODMANS_VERSION: &str = "libpod-api-version";

/// What the engine says of itself.
#[derive(Clone, Debug)]
pub struct EngineFacts {
    /// Which engine it is.
    pub kind: EngineKind,
    /// The engine's version.
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api_version: String,
    /// The processors of its host.
    pub cpus: Option<u32>,
    /// The limits that it would drop.
    pub lacks: LimitSet,
    /// Whether it counts what a container sends as received, and the other way round.
    pub swaps_network: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
    api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    id: String,
    name: String,
    created: String,
}

/// The engine behind a unix socket.
#[derive(Debug)]
pub struct Engine {
    path: PathBuf,
    timeout: Duration,
    api_version: RwLock<String>,
}

impl Engine {
    /// An engine behind a unix socket, which has `timeout` to answer. Nothing is asked of it yet.
    #[must_use]
    pub const fn at(path: PathBuf, timeout: Duration) -> Self {
        Self { path, timeout, api_version: RwLock::new(String::new()) }
    }

    /// The path of its socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its socket, and the version of the API that is spoken on it.
    #[must_use]
    pub fn socket(&self) -> EngineSocket {
        let api_version = self.api_version.read().unwrap_or_else(PoisonError::into_inner).clone();
        EngineSocket { api_version, ..self.unversioned() }
    }

    fn unversioned(&self) -> EngineSocket {
        EngineSocket { path: self.path.clone(), api_version: String::new(), timeout: self.timeout }
    }

    /// Asks for a sign of life, which has to come in a third of the time of an answer: with the 10 s that are
    /// usual, what hangs is seen within five, and what is only busy is not taken for it.
    pub async fn ping(&self) -> Result<(), EngineError> {
        // Without a version: an engine that was replaced may not speak the one that was agreed on.
        let ping = self.unversioned();
        let answer = tokio::time::timeout(self.timeout / 3, ping.command(Method::GET, "/_ping", None)).await;
        answer.unwrap_or(Err(EngineError::Timeout))
    }

    /// Asks the engine what it is, and agrees on the version of the API.
    pub async fn connect(&self) -> Result<EngineFacts, EngineError> {
        let greeting = self.unversioned().head(Method::GET, "/_ping").await?;
        let told = |name| greeting.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let facts = match (told(PODMANS_VERSION), told("api-version")) {
            (Some(version), Some(api_version)) => podmans_facts(version, api_version),
            _ => self.dockers_facts().await?,
        };
        self.agree(&facts.api_version);
        Ok(facts)
    }

    async fn dockers_facts(&self) -> Result<EngineFacts, EngineError> {
        let Version { version, api_version } = self.unversioned().json(Method::GET, "/version", None).await?;
        self.agree(&api_version);
        let info: Info = self.socket().json(Method::GET, "/info", None).await?;
        let lacks = self.docker_lacks(&info).await?;
        Ok(EngineFacts {
            kind: EngineKind::Docker,
            version,
            api_version,
            cpus: info.cpus,
            lacks,
            swaps_network: false,
        })
    }

    fn agree(&self, engines: &str) {
        *self.api_version.write().unwrap_or_else(PoisonError::into_inner) = lower(engines);
    }

    /// The present state of a container; [`State::missing`] when the engine does not have it.
    pub async fn state(&self, cuid: Cuid) -> Result<State, EngineError> {
        let answer: Result<Inspected, _> =
            self.socket().json(Method::GET, &format!("/containers/{cuid}/json"), None).await;
        match answer {
            Ok(inspected) => Ok(inspected.into_state()),
            Err(error) if error.status() == Some(404) => Ok(State::missing()),
            Err(error) => Err(error),
        }
    }

    /// Lets a frozen container go on.
    pub async fn unpause(&self, cuid: Cuid) -> Result<(), EngineError> {
        self.socket().command(Method::POST, &format!("/containers/{cuid}/unpause"), None).await
    }

    /// The cuids of all containers of the engine that bear one.
    pub async fn cuids(&self) -> Result<Vec<Cuid>, EngineError> {
        let filters = json!({"label": [CUID_LABEL]}).to_string();
        let path = format!("/containers/json?all=1&filters={}", escaped(&filters));
        let list: Vec<Value> = self.socket().json(Method::GET, &path, None).await?;
        let labels = list.iter().filter_map(|container| container["Labels"][CUID_LABEL].as_str());
        Ok(labels.filter_map(|text| text.parse().ok()).collect())
    }

    /// The cuids of containers as their states change, from `since` (Unix seconds) on. With Docker the events
    /// are subscribed to when this answers; Podman answers with the first event only, however late.
    pub async fn changes(
        &self,
        kind: EngineKind,
        since: i64,
    ) -> Result<impl Stream<Item = Result<Cuid, EngineError>> + use<>, EngineError> {
        let query = EventQuery {
            kinds: vec!["container"],
            actions: &STATE_EVENTS,
            label: Some(CUID_LABEL.to_owned()),
            container: None,
            since: jiff::Timestamp::from_second(since).ok(),
            until: None,
        };
        let events = self.socket().events(kind, &query).await?;
        Ok(futures_util::stream::try_unfold(events, |mut events| async move {
            while let Some(event) = events.next().await? {
                let cuid = event.actor.attributes.get(CUID_LABEL).and_then(|text| text.parse().ok());
                if let Some(cuid) = cuid {
                    return Ok(Some((cuid, events)));
                }
            }
            Ok(None)
        }))
    }

    /// Makes the bridge network that all containers share, cut off from each other, unless it is there.
    pub async fn ensure_network(&self, name: &str) -> Result<(), EngineError> {
        if !self.networks_named(name).await?.is_empty() {
            return Ok(());
        }
        let request = json!({
            "Name": name,
            "CheckDuplicate": true,
            "Driver": "bridge",
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
        });
        self.make_network(name, &request).await
    }

    /// Makes a network; one of its name that is there already is taken for it.
    pub(super) async fn make_network(&self, name: &str, request: &Value) -> Result<(), EngineError> {
        match self.socket().command(Method::POST, "/networks/create", Some(request)).await {
            Err(EngineError::Api { status: 409, .. }) => return Ok(()),
            result => result?,
        }
        // Two daemons that start at once can still make two, and Compose does not take that: the older stays.
        for duplicate in self.networks_named(name).await?.into_iter().skip(1) {
            let path = format!("/networks/{}", escaped(&duplicate));
            if let Err(error) = self.socket().command(Method::DELETE, &path, None).await {
                tracing::warn!(name, %error, "a second network of this name could not be removed");
            }
        }
        Ok(())
    }

    /// The ids of the networks of this name, the oldest first.
    async fn networks_named(&self, name: &str) -> Result<Vec<String>, EngineError> {
        let filters = json!({"name": [name]}).to_string();
        let path = format!("/networks?filters={}", escaped(&filters));
        let mut networks: Vec<Network> = self.socket().json(Method::GET, &path, None).await?;
        networks.retain(|network| network.name == name);
        networks.sort_by(|one, other| (&one.created, &one.id).cmp(&(&other.created, &other.id)));
        Ok(networks.into_iter().map(|network| network.id).collect())
    }
}

/// What Podman says of itself in a header. Its `/version` and `/info` take seconds on a busy host, since they
/// ask the package manager; its socket is on this host, whose processors are known without it.
fn podmans_facts(version: String, api_version: String) -> EngineFacts {
    let cpus = std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok());
    let (kind, lacks, swaps_network) = (EngineKind::Podman, podman_lacks(), is_older(&version, (4, 4)));
    EngineFacts { kind, version, api_version, cpus, lacks, swaps_network }
}

/// Whether a version is before `major.minor`; one that cannot be read is taken for a new one.
fn is_older(version: &str, than: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < than)
}

/// The lower of the engine's API version and the newest that was tried.
fn lower(engines: &str) -> String {
    let parts =
        engines.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let (major, minor) = parts.map_or(NEWEST, |own: (u32, u32)| own.min(NEWEST));
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(is_older("4.3.1", (4, 4)) && is_older("3.9.0", (4, 4)));
        for version in ["4.4.0", "4.10.1", "5.0.0-rc1", "of tomorrow", ""] {
            assert!(!is_older(version, (4, 4)), "{version}");
        }
    }
}
