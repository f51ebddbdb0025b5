//! Names of images given and taken away; with the last one goes the image.

use std::sync::Arc;

use serde_json::Value;

use super::held::sorted;
use super::naming::{Names, Naming};
use super::{InspectedImage, RemovedImages};
use crate::access::Principal;
use crate::codes::Code;
use crate::container::Cuid;
use crate::container::image_request::NewName;
use crate::engine::EngineError;
use crate::service::inspection::within;
use crate::service::{Error, Result, Service};

/// An image that has one name more.
#[derive(Clone, Debug)]
pub struct TaggedImage {
    /// Its id.
    pub id: String,
    /// The name.
    pub image: String,
}

/// What is to be taken away.
struct Removal<'a> {
    found: &'a InspectedImage,
    naming: Naming,
}

impl InspectedImage {
    /// What it is known by.
    pub(super) fn names(&self) -> Names<'_> {
        Names { id: &self.id, tags: self.tags(), digests: self.digests() }
    }
}

impl Removal<'_> {
    /// Whether the image itself goes, not only a name of it.
    fn is_whole(&self) -> bool {
        match &self.naming {
            Naming::Name(name) => self.found.names().is_last(name),
            Naming::Id => true,
        }
    }

    /// Whether a container that names the image so would find it no more.
    fn takes(&self, naming: &Naming) -> bool {
        self.is_whole() || *naming == self.naming
    }
}

impl Service {
    /// Gives an image one name more, as the body of a request says.
    pub async fn tag_image(&self, image: &str, body: Value) -> Result<TaggedImage> {
        super::must_be_reference(image)?;
        let name = NewName::parse(body)?;
        let found = self.image(image).await?;
        let tagged = self.parts.engine.socket().tag_image(&found.id, &name.repository, &name.tag).await;
        tagged.map_err(|error| self.of_image(image, error))?;
        Ok(TaggedImage { id: found.id, image: name.to_string() })
    }

    /// Takes a name of an image away, or by its id all of it. Without force nothing goes that a container needs;
    /// with force what the engine lets go, and never what a change in flight needs.
    pub async fn remove_image(
        self: &Arc<Self>,
        principal: &Principal,
        image: &str,
        force: bool,
    ) -> Result<RemovedImages> {
        let removed = self.remove_whole_image(image, force).await;
        removed.map_err(|error| self.told_to(principal, error))
    }

    async fn remove_whole_image(self: &Arc<Self>, image: &str, force: bool) -> Result<RemovedImages> {
        let _turn = self.held_images.removing.lock().await;
        let found = self.image(image).await?;
        // What the engine found and these rules did not is taken for the id: then all of it has to be free.
        let naming = found.names().naming(image).unwrap_or(Naming::Id);
        let removal = Removal { found: &found, naming };
        let (needed, holding) = (self.needing(&removal).await?, self.held_by(&removal));
        if !holding.is_empty() || (!force && !needed.is_empty()) {
            return Err(in_use(image, needed.into_iter().chain(holding), None));
        }
        let target = match &removal.naming {
            Naming::Name(name) => name,
            Naming::Id => &found.id,
        };
        self.remove_from_engine(target, force).await.map_err(|error| match error {
            EngineError::Api { status: 409, message } if message.contains("container") => {
                in_use(image, needed, Some(&message))
            }
            EngineError::Api { status: 409, message } => referenced(image, &message),
            error => self.of_image(image, error),
        })
    }

    /// Has the engine take it away, within the limit of a change: others wait for this.
    pub(super) async fn remove_from_engine(
        &self,
        target: &str,
        force: bool,
    ) -> std::result::Result<RemovedImages, EngineError> {
        let socket = self.parts.engine.socket();
        within(self.parts.settings.change_timeout, socket.remove_image(target, force)).await
    }

    /// The containers of ours that would miss it: made of it, or naming it in their files.
    async fn needing(&self, removal: &Removal<'_>) -> Result<Vec<Cuid>> {
        let mut cuids: Vec<Cuid> = Vec::new();
        if removal.is_whole() {
            let uses = self.parts.engine.socket().image_uses().await?;
            let made_of = uses.into_iter().filter(|used| used.image == removal.found.id);
            // One that bears the label and is not known belongs to another daemon.
            cuids.extend(
                made_of.filter_map(|used| used.cuid).filter(|cuid| self.catalog.get(*cuid).is_some()),
            );
        }
        let naming = self.naming(removal.found.names()).into_iter();
        cuids.extend(naming.filter(|(_, naming)| removal.takes(naming)).map(|(cuid, _)| cuid));
        Ok(cuids)
    }

    fn held_by(&self, removal: &Removal<'_>) -> Vec<Cuid> {
        let holding = self.holding(removal.found.names()).into_iter();
        holding.filter(|(_, naming)| removal.takes(naming)).map(|(cuid, _)| cuid).collect()
    }
}

fn in_use(image: &str, cuids: impl IntoIterator<Item = Cuid>, output: Option<&str>) -> Error {
    let message = match output {
        None => {
            "containers need the image: delete them first, or remove it with force=true once no change of \
                 them is under way"
                .to_owned()
        }
        Some(output) => format!("containers need the image: {output}"),
    };
    let error = Error::new(Code::ImageInUse, message).with("image", image).with("cuids", sorted(cuids));
    match output {
        Some(output) => error.with("output", output),
        None => error,
    }
}

fn referenced(image: &str, output: &str) -> Error {
    let message = format!("the container engine keeps the image: {output}");
    Error::new(Code::ImageReferenced, message).with("image", image).with("output", output)
}
