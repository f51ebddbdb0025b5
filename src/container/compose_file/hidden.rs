//! A compose file as it may be shown to whoever may not know the values of variables.

use serde_json::{Map, Value};

/// What stands for a value.
const HIDDEN: &str = "***";
const HEADER: &str = "# Values of variables are hidden, and comments left out.\n";
/// The parts of a file that hold no values of variables, unless it is by a service.
const PLAIN_PARTS: [&str; 6] = ["name", "version", "services", "networks", "volumes", "x-wharfinger"];
/// Names that a person may give freely, and whose values are shown.
const FREE: [&str; 2] = ["labels", "annotations"];

/// The file without the values of variables; none where it is not understood well enough to be sure of that. What
/// a person has added to it at places where Compose lets anything stand is hidden as a whole: a service may have
/// its variables from there.
#[must_use]
pub fn without_values(text: &str) -> Option<String> {
    let Ok(Value::Object(mut file)) = serde_yaml::from_str::<Value>(text) else { return None };
    let Some(Value::Object(services)) = file.get_mut("services") else { return None };
    for service in services.values_mut() {
        let Value::Object(service) = service else { return None };
        hide_in_service(service);
    }
    for (name, part) in &mut file {
        if !PLAIN_PARTS.contains(&name.as_str()) {
            hide(part);
        } else if name != "services" {
            hide_extensions(part);
        }
    }
    let options = serde_yaml::ser_options! { quote_all: true, prefer_block_scalars: false };
    let shown = serde_yaml::to_string_with_options(&Value::Object(file), options).ok()?;
    Some(format!("{HEADER}{shown}"))
}

/// Hides what may hold values of variables anywhere beneath a service: hooks have an environment as well.
fn hide_in_service(fields: &mut Map<String, Value>) {
    for (name, value) in fields {
        match name.as_str() {
            // Arguments of a build as well, and a merge that was not made out.
            "environment" | "args" | "<<" => hide_variables(value),
            name if name.starts_with("x-") => hide(value),
            name if FREE.contains(&name) => {}
            _ => each_map(value, &hide_in_service),
        }
    }
}

/// Hides what Compose takes for no field of its own.
fn hide_extensions(value: &mut Value) {
    each_map(value, &|fields| {
        for (name, value) in fields {
            if name.starts_with("x-") || name == "<<" { hide(value) } else { hide_extensions(value) }
        }
    });
}

fn each_map(value: &mut Value, change: &impl Fn(&mut Map<String, Value>)) {
    match value {
        Value::Object(fields) => change(fields),
        Value::Array(items) => items.iter_mut().for_each(|item| each_map(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Hides the values of a mapping, or of a list of `NAME=value`.
fn hide_variables(variables: &mut Value) {
    let Value::Array(list) = variables else { return hide(variables) };
    for variable in list {
        match variable {
            Value::String(text) => {
                let name = text.split_once('=').map(|(name, _)| format!("{name}={HIDDEN}"));
                // A name alone has its value from elsewhere.
                if let Some(hidden) = name {
                    *text = hidden;
                }
            }
            other => hide(other),
        }
    }
}

/// Hides every value; names of fields stay.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => *value = HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Definition, Surroundings, read, render};
    use super::without_values;
    use crate::container::spec::Owner;
    use crate::container::{Cuid, EngineKind, Spec};

    #[test]
    fn a_file_of_ours_is_shown_as_it_is_but_for_the_values() {
        let owner = Owner { uid: 1000, gid: 1000 };
        let around = Surroundings { owner, network: "wharfinger".to_owned(), engine: EngineKind::Docker };
        let mut spec = Spec::of_image("nginx:alpine".to_owned());
        spec.env = BTreeMap::from([("KEY".to_owned(), "canary\nof $two lines".to_owned())]);
        spec.labels = BTreeMap::from([("environment".to_owned(), "production".to_owned())]);
        let (cuid, definition) = (Cuid::new(), Definition::new(spec.clone(), "2026".to_owned()));
        let shown = without_values(&render(cuid, &definition, &around).unwrap()).unwrap();
        spec.env = BTreeMap::from([("KEY".to_owned(), "***".to_owned())]);
        assert_eq!(read(cuid, &shown).unwrap(), Definition { spec, ..definition }, "{shown}");
    }

    #[test]
    fn no_form_that_a_person_may_write_shows_a_value() {
        for text in [
            "services: {a: {environment: {KEY: canary, N: 4711, L: }}}",
            "services: {a: {environment: [KEY=canary, 'N=4711', L]}}",
            "services: {a: {environment: [KEY: canary, N: 4711]}}",
            "services:\n  a:\n    environment:\n      KEY: |\n        one\n        canary\n      N: >-\n        4711\n",
            "x-env: &env {KEY: canary, N: 4711}\nservices: {a: {environment: *env}}",
            "x-env: &env {KEY: canary}\nservices: {a: {environment: {<<: *env, N: 4711}}}",
            "x-one: &one {environment: {KEY: canary, N: 4711}}\nservices: {a: {<<: *one, image: b}}",
            "services: {a: {x-old: {KEY: canary}, build: {args: {N: 4711}}}} # KEY=canary",
            "services: {a: {post_start: [{command: b, environment: [KEY=canary, N=4711]}]}}",
            "services: {a: {}}\nconfigs: {c: {content: 'KEY=canary'}}\nnetworks: {n: {x-n: canary}}",
            "services: {a: {environment: {KEY: 'can\\\n        ary'}}}\n",
            "services: {a: {environment: \"KEY=canary\"}}",
        ] {
            let shown = without_values(text);
            let shown = shown.unwrap_or_else(|| panic!("understood: {text}"));
            assert!(!shown.contains("canary") && !shown.contains("4711"), "{text}: {shown}");
            assert!(shown.contains("services"), "{shown}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_shown() {
        for text in
            ["", "KEY=canary", "- a", "services: 3", "services: {a: canary}", "services: {a: [", "a: b"]
        {
            assert_eq!(without_values(text), None, "{text}");
        }
    }
}
