//! Image references, by the grammar of `distribution/reference`. By hand: the regular expression of the crate
//! that knows it too (the tests compare) keeps 10 MiB once it is compiled, as much as the whole daemon otherwise.

/// The longest name of a repository, in bytes.
const NAME_MAX: usize = 255;
/// The longest tag, in bytes.
const TAG_MAX: usize = 128;
/// The fewest hexadecimal digits of a digest.
const HEX_MIN: usize = 32;

/// The registry that is meant when a reference names none.
pub const DOCKER_HUB: &str = "docker.io";

/// An image reference, taken apart and written out as the engine does: `nginx` is `docker.io/library/nginx:latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry's host, perhaps with a port.
    pub registry: String,
    /// The repository within the registry.
    pub repository: String,
    /// The tag; `latest` where the reference has neither tag nor digest.
    pub tag: Option<String>,
    /// The digest, `sha256:…`.
    pub digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart; the error says what is wrong with it.
    pub fn parse(image: &str) -> Result<Self, &'static str> {
        if let Some(problem) = problem(image) {
            return Err(problem);
        }
        let (named, digest) = split(image, image.find('@'));
        let last = named.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = split(named, named[last..].find(':').map(|colon| last + colon));
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (first, rest),
            // What the grammar takes for a registry alone: an upper case letter is in no repository.
            Some((first, rest)) if first.bytes().any(|byte| byte.is_ascii_uppercase()) => (first, rest),
            _ => (DOCKER_HUB, name),
        };
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        let is_official = registry == DOCKER_HUB && !repository.contains('/');
        let repository = if is_official { format!("library/{repository}") } else { repository.to_owned() };
        let tag = tag.or_else(|| digest.is_none().then_some("latest"));
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The name as people write it: without Docker Hub's own name and `library/` where what is left still means the
    /// same; without tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        let short = match self.repository.strip_prefix("library/") {
            Some(official) if !official.contains('/') => official,
            _ => &self.repository,
        };
        if self.registry == DOCKER_HUB && !names_a_registry(short) {
            short.to_owned()
        } else {
            format!("{}/{}", self.registry, self.repository)
        }
    }
}

impl std::fmt::Display for Reference {
    /// As people write it, always with tag or digest.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name())?;
        self.tag.iter().try_for_each(|tag| write!(formatter, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(formatter, "@{digest}"))
    }
}

/// A name that Podman tells, as people write it: it writes Docker Hub out, and gives an image that was made
/// without a registry one named `localhost`.
#[must_use]
pub fn podmans_name(image: &str) -> &str {
    let official = image.strip_prefix("docker.io/library/").filter(|rest| !rest.contains('/'));
    let of_docker_hub = || image.strip_prefix("docker.io/").filter(|rest| !names_a_registry(rest));
    let short = image.strip_prefix("localhost/").or(official).or_else(of_docker_hub);
    short.unwrap_or(image)
}

/// Whether the first part of a name would be taken for a registry.
fn names_a_registry(name: &str) -> bool {
    name.split_once('/').is_some_and(|(first, _)| first == "localhost" || first.contains(['.', ':']))
}

/// What is wrong with an image reference, if anything.
#[must_use]
pub fn problem(image: &str) -> Option<&'static str> {
    const FORMAT: &str = "invalid reference format";
    if image.is_empty() {
        return Some("repository name must have at least one component");
    }
    let (named, digest) = split(image, image.find('@'));
    let last = named.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = split(named, named[last..].find(':').map(|colon| last + colon));
    if !is_name(name) || !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
        return Some(FORMAT);
    }
    if repository_length(name) > NAME_MAX {
        return Some("repository name must not be more than 255 characters");
    }
    digest.and_then(digest_problem)
}

/// What is wrong with the host of a registry, if anything.
#[must_use]
pub fn registry_problem(host: &str) -> Option<&'static str> {
    let is_told_apart = host == "localhost" || host.contains(['.', ':']);
    (!is_registry(host) || !is_told_apart || host.len() > NAME_MAX).then_some(
        "has to be a registry as image names begin with it: host.example, host:5000, localhost, or docker.io",
    )
}

/// What is before and after the separator, which is one byte long.
fn split(text: &str, separator: Option<usize>) -> (&str, Option<&str>) {
    separator.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])))
}

/// Components between slashes, the first of which may be a registry when others follow.
fn is_name(name: &str) -> bool {
    let (first, rest) = split(name, name.find('/'));
    let first_fits = is_component(first) || (rest.is_some() && is_registry(first));
    first_fits && rest.is_none_or(|rest| rest.split('/').all(is_component))
}

