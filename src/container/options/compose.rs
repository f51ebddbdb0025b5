//! The options in a compose file and back: what was asked for, and what is filled in around it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::logging::{ROTATION, is_rotated};
use super::storage::{mount_of_compose, mount_to_compose, tmpfs_target};
use super::{OPTIONS, Options};
use crate::container::violation::Violations;

/// The signal that tells systemd to end in order.
const SYSTEMD_STOP: &str = "SIGRTMIN+3";
/// What systemd wants to find empty, with what it mounts them with itself.
const SYSTEMD_TMPFS: [&str; 3] = ["/run:exec,mode=755", "/run/lock", "/tmp:exec"];
/// What every container has unless the administrator allowed otherwise.
const DROPPED: &str = "MKNOD";
const NO_NEW_PRIVILEGES: &str = "no-new-privileges:true";
/// The options that are there also when no one asked for them: which of them were asked for is kept apart.
const FILLED: [&str; 6] = ["init", "cap_drop", "security_opt", "logging", "stop_signal", "tmpfs"];
/// What keeps a container from the host: what a person made of it stays as it is.
const GUARDS: [&str; 2] = ["cap_drop", "security_opt"];

/// What of a container decides its options' place in the file.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) mount_path: Option<&'a str>,
    /// The container's name, which others on its network know it by.
    pub(crate) name: Option<&'a str>,
}

/// The options, as they stand in a compose file.
#[derive(Default)]
pub(crate) struct Parts {
    /// Fields of the service.
    pub(crate) service: Map<String, Value>,
    /// The service's volumes.
    pub(crate) mounts: Vec<Value>,
    /// The file's own volumes.
    pub(crate) volumes: BTreeMap<String, Value>,
    /// The file's networks; none: the default one.
    pub(crate) networks: Option<BTreeMap<String, Value>>,
    /// Which of the options that are always there were asked for.
    pub(crate) asked: Vec<String>,
    /// What was filled in.
    pub(crate) filled_in: Vec<String>,
}

/// Puts the options into the words of a compose file.
pub(crate) fn render(options: &Options, around: Around<'_>) -> Parts {
    let mut parts = Parts::default();
    for row in &OPTIONS {
        if let (Some(place), Some(value)) = (&row.place, options.get(row.name)) {
            parts.service.insert(place.key.to_owned(), (place.write)(value));
            if FILLED.contains(&row.name) {
                parts.asked.push(row.name.to_owned());
            }
        }
    }
    parts.mounts = options.items("mounts").iter().map(mount_to_compose).collect();
    let named = options.volumes().map(|volume| (volume.source.to_owned(), json!({"external": true})));
    parts.volumes = named.collect();
    join_network(options, around.name, &mut parts);
    fill_in(options, around, &mut parts);
    parts
}

fn join_network(options: &Options, name: Option<&str>, parts: &mut Parts) {
    let Some(network) = options.text("network") else { return };
    if options.shared_network().is_none() {
        parts.service.insert("network_mode".to_owned(), network.into());
        parts.networks = Some(BTreeMap::new());
        return;
    }
    let joined = name.map_or_else(|| json!({}), |name| json!({"aliases": [name]}));
    parts.service.insert("networks".to_owned(), json!({network: joined}));
    parts.networks = Some(BTreeMap::from([(network.to_owned(), external(network))]));
}

fn external(network: &str) -> Value {
    json!({"name": network, "external": true})
}

/// Adds what every container has, and what systemd needs.
fn fill_in(options: &Options, around: Around<'_>, parts: &mut Parts) {
    let Parts { service, filled_in, .. } = parts;
    let is_systemd = options.is_on("systemd");
    service.entry("init").or_insert_with(|| (!is_systemd).into());
    if is_systemd {
        service.entry("stop_signal").or_insert_with(|| SYSTEMD_STOP.into());
        fill_in_tmpfs(options, around, service, filled_in);
    }
    if !options.is_on("privileged") {
        guard(options, service, filled_in);
    }
    rotate(service.entry("logging").or_insert_with(|| json!({"driver": "json-file"})), filled_in);
}

/// What systemd finds empty, where nothing else was asked for.
fn fill_in_tmpfs(
    options: &Options,
    around: Around<'_>,
    service: &mut Map<String, Value>,
    filled_in: &mut Vec<String>,
) {
    let mounts = options.items("mounts").iter().filter_map(|mount| mount["target"].as_str());
    let tmpfs = options.items("tmpfs").iter().filter_map(Value::as_str).map(tmpfs_target);
    let taken: Vec<&str> = mounts.chain(tmpfs).chain(around.mount_path).collect();
    for entry in SYSTEMD_TMPFS.into_iter().filter(|entry| !taken.contains(&tmpfs_target(entry))) {
        push(service, "tmpfs", entry, filled_in);
    }
}

/// What keeps every container from the host, unless what was allowed says otherwise.
fn guard(options: &Options, service: &mut Map<String, Value>, filled_in: &mut Vec<String>) {
    let has = |option: &str, names: [&str; 2]| {
        options.items(option).iter().any(|item| names.iter().any(|name| item == name))
    };
    if !has("cap_add", [DROPPED, "ALL"]) && !has("cap_drop", [DROPPED, "ALL"]) {
        push(service, "cap_drop", DROPPED, filled_in);
    }
    if !has("security_opt", [NO_NEW_PRIVILEGES, "no-new-privileges:false"]) {
        push(service, "security_opt", NO_NEW_PRIVILEGES, filled_in);
    }
}

