//! Reads a JSON object field by field and notes everything that is wrong with it.

use serde_json::{Map, Value};

use super::violation::Violations;
use crate::codes::Code;

/// What a request says of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<T> {
    /// Nothing: the field is not there, or was refused.
    Absent,
    /// `null`.
    Null,
    /// A value of the right type.
    Value(T),
}

impl<T> Field<T> {
    /// The value, if there is one: `null` and absence mean the same at create.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Puts what was said in the place of `current`; absence leaves it as it is.
    pub fn replace(self, current: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *current = None,
            Self::Value(value) => *current = Some(value),
        }
    }
}

/// A whole number that is written as one with a fraction: `80.0` is an integer to JSON Schema and to
/// JavaScript. Up to 2^53, where fractions end.
#[must_use]
pub fn whole(value: &Value) -> Option<u64> {
    const MOST: f64 = 9_007_199_254_740_991.0;
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=MOST).contains(number))?;
    format!("{number:.0}").parse().ok()
}

/// One JSON object that is being read; `finish` names what no one asked for.
pub struct Fields<'a> {
    prefix: String,
    rest: Map<String, Value>,
    known: Vec<&'static str>,
    violations: &'a mut Violations,
}

impl<'a> Fields<'a> {
    /// Starts to read `value`, which stands at `prefix` (empty for the request itself).
    pub fn new(value: Value, prefix: impl Into<String>, violations: &'a mut Violations) -> Self {
        let prefix = prefix.into();
        let rest = match value {
            Value::Object(map) => map,
            other => {
                let field = if prefix.is_empty() { "body".to_owned() } else { prefix.clone() };
                violations.add(field, Code::InvalidType, "has to be a JSON object", other);
                Map::new()
            }
        };
        Self { prefix, rest, known: Vec::new(), violations }
    }

    /// The full name of a field of this object.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// Where to note what is wrong.
    pub fn violations(&mut self) -> &mut Violations {
        self.violations
    }

    /// Takes a field as it is.
    pub fn take(&mut self, name: &'static str) -> Field<Value> {
        self.known.push(name);
        match self.rest.remove(name) {
            None => Field::Absent,
            Some(Value::Null) => Field::Null,
            Some(value) => Field::Value(value),
        }
    }

    /// Takes a field that has to be a string.
    pub fn string(&mut self, name: &'static str) -> Field<String> {
        self.typed(name, "has to be a string", |value| value.as_str().map(str::to_owned))
    }

    /// Takes a field that has to be a whole number.
    pub fn integer(&mut self, name: &'static str) -> Field<i64> {
        self.typed(name, "has to be a whole number", |value| {
            value.as_i64().or_else(|| whole(value)?.try_into().ok())
        })
    }

    /// Takes a field that has to be a number.
    pub fn number(&mut self, name: &'static str) -> Field<f64> {
        self.typed(name, "has to be a number", Value::as_f64)
    }

    /// Takes a field that has to be true or false.
    pub fn flag(&mut self, name: &'static str) -> Field<bool> {
        self.typed(name, "has to be true or false", Value::as_bool)
    }

    /// Takes a field that has to be a list.
    pub fn list(&mut self, name: &'static str) -> Field<Vec<Value>> {
        self.typed(name, "has to be a list", |value| value.as_array().cloned())
    }

    /// Takes a field that has to be an object.
    pub fn object(&mut self, name: &'static str) -> Field<Map<String, Value>> {
        self.typed(name, "has to be an object", |value| value.as_object().cloned())
    }

    fn typed<T>(&mut self, name: &'static str, rule: &str, read: impl Fn(&Value) -> Option<T>) -> Field<T> {
        match self.take(name) {
            Field::Absent => Field::Absent,
            Field::Null => Field::Null,
            Field::Value(value) => read(&value).map_or_else(
                || {
                    let path = self.path(name);
                    self.violations.add(path, Code::InvalidType, rule, value.clone());
                    Field::Absent
                },
                Field::Value,
            ),
        }
    }

    /// Names every field that no one took.
    pub fn finish(self) {
        let known = self.known.join(", ");
        for (name, value) in &self.rest {
            let message = format!("is not a field here; the fields are {known}");
            let shown = if value.is_object() || value.is_array() { Value::Null } else { value.clone() };
            self.violations.add(self.path(name), Code::UnknownField, message, shown);
        }
    }
}
