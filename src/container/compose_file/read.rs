//! From the text of a compose file back to the definition: also when a person has edited it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::model::{ComposeFile, Extension, Service, ServicePort};
use super::{
    ByHand, CUID_LABEL, Definition, ReadError, SYSTEMD, WRITTEN_GRACE, for_each_string, limits, mount_source,
};
use crate::container::options::{self, Around, Found, Options};
use crate::container::port::Port;
use crate::container::spec::{CommandLine, Resources};
use crate::container::{Cuid, Spec};

/// Reads a compose file back.
pub fn read(cuid: Cuid, text: &str) -> Result<Definition, ReadError> {
    let unreadable = |text: String| ReadError(text.lines().next().unwrap_or_default().to_owned());
    let mut tree: Value = serde_yaml::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    for_each_string(&mut tree, &|text| text.replace("$$", "$"));
    let mut file: ComposeFile =
        serde_json::from_value(tree).map_err(|error| unreadable(error.to_string()))?;
    let service = file.services.remove(&cuid.to_string());
    let mut service = service.ok_or_else(|| ReadError(format!("it has no service {cuid}")))?;
    let mount_path = take_mount(cuid, &mut service);
    let is_filled_in = |name: &str, value: &Value| {
        value == WRITTEN_GRACE && file.extension.filled_in.iter().any(|filled| filled == name)
    };
    service.rest.retain(|name, value| !is_filled_in(name, value));
    let resources = limits::take(&mut service.rest);
    let options = take_options(&mut service, &mut file, mount_path.as_deref());
    let by_hand = by_hand(&mut service, &mut file);
    let (created_at, boots) = (file.extension.created_at.clone(), file.extension.boots);
    let limits_set_live = file.extension.limits_set_live.take();
    let mut spec = Spec { resources, ..spec(service, file.extension, mount_path, options) };
    spec.mirror_shm_size();
    Ok(Definition { spec, created_at, boots, by_hand, limits_set_live })
}

/// Takes our mount out of the volumes, and says where it appears in the container.
fn take_mount(cuid: Cuid, service: &mut Service) -> Option<String> {
    let source = mount_source(cuid);
    let at = service.volumes.iter().position(|volume| volume["source"].as_str() == Some(&source))?;
    service.volumes.remove(at)["target"].as_str().map(str::to_owned)
}

fn take_options(service: &mut Service, file: &mut ComposeFile, mount_path: Option<&str>) -> Options {
    options::read(Found {
        service: &mut service.rest,
        mounts: &mut service.volumes,
        volumes: &mut file.volumes,
        networks: &mut file.networks,
        systemd: file.extension.systemd,
        asked: &file.extension.asked,
        filled_in: &file.extension.filled_in,
        around: Around { mount_path, name: file.extension.name.as_deref() },
    })
}

/// What is in the file and not of our making.
fn by_hand(service: &mut Service, file: &mut ComposeFile) -> ByHand {
    let mut rest = std::mem::take(&mut service.rest);
    if !service.volumes.is_empty() {
        rest.insert("volumes".to_owned(), std::mem::take(&mut service.volumes).into());
    }
    file.networks.remove("default");
    let mut by_hand = std::mem::take(&mut file.rest);
    for (name, found) in [("networks", &mut file.networks), ("volumes", &mut file.volumes)] {
        if !found.is_empty() {
            let found: Map<String, Value> = std::mem::take(found).into_iter().collect();
            by_hand.insert(name.to_owned(), found.into());
        }
    }
    ByHand { service: rest, file: by_hand }
}

fn spec(service: Service, extension: Extension, mount_path: Option<String>, options: Options) -> Spec {
    let was_given = |name: &str| !extension.filled_in.iter().any(|filled| filled == name);
    let line = |name: &str, argv: Option<Vec<String>>| {
        let argv = argv.filter(|_| !(extension.boots && name == "entrypoint"))?;
        let is_shell = extension.shell_form.iter().any(|form| form == name) && argv.len() == 3;
        Some(if is_shell { CommandLine::Shell(argv[2].clone()) } else { CommandLine::Argv(argv) })
    };
    let is_systemd = options.is_on("systemd") && !was_given("entrypoint");
    let (command, entrypoint) = if is_systemd {
        let argv = service.entrypoint.filter(|argv| was_given("command") || *argv != [SYSTEMD]);
        (line("command", argv), None)
    } else {
        (line("command", service.command), line("entrypoint", service.entrypoint))
    };
    let mut labels = pairs(service.labels);
    labels.remove(CUID_LABEL);
    let mut env = pairs(service.environment);
    env.retain(|name, _| was_given(&format!("env.{name}")));
    Spec {
        image: service.image,
        command,
        entrypoint,
        env,
        labels,
        resources: Resources::default(),
        ports: service.ports.into_iter().map(port).collect(),
        user: service.user.filter(|_| was_given("user")),
        working_dir: service.working_dir.filter(|_| was_given("working_dir")),
        mount_path,
        restart: service.restart,
        name: extension.name,
        tags: extension.tags,
        options,
    }
}

fn port(port: ServicePort) -> Port {
    let published = port.published.and_then(as_string).and_then(|text| text.parse().ok());
    Port {
        host: published.unwrap_or(0),
        container: port.target,
        protocol: port.protocol,
        host_ip: port.host_ip,
    }
}

/// Both of Compose's forms: a list of `NAME=value`, and a mapping.
fn pairs(value: Value) -> BTreeMap<String, String> {
    let split = |item: Value| {
        let text = as_string(item)?;
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    match value {
        Value::Array(list) => list.into_iter().filter_map(split).collect(),
        Value::Object(map) => {
            map.into_iter().filter_map(|(name, value)| Some((name, as_string(value)?))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeMap::new(),
    }
}

/// A scalar as text: a person who edits the file may have left out the quotes.
pub(super) fn as_string(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
