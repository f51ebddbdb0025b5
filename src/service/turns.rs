//! One change at a time for each container, in the order they came, each in a task of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::error::{Error, Result};
use crate::codes::Code;
use crate::container::Cuid;

/// The last change of a container's queue: its number, and the end of it for the next to wait for.
struct Last {
    number: u64,
    ended: oneshot::Receiver<()>,
}

#[derive(Default)]
struct Queues {
    numbers: u64,
    last: HashMap<Cuid, Last>,
}

/// The queues of changes.
#[derive(Clone, Default)]
pub struct Turns {
    queues: Arc<Mutex<Queues>>,
    tasks: TaskTracker,
}

impl Turns {
    /// Runs a change when all earlier ones of the same container have ended. The change goes on when the
    /// caller does not wait for it any more.
    pub async fn run<T: Send + 'static>(
        &self,
        cuid: Cuid,
        change: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if self.tasks.is_closed() {
            return Err(Error::shutting_down());
        }
        let (end, previous, number) = self.join(cuid);
        let queues = Arc::clone(&self.queues);
        let task = self.tasks.spawn(async move {
            if let Some(previous) = previous {
                // An error means that the change before panicked: it has ended as well.
                let _ = previous.await;
            }
            let _end = end;
            let result = tokio::spawn(change).await;
            let mut queues = queues.lock().unwrap_or_else(PoisonError::into_inner);
            if queues.last.get(&cuid).is_some_and(|last| last.number == number) {
                queues.last.remove(&cuid);
            }
            result
        });
        let panicked = |_| Error::new(Code::InternalError, "the change broke off by a fault of the daemon");
        task.await.map_err(panicked)?.map_err(panicked)?
    }

    /// Takes the last place of a container's queue. Synchronous: the order of calls is the order of turns.
    fn join(&self, cuid: Cuid) -> (oneshot::Sender<()>, Option<oneshot::Receiver<()>>, u64) {
        let (end, ended) = oneshot::channel();
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.numbers += 1;
        let number = queues.numbers;
        let previous = queues.last.insert(cuid, Last { number, ended });
        (end, previous.map(|last| last.ended), number)
    }

    /// Whether a change of the container runs or waits.
    #[must_use]
    pub fn is_busy(&self, cuid: Cuid) -> bool {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).last.contains_key(&cuid)
    }

    /// How many containers have a change that runs or waits.
    #[must_use]
    pub fn count(&self) -> usize {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).last.len()
    }

    /// Returns when no change of the container runs or waits.
    pub async fn idle(&self, cuid: Cuid) {
        while self.is_busy(cuid) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes no new changes, and waits for those in flight; says whether all have ended within the limit.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(limit, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::Turns;
    use crate::container::Cuid;

    #[tokio::test]
    async fn changes_of_one_container_run_one_after_the_other_in_the_order_they_came() {
        let (turns, cuid, seen) = (Turns::default(), Cuid::new(), Arc::new(Mutex::new(Vec::new())));
        let mut waiting = Vec::new();
        for number in 0..40 {
            let seen = Arc::clone(&seen);
            let change = async move {
                seen.lock().unwrap().push(number);
                tokio::time::sleep(Duration::from_millis(1)).await;
                seen.lock().unwrap().push(number);
                Ok(())
            };
            let mut run = Box::pin(turns.run(cuid, change));
            assert!(futures_util::poll!(run.as_mut()).is_pending());
            waiting.push(run);
        }
        futures_util::future::join_all(waiting).await;
        let seen = seen.lock().unwrap();
        assert_eq!(*seen, (0..40).flat_map(|number| [number, number]).collect::<Vec<_>>());
        assert!(!turns.is_busy(cuid));
    }

    #[tokio::test]
    async fn a_change_goes_on_when_its_caller_is_gone_and_a_panic_frees_the_next() {
        let (turns, cuid, done) = (Turns::default(), Cuid::new(), Arc::new(Mutex::new(false)));
        let flag = Arc::clone(&done);
        let mut run = Box::pin(turns.run(cuid, async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            *flag.lock().unwrap() = true;
            Ok(())
        }));
        assert!(futures_util::poll!(run.as_mut()).is_pending());
        drop(run);
        assert!(turns.run::<()>(cuid, async { panic!("on purpose") }).await.is_err());
        assert!(*done.lock().unwrap());
        turns.run(cuid, async { Ok(()) }).await.unwrap();
        assert!(turns.drain(Duration::from_secs(1)).await);
        assert!(turns.run(cuid, async { Ok(()) }).await.is_err());
    }
}
