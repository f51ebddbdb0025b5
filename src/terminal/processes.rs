//! The end of everything that a session started, however it tried to get away.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use procfs::process::{Process, Stat};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable in the environment of everything that a session starts: `<cuid>.<uuid>`. What may outlive the
/// command that started it, and the daemon, has another word before the cuid: see [`sweep`].
pub const MARKER: &str = "WHARFINGER_SESSION";
/// How long processes have between SIGHUP and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How often processes that appear while others die are looked for and killed.
const ROUNDS: u32 = 10;

/// What belongs to one session.
#[derive(Clone, Debug)]
pub struct Started {
    /// The value of [`MARKER`] in its environment.
    pub marker: String,
    /// Its first process on the host, the leader of a kernel session of its own; 0 when it is not known.
    pub leader: i32,
    /// The main process of the container, whose pid namespace it lives in; 0 when it is not known.
    pub container: i32,
}

/// A process that was seen: number and time of start are never the same for two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    pid: i32,
    start: u64,
}

/// Sends everything SIGHUP and, to what is left 2 s later, SIGKILL. Answers how many are still there: 0
/// unless the kernel cannot end them.
pub async fn end(started: Started) -> usize {
    let mut told = HashSet::new();
    let deadline = Instant::now() + GRACE;
    let mut pause = Duration::from_millis(10);
    while Instant::now() < deadline {
        let (left, fresh) = look(&started, told).await;
        told = fresh;
        if left == 0 {
            return 0;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    kill_all(&started).await
}

/// How many processes of it run now.
pub async fn left(started: Started) -> usize {
    tokio::task::spawn_blocking(move || members(&started).len()).await.unwrap_or_default()
}

/// One look: who is new gets SIGHUP, and SIGCONT so that a stopped one can die of it.
async fn look(started: &Started, mut told: HashSet<Seen>) -> (usize, HashSet<Seen>) {
    let started = started.clone();
    let work = move || {
        let members = members(&started);
        for member in &members {
            if told.insert(*member) {
                send(*member, Signal::HUP);
                send(*member, Signal::CONT);
            }
        }
        (members.len(), told)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

async fn kill_all(started: &Started) -> usize {
    let mut left = 0;
    for round in 0..ROUNDS {
        let started = started.clone();
        let work = move || {
            let members = members(&started);
            for member in &members {
                send(*member, Signal::KILL);
            }
            members.len()
        };
        left = tokio::task::spawn_blocking(work).await.unwrap_or_default();
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20 + 20 * u64::from(round))).await;
    }
    left
}

/// Kills what sessions of an earlier daemon left behind: every process whose marker names a cuid that
/// `is_ours`. Answers how many it killed. Blocks while it reads `/proc`.
pub fn sweep(is_ours: impl Fn(&str) -> bool) -> usize {
    let own = namespace_of(std::process::id().cast_signed());
    let mut killed = 0;
    for (process, stat) in living() {
        let cuid =
            marker_of(&process).and_then(|marker| marker.split_once('.').map(|(cuid, _)| cuid.to_owned()));
        let in_a_container = own.is_some() && namespace_of(stat.pid).is_some_and(|space| Some(space) != own);
        if in_a_container && cuid.is_some_and(|cuid| is_ours(&cuid)) {
            send(seen(&stat), Signal::KILL);
            killed += 1;
        }
    }
    killed
}

/// Everything of the session that runs now: by kernel session, by descent, by marker.
fn members(started: &Started) -> Vec<Seen> {
    let here = std::process::id().cast_signed();
    let (own, space) = (namespace_of(here), namespace_of(started.container));
    let all: HashMap<i32, (Process, Stat)> =
        living().map(|(process, stat)| (stat.pid, (process, stat))).collect();
    let inside = |pid: i32| {
        let namespace = namespace_of(pid);
        // Namespaces within the container's are its own; the daemon's never is, unless they share it.
        namespace.is_some() && (namespace == space || namespace != own)
    };
    let mut found: HashSet<i32> = HashSet::new();
    for (pid, (process, stat)) in &all {
        let by_session = started.leader > 1 && stat.session == started.leader && namespace_of(*pid) == space;
        let marked = by_session || marker_of(process).is_some_and(|marker| marker == started.marker);
        if marked && inside(*pid) {
            found.insert(*pid);
        }
    }
    add_descendants(&mut found, &all);
    found.retain(|pid| *pid > 1 && *pid != here && *pid != started.container);
    found.iter().filter_map(|pid| all.get(pid)).map(|(_, stat)| seen(stat)).collect()
}

fn add_descendants(found: &mut HashSet<i32>, all: &HashMap<i32, (Process, Stat)>) {
    loop {
        let more: Vec<i32> = all
            .iter()
            .filter(|(pid, (_, stat))| !found.contains(*pid) && found.contains(&stat.ppid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return;
        }
        found.extend(more);
    }
}

/// Every process that has not ended; zombies have nothing left to end.
fn living() -> impl Iterator<Item = (Process, Stat)> {
    let all = procfs::process::all_processes().ok().into_iter().flatten().filter_map(Result::ok);
    all.filter_map(|process| process.stat().ok().map(|stat| (process, stat)))
        .filter(|(_, stat)| !matches!(stat.state, 'Z' | 'X' | 'x'))
}

fn seen(stat: &Stat) -> Seen {
    Seen { pid: stat.pid, start: stat.starttime }
}

fn marker_of(process: &Process) -> Option<String> {
    let mut environ = process.environ().ok()?;
    let value = environ.remove(OsStr::from_bytes(MARKER.as_bytes()))?;
    value.into_string().ok()
}

/// The pid namespace of a process, told apart by device and inode.
fn namespace_of(pid: i32) -> Option<(u64, u64)> {
    let stat = rustix::fs::stat(format!("/proc/{pid}/ns/pid")).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// Signals the process that was seen, and no other that has its number by now.
fn send(member: Seen, signal: Signal) {
    let Some(Ok(handle)) = Pid::from_raw(member.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return;
    };
    let is_same = Process::new(member.pid)
        .and_then(|process| process.stat())
        .is_ok_and(|stat| stat.starttime == member.start);
    if is_same {
        // What cannot be signalled has ended.
        let _ = pidfd_send_signal(handle, signal);
    }
}
