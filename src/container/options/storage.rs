//! The options about what is mounted beside the container's own mount.

use serde_json::{Map, Value, json};

use super::values::{list, size, text, wrong};
use crate::codes::Code;
use crate::container::fields::{Field, Fields};
use crate::container::rules;
use crate::container::violation::Violations;

/// The words that a tmpfs takes as they are (`mount`), and those that take a value.
pub const TMPFS_FLAGS: [&str; 18] = [
    "rw",
    "ro",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "dirsync",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
];

/// What is wrong with a place to mount at, if anything. A colon would end it in Compose's short form.
fn target_problem(path: &str) -> Option<&'static str> {
    if path.contains(':') {
        return Some("must not hold a colon");
    }
    rules::mount_path_problem(path)
}

pub(super) fn tmpfs(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be /path or /path:options, for instance /cache:size=64m,mode=1777, and not over /, \
                        /proc, /sys or /dev";
    list(value, path, violations, |value, path, violations| {
        text(value, path, violations, RULE, |text| {
            let (target, options) = text.split_once(':').map_or((text, None), |(path, o)| (path, Some(o)));
            let fits = options.is_none_or(|options| options.split(',').all(is_tmpfs_option));
            (fits && target_problem(target).is_none()).then(|| text.to_owned())
        })
    })
}

/// The path of a tmpfs of the list.
pub(super) fn tmpfs_target(entry: &str) -> &str {
    entry.split(':').next().unwrap_or_default()
}

fn is_tmpfs_option(option: &str) -> bool {
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    match option.split_once('=') {
        None => TMPFS_FLAGS.contains(&option),
        Some(("size", size)) => {
            let digits = size.strip_suffix(['k', 'm', 'g', 'K', 'M', 'G']).unwrap_or(size);
            is_number(digits, 9) && !digits.starts_with('0')
        }
        Some(("mode", mode)) => {
            (3..=4).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b))
        }
        Some(("uid" | "gid" | "nr_inodes", number)) => is_number(number, 9),
        Some(_) => false,
    }
}

pub(super) fn mounts(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    list(value, path, violations, mount)
}

fn mount(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    let before = violations.as_slice().len();
    let mut fields = Fields::new(value, path, violations);
    let mut mount = Map::new();
    let kind = fields.string("type").value().unwrap_or_default();
    if !["volume", "tmpfs", "bind"].contains(&kind.as_str()) {
        let (path, message) = (fields.path("type"), "has to be volume, tmpfs or bind");
        fields.violations().add(path, Code::InvalidValue, message, kind.as_str().into());
    }
    mount.insert("type".to_owned(), kind.as_str().into());
    let source = source(&mut fields, &kind);
    mount.extend(source.map(|source| ("source".to_owned(), source)));
    mount.extend(target(&mut fields).map(|target| ("target".to_owned(), target)));
    if let Field::Value(flag) = fields.take("read_only") {
        let path = fields.path("read_only");
        let flag = super::values::boolean(flag, &path, fields.violations());
        mount.extend(
            flag.filter(|flag| *flag == Value::Bool(true)).map(|flag| ("read_only".to_owned(), flag)),
        );
    }
    if let Field::Value(bytes) = fields.take("size") {
        let path = fields.path("size");
        if kind == "tmpfs" {
            mount.extend(size(bytes, &path, fields.violations()).map(|size| ("size".to_owned(), size)));
        } else {
            fields.violations().add(path, Code::InvalidValue, "belongs to type tmpfs alone", bytes);
        }
    }
    if kind == "volume" && mount.contains_key("read_only") && !mount.contains_key("source") {
        let (path, message) =
            (fields.path("read_only"), "needs a source: nothing could ever be in a volume of its own");
        fields.violations().add(path, Code::InvalidValue, message, true.into());
    }
    fields.finish();
    (violations.as_slice().len() == before).then(|| mount.into())
}

/// What is mounted: a volume's name, nothing for a volume of this container alone, a path of the host.
fn source(fields: &mut Fields<'_>, kind: &str) -> Option<Value> {
    const VOLUME: &str = "has to be the name of a volume: 2 to 64 of the characters a-z A-Z 0-9 _ . - that start \
                          with a letter or digit";
    const BIND: &str = "has to be an absolute path of the host without `.`, `..`, colons and empty parts";
    let path = fields.path("source");
    let source = fields.string("source").value();
    let (problem, shown) = match (kind, &source) {
        ("volume", Some(name)) => {
            // So the engine names those without a name, which go with their container.
            let is_nameless = rules::is_engine_id(name);
            let problem = rules::name_problem(name).map(|_| VOLUME);
            (problem.or(is_nameless.then_some("must not be 64 hexadecimal digits")), name.as_str().into())
        }
        ("bind", Some(folder)) => {
            let is_path = !folder.contains(':') && rules::container_path_problem(folder).is_none();
            ((!is_path).then_some(BIND), folder.as_str().into())
        }
        ("bind", None) => (Some("is missing: name the path of the host"), Value::Null),
        ("tmpfs", Some(name)) => (Some("belongs to the types volume and bind alone"), name.as_str().into()),
        _ => (None, Value::Null),
    };
    if let Some(problem) = problem {
        let code = if shown.is_null() { Code::MissingField } else { Code::InvalidValue };
        fields.violations().add(path, code, problem, shown);
        return None;
    }
    source.map(Value::from)
}

fn target(fields: &mut Fields<'_>) -> Option<Value> {
    let path = fields.path("target");
    match fields.string("target") {
        Field::Value(target) => match target_problem(&target) {
            None => Some(target.into()),
            Some(problem) => wrong(&path, problem, target.into(), fields.violations()),
        },
        Field::Null | Field::Absent => {
            let before = fields.violations().as_slice().iter().any(|violation| violation.field == path);
            if !before {
                let message = "is missing: name the path in the container";
                fields.violations().add(path, Code::MissingField, message, Value::Null);
            }
            None
        }
    }
}

/// A mount as Compose writes it.
pub(super) fn mount_to_compose(mount: &Value) -> Value {
    let mut volume = Map::new();
    for name in ["type", "source", "target", "read_only"] {
        volume.extend(mount.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    if let Some(size) = mount.get("size") {
        volume.insert("tmpfs".to_owned(), json!({"size": size}));
    }
    if mount["type"] == "bind" {
        // A source that is gone must not come back as an empty folder of root's.
        volume.insert("bind".to_owned(), json!({"create_host_path": false}));
    }
    volume.into()
}

/// The mount behind a volume of a compose file, if it is written as [`mount_to_compose`] writes it.
pub(super) fn mount_of_compose(volume: &Value) -> Option<Value> {
    let mut asked = volume.as_object()?.clone();
    asked.remove("bind");
    if let Some(tmpfs) = asked.remove("tmpfs") {
        asked.insert("size".to_owned(), tmpfs.get("size")?.clone());
    }
    let canonical = mount(asked.into(), "", &mut Violations::default())?;
    (mount_to_compose(&canonical) == *volume).then_some(canonical)
}
