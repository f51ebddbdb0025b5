//! The options about names and networks.

use std::net::IpAddr;

use serde_json::Value;

use super::values::{list, text, wrong_type};
use crate::container::rules;
use crate::container::violation::Violations;

/// The longest name of a host, in bytes: what `sethostname` takes is 64, what DNS takes is 63.
const LONGEST_HOSTNAME: usize = 63;
/// The longest domain.
const LONGEST_DOMAIN: usize = 253;

/// Labels of letters, digits, `-` and `_`, between dots.
fn is_domain(text: &str, longest: usize) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
    };
    text.len() <= longest && text.split('.').all(is_label)
}

pub(super) fn hostname(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str =
        "has to be a host's name: at most 63 letters, digits and hyphens, with dots between parts";
    text(value, path, violations, RULE, |text| is_domain(text, LONGEST_HOSTNAME).then(|| text.to_owned()))
}

pub(super) fn dns(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be the IP address of a name server";
    list(value, path, violations, |value, path, violations| {
        text(value, path, violations, RULE, |text| text.parse::<IpAddr>().ok().map(|ip| ip.to_string()))
    })
}

pub(super) fn dns_search(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be a domain, for instance example.org, or `.` for none";
    list(value, path, violations, |value, path, violations| {
        text(value, path, violations, RULE, |text| {
            (text == "." || is_domain(text, LONGEST_DOMAIN)).then(|| text.to_owned())
        })
    })
}

pub(super) fn dns_options(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be an option of resolv.conf, for instance ndots:2 or use-vc";
    let is_word = |word: &str| {
        (1..=64).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_number = |text: &str| (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    list(value, path, violations, |value, path, violations| {
        text(value, path, violations, RULE, |text| {
            let (word, number) = text.split_once(':').map_or((text, None), |(word, n)| (word, Some(n)));
            (is_word(word) && number.is_none_or(is_number)).then(|| text.to_owned())
        })
    })
}

pub(super) fn extra_hosts(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be name:ip, for instance db:10.0.0.5, or name:host-gateway";
    list(value, path, violations, |value, path, violations| {
        text(value, path, violations, RULE, |text| {
            let (name, address) = text.split_once(':')?;
            let address = match address {
                "host-gateway" => address.to_owned(),
                address => address.parse::<IpAddr>().ok()?.to_string(),
            };
            is_domain(name, LONGEST_DOMAIN).then(|| format!("{name}:{address}"))
        })
    })
}

/// The entries of a compose file: a list of `name:ip` or `name=ip`, or a mapping.
pub(super) fn extra_hosts_of_compose(value: &Value) -> Option<Value> {
    match value {
        Value::Array(entries) => {
            let entry = |entry: &Value| {
                let (name, address) = entry.as_str()?.split_once(['=', ':'])?;
                Some(format!("{name}:{}", address.trim_start_matches('[').trim_end_matches(']')))
            };
            entries.iter().map(|value| entry(value).map(Value::from)).collect()
        }
        Value::Object(entries) => {
            entries.iter().map(|(name, ip)| Some(Value::from(format!("{name}:{}", ip.as_str()?)))).collect()
        }
        _ => None,
    }
}

/// Whether the value of `network` names a network that containers share.
pub(super) fn is_named(network: &str) -> bool {
    !matches!(network, "none" | "host")
}

pub(super) fn network(value: Value, path: &str, violations: &mut Violations) -> Option<Value> {
    const RULE: &str = "has to be default, none, host, or the name of a network to share: 2 to 64 of the \
                        characters a-z A-Z 0-9 _ . - that start with a letter or digit, but not with x-, and neither \
                        bridge nor 64 hexadecimal digits";
    let Some(name) = value.as_str() else {
        return wrong_type(path, RULE, value, violations);
    };
    match name {
        "default" => Some(Value::Null),
        // The engine's own: what is on it has no names and is not cut off.
        "bridge" => super::values::wrong(path, RULE, value, violations),
        _ => text(value, path, violations, RULE, |name| {
            // What begins so is an extension to Compose, and no network; and an id could be that of anyone's network.
            let is_free = !name.starts_with("x-") && !rules::is_engine_id(name);
            (is_free && rules::name_problem(name).is_none()).then(|| name.to_owned())
        }),
    }
}
