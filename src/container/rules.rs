//! The rules for single values of a request: text, names, references, sizes.

use super::cuid::Cuid;
use super::size;

/// The least memory limit that Docker takes, in bytes (`runconfig`: "Minimum memory limit allowed is 6MB").
const LEAST_MEMORY: i64 = 6 << 20;
/// The longest part of a path, in bytes (`NAME_MAX`).
const LONGEST_PART: usize = 255;

/// What is wrong with a text anywhere in a request, if anything: NUL cannot reach a process, and YAML
/// forbids the other control characters that are refused here.
#[must_use]
pub fn text_problem(text: &str) -> Option<&'static str> {
    let refused = |c: char| matches!(c, '\0' | '\u{7f}'..='\u{9f}');
    text.chars().any(refused).then_some("must not hold NUL, DEL or a C1 control character")
}

/// What is wrong with a container's name, if anything. Docker's grammar, and not the form of a cuid.
#[must_use]
pub fn name_problem(name: &str) -> Option<&'static str> {
    const RULE: &str =
        "has to be 2 to 64 of the characters a-z A-Z 0-9 _ . - and start with a letter or digit";
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let goes_well = characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if !starts_well || !goes_well || !(2..=64).contains(&name.len()) {
        return Some(RULE);
    }
    name.parse::<Cuid>().is_ok().then_some("must not have the form of a cuid")
}

/// Whether the engine takes a name for the id of a network, or of a volume that no one named, before it takes it for
/// a name.
#[must_use]
pub fn is_engine_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is wrong with an image reference, if anything.
#[must_use]
pub fn image_problem(image: &str) -> Option<String> {
    super::image::problem(image)
        .map(|problem| format!("is no image reference ({problem}): write name, name:tag or name@sha256:…"))
}

/// What is wrong with the name of an environment variable, if anything.
#[must_use]
pub fn env_name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.contains('=') || name.chars().any(char::is_control) {
        return Some("is no name of a variable: it must not be empty nor hold `=` or a control character");
    }
    text_problem(name)
}

/// What is wrong with a tag, if anything: `TAGS` joins them with commas.
#[must_use]
pub fn tag_problem(tag: &str) -> Option<&'static str> {
    if tag.is_empty() || tag.chars().count() > 128 || tag.contains(',') || tag.chars().any(char::is_control) {
        return Some("has to be 1 to 128 characters without commas and control characters");
    }
    text_problem(tag)
}

/// What is wrong with the key of a label, if anything: two prefixes are Compose's and ours.
#[must_use]
pub fn label_key_problem(key: &str) -> Option<&'static str> {
    if key.is_empty() || key.contains('=') || key.chars().any(char::is_control) {
        return Some("is no label: it must not be empty nor hold `=` or a control character");
    }
    if key.starts_with("com.docker.compose.") || key.starts_with("io.wharfinger.") {
        return Some("begins with a prefix that is reserved");
    }
    text_problem(key)
}

/// What is wrong with an absolute path in the container, if anything.
#[must_use]
pub fn container_path_problem(path: &str) -> Option<&'static str> {
    const RULE: &str =
        "has to be an absolute path in the container without `.`, `..`, empty parts and parts over 255 bytes";
    let Some(rest) = path.strip_prefix('/') else { return Some(RULE) };
    let parts_are_plain = rest.is_empty()
        || rest.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= LONGEST_PART);
    if !parts_are_plain || path.len() > 4095 || path.chars().any(char::is_control) {
        return Some(RULE);
    }
    text_problem(path)
}

/// What is wrong with a path to mount at, if anything.
#[must_use]
pub fn mount_path_problem(path: &str) -> Option<&'static str> {
    const RESERVED: [&str; 3] = ["/proc", "/sys", "/dev"];
    let is_reserved = RESERVED.iter().any(|root| path == *root || path.starts_with(&format!("{root}/")));
    if path == "/" || is_reserved || path.contains(':') {
        return Some("cannot be mounted over: name another folder, for instance /app");
    }
    container_path_problem(path)
}

