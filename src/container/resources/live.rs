//! Which changes of limits the engine makes to a container as it is, and what it is told for them.

use super::Resources;
use crate::container::size;

/// What the engine is told; what is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveLimits {
    /// Processor time, in billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// See [`Resources::cpu_shares`].
    pub cpu_shares: Option<i64>,
    /// See [`Resources::cpuset_cpus`].
    pub cpuset_cpus: Option<String>,
    /// See [`Resources::cpu_period`].
    pub cpu_period: Option<i64>,
    /// See [`Resources::cpu_quota`].
    pub cpu_quota: Option<i64>,
    /// In bytes.
    pub memory: Option<i64>,
    /// In bytes.
    pub memory_reservation: Option<i64>,
    /// In bytes; -1: no limit to swap.
    pub memory_swap: Option<i64>,
    /// -1: no limit.
    pub pids: Option<i64>,
    /// See [`Resources::blkio_weight`].
    pub blkio_weight: Option<i64>,
}

/// What the engine is told for a change of limits; none where it cannot be done to a container that there is:
/// the engine takes `0` for "as it is", so that all but `pids` can be set and not removed, and what `/dev/shm`
/// and swappiness are is settled when a container is made.
#[must_use]
pub fn live_change(current: &Resources, wanted: &Resources) -> Option<LiveLimits> {
    if current.shm_size != wanted.shm_size || current.memory_swappiness != wanted.memory_swappiness {
        return None;
    }
    let mut limits = LiveLimits {
        nano_cpus: changed(current.cpus.as_ref(), wanted.cpus.as_ref(), |cpus| nano(*cpus))?,
        cpu_shares: number(current.cpu_shares, wanted.cpu_shares)?,
        cpuset_cpus: changed(current.cpuset_cpus.as_ref(), wanted.cpuset_cpus.as_ref(), |cpus| {
            Some(cpus.clone())
        })?,
        cpu_period: number(current.cpu_period, wanted.cpu_period)?,
        cpu_quota: number(current.cpu_quota, wanted.cpu_quota)?,
        memory: text(current.memory.as_ref(), wanted.memory.as_ref())?,
        memory_reservation: text(current.memory_reservation.as_ref(), wanted.memory_reservation.as_ref())?,
        memory_swap: text(current.memory_swap.as_ref(), wanted.memory_swap.as_ref())?,
        pids: (current.pids != wanted.pids).then_some(wanted.pids.unwrap_or(-1)),
        blkio_weight: number(current.blkio_weight, wanted.blkio_weight)?,
    };
    if limits.memory.or(limits.memory_swap).is_some() {
        // The engine judges the one by the other. Where no swap was asked for it gives as much as memory at
        // creation, and keeps that sum when only memory changes: below it no memory could be had.
        let memory = wanted.memory.as_ref().and_then(|memory| size::bytes(memory))?;
        let swap = wanted.memory_swap.as_ref().map_or(Some(memory * 2), |swap| swap_bytes(swap))?;
        (limits.memory, limits.memory_swap) = (Some(memory), Some(swap));
    }
    Some(limits)
}

/// A change of one limit: `Some(None)` when there is none, `None` when the engine cannot make it.
#[expect(clippy::option_option, reason = "the outer one is for `?`")]
fn changed<T: PartialEq, U>(
    current: Option<&T>,
    wanted: Option<&T>,
    told: impl Fn(&T) -> Option<U>,
) -> Option<Option<U>> {
    if current == wanted { Some(None) } else { wanted.and_then(told).map(Some) }
}

#[expect(clippy::option_option, reason = "see `changed`")]
fn number(current: Option<i64>, wanted: Option<i64>) -> Option<Option<i64>> {
    changed(current.as_ref(), wanted.as_ref(), |number| Some(*number))
}

#[expect(clippy::option_option, reason = "see `changed`")]
fn text(current: Option<&String>, wanted: Option<&String>) -> Option<Option<i64>> {
    changed(current, wanted, |text| swap_bytes(text))
}

fn swap_bytes(text: &str) -> Option<i64> {
    if text == "-1" { Some(-1) } else { size::bytes(text) }
}

fn nano(cpus: f64) -> Option<i64> {
    // By way of text: there is no conversion that says when it does not fit.
    format!("{:.0}", cpus * 1e9).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{LiveLimits, Resources, live_change};

    fn of(change: impl Fn(&mut Resources)) -> Resources {
        let mut resources = Resources {
            cpus: Some(1.0),
            memory: Some("64m".to_owned()),
            memory_reservation: Some("32m".to_owned()),
            pids: Some(50),
            ..Resources::default()
        };
        change(&mut resources);
        resources
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let wanted = of(|limits| {
            limits.cpus = Some(0.25);
            limits.cpuset_cpus = Some("0".to_owned());
        });
        let expected = LiveLimits {
            nano_cpus: Some(250_000_000),
            cpuset_cpus: Some("0".to_owned()),
            ..LiveLimits::default()
        };
        assert_eq!(live_change(&of(|_| ()), &wanted), Some(expected));
        assert_eq!(live_change(&of(|_| ()), &of(|_| ())), Some(LiveLimits::default()));
    }

    #[test]
    fn memory_goes_with_the_swap_that_creation_would_give() {
        let told = |change: &dyn Fn(&mut Resources)| {
            let limits = live_change(&of(|_| ()), &of(change)).unwrap();
            (limits.memory, limits.memory_swap)
        };
        assert_eq!(told(&|limits| limits.memory = Some("1g".to_owned())), (Some(1 << 30), Some(2 << 30)));
        assert_eq!(told(&|limits| limits.memory_swap = Some("-1".to_owned())), (Some(64 << 20), Some(-1)));
        assert_eq!(told(&|limits| limits.pids = Some(7)), (None, None));
    }

    #[test]
    fn of_all_removals_only_that_of_pids_is_live() {
        let pids = live_change(&of(|_| ()), &of(|limits| limits.pids = None)).unwrap();
        assert_eq!(pids, LiveLimits { pids: Some(-1), ..LiveLimits::default() });
        let removals: [fn(&mut Resources); 3] = [
            |limits| limits.cpus = None,
            |limits| limits.memory = None,
            |limits| limits.memory_reservation = None,
        ];
        for remove in removals {
            assert_eq!(live_change(&of(|_| ()), &of(remove)), None);
        }
    }

    #[test]
    fn what_is_settled_at_creation_is_not_live() {
        assert_eq!(live_change(&of(|_| ()), &of(|limits| limits.shm_size = Some("1m".to_owned()))), None);
        assert_eq!(live_change(&of(|_| ()), &of(|limits| limits.memory_swappiness = Some(1))), None);
        let to_quota = |limits: &mut Resources| (limits.cpus, limits.cpu_quota) = (None, Some(1000));
        assert_eq!(live_change(&of(|_| ()), &of(to_quota)), None, "cpus would have to be removed");
    }
}
