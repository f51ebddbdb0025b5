//! Commit: an image of a container as it is now.

use std::sync::Arc;

use serde_json::Value;

use super::inspection::{missing, within};
use super::scope::{lacks, shows_env};
use super::{Error, Result, Service};
use crate::access::{Permission, Principal};
use crate::codes::Code;
use crate::container::commit::CommitRequest;
use crate::container::compose_file::{CUID_LABEL, MADE_OF_LABEL};
use crate::container::signal::Signal;
use crate::container::status::Status;
use crate::engine::EngineError;
use crate::engine::commit::CommitSpec;

/// The label by which Compose knows what is its own.
const PROJECT_LABEL: &str = "com.docker.compose.project";

/// How Podman begins its refusal of a change, with status 500.
const PODMANS_INVALID_CHANGE: &str = "CommitFailure: invalid change";

const NEEDS_VALUES: &str = "a commit puts the values of the container's variables into an image: this needs the \
                            permission docker:write beside image:write";

/// An image that was made.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its id.
    pub id: String,
    /// Its name with tag.
    pub image: String,
}

impl Service {
    /// Makes an image of a container as the body of a request says. The values of the container's variables come to
    /// stand in it, for everyone who builds of it or runs it: who commits has to know them.
    pub async fn commit(self: &Arc<Self>, principal: &Principal, id: &str, body: Value) -> Result<Committed> {
        if !shows_env(principal) {
            return Err(lacks(Permission::DockerWrite, NEEDS_VALUES));
        }
        let cuid = self.resolve(id)?;
        let request = CommitRequest::parse(body)?;
        let image = format!("{}:{}", request.repository, request.tag);
        let making = self.in_turn(cuid, move |change| async move {
            if change.state().await?.status == Status::Missing {
                return Err(missing());
            }
            let (service, spec) = (&change.service, spec(change.cuid.to_string(), request));
            let socket = service.parts.engine.socket();
            within(service.parts.settings.change_timeout, socket.commit(&spec)).await.map_err(refusal)
        });
        let (id, _) = making.await?;
        Ok(Committed { id, image })
    }
}

/// The image must not bear the labels by which the container is known: what someone makes of it by hand would be
/// taken for the container. Another one says whose values are in it.
fn spec(container: String, request: CommitRequest) -> CommitSpec {
    let mut changes = request.changes;
    changes.extend([PROJECT_LABEL, CUID_LABEL].map(|label| format!("LABEL {label}=\"\"")));
    changes.push(format!("LABEL {MADE_OF_LABEL}=\"{container}\""));
    CommitSpec {
        container,
        repository: request.repository,
        tag: request.tag,
        author: request.author,
        message: request.message,
        changes,
        stop_signal: request.stop_signal.map(Signal::name),
        pause: request.pause,
    }
}

fn refusal(error: EngineError) -> Error {
    match error {
        EngineError::Api { status, message } if status == 400 || message.contains(PODMANS_INVALID_CHANGE) => {
            let text = format!("changes are not what the container engine takes: {message}");
            Error::new(Code::InvalidValue, text).with("field", "changes").with("output", message)
        }
        EngineError::Api { status: 404, .. } => missing(),
        EngineError::Api { message, .. } if message.contains("no space left") => {
            Error::new(Code::NoSpace, "the disk of the container engine is full")
        }
        EngineError::Timeout => {
            Error::new(Code::ChangeTimedOut, "the image was not made in time: it may be made still")
        }
        error => error.into(),
    }
}
