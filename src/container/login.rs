//! The credentials of a registry: JSON in, or all that is wrong with them, which never shows a value.

use serde_json::Value;

use super::fields::{Field, Fields};
use super::image::registry_problem;
use super::violation::Violations;
use crate::codes::Code;

/// The longest user name, in characters.
const LONGEST_USERNAME: usize = 255;
/// The longest password, in characters: tokens of some registries have thousands.
const LONGEST_PASSWORD: usize = 16_384;

/// A login to a registry, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password, or a token in its place.
    pub password: String,
}

impl Login {
    /// Reads the body of a login to `host`.
    pub fn parse(host: &str, body: Value) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        if let Some(problem) = registry_problem(host) {
            violations.add("host", Code::InvalidValue, problem, host.into());
        }
        let mut inner = Violations::default();
        let mut fields = Fields::new(body, "", &mut inner);
        let username = text(&mut fields, "username", LONGEST_USERNAME);
        let password = text(&mut fields, "password", LONGEST_PASSWORD);
        fields.finish();
        if username.contains(':') {
            inner.add_hidden(
                "username",
                Code::InvalidValue,
                "must not hold a colon: Basic credentials end there",
            );
        }
        // Whatever stands in such a body may be a secret, a misspelt field's value too.
        for broken in inner.as_slice() {
            violations.add_hidden(broken.field.clone(), broken.code, broken.message.clone());
        }
        violations.into_result(Self { username, password })
    }
}

fn text(fields: &mut Fields<'_>, name: &'static str, longest: usize) -> String {
    let refused = match fields.take(name) {
        Field::Absent | Field::Null => (Code::MissingField, "is required".to_owned()),
        Field::Value(Value::String(text)) if text.is_empty() => {
            (Code::InvalidValue, "must not be empty".to_owned())
        }
        Field::Value(Value::String(text)) if text.chars().count() > longest => {
            (Code::InvalidValue, format!("has to be at most {longest} characters"))
        }
        Field::Value(Value::String(text)) if text.chars().any(char::is_control) => {
            (Code::InvalidValue, "must not hold control characters".to_owned())
        }
        Field::Value(Value::String(text)) => return text,
        Field::Value(_) => (Code::InvalidType, "has to be a string".to_owned()),
    };
    fields.violations().add(name, refused.0, refused.1, Value::Null);
    String::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_without_its_value() {
        let host = "registry.example";
        let good = Login::parse(host, json!({"username": "me", "password": "p:ü"})).unwrap();
        assert_eq!((good.username.as_str(), good.password.as_str()), ("me", "p:ü"));
        for (body, field, code) in [
            (json!({}), "username", Code::MissingField),
            (json!({"username": "secret:1", "password": "x"}), "username", Code::InvalidValue),
            (json!({"username": "a", "password": ""}), "password", Code::InvalidValue),
            (json!({"username": "a", "password": 1_234_567}), "password", Code::InvalidType),
            (json!({"username": "a", "password": "secret\n"}), "password", Code::InvalidValue),
            (json!({"username": "a", "password": "secret".repeat(4000)}), "password", Code::InvalidValue),
            (json!({"username": "a", "password": "x", "passwrod": "secret"}), "passwrod", Code::UnknownField),
        ] {
            let refused = Login::parse(host, body).err().unwrap();
            let first = &refused.as_slice()[0];
            assert_eq!((first.field.as_str(), first.code), (field, code));
            let shown = format!("{refused:?}");
            assert!(!shown.contains("secret") && !shown.contains("1234567"), "{shown}");
        }
        let refused = Login::parse("nothing", json!({"username": "a", "password": "b"})).err().unwrap();
        assert_eq!(refused.as_slice()[0].field, "host");
    }
}
