//! From a definition to the text of its compose file.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::{ComposeFile, Extension, Service, ServicePort};
use super::{
    CUID_LABEL, Definition, ReadError, SYSTEMD, Surroundings, for_each_string, limits, mount_source,
};
use crate::container::Cuid;
use crate::container::options::{self, Around, Parts};
use crate::container::port::Port;
use crate::container::spec::{BOOT_FILE, CommandLine, Spec};

const HEADER: &str = "# Written by Wharfinger, which reads its configuration back from here.\n\
                      # `docker compose -f` works on it: up -d, stop, logs, ps.\n";

/// Writes the compose file of a container.
pub fn render(cuid: Cuid, definition: &Definition, around: &Surroundings) -> Result<String, ReadError> {
    let unwritable = |error: &dyn std::fmt::Display| ReadError(error.to_string());
    let mut tree =
        serde_json::to_value(file(cuid, definition, around)).map_err(|error| unwritable(&error))?;
    for_each_string(&mut tree, &|text| text.replace('$', "$$"));
    let options = serde_yaml::ser_options! { quote_all: true, prefer_block_scalars: false };
    let yaml = serde_yaml::to_string_with_options(&tree, options).map_err(|error| unwritable(&error))?;
    Ok(format!("{HEADER}{yaml}"))
}

/// Whether the engine's container is the same under both definitions: it knows neither names nor, where
/// `env` has a `TAGS` of its own, tags.
#[must_use]
pub fn is_same_container(cuid: Cuid, one: &Definition, other: &Definition, around: &Surroundings) -> bool {
    let service =
        |definition| serde_json::to_value(service(cuid, definition, around, &mut parts(definition)));
    matches!((service(one), service(other)), (Ok(one), Ok(other)) if one == other)
}

fn file(cuid: Cuid, definition: &Definition, around: &Surroundings) -> ComposeFile {
    let spec = &definition.spec;
    let mut parts = parts(definition);
    let service = service(cuid, definition, around, &mut parts);
    let shell_form = [("command", &spec.command), ("entrypoint", &spec.entrypoint)];
    let shell_form = shell_form.into_iter().filter(|(_, line)| matches!(line, Some(CommandLine::Shell(_))));
    let mut rest = definition.by_hand.file.clone();
    let default = || BTreeMap::from([("default".to_owned(), around.default_network())]);
    let mut networks = parts.networks.unwrap_or_else(default);
    for (name, ours) in [("networks", &mut networks), ("volumes", &mut parts.volumes)] {
        if let Some(Value::Object(by_hand)) = rest.remove(name) {
            ours.extend(by_hand);
        }
    }
    ComposeFile {
        name: cuid.to_string(),
        services: BTreeMap::from([(cuid.to_string(), service)]),
        networks,
        volumes: parts.volumes,
        extension: Extension {
            created_at: definition.created_at.clone(),
            name: spec.name.clone(),
            tags: spec.tags.clone(),
            boots: boots(definition),
            systemd: spec.options.get("systemd").and_then(Value::as_bool),
            asked: parts.asked,
            shell_form: shell_form.map(|(name, _)| name.to_owned()).collect(),
            filled_in: parts.filled_in,
            limits_set_live: definition.limits_set_live.clone(),
        },
        rest,
    }
}

fn boots(definition: &Definition) -> bool {
    definition.boots && definition.spec.would_boot()
}

/// The options, in the words of the file.
fn parts(definition: &Definition) -> Parts {
    let spec = &definition.spec;
    options::render(
        &spec.options,
        Around { mount_path: spec.mount_path.as_deref(), name: spec.name.as_deref() },
    )
}

