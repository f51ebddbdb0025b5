//! The limits of a container: what they are, how a request sets them, which of them change while it runs.

mod live;
mod request;
mod rules;
#[cfg(test)]
mod tests;

pub use live::{LiveLimits, live_change};
pub use request::merge;

/// The limits of a container; what is not set is not limited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// Processor time, in processors.
    pub cpus: Option<f64>,
    /// The share of processor time when it is scarce, relative to other containers; the engine's own is 1024.
    pub cpu_shares: Option<i64>,
    /// The processors it may run on, for instance `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// The period that `cpu_quota` is of, in microseconds.
    pub cpu_period: Option<i64>,
    /// Processor time in each period, in microseconds; -1: no limit.
    pub cpu_quota: Option<i64>,
    /// Memory as Compose writes it: `512m`, `1g`, or bytes.
    pub memory: Option<String>,
    /// The memory that it is pushed back to when memory is scarce, likewise.
    pub memory_reservation: Option<String>,
    /// Memory and swap together, likewise; `-1`: no limit to swap.
    pub memory_swap: Option<String>,
    /// How readily its memory is swapped out, in percent.
    pub memory_swappiness: Option<i64>,
    /// The most processes and threads at a time.
    pub pids: Option<i64>,
    /// The share of block device time, relative to other containers.
    pub blkio_weight: Option<i64>,
    /// The size of `/dev/shm`, as Compose writes it.
    pub shm_size: Option<String>,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of `Resources` that has its name")]
pub enum Limit {
    Cpus,
    CpuShares,
    CpusetCpus,
    CpuPeriod,
    CpuQuota,
    Memory,
    MemoryReservation,
    MemorySwap,
    MemorySwappiness,
    Pids,
    BlkioWeight,
    ShmSize,
}

impl Limit {
    /// Every limit, in the order of the fields.
    pub const ALL: [Self; 12] = [
        Self::Cpus,
        Self::CpuShares,
        Self::CpusetCpus,
        Self::CpuPeriod,
        Self::CpuQuota,
        Self::Memory,
        Self::MemoryReservation,
        Self::MemorySwap,
        Self::MemorySwappiness,
        Self::Pids,
        Self::BlkioWeight,
        Self::ShmSize,
    ];

    /// The field, as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpus => "cpus",
            Self::CpuShares => "cpu_shares",
            Self::CpusetCpus => "cpuset_cpus",
            Self::CpuPeriod => "cpu_period",
            Self::CpuQuota => "cpu_quota",
            Self::Memory => "memory",
            Self::MemoryReservation => "memory_reservation",
            Self::MemorySwap => "memory_swap",
            Self::MemorySwappiness => "memory_swappiness",
            Self::Pids => "pids",
            Self::BlkioWeight => "blkio_weight",
            Self::ShmSize => "shm_size",
        }
    }

    /// The field with where it stands in a request.
    #[must_use]
    pub fn path(self) -> String {
        format!("resources.{}", self.as_str())
    }
}

/// Some of the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSet(u16);

impl LimitSet {
    /// Adds one.
    pub const fn insert(&mut self, limit: Limit) {
        self.0 |= 1 << limit as u16;
    }

    /// Whether it is among them.
    #[must_use]
    pub const fn contains(self, limit: Limit) -> bool {
        self.0 & (1 << limit as u16) != 0
    }

    /// Those in it, in the order of the fields.
    pub fn iter(self) -> impl Iterator<Item = Limit> {
        Limit::ALL.into_iter().filter(move |limit| self.contains(*limit))
    }
}

impl FromIterator<Limit> for LimitSet {
    fn from_iter<T: IntoIterator<Item = Limit>>(limits: T) -> Self {
        let mut set = Self::default();
        limits.into_iter().for_each(|limit| set.insert(limit));
        set
    }
}
