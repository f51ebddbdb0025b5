//! Whose a network or a volume is that containers share, to one who knows of some containers only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::{Cuid, Spec};

/// What changes in flight are about to share: their containers' files do not name it yet.
#[derive(Default)]
pub struct Claims(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    numbers: u64,
    claims: HashMap<u64, (Cuid, Spec)>,
}

/// Tells others what a change is about to share, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    table: Arc<Mutex<Table>>,
    number: u64,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Table").field("claims", &self.claims.len()).finish_non_exhaustive()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).claims.remove(&self.number);
    }
}

impl Claims {
    /// Notes what a container is about to share.
    pub(super) fn claim(&self, cuid: Cuid, spec: &Spec) -> Claim {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.numbers += 1;
        let number = table.numbers;
        table.claims.insert(number, (cuid, spec.clone()));
        Claim { table: Arc::clone(&self.0), number }
    }

    /// Whether a change in flight is about to share this network.
    pub(super) fn is_network_claimed(&self, network: &str) -> bool {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.claims.values().any(|(_, spec)| spec.options.shared_network() == Some(network))
    }

    fn all(&self) -> Vec<(Cuid, Spec)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).claims.values().cloned().collect()
    }
}

/// A network or a volume that a container is to share, as a request names it.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    /// `network` or `volume`.
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    /// Where the request names it.
    pub(super) field: &'a str,
    /// Whether the engine has it.
    pub(super) is_there: bool,
}

impl Shared<'_> {
    fn is_of(&self, spec: &Spec) -> bool {
        match self.kind {
            "network" => spec.options.shared_network() == Some(self.name),
            _ => spec.options.volumes().any(|mounted| mounted.source == self.name),
        }
    }
}

impl Service {
    /// Fails where a limited caller may not share it: it is there, or another's container names it, and none that
    /// the caller knows of does. Asked under the lock under which it is made.
    pub(super) fn must_be_theirs(&self, principal: &Principal, shared: Shared<'_>) -> Result<()> {
        if !principal.is_limited() {
            return Ok(());
        }
        let of_files = self.catalog.all().into_iter().filter_map(|known| {
            let spec = &known.definition.as_ref().ok()?.spec;
            shared.is_of(spec).then(|| principal.sees(known.cuid, Some(spec)))
        });
        let of_changes = self.claims.all().into_iter().filter(|(_, spec)| shared.is_of(spec));
        let of_changes = of_changes.map(|(cuid, spec)| principal.sees(cuid, Some(&spec)));
        let users: Vec<bool> = of_files.chain(of_changes).collect();
        if users.contains(&true) || (users.is_empty() && !shared.is_there) {
            return Ok(());
        }
        let Shared { kind, name, field, .. } = shared;
        let message = format!(
            "the {kind} {name} is not used by a container of yours: choose another name, or ask the administrator"
        );
        Err(Error::new(Code::NotYours, message).with("field", field).with("provided", name))
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, Cuid, Spec};

    #[test]
    fn a_claim_holds_until_it_is_dropped() {
        let (claims, cuid) = (Claims::default(), Cuid::new());
        let first = claims.claim(cuid, &Spec::of_image("a".to_owned()));
        let second = claims.claim(cuid, &Spec::of_image("b".to_owned()));
        drop(first);
        assert_eq!(claims.all(), [(cuid, Spec::of_image("b".to_owned()))]);
        drop(second);
        assert!(claims.all().is_empty());
    }
}
