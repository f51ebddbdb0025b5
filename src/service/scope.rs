//! What a caller is shown: the containers that it knows of, and values of `env` only where it may change them.

use std::sync::Arc;

use super::catalog::Known;
use super::{Container, Error, Service};
use crate::access::{Permission, Principal};
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::compose_file::ReadError;
use crate::container::status::State;

/// What stands for a value that a caller is not shown.
pub(super) const HIDDEN: &str = "***";
/// The details of errors that tell of another container: one cuid, or a list of them.
const HOLDER: &str = "held_by";
const HOLDERS: &str = "cuids";

/// A container as a caller may see it: what is in memory, shared and not copied.
#[derive(Clone, Debug)]
pub struct Sight {
    known: Arc<Known>,
    /// What the engine says.
    pub(super) state: Arc<State>,
    shows_env: bool,
}

impl Sight {
    /// Its id.
    #[must_use]
    pub fn cuid(&self) -> Cuid {
        self.known.cuid
    }

    /// Whether values of `env` are shown.
    #[must_use]
    pub const fn shows_env(&self) -> bool {
        self.shows_env
    }

    /// Whether nothing has changed between the two.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let is_known = Arc::ptr_eq(&self.known, &other.known) && Arc::ptr_eq(&self.state, &other.state);
        is_known && self.shows_env == other.shows_env
    }

    /// Whether it is of the past: only whoever has this sight still knows of it.
    #[must_use]
    pub fn is_past(&self) -> bool {
        Arc::strong_count(&self.known) == 1 || Arc::strong_count(&self.state) == 1
    }
}

/// Whether a caller is shown values of `env`.
pub(super) fn shows_env(principal: &Principal) -> bool {
    principal.may(Permission::DockerWrite)
}

/// The error of a caller that lacks a permission for what it asks, although it may use the route.
pub(super) fn lacks(permission: Permission, message: &str) -> Error {
    Error::new(Code::PermissionMissing, message).with("required", permission.as_str())
}

/// A variable `NAME=value` without its value.
pub(super) fn hide_variable(variable: &mut String) {
    if let Some(at) = variable.find('=') {
        variable.truncate(at + 1);
        variable.push_str(HIDDEN);
    }
}

impl Service {
    /// Whether a caller knows of this container.
    #[must_use]
    pub fn sees(principal: &Principal, known: &Known) -> bool {
        principal.sees(known.cuid, known.spec())
    }

    /// Whether a caller knows of the container of this id, which may be gone, or not be there yet.
    pub(super) fn sees_cuid(&self, principal: &Principal, cuid: Cuid) -> bool {
        self.catalog
            .get(cuid)
            .map_or_else(|| principal.sees(cuid, None), |known| Self::sees(principal, &known))
    }

    /// The containers that a caller knows of, in order.
    pub(super) fn seen_by(&self, principal: &Principal) -> Vec<Arc<Known>> {
        let mut all = self.catalog.all();
        if principal.is_limited() {
            all.retain(|known| Self::sees(principal, known));
        }
        all
    }

    /// A container as its caller may see it.
    pub(super) fn sight(&self, principal: &Principal, known: Arc<Known>) -> Sight {
        let state = self.parts.live.state(known.cuid);
        Sight { known, state, shows_env: shows_env(principal) }
    }

    /// What is seen, to be kept.
    #[must_use]
    pub fn container(&self, sight: &Sight) -> Container {
        let (known, state) = (&sight.known, State::clone(&sight.state));
        let mut container = Container { cuid: known.cuid, definition: known.definition.clone(), state };
        if !sight.shows_env {
            self.hide_env(&mut container);
        }
        container
    }

    /// The same of one that is whole; nothing else leaves a use case.
    pub(super) fn shown_to(&self, principal: &Principal, mut container: Container) -> Container {
        if !shows_env(principal) {
            self.hide_env(&mut container);
        }
        container
    }

    fn hide_env(&self, container: &mut Container) {
        match &mut container.definition {
            Ok(definition) => {
                let spec = &mut definition.spec;
                let error = container.state.error.take();
                container.state.error = error.map(|error| self.parts.redactor.clean(&error, Some(spec)));
                for value in spec.env.values_mut() {
                    HIDDEN.clone_into(value);
                }
            }
            // What is wrong with it may be told by a part of it.
            Err(error) => *error = ReadError::unreadable(&"it is not what this API writes"),
        }
    }

    /// An error as its caller may see it: without what it says of containers that the caller does not know of.
    pub(super) fn told_to(&self, principal: &Principal, mut error: Error) -> Error {
        if !principal.is_limited() {
            return error;
        }
        let sees = |text: &serde_json::Value| {
            let cuid = text.as_str().and_then(|text| text.parse().ok());
            cuid.is_some_and(|cuid| self.sees_cuid(principal, cuid))
        };
        if error.details.get(HOLDER).is_some_and(|holder| !sees(holder)) {
            error.details.remove(HOLDER);
        }
        if let Some(serde_json::Value::Array(holders)) = error.details.get_mut(HOLDERS) {
            holders.retain(sees);
        }
        // The engine names containers by ids of its own.
        if error.code == Code::ImageInUse && error.details.remove("output").is_some() {
            "containers need the image".clone_into(&mut error.message);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::hide_variable;

    #[test]
    fn a_variable_keeps_its_name_alone() {
        for (variable, hidden) in [("A=b=c", "A=***"), ("A=", "A=***"), ("A", "A"), ("", "")] {
            let mut text = variable.to_owned();
            hide_variable(&mut text);
            assert_eq!(text, hidden);
        }
    }
}
