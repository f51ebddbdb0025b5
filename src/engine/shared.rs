//! Networks and volumes that containers name: made with a label of ours, and never taken for ours without it.

use std::collections::HashMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::socket::escaped;
use super::{Engine, EngineError};
use crate::container::compose_file::OwnVolume;
use crate::container::{Cuid, rules};

/// The label of networks that were made because a container named them.
const NETWORK_LABEL: &str = "io.wharfinger.network";
/// The label of volumes that were made because a container named them.
const VOLUME_LABEL: &str = "io.wharfinger.volume";
/// The label that says for which container a network or a volume was made first.
const MADE_FOR: &str = "io.wharfinger.made-for";

/// Whose a network or a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    /// It was made for containers of ours.
    Ours,
    /// Someone else made it.
    Foreign,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Labelled {
    /// Networks have one; volumes have their name alone.
    id: String,
    name: String,
    labels: Option<HashMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WithMounts {
    mounts: Vec<Mount>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    name: String,
    destination: String,
}

impl Labelled {
    fn owned(&self, label: &str) -> Owned {
        let is_ours =
            self.labels.as_ref().is_some_and(|labels| labels.get(label).is_some_and(|is| is == "true"));
        if is_ours { Owned::Ours } else { Owned::Foreign }
    }
}

impl Engine {
    /// Whose network this is; none: the engine has no network of this name.
    pub async fn shared_network(&self, name: &str) -> Result<Option<Owned>, EngineError> {
        let networks = self.labelled_networks(name).await?;
        Ok(networks.first().map(|network| network.owned(NETWORK_LABEL)))
    }

    /// The networks of exactly this name; there should be one at most.
    async fn labelled_networks(&self, name: &str) -> Result<Vec<Labelled>, EngineError> {
        let filters = json!({"name": [name]}).to_string();
        let path = format!("/networks?filters={}", escaped(&filters));
        let mut networks: Vec<Labelled> = self.socket().json(Method::GET, &path, None).await?;
        // The filter takes a part of a name as well.
        networks.retain(|network| network.name == name);
        Ok(networks)
    }

    /// Makes a bridge network whose containers reach one another, unless it is there.
    pub async fn make_shared_network(&self, name: &str, cuid: Cuid) -> Result<(), EngineError> {
        let request = json!({
            "Name": name,
            "CheckDuplicate": true,
            "Driver": "bridge",
            "Labels": labels(NETWORK_LABEL, cuid),
        });
        self.make_network(name, &request).await
    }

    /// Removes a network that was made for containers of ours; says whether it is gone. One that is in use
    /// stays.
    pub async fn remove_shared_network(&self, name: &str) -> Result<bool, EngineError> {
        let networks = self.labelled_networks(name).await?;
        let Some(ours) = networks.iter().find(|network| network.owned(NETWORK_LABEL) == Owned::Ours) else {
            return Ok(false);
        };
        // By its id: the engine could take a name for the id of another one.
        self.remove(&format!("/networks/{}", escaped(&ours.id))).await
    }

    /// Whose volume this is; none: the engine has no volume of this name.
    pub async fn volume(&self, name: &str) -> Result<Option<Owned>, EngineError> {
        let path = format!("/volumes/{}", escaped(name));
        match self.socket().json::<Labelled>(Method::GET, &path, None).await {
            Ok(volume) => Ok(Some(volume.owned(VOLUME_LABEL))),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a volume; one that is there already stays as it is. Says whose it then is.
    pub async fn make_volume(&self, name: &str, cuid: Cuid) -> Result<Owned, EngineError> {
        let request = json!({"Name": name, "Labels": labels(VOLUME_LABEL, cuid)});
        let volume: Labelled = self.socket().json(Method::POST, "/volumes/create", Some(&request)).await?;
        Ok(volume.owned(VOLUME_LABEL))
    }

    /// Removes a volume; says whether it is gone. One that is in use stays.
    pub async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        self.remove(&format!("/volumes/{}", escaped(name))).await
    }

    /// The volumes of a container that no one named. Once Compose has made the container anew, they are named
    /// ones to the engine, and no longer go with it.
    pub async fn anonymous_volumes(&self, cuid: Cuid) -> Result<Vec<OwnVolume>, EngineError> {
        let path = format!("/containers/{cuid}/json");
        let container: WithMounts = match self.socket().json(Method::GET, &path, None).await {
            Err(error) if error.status() == Some(404) => WithMounts::default(),
            result => result?,
        };
        let volumes = container.mounts.into_iter().filter(|mount| mount.kind == "volume");
        let volumes = volumes.map(|mount| OwnVolume { target: mount.destination, name: mount.name });
        Ok(volumes.filter(|volume| rules::is_engine_id(&volume.name)).collect())
    }

    async fn remove(&self, path: &str) -> Result<bool, EngineError> {
        match self.socket().command(Method::DELETE, path, None).await {
            Ok(()) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(true),
            Err(EngineError::Api { status: 403 | 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn labels(kind: &str, cuid: Cuid) -> Value {
    json!({kind: "true", MADE_FOR: cuid.to_string()})
}
