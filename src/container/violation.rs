//! Every rule that a request breaks, collected, so that one answer names them all.

use serde_json::Value;

use crate::codes::Code;

/// One broken rule: which field, which rule, and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The field as the request spells it, for instance `ports[0].host`.
    pub field: String,
    /// Why the value is refused.
    pub code: Code,
    /// What is wrong and what would be right.
    pub message: String,
    /// The value that was sent; `null` when the field is missing.
    pub provided: Value,
    /// What the administrator would put into `APP_ALLOW`, where the value leads to the host.
    pub allow: Option<String>,
}

/// The rules a request breaks, in the order they were found. Never holds a value of `env`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes one broken rule.
    pub fn add(&mut self, field: impl Into<String>, code: Code, message: impl Into<String>, provided: Value) {
        self.0.push(Violation { field: field.into(), code, message: message.into(), provided, allow: None });
    }

    /// Notes a value that leads to the host; `token` would allow it.
    pub fn add_not_allowed(&mut self, field: impl Into<String>, token: &str, provided: Value) {
        let message = format!(
            "leads to the host, which is not allowed here: the administrator can allow it with APP_ALLOW={token}"
        );
        let allow = Some(token.to_owned());
        self.0.push(Violation {
            field: field.into(),
            code: Code::OptionNotAllowed,
            message,
            provided,
            allow,
        });
    }

    /// Notes one broken rule without showing the value: it may be a secret.
    pub fn add_hidden(&mut self, field: impl Into<String>, code: Code, message: impl Into<String>) {
        self.add(field, code, message, Value::from("***"));
    }

    /// `Ok(value)` when no rule is broken.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The broken rules in the order they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }
}
