//! The options of a container beside its program, ports and limits, as they stand in the `OpenAPI` document;
//! `container::options` checks them.

use serde_json::{Map, Value, json};

use super::schemas::{PARTS, SIZE, TEXT};
use crate::container::options::{
    CAPABILITIES, DRIVERS, Kind, MOST_ULIMIT, NEEDED, SYSCTLS, TAG_TEMPLATES, TMPFS_FLAGS, ULIMITS,
};

/// Letters, digits, hyphens and underscores, and dots between them.
const DOMAIN: &str =
    r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?)*";
/// A network's or a volume's name.
const NAME: &str = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}";
/// The form of a cuid, which no name has.
const CUID: &str = r"c[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
/// The form of an engine's id, which no name has either.
const ID: &str = "[0-9a-fA-F]{64}$";
/// Real-time signals by the engine's names.
const REAL_TIME: &str = r"RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?";
/// A signal's number as text.
const NUMBER: &str = "[1-9]|[12][0-9]|3[014-9]|[45][0-9]|6[0-4]";
/// The permissions of a device, each letter once.
const PERMISSIONS: &str = "(r|w|m|rw|wr|rm|mr|wm|mw|rwm|rmw|wrm|wmr|mrw|mwr)";

/// The schemas of all options by their names: as a request may have them, with `null` for the default, or as
/// an answer has them.
pub(super) fn properties(with_null: bool) -> Map<String, Value> {
    let mut properties = Map::new();
    for (name, description, schema) in
        switches().into_iter().chain(names()).chain(storage()).chain(host()).chain(processes())
    {
        let mut property = if with_null { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema };
        property["description"] = description.into();
        properties.insert(name.to_owned(), property);
    }
    properties
}

type Property = (&'static str, &'static str, Value);

fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": format!("^({pattern})$")})
}

fn list(item: impl Into<Value>) -> Value {
    json!({"type": "array", "items": item.into()})
}

fn switches() -> Vec<Property> {
    let flag = || json!({"type": "boolean"});
    vec![
        (
            "systemd",
            "The container runs systemd: PID 1 is `command` or /sbin/init, its stop signal SIGRTMIN+3, with tmpfs on \
             /run, /run/lock and /tmp, and no init in front.",
            flag(),
        ),
        (
            "init",
            "A small init as PID 1, which reaps orphans and passes signals on; default true, false with `systemd`.",
            flag(),
        ),
        ("tty", "The program has a terminal; `mode=attach` of the WebSocket reaches it.", flag()),
        (
            "stdin_open",
            "The program's standard input stays open; `mode=attach` of the WebSocket types to it.",
            flag(),
        ),
        ("privileged", "All capabilities and devices of the host. Leads to the host.", flag()),
        ("read_only", "The root file system cannot be written to.", flag()),
    ]
}

