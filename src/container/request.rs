//! The bodies of create and PATCH: JSON in, a validated [`Spec`] out, or all that is wrong with it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{Field, Fields};
use super::options::{self, Allowed};
use super::port;
use super::resources::{self, LimitSet};
use super::rules;
use super::spec::{CommandLine, Spec};
use super::violation::Violations;
use crate::codes::Code;

/// The most bytes of all labels of a container: the engine sends them with every list it is asked for.
const MOST_LABELS: usize = 64 * 1024;

/// What the host can give; the bounds of what may be asked for.
#[derive(Clone, Copy, Debug)]
pub struct HostLimits<'a> {
    /// The processors of the engine's host, once the engine has told.
    pub cpus: Option<u32>,
    /// The limits that the engine or its host would drop.
    pub lacks: LimitSet,
    /// What of all that leads to the host the administrator allows.
    pub allowed: &'a Allowed,
}

/// A validated create request.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The container.
    pub spec: Spec,
    /// Whether it is to be started at once (`"state": "running"`).
    pub start: bool,
}

impl CreateRequest {
    /// Reads the body of a create request.
    pub fn parse(body: Value, limits: HostLimits<'_>) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut fields = Fields::new(body, "", &mut violations);
        let image = read_image(&mut fields).value();
        let mut spec = Spec::of_image(image.clone().unwrap_or_default());
        apply_options(&mut fields, &mut spec, limits);
        let start = read_state(&mut fields);
        fields.finish();
        if image.is_none() && !violations.as_slice().iter().any(|violation| violation.field == "image") {
            violations.add("image", Code::MissingImage, "is required: name an image", Value::Null);
        }
        options::check_whole(&spec, &mut violations);
        violations.into_result(Self { spec, start })
    }
}

/// Reads the body of a PATCH and says what the container becomes.
pub fn patch(current: &Spec, body: Value, limits: HostLimits<'_>) -> Result<Spec, Violations> {
    let mut violations = Violations::default();
    let mut fields = Fields::new(body, "", &mut violations);
    let mut spec = current.clone();
    match read_image(&mut fields) {
        Field::Absent => {}
        Field::Value(image) => spec.image = image,
        Field::Null => fields.violations().add("image", Code::MissingImage, "cannot be removed", Value::Null),
    }
    apply_options(&mut fields, &mut spec, limits);
    fields.finish();
    options::check_whole(&spec, &mut violations);
    violations.into_result(spec)
}

/// Reads the body of a port change: the whole list, which replaces the old one, and says what the container
/// becomes.
pub fn ports(current: &Spec, body: Value) -> Result<Spec, Violations> {
    let mut violations = Violations::default();
    let mut fields = Fields::new(body, "", &mut violations);
    let field = fields.list("ports");
    fields.finish();
    let list = field.value();
    if list.is_none() && violations.as_slice().is_empty() {
        violations.add("ports", Code::MissingField, "is required: the list of all ports, or []", Value::Null);
    }
    let ports = port::parse_list(list.unwrap_or_default(), &mut violations);
    let spec = Spec { ports, ..current.clone() };
    options::check_whole(&spec, &mut violations);
    violations.into_result(spec)
}

/// Reads the body of a rename.
pub fn name(body: Value) -> Result<String, Violations> {
    let mut violations = Violations::default();
    let mut fields = Fields::new(body, "", &mut violations);
    let name = checked(&mut fields, "name", Code::InvalidName, rules::name_problem).value();
    fields.finish();
    if name.is_none() && violations.as_slice().is_empty() {
        violations.add("name", Code::MissingField, "is required: the new name", Value::Null);
    }
    violations.into_result(name.unwrap_or_default())
}

