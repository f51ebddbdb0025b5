//! The body of a commit: JSON in, a validated image to be made out, or all that is wrong with it.

use serde_json::Value;

use super::fields::{Field, Fields};
use super::request::{checked, read_image};
use super::rules;
use super::signal::Signal;
use super::violation::Violations;
use crate::codes::Code;

/// The instructions that an engine takes in a commit.
const INSTRUCTIONS: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
/// The most instructions of a commit: they travel in a URL.
pub(super) const MOST_CHANGES: usize = 100;
/// The most characters of one instruction, of the author, and of the message.
const LONGEST_TEXT: usize = 1000;

/// An image to be made of a container, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRequest {
    /// The image's name without tag.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// Who made it.
    pub author: String,
    /// What it is.
    pub message: String,
    /// Instructions of a Dockerfile.
    pub changes: Vec<String>,
    /// The signal that ends it in order, of the last instruction that names one.
    pub stop_signal: Option<Signal>,
    /// Whether the container is frozen meanwhile.
    pub pause: bool,
}

impl CommitRequest {
    /// Reads the body of a commit.
    pub fn parse(body: Value) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut fields = Fields::new(body, "", &mut violations);
        let image = read_image(&mut fields).value();
        let author = checked(&mut fields, "author", Code::InvalidValue, remark_problem).value();
        let message = checked(&mut fields, "message", Code::InvalidValue, remark_problem).value();
        let changes = read_changes(&mut fields);
        let pause = fields.flag("pause").value().unwrap_or(true);
        fields.finish();
        if image.is_none() && !violations.as_slice().iter().any(|violation| violation.field == "image") {
            let message = "is required: the name of the image to be made";
            violations.add("image", Code::MissingImage, message, Value::Null);
        }
        let image = image.unwrap_or_default();
        if image.contains('@') {
            let message = "has a digest, which only the image itself can give: write name or name:tag";
            violations.add("image", Code::InvalidImage, message, image.as_str().into());
        }
        let (repository, tag) = split(&image);
        let (signals, changes): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| stop_signal(change).is_some());
        let stop_signal = signals.last().and_then(|change| Signal::parse(stop_signal(change)?));
        violations.into_result(Self {
            repository,
            tag,
            author: author.unwrap_or_default(),
            message: message.unwrap_or_default(),
            changes,
            stop_signal,
            pause,
        })
    }
}

/// The name and the tag of a reference; `latest` where there is none.
fn split(image: &str) -> (String, String) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (image.to_owned(), "latest".to_owned()),
    }
}

/// What STOPSIGNAL names; nothing for another instruction.
fn stop_signal(change: &str) -> Option<&str> {
    let (word, name) = change.split_once(' ')?;
    word.eq_ignore_ascii_case("STOPSIGNAL").then(|| name.trim())
}

/// What is wrong with some words of at most so many characters, if anything.
pub(super) fn remark_problem(text: &str) -> Option<&'static str> {
    if text.chars().count() > LONGEST_TEXT {
        return Some("has to be at most 1000 characters");
    }
    rules::text_problem(text)
}

fn read_changes(fields: &mut Fields<'_>) -> Vec<String> {
    let list = match fields.list("changes") {
        Field::Absent | Field::Null => return Vec::new(),
        Field::Value(list) => list,
    };
    if list.len() > MOST_CHANGES {
        let path = fields.path("changes");
        fields.violations().add(path, Code::InvalidValue, "has to be at most 100 instructions", Value::Null);
        return Vec::new();
    }
    let mut changes = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let path = fields.path(&format!("changes[{index}]"));
        match value.as_str().map(|change| (change, change_problem(change))) {
            None => fields.violations().add(path, Code::InvalidType, "has to be a string", value),
            Some((_, Some(message))) => fields.violations().add(path, Code::InvalidValue, message, value),
            Some((change, None)) => changes.push(change.to_owned()),
        }
    }
    changes
}

/// What is wrong with an instruction, as far as it can be told without the engine, if anything.
pub(super) fn change_problem(change: &str) -> Option<&'static str> {
    const RULE: &str = "has to be one instruction in one line: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, \
                        ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR, and what belongs to it";
    let (word, rest) = change.split_once(' ').unwrap_or((change, ""));
    let is_known = INSTRUCTIONS.iter().any(|known| known.eq_ignore_ascii_case(word));
    // A backslash at the end would take in the next instruction.
    let is_one =
        !change.chars().any(char::is_control) && !change.ends_with('\\') && change.trim_end() == change;
    if stop_signal(change).is_some_and(|name| Signal::parse(name).is_none()) {
        return Some("names no signal: write STOPSIGNAL SIGTERM, say");
    }
    if is_known && is_one && !rest.is_empty() { remark_problem(change) } else { Some(RULE) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_split_where_their_tag_begins() {
        assert_eq!(split("a"), ("a".into(), "latest".into()));
        assert_eq!(split("localhost:5000/a"), ("localhost:5000/a".into(), "latest".into()));
        assert_eq!(split("localhost:5000/a:1"), ("localhost:5000/a".into(), "1".into()));
    }

    #[test]
    fn instructions_that_build_or_hide_another_are_refused() {
        for good in
            ["CMD [\"ls\"]", "env A=b", "EXPOSE 80", "LABEL a=\"b c\"", "USER 1000:1000", "STOPSIGNAL 3"]
        {
            assert_eq!(change_problem(good), None, "{good}");
        }
        for bad in ["", "CMD", "CMD ", "RUN ls", "FROM x", "COPY a b", "ENV A=b\nRUN ls", "ENV A=b \\", "# x"]
        {
            assert!(change_problem(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_needed_and_a_digest_refused() {
        let code = |body| CommitRequest::parse(body).unwrap_err().as_slice()[0].code;
        assert_eq!(code(json!({})), Code::MissingImage);
        assert_eq!(code(json!({"image": format!("a@sha256:{}", "a".repeat(64))})), Code::InvalidImage);
        assert_eq!(code(json!({"image": "A"})), Code::InvalidImage);
        assert_eq!(code(json!({"image": "a", "pause": 1})), Code::InvalidType);
        assert!(CommitRequest::parse(json!({"image": "a"})).unwrap().pause);
    }
}
