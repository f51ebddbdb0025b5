//! What the kernel of this host tells: memory, swap, how long it has been up, and what the daemon itself uses.

use std::time::Duration;

use procfs::Current;
use procfs::process::Process;

/// The host's memory and age.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostFacts {
    /// Memory that no one uses, not even as a cache, in bytes.
    pub mem_free: u64,
    /// All memory, in bytes.
    pub mem_total: u64,
    /// Swap that no one uses, in bytes.
    pub swap_free: u64,
    /// All swap, in bytes.
    pub swap_total: u64,
    /// How long the host has been up.
    pub uptime: Duration,
}

/// Reads them; nothing where the kernel does not tell.
pub fn read() -> Option<HostFacts> {
    let memory = procfs::Meminfo::current().ok()?;
    let uptime = procfs::Uptime::current().ok()?;
    Some(HostFacts {
        mem_free: memory.mem_free,
        mem_total: memory.mem_total,
        swap_free: memory.swap_free,
        swap_total: memory.swap_total,
        uptime: uptime.uptime_duration(),
    })
}

/// What the daemon's own process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessFacts {
    /// Memory that is in use, in bytes.
    pub resident_memory: u64,
    /// Memory that is addressed, in bytes.
    pub virtual_memory: u64,
    /// Processor time, user's and kernel's.
    pub processor_time: Duration,
    /// Open files and sockets.
    pub open_files: usize,
    /// The most that there may be; none: no limit.
    pub max_open_files: Option<u64>,
    /// Threads.
    pub threads: i64,
    /// When it was started, in seconds since 1970.
    pub started: u64,
}

/// Reads them; nothing where the kernel does not tell.
pub fn own_process() -> Option<ProcessFacts> {
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let ticks = procfs::ticks_per_second();
    let boot = procfs::boot_time_secs().ok()?;
    let max_open_files = process.limits().ok()?.max_open_files.soft_limit;
    let spent = stat.utime + stat.stime;
    Some(ProcessFacts {
        resident_memory: stat.rss * procfs::page_size(),
        virtual_memory: stat.vsize,
        processor_time: Duration::from_millis(spent * 1000 / ticks),
        open_files: process.fd_count().ok()?,
        max_open_files: match max_open_files {
            procfs::process::LimitValue::Value(most) => Some(most),
            procfs::process::LimitValue::Unlimited => None,
        },
        threads: stat.num_threads,
        started: boot + stat.starttime / ticks,
    })
}