/// What create and PATCH have in common: absent leaves as it is, `null` goes back to the default.
fn apply_options(fields: &mut Fields<'_>, spec: &mut Spec, limits: HostLimits<'_>) {
    checked(fields, "name", Code::InvalidName, rules::name_problem).replace(&mut spec.name);
    command_line(fields, "command").replace(&mut spec.command);
    command_line(fields, "entrypoint").replace(&mut spec.entrypoint);
    merge_env(fields, &mut spec.env);
    replace_or_default(read_tags(fields), &mut spec.tags);
    replace_or_default(read_labels(fields), &mut spec.labels);
    let shm_size = spec.resources.shm_size.clone();
    resources::merge(fields, &mut spec.resources, limits);
    match fields.list("ports") {
        Field::Absent => {}
        Field::Null => spec.ports = Vec::new(),
        Field::Value(list) => spec.ports = port::parse_list(list, fields.violations()),
    }
    checked(fields, "user", Code::InvalidValue, rules::user_problem).replace(&mut spec.user);
    checked(fields, "working_dir", Code::InvalidValue, rules::container_path_problem)
        .replace(&mut spec.working_dir);
    checked(fields, "mount_path", Code::InvalidValue, rules::mount_path_problem)
        .replace(&mut spec.mount_path);
    match checked(fields, "restart", Code::InvalidValue, rules::restart_problem) {
        Field::Absent => {}
        Field::Null => "no".clone_into(&mut spec.restart),
        Field::Value(policy) => spec.restart = policy,
    }
    options::apply(fields, &mut spec.options, limits.allowed);
    settle_shm_size(fields, spec, shm_size.as_deref());
}

/// `shm_size` stands beside `resources` and in them: both show one thing, whichever of them was said.
fn settle_shm_size(fields: &mut Fields<'_>, spec: &mut Spec, before: Option<&str>) {
    let beside = spec.options.text("shm_size").map(str::to_owned);
    let within = spec.resources.shm_size.clone();
    let (is_new_beside, is_new_within) = (beside.as_deref() != before, within.as_deref() != before);
    if is_new_beside && is_new_within && beside != within {
        let message = "is also in resources, with another value: leave one out";
        fields.violations().add("shm_size", Code::InvalidValue, message, beside.into());
        return;
    }
    spec.resources.shm_size = if is_new_beside { beside } else { within };
    spec.mirror_shm_size();
}

fn replace_or_default<T: Default>(field: Field<T>, current: &mut T) {
    match field {
        Field::Absent => {}
        Field::Null => *current = T::default(),
        Field::Value(value) => *current = value,
    }
}

pub(super) fn checked(
    fields: &mut Fields<'_>,
    name: &'static str,
    code: Code,
    problem: impl Fn(&str) -> Option<&'static str>,
) -> Field<String> {
    let field = fields.string(name);
    if let Field::Value(text) = &field
        && let Some(message) = problem(text)
    {
        let path = fields.path(name);
        fields.violations().add(path, code, message, text.as_str().into());
        return Field::Absent;
    }
    field
}

pub(super) fn read_image(fields: &mut Fields<'_>) -> Field<String> {
    let field = fields.string("image");
    let Field::Value(image) = &field else { return field };
    if image.is_empty() {
        fields.violations().add("image", Code::MissingImage, "is required: name an image", "".into());
        return Field::Absent;
    }
    if let Some(message) = rules::image_problem(image) {
        fields.violations().add("image", Code::InvalidImage, message, image.as_str().into());
        return Field::Absent;
    }
    field
}

fn read_state(fields: &mut Fields<'_>) -> bool {
    let Some(state) = fields.string("state").value() else { return false };
    if state != "created" && state != "running" {
        let message = "has to be created or running";
        fields.violations().add("state", Code::InvalidValue, message, state.as_str().into());
    }
    state == "running"
}

