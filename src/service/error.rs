//! The only error that `http` sees, and how every room's own error becomes one.

use serde_json::{Map, Value, json};

use crate::codes::Code;
use crate::compose::ComposeError;
use crate::container::status::{Action, Status};
use crate::container::violation::{Violation, Violations};
use crate::engine::EngineError;

/// Why a use case did not do what it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// The stable reason; it decides the status.
    pub code: Code,
    /// What is wrong and what to do about it.
    pub message: String,
    /// What a program can use of it.
    pub details: Map<String, Value>,
    /// After how many seconds a new attempt makes sense.
    pub retry_after: Option<u64>,
}

/// What a use case answers.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new(), retry_after: None }
    }

    /// Adds one detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// No container has this id or name.
    #[must_use]
    pub fn no_container(id: &str) -> Self {
        Self::new(Code::ContainerNotFound, "no container has this id or name").with("id", id)
    }

    /// One value of the query is wrong.
    #[must_use]
    pub fn invalid_query(field: &str, provided: &str, rule: &str) -> Self {
        Self::new(Code::InvalidQuery, format!("{field} {rule}"))
            .with("field", field)
            .with("provided", provided)
    }

    /// The container's status does not allow the action.
    #[must_use]
    pub fn invalid_state(status: Status, action: Action) -> Self {
        let (status_word, action_word) = (status.as_str(), action.as_str());
        Self::new(Code::InvalidState, format!("a container that is {status_word} cannot {action_word}"))
            .with("status", status_word)
            .with("action", action_word)
            .with("allowed", Action::allowed_in(status))
    }

    /// The image is not here and cannot be had.
    #[must_use]
    pub fn no_image(image: &str, output: &str) -> Self {
        let message = format!("image {image} is not on this host and cannot be pulled");
        Self::new(Code::ImageNotFound, message).with("image", image).with("output", output)
    }

    /// The daemon goes away.
    #[must_use]
    pub fn shutting_down() -> Self {
        Self::new(Code::ShuttingDown, "the daemon is shutting down: try again when it is back")
    }

    /// Who asked may not go on.
    #[must_use]
    pub fn revoked() -> Self {
        Self::new(Code::Unauthorized, "the token was revoked or has expired meanwhile: what it ran was ended")
    }

    /// The engine does not answer.
    #[must_use]
    pub fn engine_away(reason: &str) -> Self {
        let mut error =
            Self::new(Code::EngineUnavailable, format!("the container engine does not answer: {reason}"));
        error.retry_after = Some(5);
        error
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        // What cannot be comes before what this host cannot do, and that before what is not allowed.
        let mut list: Vec<&Violation> = violations.as_slice().iter().collect();
        list.sort_by_key(|broken| (broken.allow.is_some(), broken.code == Code::NotSupported));
        let Some(first) = list.first().copied() else {
            return Self::new(Code::InternalError, "a request was refused without a reason");
        };
        let message = match list.len() {
            1 => format!("{} {}", first.field, first.message),
            more => {
                format!("{} {} (and {} more, see details.violations)", first.field, first.message, more - 1)
            }
        };
        let all: Vec<Value> = list
            .iter()
            .map(|broken| {
                json!({
                    "field": broken.field,
                    "code": broken.code.as_str(),
                    "message": broken.message,
                    "provided": broken.provided,
                })
            })
            .collect();
        let error = Self::new(first.code, message)
            .with("field", first.field.as_str())
            .with("provided", first.provided.clone())
            .with("violations", all);
        let feature = first.field.rsplit('.').next().filter(|_| first.code == Code::NotSupported);
        match (&first.allow, feature) {
            (Some(token), _) => {
                let option = first.field.split(['.', '[']).next().unwrap_or_default();
                error.with("option", option).with("allow", token.as_str())
            }
            (None, Some(feature)) => error.with("feature", feature),
            (None, None) => error,
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable(reason) => Self::engine_away(&reason.to_string()),
            EngineError::Timeout => Self::engine_away("no answer in time"),
            EngineError::Api { status, message } => {
                Self::new(Code::InternalError, "the container engine refused a call of the daemon")
                    .with("engine_status", status)
                    .with("output", message)
            }
            EngineError::Protocol(reason) => Self::new(Code::InternalError, reason),
        }
    }
}

impl From<ComposeError> for Error {
    fn from(error: ComposeError) -> Self {
        let message = error.to_string();
        match error {
            ComposeError::Failed { verb, code, output } => of_output(verb, message, &output)
                .with("verb", verb)
                .with("exit_status", code)
                .with("output", output),
            ComposeError::TimedOut { verb, limit, output } => Self::new(Code::ChangeTimedOut, message)
                .with("verb", verb)
                .with("timeout_s", limit.as_secs())
                .with("output", output),
            ComposeError::Unwanted { .. } => Self::shutting_down(),
            ComposeError::Unusable(reason) => Self::new(Code::ComposeFailed, reason),
        }
    }
}

/// What Compose's own words mean, where they mean more than a failure.
fn of_output(verb: &str, message: String, output: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|words| output.contains(words));
    if says(&["Cannot connect to the Docker daemon", "error during connect"]) {
        return Error::engine_away("docker compose cannot connect to it");
    }
    if says(&["no space left on device"]) {
        return Error::new(Code::NoSpace, "the disk of the container engine is full");
    }
    if says(&["No such image", "pull access denied", "manifest unknown"]) {
        return Error::new(
            Code::ImageNotFound,
            "the container's image is no longer on this host: create or PATCH pulls it",
        );
    }
    if says(&["cannot assign requested address"]) {
        return Error::new(
            Code::InvalidPort,
            "the host_ip of a port is no address of this host: PATCH the ports",
        );
    }
    if says(&["Requested CPUs are not available"]) {
        return Error::new(
            Code::InvalidResources,
            "resources.cpuset_cpus names a processor that is not to be had",
        )
        .with("field", "resources.cpuset_cpus");
    }
    if says(&["memory limit too low"]) {
        return Error::new(Code::InvalidResources, "resources.memory is too little for its program to start")
            .with("field", "resources.memory");
    }
    if says(&["userland proxy: protocol not supported"]) {
        return Error::new(
            Code::NotSupported,
            "the kernel of this host has no SCTP: use tcp or udp for the ports",
        )
        .with("feature", "sctp");
    }
    if says(&["protocol SCTP is not allowed"]) {
        let message = "podman opens no SCTP ports for Compose: use tcp or udp for the ports";
        return Error::new(Code::NotSupported, message).with("feature", "sctp").with("engine", "podman");
    }
    if let Some(error) = super::refusals::of_output(output) {
        return error;
    }
    let last = output.lines().rev().find(|line| !line.trim().is_empty());
    let message = last.map_or(message, |line| format!("docker compose {verb} failed: {}", line.trim()));
    Error::new(Code::ComposeFailed, message)
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::new(Code::NoSpace, "the disk is full: make room and try again")
            }
            _ => Self::new(
                Code::IoFailed,
                format!("a file of the daemon could not be read or written: {error}"),
            ),
        }
    }
}
