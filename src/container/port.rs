//! Port mappings: the rules for one, and when two clash.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{Fields, whole};
use super::violation::Violations;
use crate::codes::Code;

/// The protocol of a port mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The protocol as Compose and the API write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// Reads Compose's word for a protocol.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|protocol| protocol.as_str() == word)
    }
}

/// One port mapping as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The port on the host; 0: the engine picks one at each start.
    pub host: u16,
    /// The port in the container.
    pub container: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The host's address to listen on; all of them when none is named.
    pub host_ip: Option<IpAddr>,
}

impl Port {
    /// Whether two mappings cannot be on the host at one time.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        if self.protocol != other.protocol || self.host != other.host {
            return false;
        }
        if self.host == 0 { self == other } else { addresses_overlap(self.host_ip, other.host_ip) }
    }
}

/// Whether listening on one address excludes listening on the other; none stands for all addresses.
#[must_use]
pub fn addresses_overlap(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one == other
                || (one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified()))
        }
        (None, _) | (_, None) => true,
    }
}

/// Reads the list `ports` of a request; what is wrong goes into `violations`.
pub fn parse_list(list: Vec<Value>, violations: &mut Violations) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let path = format!("ports[{index}]");
        let shown = value.clone();
        let Some(port) = parse_one(value, &path, violations) else { continue };
        if ports.iter().any(|earlier| earlier.clashes_with(&port)) {
            let message = "clashes with an earlier port of the list: leave one of them out";
            violations.add(path, Code::DuplicatePort, message, shown);
        }
        ports.push(port);
    }
    ports
}

fn parse_one(value: Value, path: &str, violations: &mut Violations) -> Option<Port> {
    let before = violations.as_slice().len();
    let mut fields = Fields::new(value, path, violations);
    let host = number(&mut fields, "host", 0, false);
    let container = number(&mut fields, "container", 1, true);
    let protocol = protocol(&mut fields);
    let host_ip = host_ip(&mut fields);
    fields.finish();
    (violations.as_slice().len() == before).then_some(())?;
    Some(Port { host: host.unwrap_or(0), container: container?, protocol, host_ip })
}

fn number(fields: &mut Fields<'_>, name: &'static str, least: u16, needed: bool) -> Option<u16> {
    let path = fields.path(name);
    let rule = format!("has to be a whole number from {least} to 65535");
    match fields.take(name).value() {
        None if needed => {
            fields.violations().add(path, Code::InvalidPort, format!("is missing: it {rule}"), Value::Null);
            None
        }
        None => None,
        Some(value) => {
            let number = whole(&value).and_then(|n| u16::try_from(n).ok()).filter(|n| *n >= least);
            if number.is_none() {
                fields.violations().add(path, Code::InvalidPort, rule, value);
            }
            number
        }
    }
}

fn protocol(fields: &mut Fields<'_>) -> Protocol {
    let path = fields.path("protocol");
    let Some(word) = fields.string("protocol").value() else { return Protocol::Tcp };
    Protocol::parse(&word).unwrap_or_else(|| {
        fields.violations().add(path, Code::InvalidPort, "has to be tcp, udp or sctp", word.into());
        Protocol::Tcp
    })
}

fn host_ip(fields: &mut Fields<'_>) -> Option<IpAddr> {
    let path = fields.path("host_ip");
    let text = fields.string("host_ip").value()?;
    let address = text.parse().ok();
    if address.is_none() {
        let message = "has to be an IP address of this host, for instance 127.0.0.1";
        fields.violations().add(path, Code::InvalidPort, message, text.into());
    }
    address
}
