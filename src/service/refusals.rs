//! What the engine's refusals of an option mean: the option, and what to do about it.

use super::Error;
use crate::codes::Code;

/// A part of what the engine says, the option it is about, the code, and what it means.
const REFUSALS: [(&str, &str, Code, &str); 11] = [
    (
        "error gathering device information",
        "devices",
        Code::NotSupported,
        "this host has no such device: name one that is there",
    ),
    (
        "unknown capability",
        "cap_add",
        Code::NotSupported,
        "the engine of this host does not know one of the capabilities",
    ),
    (
        "failed to initialize logging driver",
        "logging",
        Code::NotSupported,
        "the log driver cannot be started on this host: is its address right, and does something listen there?",
    ),
    (
        "invalid log driver",
        "logging",
        Code::NotSupported,
        "podman has no such log driver: it has json-file, journald and none",
    ),
    (
        "error setting rlimit",
        "ulimits",
        Code::InvalidValue,
        "a limit of ulimits is above what this host gives: choose a smaller one",
    ),
    (
        "open /proc/sys/",
        "sysctls",
        Code::NotSupported,
        "the kernel of this host has no such setting: leave it out of sysctls",
    ),
    (
        "write sysctl key",
        "sysctls",
        Code::InvalidValue,
        "the kernel does not take the value of one of sysctls",
    ),
    (
        "write /proc/sys/",
        "sysctls",
        Code::InvalidValue,
        "the kernel does not take the value of one of sysctls",
    ),
    (
        "non-overlapping IPv4 address pool",
        "network",
        Code::NotSupported,
        "the engine has no address range left for another network: remove networks that no one uses, or share one",
    ),
    (
        "all predefined address pools have been fully subnetted",
        "network",
        Code::NotSupported,
        "the engine has no address range left for another network: remove networks that no one uses, or share one",
    ),
    (
        "oom_score_adj",
        "oom_score_adj",
        Code::NotSupported,
        "this host does not let the engine set oom_score_adj so low: choose a greater one",
    ),
];

/// What an engine says that has looked at a configuration and refuses it, and the field it is about. These are the
/// words of moby's own checks before it makes a container (`verifyContainerSettings`, `runconfig`,
/// `ValidateMountConfig`, the log drivers' `ValidateLogOpt`), and nothing else says them.
const JUDGED: [(&str, &str); 34] = [
    ("logger: ", "logging"),
    ("unknown log opt", "logging"),
    ("unknown value ", "logging"),
    ("compression is only supported on UDP", "logging"),
    ("compress cannot be true when", "logging"),
    ("compression cannot be enabled when", "logging"),
    ("invalid mount config for type \"volume\"", "mounts"),
    ("invalid mount config for type \"tmpfs\"", "mounts"),
    ("is not directory", "mounts"),
    ("Duplicate mount point", "mounts"),
    ("invalid mount path", "mounts"),
    ("in Healthcheck cannot be", "healthcheck"),
    ("Conflicting options: Nano CPUs", "resources.cpus"),
    ("NanoCPUs can not be set", "resources.cpus"),
    ("Range of CPUs is from", "resources.cpus"),
    ("CPU cfs period can not be", "resources.cpu_period"),
    ("CPU cfs quota can not be", "resources.cpu_quota"),
    ("Minimum memoryswap limit", "resources.memory_swap"),
    ("Minimum memory reservation", "resources.memory_reservation"),
    ("Minimum memory limit", "resources.memory"),
    ("valid memory swappiness range", "resources.memory_swappiness"),
    ("Range of blkio weight", "resources.blkio_weight"),
    ("range for oom score adj", "oom_score_adj"),
    ("maximum retry count cannot", "restart"),
    ("invalid CapAdd", "cap_add"),
    ("invalid CapDrop", "cap_drop"),
    ("invalid --security-opt", "security_opt"),
    ("conflicting options: hostname", "hostname"),
    ("privileged mode is incompatible with user namespaces", "privileged"),
    ("cannot share the host's network namespace", "network"),
    ("cannot share the host PID namespace", "pid"),
    ("No command specified", "command"),
    ("it needs to be an absolute path", "working_dir"),
    ("not a directory", "working_dir"),
];

/// How Docker's client marks what the engine itself says.
const ENGINE_SAYS: &str = "Error response from daemon: ";
/// What the engine repeats of what a container was started with: the words are not its own.
const OF_RUNTIME: &str = "OCI runtime";

/// The error that the engine's words stand for, if they are about an option.
pub(super) fn of_output(output: &str) -> Option<Error> {
    if let Some((_, field, code, message)) = REFUSALS.iter().find(|(words, ..)| output.contains(words)) {
        return Some(Error::new(*code, *message).with("field", *field));
    }
    let said = output.lines().filter_map(|line| Some(line.split_once(ENGINE_SAYS)?.1.trim()));
    let mut said = said.filter(|said| !said.contains(OF_RUNTIME));
    let judged = |said: &str| JUDGED.iter().find(|(words, _)| said.contains(words)).map(|(_, field)| *field);
    let (said, field) = said.find_map(|said| Some((said, judged(said)?)))?;
    let message = format!("{field} is not what the container engine takes: {said}");
    Some(Error::new(Code::InvalidValue, message).with("field", field))
}

#[cfg(test)]
mod tests {
    use super::of_output;
    use crate::codes::Code;

    #[test]
    fn what_the_engine_has_judged_is_the_clients_to_mend() {
        for (output, field) in [
            ("Error response from daemon: No command specified", "command"),
            (
                " Container x  Creating\nError response from daemon: logger: max-buffer-size option is only supported \
                 with 'mode=non-blocking'\n",
                "logging",
            ),
            (
                "Error response from daemon: Minimum memoryswap limit should be larger",
                "resources.memory_swap",
            ),
        ] {
            let error = of_output(output).unwrap();
            assert_eq!((error.code, &error.details["field"]), (Code::InvalidValue, &field.into()));
        }
    }

    #[test]
    fn what_fails_otherwise_is_not_taken_for_a_judgement() {
        for output in [
            "Error response from daemon: driver failed programming external connectivity",
            "Error response from daemon: OCI runtime create failed: exec: \"/bin/sh/x\": not a directory",
            "Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist",
            "No command specified",
            "panic: logger: x",
            "",
        ] {
            assert!(of_output(output).is_none(), "{output}");
        }
    }
}