/// Adds an item to a list of the service.
fn push(service: &mut Map<String, Value>, key: &str, item: &str, filled_in: &mut Vec<String>) {
    if let Some(list) = service.entry(key).or_insert_with(|| json!([])).as_array_mut() {
        list.push(item.into());
        filled_in.push(format!("{key}.{item}"));
    }
}

/// Keeps a log that is a file from growing for ever.
fn rotate(logging: &mut Value, filled_in: &mut Vec<String>) {
    if !logging["driver"].as_str().is_some_and(is_rotated) {
        return;
    }
    for (name, value) in ROTATION {
        if logging["options"].get(name).is_none() {
            logging["options"][name] = value.into();
            filled_in.push(format!("logging.{name}"));
        }
    }
}

/// A compose file that is being read: what is taken out of it is an option, what stays was written by hand.
pub(crate) struct Found<'a> {
    pub(crate) service: &'a mut Map<String, Value>,
    pub(crate) mounts: &'a mut Vec<Value>,
    pub(crate) volumes: &'a mut BTreeMap<String, Value>,
    pub(crate) networks: &'a mut BTreeMap<String, Value>,
    pub(crate) systemd: Option<bool>,
    pub(crate) asked: &'a [String],
    pub(crate) filled_in: &'a [String],
    pub(crate) around: Around<'a>,
}

/// Takes the options out of a compose file.
pub(crate) fn read(mut found: Found<'_>) -> Options {
    let mut options = Options::default();
    options.set("systemd", found.systemd.map_or(Value::Null, Value::from));
    let bare = render(&options, found.around).service;
    let guards: Vec<(&str, Value)> =
        GUARDS.iter().filter_map(|key| Some((*key, found.service.get(*key)?.clone()))).collect();
    for row in &OPTIONS {
        let Some(place) = &row.place else { continue };
        let Some(value) = found.service.get(place.key) else { continue };
        let was_asked = found.asked.iter().any(|asked| asked == row.name);
        if FILLED.contains(&row.name) && !was_asked && bare.get(place.key) == Some(value) {
            found.service.shift_remove(place.key);
            continue;
        }
        let stripped = strip(row.name, value.clone(), found.filled_in);
        let mut violations = Violations::default();
        let canonical = (place.read)(&stripped).and_then(|asked| (row.check)(asked, "", &mut violations));
        match canonical {
            Some(Value::Null) if stripped == *value => {}
            Some(canonical) => {
                found.service.shift_remove(place.key);
                options.set(row.name, canonical);
            }
            None => {}
        }
    }
    read_mounts(&mut found, &mut options);
    read_network(&mut found, &mut options);
    let written = render(&options, found.around).service;
    for (key, value) in guards {
        if !is_same_set(written.get(key), &value) {
            options.set(if key == "cap_drop" { "cap_drop" } else { "security_opt" }, Value::Null);
            found.service.insert(key.to_owned(), value);
        }
    }
    options
}

fn is_same_set(written: Option<&Value>, read: &Value) -> bool {
    let items = |value: &Value| {
        let mut items: Vec<String> =
            value.as_array().into_iter().flatten().map(ToString::to_string).collect();
        items.sort();
        items
    };
    written.is_some_and(|written| items(written) == items(read))
}

/// Takes away what was filled in.
fn strip(name: &str, mut value: Value, filled_in: &[String]) -> Value {
    let filled = |part: &str| filled_in.iter().any(|token| token.split_once('.') == Some((name, part)));
    if let Some(items) = value.as_array_mut() {
        items.retain(|item| !item.as_str().is_some_and(filled));
    }
    if name == "logging"
        && let Some(options) = value["options"].as_object_mut()
    {
        options.retain(|option, set| {
            let default = ROTATION.iter().find(|(name, _)| name == option);
            !(filled(option) && default.is_some_and(|(_, default)| set == default))
        });
    }
    value
}

fn read_mounts(found: &mut Found<'_>, options: &mut Options) {
    let mut mounts = Vec::new();
    let mut named = Vec::new();
    let volumes = &*found.volumes;
    found.mounts.retain(|volume| {
        let source = volume["source"].as_str().filter(|_| volume["type"] == "volume");
        let is_ours = source.is_none_or(|name| volumes.get(name) == Some(&json!({"external": true})));
        let Some(mount) = mount_of_compose(volume).filter(|_| is_ours) else { return true };
        named.extend(source.map(str::to_owned));
        mounts.push(mount);
        false
    });
    found.volumes.retain(|name, _| !named.contains(name));
    if !mounts.is_empty() {
        options.set("mounts", mounts.into());
    }
}

fn read_network(found: &mut Found<'_>, options: &mut Options) {
    let mode = found.service.get("network_mode").and_then(Value::as_str);
    if let Some(mode @ ("none" | "host")) = mode {
        let mode = Value::from(mode);
        found.service.shift_remove("network_mode");
        options.set("network", mode);
        return;
    }
    let joined = found.service.get("networks").and_then(Value::as_object).filter(|joined| joined.len() == 1);
    let Some((network, how)) = joined.and_then(|joined| joined.iter().next()) else { return };
    let alias = found.around.name.map(|name| json!({"aliases": [name]}));
    let is_plain = *how == json!({}) || alias.as_ref() == Some(how);
    if is_plain && found.networks.get(network) == Some(&external(network)) {
        let network = network.clone();
        found.networks.remove(&network);
        found.service.shift_remove("networks");
        options.set("network", network.into());
    }
}