/// Host and perhaps port.
fn is_registry(text: &str) -> bool {
    let (host, port) = split(text, text.find(':'));
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Small letters and digits, and between them a dot, one or two underscores, or hyphens.
fn is_component(text: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let mut separators = text.split(is_plain).filter(|separator| !separator.is_empty());
    text.starts_with(is_plain)
        && text.ends_with(is_plain)
        && separators.all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_MAX
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let (algorithm, hex) = split(text, text.find(':'));
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_part)
        && hex.is_some_and(|hex| hex.len() >= HEX_MIN && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// How long the repository's name is once it is written out: without the registry, with `library/`.
fn repository_length(name: &str) -> usize {
    match name.split_once('/') {
        None => "library/".len() + name.len(),
        Some(("docker.io" | "index.docker.io", rest)) if !rest.contains('/') => "library/".len() + rest.len(),
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => rest.len(),
        Some(_) => name.len(),
    }
}

fn digest_problem(digest: &str) -> Option<&'static str> {
    let length = match digest.split_once(':') {
        Some(("sha256", hex)) => (hex.len(), 64),
        Some(("sha384", hex)) => (hex.len(), 96),
        Some(("sha512", hex)) => (hex.len(), 128),
        _ => return Some("unsupported digest algorithm"),
    };
    (length.0 != length.1).then_some("invalid checksum digest length")
}

#[cfg(test)]
mod tests {
    use oci_spec::distribution::Reference;
    use proptest::prelude::*;

    use super::problem;

    #[test]
    fn a_reference_is_written_out_as_the_engine_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, registry, repository, tag, shown) in [
            ("nginx", "docker.io", "library/nginx", Some("latest"), "nginx:latest"),
            ("docker.io/nginx:1", "docker.io", "library/nginx", Some("1"), "nginx:1"),
            ("index.docker.io/library/nginx:1", "docker.io", "library/nginx", Some("1"), "nginx:1"),
            ("me/app", "docker.io", "me/app", Some("latest"), "me/app:latest"),
            ("localhost/app:2", "localhost", "app", Some("2"), "localhost/app:2"),
            ("h:5000/a/b:2", "h:5000", "a/b", Some("2"), "h:5000/a/b:2"),
            ("a.b/c", "a.b", "c", Some("latest"), "a.b/c:latest"),
            ("Host/c", "Host", "c", Some("latest"), "Host/c:latest"),
        ] {
            let reference = super::Reference::parse(image).unwrap();
            assert_eq!((reference.registry.as_str(), reference.repository.as_str()), (registry, repository));
            assert_eq!((reference.tag.as_deref(), reference.to_string().as_str()), (tag, shown), "{image}");
        }
        let pinned = super::Reference::parse(&format!("nginx@{digest}")).unwrap();
        assert_eq!((pinned.tag.as_deref(), pinned.digest.as_deref()), (None, Some(digest.as_str())));
        assert!(super::Reference::parse("Nope").is_err());
    }

    /// A name that is shortened too far is another image's: what the fuzz target `words` asks for.
    #[test]
    fn a_name_is_shortened_only_as_far_as_it_still_means_the_same() {
        for (image, shown) in [
            ("docker.io/library/a/b", "library/a/b:latest"),
            ("docker.io/localhost/a:1", "docker.io/localhost/a:1"),
            ("docker.io/a.b/c", "docker.io/a.b/c:latest"),
            ("docker.io/library/localhost/a", "library/localhost/a:latest"),
        ] {
            let reference = super::Reference::parse(image).unwrap();
            assert_eq!(reference.to_string(), shown, "{image}");
            assert_eq!(super::Reference::parse(shown).unwrap(), reference, "{image}");
        }
        let podmans = [
            ("docker.io/library/a:1", "a:1"),
            ("docker.io/a/b", "a/b"),
            ("docker.io/library/a/b", "library/a/b"),
            ("docker.io/a.b/c", "docker.io/a.b/c"),
            ("localhost/a", "a"),
        ];
        for (image, shown) in podmans {
            assert_eq!(super::podmans_name(image), shown);
        }
    }

    /// What the crate says; its tags may hold letters that are not ASCII, which no engine takes.
    fn told(image: &str) -> Option<String> {
        image.parse::<Reference>().err().map(|error| error.to_string())
    }

    #[test]
    fn lengths_and_digests_are_judged_as_the_crate_judges_them() {
        let long = |count: usize| "a".repeat(count);
        let mut images =
            vec![String::new(), "a@".into(), "a:@".into(), "localhost:5000".into(), "A/b".into()];
        for count in [127, 128, 129, 247, 248, 254, 255, 256] {
            images.push(long(count));
            for first in ["x", "docker.io", "index.docker.io", "localhost", "h:1", "X"] {
                images.extend([format!("{first}/{}", long(count)), format!("{first}/y/{}", long(count))]);
            }
            images.push(format!("a:{}", long(count)));
        }
        for algorithm in ["sha256", "sha384", "sha512", "md5", "a+b", "a++b", "1a", ""] {
            images.extend([31, 32, 63, 64, 96, 128].map(|count| format!("x@{algorithm}:{}", long(count))));
        }
        for image in images {
            assert_eq!(problem(&image).map(str::to_owned), told(&image), "{image}");
        }
        assert!(problem("nginx:ä").is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_judged_as_the_crate_judges_it(image in "[a-cA-C0-1._/:@+-]{0,12}|[ -~]{0,20}") {
            prop_assert_eq!(problem(&image).map(str::to_owned), told(&image));
        }

        #[test]
        fn what_is_nearly_a_reference_is_judged_as_the_crate_judges_it(
            image in "([a-zA-Z0-9.-]{1,6}(:[0-9]{0,2})?/)?[a-z0-9]{0,2}[._-]{0,3}[a-z0-9]{1,2}(/[a-z0-9._-]{0,3}){0,2}\
                      (:[a-zA-Z0-9_.-]{0,4})?(@(sha256|sha512|a[+.]b):[a-fA-F0-9]{63,65})?"
        ) {
            prop_assert_eq!(problem(&image).map(str::to_owned), told(&image));
        }
    }
}
