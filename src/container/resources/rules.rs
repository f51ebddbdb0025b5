//! The rules for limits: for single ones, and for those that stand beside one another. Docker's own.

use serde_json::Value;

use super::{Limit, LimitSet, Resources};
use crate::codes::Code;
pub use crate::container::rules::memory_problem;
use crate::container::size;
use crate::container::violation::Violations;

/// The most processors that Docker's own reading of a list knows.
const MOST_CPUS: u32 = 8192;
/// The longest list of processors: one that names every other of them.
const LONGEST_CPUSET: usize = 5 * 4096;

/// What is wrong with the size of memory and swap together, if anything.
#[must_use]
pub fn swap_problem(text: &str) -> Option<&'static str> {
    const RULE: &str =
        "has to be a size of at least 6m, for instance 1g, or bytes, or -1 for no limit to swap";
    if text == "-1" { None } else { memory_problem(text).map(|_| RULE) }
}

/// What is wrong with the size of `/dev/shm`, if anything.
#[must_use]
pub fn shm_problem(text: &str) -> Option<&'static str> {
    let is_size = size::bytes(text).is_some_and(|bytes| bytes > 0);
    (!is_size).then_some("has to be a size, for instance 64m, 1g, or bytes")
}

/// What is wrong with a list of processors, if anything; `count` are those of the host.
#[must_use]
pub fn cpuset_problem(text: &str, count: Option<u32>) -> Option<String> {
    let number = |text: &str| {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse::<u32>().ok().filter(|_| is_plain)
    };
    let last = |part: &str| match part.split_once('-') {
        None => number(part),
        Some((first, last)) => number(last).filter(|last| number(first).is_some_and(|first| first <= *last)),
    };
    let lasts: Option<Vec<u32>> = text.split(',').map(last).collect();
    let most = count.unwrap_or(MOST_CPUS).saturating_sub(1);
    match lasts.filter(|_| text.len() <= LONGEST_CPUSET) {
        None => Some("has to be a list of processors and ranges of them, for instance 0-2,4".to_owned()),
        Some(lasts) if lasts.iter().any(|last| *last > most) => Some(format!(
            "names a processor that this host does not have: they are numbered from 0 to {most}"
        )),
        Some(_) => None,
    }
}

/// Notes every limit that another one stands against. Of two, that one is named which the request asked for.
pub fn judge(resources: &Resources, asked: LimitSet, violations: &mut Violations) {
    let mut refuse = |limit: Limit, message: String| {
        violations.add(limit.path(), Code::InvalidResources, message, provided(resources, limit));
    };
    for (limit, is_set) in
        [(Limit::CpuPeriod, resources.cpu_period.is_some()), (Limit::CpuQuota, resources.cpu_quota.is_some())]
    {
        if resources.cpus.is_some() && is_set {
            let (named, other) = named(limit, Limit::Cpus, asked);
            refuse(
                named,
                format!("cannot stand beside {other}: leave one of them out, or remove {other} with null"),
            );
        }
    }
    let bytes = |text: &Option<String>| text.as_ref().and_then(|text| size::bytes(text));
    let memory = bytes(&resources.memory);
    if resources.memory_swap.is_some() && memory.is_none() {
        let message = match named(Limit::MemorySwap, Limit::Memory, asked).0 {
            Limit::Memory => "cannot be removed beside memory_swap: remove memory_swap with null as well",
            _ => "needs memory beside it: set memory as well, or leave memory_swap out",
        };
        refuse(named(Limit::MemorySwap, Limit::Memory, asked).0, message.to_owned());
    }
    if let (Some(memory), Some(swap)) = (memory, bytes(&resources.memory_swap))
        && swap < memory
    {
        refuse(
            named(Limit::MemorySwap, Limit::Memory, asked).0,
            "does not go together: memory_swap is memory and swap in one, so set it to at least memory, to -1, or \
             remove it with null"
                .to_owned(),
        );
    }
    if let (Some(memory), Some(reservation)) = (memory, bytes(&resources.memory_reservation))
        && reservation > memory
    {
        refuse(
            named(Limit::MemoryReservation, Limit::Memory, asked).0,
            "does not go together: set memory_reservation to at most memory, or remove it with null"
                .to_owned(),
        );
    }
}

/// Which of two limits is at fault, and the name of the other.
fn named(one: Limit, other: Limit, asked: LimitSet) -> (Limit, &'static str) {
    if asked.contains(one) || !asked.contains(other) { (one, other.as_str()) } else { (other, one.as_str()) }
}

fn provided(resources: &Resources, limit: Limit) -> Value {
    match limit {
        Limit::Cpus => resources.cpus.into(),
        Limit::CpuPeriod => resources.cpu_period.into(),
        Limit::CpuQuota => resources.cpu_quota.into(),
        Limit::Memory => resources.memory.clone().into(),
        Limit::MemoryReservation => resources.memory_reservation.clone().into(),
        Limit::MemorySwap => resources.memory_swap.clone().into(),
        Limit::CpuShares
        | Limit::CpusetCpus
        | Limit::MemorySwappiness
        | Limit::Pids
        | Limit::BlkioWeight
        | Limit::ShmSize => Value::Null,
    }
}
