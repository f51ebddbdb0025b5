//! The bodies of the file manager's requests: JSON in, paths as they were given out.

use serde_json::Value;

use super::fields::{Field, Fields};
use super::violation::Violations;
use crate::codes::Code;

/// A folder to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakeFolder {
    /// Its path.
    pub path: String,
    /// Whether the folders above it are made too, and one that is there already is fine.
    pub parents: bool,
}

/// Something to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveFile {
    /// Its path.
    pub from: String,
    /// The path it is to have.
    pub to: String,
    /// Whether it may take the place of something else.
    pub overwrite: bool,
}

impl MakeFolder {
    /// Reads the body of `POST …/files/mkdir`.
    pub fn parse(body: Value) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut fields = Fields::new(body, "", &mut violations);
        let path = path(&mut fields, "path");
        let parents = flag(&mut fields, "parents");
        fields.finish();
        violations.into_result(Self { path, parents })
    }
}

impl MoveFile {
    /// Reads the body of `POST …/files/move`.
    pub fn parse(body: Value) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut fields = Fields::new(body, "", &mut violations);
        let from = path(&mut fields, "from");
        let to = path(&mut fields, "to");
        let overwrite = flag(&mut fields, "overwrite");
        fields.finish();
        violations.into_result(Self { from, to, overwrite })
    }
}

/// A path that has to be there; what it may be is the mount's business.
fn path(fields: &mut Fields<'_>, name: &'static str) -> String {
    match fields.take(name) {
        Field::Value(Value::String(path)) if !path.is_empty() => return path,
        Field::Value(Value::String(path)) => {
            fields.violations().add(
                name,
                Code::InvalidValue,
                "is empty: name a path of the mount",
                path.into(),
            );
        }
        Field::Value(other) => {
            fields.violations().add(name, Code::InvalidType, "has to be a string", other);
        }
        Field::Absent | Field::Null => {
            let message = "is required: name a path of the mount";
            fields.violations().add(name, Code::MissingField, message, Value::Null);
        }
    }
    String::new()
}

/// `true` or `false`, which is also what nothing means.
fn flag(fields: &mut Fields<'_>, name: &'static str) -> bool {
    match fields.take(name) {
        Field::Value(Value::Bool(flag)) => flag,
        Field::Value(other) => {
            fields.violations().add(name, Code::InvalidType, "has to be true or false", other);
            false
        }
        Field::Absent | Field::Null => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{MakeFolder, MoveFile};
    use crate::codes::Code;

    #[test]
    fn what_is_left_out_is_false() {
        let made = MakeFolder::parse(json!({"path": "a"})).unwrap();
        assert_eq!(made, MakeFolder { path: "a".into(), parents: false });
        let moved = MoveFile::parse(json!({"from": "a", "to": "b", "overwrite": true})).unwrap();
        assert_eq!(moved, MoveFile { from: "a".into(), to: "b".into(), overwrite: true });
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = MoveFile::parse(json!({"from": "", "overwrite": "yes", "unheard": 1})).unwrap_err();
        let told: Vec<_> = wrong.as_slice().iter().map(|one| (one.field.as_str(), one.code)).collect();
        let expected = [
            ("from", Code::InvalidValue),
            ("to", Code::MissingField),
            ("overwrite", Code::InvalidType),
            ("unheard", Code::UnknownField),
        ];
        assert_eq!(told, expected);
        for body in [json!([]), json!({"path": 1}), json!({"path": null}), json!({"path": "a", "parents": 1})]
        {
            assert!(MakeFolder::parse(body.clone()).is_err(), "{body}");
        }
    }
}
