//! What it means when an image cannot be pulled or pushed, by the words of engine and registry.

use std::time::Duration;

use crate::codes::Code;
use crate::container::image::{DOCKER_HUB, Reference};
use crate::engine::EngineError;
use crate::engine::images::transfer::Direction;
use crate::service::Error;

/// After how many seconds a registry that could not be reached may be tried again.
const TRY_AGAIN_AFTER: u64 = 5;

// All of them hold a space or begin and end with one: no image's name can be taken for them.
const NO_SPACE: &[&str] = &["no space left", "disk quota exceeded"];
/// The registry is not there, does not speak as one, or broke off.
const UNREACHABLE: &[&str] = &[
    "connection refused",
    "connection reset",
    "connection timed out",
    "broken pipe",
    "no such host",
    "server misbehaving",
    "temporary failure in name resolution",
    "no route to host",
    "network is unreachable",
    "i/o timeout",
    "handshake timeout",
    "deadline exceeded",
    "timeout exceeded",
    " eof ",
    "closed network connection",
    " tls: ",
    " x509: ",
    " dial tcp",
    " proxyconnect ",
    "http response to https client",
    "malformed http",
    "unexpected http status",
    "unexpected status",
    "layer verification failed",
    " bad gateway ",
    "service unavailable",
    "internal server error",
];
const NOT_THERE: &[&str] = &[
    "manifest unknown",
    "name unknown",
    "no such image",
    "no matching manifest",
    "does not exist locally",
    " not found ",
    " not found: ",
];
const DENIED: &[&str] = &[
    "access denied",
    " is denied ",
    " denied: ",
    " denied ",
    " unauthorized: ",
    " unauthorized ",
    "no basic auth credentials",
    "authentication required",
    "authentication is required",
    "authorization failed",
    "incorrect username or password",
    "invalid username/password",
    " forbidden ",
    " toomanyrequests: ",
];

/// The same by the registry's status, whatever stands around it.
const DENIED_BY_STATUS: &[&str] = &["401 unauthorized", "403 forbidden", "429 too many requests"];

/// One attempt to carry an image.
pub(super) struct Attempt<'a> {
    pub(super) direction: Direction,
    pub(super) reference: &'a Reference,
    /// Whether the registry was told who asks.
    pub(super) has_credentials: bool,
}

impl Attempt<'_> {
    /// What the engine's refusal means.
    pub(super) fn refused(&self, error: EngineError) -> Error {
        let EngineError::Api { status, message } = error else { return error.into() };
        let text = format!(" {} ", message.to_lowercase());
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        // What Docker Hub says of a repository that does not exist, to whom it does not know.
        let is_hidden = self.direction == Direction::Pull
            && text.contains("repository does not exist")
            && !self.has_credentials;
        let error = if says(NO_SPACE) {
            Error::new(Code::NoSpace, "the disk of the container engine is full")
        } else if is_hidden {
            self.hidden()
        } else if says(DENIED_BY_STATUS) {
            self.denied()
        } else if says(UNREACHABLE) {
            self.unreachable(&format!("cannot be reached, or broke off: {}", last_line(&message)))
        } else if says(DENIED) && !says(&["manifest unknown", "name unknown"]) {
            self.denied()
        } else if self.direction == Direction::Pull || status == 404 || says(NOT_THERE) {
            self.missing()
        } else {
            self.unreachable(&format!("did not take the image: {}", last_line(&message)))
        };
        self.named(error).with("output", message)
    }

    /// The whole of it took too long.
    pub(super) fn timed_out(&self, limit: Duration) -> Error {
        let text = format!("the image was not {} within {} s", self.past(), limit.as_secs());
        self.named(Error::new(Code::ChangeTimedOut, text)).with("timeout_s", limit.as_secs())
    }

    /// Nothing moves any more.
    pub(super) fn stalled(&self, idle: Duration) -> Error {
        let text = format!("has moved nothing for {} s", idle.as_secs());
        self.named(self.unreachable(&text)).with("timeout_s", idle.as_secs())
    }

    /// The image was pulled, and someone has removed it at once.
    pub(super) fn gone(&self) -> Error {
        let text = format!("image {} was pulled, and removed at once: pull it again", self.reference);
        self.named(Error::new(Code::ImageNotFound, text))
    }

    /// The last word of a transfer.
    pub(super) const fn done(&self) -> &'static str {
        match self.direction {
            Direction::Pull => "Image pulled",
            Direction::Push => "Image pushed",
        }
    }

    const fn past(&self) -> &'static str {
        match self.direction {
            Direction::Pull => "pulled",
            Direction::Push => "pushed",
        }
    }

    fn named(&self, error: Error) -> Error {
        error.with("image", self.reference.to_string()).with("registry", self.reference.registry.as_str())
    }

    fn missing(&self) -> Error {
        let image = self.reference;
        Error::new(
            Code::ImageNotFound,
            match self.direction {
                Direction::Pull => format!("image {image} is not on this host and cannot be pulled"),
                Direction::Push => format!("image {image} is not on this host: pull, build or tag it first"),
            },
        )
    }

    fn hidden(&self) -> Error {
        let Reference { registry, .. } = self.reference;
        let text = format!(
            "image {} is not on this host and cannot be pulled: {registry} has no such image, or shows it only to \
             those it knows (PUT /registries/{registry})",
            self.reference
        );
        Error::new(Code::ImageNotFound, text)
    }

    fn denied(&self) -> Error {
        let Reference { registry, .. } = self.reference;
        let verb = if self.direction == Direction::Pull { "pull" } else { "push" };
        let who = if self.has_credentials {
            format!("the credentials that are kept for it {verb} {}", self.reference)
        } else {
            format!("anyone {verb} {} without credentials", self.reference)
        };
        let text = format!(
            "the registry {registry} does not let {who}: PUT /registries/{registry} sets credentials"
        );
        Error::new(Code::RegistryDenied, text)
    }

    fn unreachable(&self, what: &str) -> Error {
        let registry = self.reference.registry.as_str();
        let shown = if registry == DOCKER_HUB { "Docker Hub" } else { registry };
        let mut error = Error::new(
            Code::RegistryUnreachable,
            format!("image {} cannot be {}: the registry {shown} {what}", self.reference, self.past()),
        );
        error.retry_after = Some(TRY_AGAIN_AFTER);
        error
    }
}

