//! The bodies of answers about images on their way.

use serde::Serialize;
use utoipa::ToSchema;

use super::ContainerBody;
use crate::http::streaming::{EndBody, LastBody, Record};
use crate::service::{Container, Overall, Progress, Pulled, Pushed, Report};

/// An image that was pulled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pulled)]
pub struct PulledBody {
    /// Its id.
    id: String,
    /// Its name, with tag or digest.
    #[schema(example = "python:3.12-slim")]
    image: String,
    /// How much it takes on the disk, in bytes.
    size: u64,
}

/// An image that was pushed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pushed)]
pub struct PushedBody {
    /// Its name with tag.
    #[schema(example = "registry.example.org/web:1")]
    image: String,
    /// The digest of its manifest, by which the registry has it for ever.
    digest: String,
    /// The size of its manifest, in bytes.
    size: u64,
}

/// How far an image is: the newest state of one layer, or a word of the engine on the whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferProgress)]
pub struct ProgressBody {
    /// The layer, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    id: Option<String>,
    /// The engine's word: `Downloading`, `Extracting`, `Already exists`, …
    #[schema(example = "Downloading")]
    status: String,
    /// The bytes that are through, where the engine tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    current: Option<u64>,
    /// The bytes of the layer, where the engine tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    total: Option<u64>,
    /// How far all of it is.
    overall: OverallBody,
}

/// How far all layers are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferOverall)]
pub struct OverallBody {
    /// The bytes that are through.
    current: u64,
    /// The bytes of all layers whose size is known so far.
    total: u64,
    /// Never less than before; 100 when all is done. A layer that is there already counts as done, one whose size
    /// is not known yet as one of the mean size.
    #[schema(minimum = 0, maximum = 100)]
    percent: u8,
}

/// One line of a pull.
#[derive(ToSchema)]
#[schema(as = PullLine)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub enum PullLine {
    /// How far it is.
    Progress(ProgressBody),
    /// The last line of one that succeeds.
    Result(PulledRecord),
    /// The last line of any other.
    End(LastBody),
}

/// The last line of a pull that succeeds.
#[derive(ToSchema)]
#[schema(as = PulledRecord)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub struct PulledRecord {
    #[serde(flatten)]
    result: PulledBody,
    /// How it ended.
    end: EndBody,
}

/// One line of a push.
#[derive(ToSchema)]
#[schema(as = PushLine)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub enum PushLine {
    /// How far it is.
    Progress(ProgressBody),
    /// The last line of one that succeeds.
    Result(PushedRecord),
    /// The last line of any other.
    End(LastBody),
}

/// The last line of a push that succeeds.
#[derive(ToSchema)]
#[schema(as = PushedRecord)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub struct PushedRecord {
    #[serde(flatten)]
    result: PushedBody,
    /// How it ended.
    end: EndBody,
}

/// One line of a change of a container.
#[derive(ToSchema)]
#[schema(as = ContainerLine)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub enum ContainerLine {
    /// How far the pull of its image is.
    Progress(ProgressBody),
    /// The last line of one that succeeds.
    Result(Box<ContainerRecord>),
    /// The last line of any other.
    End(LastBody),
}

/// The last line of a change that succeeds.
#[derive(ToSchema)]
#[schema(as = ContainerRecord)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub struct ContainerRecord {
    #[serde(flatten)]
    container: ContainerBody,
    /// How it ended.
    end: EndBody,
}

/// Either of what a line can be.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<T> {
    Progress(ProgressBody),
    Result(T),
}

impl<T> Line<T> {
    fn of<R: Clone + Into<T>>(report: &Report<R>) -> Self {
        match report {
            Report::Progress(progress) => Self::Progress(progress.clone().into()),
            Report::Result(result) => Self::Result(result.clone().into()),
        }
    }
}

impl Record for Report<Pulled> {
    fn json(&self) -> impl Serialize {
        Line::<PulledBody>::of(self)
    }
}

impl Record for Report<Pushed> {
    fn json(&self) -> impl Serialize {
        Line::<PushedBody>::of(self)
    }
}

impl Record for Report<Container> {
    fn json(&self) -> impl Serialize {
        Line::<ContainerBody>::of(self)
    }
}

impl From<Pulled> for PulledBody {
    fn from(Pulled { id, image, size }: Pulled) -> Self {
        Self { id, image, size }
    }
}

impl From<Pushed> for PushedBody {
    fn from(Pushed { image, digest, size }: Pushed) -> Self {
        Self { image, digest, size }
    }
}

impl From<Progress> for ProgressBody {
    fn from(progress: Progress) -> Self {
        let Progress { layer, status, current, total, overall } = progress;
        Self { id: layer, status, current, total, overall: overall.into() }
    }
}

impl From<Overall> for OverallBody {
    fn from(Overall { current, total, percent }: Overall) -> Self {
        Self { current, total, percent }
    }
}
