//! The options about the processes: how they end, how they are watched, what they may use.

use serde_json::{Map, Value, json};

use super::values::{duration, integer, list, object, text, to_compose, wrong, wrong_type};
use crate::codes::Code;
use crate::container::fields::{Field, Fields};
use crate::container::rules;
use crate::container::signal::Signal;
use crate::container::violation::Violations;

/// The longest time between the stop signal and SIGKILL, in seconds.
const LONGEST_STOP: i64 = 3600;

/// The limits of a process that the kernel knows (`setrlimit`).
pub const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
/// The greatest limit, the last whole number that JSON is sure to carry.
pub const MOST_ULIMIT: i64 = 9_007_199_254_740_991;

pub(super) fn stop_signal(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be a signal: a name such as SIGTERM or SIGRTMIN+3, or a number";
    let name = match &value {
        Value::String(name) => Signal::parse(name).map(Signal::name),
        other => match super::values::as_integer(other) {
            Some(number) => Signal::parse(&number.to_string()).map(Signal::name),
            None => return wrong_type(path, RULE, value, violations),
        },
    };
    match name {
        Some(name) => Some(name.into()),
        None => wrong(path, RULE, value, violations),
    }
}

pub(super) fn stop_timeout(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    integer(value, path, violations, (0, LONGEST_STOP))
}

/// Seconds as Compose writes a time.
pub(super) fn seconds_to_compose(value: &Value) -> Value {
    to_compose(value).into()
}

/// Whole seconds of a time that Compose writes.
pub(super) fn seconds_of_compose(value: &Value) -> Option<Value> {
    duration(value.clone(), "", &mut Violations::default(), 0).filter(Value::is_u64)
}

pub(super) fn oom_score_adj(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    integer(value, path, violations, (-1000, 1000))
}

pub(super) fn group_add(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be a group's name or its id";
    list(value, path, violations, |value, path, violations| {
        let value = match super::values::as_integer(&value) {
            Some(id) => id.to_string().into(),
            None => value,
        };
        text(value, path, violations, RULE, |group| {
            let is_group = rules::user_problem(group).is_none() && !group.contains(':');
            is_group.then(|| group.to_owned())
        })
    })
}

/// A list of a compose file, whose items may stand without quotes, or one item alone.
pub(super) fn texts_of_compose(value: &Value) -> Option<Value> {
    match value {
        Value::Array(items) => {
            items.iter().map(|item| super::values::as_text(item).map(Value::from)).collect()
        }
        Value::String(item) => Some(json!([item])),
        _ => None,
    }
}

pub(super) fn ulimits(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    object(value, path, violations, |name, value, path, violations| {
        if !ULIMITS.contains(&name) {
            let rule = format!("is no limit; the limits are {}", ULIMITS.join(", "));
            return wrong(path, &rule, value, violations);
        }
        ulimit(value, path, violations)
    })
}

/// One number for both limits, or the two; -1 is no limit.
fn ulimit(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be a whole number, or {\"soft\": …, \"hard\": …}; -1 is no limit";
    const RANGE: (i64, i64) = (-1, MOST_ULIMIT);
    if value.is_number() {
        return integer(value, path, violations, RANGE);
    }
    if !value.is_object() {
        return wrong_type(path, RULE, value, violations);
    }
    let shown = value.clone();
    let mut fields = Fields::new(value, path, violations);
    let mut read = |name| {
        let path = fields.path(name);
        match fields.take(name) {
            Field::Value(value) => integer(value, &path, fields.violations(), RANGE),
            Field::Absent | Field::Null => {
                fields.violations().add(
                    path,
                    Code::MissingField,
                    "is missing: both limits are needed",
                    Value::Null,
                );
                None
            }
        }
    };
    let (soft, hard) = (read("soft"), read("hard"));
    fields.finish();
    let (soft, hard) = (soft?.as_i64()?, hard?.as_i64()?);
    if hard != -1 && (soft == -1 || soft > hard) {
        return wrong(path, "has a soft limit above the hard one", shown, violations);
    }
    Some(json!({"soft": soft, "hard": hard}))
}

pub(super) fn healthcheck(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    let before = violations.as_slice().len();
    let shown = value.clone();
    let mut fields = Fields::new(value, path, violations);
    let mut check = Map::new();
    if let Field::Value(test) = fields.take("test") {
        let path = fields.path("test");
        check.extend(health_test(test, &path, fields.violations()).map(|test| ("test".to_owned(), test)));
    }
    for (name, least) in [("interval", 1), ("timeout", 1), ("start_period", 0)] {
        if let Field::Value(time) = fields.take(name) {
            let path = fields.path(name);
            check.extend(
                duration(time, &path, fields.violations(), least).map(|time| (name.to_owned(), time)),
            );
        }
    }
    if let Field::Value(retries) = fields.take("retries") {
        let path = fields.path("retries");
        let retries = integer(retries, &path, fields.violations(), (1, 1_000_000));
        check.extend(retries.map(|retries| ("retries".to_owned(), retries)));
    }
    fields.finish();
    if violations.as_slice().len() > before {
        return None;
    }
    if check.is_empty() {
        return wrong(
            path,
            "has to name at least one of test, interval, timeout, start_period, retries",
            shown,
            violations,
        );
    }
    Some(check.into())
}

/// A string, which a shell runs, or `CMD`, `CMD-SHELL` or `NONE` and what belongs to it.
fn health_test(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be a string (a shell runs it), [\"CMD\", program, arguments…], \
                        [\"CMD-SHELL\", line] or [\"NONE\"]";
    let words: Option<Vec<&str>> = match &value {
        Value::String(line) => Some(vec!["CMD-SHELL", line]),
        Value::Array(words) => words.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let Some(words) = words else {
        return wrong_type(path, RULE, value, violations);
    };
    let fits = match words.as_slice() {
        ["NONE"] => true,
        ["CMD-SHELL", line] => !line.is_empty(),
        ["CMD", program, ..] => !program.is_empty(),
        _ => false,
    };
    if !fits || words.iter().any(|word| rules::text_problem(word).is_some()) {
        return wrong(path, RULE, value, violations);
    }
    Some(value)
}

/// Compose's words for the times of a health check.
const TIMES: [&str; 3] = ["interval", "timeout", "start_period"];

pub(super) fn healthcheck_to_compose(value: &Value) -> Value {
    let mut check = value.clone();
    for name in TIMES {
        if let Some(time) = check.get_mut(name) {
            *time = to_compose(time).into();
        }
    }
    check
}

pub(super) fn healthcheck_of_compose(value: &Value) -> Option<Value> {
    let mut check = value.as_object()?.clone();
    match check.remove("disable") {
        Some(Value::Bool(true)) => Some(json!({"test": ["NONE"]})),
        Some(Value::Bool(false)) | None => Some(check.into()),
        Some(_) => None,
    }
}
