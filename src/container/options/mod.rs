//! What may be asked of a container beside its program, ports and limits: one table, a row an option.

mod allow;
mod compose;
mod host;
mod logging;
mod network;
mod process;
mod storage;
mod values;
mod whole;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Field, Fields};
use super::violation::Violations;

pub use allow::Allowed;
pub(crate) use compose::{Around, Found, Parts, read, render};
pub use host::{CAPABILITIES, SYSCTLS};
pub use logging::{DRIVERS, Kind, NEEDED, TAG_TEMPLATES};
pub use process::{MOST_ULIMIT, ULIMITS};
pub use storage::TMPFS_FLAGS;
pub(crate) use whole::check as check_whole;

use allow::{Judge, binds, each, host_value, members, negative, never, priorities, privileged};
use values::{Check, boolean};

/// One option.
struct Row {
    /// Its name in the API.
    name: &'static str,
    /// The check of a request's value.
    check: Check,
    /// What of its value leads to the host.
    leads: Judge,
    /// Its field of the service in the compose file; none: [`compose`] knows where it stands.
    place: Option<Place>,
}

/// A field of the service.
struct Place {
    key: &'static str,
    write: fn(&Value) -> Value,
    read: fn(&Value) -> Option<Value>,
}

/// A row whose value stands in the compose file as it is.
const fn plain(name: &'static str, check: Check, leads: Judge) -> Row {
    placed(name, name, check, leads, Clone::clone, as_it_is)
}

/// A list that a person may write as one item alone, or without quotes.
const fn texts(name: &'static str, key: &'static str, check: Check, leads: Judge) -> Row {
    placed(name, key, check, leads, Clone::clone, process::texts_of_compose)
}

const fn placed(
    name: &'static str,
    key: &'static str,
    check: Check,
    leads: Judge,
    write: fn(&Value) -> Value,
    read: fn(&Value) -> Option<Value>,
) -> Row {
    Row { name, check, leads, place: Some(Place { key, write, read }) }
}

const fn elsewhere(name: &'static str, check: Check, leads: Judge) -> Row {
    Row { name, check, leads, place: None }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the table")]
fn as_it_is(value: &Value) -> Option<Value> {
    Some(value.clone())
}

static OPTIONS: [Row; 30] = [
    elsewhere("systemd", boolean, never),
    elsewhere("mounts", storage::mounts, binds),
    plain("hostname", network::hostname, never),
    texts("dns", "dns", network::dns, never),
    texts("dns_search", "dns_search", network::dns_search, never),
    texts("dns_options", "dns_opt", network::dns_options, never),
    placed(
        "extra_hosts",
        "extra_hosts",
        network::extra_hosts,
        never,
        Clone::clone,
        network::extra_hosts_of_compose,
    ),
    texts("cap_add", "cap_add", host::capabilities, each),
    texts("cap_drop", "cap_drop", host::capabilities, never),
    texts("devices", "devices", host::devices, each),
    plain("privileged", boolean, privileged),
    plain("read_only", boolean, never),
    texts("tmpfs", "tmpfs", storage::tmpfs, never),
    elsewhere("shm_size", values::size, never),
    placed("sysctls", "sysctls", host::sysctls, members, Clone::clone, host::sysctls_of_compose),
    plain("ulimits", process::ulimits, priorities),
    texts("security_opt", "security_opt", host::security_options, each),
    texts("group_add", "group_add", process::group_add, never),
    plain("init", boolean, never),
    plain("tty", boolean, never),
    plain("stdin_open", boolean, never),
    plain("stop_signal", process::stop_signal, never),
    placed(
        "stop_timeout",
        "stop_grace_period",
        process::stop_timeout,
        never,
        process::seconds_to_compose,
        process::seconds_of_compose,
    ),
    placed(
        "healthcheck",
        "healthcheck",
        process::healthcheck,
        never,
        process::healthcheck_to_compose,
        process::healthcheck_of_compose,
    ),
    elsewhere("network", network::network, host_value),
    plain("pid", host::host_namespace, host_value),
    plain("ipc", host::ipc, host_value),
    plain("uts", host::host_namespace, host_value),
    plain("oom_score_adj", process::oom_score_adj, negative),
    plain("logging", logging::logging, never),
];

/// The options that were asked for, each in its canonical form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(BTreeMap<&'static str, Value>);

/// One thing that is mounted beside the container's own mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounted<'a> {
    /// Where it stands in the list.
    pub index: usize,
    /// The volume's name, or the path of the host.
    pub source: &'a str,
}

impl Options {
    /// The names of all options.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OPTIONS.iter().map(|row| row.name)
    }

    /// The value of an option that was asked for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Every option that was asked for, in the order of their names.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Whether an option that is true or false is true.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// The text of an option, if it was asked for.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The items of a list; none when it was not asked for.
    pub(crate) fn items(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The network that the container shares with others, if it named one.
    #[must_use]
    pub fn shared_network(&self) -> Option<&str> {
        self.text("network").filter(|network| network::is_named(network))
    }

    /// The volumes that it names.
    pub fn volumes(&self) -> impl Iterator<Item = Mounted<'_>> {
        self.mounted("volume")
    }

    /// The folders and files of the host that it mounts.
    pub fn binds(&self) -> impl Iterator<Item = Mounted<'_>> {
        self.mounted("bind")
    }

    fn mounted<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = Mounted<'a>> {
        let of_kind = move |(index, mount): (usize, &'a Value)| {
            let source = mount["source"].as_str().filter(|_| mount["type"] == kind)?;
            Some(Mounted { index, source })
        };
        self.items("mounts").iter().enumerate().filter_map(of_kind)
    }

    /// How many seconds its processes have between the stop signal and SIGKILL, if that was asked for.
    #[must_use]
    pub fn stop_timeout(&self) -> Option<u64> {
        self.get("stop_timeout")?.as_u64()
    }

    /// Sets an option to a canonical value; `null` takes it away.
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        if value.is_null() {
            self.0.remove(name);
        } else {
            self.0.insert(name, value);
        }
    }

    /// The fields of the service whose options differ from those of `other`.
    pub(crate) fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        let changed = OPTIONS.iter().filter(|row| self.get(row.name) != other.get(row.name));
        changed
            .flat_map(|row| match (row.name, &row.place) {
                ("network", _) => vec!["network_mode", "networks"],
                (_, Some(place)) => vec![place.key],
                (_, None) => Vec::new(),
            })
            .collect()
    }
}

/// Reads the options of a request: absent leaves one as it is, `null` goes back to the default. What leads to
/// the host has to be allowed.
pub(crate) fn apply(fields: &mut Fields<'_>, options: &mut Options, allowed: &Allowed) {
    for row in &OPTIONS {
        let value = match fields.take(row.name) {
            Field::Absent => continue,
            Field::Null => Value::Null,
            Field::Value(value) => value,
        };
        let violations: &mut Violations = fields.violations();
        let canonical = if value.is_null() { Some(value) } else { (row.check)(value, row.name, violations) };
        if let Some(canonical) = canonical {
            allowed.judge(row.name, row.leads, &canonical, violations);
            options.set(row.name, canonical);
        }
    }
}
