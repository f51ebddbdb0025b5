//! What images the engine has, and which of its containers are made of them.

use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::container::Cuid;
use crate::container::compose_file::CUID_LABEL;
use crate::engine::socket::escaped;
use crate::engine::{EngineError, EngineSocket};

/// An image in the engine's list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedImage {
    /// Its id, `sha256:…`.
    pub id: String,
    /// The image that it was made of; empty: none that is known.
    #[serde(default)]
    pub parent_id: String,
    /// Its names with tag.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// Its names with digest.
    #[serde(default)]
    pub repo_digests: Option<Vec<String>>,
    /// When it was made, in Unix seconds.
    pub created: i64,
    /// Its size with all layers, in bytes.
    pub size: u64,
    /// Its labels.
    #[serde(default)]
    pub labels: Option<Map<String, Value>>,
}

/// Which images are listed.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    /// A name that may hold `*` and `?`; without a tag all tags of it.
    pub reference: Option<String>,
    /// Only those without, or only those with a name.
    pub dangling: Option<bool>,
    /// Labels that all have to be there: `key` or `key=value`.
    pub labels: Vec<String>,
}

/// A container, as far as its image goes.
#[derive(Clone, Debug)]
pub struct ImageUse {
    /// The id of the image that it was made of.
    pub image: String,
    /// Whose container it is, where it is one of ours.
    pub cuid: Option<Cuid>,
}

#[derive(Deserialize)]
struct ListedContainer {
    #[serde(rename = "ImageID")]
    image: String,
    #[serde(rename = "Labels", default)]
    labels: Option<Map<String, Value>>,
}

impl EngineSocket {
    /// The images, without those that are only steps on the way to others.
    pub async fn images(&self, filter: &ImageFilter) -> Result<Vec<ListedImage>, EngineError> {
        let mut filters = Map::new();
        if let Some(reference) = &filter.reference {
            filters.insert("reference".to_owned(), vec![reference.as_str()].into());
        }
        if let Some(dangling) = filter.dangling {
            filters.insert("dangling".to_owned(), vec![dangling.to_string()].into());
        }
        if !filter.labels.is_empty() {
            filters.insert("label".to_owned(), filter.labels.clone().into());
        }
        let path = format!("/images/json?filters={}", escaped(&Value::from(filters).to_string()));
        let mut images: Vec<ListedImage> = self.json(Method::GET, &path, None).await?;
        for image in &mut images {
            for names in [&mut image.repo_tags, &mut image.repo_digests].into_iter().flatten() {
                drop_nameless(names);
            }
        }
        Ok(images)
    }

    /// All containers of the engine with their images, also those that do not run.
    pub async fn image_uses(&self) -> Result<Vec<ImageUse>, EngineError> {
        let list: Vec<ListedContainer> = self.json(Method::GET, "/containers/json?all=1", None).await?;
        let uses = list.into_iter().map(|container| {
            let label = container.labels.as_ref().and_then(|labels| labels.get(CUID_LABEL));
            ImageUse { image: container.image, cuid: label.and_then(|label| label.as_str()?.parse().ok()) }
        });
        Ok(uses.collect())
    }
}

/// Takes out what stands for no name, `<none>:<none>`.
pub(super) fn drop_nameless(names: &mut Vec<String>) {
    names.retain(|name| !name.contains("<none>"));
}
