//! What has to be true of a file for a change of it (RFC 9110, section 13), against lost updates.

use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

use super::super::error::FilesError;
use super::super::open::{etag_of, time_of};
use super::super::path::MountPath;

/// A list of entity tags, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: whatever there is.
    Any,
    /// The tags as they were sent, with their quotes.
    These(Vec<String>),
}

/// What has to be true of what is there, for a change to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// It has one of these tags.
    pub if_match: Option<Tags>,
    /// It has none of these tags; `*`: there is nothing.
    pub if_none_match: Option<Tags>,
    /// It was not written to after this time. Does not count beside `if_match`.
    pub if_unmodified_since: Option<SystemTime>,
}

impl Conditions {
    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses where what was seen at `path` is not what has to be there.
    pub(super) fn check(&self, seen: Option<&Stat>, path: &MountPath) -> Result<(), FilesError> {
        if self.hold(seen) { Ok(()) } else { Err(FilesError::PreconditionFailed { path: path.shown() }) }
    }

    fn hold(&self, seen: Option<&Stat>) -> bool {
        let tag = seen.map(etag_of);
        let is_expected = match (&self.if_match, self.if_unmodified_since, seen) {
            (Some(tags), _, _) => tag.as_deref().is_some_and(|tag| tags.have(tag)),
            (None, Some(time), Some(seen)) => written(seen) <= time,
            (None, _, _) => true,
        };
        let is_excluded = match (&self.if_none_match, tag) {
            (Some(tags), Some(tag)) => tags.have(&tag) || tags.have(&format!("W/{tag}")),
            _ => false,
        };
        is_expected && !is_excluded
    }
}

impl Tags {
    /// A weak tag (`W/…`) is another text than the strong one, as the comparison for changes asks.
    fn have(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|known| known == tag),
        }
    }
}

/// When a file was last written to, in whole seconds: a date in a header has no fractions.
fn written(stat: &Stat) -> SystemTime {
    let time = time_of(stat.st_mtime, 0);
    // `time_of` answers the epoch for what it cannot count; that must not pass for an old file.
    let is_counted = stat.st_mtime == 0 || time != SystemTime::UNIX_EPOCH;
    if is_counted { time } else { SystemTime::now() + Duration::from_secs(1) }
}
