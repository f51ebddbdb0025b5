//! The options through a compose file and back.

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Map, Value, json};

use super::{Cuid, Definition, EngineKind, Owner, Spec, Surroundings, read, render};
use crate::container::options::{Allowed, Options};
use crate::container::request::{CreateRequest, HostLimits, patch};
use crate::container::resources::LimitSet;

fn around() -> Surroundings {
    Surroundings {
        owner: Owner { uid: 1000, gid: 1000 },
        network: "wharfinger".to_owned(),
        engine: EngineKind::Docker,
    }
}

fn all_allowed() -> Allowed {
    let tokens =
        "privileged,devices,cap_add,security_opt,sysctls,network,pid,ipc,uts,ulimits,oom_score_adj,bind:/";
    Allowed::parse(tokens.split(',')).unwrap()
}

/// Values of every option, what they were given as and their canonical form.
fn samples() -> Vec<(&'static str, Value, Value)> {
    let same = |name, value: Value| (name, value.clone(), value);
    vec![
        same("systemd", json!(true)),
        same("systemd", json!(false)),
        same("hostname", json!("web-1.example")),
        same("dns", json!(["10.0.0.1", "fd00::1"])),
        same("dns_search", json!(["example.org", "."])),
        same("dns_options", json!(["ndots:2", "use-vc"])),
        same("extra_hosts", json!(["db:10.0.0.5", "me:host-gateway", "six:fd00::2"])),
        same("network", json!("none")),
        same("network", json!("host")),
        same("network", json!("backend")),
        ("cap_add", json!(["CAP_NET_ADMIN", "net_admin", "MKNOD"]), json!(["NET_ADMIN", "MKNOD"])),
        same("cap_add", json!(["SYS_TIME"])),
        same("cap_drop", json!(["MKNOD"])),
        same("cap_drop", json!(["ALL"])),
        same("cap_drop", json!(["NET_RAW", "CHOWN"])),
        same("devices", json!(["/dev/fuse", "/dev/null:/dev/other:rw"])),
        same("privileged", json!(true)),
        same("privileged", json!(false)),
        same("read_only", json!(true)),
        same("tmpfs", json!(["/cache:size=64m,mode=1777", "/run"])),
        ("shm_size", json!(67_108_864), json!("67108864")),
        same("shm_size", json!("64m")),
        ("sysctls", json!({"net.core.somaxconn": 1024}), json!({"net.core.somaxconn": "1024"})),
        same("ulimits", json!({"nofile": 1024, "core": {"soft": 0, "hard": -1}})),
        same("security_opt", json!(["seccomp=unconfined"])),
        (
            "security_opt",
            json!(["no-new-privileges:false", "apparmor:x"]),
            json!(["no-new-privileges:false", "apparmor=x"]),
        ),
        ("security_opt", json!(["no-new-privileges"]), json!(["no-new-privileges:true"])),
        ("group_add", json!([20, "audio"]), json!(["20", "audio"])),
        same("init", json!(true)),
        same("init", json!(false)),
        same("tty", json!(true)),
        same("stdin_open", json!(true)),
        ("stop_signal", json!(37), json!("SIGRTMIN+3")),
        ("stop_signal", json!("int"), json!("SIGINT")),
        same("stop_timeout", json!(90)),
        same("stop_timeout", json!(0)),
        (
            "healthcheck",
            json!({"test": ["CMD", "echo", "$HOME"], "interval": "1m30s", "timeout": 0.5, "retries": 3.0}),
            json!({"test": ["CMD", "echo", "$HOME"], "interval": 90, "timeout": 0.5, "retries": 3}),
        ),
        same("healthcheck", json!({"test": "echo ${X}"})),
        same("healthcheck", json!({"test": ["NONE"]})),
        same("healthcheck", json!({"start_period": 0})),
        same("pid", json!("host")),
        same("ipc", json!("shareable")),
        same("uts", json!("host")),
        same("oom_score_adj", json!(-500)),
        (
            "logging",
            json!({"driver": "json-file", "options": {"max-file": 7}}),
            json!({"options": {"max-file": "7"}, "driver": "json-file"}),
        ),
        same("logging", json!({"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}})),
        ("logging", json!({"driver": "local", "options": {}}), json!({"driver": "local"})),
        same("logging", json!({"driver": "none"})),
        (
            "mounts",
            json!([
                {"type": "volume", "source": "data", "target": "/data", "read_only": true},
                {"type": "volume", "target": "/anonymous", "read_only": false},
                {"type": "tmpfs", "target": "/tmp", "size": 1024},
                {"type": "bind", "source": "/srv/x", "target": "/x", "read_only": true},
            ]),
            json!([
                {"type": "volume", "source": "data", "target": "/data", "read_only": true},
                {"type": "volume", "target": "/anonymous"},
                {"type": "tmpfs", "target": "/tmp", "size": "1024"},
                {"type": "bind", "source": "/srv/x", "target": "/x", "read_only": true},
            ]),
        ),
    ]
}

fn create(body: Value) -> Result<Spec, Vec<String>> {
    let limits = HostLimits { cpus: None, lacks: LimitSet::default(), allowed: &all_allowed() };
    let fields = |violations: &crate::container::violation::Violations| {
        violations.as_slice().iter().map(|broken| broken.field.clone()).collect()
    };
    CreateRequest::parse(body, limits).map(|request| request.spec).map_err(|violations| fields(&violations))
}

/// The request of some options, each at most once.
fn body(options: &[(&'static str, Value, Value)]) -> Value {
    let mut body = json!({"image": "a", "name": "web-1"});
    for (name, given, _) in options {
        body[name] = given.clone();
    }
    body
}

fn round_trip(spec: &Spec) -> Definition {
    let cuid = Cuid::new();
    let definition = Definition::new(spec.clone(), "2026-11-22T00:00:00+00:00".to_owned());
    let text = render(cuid, &definition, &around()).unwrap();
    let back = read(cuid, &text).unwrap();
    assert_eq!(back, definition, "{text}");
    assert_eq!(render(cuid, &back, &around()).unwrap(), text, "written again, it is the same");
    back
}

#[test]
fn every_option_reads_back_in_its_canonical_form() {
    let mut seen = Vec::new();
    for sample in samples() {
        let (name, _, canonical) = &sample;
        let spec = create(body(std::slice::from_ref(&sample))).unwrap();
        assert_eq!(spec.options.get(name), Some(canonical), "{name}");
        assert_eq!(
            round_trip(&spec).spec.options.to_map(),
            Map::from_iter([((*name).to_owned(), canonical.clone())])
        );
        let again = create(body(&[(name, canonical.clone(), Value::Null)])).unwrap();
        assert_eq!(again, spec, "{name}: the canonical form stands for itself");
        seen.push(*name);
    }
    for name in Options::names() {
        assert!(seen.contains(&name), "{name} has a sample");
    }
}

proptest! {
    #[test]
    fn any_options_together_read_back_as_they_were(chosen in subsequence(samples(), 0..12), command in any::<bool>()) {
        let mut body = body(&chosen);
        if command {
            body["command"] = "exec $PROGRAM".into();
        }
        // Some cannot be together: those are refused as a whole.
        if let Ok(spec) = create(body) {
            round_trip(&spec);
        }
    }
}

#[test]
fn a_patch_leaves_resets_and_replaces() {
    let limits = HostLimits { cpus: None, lacks: LimitSet::default(), allowed: &all_allowed() };
    for sample in samples() {
        let (name, given, canonical) = &sample;
        let plain = create(json!({"image": "a", "name": "web-1"})).unwrap();
        let set = patch(&plain, json!({*name: given}), limits).unwrap();
        assert_eq!(set.options.get(name), Some(canonical), "{name}");
        assert_eq!(patch(&set, json!({"tags": []}), limits).unwrap(), set, "{name} is left alone");
        assert_eq!(patch(&set, json!({*name: null}), limits).unwrap(), plain, "{name} is reset");
    }
}

#[test]
fn what_leads_to_the_host_is_refused_and_what_cannot_be_comes_first() {
    let limits = HostLimits { cpus: None, lacks: LimitSet::default(), allowed: &Allowed::default() };
    let refused = |options: Value| {
        let mut body = options;
        body["image"] = "a".into();
        let violations = CreateRequest::parse(body, limits).unwrap_err();
        violations
            .as_slice()
            .iter()
            .map(|broken| (broken.field.clone(), broken.allow.clone()))
            .collect::<Vec<_>>()
    };
    for (options, field, token) in [
        (json!({"privileged": true}), "privileged", "privileged"),
        (json!({"devices": ["/dev/fuse:/dev/x:rw"]}), "devices[0]", "devices:/dev/fuse"),
        (json!({"cap_add": ["CAP_NET_ADMIN"]}), "cap_add[0]", "cap_add:NET_ADMIN"),
        (
            json!({"security_opt": ["seccomp=unconfined"]}),
            "security_opt[0]",
            "security_opt:seccomp=unconfined",
        ),
        (
            json!({"sysctls": {"net.core.somaxconn": 1}}),
            "sysctls.net.core.somaxconn",
            "sysctls:net.core.somaxconn",
        ),
        (json!({"network": "host"}), "network", "network:host"),
        (json!({"pid": "host"}), "pid", "pid:host"),
        (json!({"ipc": "host"}), "ipc", "ipc:host"),
        (json!({"uts": "host"}), "uts", "uts:host"),
        (json!({"ulimits": {"rtprio": 1, "nofile": 9}}), "ulimits.rtprio", "ulimits:rtprio"),
        (json!({"ulimits": {"nice": {"soft": 0, "hard": -1}, "rtprio": 0}}), "ulimits.nice", "ulimits:nice"),
        (json!({"oom_score_adj": -1}), "oom_score_adj", "oom_score_adj"),
        (
            json!({"mounts": [{"type": "bind", "source": "/srv", "target": "/x"}]}),
            "mounts[0].source",
            "bind:/srv",
        ),
    ] {
        assert_eq!(refused(options), [(field.to_owned(), Some(token.to_owned()))]);
        Allowed::parse([token]).unwrap();
    }
    let harmless = json!({
        "image": "a", "privileged": false, "ipc": "private", "oom_score_adj": 0,
        "ulimits": {"nice": 0, "rtprio": {"soft": 0, "hard": 0}},
    });
    assert!(CreateRequest::parse(harmless, limits).is_ok());
}

#[test]
fn what_cannot_be_is_named() {
    for (options, field) in [
        (json!({"systemd": "yes"}), "systemd"),
        (json!({"hostname": "-a"}), "hostname"),
        (json!({"dns": ["1.2.3"]}), "dns[0]"),
        (json!({"dns": "1.2.3.4"}), "dns"),
        (json!({"dns_search": ["a b"]}), "dns_search[0]"),
        (json!({"dns_options": [""]}), "dns_options[0]"),
        (json!({"extra_hosts": ["a"]}), "extra_hosts[0]"),
        (json!({"cap_drop": ["NOPE"]}), "cap_drop[0]"),
        (json!({"devices": ["/etc/passwd"]}), "devices[0]"),
        (json!({"devices": ["/dev/../etc/x"]}), "devices[0]"),
        (json!({"tmpfs": ["/proc"]}), "tmpfs[0]"),
        (json!({"tmpfs": ["/x:nonsense"]}), "tmpfs[0]"),
        (json!({"shm_size": "0"}), "shm_size"),
        (json!({"sysctls": {"kernel.panic": "1"}}), "sysctls.kernel.panic"),
        (json!({"ulimits": {"nofile": {"soft": 9, "hard": 1}}}), "ulimits.nofile"),
        (json!({"ulimits": {"nofile": {"soft": 9}}}), "ulimits.nofile.hard"),
        (json!({"ulimits": {"x": 1}}), "ulimits.x"),
        (json!({"security_opt": ["seccomp=/etc/passwd"]}), "security_opt[0]"),
        (json!({"group_add": ["a:b"]}), "group_add[0]"),
        (json!({"stop_signal": "NOPE"}), "stop_signal"),
        (json!({"stop_timeout": -1}), "stop_timeout"),
        (json!({"healthcheck": {}}), "healthcheck"),
        (json!({"healthcheck": {"test": ["CMD"]}}), "healthcheck.test"),
        (json!({"healthcheck": {"interval": "soon"}}), "healthcheck.interval"),
        (json!({"healthcheck": {"tset": "x"}}), "healthcheck.tset"),
        (json!({"network": "bridge"}), "network"),
        (json!({"network": "container:x"}), "network"),
        (json!({"network": "aB".repeat(32)}), "network"),
        (json!({"pid": "container:x"}), "pid"),
        (json!({"oom_score_adj": 1001}), "oom_score_adj"),
        (json!({"logging": {"driver": "nope"}}), "logging.driver"),
        (
            json!({"logging": {"driver": "syslog", "options": {"syslog-address": "unix:///x"}}}),
            "logging.options.syslog-address",
        ),
        (json!({"logging": {"driver": "gelf"}}), "logging.options.gelf-address"),
        (json!({"logging": {"driver": "syslog"}}), "logging.options.syslog-address"),
        (json!({"logging": {"driver": "fluentd", "options": {}}}), "logging.options.fluentd-address"),
        // A template of Go that would take 60 GB of the engine's memory.
        (
            json!({"logging": {"driver": "json-file", "options": {"tag": "{{pad \"x\" 60000000000 0}}"}}}),
            "logging.options.tag",
        ),
        (json!({"network": "x-lan"}), "network"),
        (
            json!({"mounts": [{"type": "volume", "source": "a".repeat(64), "target": "/x"}]}),
            "mounts[0].source",
        ),
        (json!({"mount_path": "/app:ro"}), "mount_path"),
        (json!({"mounts": [{"type": "volume", "target": "/app"}]}), "mounts[0].target"),
        (json!({"mounts": [{"type": "tmpfs", "target": "/x"}], "tmpfs": ["/x"]}), "tmpfs[0]"),
        (json!({"mounts": [{"type": "nope", "target": "/x"}]}), "mounts[0].type"),
        (json!({"mounts": [{"type": "bind", "source": "/a/../b", "target": "/x"}]}), "mounts[0].source"),
        (json!({"mounts": [{"type": "volume", "size": 1, "target": "/x"}]}), "mounts[0].size"),
        (json!({"network": "none", "ports": [{"container": 80}]}), "network"),
        (json!({"hostname": "a", "uts": "host"}), "hostname"),
        (json!({"sysctls": {"net.x": "1"}, "network": "host"}), "sysctls.net.x"),
    ] {
        let mut body = options.clone();
        body["image"] = "a".into();
        assert_eq!(create(body), Err(vec![field.to_owned()]), "{options}");
    }
}

#[test]
fn what_a_person_wrote_reads_back_as_an_option_or_stays() {
    let cuid = Cuid::new();
    let definition = Definition::new(create(json!({"image": "a"})).unwrap(), String::new());
    let text = render(cuid, &definition, &around()).unwrap();
    let edited = |lines: &str| {
        let text = text.replacen("    restart:", &format!("{lines}    restart:"), 1);
        read(cuid, &text).unwrap()
    };
    for (lines, name, canonical) in [
        ("    stop_grace_period: 1m30s\n", "stop_timeout", json!(90)),
        ("    dns: 10.0.0.1\n", "dns", json!(["10.0.0.1"])),
        ("    sysctls: [net.core.somaxconn=9]\n", "sysctls", json!({"net.core.somaxconn": "9"})),
        ("    extra_hosts: {db: 10.0.0.1}\n", "extra_hosts", json!(["db:10.0.0.1"])),
        ("    healthcheck: {disable: true}\n", "healthcheck", json!({"test": ["NONE"]})),
        ("    network_mode: host\n", "network", json!("host")),
        ("    group_add: [20]\n", "group_add", json!(["20"])),
    ] {
        let found = edited(lines);
        assert_eq!(found.spec.options.get(name), Some(&canonical), "{lines}");
        assert_eq!(found.by_hand, definition.by_hand, "{lines}");
    }
    for lines in ["    network_mode: service:other\n", "    pid: container:x\n", "    ulimits: {nope: 1}\n"] {
        let found = edited(lines);
        assert_eq!(found.spec, definition.spec, "{lines}");
        let again = render(cuid, &found, &around()).unwrap();
        assert_eq!(read(cuid, &again).unwrap(), found, "{lines} stays");
    }
    let bare = text.replace("    - 'MKNOD'\n", "").replace("cap_drop:\n", "cap_drop: []\n");
    let bare = bare.replace("    - \"MKNOD\"\n", "");
    assert_ne!(bare, text);
    let found = read(cuid, &bare).unwrap();
    assert!(
        render(cuid, &found, &around()).unwrap().contains("cap_drop: []"),
        "a guard taken away by hand stays away"
    );
}

#[test]
fn a_file_from_before_there_were_options_reads_as_one_without_any() {
    let cuid = Cuid::new();
    let definition = Definition::new(create(json!({"image": "a"})).unwrap(), String::new());
    let text = render(cuid, &definition, &around()).unwrap();
    let notes = ["cap_drop.", "security_opt.", "logging."];
    let before: Vec<&str> =
        text.lines().filter(|line| !notes.iter().any(|note| line.contains(note))).collect();
    assert!(before.len() < text.lines().count(), "{text}");
    assert_eq!(read(cuid, &before.join("\n")).unwrap(), definition);
}