fn names() -> Vec<Property> {
    let address =
        json!({"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]});
    let hostname = json!({"type": "string", "pattern": format!("^{DOMAIN}$"), "maxLength": 63});
    let mut search = pattern(&format!(r"\.|{DOMAIN}"));
    search["maxLength"] = 253.into();
    let hosts = format!("(?=[^:]{{1,253}}:){DOMAIN}:(host-gateway|{}|{})", ipv4(), ipv6());
    let network = format!("(?!bridge$|x-|{ID}|{CUID}){NAME}");
    vec![
        ("hostname", "The container's name for itself; not beside `uts` host.", hostname),
        ("dns", "Name servers.", list(address)),
        ("dns_search", "Domains that names without a dot are looked for in; `.` for none.", list(search)),
        ("dns_options", "Options of resolv.conf.", list(pattern("[a-z0-9-]{1,64}(:[0-9]{1,6})?"))),
        (
            "extra_hosts",
            "Lines for /etc/hosts, `name:ip`; `host-gateway` stands for this host.",
            list(pattern(&hosts)),
        ),
        (
            "network",
            "`default`: out, but not to other containers; `none`; `host`, which leads to the host; or the name of a \
             network whose containers reach one another by their names and cuids. It is made when it is missing \
             and goes with the last container that names it. A change of `name` restarts a container on one. \
             `none` and `host` go without `ports`.",
            json!({"type": "string", "pattern": format!("^{network}$"), "examples": ["backend"]}),
        ),
    ]
}

fn ipv4() -> String {
    const PART: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    format!(r"({PART}(\.{PART}){{3}})")
}

fn ipv6() -> String {
    const PART: &str = "[0-9a-fA-F]{1,4}";
    let mut forms = vec![
        format!("({PART}:){{7}}{PART}"),
        format!("({PART}:){{1,7}}:"),
        format!("::({PART}:){{0,6}}{PART}"),
        "::".to_owned(),
    ];
    forms.extend((1..=6).map(|before| format!("({PART}:){{{before}}}(:{PART}){{1,{}}}", 7 - before)));
    format!("({})", forms.join("|"))
}

fn size() -> Value {
    json!({"oneOf": [pattern(SIZE), {"type": "integer", "minimum": 1, "maximum": MOST_ULIMIT}], "examples": ["64m"]})
}

/// A path to mount at: no colon in it, which Compose's short form has a use for.
fn target() -> String {
    format!("(?!/(proc|sys|dev)(/|$))(?!.*:){PARTS}")
}

fn storage() -> Vec<Property> {
    let flags = TMPFS_FLAGS.join("|");
    let option = format!(
        "({flags}|size=[1-9][0-9]{{0,8}}[kmgKMG]?|mode=[0-7]{{3,4}}|(uid|gid|nr_inodes)=[0-9]{{1,9}})"
    );
    let tmpfs = format!(
        r"(?!/(proc|sys|dev)([/:]|$))(/(?!\.{{1,2}}([/:]|$))[^/:\u0000-\u001f\u007f-\u009f]+)+(:{option}(,{option})*)?"
    );
    let bind = format!("(?!.*:)(/|{PARTS})");
    let mount = |kind: &str, needed: &[&str], more: Value| {
        let mut properties = json!({
            "type": {"const": kind},
            "target": pattern(&target()),
            "read_only": {"type": ["boolean", "null"]},
        });
        if let (Some(properties), Value::Object(more)) = (properties.as_object_mut(), more) {
            properties.extend(more);
        }
        json!({"type": "object", "properties": properties, "required": needed, "additionalProperties": false})
    };
    let volume =
        json!({"source": {"type": ["string", "null"], "pattern": format!("^(?!{ID}|{CUID}){NAME}$")}});
    let mut volume = mount("volume", &["type", "target"], volume);
    // The engine makes no volume for a container alone that nothing can be written to.
    volume["anyOf"] = json!([
        {"required": ["source"], "properties": {"source": {"type": "string"}}},
        {"properties": {"read_only": {"enum": [false, null]}}},
    ]);
    let mounts = json!({"oneOf": [
        volume,
        mount("tmpfs", &["type", "target"], json!({"size": {"oneOf": [pattern(SIZE), {"type": "integer", "minimum": 1, "maximum": MOST_ULIMIT}, {"type": "null"}]}})),
        mount("bind", &["type", "source", "target"], json!({"source": pattern(&bind)})),
    ]});
    vec![
        (
            "mounts",
            "What is mounted beside the mount, no two on one place. `volume`: a named one is made when it is missing, \
             can be shared and outlives the container, one without `source` goes with it. `tmpfs`: in memory. `bind`: \
             a path of the host, which has to exist and to have no link in it. Leads to the host.",
            json!({"type": "array", "items": mounts, "examples": [[{"type": "volume", "source": "data", "target": "/data"}]]}),
        ),
        (
            "tmpfs",
            "File systems in memory, `/path` or `/path:options` as `mount` has them.",
            list(pattern(&tmpfs)),
        ),
        ("shm_size", "The size of /dev/shm.", size()),
    ]
}

fn host() -> Vec<Property> {
    let capability = || list(pattern(&format!("(CAP_)?({})", CAPABILITIES.join("|"))));
    let device = format!("(?=/dev/[^:]){PATH}(:(?=/dev/[^:]){PATH})?(:{PERMISSIONS})?", PATH = device_path());
    let word = "[a-zA-Z0-9_.-]{1,128}";
    let security = format!(
        "no-new-privileges([:=](true|false))?|(seccomp|systempaths)[:=]unconfined|apparmor[:=]{word}|\
         label[:=](disable|(user|role|type):{word})"
    );
    let sysctl = format!(
        r"^({}|(?=.{{1,128}}$)(net|fs\.mqueue)(\.[a-zA-Z0-9_-]+)+)$",
        SYSCTLS.join("|").replace('.', r"\.")
    );
    let value = json!({"type": ["string", "number"], "pattern": r"^[^\u0000-\u001f\u007f-\u009f]{0,1024}$"});
    let sysctls =
        json!({"type": "object", "propertyNames": {"pattern": sysctl}, "additionalProperties": value});
    let host = || json!({"type": "string", "const": "host"});
    vec![
        ("cap_add", "Capabilities to add. Leads to the host.", capability()),
        ("cap_drop", "Capabilities to drop, beside MKNOD, which is always dropped.", capability()),
        (
            "devices",
            "Devices of the host, `/dev/a[:/dev/b[:rwm]]`. Leads to the host.",
            list(pattern(&device)),
        ),
        (
            "security_opt",
            "Security options, beside no-new-privileges, which is always there unless it is said to be false. Leads \
             to the host.",
            list(pattern(&security)),
        ),
        ("sysctls", "Settings of the kernel that a container has of its own. Leads to the host.", sysctls),
        ("pid", "The host's processes. Leads to the host.", host()),
        (
            "ipc",
            "The host's IPC leads to the host.",
            json!({"type": "string", "enum": ["host", "private", "shareable", "none"]}),
        ),
        ("uts", "The host's name. Leads to the host.", host()),
    ]
}

fn device_path() -> &'static str {
    r"/dev(/(?!\.{1,2}([/:]|$))[^/:\u0000-\u001f\u007f-\u009f]+)+"
}

fn processes() -> Vec<Property> {
    let signals = crate::container::signal::NAMES.join("|");
    let aliases = crate::container::signal::ALIASES.map(|(alias, _)| alias).join("|");
    let names = pattern(&format!("(SIG)?({signals}|{aliases}|{REAL_TIME})|{NUMBER}"));
    let numbers = json!({"type": "integer", "minimum": 1, "maximum": 64, "not": {"enum": [32, 33]}});
    let limit = json!({"type": "integer", "minimum": -1, "maximum": MOST_ULIMIT});
    let both = json!({
        "type": "object", "properties": {"soft": limit, "hard": limit}, "required": ["soft", "hard"],
        "additionalProperties": false,
    });
    let ulimits: Map<String, Value> =
        ULIMITS.iter().map(|name| ((*name).to_owned(), json!({"oneOf": [limit, both]}))).collect();
    let group = json!({"oneOf": [
        pattern("[a-zA-Z_][a-zA-Z0-9_.-]{0,63}|[01]?[0-9]{1,9}"),
        {"type": "integer", "minimum": 0, "maximum": i32::MAX},
    ]});
    vec![
        (
            "stop_signal",
            "The signal that ends the program, a name or a number.",
            json!({"oneOf": [names, numbers]}),
        ),
        (
            "stop_timeout",
            "Seconds between the stop signal and SIGKILL, where stop and restart name none.",
            json!({"type": "integer", "minimum": 0, "maximum": 3600}),
        ),
        ("healthcheck", "How the container's health is told.", healthcheck()),
        (
            "ulimits",
            "Limits of each process: one number, or the soft limit and the hard one, which is not below it; -1 is none. \
             `nice` and `rtprio` other than 0 lead to the host.",
            json!({"type": "object", "properties": ulimits, "additionalProperties": false, "examples": [{"nofile": 1024}]}),
        ),
        ("group_add", "More groups of the program's user, by name or id.", list(group)),
        (
            "oom_score_adj",
            "How readily the kernel ends it for want of memory. Below 0 leads to the host.",
            json!({"type": "integer", "minimum": -1000, "maximum": 1000}),
        ),
        (
            "logging",
            "Where its output is kept. json-file and local keep 3 files of 10 MB unless told otherwise.",
            logging(),
        ),
    ]
}

fn healthcheck() -> Value {
    let text = json!({"type": "string", "pattern": TEXT});
    let line = json!({"type": "string", "pattern": TEXT, "minLength": 1});
    let words = |kind: &str, rest: &[&Value], more: Value| {
        let items: Vec<Value> =
            [json!({"const": kind})].into_iter().chain(rest.iter().copied().cloned()).collect();
        json!({"type": "array", "minItems": items.len(), "prefixItems": items, "items": more})
    };
    let program = json!({"oneOf": [
        line,
        words("NONE", &[], false.into()),
        words("CMD-SHELL", &[&line], false.into()),
        words("CMD", &[&line], text),
        {"type": "null"},
    ]});
    let time = |least: f64| {
        let words =
            r"(?=.*[1-9])(?=.)([0-9]{1,3}h)?([0-9]{1,4}m)?([0-9]{1,6}(\.[0-9]{1,3})?s)?([0-9]{1,6}ms)?";
        json!({"oneOf": [{"type": "number", "minimum": least, "maximum": 10_000_000}, pattern(words), {"type": "null"}]})
    };
    let names = ["test", "interval", "timeout", "start_period", "retries"];
    let one_of_them =
        names.map(|name| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}}));
    json!({
        "type": "object",
        "properties": {
            "test": program,
            "interval": time(0.001),
            "timeout": time(0.001),
            "start_period": time(0.0),
            "retries": {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000},
        },
        "additionalProperties": false,
        "anyOf": one_of_them,
        "examples": [{"test": ["CMD", "true"], "interval": 30, "retries": 3}],
    })
}

