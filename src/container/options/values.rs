//! What the checks of single options have in common: types, lists, numbers, sizes, durations.

use serde_json::{Map, Value};

use crate::codes::Code;
use crate::container::fields::whole;
use crate::container::rules;
use crate::container::violation::Violations;

/// Turns the value of a request into its canonical form, or notes what is wrong with it. `null` is the
/// canonical form of the default.
pub(super) type Check = fn(Value, &str, &mut Violations) -> Option<Value>;

/// Notes that a value is of the wrong type.
pub(super) fn wrong_type(path: &str, rule: &str, value: Value, violations: &mut Violations) -> Option<Value> {
    violations.add(path, Code::InvalidType, rule, value);
    None
}

/// Notes that a value cannot be.
pub(super) fn wrong(path: &str, rule: &str, value: Value, violations: &mut Violations) -> Option<Value> {
    violations.add(path, Code::InvalidValue, rule, value);
    None
}

/// True or false.
pub(super) fn boolean(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    if value.is_boolean() {
        return Some(value);
    }
    wrong_type(path, "has to be true or false", value, violations)
}

/// A string that `canonical` knows.
pub(super) fn text(
    value: Value,
    path: &str,
    violations: &mut Violations,
    rule: &str,
    canonical: impl Fn(&str) -> Option<String>,
) -> Option<Value> {
    let Some(text) = value.as_str() else {
        return wrong_type(path, rule, value, violations);
    };
    match canonical(text).filter(|_| rules::text_problem(text).is_none()) {
        Some(text) => Some(text.into()),
        None => wrong(path, rule, value, violations),
    }
}

/// One of some words.
pub(super) fn one_of(value: Value, path: &str, violations: &mut Violations, words: &[&str]) -> Option<Value> {
    let rule = format!("has to be {}", words.join(" or "));
    text(value, path, violations, &rule, |text| words.contains(&text).then(|| text.to_owned()))
}

/// A list, each item once; an empty one is the default.
pub(super) fn list(
    value: Value,
    path: &str,
    violations: &mut Violations,
    item: impl Fn(Value, &str, &mut Violations) -> Option<Value>,
) -> Option<Value> {
    let Value::Array(items) = value else {
        return wrong_type(path, "has to be a list", value, violations);
    };
    let mut list: Vec<Value> = Vec::new();
    let mut is_whole = true;
    for (index, value) in items.into_iter().enumerate() {
        match item(value, &format!("{path}[{index}]"), violations) {
            Some(value) if list.contains(&value) => {}
            Some(value) => list.push(value),
            None => is_whole = false,
        }
    }
    is_whole.then(|| if list.is_empty() { Value::Null } else { list.into() })
}

/// An object, value by value; an empty one is the default.
pub(super) fn object(
    value: Value,
    path: &str,
    violations: &mut Violations,
    member: impl Fn(&str, Value, &str, &mut Violations) -> Option<Value>,
) -> Option<Value> {
    let Value::Object(members) = value else {
        return wrong_type(path, "has to be an object", value, violations);
    };
    let mut map = Map::new();
    let mut is_whole = true;
    for (name, value) in members {
        match member(&name, value, &format!("{path}.{name}"), violations) {
            Some(value) => drop(map.insert(name, value)),
            None => is_whole = false,
        }
    }
    is_whole.then(|| if map.is_empty() { Value::Null } else { map.into() })
}

/// A whole number, also one that is written with a fraction of nothing, as JSON Schema has it.
pub(super) fn as_integer(value: &Value) -> Option<i64> {
    let negated = || {
        let positive = Value::from(-value.as_f64()?);
        whole(&positive).and_then(|number| i64::try_from(number).ok()).map(|number| -number)
    };
    value.as_i64().or_else(|| whole(value)?.try_into().ok()).or_else(negated)
}

/// A whole number from `least` to `most`.
pub(super) fn integer(
    value: Value,
    path: &str,
    violations: &mut Violations,
    (least, most): (i64, i64),
) -> Option<Value> {
    let rule = format!("has to be a whole number from {least} to {most}");
    match as_integer(&value) {
        Some(number) if (least..=most).contains(&number) => Some(number.into()),
        Some(_) => wrong(path, &rule, value, violations),
        None => wrong_type(path, &rule, value, violations),
    }
}