fn last_line(message: &str) -> &str {
    message.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(direction: Direction, has_credentials: bool, status: u16, message: &str) -> Code {
        let reference = &Reference::parse("registry.local:5000/eof/denied:unauthorized").unwrap();
        let attempt = Attempt { direction, reference, has_credentials };
        let error = attempt.refused(EngineError::Api { status, message: message.to_owned() });
        assert_eq!(error.details["output"], message);
        assert_eq!(error.details["image"], reference.to_string());
        assert_eq!(error.retry_after.is_some(), error.code == Code::RegistryUnreachable);
        error.code
    }

    #[test]
    fn the_words_of_engines_and_registries_keep_their_meaning() {
        use Code::{ImageNotFound, NoSpace, RegistryDenied, RegistryUnreachable};
        use Direction::{Pull, Push};
        for (direction, message, expected) in [
            (
                Pull,
                "manifest for r/eof/denied:unauthorized not found: manifest unknown: manifest unknown",
                ImageNotFound,
            ),
            (
                Pull,
                "failed to resolve reference \"r/eof/denied:unauthorized\": r/eof/denied:unauthorized: not found",
                ImageNotFound,
            ),
            (Pull, "no matching manifest for linux/amd64 in the manifest list entries", ImageNotFound),
            (
                Pull,
                "initializing source docker://r/x:1: reading manifest 1 in r/x: manifest unknown",
                ImageNotFound,
            ),
            (
                Pull,
                "reading manifest 1 in r/x: name unknown: repository denied not known to registry",
                ImageNotFound,
            ),
            (Push, "An image does not exist locally with the tag: r/eof/denied", ImageNotFound),
            (Push, "tag does not exist: r/eof/denied:unauthorized", RegistryUnreachable),
            (Pull, "Head \"http://r/v2/none/manifests/1\": no basic auth credentials", RegistryDenied),
            (Pull, "unauthorized: authentication required", RegistryDenied),
            (
                Push,
                "failed to authorize: unexpected status from GET request to https://r/token: 401 Unauthorized",
                RegistryDenied,
            ),
            (
                Pull,
                "unexpected status from HEAD request to https://r/v2/x: 429 Too Many Requests",
                RegistryDenied,
            ),
            (
                Pull,
                "unexpected status from HEAD request to https://r/v2/x: 502 Bad Gateway",
                RegistryUnreachable,
            ),
            (Pull, "Head \"https://r/v2/x/manifests/1\": denied", RegistryDenied),
            (Push, "denied: requested access to the resource is denied", RegistryDenied),
            (Pull, "toomanyrequests: You have reached your pull rate limit.", RegistryDenied),
            (
                Pull,
                "Get \"http://r/v2/\": dial tcp 127.0.0.1:5899: connect: connection refused",
                RegistryUnreachable,
            ),
            (
                Pull,
                "Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.1:53: no such host",
                RegistryUnreachable,
            ),
            (Pull, "unexpected EOF", RegistryUnreachable),
            (Push, "Put \"http://r/v2/x/blobs/uploads/1\": EOF", RegistryUnreachable),
            (
                Pull,
                "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
                RegistryUnreachable,
            ),
            (
                Pull,
                "Get \"https://r/v2/\": x509: certificate signed by unknown authority",
                RegistryUnreachable,
            ),
            (Pull, "received unexpected HTTP status: 503 Service Unavailable", RegistryUnreachable),
            (Push, "manifest invalid: manifest invalid", RegistryUnreachable),
            (Pull, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device", NoSpace),
        ] {
            for has_credentials in [true, false] {
                assert_eq!(code(direction, has_credentials, 500, message), expected, "{message}");
            }
        }
    }

    #[test]
    fn what_a_registry_hides_from_strangers_is_missing_to_them() {
        let message = "pull access denied for x, repository does not exist or may require 'docker login': denied: \
                       requested access to the resource is denied";
        assert_eq!(code(Direction::Pull, false, 404, message), Code::ImageNotFound);
        assert_eq!(code(Direction::Pull, true, 404, message), Code::RegistryDenied);
    }
}