fn logging() -> Value {
    let driver = |(name, options): (&str, &[(&str, Kind)])| {
        let known: Map<String, Value> =
            options.iter().map(|(name, kind)| ((*name).to_owned(), log_option(*kind))).collect();
        let mut options =
            json!({"type": ["object", "null"], "properties": known, "additionalProperties": false});
        let mut needed = vec!["driver"];
        if let Some((_, address)) = NEEDED.iter().find(|(of, _)| *of == name) {
            options["type"] = "object".into();
            options["required"] = json!([address]);
            needed.push("options");
        }
        options["allOf"] = log_options_together(name);
        json!({
            "type": "object", "properties": {"driver": {"const": name}, "options": options}, "required": needed,
            "additionalProperties": false,
        })
    };
    json!({"oneOf": DRIVERS.map(driver), "examples": [{"driver": "json-file", "options": {"max-size": "50m"}}]})
}

/// What of a driver's options cannot be together.
fn log_options_together(driver: &str) -> Value {
    let without = |name: &str| json!({"not": {"required": [name]}});
    let with = |name: &str, value: Value| json!({"required": [name], "properties": {name: value}});
    let one_file = json!({"enum": ["1", 1]});
    let compressed = json!({"enum": ["true", true]});
    let mut rules =
        vec![json!({"anyOf": [without("max-buffer-size"), with("mode", json!({"const": "non-blocking"}))]})];
    match driver {
        "none" => rules.clear(),
        "gelf" => rules.push(json!({"anyOf": [
            without("gelf-compression-type"),
            with("gelf-address", json!({"pattern": "^udp://"})),
        ]})),
        "json-file" => rules.push(json!({"not": {
            "required": ["max-file", "compress"], "properties": {"max-file": one_file, "compress": compressed},
        }})),
        "local" => rules.push(json!({"not": {
            "required": ["max-file"], "properties": {"max-file": one_file, "compress": compressed},
        }})),
        _ => {}
    }
    rules.into()
}

