//! Containers as JSON, kept until something of them changes: reading is to cost next to nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::wire::ContainerBody;
use crate::container::Cuid;
use crate::service::{Service, Sight};

/// A container's body, as it is sent.
#[derive(Clone, Debug)]
pub struct ContainerText(Arc<RawValue>);

impl Serialize for ContainerText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The bodies that were sent last, two for each container at most: with values of `env` and without.
#[derive(Default)]
pub struct Rendered(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bodies: HashMap<(Cuid, bool), (Sight, ContainerText)>,
    /// How many there may be before those of the past are thrown away.
    limit: usize,
}

impl Rendered {
    /// The body of a container.
    pub fn text(&self, service: &Service, sight: &Sight) -> ContainerText {
        self.kept().text(service, sight)
    }

    /// The bodies of containers.
    pub fn texts(&self, service: &Service, sights: &[Sight]) -> Vec<ContainerText> {
        let mut kept = self.kept();
        sights.iter().map(|sight| kept.text(service, sight)).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn text(&mut self, service: &Service, sight: &Sight) -> ContainerText {
        let key = (sight.cuid(), sight.shows_env());
        if let Some((known, text)) = self.bodies.get(&key)
            && known.is_same(sight)
        {
            return text.clone();
        }
        // Names, numbers and texts always serialize.
        let body = to_raw_value(&ContainerBody::from(service.container(sight))).unwrap_or_default();
        let text = ContainerText(body.into());
        self.bodies.insert(key, (sight.clone(), text.clone()));
        self.forget_the_past();
        text
    }

    fn forget_the_past(&mut self) {
        if self.bodies.len() > self.limit {
            self.bodies.retain(|_, (sight, _)| !sight.is_past());
            self.limit = self.bodies.len() * 2 + 64;
        }
    }
}
