//! The bodies of requests about tokens and roles: JSON in, or every rule that they break.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::role::Roles;
use super::scope::{Scope, Selector};
use super::{Permission, Permissions};
use crate::codes::Code;
use crate::container::fields::{Field, Fields, whole};
use crate::container::violation::Violations;

/// The longest name of a token, in characters.
const LONGEST_NAME: usize = 255;
/// The most roles, permissions or containers that one body names.
const MOST: usize = 1000;
/// The longest life of a token, in seconds: ten years.
pub const LONGEST_LIFE: u64 = 315_360_000;
const LIFE_RULE: &str =
    "has to be a time from 1 second to ten years: seconds, or a number with s, m, h, d or w (`30d`)";

/// A token that is asked for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedToken {
    /// Who it is for.
    pub name: String,
    /// The roles it has.
    pub roles: Vec<String>,
    /// Permissions beside those.
    pub permissions: Vec<Permission>,
    /// The containers it knows of.
    pub scope: Scope,
    /// How long it lives; none: until it is revoked.
    pub expires_in: Option<Duration>,
}

impl AskedToken {
    /// Reads the body of a request for a token. `taken` is a name that no token may have.
    pub fn parse(body: Value, roles: &Roles, taken: Option<&str>) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut fields = Fields::new(body, "", &mut violations);
        let asked = Self {
            name: name(&mut fields, taken),
            roles: list(&mut fields, "roles", |role| match roles.get(role) {
                Some(_) => Ok(role.to_owned()),
                None => Err(no_such_role(roles)),
            })
            .unwrap_or_default(),
            permissions: permission_list(&mut fields).unwrap_or_default(),
            scope: list(&mut fields, "containers", |text| Selector::parse(text).map_err(str::to_owned))
                .map_or(Scope::All, Scope::Only),
            expires_in: expires_in(&mut fields),
        };
        fields.finish();
        asked.check(roles, &mut violations);
        violations.into_result(asked)
    }

    /// What its roles and permissions come to.
    #[must_use]
    pub fn granted(&self, roles: &Roles) -> Permissions {
        roles.permissions(&self.roles, &self.permissions)
    }

    /// Whether it would be good longer than until then.
    #[must_use]
    pub fn outlives(&self, end: Timestamp) -> bool {
        let own = self.expires_in.and_then(|time| Timestamp::now().checked_add(time).ok());
        own.is_none_or(|own| own > end)
    }

    fn check(&self, roles: &Roles, violations: &mut Violations) {
        if !violations.as_slice().is_empty() {
            return;
        }
        let granted = self.granted(roles);
        if granted.is_empty() {
            let rule = "or permissions have to name something that the token may do";
            violations.add("roles", Code::MissingField, rule, Value::Null);
        }
        if self.scope != Scope::All && granted.has(Permission::AccessAdmin) {
            let rule =
                "cannot be limited where the token has access:admin: it could make itself an unlimited one";
            violations.add("containers", Code::InvalidValue, rule, self.scope.words().into());
        }
    }
}

/// Reads the body of a request for a role.
pub fn parse_role(name: &str, body: Value) -> Result<Permissions, Violations> {
    let mut violations = Violations::default();
    if let Some(problem) = super::role::role_name_problem(name) {
        violations.add("name", Code::InvalidValue, problem, name.into());
    }
    let mut fields = Fields::new(body, "", &mut violations);
    let permissions = permission_list(&mut fields);
    if permissions.is_none() && fields.violations().as_slice().is_empty() {
        fields.violations().add("permissions", Code::MissingField, "is required", Value::Null);
    }
    fields.finish();
    violations.into_result(permissions.into_iter().flatten().collect())
}

/// Reads the body of a request for a ticket: the container's id or name.
pub fn parse_ticket(body: Value) -> Result<String, Violations> {
    let mut violations = Violations::default();
    let mut fields = Fields::new(body, "", &mut violations);
    let id = fields.string("id").value();
    if id.is_none() && fields.violations().as_slice().is_empty() {
        fields.violations().add(
            "id",
            Code::MissingField,
            "is required: a cuid or a container's name",
            Value::Null,
        );
    }
    fields.finish();
    violations.into_result(id.unwrap_or_default())
}

/// A time to live: whole seconds, or a number and a unit.
#[must_use]
pub fn parse_life(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    life(number.parse::<u64>().ok()?.checked_mul(unit)?)
}

fn life(seconds: u64) -> Option<Duration> {
    (1..=LONGEST_LIFE).contains(&seconds).then(|| Duration::from_secs(seconds))
}

fn expires_in(fields: &mut Fields<'_>) -> Option<Duration> {
    let value = fields.take("expires_in").value()?;
    let time = match &value {
        Value::String(text) => parse_life(text),
        number => number.as_u64().or_else(|| whole(number)).and_then(life),
    };
    if time.is_none() {
        fields.violations().add("expires_in", Code::InvalidValue, LIFE_RULE, value);
    }
    time
}

