//! A path within a mount: checked once, normal ever after.

use super::error::{FilesError, shown};

/// The longest part of a path, in bytes (`NAME_MAX`).
pub(super) const LONGEST_PART: usize = 255;
/// The longest path the kernel takes, in bytes (`PATH_MAX` without its NUL).
pub(super) const LONGEST_PATH: usize = 4095;
/// Where mounts are bound unless the container names another place.
const DEFAULT_TARGET: &str = "/app";

/// A path within a mount: relative, without `.`, `..` and empty parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountPath(String);

impl MountPath {
    /// The mount's root folder.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path as a client gives it.
    ///
    /// Relative paths count from the mount; a leading `/app/`, or the container's own `mount_target`
    /// when it has another, means the same. Empty text, `/` and `.` are the root. A backslash is an
    /// ordinary character, as it is for the kernel.
    pub fn parse(text: &str, mount_target: Option<&str>) -> Result<Self, FilesError> {
        let refuse = |why| FilesError::PathNotAllowed { path: shown(text.as_bytes()), why };
        if text.len() > LONGEST_PATH {
            return Err(refuse("it is over 4095 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(refuse("it has a control character"));
        }
        let mut parts = parts_of(text);
        if parts.contains(&"..") {
            return Err(refuse("it has a `..` part"));
        }
        if parts.iter().any(|part| part.len() > LONGEST_PART) {
            return Err(refuse("a part of it is over 255 bytes"));
        }
        if text.starts_with('/') && !parts.is_empty() {
            let targets = mount_target.into_iter().chain([DEFAULT_TARGET]).map(parts_of);
            let beneath =
                targets.filter(|target| !target.is_empty()).find(|target| parts.starts_with(target));
            parts.drain(..beneath.ok_or_else(|| refuse("it is absolute"))?.len());
        }
        Ok(Self(parts.join("/")))
    }

    /// The path as text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the mount's root folder.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last part; none for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.parts().next_back()
    }

    /// The folder that it lies in, and its name there; none for the root.
    pub(super) fn split(&self) -> Option<(Self, &str)> {
        let (folder, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (!name.is_empty()).then(|| (Self(folder.to_owned()), name))
    }

    /// Whether it is `folder` itself or lies in it, however deep.
    pub(super) fn is_within(&self, folder: &Self) -> bool {
        let rest = self.0.strip_prefix(&folder.0);
        folder.is_root() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The first `count` parts of it.
    pub(super) fn first(&self, count: usize) -> Self {
        Self(self.parts().take(count).collect::<Vec<_>>().join("/"))
    }

    /// The parts in order, none for the root.
    pub(super) fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The path as the system calls take it: `.` for the root.
    pub(super) fn as_relative(&self) -> &str {
        if self.is_root() { "." } else { &self.0 }
    }

    /// The path as messages show it.
    pub(super) fn shown(&self) -> String {
        if self.is_root() { "/".to_owned() } else { shown(self.0.as_bytes()) }
    }
}

/// The parts of a path without the empty ones and `.`.
fn parts_of(text: &str) -> Vec<&str> {
    text.split('/').filter(|part| !part.is_empty() && *part != ".").collect()
}

#[cfg(test)]
mod tests {
    use super::MountPath;
    use crate::codes::Code;

    #[test]
    fn every_spelling_of_one_path_is_the_same() {
        for text in ["a/b", "/app/a/b", "./a//b/", "/app//a/./b", "//app/a/b", "/srv/x/a/b"] {
            assert_eq!(MountPath::parse(text, Some("/srv/x")).unwrap().as_str(), "a/b", "{text}");
        }
        for text in ["", "/", ".", "/app", "/app/", "./."] {
            assert!(MountPath::parse(text, None).unwrap().is_root(), "{text}");
        }
        assert_eq!(MountPath::parse("app/a\\b", None).unwrap().as_str(), "app/a\\b");
        assert_eq!(MountPath::parse("a/b", None).unwrap().file_name(), Some("b"));
    }

    #[test]
    fn a_path_knows_its_folder_and_what_lies_in_it() {
        let path = |text| MountPath::parse(text, None).unwrap();
        assert_eq!(path("a/b/c").split(), Some((path("a/b"), "c")));
        assert_eq!(path("a").split(), Some((MountPath::root(), "a")));
        assert_eq!(path("").split(), None);
        assert_eq!(path("a/b/c").first(2), path("a/b"));
        for (inner, outer) in [("a/b", "a"), ("a", "a"), ("a/b/c", "a"), ("a", "")] {
            assert!(path(inner).is_within(&path(outer)), "{inner} {outer}");
        }
        for (inner, outer) in [("a", "a/b"), ("ab", "a"), ("b/a", "a"), ("", "a")] {
            assert!(!path(inner).is_within(&path(outer)), "{inner} {outer}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let part = "x".repeat(256);
        let path = "x/".repeat(2100);
        let wrong =
            ["..", "a/../b", "/app/../etc", "/etc/passwd", "/apple", "a\0b", "a\nb", "a\u{7f}", &part, &path];
        for text in wrong {
            assert_eq!(MountPath::parse(text, None).unwrap_err().code(), Code::PathNotAllowed, "{text}");
        }
        assert!(MountPath::parse("/srv/x/a", None).is_err());
        assert!(MountPath::parse("/etc/a", Some("/")).is_err());
    }
}
