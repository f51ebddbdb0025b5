//! The query of a request: each parameter known, each value checked.

use std::str::FromStr;

use actix_web::{HttpRequest, web};
use jiff::Timestamp;
use serde_json::Value;

use super::{State, body};
use crate::codes::Code;
use crate::container::fields::whole;
use crate::container::moment;
use crate::service::{Error, Result};

/// The value of a parameter that stands in a query once.
pub fn first(text: &str, name: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text).ok()?.into_inner();
    let mut values = pairs.into_iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// The parameters of one request.
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string; parameters that are not in `known` are refused: a misspelt one would
    /// otherwise do nothing in silence.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
        let pairs = pairs
            .map_err(|error| Error::new(Code::InvalidQuery, format!("the query cannot be read: {error}")))?;
        Self { pairs: pairs.into_inner() }.of_known(known)
    }

    /// Reads the parameters of a request whose client may send them as a JSON object in the body instead: none
    /// may stand in both. `null` is nothing, a list is a parameter that is repeated.
    pub async fn or_body(
        request: &HttpRequest,
        payload: web::Payload,
        state: &State,
        known: &[&str],
    ) -> Result<Self> {
        let mut query = Self::parse(request.query_string(), known)?;
        for (name, value) in body::options(request, payload, state).await? {
            if query.pairs.iter().any(|(key, _)| *key == name) {
                let rule = "stands both in the query and in the body: leave one out";
                return Err(Error::invalid_query(&name, &value.to_string(), rule));
            }
            let values = match value {
                Value::Array(values) => values,
                Value::Null => Vec::new(),
                value => vec![value],
            };
            for value in values {
                query.pairs.push((name.clone(), scalar(&name, &value)?));
            }
        }
        query.of_known(known)
    }

    fn of_known(self, known: &[&str]) -> Result<Self> {
        for (name, value) in &self.pairs {
            if !known.contains(&name.as_str()) {
                let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let rule = format!("is not a parameter here; the parameters are: {list}");
                return Err(Error::invalid_query(name, value, &rule));
            }
        }
        Ok(self)
    }

    /// All values of a parameter that may be repeated.
    pub fn all(&self, name: &str) -> Result<Vec<String>> {
        let values = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        values.map(|value| without_nul(name, value)).collect()
    }

    /// The value of a parameter that may stand once.
    pub fn one(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(second)) => Err(Error::invalid_query(name, second, "stands twice: leave one out")),
            (first, None) => Ok(first),
        }
    }

    /// The text of a parameter that may stand once.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        self.one(name)?.map(|value| without_nul(name, value)).transpose()
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.one(name)?
            .map(|value| match value {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                other => Err(Error::invalid_query(name, other, "has to be true or false")),
            })
            .transpose()
    }

    /// A whole number from `least` to `most`.
    pub fn number<T>(&self, name: &str, least: T, most: T) -> Result<Option<T>>
    where
        T: FromStr + PartialOrd + std::fmt::Display + Copy,
    {
        self.one(name)?
            .map(|value| {
                let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
                let number =
                    value.parse::<T>().ok().filter(|number| is_plain && (least..=most).contains(number));
                let rule = format!("has to be a whole number from {least} to {most}");
                number.ok_or_else(|| Error::invalid_query(name, value, &rule))
            })
            .transpose()
    }

    /// A point in time; a duration counts back from now.
    pub fn moment(&self, name: &str) -> Result<Option<Timestamp>> {
        let now = Timestamp::now();
        let read = |value: &str| {
            moment::parse(value, now).ok_or_else(|| Error::invalid_query(name, value, moment::RULE))
        };
        self.one(name)?.map(read).transpose()
    }

    /// One of a few words.
    pub fn word<'a>(&self, name: &str, words: &[&'a str]) -> Result<Option<&'a str>> {
        self.one(name)?
            .map(|value| {
                let known = words.iter().find(|word| **word == value).copied();
                known.ok_or_else(|| {
                    Error::invalid_query(name, value, &format!("has to be one of {}", words.join(", ")))
                })
            })
            .transpose()
    }
}

/// A value of a JSON object as a query would have it.
fn scalar(name: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => {
            Ok(whole(value).map_or_else(|| number.to_string(), |whole| whole.to_string()))
        }
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Error::invalid_query(name, &value.to_string(), "has to be a string, a number, true or false"))
        }
    }
}

/// NUL reaches no process and no file name.
fn without_nul(name: &str, value: &str) -> Result<String> {
    if value.contains('\0') {
        Err(Error::invalid_query(name, "", "must not hold NUL"))
    } else {
        Ok(value.to_owned())
    }
}
