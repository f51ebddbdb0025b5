//! What leads to the host, and what of it the administrator allows (`APP_ALLOW`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::{host, network};
use crate::container::rules;
use crate::container::violation::Violations;

/// Options that can be allowed whole.
const WHOLE: [&str; 11] = [
    "privileged",
    "devices",
    "cap_add",
    "security_opt",
    "sysctls",
    "network",
    "pid",
    "ipc",
    "uts",
    "ulimits",
    "oom_score_adj",
];

/// The limits of a process that reach beyond its container: they let it go before all others of the host.
const PRIORITIES: [&str; 2] = ["nice", "rtprio"];

/// What leads to the host, in the value of one option.
pub(super) struct Lead {
    /// Where in the value: empty, `[0]`, `.name`.
    at: String,
    /// What a narrower allowance names; none: there is no narrower one.
    value: Option<String>,
    /// The value that was sent.
    provided: Value,
}

/// Says what of an option's canonical value leads to the host.
pub(super) type Judge = fn(&Value) -> Vec<Lead>;

pub(super) fn never(_: &Value) -> Vec<Lead> {
    Vec::new()
}

pub(super) fn privileged(value: &Value) -> Vec<Lead> {
    let lead = Lead { at: String::new(), value: None, provided: value.clone() };
    if *value == Value::Bool(true) { vec![lead] } else { Vec::new() }
}

/// Every item of a list; of a device, its path on the host counts.
pub(super) fn each(value: &Value) -> Vec<Lead> {
    let items = value.as_array().into_iter().flatten().enumerate();
    let lead = |(index, item): (usize, &Value)| Lead {
        at: format!("[{index}]"),
        value: item.as_str().map(|text| narrow(text).to_owned()),
        provided: item.clone(),
    };
    items.map(lead).collect()
}

fn narrow(item: &str) -> &str {
    if item.starts_with("/dev/") { host::host_device(item) } else { item }
}

/// Every member of an object, by its name.
pub(super) fn members(value: &Value) -> Vec<Lead> {
    let members = value.as_object().into_iter().flatten();
    let lead = |(name, value): (&String, &Value)| Lead {
        at: format!(".{name}"),
        value: Some(name.clone()),
        provided: value.clone(),
    };
    members.map(lead).collect()
}

/// The limits that let a process go before those of the host; 0 is what it has anyway.
pub(super) fn priorities(value: &Value) -> Vec<Lead> {
    let is_none = |limit: &Value| *limit == 0 || limit["hard"] == 0;
    let lead = |name: &str| {
        let limit = value.get(name).filter(|limit| !is_none(limit))?;
        Some(Lead { at: format!(".{name}"), value: Some(name.to_owned()), provided: limit.clone() })
    };
    PRIORITIES.into_iter().filter_map(lead).collect()
}

/// Below 0 the kernel ends what is the host's before the container, for want of memory.
pub(super) fn negative(value: &Value) -> Vec<Lead> {
    let lead = Lead { at: String::new(), value: None, provided: value.clone() };
    if value.as_i64().is_some_and(|number| number < 0) { vec![lead] } else { Vec::new() }
}

/// The name space of the host.
pub(super) fn host_value(value: &Value) -> Vec<Lead> {
    let lead = Lead { at: String::new(), value: Some("host".to_owned()), provided: value.clone() };
    if value == "host" { vec![lead] } else { Vec::new() }
}

/// The paths of the host that are mounted.
pub(super) fn binds(value: &Value) -> Vec<Lead> {
    let mounts = value.as_array().into_iter().flatten().enumerate();
    let lead = |(index, mount): (usize, &Value)| {
        let source = mount["source"].as_str().filter(|_| mount["type"] == "bind")?;
        Some(Lead {
            at: format!("[{index}].source"),
            value: Some(source.to_owned()),
            provided: source.into(),
        })
    };
    mounts.filter_map(lead).collect()
}

/// What the administrator allows of what leads to the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    whole: BTreeSet<String>,
    /// Option and value.
    values: BTreeSet<(String, String)>,
    /// Folders of the host: they and what lies beneath them may be mounted.
    folders: Vec<String>,
}

