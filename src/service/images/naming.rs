//! How a text stands for an image: by one of its names, or by its id.

use crate::container::image::{DOCKER_HUB, Reference};

/// What an image is known by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// Its id, `sha256:…`.
    pub id: &'a str,
    /// Its names with tag.
    pub tags: &'a [String],
    /// Its names with digest.
    pub digests: &'a [String],
}

/// By what a text stands for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// By a name, spelt as the engine does.
    Name(String),
    /// By the id, or the beginning of it.
    Id,
}

impl Names<'_> {
    /// By what a text stands for this image; nothing: it does not. As with the engine, a name goes before an id.
    pub(super) fn naming(&self, text: &str) -> Option<Naming> {
        let reference = Reference::parse(text).ok();
        let named = reference.and_then(|reference| {
            let all = if reference.digest.is_some() { self.digests } else { self.tags };
            all.iter().find(|name| is_same(&reference, name)).cloned()
        });
        named.map(Naming::Name).or_else(|| is_beginning(text, self.id).then_some(Naming::Id))
    }

    /// Whether the image goes when this name is taken away: with the last tag of a repository go its digests.
    pub(super) fn is_last(&self, name: &str) -> bool {
        let repository = repository(name);
        let others = self.tags.iter().filter(|tag| *tag != name);
        let is_tag = self.tags.iter().any(|tag| tag == name);
        let elsewhere =
            |digest: &&String| *digest != name && !(is_tag && repository == self::repository(digest));
        others.count() == 0 && self.digests.iter().find(elsewhere).is_none()
    }
}

fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name)
}

/// Whether a name of the engine is the one meant. A digest decides whatever tag stands beside it; Podman writes
/// `localhost/` in front of what is of no registry.
fn is_same(meant: &Reference, name: &str) -> bool {
    let Ok(name) = Reference::parse(name) else { return false };
    let plain = |reference: &Reference| match reference.registry.as_str() {
        "localhost" => (DOCKER_HUB.to_owned(), format!("library/{}", reference.repository)),
        _ => (reference.registry.clone(), reference.repository.clone()),
    };
    let is_place = (&meant.registry, &meant.repository) == (&name.registry, &name.repository)
        || (meant.registry == DOCKER_HUB && plain(&name) == plain(meant));
    is_place && meant.digest == name.digest && (meant.digest.is_some() || meant.tag == name.tag)
}

/// Whether a text is an id or the beginning of it, with or without the algorithm.
fn is_beginning(text: &str, id: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    !hex.is_empty() && id.strip_prefix("sha256:").unwrap_or(id).starts_with(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_in_any_spelling_or_the_beginning_of_an_id_stands_for_the_image() {
        let digest = format!("sha256:{}", "b".repeat(64));
        let (tags, digests) = (owned(&["nginx:1", "h:5000/a/b:latest"]), vec![format!("nginx@{digest}")]);
        let names = Names { id: "sha256:abcdef", tags: &tags, digests: &digests };
        let name = |name: &str| Some(Naming::Name(name.to_owned()));
        for text in ["nginx:1", "docker.io/nginx:1", "index.docker.io/library/nginx:1", "library/nginx:1"] {
            assert_eq!(names.naming(text), name("nginx:1"), "{text}");
        }
        assert_eq!(names.naming("h:5000/a/b"), name("h:5000/a/b:latest"));
        assert_eq!(names.naming(&format!("nginx:7@{digest}")), name(&digests[0]));
        for text in ["sha256:abcdef", "abcdef", "abc", "sha256:a"] {
            assert_eq!(names.naming(text), Some(Naming::Id), "{text}");
        }
        for text in ["nginx", "nginx:2", "a/b", "abcdee", "abcdef0", "sha256:", "me/nginx:1"] {
            assert_eq!(names.naming(text), None, "{text}");
        }
        let podmans = owned(&["localhost/mine:1", "docker.io/library/nginx:1"]);
        let names = Names { id: "sha256:abcdef", tags: &podmans, digests: &[] };
        assert_eq!(names.naming("mine:1"), name("localhost/mine:1"));
        assert_eq!(names.naming("localhost/mine:1"), name("localhost/mine:1"));
        assert_eq!(names.naming("nginx:1"), name("docker.io/library/nginx:1"));
    }

    #[test]
    fn an_image_goes_with_the_last_of_its_names() {
        let digest = |name: &str| format!("{name}@sha256:{}", "b".repeat(64));
        let is_last = |tags: &[&str], digests: Vec<String>, name: &str| {
            Names { id: "sha256:a", tags: &owned(tags), digests: &digests }.is_last(name)
        };
        assert!(is_last(&["a:1"], vec![], "a:1"));
        assert!(!is_last(&["a:1", "a:2"], vec![], "a:1"));
        assert!(is_last(&["h:5000/a:1"], vec![digest("h:5000/a")], "h:5000/a:1"));
        assert!(!is_last(&["a:1"], vec![digest("b")], "a:1"));
        assert!(is_last(&[], vec![digest("b")], &digest("b")));
        assert!(!is_last(&["b:1"], vec![digest("b")], &digest("b")));
    }
}