/// What is wrong with a user, if anything: `user`, `uid`, `user:group`, `uid:gid`.
#[must_use]
pub fn user_problem(user: &str) -> Option<&'static str> {
    let part_is_plain = |part: &str| {
        let starts_well = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        starts_well
            && part.len() <= 64
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let id_fits = |part: &str| !part.starts_with(|c: char| c.is_ascii_digit()) || part.parse::<i32>().is_ok();
    let mut parts = user.splitn(2, ':');
    let is_plain = parts.all(|part| part_is_plain(part) && id_fits(part));
    (!is_plain).then_some("has to be a user or uid, or user:group or uid:gid")
}

/// What is wrong with a restart policy, if anything.
#[must_use]
pub fn restart_problem(policy: &str) -> Option<&'static str> {
    let is_known = matches!(policy, "no" | "always" | "on-failure" | "unless-stopped");
    let retries =
        policy.strip_prefix("on-failure:").filter(|n| n.len() <= 6 && n.bytes().all(|b| b.is_ascii_digit()));
    let is_known = is_known || retries.is_some_and(|n| !n.is_empty());
    (!is_known).then_some("has to be no, always, unless-stopped, on-failure or on-failure:<retries>")
}

/// What is wrong with a memory limit, if anything: a size as Compose writes it, at least 6 MiB.
#[must_use]
pub fn memory_problem(text: &str) -> Option<&'static str> {
    let in_range = size::bytes(text).is_some_and(|bytes| bytes >= LEAST_MEMORY);
    (!in_range).then_some("has to be a size of at least 6m, for instance 512m, 1.5g, or bytes")
}

/// What is wrong with the size of a file system in memory, if anything.
#[must_use]
pub fn size_problem(text: &str) -> Option<&'static str> {
    let in_range = size::bytes(text).is_some_and(|bytes| bytes >= 1);
    (!in_range).then_some("has to be a size, for instance 64m, 1.5g, or bytes")
}

#[cfg(test)]
mod tests {
    use super::{
        image_problem, memory_problem, mount_path_problem, name_problem, restart_problem, user_problem,
    };

    #[test]
    fn sizes_are_read_as_compose_reads_them() {
        for good in ["4096m", "1g", "1.5GB", "6291456", "6291456b", "7000k", "512MB"] {
            assert_eq!(memory_problem(good), None, "{good}");
        }
        for bad in ["", "m", "5m", "-1g", "1e9", "nan", "inf", "1 g", "1gg", "0x10m", ".5g"] {
            assert!(memory_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn image_references_follow_the_full_grammar() {
        let digest = "a".repeat(64);
        let pinned = format!("nginx@sha256:{digest}");
        for good in ["nginx", "nginx:alpine", "localhost:5000/a/b:1", "ghcr.io/x/y:v1.2-3_4", pinned.as_str()]
        {
            assert_eq!(image_problem(good), None, "{good}");
        }
        for bad in
            ["", "-v", "Nginx", "a b", "a:", "a;b", "a\nb", "nginx@sha256:12", "${X}", "../x", "nginx:\u{e9}"]
        {
            assert!(image_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn names_users_and_policies_are_checked() {
        assert_eq!(name_problem("web-1"), None);
        assert!(name_problem("-web").is_some() && name_problem("w").is_some());
        assert!(name_problem(&super::Cuid::new().to_string()).is_some());
        assert_eq!(user_problem("1000:1000"), None);
        assert!(user_problem("1000:").is_some() && user_problem("99999999999").is_some());
        assert_eq!(restart_problem("on-failure:3"), None);
        assert!(restart_problem("on-failure:").is_some() && restart_problem("yes").is_some());
        assert!(mount_path_problem("/proc/x").is_some() && mount_path_problem("/a//b").is_some());
    }
}
