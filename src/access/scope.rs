//! Which containers a token is for.

use std::fmt;

use crate::container::{Cuid, Spec, rules};

/// Names containers: one by id or name, or all that have a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// The one with this id.
    Id(Cuid),
    /// The one that has this name at the time.
    Name(String),
    /// Those that have this tag at the time.
    Tag(String),
}

impl Selector {
    /// Reads `tag:x`, a cuid or a name; fails with the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(tag) = text.strip_prefix("tag:") {
            return rules::tag_problem(tag).map_or_else(|| Ok(Self::Tag(tag.to_owned())), Err);
        }
        if let Ok(cuid) = text.parse() {
            return Ok(Self::Id(cuid));
        }
        match rules::name_problem(text) {
            Some(_) => Err("has to be a cuid, a container's name, or tag: and a tag"),
            None => Ok(Self::Name(text.to_owned())),
        }
    }

    /// Whether it names this container. One whose file cannot be read (no `spec`) is known by its id alone.
    #[must_use]
    pub fn names(&self, cuid: Cuid, spec: Option<&Spec>) -> bool {
        match self {
            Self::Id(id) => *id == cuid,
            Self::Name(name) => spec.is_some_and(|spec| spec.name.as_ref() == Some(name)),
            Self::Tag(tag) => spec.is_some_and(|spec| spec.tags.contains(tag)),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(cuid) => write!(formatter, "{cuid}"),
            Self::Name(name) => formatter.write_str(name),
            Self::Tag(tag) => write!(formatter, "tag:{tag}"),
        }
    }
}

/// The containers that a caller may know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that one of these names.
    Only(Vec<Selector>),
}

impl Scope {
    /// The selectors as the API writes them; none: all containers.
    #[must_use]
    pub fn words(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Only(selectors) => Some(selectors.iter().map(ToString::to_string).collect()),
        }
    }

    /// The same scope and this container.
    #[must_use]
    pub fn with(&self, cuid: Cuid) -> Self {
        match self {
            Self::All => Self::All,
            Self::Only(selectors) => {
                Self::Only(selectors.iter().cloned().chain([Selector::Id(cuid)]).collect())
            }
        }
    }

    /// The same scope without this container's id.
    #[must_use]
    pub fn without(&self, cuid: Cuid) -> Self {
        match self {
            Self::All => Self::All,
            Self::Only(selectors) => Self::Only(
                selectors.iter().filter(|selector| **selector != Selector::Id(cuid)).cloned().collect(),
            ),
        }
    }

    /// Whether it has every selector of another scope.
    #[must_use]
    pub fn holds_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(own), Self::Only(others)) => others.iter().all(|selector| own.contains(selector)),
        }
    }

    /// Whether this container is one of them.
    #[must_use]
    pub fn holds(&self, cuid: Cuid, spec: Option<&Spec>) -> bool {
        match self {
            Self::All => true,
            Self::Only(selectors) => selectors.iter().any(|selector| selector.names(cuid, spec)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cuid, Scope, Selector, Spec};

    #[test]
    fn a_scope_holds_what_its_selectors_name_at_the_time() {
        let cuid = Cuid::new();
        let mut spec = Spec::of_image("a".to_owned());
        spec.name = Some("web-1".to_owned());
        spec.tags = vec!["blue".to_owned()];
        for (text, expected) in [
            (cuid.to_string(), true),
            ("web-1".into(), true),
            ("tag:blue".into(), true),
            ("tag:web-1".into(), false),
        ] {
            let selector = Selector::parse(&text).unwrap();
            assert_eq!(selector.to_string(), text);
            assert_eq!(Scope::Only(vec![selector.clone()]).holds(cuid, Some(&spec)), expected, "{text}");
            assert_eq!(selector.names(cuid, None), matches!(selector, Selector::Id(_)));
        }
        assert!(!Scope::Only(Vec::new()).holds(cuid, Some(&spec)) && Scope::All.holds(cuid, None));
        for wrong in ["", "tag:", "a b", "tag:a,b", "x"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }
}
