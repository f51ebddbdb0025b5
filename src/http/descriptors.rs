//! Room for connections: each takes two descriptors, and what is usually given to a process is 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a connection takes: the server's descriptor and one that tells when the other side has closed.
const OF_CONNECTION: u64 = 2;
/// What all the rest takes: files, the engine's connections, the pipes of commands.
const OF_THE_REST: u64 = 4096;

/// Raises the process's own limit as far as it may, so that so many connections leave room for the work.
pub fn make_room(connections: usize) {
    let wanted = (connections as u64).saturating_mul(OF_CONNECTION).saturating_add(OF_THE_REST);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < wanted) else { return };
    let raised = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let limit = Rlimit { current: Some(raised), maximum };
    let now = if setrlimit(Resource::Nofile, limit).is_ok() { raised } else { current };
    if now < wanted {
        tracing::warn!(
            limit = now,
            wanted,
            "few files may be open at a time: raise the limit (LimitNOFILE of systemd, ulimit -n), or lower \
             APP_MAX_CONNECTIONS"
        );
    }
}