/// A size, as text.
pub(super) fn size(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    let text = match &value {
        Value::String(text) => text.clone(),
        other => whole(other).map(|bytes| bytes.to_string()).unwrap_or_default(),
    };
    match rules::size_problem(&text) {
        None => Some(text.into()),
        Some(rule) => wrong(path, rule, value, violations),
    }
}

/// The longest duration, in milliseconds.
const LONGEST: u64 = 10_000_000_000;

/// A duration: seconds as a number, or `1m30s` as Compose writes it; its canonical form are seconds.
pub(super) fn duration(value: Value, path: &str, violations: &mut Violations, least: u64) -> Option<Value> {
    const RULE: &str = "has to be a time in seconds, or for instance 1m30s or 500ms, of at least 1 ms and at \
                        most 10000000 s";
    let milliseconds = match &value {
        Value::Number(number) => {
            number.as_f64().and_then(|seconds| whole(&(seconds * 1000.0).round().into()))
        }
        Value::String(text) => of_compose(text),
        _ => None,
    };
    match milliseconds {
        Some(count) if (least..=LONGEST).contains(&count) => Some(seconds(count)),
        _ => wrong(path, RULE, value, violations),
    }
}

/// Milliseconds as a number of seconds.
fn seconds(milliseconds: u64) -> Value {
    if milliseconds.is_multiple_of(1000) {
        return (milliseconds / 1000).into();
    }
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000).parse::<f64>().unwrap_or_default().into()
}

/// A number of seconds as Compose writes it.
pub(super) fn to_compose(seconds: &Value) -> String {
    if let Some(seconds) = seconds.as_u64() {
        return format!("{seconds}s");
    }
    let milliseconds = (seconds.as_f64().unwrap_or_default() * 1000.0).round();
    format!("{milliseconds:.0}ms")
}

/// The milliseconds of hours, minutes, seconds and milliseconds, in that order, each at most once.
fn of_compose(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let (mut rest, mut total, mut next) = (text, 0_u64, 0);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let letters =
            rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |at| digits + at);
        let at =
            UNITS.iter().position(|(unit, _)| *unit == &rest[digits..letters]).filter(|at| *at >= next)?;
        total = total.checked_add(milliseconds(&rest[..digits], UNITS[at].1)?)?;
        (rest, next) = (&rest[letters..], at + 1);
    }
    (!text.is_empty()).then_some(total)
}

/// A number with at most three digits behind the dot, times its unit; whole numbers alone but for seconds.
fn milliseconds(number: &str, unit: u64) -> Option<u64> {
    let (before, behind) = number.split_once('.').unwrap_or((number, ""));
    let fits = |digits: &str, most: usize| digits.len() <= most && digits.bytes().all(|b| b.is_ascii_digit());
    let is_fraction = number.contains('.');
    if before.is_empty()
        || !fits(before, 9)
        || !fits(behind, 3)
        || (is_fraction && (unit != 1000 || behind.is_empty()))
    {
        return None;
    }
    let fraction: u64 = if is_fraction { format!("{behind:0<3}").parse().ok()? } else { 0 };
    before.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(fraction)
}

/// A scalar of a compose file as text: a person who edits it may have left out the quotes.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Violations, duration, to_compose};

    fn read(value: Value) -> Option<Value> {
        duration(value, "x", &mut Violations::default(), 1)
    }

    #[test]
    fn durations_are_seconds_and_go_back_to_composes_words() {
        for (given, seconds, written) in [
            (json!(90), json!(90), "90s"),
            (json!(1.5), json!(1.5), "1500ms"),
            (json!("1m30s"), json!(90), "90s"),
            (json!("1h1m1.5s1ms"), json!(3661.501), "3661501ms"),
            (json!("500ms"), json!(0.5), "500ms"),
            (json!(2.0), json!(2), "2s"),
        ] {
            assert_eq!(read(given.clone()), Some(seconds.clone()), "{given}");
            assert_eq!(to_compose(&seconds), written);
            assert_eq!(read(written.into()), Some(seconds));
        }
        for bad in ["", "5", "1x", "s", "1s1m", "1s1s", "1.s", ".5s", "1.5m", "-1s", "1 s", "0s", "1m30"] {
            assert_eq!(read(bad.into()), None, "{bad}");
        }
        for bad in [json!(0), json!(-1), json!(1e12), json!(true), json!([1]), json!(0.0001)] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }
}
