//! What the engine says of a container, in the API's words, and what each status allows.

use std::net::IpAddr;

use super::port::Protocol;

/// The status of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Made, never started since.
    Created,
    /// Its main process runs.
    Running,
    /// Frozen.
    Paused,
    /// Its main process ended and the engine is about to start it again.
    Restarting,
    /// Its main process has ended.
    Exited,
    /// The engine could not remove it whole, or is removing it.
    Dead,
    /// Known to us, gone from the engine: someone removed it. `start` brings it back.
    Missing,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Restarting,
        Self::Exited,
        Self::Dead,
        Self::Missing,
    ];

    /// The status as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Missing => "missing",
        }
    }

    /// Reads the API's word for a status.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether processes of the container exist: it runs, is paused, or is about to run again.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

/// What a client can do to the state of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Run it.
    Start,
    /// End it.
    Stop,
    /// End it and run it again.
    Restart,
    /// Freeze it.
    Pause,
    /// Let it go on.
    Unpause,
}

/// What an action means for a container in some status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is something to do.
    Do,
    /// It is so already: success, so that a retry is safe.
    Nothing,
    /// The status does not allow it.
    Refuse,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 5] = [Self::Start, Self::Stop, Self::Restart, Self::Pause, Self::Unpause];

    /// The action as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
        }
    }

    /// What the action means in `status`.
    #[must_use]
    pub const fn verdict(self, status: Status) -> Verdict {
        match (self, status) {
            (Self::Start, Status::Running | Status::Restarting) => Verdict::Nothing,
            (Self::Stop, Status::Created | Status::Exited | Status::Dead | Status::Missing) => {
                Verdict::Nothing
            }
            (Self::Pause, Status::Running)
            | (Self::Unpause, Status::Paused)
            | (Self::Start, Status::Created | Status::Exited | Status::Dead | Status::Missing)
            | (Self::Stop, Status::Running | Status::Paused | Status::Restarting)
            | (Self::Restart, _) => Verdict::Do,
            (Self::Start | Self::Pause | Self::Unpause, _) => Verdict::Refuse,
        }
    }

    /// The actions that `status` does not refuse, as the API writes them.
    #[must_use]
    pub fn allowed_in(status: Status) -> Vec<&'static str> {
        let allowed = Self::ALL.into_iter().filter(|action| action.verdict(status) != Verdict::Refuse);
        allowed.map(Self::as_str).collect()
    }
}

/// A port that the engine has opened on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundPort {
    /// The address it listens on.
    pub host_ip: IpAddr,
    /// The port on the host.
    pub host: u16,
    /// The port in the container.
    pub container: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// All that the engine says of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its status.
    pub status: Status,
    /// The engine's own id of the present incarnation.
    pub engine_id: Option<String>,
    /// The host's process id of the main process, while there is one.
    pub pid: Option<u32>,
    /// The exit code of the last run; none while it runs or has never run.
    pub exit_code: Option<i64>,
    /// What its health check says: `starting`, `healthy`, `unhealthy`.
    pub health: Option<String>,
    /// When it was last started (RFC 3339).
    pub started_at: Option<String>,
    /// When it last ended (RFC 3339).
    pub finished_at: Option<String>,
    /// How often the engine has started it again by its restart policy.
    pub restart_count: i64,
    /// Whether the kernel ended it for want of memory.
    pub oom_killed: bool,
    /// What the engine has to say of a failed start.
    pub error: Option<String>,
    /// The host's path of the engine's log file.
    pub logfile: Option<String>,
    /// Whether its main process has a terminal.
    pub tty: bool,
    /// The ports it has on the host now.
    pub ports: Vec<BoundPort>,
}

impl State {
    /// The state of a container that the engine does not have.
    #[must_use]
    pub const fn missing() -> Self {
        Self {
            status: Status::Missing,
            engine_id: None,
            pid: None,
            exit_code: None,
            health: None,
            started_at: None,
            finished_at: None,
            restart_count: 0,
            oom_killed: false,
            error: None,
            logfile: None,
            tty: false,
            ports: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Status, Verdict};

    #[test]
    fn a_retry_of_start_and_stop_changes_nothing() {
        assert_eq!(Action::Start.verdict(Status::Running), Verdict::Nothing);
        assert_eq!(Action::Stop.verdict(Status::Exited), Verdict::Nothing);
    }

    #[test]
    fn a_paused_container_can_be_unpaused_stopped_and_restarted_only() {
        assert_eq!(Action::allowed_in(Status::Paused), ["stop", "restart", "unpause"]);
    }
}
