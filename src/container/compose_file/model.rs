//! The shape of `compose.yaml`: what we write, and what we read of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::container::port::Protocol;

#[derive(Serialize, Deserialize)]
pub(super) struct ComposeFile {
    pub(super) name: String,
    pub(super) services: BTreeMap<String, Service>,
    #[serde(default)]
    pub(super) networks: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) volumes: BTreeMap<String, Value>,
    #[serde(rename = "x-wharfinger")]
    pub(super) extension: Extension,
    /// What a person has added.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Service {
    pub(super) image: String,
    pub(super) container_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) working_dir: Option<String>,
    /// A list of `NAME=value`: as keys of a mapping, Compose takes names that begin with `x-` for its own.
    pub(super) environment: Value,
    /// A list as well, for the same reason.
    pub(super) labels: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<ServicePort>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volumes: Vec<Value>,
    pub(super) restart: String,
    /// The limits, and what is the same for every container, unless a person has changed or added something.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ServicePort {
    pub(super) target: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) published: Option<Value>,
    pub(super) protocol: Protocol,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host_ip: Option<IpAddr>,
    pub(super) mode: String,
}

/// What Compose has no field for.
#[derive(Serialize, Deserialize)]
pub(super) struct Extension {
    pub(super) created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// Whether the service runs `boot.py`.
    #[serde(default)]
    pub(super) boots: bool,
    /// Whether it runs systemd, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) systemd: Option<bool>,
    /// Which of the options that every container has were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) asked: Vec<String>,
    /// Which of `entrypoint` and `command` were given as one string.
    #[serde(default)]
    pub(super) shell_form: Vec<String>,
    /// What the daemon filled in, and is no part of what was asked for: names of variables as `env.NAME`,
    /// and the service's own fields.
    #[serde(default)]
    pub(super) filled_in: Vec<String>,
    /// See [`super::Definition::limits_set_live`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limits_set_live: Option<String>,
}
