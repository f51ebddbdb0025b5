//! All containers in memory, a copy of the compose files; by id, by name, and in the order of creation.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use crate::container::compose_file::{Definition, ReadError};
use crate::container::{Cuid, Spec};

/// Where a container stands in a list: creation time, then cuid.
pub type Place = (Timestamp, Cuid);

/// One container as its compose file tells it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub cuid: Cuid,
    /// What the file says, or why it cannot be read.
    pub definition: Result<Definition, ReadError>,
    place: Place,
}

impl Known {
    /// A container.
    #[must_use]
    pub fn new(cuid: Cuid, definition: Result<Definition, ReadError>) -> Self {
        let created = definition.as_ref().ok().and_then(|definition| definition.created_at.parse().ok());
        let place = (created.unwrap_or(Timestamp::UNIX_EPOCH), cuid);
        Self { cuid, definition, place }
    }

    /// Where it stands in a list; a container whose file cannot be read stands first.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// What it is to be; none where its file cannot be read.
    #[must_use]
    pub fn spec(&self) -> Option<&Spec> {
        self.definition.as_ref().ok().map(|definition| &definition.spec)
    }

    fn name(&self) -> Option<&str> {
        self.spec()?.name.as_deref()
    }
}

#[derive(Default)]
struct Shelves {
    by_place: BTreeMap<Place, Arc<Known>>,
    places: HashMap<Cuid, Place>,
    names: HashMap<String, Cuid>,
}

/// The catalog.
#[derive(Default)]
pub struct Catalog(RwLock<Shelves>);

impl Catalog {
    /// Puts a container in, or in the place of what was known of it.
    pub fn put(&self, known: Known) {
        let mut shelves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        shelves.remove(known.cuid);
        if let Some(name) = known.name() {
            // A name written by hand does not take another container's away.
            shelves.names.entry(name.to_owned()).or_insert(known.cuid);
        }
        shelves.places.insert(known.cuid, known.place());
        shelves.by_place.insert(known.place(), Arc::new(known));
    }

    /// Takes a container out, and frees every name it held.
    pub fn remove(&self, cuid: Cuid) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(cuid);
    }

    /// Keeps a name for a container; fails with the one that has it.
    pub fn reserve(&self, name: &str, cuid: Cuid) -> Result<(), Cuid> {
        let mut shelves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match shelves.names.get(name) {
            Some(holder) if *holder != cuid => Err(*holder),
            _ => {
                shelves.names.insert(name.to_owned(), cuid);
                Ok(())
            }
        }
    }

    /// The container of an id or a name.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Known>> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let cuid = id.parse().ok().or_else(|| shelves.names.get(id).copied())?;
        shelves.get(cuid)
    }

    /// The container of an id.
    #[must_use]
    pub fn get(&self, cuid: Cuid) -> Option<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(cuid)
    }

    /// All containers, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_place.values().cloned().collect()
    }
}

impl Shelves {
    fn get(&self, cuid: Cuid) -> Option<Arc<Known>> {
        self.by_place.get(self.places.get(&cuid)?).cloned()
    }

    fn remove(&mut self, cuid: Cuid) {
        if let Some(place) = self.places.remove(&cuid) {
            self.by_place.remove(&place);
        }
        self.names.retain(|_, holder| *holder != cuid);
    }
}