impl Allowed {
    /// Reads the tokens of `APP_ALLOW`; the error says what is wrong with the first bad one.
    pub fn parse<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut allowed = Self::default();
        for token in tokens {
            match token.split_once(':') {
                None if WHOLE.contains(&token) => drop(allowed.whole.insert(token.to_owned())),
                None if token == "bind" => {
                    return Err("has bind without a folder: write bind:/srv/data".to_owned());
                }
                None if token == "volume" => {
                    return Err("has volume without a name: write volume:name".to_owned());
                }
                Some(("bind", folder))
                    if !folder.contains(':') && rules::container_path_problem(folder).is_none() =>
                {
                    allowed.folders.push(folder.to_owned());
                }
                Some((option, value)) if let Some(value) = narrower(option, value) => {
                    allowed.values.insert((option.to_owned(), value));
                }
                _ => return Err(unknown(token)),
            }
        }
        Ok(allowed)
    }

    /// Whether a value of an option is allowed.
    #[must_use]
    pub fn permits(&self, option: &str, value: Option<&str>) -> bool {
        let has = |value: &str| self.values.contains(&(option.to_owned(), value.to_owned()));
        self.whole.contains(option)
            || value.is_some_and(has)
            || (option == "cap_add" && has("ALL"))
            || (option == "mounts" && value.is_some_and(|source| self.permits_bind(source)))
    }

    fn permits_bind(&self, source: &str) -> bool {
        let is_beneath = |folder: &String| {
            let rest = source.strip_prefix(folder.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder == "/")
        };
        self.folders.iter().any(is_beneath)
    }

    /// Notes what of an option's value leads to the host and is not allowed.
    pub(super) fn judge(&self, option: &str, leads: Judge, value: &Value, violations: &mut Violations) {
        for lead in leads(value) {
            if self.permits(option, lead.value.as_deref()) {
                continue;
            }
            let token = match (option, &lead.value) {
                ("mounts", Some(source)) => format!("bind:{source}"),
                (_, Some(value)) => format!("{option}:{value}"),
                (_, None) => option.to_owned(),
            };
            violations.add_not_allowed(format!("{option}{}", lead.at), &token, lead.provided);
        }
    }
}

/// The canonical value of a narrower token, if it is one.
fn narrower(option: &str, value: &str) -> Option<String> {
    let is = |fits: bool| fits.then(|| value.to_owned());
    match option {
        "cap_add" => host::capability(value),
        "devices" => is(value.starts_with("/dev/")
            && !value.contains(':')
            && rules::container_path_problem(value).is_none()),
        "security_opt" => host::security_option(value),
        "sysctls" => is(host::is_sysctl(value)),
        "network" => {
            is(value == "host" || (rules::name_problem(value).is_none() && network::is_named(value)))
        }
        "volume" => is(rules::name_problem(value).is_none()),
        "pid" | "ipc" | "uts" => is(value == "host"),
        "ulimits" => is(PRIORITIES.contains(&value)),
        _ => None,
    }
}

fn unknown(token: &str) -> String {
    format!(
        "has {token:?}, which is none of {}, bind:/folder, volume:name, and the narrower forms such as \
         cap_add:NET_ADMIN, devices:/dev/fuse, network:name",
        WHOLE.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::Allowed;

    fn parse(text: &str) -> Result<Allowed, String> {
        Allowed::parse(text.split(',').filter(|token| !token.is_empty()))
    }

    #[test]
    fn tokens_allow_what_they_name_and_nothing_else() {
        let allowed = parse("privileged,cap_add:CAP_NET_ADMIN,devices:/dev/fuse,bind:/srv/data,pid").unwrap();
        assert!(allowed.permits("privileged", None));
        assert!(
            allowed.permits("cap_add", Some("NET_ADMIN")) && !allowed.permits("cap_add", Some("SYS_ADMIN"))
        );
        assert!(
            allowed.permits("devices", Some("/dev/fuse")) && !allowed.permits("devices", Some("/dev/fuse2"))
        );
        assert!(allowed.permits("pid", Some("host")) && !allowed.permits("ipc", Some("host")));
        for (source, is_beneath) in
            [("/srv/data", true), ("/srv/data/x", true), ("/srv/data2", false), ("/srv", false), ("/", false)]
        {
            assert_eq!(allowed.permits("mounts", Some(source)), is_beneath, "{source}");
        }
        assert!(parse("bind:/").unwrap().permits("mounts", Some("/etc")));
        assert!(parse("cap_add:ALL").unwrap().permits("cap_add", Some("SYS_ADMIN")));
        assert!(!parse("").unwrap().permits("privileged", None));
    }

    #[test]
    fn unknown_tokens_are_named() {
        for token in [
            "everything",
            "bind",
            "bind:",
            "bind:srv",
            "bind:/a/../b",
            "volume",
            "cap_add:FOO",
            "devices:/etc/x",
            "pid:1",
            "privileged:true",
            "network:a b",
            "mounts",
            "Privileged",
            "ulimits:nofile",
            "oom_score_adj:-5",
        ] {
            let problem = parse(token).unwrap_err();
            assert!(problem.contains(token.split(':').next().unwrap()), "{token}: {problem}");
        }
    }
}
