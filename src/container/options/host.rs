//! The options about capabilities, devices and the kernel's name spaces.

use serde_json::Value;

use super::values::{as_text, list, object, one_of, text, wrong, wrong_type};
use crate::container::rules;
use crate::container::violation::Violations;

/// The kernel's capabilities, without `CAP_`; `ALL` stands for all of them.
pub const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// The settings of the kernel that a container has of its own, beside those below `net.` and `fs.mqueue.`
/// (`runc`: others would be the host's).
pub const SYSCTLS: [&str; 9] = [
    "kernel.domainname",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// A capability's canonical name.
pub(super) fn capability(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    CAPABILITIES.contains(&name).then(|| name.to_owned())
}

pub(super) fn capabilities(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be a capability, for instance NET_ADMIN, or ALL";
    list(value, path, violations, |value, path, violations| text(value, path, violations, RULE, capability))
}

/// The host's path of a device.
pub(super) fn host_device(device: &str) -> &str {
    device.split(':').next().unwrap_or_default()
}

fn is_device_path(path: &str) -> bool {
    path.starts_with("/dev/") && rules::container_path_problem(path).is_none()
}

fn are_permissions(text: &str) -> bool {
    let is_once = |letter: char| text.matches(letter).count() <= 1;
    !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter) && is_once(letter))
}

pub(super) fn devices(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be /dev/name, /dev/name:/dev/other or /dev/name:/dev/other:rwm";
    list(value, path, violations, |value, path, violations| {
        text(value, path, violations, RULE, |text| {
            let parts: Vec<&str> = text.split(':').collect();
            let fits = match parts.as_slice() {
                [host] => is_device_path(host),
                [host, inside] => is_device_path(host) && (is_device_path(inside) || are_permissions(inside)),
                [host, inside, rights] => {
                    is_device_path(host) && is_device_path(inside) && are_permissions(rights)
                }
                _ => false,
            };
            fits.then(|| text.to_owned())
        })
    })
}

/// A security option in the one spelling that is kept, with `=`; `no-new-privileges` as Compose writes it.
pub(super) fn security_option(text: &str) -> Option<String> {
    let (name, value) = text.split_once([':', '=']).map_or((text, None), |(name, value)| (name, Some(value)));
    let is_word = |word: &str| {
        (1..=128).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    let is_label = |value: &str| {
        let kind = value.split_once(':');
        value == "disable"
            || kind.is_some_and(|(kind, value)| matches!(kind, "user" | "role" | "type") && is_word(value))
    };
    match (name, value) {
        ("no-new-privileges", None | Some("true")) => Some("no-new-privileges:true".to_owned()),
        ("no-new-privileges", Some("false")) => Some("no-new-privileges:false".to_owned()),
        ("seccomp" | "systempaths", Some("unconfined")) => Some(format!("{name}=unconfined")),
        ("apparmor", Some(profile)) if is_word(profile) => Some(format!("apparmor={profile}")),
        ("label", Some(value)) if is_label(value) => Some(format!("label={value}")),
        _ => None,
    }
}

pub(super) fn security_options(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be no-new-privileges:true or :false, seccomp=unconfined, systempaths=unconfined, \
                        apparmor=<profile>, label=disable or label=user|role|type:<value>";
    list(value, path, violations, |value, path, violations| {
        text(value, path, violations, RULE, security_option)
    })
}

/// Whether a container has this setting of its own.
pub(super) fn is_sysctl(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    let is_beneath = ["net.", "fs.mqueue."].iter().any(|root| name.starts_with(root));
    SYSCTLS.contains(&name) || (is_beneath && name.len() <= 128 && name.split('.').all(is_part))
}

pub(super) fn sysctls(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const NAME: &str = "is no setting that a container has of its own: those are net.*, fs.mqueue.* and the \
                        kernel.* of System V IPC";
    const VALUE: &str = "has to be a string or a number";
    object(value, path, violations, |name, value, path, violations| {
        if !is_sysctl(name) {
            return wrong(path, NAME, value, violations);
        }
        match as_text(&value).filter(|_| !value.is_boolean()) {
            Some(text) if text.len() <= 1024 && !text.chars().any(char::is_control) => {
                super::values::text(text.into(), path, violations, VALUE, |text| Some(text.to_owned()))
            }
            Some(_) => {
                wrong(path, "must not hold a control character nor be over 1024 bytes", value, violations)
            }
            None => wrong_type(path, VALUE, value, violations),
        }
    })
}

/// The settings of a compose file: a list of `name=value`, or a mapping.
pub(super) fn sysctls_of_compose(value: &Value) -> Option<Value> {
    match value {
        Value::Object(_) => Some(value.clone()),
        Value::Array(entries) => {
            let pair = |entry: &Value| {
                let (name, value) = entry.as_str()?.split_once('=')?;
                Some((name.to_owned(), Value::from(value)))
            };
            entries.iter().map(pair).collect::<Option<serde_json::Map<_, _>>>().map(Value::from)
        }
        _ => None,
    }
}

pub(super) fn host_namespace(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    one_of(value, path, violations, &["host"])
}

pub(super) fn ipc(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    one_of(value, path, violations, &["host", "private", "shareable", "none"])
}