/// What is wrong with the name of a token, if anything.
#[must_use]
pub fn token_name_problem(name: &str) -> Option<&'static str> {
    let fits = !name.is_empty() && name.chars().count() <= LONGEST_NAME;
    let is_plain = !name.contains(':') && !name.chars().any(char::is_control);
    (!fits || !is_plain).then_some(
        "has to be 1 to 255 characters, no colon (Basic credentials end there) and no control character",
    )
}

fn name(fields: &mut Fields<'_>, taken: Option<&str>) -> String {
    let (code, rule) = match fields.string("name") {
        Field::Value(name) => match token_name_problem(&name) {
            None if taken == Some(&name) => {
                let rule = "is the administrator's: choose another, so that the audit log tells them apart";
                fields.violations().add("name", Code::InvalidValue, rule, name.into());
                return String::new();
            }
            None => return name,
            Some(rule) => {
                fields.violations().add("name", Code::InvalidValue, rule, name.into());
                return String::new();
            }
        },
        Field::Null => (Code::MissingField, "is required"),
        Field::Absent if fields.violations().as_slice().is_empty() => (Code::MissingField, "is required"),
        // It was refused for its type.
        Field::Absent => return String::new(),
    };
    fields.violations().add("name", code, rule, Value::Null);
    String::new()
}

fn permission_list(fields: &mut Fields<'_>) -> Option<Vec<Permission>> {
    list(fields, "permissions", |text| text.parse::<Permission>().map_err(|problem| problem.to_string()))
}

/// A list of words, each of which `parse` reads or says what is wrong with it; none where it is not there.
fn list<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let values = fields.list(name).value()?;
    if values.len() > MOST {
        fields.violations().add(name, Code::InvalidValue, format!("has to name at most {MOST}"), Value::Null);
    }
    let mut parsed = Vec::with_capacity(values.len().min(MOST));
    for (at, value) in values.into_iter().take(MOST).enumerate() {
        let problem = match value.as_str().map(&parse) {
            Some(Ok(item)) => {
                parsed.push(item);
                continue;
            }
            Some(Err(problem)) => (Code::InvalidValue, problem),
            None => (Code::InvalidType, "has to be a string".to_owned()),
        };
        fields.violations().add(format!("{name}[{at}]"), problem.0, problem.1, value);
    }
    Some(parsed)
}

fn no_such_role(roles: &Roles) -> String {
    let names: Vec<_> = roles.all().into_iter().map(|role| role.name).collect();
    format!("is no role: {} are", names.join(", "))
}

/// The body that makes a token of what a command line says.
#[must_use]
pub fn body(
    name: &str,
    roles: &[String],
    permissions: &[String],
    containers: &[String],
    life: Option<&str>,
) -> Value {
    let mut body = Map::new();
    body.insert("name".to_owned(), name.into());
    body.insert("roles".to_owned(), roles.into());
    body.insert("permissions".to_owned(), permissions.into());
    if !containers.is_empty() {
        body.insert("containers".to_owned(), containers.into());
    }
    if let Some(life) = life {
        body.insert("expires_in".to_owned(), life.into());
    }
    body.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{AskedToken, Roles, parse_life, parse_role, parse_ticket};

    #[test]
    fn every_rule_that_a_body_breaks_is_told() {
        for (body, fields) in [
            (json!({}), vec!["name"]),
            (json!({"name": 5}), vec!["name"]),
            (json!({"name": "ci"}), vec!["roles"]),
            (json!({"name": "root", "roles": ["read"]}), vec!["name"]),
            (
                json!({"name": "a:b", "roles": ["read", "no"], "permissions": ["x", 1]}),
                vec!["name", "roles[1]", "permissions[0]", "permissions[1]"],
            ),
            (json!({"name": "a", "roles": ["admin"], "containers": []}), vec!["containers"]),
            (json!({"name": "a", "roles": ["read"], "containers": ["tag:", "web-1"]}), vec!["containers[0]"]),
            (json!({"name": "a", "roles": ["read"], "expires_in": 0, "exp": 1}), vec!["expires_in", "exp"]),
        ] {
            let refused = AskedToken::parse(body.clone(), &Roles::default(), Some("root")).unwrap_err();
            let told: Vec<_> = refused.as_slice().iter().map(|broken| broken.field.as_str()).collect();
            assert_eq!(told, fields, "{body}");
        }
        assert!(parse_role("ops", json!({"permissions": ["docker:read"]})).is_ok());
        assert!(parse_role("Ops", json!({})).is_err() && parse_ticket(json!({})).is_err());
    }

    #[test]
    fn a_life_is_seconds_or_a_number_with_a_unit() {
        let seconds = |text| parse_life(text).map(|time| time.as_secs());
        assert_eq!(
            [seconds("90"), seconds("30d"), seconds("2w")],
            [Some(90), Some(2_592_000), Some(1_209_600)]
        );
        assert_eq!([seconds("0"), seconds("4000d"), seconds("d"), seconds("1y"), seconds("")], [None; 5]);
    }
}