pub(super) fn command_line(fields: &mut Fields<'_>, name: &'static str) -> Field<CommandLine> {
    const RULE: &str = "has to be a string (a shell runs it) or a list of strings, neither empty";
    let value = match fields.take(name) {
        Field::Absent => return Field::Absent,
        Field::Null => return Field::Null,
        Field::Value(value) => value,
    };
    let path = fields.path(name);
    let line = match &value {
        Value::String(line) => Some(CommandLine::Shell(line.clone())),
        Value::Array(list) => {
            let argv: Option<Vec<String>> =
                list.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            argv.map(CommandLine::Argv)
        }
        _ => None,
    };
    let Some(line) = line else {
        fields.violations().add(path, Code::InvalidType, RULE, value);
        return Field::Absent;
    };
    let argv = line.argv();
    let is_empty = matches!(&line, CommandLine::Shell(text) if text.is_empty())
        || argv.first().is_none_or(String::is_empty);
    let problem = if is_empty { Some(RULE) } else { argv.iter().find_map(|word| rules::text_problem(word)) };
    match problem {
        Some(message) => {
            fields.violations().add(path, Code::InvalidValue, message, value);
            Field::Absent
        }
        None => Field::Value(line),
    }
}

/// Merges the variables of a request into `env`; `null` removes one. Values never reach a violation.
pub(super) fn merge_env(fields: &mut Fields<'_>, env: &mut BTreeMap<String, String>) {
    let variables = match fields.take("env") {
        Field::Absent | Field::Null => return,
        Field::Value(Value::Object(variables)) => variables,
        Field::Value(_) => {
            fields.violations().add_hidden(
                "env",
                Code::InvalidType,
                "has to be an object of names and values",
            );
            return;
        }
    };
    for (name, value) in variables {
        let path = fields.path(&format!("env.{name}"));
        if let Some(message) = rules::env_name_problem(&name) {
            fields.violations().add_hidden(path, Code::InvalidEnv, message);
            continue;
        }
        let text = match value {
            Value::Null => {
                env.remove(&name);
                continue;
            }
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let message = "has to be a string, number or boolean, or null to remove it";
                fields.violations().add_hidden(path, Code::InvalidType, message);
                continue;
            }
        };
        match rules::text_problem(&text) {
            Some(message) => fields.violations().add_hidden(path, Code::InvalidEnv, message),
            None => drop(env.insert(name, text)),
        }
    }
}

fn read_tags(fields: &mut Fields<'_>) -> Field<Vec<String>> {
    let list = match fields.list("tags") {
        Field::Absent => return Field::Absent,
        Field::Null => return Field::Null,
        Field::Value(list) => list,
    };
    let mut tags: Vec<String> = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let path = fields.path(&format!("tags[{index}]"));
        match value.as_str() {
            None => fields.violations().add(path, Code::InvalidType, "has to be a string", value),
            Some(tag) => match rules::tag_problem(tag) {
                Some(message) => fields.violations().add(path, Code::InvalidValue, message, value),
                None => tags.push(tag.to_owned()),
            },
        }
    }
    Field::Value(tags)
}

fn read_labels(fields: &mut Fields<'_>) -> Field<BTreeMap<String, String>> {
    let map = match fields.object("labels") {
        Field::Absent => return Field::Absent,
        Field::Null => return Field::Null,
        Field::Value(map) => map,
    };
    let mut labels = BTreeMap::new();
    for (key, value) in map {
        let path = fields.path(&format!("labels.{key}"));
        let Some(text) = value.as_str().map(str::to_owned) else {
            fields.violations().add(path, Code::InvalidType, "has to be a string", value);
            continue;
        };
        match rules::label_key_problem(&key).or_else(|| rules::text_problem(&text)) {
            Some(message) => fields.violations().add(path, Code::InvalidValue, message, value),
            None => drop(labels.insert(key, text)),
        }
    }
    if labels.iter().map(|(key, text)| key.len() + text.len()).sum::<usize>() > MOST_LABELS {
        let message =
            format!("are more than {MOST_LABELS} bytes in all: keep long texts in files of the mount");
        fields.violations().add("labels", Code::InvalidValue, message, Value::Null);
    }
    Field::Value(labels)
}