fn service(cuid: Cuid, definition: &Definition, around: &Surroundings, parts: &mut Parts) -> Service {
    let spec = &definition.spec;
    let boots = boots(definition);
    // systemd needs to be root, and minds no folder.
    let runs_own_program =
        !spec.options.is_on("systemd") && (boots || spec.command.is_some() || spec.entrypoint.is_some());
    let Parts { service: rest, mounts, filled_in, .. } = parts;
    let mut fill = |name: &str, given: &Option<String>, default: Option<String>| {
        if given.is_none() && runs_own_program && default.is_some() {
            filled_in.push(name.to_owned());
            return default;
        }
        given.clone()
    };
    let user = fill("user", &spec.user, Some(around.owner.to_string()));
    let working_dir = fill("working_dir", &spec.working_dir, spec.mount_path.clone());
    let (entrypoint, command) = program(spec, boots, filled_in);
    let mut rest = std::mem::take(rest);
    rest.extend(definition.by_hand.service.clone());
    limits::write(&spec.resources, &mut rest);
    for (name, value) in around.unsaid() {
        if !rest.contains_key(*name) {
            rest.insert((*name).to_owned(), (*value).into());
            filled_in.push((*name).to_owned());
        }
    }
    Service {
        image: spec.image.clone(),
        container_name: cuid.to_string(),
        entrypoint,
        command,
        user,
        working_dir,
        environment: environment(cuid, spec, filled_in),
        labels: labels(cuid, spec),
        ports: spec.ports.iter().map(service_port).collect(),
        volumes: volumes(cuid, spec, std::mem::take(mounts), &mut rest),
        restart: spec.restart.clone(),
        rest,
    }
}

/// The entrypoint and the command. Nothing of the image gets in front of systemd: its argv is the entrypoint,
/// unless one was asked for.
fn program(
    spec: &Spec,
    boots: bool,
    filled_in: &mut Vec<String>,
) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let argv = |line: &Option<CommandLine>| line.as_ref().map(CommandLine::argv);
    if let Some(mount) = spec.mount_path.as_ref().filter(|_| boots) {
        let boot_program = ["python".to_owned(), "-u".to_owned(), format!("{mount}/{BOOT_FILE}")];
        return (Some(boot_program.into()), argv(&spec.command));
    }
    if !spec.options.is_on("systemd") || spec.entrypoint.is_some() {
        return (argv(&spec.entrypoint), argv(&spec.command));
    }
    filled_in.push("entrypoint".to_owned());
    if spec.command.is_none() {
        filled_in.push("command".to_owned());
    }
    (argv(&spec.command).or_else(|| Some(vec![SYSTEMD.to_owned()])), None)
}

fn environment(cuid: Cuid, spec: &Spec, filled_in: &mut Vec<String>) -> Value {
    let mut environment = spec.env.clone();
    let mut defaults = vec![
        ("CONTAINER_UID", cuid.to_string()),
        ("TAGS", spec.tags.join(",")),
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ];
    if spec.options.is_on("systemd") {
        defaults.push(("container", "docker".to_owned()));
    }
    for (name, value) in defaults {
        if !environment.contains_key(name) {
            environment.insert(name.to_owned(), value);
            filled_in.push(format!("env.{name}"));
        }
    }
    pairs(&environment)
}

fn labels(cuid: Cuid, spec: &Spec) -> Value {
    let mut labels = spec.labels.clone();
    labels.insert(CUID_LABEL.to_owned(), cuid.to_string());
    pairs(&labels)
}

fn pairs(map: &BTreeMap<String, String>) -> Value {
    map.iter().map(|(name, value)| Value::from(format!("{name}={value}"))).collect()
}

fn service_port(port: &Port) -> ServicePort {
    ServicePort {
        target: port.container,
        published: (port.host != 0).then(|| port.host.to_string().into()),
        protocol: port.protocol,
        host_ip: port.host_ip,
        mode: "host".to_owned(),
    }
}

/// The mount, what was asked for beside it, and what a person has mounted.
fn volumes(cuid: Cuid, spec: &Spec, mounts: Vec<Value>, rest: &mut Map<String, Value>) -> Vec<Value> {
    let mount = spec.mount_path.iter();
    let mut volumes: Vec<Value> =
        mount.map(|target| json!({"type": "bind", "source": mount_source(cuid), "target": target})).collect();
    volumes.extend(mounts);
    if let Some(Value::Array(by_hand)) = rest.remove("volumes") {
        volumes.extend(by_hand);
    }
    volumes
}
