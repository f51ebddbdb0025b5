//! The body of one image, with all that is known of it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{known, texts};
use crate::service::InspectedImage;

/// One image, with all that the engine knows of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImageDetails)]
pub struct ImageDetailsBody {
    /// Its id.
    pub id: String,
    /// Its names with tag.
    pub repo_tags: Vec<String>,
    /// Its names with digest.
    pub repo_digests: Vec<String>,
    /// The image that it was made of, where the engine knows.
    pub parent_id: Option<String>,
    /// When it was made, where that is known.
    #[schema(format = DateTime)]
    pub created: Option<String>,
    /// Its size with all layers, in bytes.
    pub size: u64,
    /// The processor that it is for.
    #[schema(example = "amd64")]
    pub architecture: String,
    /// Which kind of that processor, where that matters.
    pub variant: Option<String>,
    /// The system that it is for.
    #[schema(example = "linux")]
    pub os: String,
    /// Who made it.
    pub author: String,
    /// What its maker said of it.
    pub comment: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What containers of it get.
    pub config: ImageConfigBody,
    /// The digests of its layers' contents, the lowest first.
    pub layers: Vec<String>,
}

/// What containers of an image get where their own request says nothing.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ImageConfig)]
pub struct ImageConfigBody {
    /// The user; empty: root.
    pub user: String,
    /// The environment, as `NAME=value`; the value is `***` to whoever lacks `docker:write` or is limited to some
    /// containers.
    pub env: Vec<String>,
    /// What is run in front of the command.
    pub entrypoint: Option<Vec<String>>,
    /// The command.
    pub cmd: Option<Vec<String>>,
    /// The folder that it runs in; empty: the root.
    pub working_dir: String,
    /// The ports that it says it listens on.
    #[schema(example = json!(["80/tcp"]))]
    pub exposed_ports: Vec<String>,
    /// The folders that get a volume each.
    pub volumes: Vec<String>,
    /// The signal that ends it in order.
    pub stop_signal: Option<String>,
    /// How its health is told.
    pub healthcheck: Option<ImageHealthcheckBody>,
}

/// How the health of an image's containers is told; times in seconds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImageHealthcheck)]
pub struct ImageHealthcheckBody {
    /// `NONE`, `CMD` with a command, or `CMD-SHELL` with a line.
    #[schema(example = json!(["CMD-SHELL", "wget -qO- localhost"]))]
    pub test: Vec<String>,
    /// The time between two checks; `null`: the engine's own.
    pub interval: Option<f64>,
    /// How long one may take; `null`: the engine's own.
    pub timeout: Option<f64>,
    /// For how long failures do not count; `null`: the engine's own.
    pub start_period: Option<f64>,
    /// How many failures in a row count; `null`: the engine's own.
    pub retries: Option<i64>,
}

impl From<InspectedImage> for ImageDetailsBody {
    fn from(image: InspectedImage) -> Self {
        let mut config = image.config.unwrap_or_default();
        let labels = texts(config.labels.take());
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            id: image.id,
            repo_tags: image.repo_tags.unwrap_or_default(),
            repo_digests: image.repo_digests.unwrap_or_default(),
            parent_id: some(image.parent),
            created: image.created.and_then(|time| known(&time)),
            size: image.size,
            architecture: image.architecture,
            variant: some(image.variant),
            os: image.os,
            author: image.author,
            comment: image.comment,
            labels,
            config: config.into(),
            layers: image.root_fs.layers.unwrap_or_default(),
        }
    }
}

impl From<crate::service::ImageConfig> for ImageConfigBody {
    fn from(config: crate::service::ImageConfig) -> Self {
        Self {
            user: config.user,
            env: config.env.unwrap_or_default(),
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            working_dir: config.working_dir,
            exposed_ports: config.exposed_ports.unwrap_or_default().into_keys().collect(),
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
            stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
            healthcheck: config.healthcheck.map(ImageHealthcheckBody::from),
        }
    }
}

impl From<crate::service::ImageHealthcheck> for ImageHealthcheckBody {
    fn from(check: crate::service::ImageHealthcheck) -> Self {
        Self {
            test: check.test.unwrap_or_default(),
            interval: seconds(check.interval),
            timeout: seconds(check.timeout),
            start_period: seconds(check.start_period),
            retries: Some(check.retries).filter(|retries| *retries > 0),
        }
    }
}

fn seconds(nanoseconds: i64) -> Option<f64> {
    let nanoseconds = u64::try_from(nanoseconds).ok().filter(|time| *time > 0)?;
    Some(std::time::Duration::from_nanos(nanoseconds).as_secs_f64())
}
