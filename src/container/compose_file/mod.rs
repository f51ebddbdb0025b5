//! `Spec` ⇄ `compose.yaml`: the one renderer, and the way back.

mod hidden;
mod limits;
mod live_mark;
mod model;
#[cfg(test)]
mod options_tests;
mod read;
mod render;
mod volumes;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::EngineKind;
use super::cuid::Cuid;
use super::spec::{Owner, Spec};

pub use hidden::without_values;
pub use live_mark::live_mark;
pub use read::read;
pub use render::{is_same_container, render};
pub use volumes::OwnVolume;

/// The label that every container of ours bears; its value is the cuid.
pub const CUID_LABEL: &str = "io.wharfinger.cuid";
/// The label of an image that was made of a container of ours; its value is the cuid.
pub const MADE_OF_LABEL: &str = "io.wharfinger.made-of";

/// What the daemon adds to a [`Spec`] when it writes the file.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Who the container's own programs run as.
    pub owner: Owner,
    /// The network that all containers share.
    pub network: String,
    /// What runs the file.
    pub engine: EngineKind,
}

/// How long Docker waits for a container's end before it kills it.
pub const DOCKERS_GRACE: Duration = Duration::from_secs(10);
/// The same as Compose writes it.
const WRITTEN_GRACE: &str = "10s";

impl Surroundings {
    /// The network of a container that asked for none, as its file names it: cut off from all others. Docker keeps
    /// containers apart on the one they share; Podman can do so only between networks, so that each has its own.
    fn default_network(&self) -> Value {
        match self.engine {
            EngineKind::Docker => json!({"name": self.network, "external": true}),
            EngineKind::Podman => json!({"driver": "bridge", "driver_opts": {"isolate": "true"}}),
        }
    }

    /// What a service's file has to say so that the engine does what Docker does by itself: Podman kills at once
    /// where no time is named.
    fn unsaid(&self) -> &'static [(&'static str, &'static str)] {
        match self.engine {
            EngineKind::Docker => &[],
            EngineKind::Podman => &[("stop_grace_period", WRITTEN_GRACE)],
        }
    }
}

/// One container as its compose file tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// What was asked for.
    pub spec: Spec,
    /// When it was created (RFC 3339).
    pub created_at: String,
    /// Whether the file runs `boot.py` from the mount.
    pub boots: bool,
    /// What a person has added to the file or changed in it.
    pub by_hand: ByHand,
    /// The [`live_mark`] of the last change of limits that the engine made to the container as it is. While it
    /// holds, the engine's container has what the file says, although Compose's own hash on it says otherwise.
    pub limits_set_live: Option<String>,
}

/// What of a file is not ours; it stays when the file is written anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByHand {
    service: Map<String, Value>,
    file: Map<String, Value>,
}

impl Definition {
    /// A new container.
    #[must_use]
    pub fn new(spec: Spec, created_at: String) -> Self {
        Self { spec, created_at, boots: false, by_hand: ByHand::default(), limits_set_live: None }
    }
}

/// The file is not one of ours any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compose.yaml cannot be read back: {0}")]
pub struct ReadError(String);

