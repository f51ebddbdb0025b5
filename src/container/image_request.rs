//! The bodies and queries that make images and their names: checked, or all that is wrong with them.

use serde_json::Value;

use super::commit::{MOST_CHANGES, change_problem, remark_problem};
use super::fields::{Field, Fields};
use super::image::Reference;
use super::rules;
use super::violation::Violations;
use crate::codes::Code;

/// A name that an image is to have: one that a digest is no part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName {
    /// The name without tag, as people write it.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

impl std::fmt::Display for NewName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.repository, self.tag)
    }
}

impl NewName {
    /// Reads the body of a request for one name more, `{"tag"}`.
    pub fn parse(body: Value) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut fields = Fields::new(body, "", &mut violations);
        let text = fields.string("tag");
        fields.finish();
        let name = match &text {
            Field::Value(text) => Self::checked("tag", text, &mut violations),
            Field::Absent | Field::Null => None,
        };
        if name.is_none() && violations.as_slice().is_empty() {
            let message = "is required: the name to be given, with or without a tag";
            violations.add("tag", Code::MissingField, message, Value::Null);
        }
        violations.into_result(())?;
        name.ok_or_else(Violations::default)
    }

    fn checked(field: &str, text: &str, violations: &mut Violations) -> Option<Self> {
        if let Some(problem) = rules::image_problem(text) {
            violations.add(field, Code::InvalidImage, problem, text.into());
            return None;
        }
        let reference = Reference::parse(text).ok()?;
        if let (Some(tag), None) = (&reference.tag, &reference.digest) {
            return Some(Self { repository: reference.name(), tag: tag.clone() });
        }
        let message = "has a digest, which only the image itself can give: write name or name:tag";
        violations.add(field, Code::InvalidImage, message, text.into());
        None
    }
}

/// An image to be made of a root file system, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRequest {
    /// Its name.
    pub name: NewName,
    /// What it is.
    pub message: String,
    /// Instructions of a Dockerfile.
    pub changes: Vec<String>,
}

impl ImportRequest {
    /// Reads the parameters of an import.
    pub fn parse(
        image: Option<&str>,
        message: Option<String>,
        changes: Vec<String>,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let image = image.filter(|image| !image.is_empty());
        if image.is_none() {
            let message = "is required: the name of the image to be made";
            violations.add("image", Code::MissingImage, message, Value::Null);
        }
        let name = image.and_then(|image| NewName::checked("image", image, &mut violations));
        let message = message.unwrap_or_default();
        if let Some(problem) = remark_problem(&message) {
            violations.add("message", Code::InvalidValue, problem, message.as_str().into());
        }
        if changes.len() > MOST_CHANGES {
            let message = "has to stand at most 100 times";
            violations.add("change", Code::InvalidValue, message, Value::Null);
        }
        for change in changes.iter().take(MOST_CHANGES) {
            if let Some(problem) = change_problem(change) {
                violations.add("change", Code::InvalidValue, problem, change.as_str().into());
            }
        }
        violations.into_result(())?;
        let name = name.ok_or_else(Violations::default)?;
        Ok(Self { name, message, changes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_written_out_and_a_digest_refused() {
        let name = |body| NewName::parse(body).map(|name| name.to_string());
        assert_eq!(name(json!({"tag": "a"})), Ok("a:latest".to_owned()));
        assert_eq!(name(json!({"tag": "docker.io/library/a:1"})), Ok("a:1".to_owned()));
        assert_eq!(name(json!({"tag": "h:5000/a/b"})), Ok("h:5000/a/b:latest".to_owned()));
        let code = |body| NewName::parse(body).unwrap_err().as_slice()[0].code;
        assert_eq!(code(json!({"tag": format!("a@sha256:{}", "a".repeat(64))})), Code::InvalidImage);
        assert_eq!(code(json!({"tag": "A"})), Code::InvalidImage);
        assert_eq!(code(json!({"tag": null})), Code::MissingField);
        assert_eq!(code(json!({"tag": 1})), Code::InvalidType);
        assert_eq!(code(json!({"tag": "a", "repo": "b"})), Code::UnknownField);
        assert_eq!(code(json!([])), Code::InvalidType);
    }

    #[test]
    fn all_that_is_wrong_with_an_import_is_told_at_once() {
        let changes = vec!["RUN ls".to_owned(), "CMD [\"ls\"]".to_owned()];
        let violations = ImportRequest::parse(None, Some("\0".to_owned()), changes).unwrap_err();
        let broken: Vec<_> = violations.as_slice().iter().map(|one| (one.field.as_str(), one.code)).collect();
        let value = Code::InvalidValue;
        assert_eq!(broken, [("image", Code::MissingImage), ("message", value), ("change", value)]);
        let most = ImportRequest::parse(Some("a"), None, vec!["CMD ls".to_owned(); 101]);
        assert_eq!(most.unwrap_err().as_slice().len(), 1);
        assert!(ImportRequest::parse(Some("a"), None, vec!["CMD ls".to_owned(); 100]).is_ok());
    }
}