fn log_option(kind: Kind) -> Value {
    match kind {
        Kind::Size => pattern("[1-9][0-9]{0,8}[kmg]?"),
        Kind::Count => {
            json!({"oneOf": [pattern("[1-9][0-9]{0,3}"), {"type": "integer", "minimum": 1, "maximum": 9999}]})
        }
        Kind::Flag => json!({"oneOf": [pattern("true|false"), {"type": "boolean"}]}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
        Kind::Address(schemes) => {
            let schemes = schemes.join("|").replace('+', r"\+");
            pattern(&format!(
                r"({schemes})://[a-zA-Z0-9][a-zA-Z0-9.-]{{0,252}}:([1-9][0-9]{{0,3}}|[1-5][0-9]{{4}})"
            ))
        }
        Kind::Tag => json!({"oneOf": [
            {"type": "string", "enum": TAG_TEMPLATES},
            {"type": ["string", "number", "boolean"], "pattern": r"^[^{\u0000-\u001f\u007f-\u009f]{0,1024}$"},
        ]}),
        Kind::Text => {
            json!({"type": ["string", "number", "boolean"], "pattern": r"^[^\u0000-\u001f\u007f-\u009f]{0,1024}$"})
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::container::options::Options;

    #[test]
    fn the_document_has_every_option_and_no_other() {
        for with_null in [false, true] {
            let documented: BTreeSet<String> = super::properties(with_null).keys().cloned().collect();
            let known: BTreeSet<String> = Options::names().map(str::to_owned).collect();
            assert_eq!(documented, known);
        }
    }
}
