//! The end of a process that is not a child of the daemon, by its pidfd.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

/// One process, for as long as it lives: a number that is used again never stands for it.
#[derive(Debug)]
pub struct Leader {
    pid: Pid,
    handle: AsyncFd<OwnedFd>,
}

impl Leader {
    /// Takes hold of the process with this number, unless there is none.
    #[must_use]
    pub fn hold(pid: i32) -> Option<Self> {
        let pid = Pid::from_raw(pid).filter(|pid| pid.as_raw_pid() > 1)?;
        let handle = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
        Some(Self { pid, handle: watched(handle)? })
    }

    /// Its number on the host.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Returns when the process has ended.
    pub async fn ended(&self) {
        // A pidfd becomes readable at the end and stays so; an error means that it cannot be watched.
        if self.handle.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sends a signal to what is in the foreground of its terminal, or else to its process group.
    pub fn signal_foreground(&self, signal: Signal) {
        let Ok(stat) = procfs::process::Process::new(self.pid()).and_then(|process| process.stat()) else {
            return;
        };
        // The numbers were read while the process lived if it still takes a signal.
        let alive = rustix::event::poll(
            &mut [rustix::event::PollFd::new(self.handle.get_ref(), rustix::event::PollFlags::IN)],
            Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }),
        ) == Ok(0);
        let group = if stat.tpgid > 1 { stat.tpgid } else { stat.pgrp };
        match Pid::from_raw(group).filter(|group| alive && group.as_raw_pid() > 1) {
            Some(group) if rustix::process::kill_process_group(group, signal).is_ok() => {}
            // What cannot be signalled has ended.
            _ => {
                let _ = pidfd_send_signal(self.handle.get_ref(), signal);
            }
        }
    }
}

/// Registers a pidfd with the runtime.
#[expect(
    deprecated,
    reason = "tokio's newer name is `unsafe`, for types whose descriptor may change; an `OwnedFd`'s never does"
)]
fn watched(handle: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(handle, tokio::io::Interest::READABLE).ok()
}
