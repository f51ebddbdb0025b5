//! The option `logging`: the drivers, and what each of them takes.

use serde_json::{Map, Value};

use super::values::{as_text, object, wrong, wrong_type};
use crate::codes::Code;
use crate::container::fields::{Field, Fields};
use crate::container::violation::Violations;

/// What a log option's value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A size such as `10m`.
    Size,
    /// A whole number.
    Count,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An address on the network: a socket of the host would lead to the host.
    Address(&'static [&'static str]),
    /// Text that the engine does not take for a program: its templates can use up its memory.
    Tag,
    /// Any text on one line.
    Text,
}

const MODE: (&str, Kind) = ("mode", Kind::Word(&["blocking", "non-blocking"]));
const BUFFER: (&str, Kind) = ("max-buffer-size", Kind::Size);
const TAG: (&str, Kind) = ("tag", Kind::Tag);
/// What a tag may be made of beside plain text.
pub const TAG_TEMPLATES: [&str; 4] = ["{{.ID}}", "{{.FullID}}", "{{.Name}}", "{{.ImageName}}"];
/// The option without which a driver would write to a socket of this host.
pub const NEEDED: [(&str, &str); 3] =
    [("gelf", "gelf-address"), ("syslog", "syslog-address"), ("fluentd", "fluentd-address")];
const LABELS: (&str, Kind) = ("labels", Kind::Text);
const ENV: (&str, Kind) = ("env", Kind::Text);
const MAX_SIZE: (&str, Kind) = ("max-size", Kind::Size);
const MAX_FILE: (&str, Kind) = ("max-file", Kind::Count);
const COMPRESS: (&str, Kind) = ("compress", Kind::Flag);

/// The drivers, each with its options.
pub const DRIVERS: [(&str, &[(&str, Kind)]); 7] = [
    ("json-file", &[MAX_SIZE, MAX_FILE, COMPRESS, LABELS, ENV, TAG, MODE, BUFFER]),
    ("local", &[MAX_SIZE, MAX_FILE, COMPRESS, MODE, BUFFER]),
    ("journald", &[TAG, LABELS, ENV, MODE, BUFFER]),
    ("none", &[]),
    (
        "syslog",
        &[
            ("syslog-address", Kind::Address(&["udp", "tcp", "tcp+tls"])),
            (
                "syslog-facility",
                Kind::Word(&[
                    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
                    "authpriv", "ftp", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
                    "local7",
                ]),
            ),
            ("syslog-format", Kind::Word(&["rfc3164", "rfc5424", "rfc5424micro"])),
            TAG,
            LABELS,
            ENV,
            MODE,
            BUFFER,
        ],
    ),
    (
        "gelf",
        &[
            ("gelf-address", Kind::Address(&["udp", "tcp"])),
            ("gelf-compression-type", Kind::Word(&["gzip", "zlib", "none"])),
            TAG,
            LABELS,
            ENV,
            MODE,
            BUFFER,
        ],
    ),
    (
        "fluentd",
        &[
            ("fluentd-address", Kind::Address(&["tcp"])),
            ("fluentd-async", Kind::Flag),
            ("fluentd-max-retries", Kind::Count),
            TAG,
            LABELS,
            ENV,
            MODE,
            BUFFER,
        ],
    ),
];

/// What keeps output from filling the disk: filled in where the driver writes files and no one said otherwise.
pub(super) const ROTATION: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// Whether a driver's files are rotated.
pub(super) fn is_rotated(driver: &str) -> bool {
    matches!(driver, "json-file" | "local")
}

pub(super) fn logging(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    let before = violations.as_slice().len();
    let mut fields = Fields::new(value, path, violations);
    let driver = driver(&mut fields);
    let mut logging = Map::new();
    if let Field::Value(options) = fields.take("options") {
        let path = fields.path("options");
        let known = driver.as_ref().map_or(&[][..], |(_, options)| options);
        let options = object(options, &path, fields.violations(), |name, value, path, violations| {
            log_option(known, name, value, path, violations)
        });
        logging.extend(options.filter(|options| !options.is_null()).map(|o| ("options".to_owned(), o)));
    }
    fields.finish();
    (violations.as_slice().len() == before).then_some(())?;
    let (driver, _) = driver?;
    let needed = NEEDED.iter().find(|(of, _)| *of == driver).map(|(_, address)| *address);
    let set = |name: &str| logging.get("options")?.get(name)?.as_str();
    if let Some(address) = needed.filter(|address| set(address).is_none()) {
        let message = format!("is needed by {driver}, for instance tcp://10.0.0.9:12201");
        violations.add(format!("{path}.options.{address}"), Code::MissingField, message, Value::Null);
        return None;
    }
    for (option, message) in conflicts(driver, set) {
        let provided = set(option).map_or(Value::Null, Value::from);
        violations.add(format!("{path}.options.{option}"), Code::InvalidValue, message, provided);
    }
    (violations.as_slice().len() == before).then_some(())?;
    logging.insert("driver".to_owned(), driver.into());
    Some(logging.into())
}

