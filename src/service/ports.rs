//! Whether the host ports that a container wants are free.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::time::Duration;

use super::Service;
use super::catalog::{Catalog, Known};
use super::error::{Error, Result};
use crate::codes::Code;
use crate::compose::ComposeError;
use crate::container::port::{Port, Protocol, addresses_overlap};
use crate::container::status::BoundPort;
use crate::container::{Cuid, Spec};
use crate::engine::Live;

/// Stands where the cuid of a port's holder would when it is none of ours.
const HOST: &str = "host";
/// How often, and after which pause, a port is looked at again while a container that wants it too changes.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Fails with the first port that another container of ours, or someone else on this host, has.
fn check(cuid: Cuid, ports: &[Port], catalog: &Catalog, live: &Live) -> Result<()> {
    let fixed: Vec<&Port> = ports.iter().filter(|port| port.host != 0).collect();
    if fixed.is_empty() {
        return Ok(());
    }
    let own = live.state(cuid).ports.clone();
    let others: Vec<(Cuid, Vec<BoundPort>)> = catalog
        .all()
        .into_iter()
        .filter(|known| known.cuid != cuid)
        .map(|known| (known.cuid, live.state(known.cuid)))
        .filter(|(_, state)| state.status.is_up())
        .map(|(other, state)| (other, state.ports.clone()))
        .collect();
    for port in fixed {
        let holder = others.iter().find(|(_, bound)| bound.iter().any(|bound| is_same(port, bound)));
        if let Some((holder, _)) = holder {
            return Err(in_use(port, &holder.to_string()));
        }
        if !own.iter().any(|bound| is_same(port, bound)) && is_taken_on_host(port) {
            return Err(in_use(port, HOST));
        }
    }
    Ok(())
}

impl Service {
    /// Fails with the first port that someone else has, and says who. A container that is being started may
    /// have a port before the engine tells so: then it is asked again.
    pub(super) async fn ports_must_be_free(&self, cuid: Cuid, ports: &[Port]) -> Result<()> {
        for _ in 0..ATTEMPTS {
            match check(cuid, ports, &self.catalog, &self.parts.live) {
                Err(taken) if taken.details.get("held_by").is_some_and(|holder| holder == HOST) => {
                    let is_settled = !self.rivals(cuid, ports).any(|rival| self.turns.is_busy(rival));
                    self.refresh_rivals(cuid, ports).await;
                    if is_settled {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
        check(cuid, ports, &self.catalog, &self.parts.live)
    }

    /// What a failure of Compose means for this container: of a port that is taken, it is told which, and who
    /// has it.
    pub(super) async fn explain(&self, cuid: Cuid, spec: &Spec, error: ComposeError) -> Error {
        let ComposeError::Failed { output, .. } = &error else { return error.into() };
        if !output.contains("port is already allocated") && !output.contains("address already in use") {
            return error.into();
        }
        self.refresh_rivals(cuid, &spec.ports).await;
        if let Err(taken) = self.ports_must_be_free(cuid, &spec.ports).await {
            return taken;
        }
        let named =
            spec.ports.iter().find(|port| port.host != 0 && output.contains(&format!(":{}", port.host)));
        named.map_or_else(|| error.into(), |port| in_use(port, HOST))
    }

    /// Reads the state of the containers that want one of these ports: one may have been started a moment ago.
    async fn refresh_rivals(&self, cuid: Cuid, ports: &[Port]) {
        let rivals: Vec<Cuid> = self.rivals(cuid, ports).collect();
        for rival in rivals {
            if let Err(error) = self.parts.live.refresh(rival).await {
                tracing::warn!(cuid = %rival, %error, "the state could not be read");
            }
        }
    }

    /// The other containers that want one of these ports.
    fn rivals(&self, cuid: Cuid, ports: &[Port]) -> impl Iterator<Item = Cuid> {
        let wants_one = move |known: &Known| {
            let definition = known.definition.as_ref().ok();
            definition.is_some_and(|definition| {
                let wanted = &definition.spec.ports;
                wanted.iter().any(|port| port.host != 0 && ports.iter().any(|other| port.clashes_with(other)))
            })
        };
        let all = self.catalog.all().into_iter();
        all.filter(move |known| known.cuid != cuid && wants_one(known)).map(|known| known.cuid)
    }
}

/// The error of a port that is taken; `holder` is a cuid or `host`.
fn in_use(port: &Port, holder: &str) -> Error {
    let message =
        format!("port {}/{} of the host is taken: choose another", port.host, port.protocol.as_str());
    Error::new(Code::PortInUse, message)
        .with("host", port.host)
        .with("protocol", port.protocol.as_str())
        .with("held_by", holder)
}

fn is_same(port: &Port, bound: &BoundPort) -> bool {
    port.host == bound.host
        && port.protocol == bound.protocol
        && addresses_overlap(port.host_ip, Some(bound.host_ip))
}

/// Tries to listen where the container would. SCTP cannot be tried so; the engine itself will say.
fn is_taken_on_host(port: &Port) -> bool {
    let everywhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let addresses = port.host_ip.map_or_else(|| everywhere.to_vec(), |address| vec![address]);
    addresses.into_iter().any(|address| {
        let at = (address, port.host);
        let tried = match port.protocol {
            Protocol::Tcp => TcpListener::bind(at).map(drop),
            Protocol::Udp => UdpSocket::bind(at).map(drop),
            Protocol::Sctp => Ok(()),
        };
        tried.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    })
}
