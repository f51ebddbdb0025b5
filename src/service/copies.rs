//! The copies of logs that are being made, so that others wait for them or break them off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::container::Cuid;

/// How often a reader looks whether a copy has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An incarnation, by the engine's id.
pub(super) type Incarnation = (Cuid, String);

/// The copies that are being made.
#[derive(Clone, Default)]
pub struct Copies(Arc<Mutex<Making>>);

#[derive(Default)]
struct Making {
    numbers: u64,
    all: HashMap<u64, (Incarnation, CancellationToken)>,
}

impl Copies {
    /// Begins one. An earlier one of the same incarnation ends: this one has all that it has.
    pub(super) fn begin(&self, of: Incarnation) -> Underway {
        let cancel = CancellationToken::new();
        let mut making = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        making.all.values().filter(|(other, _)| *other == of).for_each(|(_, earlier)| earlier.cancel());
        making.numbers += 1;
        let number = making.numbers;
        making.all.insert(number, (of, cancel.clone()));
        Underway { copies: self.clone(), number, cancel }
    }

    fn any(&self, is_meant: impl Fn(u64, &Incarnation) -> bool) -> bool {
        let making = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        making.all.iter().any(|(number, (of, _))| is_meant(*number, of))
    }

    async fn none(&self, is_meant: impl Fn(u64, &Incarnation) -> bool) {
        while self.any(&is_meant) {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until nothing of a container is copied any more but the log that `live` still has.
    pub(super) async fn settled(&self, cuid: Cuid, live: Option<&str>) {
        self.none(|_, (other, id)| *other == cuid && Some(id.as_str()) != live).await;
    }

    /// Waits until nothing is copied any more.
    pub(super) async fn all_settled(&self) {
        self.none(|_, _| true).await;
    }

    /// Breaks off what is copied of a container, and waits until nothing of it is written any more.
    pub(super) async fn cancel(&self, cuid: Cuid) {
        {
            let making = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            making.all.values().filter(|((of, _), _)| *of == cuid).for_each(|(_, copy)| copy.cancel());
        }
        self.settled(cuid, None).await;
    }
}

/// While it lives, the copy is being made.
pub(super) struct Underway {
    copies: Copies,
    number: u64,
    /// Told when it is to end early.
    pub(super) cancel: CancellationToken,
}

impl Underway {
    /// Waits until this is the only copy of its incarnation.
    pub(super) async fn alone(&self, of: &Incarnation) {
        self.copies.none(|number, other| number < self.number && other == of).await;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.copies.0.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_deletion_breaks_copies_off_and_waits_until_nothing_is_written_any_more() {
        let (copies, cuid, other) = (Copies::default(), Cuid::new(), Cuid::new());
        let (underway, untouched) =
            (copies.begin((cuid, "a".to_owned())), copies.begin((other, "a".to_owned())));
        let has_written = Arc::new(AtomicBool::new(false));
        let writes = Arc::clone(&has_written);
        tokio::spawn(async move {
            underway.cancel.cancelled().await;
            sleep(Duration::from_millis(50)).await;
            writes.store(true, Ordering::SeqCst);
            drop(underway);
        });
        copies.cancel(cuid).await;
        assert!(has_written.load(Ordering::SeqCst), "the last write was waited for");
        assert!(!untouched.cancel.is_cancelled());
    }

    #[tokio::test]
    async fn of_two_copies_of_one_incarnation_the_later_one_goes_on_alone() {
        let (copies, of) = (Copies::default(), (Cuid::new(), "a".to_owned()));
        let earlier = copies.begin(of.clone());
        let later = copies.begin(of.clone());
        assert!(earlier.cancel.is_cancelled() && !later.cancel.is_cancelled());
        assert!(timeout(Duration::from_millis(60), later.alone(&of)).await.is_err());
        drop(earlier);
        later.alone(&of).await;
        assert!(copies.any(|_, _| true));
        drop(later);
        copies.all_settled().await;
    }
}
