//! The bodies of answers about images.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::local;
use crate::http::streaming::Record;
use crate::service::{
    FoundRepository, HistoryStep, Listed, ListedImage, LoadPart, LoadedImage, RemovedImages,
};

mod details;

pub use details::ImageDetailsBody;

/// The images of the engine.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Images)]
pub struct ImagesBody {
    /// The images, the newest first.
    pub images: Vec<ImageBody>,
}

/// An image.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Image)]
pub struct ImageBody {
    /// Its id.
    #[schema(example = "sha256:6195596be75f4f0fd0b1d8f7d9f9a9d1b94a6a94f0d6ac5e3e1cb2b3d7b1a0c4")]
    pub id: String,
    /// The image that it was made of, where the engine knows.
    pub parent_id: Option<String>,
    /// Its names with tag.
    #[schema(example = json!(["nginx:alpine"]))]
    pub repo_tags: Vec<String>,
    /// Its names with digest.
    pub repo_digests: Vec<String>,
    /// When it was made, where that is known.
    #[schema(format = DateTime)]
    pub created: Option<String>,
    /// Its size with all layers, those that other images have as well included, in bytes.
    pub size: u64,
    /// How many containers of the engine are made of it, whoever made them and whether they run or not; to one who
    /// is limited, of those that it knows of.
    pub containers: usize,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// How an image was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImageHistory)]
pub struct HistoryBody {
    /// The steps, the last first.
    pub history: Vec<StepBody>,
}

/// One step of the making of an image.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImageStep)]
pub struct StepBody {
    /// The image that it made, where this host has it.
    pub id: Option<String>,
    /// When, where that is known.
    #[schema(format = DateTime)]
    pub created: Option<String>,
    /// By what.
    pub created_by: String,
    /// The names of the image that it made.
    pub tags: Vec<String>,
    /// How much it added, in bytes.
    pub size: u64,
    /// What its maker said of it.
    pub comment: String,
}

/// What a removal took away.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedImages)]
pub struct RemovedImagesBody {
    /// Images, and layers that no other image has.
    pub deleted: Vec<String>,
    /// Names.
    pub untagged: Vec<String>,
}

/// What a prune took away.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PrunedImages)]
pub struct PrunedImagesBody {
    /// Images, and layers that no other image has.
    pub deleted: Vec<String>,
    /// Names.
    pub untagged: Vec<String>,
    /// The bytes of those layers.
    pub space_reclaimed: u64,
}

/// What a registry has to offer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundRepositories)]
pub struct FoundPageBody {
    /// The repositories, in the registry's order.
    pub results: Vec<FoundBody>,
}

/// A repository of a registry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundRepository)]
pub struct FoundBody {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether the registry vouches for it.
    pub is_official: bool,
    /// How many like it.
    pub star_count: i64,
}

/// The images that came out of an archive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoadedImages)]
pub struct LoadedBody {
    /// The images, by name.
    pub images: Vec<LoadedImageBody>,
}

/// An image that came out of an archive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoadedImage)]
pub struct LoadedImageBody {
    /// Its id.
    pub id: String,
    /// Its name with tag; `null`: the archive gives it none.
    pub image: Option<String>,
}

/// A record of a load that is told as it goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoadRecord)]
#[serde(untagged)]
pub enum LoadRecordBody {
    /// How far the engine is.
    Progress(LoadProgressBody),
    /// The last record, with `end` beside it.
    Loaded(LoadedBody),
}

/// How far the engine is with an archive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoadProgress)]
pub struct LoadProgressBody {
    /// The layer that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub id: Option<String>,
    /// What happens.
    pub status: String,
    /// How many bytes of it are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub current: Option<u64>,
    /// Of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub total: Option<u64>,
}

impl From<Vec<Listed>> for ImagesBody {
    fn from(images: Vec<Listed>) -> Self {
        Self { images: images.into_iter().map(ImageBody::from).collect() }
    }
}

impl From<Listed> for ImageBody {
    fn from(Listed { image, containers }: Listed) -> Self {
        let ListedImage { id, parent_id, repo_tags, repo_digests, created, size, labels } = image;
        Self {
            id,
            parent_id: Some(parent_id).filter(|id| !id.is_empty()),
            repo_tags: repo_tags.unwrap_or_default(),
            repo_digests: repo_digests.unwrap_or_default(),
            created: moment(created),
            size,
            containers,
            labels: texts(labels),
        }
    }
}

impl From<Vec<HistoryStep>> for HistoryBody {
    fn from(steps: Vec<HistoryStep>) -> Self {
        let step = |step: HistoryStep| StepBody {
            id: Some(step.id).filter(|id| id != "<missing>"),
            created: moment(step.created),
            created_by: step.created_by,
            tags: step.tags.unwrap_or_default(),
            size: step.size,
            comment: step.comment,
        };
        Self { history: steps.into_iter().map(step).collect() }
    }
}

impl From<RemovedImages> for RemovedImagesBody {
    fn from(removed: RemovedImages) -> Self {
        Self { deleted: removed.deleted, untagged: removed.untagged }
    }
}

impl From<(RemovedImages, u64)> for PrunedImagesBody {
    fn from((removed, space_reclaimed): (RemovedImages, u64)) -> Self {
        Self { deleted: removed.deleted, untagged: removed.untagged, space_reclaimed }
    }
}

impl From<Vec<FoundRepository>> for FoundPageBody {
    fn from(found: Vec<FoundRepository>) -> Self {
        let body = |found: FoundRepository| FoundBody {
            name: found.name,
            description: found.description,
            is_official: found.is_official,
            star_count: found.star_count,
        };
        Self { results: found.into_iter().map(body).collect() }
    }
}

impl From<Vec<LoadedImage>> for LoadedBody {
    fn from(images: Vec<LoadedImage>) -> Self {
        let body = |loaded: LoadedImage| LoadedImageBody { id: loaded.id, image: loaded.image };
        Self { images: images.into_iter().map(body).collect() }
    }
}

impl LoadedBody {
    /// The names, or where there are none the ids.
    pub fn names(&self) -> Vec<String> {
        self.images.iter().map(|loaded| loaded.image.as_ref().unwrap_or(&loaded.id).clone()).collect()
    }
}

impl Record for LoadPart {
    fn json(&self) -> impl Serialize {
        match self {
            Self::Progress { layer, status, bytes } => LoadRecordBody::Progress(LoadProgressBody {
                id: layer.clone(),
                status: status.clone(),
                current: bytes.map(|(current, _)| current),
                total: bytes.map(|(_, total)| total),
            }),
            Self::Loaded(images) => LoadRecordBody::Loaded(images.clone().into()),
        }
    }
}

/// Labels as text; the engine knows no others.
fn texts(labels: Option<Map<String, Value>>) -> BTreeMap<String, String> {
    let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
    labels.unwrap_or_default().into_iter().filter_map(text).collect()
}

/// A time with the local offset; the engine's zero, the year 1, stands for none.
fn moment(seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    known(&time.to_string())
}

fn known(time: &str) -> Option<String> {
    if time.starts_with("0001-") { None } else { local(time) }
}
