//! The rules about options that only the whole container can keep or break.

use serde_json::Value;

use super::storage::tmpfs_target;
use crate::codes::Code;
use crate::container::Spec;
use crate::container::violation::Violations;

/// Notes what of a container's options cannot be together.
pub(crate) fn check(spec: &Spec, violations: &mut Violations) {
    let options = &spec.options;
    let mut refuse = |field: &str, message: &str, provided: Value| {
        violations.add(field, Code::InvalidValue, message, provided);
    };
    if let Some(network @ ("none" | "host")) = options.text("network")
        && !spec.ports.is_empty()
    {
        let message = "leaves nothing to map ports to: take the ports away, or name another network";
        refuse("network", message, network.into());
    }
    if let (Some(name), Some("host")) = (options.text("hostname"), options.text("uts")) {
        refuse("hostname", "cannot be set beside uts host, which has the host's own", name.into());
    }
    check_sysctls(spec, &mut refuse);
    check_targets(spec, &mut refuse);
}

/// A setting of a name space that the container has not of its own would be the host's.
fn check_sysctls(spec: &Spec, refuse: &mut impl FnMut(&str, &str, Value)) {
    let options = &spec.options;
    let is_host = |option: &str| options.text(option) == Some("host");
    for (name, value) in options.get("sysctls").and_then(Value::as_object).into_iter().flatten() {
        let space = match name.as_str() {
            "kernel.domainname" => "uts",
            name if name.starts_with("net.") => "network",
            _ => "ipc",
        };
        if is_host(space) {
            let message = format!("cannot be set beside {space} host: it would be the host's own");
            refuse(&format!("sysctls.{name}"), &message, value.clone());
        }
    }
}

/// No two things on one place, and none in the place of the container's own mount.
fn check_targets(spec: &Spec, refuse: &mut impl FnMut(&str, &str, Value)) {
    let mut taken: Vec<&str> = spec.mount_path.iter().map(String::as_str).collect();
    let mounts = spec.options.items("mounts").iter().enumerate();
    let mounts = mounts.map(|(index, mount)| {
        (format!("mounts[{index}].target"), mount["target"].as_str().unwrap_or_default())
    });
    let tmpfs = spec.options.items("tmpfs").iter().enumerate();
    let tmpfs = tmpfs
        .map(|(index, entry)| (format!("tmpfs[{index}]"), tmpfs_target(entry.as_str().unwrap_or_default())));
    for (field, target) in mounts.chain(tmpfs) {
        if taken.contains(&target) {
            let message = "is the place of another mount already (mount_path, mounts, tmpfs): name another";
            refuse(&field, message, target.into());
        }
        taken.push(target);
    }
}
