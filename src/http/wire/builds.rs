//! The bodies of answers about builds.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::streaming::{EndBody, LastBody, Record};
use crate::service::{BuildPart, Built};

/// An image that was built.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Built)]
pub struct BuiltBody {
    /// Its id.
    id: String,
    /// Its name with tag.
    #[schema(example = "me/app:1")]
    image: String,
}

/// What the builder says.
#[derive(Serialize, ToSchema)]
#[schema(as = BuildRecord)]
pub struct BuildRecord<'a> {
    /// A line with its line end, or a part of one that is over 16 KiB.
    stream: &'a str,
}

/// One line of a build.
#[derive(ToSchema)]
#[schema(as = BuildLine)]
#[serde(untagged)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub enum BuildLine {
    /// What the builder says.
    Record(BuildRecord<'static>),
    /// The last line of one that succeeds.
    Result(BuiltRecord),
    /// The last line of any other.
    End(LastBody),
}

/// The last line of a build that succeeds.
#[derive(ToSchema)]
#[schema(as = BuiltRecord)]
#[expect(dead_code, reason = "stands in the OpenAPI document")]
pub struct BuiltRecord {
    #[serde(flatten)]
    result: BuiltBody,
    /// How it ended.
    end: EndBody,
}

/// Either of what a line can be.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Record(BuildRecord<'a>),
    Result(BuiltBody),
}

impl Record for BuildPart {
    fn json(&self) -> impl Serialize {
        match self {
            Self::Line(stream) => Line::Record(BuildRecord { stream }),
            Self::Built(built) => Line::Result(built.clone().into()),
        }
    }
}

impl From<Built> for BuiltBody {
    fn from(Built { id, image }: Built) -> Self {
        Self { id, image }
    }
}
