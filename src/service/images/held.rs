//! Which images containers need, those included that changes in flight are about to use.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::naming::{Names, Naming};
use crate::container::Cuid;
use crate::service::Service;

/// The images of changes in flight: from before they are looked for until the containers' files name them.
#[derive(Default)]
pub struct HeldImages {
    held: Arc<Mutex<Table>>,
    /// Held while an image is removed: who looks for one waits, and finds it or does not.
    pub(super) removing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Table {
    numbers: u64,
    images: HashMap<u64, (Cuid, Vec<String>)>,
}

/// Keeps images from being removed until it is dropped.
pub(in crate::service) struct Hold {
    table: Arc<Mutex<Table>>,
    number: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).images.remove(&self.number);
    }
}

impl HeldImages {
    fn hold(&self, cuid: Cuid, images: Vec<String>) -> Hold {
        let mut table = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        table.numbers += 1;
        let number = table.numbers;
        table.images.insert(number, (cuid, images));
        Hold { table: Arc::clone(&self.held), number }
    }

    fn all(&self) -> Vec<(Cuid, Vec<String>)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).images.values().cloned().collect()
    }
}

impl Service {
    /// Keeps images from being removed while a change needs them. One that is being removed is gone before this
    /// returns, so that it is missed and pulled.
    pub(in crate::service) async fn hold_images(
        &self,
        cuid: Cuid,
        images: impl IntoIterator<Item = String>,
    ) -> Hold {
        let hold = self.held_images.hold(cuid, images.into_iter().collect());
        drop(self.held_images.removing.lock().await);
        hold
    }

    /// The containers whose files name an image, and by what.
    pub(super) fn naming(&self, names: Names<'_>) -> Vec<(Cuid, Naming)> {
        let known = self.catalog.all();
        let of_files = known.iter().filter_map(|known| {
            let definition = known.definition.as_ref().ok()?;
            Some((known.cuid, names.naming(&definition.spec.image)?))
        });
        of_files.collect()
    }

    /// The containers whose changes in flight need an image, and by what.
    pub(super) fn holding(&self, names: Names<'_>) -> Vec<(Cuid, Naming)> {
        let of_change = |(cuid, images): (Cuid, Vec<String>)| {
            let found: Vec<_> = images.iter().filter_map(|image| names.naming(image)).collect();
            found.into_iter().map(move |naming| (cuid, naming))
        };
        self.held_images.all().into_iter().flat_map(of_change).collect()
    }
}

/// The cuids without repetitions, as an error tells them.
pub(super) fn sorted(cuids: impl IntoIterator<Item = Cuid>) -> Vec<String> {
    let unique: HashSet<Cuid> = cuids.into_iter().collect();
    let mut texts: Vec<String> = unique.into_iter().map(|cuid| cuid.to_string()).collect();
    texts.sort_unstable();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_held_until_the_last_hold_of_it_is_dropped() {
        let (held, cuid) = (HeldImages::default(), Cuid::new());
        let first = held.hold(cuid, vec!["a".to_owned()]);
        let second = held.hold(cuid, vec!["a".to_owned(), "b".to_owned()]);
        drop(first);
        assert_eq!(held.all(), [(cuid, vec!["a".to_owned(), "b".to_owned()])]);
        drop(second);
        assert!(held.all().is_empty());
    }
}
