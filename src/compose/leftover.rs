//! Builders that outlived the daemon that started them.

use std::ffi::OsStr;
use std::path::Path;

use procfs::process::{Process, all_processes};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Kills the builders whose home lies in `staging`, which is about to be emptied; the engine ends a build whose
/// builder is gone. Answers how many there were. Blocks while it reads `/proc`.
#[must_use]
pub fn kill_builders(staging: &Path) -> usize {
    let all = all_processes().ok().into_iter().flatten().filter_map(Result::ok);
    all.filter(|process| builds_in(process, staging) && kill(process)).count()
}

fn builds_in(process: &Process, staging: &Path) -> bool {
    let environ = process.environ().unwrap_or_default();
    environ.get(OsStr::new("DOCKER_CONFIG")).is_some_and(|home| Path::new(home).starts_with(staging))
}

/// Kills the process that was seen, and no other that has its number by now.
fn kill(process: &Process) -> bool {
    let Some(Ok(handle)) = Pid::from_raw(process.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return false;
    };
    // This looks through the descriptor of the process that was seen: it fails when that one has ended.
    process.stat().is_ok() && pidfd_send_signal(handle, Signal::KILL).is_ok()
}
