//! Names of images: given, and taken away, and with the last one the image.

use hyper::Method;
use serde::Deserialize;

use crate::engine::socket::escaped;
use crate::engine::{EngineError, EngineSocket};

/// What a removal took away.
#[derive(Clone, Debug, Default)]
pub struct RemovedImages {
    /// Images, and layers that no other image has.
    pub deleted: Vec<String>,
    /// Names.
    pub untagged: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Record {
    deleted: Option<String>,
    untagged: Option<String>,
}

impl EngineSocket {
    /// Gives an image one name more; one that another image has goes over.
    pub async fn tag_image(&self, image: &str, repository: &str, tag: &str) -> Result<(), EngineError> {
        let path =
            format!("/images/{}/tag?repo={}&tag={}", escaped(image), escaped(repository), escaped(tag));
        self.command(Method::POST, &path, None).await
    }

    /// Takes a name away, or all that an id stands for; what has no name any more goes with it. It takes as
    /// long as there is to be removed.
    pub async fn remove_image(&self, image: &str, force: bool) -> Result<RemovedImages, EngineError> {
        let path = format!("/images/{}?force={force}", escaped(image));
        let records: Vec<Record> = self.json_whenever(Method::DELETE, &path, None).await?;
        let mut removed = RemovedImages::default();
        for record in records {
            removed.deleted.extend(record.deleted);
            removed.untagged.extend(record.untagged);
        }
        Ok(removed)
    }
}
