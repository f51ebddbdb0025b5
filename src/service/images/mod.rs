//! The images of the engine: what there is, what becomes of it, and what containers need of it.

pub mod build;
mod build_failure;
mod feed;
mod gzip;
mod held;
mod hidden;
mod import;
mod list;
mod load;
mod naming;
mod progress;
mod prune;
mod pull;
mod push;
mod reclaimed;
mod refusals;
mod remove;
mod report;
mod save;
mod search;
mod transfer;

pub use crate::engine::images::inspect::{HistoryStep, ImageConfig, ImageHealthcheck, InspectedImage};
pub use crate::engine::images::list::{ImageFilter, ListedImage};
pub use crate::engine::images::remove::RemovedImages;
pub use crate::engine::images::search::FoundRepository;
pub use crate::engine::images::transfer::Direction;
pub use held::HeldImages;
pub use import::Imported;
pub use list::Listed;
pub use load::{LoadPart, LoadedImage};
pub use progress::{Overall, Progress};
pub use prune::ImagePrune;
pub use pull::Pulled;
pub use push::Pushed;
pub use remove::TaggedImage;
pub use report::{Report, Reported};
pub use save::Saved;

pub(super) use report::Shown;
pub(super) use transfer::Transfers;

use super::{Error, Result, Service};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::rules;
use crate::engine::EngineError;

impl Service {
    /// The image of a name, an id or the beginning of one, as a caller may see it.
    pub async fn image_shown(&self, principal: &Principal, image: &str) -> Result<InspectedImage> {
        let mut found = self.image(image).await?;
        hidden::hide_env(principal, &mut found);
        let labels = found.config.as_mut().and_then(|config| config.labels.as_mut());
        hidden::hide_container(principal, labels);
        Ok(found)
    }

    /// The image of a name, an id or the beginning of one, with all that is known of it.
    async fn image(&self, image: &str) -> Result<InspectedImage> {
        must_be_reference(image)?;
        self.engine_must_answer()?;
        self.parts.engine.socket().image(image).await?.ok_or_else(|| unknown(image))
    }

    /// How an image was made, the last step first, as a caller may see it.
    pub async fn image_history(&self, principal: &Principal, image: &str) -> Result<Vec<HistoryStep>> {
        let found = self.image(image).await?;
        let steps = self.parts.engine.socket().image_history(&found.id).await;
        let mut steps = steps.map_err(|error| self.of_image(image, error))?;
        hidden::hide_env_of_steps(principal, &found, &mut steps);
        Ok(steps)
    }

    /// The engine's refusal of a call about one image: it may have gone meanwhile.
    fn of_image(&self, image: &str, error: EngineError) -> Error {
        match error {
            EngineError::Api { status: 404, .. } => unknown(image),
            EngineError::Api { message, .. } if message.contains("no space left") => no_space(),
            EngineError::Timeout => Error::new(
                Code::ChangeTimedOut,
                "the container engine was not done in time: it may be at it still",
            ),
            error => self.redacted(error.into()),
        }
    }

    /// The error without paths of the host.
    fn redacted(&self, mut error: Error) -> Error {
        self.clean_for(&mut error, None);
        error
    }
}

fn must_be_reference(image: &str) -> Result<()> {
    rules::image_problem(image).map_or(Ok(()), |problem| {
        let message = format!("the image {problem}, or an id");
        Err(Error::new(Code::InvalidImage, message).with("field", "ref").with("provided", image))
    })
}

fn unknown(image: &str) -> Error {
    Error::new(Code::ImageNotFound, "no image has this name or id").with("image", image)
}

fn no_space() -> Error {
    Error::new(Code::NoSpace, "the disk of the container engine is full: make room and try again")
}