/// What of a driver's options cannot be together: the option, and what to do about it. The engine looks at some
/// of it when it makes the container (`logger.ValidateLogOpts`, `gelf.ValidateLogOpt`), and at the rest when it
/// starts it.
fn conflicts<'a>(
    driver: &str,
    set: impl Fn(&str) -> Option<&'a str>,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let keeps_one_file = set("max-file") == Some("1");
    [
        (
            set("max-buffer-size").is_some() && set("mode") != Some("non-blocking"),
            ("max-buffer-size", "belongs to mode non-blocking alone: set mode as well, or leave it out"),
        ),
        (
            set("gelf-compression-type").is_some() && !set("gelf-address").is_some_and(is_udp),
            ("gelf-compression-type", "belongs to a gelf-address of udp:// alone: leave it out"),
        ),
        (
            driver == "json-file" && keeps_one_file && set("compress") == Some("true"),
            ("compress", "has nothing to compress with max-file 1: keep two files or more"),
        ),
        (
            driver == "local" && keeps_one_file && set("compress") != Some("false"),
            (
                "max-file",
                "has to be 2 or more where older files are compressed: set compress to false as well",
            ),
        ),
    ]
    .into_iter()
    .filter_map(|(is_broken, conflict)| is_broken.then_some(conflict))
}

fn is_udp(address: &str) -> bool {
    address.starts_with("udp://")
}

type Driver = (&'static str, &'static [(&'static str, Kind)]);

fn driver(fields: &mut Fields<'_>) -> Option<Driver> {
    let path = fields.path("driver");
    let names = DRIVERS.map(|(name, _)| name).join(", ");
    match fields.take("driver") {
        Field::Value(Value::String(name)) => {
            let found = DRIVERS.into_iter().find(|(known, _)| *known == name);
            if found.is_none() {
                let message = format!("has to be one of {names}");
                fields.violations().add(path, Code::InvalidValue, message, name.into());
            }
            found
        }
        Field::Value(other) => {
            fields.violations().add(path, Code::InvalidType, format!("has to be one of {names}"), other);
            None
        }
        Field::Absent | Field::Null => {
            let message = format!("is missing: name one of {names}");
            fields.violations().add(path, Code::MissingField, message, Value::Null);
            None
        }
    }
}

fn log_option(
    known: &[(&str, Kind)],
    name: &str,
    value: Value,
    path: &str,
    violations: &mut Violations,
) -> Option<Value> {
    let Some((_, kind)) = known.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let rule = format!("is no option of this driver; its options are: {}", names.join(", "));
        return wrong(path, &rule, value, violations);
    };
    let (rule, fits): (String, fn(Kind, &str) -> bool) = match kind {
        Kind::Size => ("has to be a size such as 10m".to_owned(), |_, text| is_size(text)),
        Kind::Count => ("has to be a whole number from 1 to 9999".to_owned(), |_, text| is_count(text)),
        Kind::Flag => ("has to be true or false".to_owned(), |_, text| matches!(text, "true" | "false")),
        Kind::Word(words) => (format!("has to be one of {}", words.join(", ")), is_word),
        Kind::Address(schemes) => (format!("has to be {}://host:port", schemes.join(":// or ")), is_address),
        Kind::Tag => {
            (format!("has to be plain text without {{, or one of {}", TAG_TEMPLATES.join(", ")), |_, text| {
                is_line(text) && (!text.contains('{') || TAG_TEMPLATES.contains(&text))
            })
        }
        Kind::Text => ("has to be one line of at most 1024 characters".to_owned(), |_, text| is_line(text)),
    };
    match as_text(&value) {
        Some(text) if fits(*kind, &text) => Some(text.into()),
        Some(_) => wrong(path, &rule, value, violations),
        None => wrong_type(path, &rule, value, violations),
    }
}

fn is_size(text: &str) -> bool {
    let digits = text.strip_suffix(['k', 'm', 'g']).unwrap_or(text);
    (1..=9).contains(&digits.len()) && is_number(digits)
}

fn is_count(text: &str) -> bool {
    (1..=4).contains(&text.len()) && is_number(text)
}

fn is_number(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

fn is_word(kind: Kind, text: &str) -> bool {
    matches!(kind, Kind::Word(words) if words.contains(&text))
}

fn is_address(kind: Kind, text: &str) -> bool {
    let Kind::Address(schemes) = kind else { return false };
    let Some((scheme, place)) = text.split_once("://") else { return false };
    let Some((host, port)) = place.rsplit_once(':') else { return false };
    let is_host = (1..=253).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && host.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_port = (1..=5).contains(&port.len()) && is_number(port) && port.parse::<u16>().is_ok();
    schemes.contains(&scheme) && is_host && is_port
}

fn is_line(text: &str) -> bool {
    text.chars().count() <= 1024 && !text.chars().any(char::is_control)
}