impl ReadError {
    /// The error of a file that cannot even be opened, for this reason.
    #[must_use]
    pub fn unreadable(reason: &impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// The program of a container that runs systemd, where none is named.
const SYSTEMD: &str = "/sbin/init";

impl ByHand {
    /// Gives up what the API has been told otherwise of.
    pub fn give_up(&mut self, before: &Spec, wanted: &Spec) {
        for key in wanted.options.changed_keys(&before.options) {
            self.service.shift_remove(key);
        }
    }
}

/// The mount, as the file names it: relative, so that the data folder can be moved.
fn mount_source(cuid: Cuid) -> String {
    format!("../../mounts/{cuid}")
}

/// Changes every string value of the tree. Keys stay: Compose does not interpolate them.
pub(super) fn for_each_string(tree: &mut Value, change: &impl Fn(&str) -> String) {
    match tree {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_string(item, change)),
        Value::Object(map) => map.values_mut().for_each(|value| for_each_string(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Cuid, Definition, EngineKind, Owner, Spec, Surroundings, is_same_container, read, render};
    use crate::container::port::{Port, Protocol};
    use crate::container::spec::{CommandLine, Resources};

    fn around() -> Surroundings {
        let owner = Owner { uid: 1000, gid: 1000 };
        Surroundings { owner, network: "wharfinger".to_owned(), engine: EngineKind::Docker }
    }

    fn rich() -> Spec {
        let mut spec = Spec::of_image("nginx:alpine".to_owned());
        spec.command = Some(CommandLine::Shell("echo $HOME $$ ${X:-y}".to_owned()));
        spec.env = BTreeMap::from(
            [
                ("A", "2021-01-01"),
                ("B", "1_000"),
                ("C", "yes"),
                ("D", "~"),
                ("E", "a\nb\t$x"),
                ("F", ""),
                ("TAGS", "own"),
                ("user", "u"),
                ("working_dir", "w"),
                ("x-y", "=z"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        spec.tags = vec!["web".to_owned(), "$1".to_owned()];
        spec.labels = BTreeMap::from([("a.b".to_owned(), "<<".to_owned())]);
        spec.resources = Resources {
            cpus: Some(0.5),
            cpu_shares: Some(512),
            cpuset_cpus: Some("0".to_owned()),
            cpu_period: Some(50_000),
            cpu_quota: Some(-1),
            memory: Some("4096m".to_owned()),
            memory_reservation: Some("67108864".to_owned()),
            memory_swap: Some("-1".to_owned()),
            memory_swappiness: Some(10),
            pids: Some(99),
            blkio_weight: Some(300),
            shm_size: Some("1.5g".to_owned()),
        };
        spec.mirror_shm_size();
        spec.ports =
            vec![Port { host: 0, container: 80, protocol: Protocol::Udp, host_ip: "::1".parse().ok() }];
        spec.name = Some("web-1".to_owned());
        spec
    }

    #[test]
    fn a_definition_reads_back_as_itself() {
        for boots in [false, true] {
            for spec in [rich(), Spec::of_image("a".to_owned())] {
                let cuid = Cuid::new();
                let boots = boots && spec.would_boot();
                let created_at = "2026-11-22T00:00:00+00:00".to_owned();
                let limits_set_live = boots.then(|| "0a1b".to_owned());
                let definition = Definition { boots, limits_set_live, ..Definition::new(spec, created_at) };
                let text = render(cuid, &definition, &around()).unwrap();
                assert_eq!(read(cuid, &text).unwrap(), definition, "{text}");
            }
        }
    }

    /// What a reader takes for something else is not left to the serializer's idea of it, nor to a reader's.
    #[test]
    fn every_string_stands_in_quotes() {
        let texts = ["plain", "2021-01-01", "1_000", "010", "1e3", "0x1F", "yes", "null", "~", "<<", "=", ""];
        let mut spec = rich();
        spec.command = Some(CommandLine::Argv(texts.map(str::to_owned).to_vec()));
        spec.tags = texts[..11].iter().map(|text| (*text).to_owned()).collect();
        let text = render(Cuid::new(), &Definition::new(spec, String::new()), &around()).unwrap();
        for item in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let value = match item.strip_prefix("- ") {
                Some(value) if value.starts_with(['\'', '"']) => value,
                inner => inner.unwrap_or(item).split_once(": ").map_or("", |(_, value)| value),
            };
            let is_quoted = value.starts_with(['\'', '"']) && value.ends_with(['\'', '"']);
            let is_no_string =
                matches!(value, "" | "{}" | "[]" | "true" | "false") || value.parse::<f64>().is_ok();
            assert!(is_quoted || is_no_string, "{item} in {text}");
        }
        for nasty in texts {
            let quoted = [format!("- '{nasty}'"), format!("- \"{nasty}\"")];
            assert!(
                text.lines().any(|line| quoted.iter().any(|quoted| line.trim() == quoted)),
                "{nasty} in {text}"
            );
        }
    }

    #[test]
    fn for_podman_each_has_a_network_and_a_time_to_end_and_a_person_s_own_time_stays() {
        let around = Surroundings { engine: EngineKind::Podman, ..around() };
        let (cuid, definition) = (Cuid::new(), Definition::new(rich(), String::new()));
        let text = render(cuid, &definition, &around).unwrap();
        assert!(text.contains("isolate: 'true'") && !text.contains("external"), "{text}");
        assert!(text.contains("stop_grace_period: '10s'"), "{text}");
        assert_eq!(read(cuid, &text).unwrap(), definition);
        let edited = read(cuid, &text.replace("'10s'", "'3s'")).unwrap();
        assert!(render(cuid, &edited, &around).unwrap().contains("stop_grace_period: '3s'"));
    }

    #[test]
    fn a_file_that_is_none_of_ours_says_what_is_wrong() {
        for text in ["", "{", "services: {}", "name: x\nservices: 3\n", "- 1"] {
            assert!(read(Cuid::new(), text).unwrap_err().to_string().starts_with("compose.yaml"), "{text}");
        }
    }

    #[test]
    fn what_a_person_has_added_stays_and_is_written_again() {
        let cuid = Cuid::new();
        let definition = Definition::new(rich(), "2026-11-22T00:00:00+00:00".to_owned());
        let text = render(cuid, &definition, &around()).unwrap();
        let edited = text.replace("init: true", "init: false\n    hostname: byhand\n    volumes_from: []");
        let edited = edited.replace("networks:\n", "networks:\n  extra: {}\n");
        let read_back = read(cuid, &edited).unwrap();
        assert_ne!(read_back, definition);
        assert_eq!(read_back.spec.options.text("hostname"), Some("byhand"));
        let again = render(cuid, &read_back, &around()).unwrap();
        for kept in ["byhand", "init: false", "extra:", "volumes_from:"] {
            assert!(again.contains(kept), "{kept}: {again}");
        }
        assert_eq!(read(cuid, &again).unwrap(), read_back);
    }

    /// Found by the fuzz target `compose_file`: each change of a container turned a person's lines around.
    #[test]
    fn what_a_person_has_added_stays_in_its_order() {
        let (cuid, definition) = (Cuid::new(), Definition::new(rich(), String::new()));
        let text = render(cuid, &definition, &around()).unwrap();
        let edited = text.replace("init: true", "init: true\n    x-c: 1\n    x-a: 2\n    x-d: 3\n    x-b: 4");
        let again = render(cuid, &read(cuid, &edited).unwrap(), &around()).unwrap();
        let places = ["x-c", "x-a", "x-d", "x-b"].map(|key| again.find(key).unwrap());
        assert!(places.is_sorted(), "{again}");
    }

    #[test]
    fn limits_written_by_hand_are_read_in_composes_other_forms_and_stay_where_they_are_none_of_ours() {
        let cuid = Cuid::new();
        let definition = Definition::new(Spec::of_image("a".to_owned()), String::new());
        let text = render(cuid, &definition, &around()).unwrap();
        let by_hand = "init: true\n    mem_limit: 67108864\n    memswap_limit: -1\n    pids_limit: '7'\n    \
                       cpu_period: 50ms\n    blkio_config:\n      weight: 20\n      device_read_bps: []";
        let read_back = read(cuid, &text.replace("init: true", by_hand)).unwrap();
        let limits = &read_back.spec.resources;
        assert_eq!((limits.memory.as_deref(), limits.memory_swap.as_deref()), (Some("67108864"), Some("-1")));
        assert_eq!((limits.pids, limits.blkio_weight, limits.cpu_period), (Some(7), Some(20), None));
        let again = render(cuid, &read_back, &around()).unwrap();
        for kept in ["cpu_period: '50ms'", "device_read_bps", "weight: 20", "memswap_limit: -1"] {
            assert!(again.contains(kept), "{kept} in {again}");
        }
        assert_eq!(read(cuid, &again).unwrap(), read_back);
    }

    #[test]
    fn a_name_is_nothing_to_the_engine_and_a_tag_only_where_it_reaches_the_environment() {
        let cuid = Cuid::new();
        let one = Definition::new(rich(), String::new());
        let mut other = one.clone();
        other.spec.name = None;
        other.spec.tags.clear();
        assert!(is_same_container(cuid, &one, &other, &around()), "env has a TAGS of its own");
        other.spec.env.remove("TAGS");
        assert!(!is_same_container(cuid, &one, &other, &around()));
    }
}
