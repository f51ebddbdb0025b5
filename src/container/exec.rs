//! The body of an exec: JSON in, a validated command out, or all that is wrong with it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fields::{Field, Fields};
use super::request::{checked, command_line, merge_env};
use super::rules;
use super::violation::Violations;
use crate::codes::Code;

/// How many seconds a command has when the request does not say, and at most.
const TIMEOUT: (i64, i64) = (60, 86_400);
/// How many bytes of each output are kept when the request does not say, and at most.
const MAX_OUTPUT: (i64, i64) = (1_048_576, 16_777_216);

/// A command to be run in a container, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// The command and its arguments.
    pub cmd: Vec<String>,
    /// Its environment, beside the container's own.
    pub env: BTreeMap<String, String>,
    /// Who it runs as, instead of the container's user.
    pub user: Option<String>,
    /// Where it runs, instead of the container's folder.
    pub working_dir: Option<String>,
    /// What is typed to it; none: it has no standard input.
    pub stdin: Option<Vec<u8>>,
    /// How long it may take.
    pub timeout: Duration,
    /// How many bytes of each output are kept.
    pub max_output: usize,
}

impl ExecRequest {
    /// Reads the body of an exec.
    pub fn parse(body: Value) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut fields = Fields::new(body, "", &mut violations);
        let cmd = command_line(&mut fields, "cmd").value();
        let mut env = BTreeMap::new();
        merge_env(&mut fields, &mut env);
        let user = checked(&mut fields, "user", Code::InvalidValue, rules::user_problem).value();
        let working_dir =
            checked(&mut fields, "working_dir", Code::InvalidValue, rules::container_path_problem).value();
        let stdin = read_stdin(&mut fields);
        let timeout = number(&mut fields, "timeout", 1, TIMEOUT);
        let max_output = number(&mut fields, "max_output", 0, MAX_OUTPUT);
        fields.finish();
        if cmd.is_none() && !violations.as_slice().iter().any(|violation| violation.field == "cmd") {
            let message = "is required: the program and its arguments as a list, or a line for /bin/sh";
            violations.add("cmd", Code::MissingField, message, Value::Null);
        }
        violations.into_result(Self {
            cmd: cmd.map(|line| line.argv()).unwrap_or_default(),
            env,
            user,
            working_dir,
            stdin,
            timeout: Duration::from_secs(timeout),
            max_output: usize::try_from(max_output).unwrap_or(usize::MAX),
        })
    }
}

fn number(fields: &mut Fields<'_>, name: &'static str, least: i64, (default, most): (i64, i64)) -> u64 {
    let number = match fields.integer(name) {
        Field::Value(number) if !(least..=most).contains(&number) => {
            let message = format!("has to be from {least} to {most}");
            let path = fields.path(name);
            fields.violations().add(path, Code::InvalidValue, message, number.into());
            default
        }
        field => field.value().unwrap_or(default),
    };
    number.unsigned_abs()
}

/// Reads `stdin` by `stdin_encoding`. What is typed never reaches a violation.
fn read_stdin(fields: &mut Fields<'_>) -> Option<Vec<u8>> {
    let encoding = fields.string("stdin_encoding").value().unwrap_or_else(|| "utf8".to_owned());
    let text = match fields.take("stdin") {
        Field::Absent | Field::Null => None,
        Field::Value(Value::String(text)) => Some(text),
        Field::Value(_) => {
            fields.violations().add_hidden("stdin", Code::InvalidType, "has to be a string");
            None
        }
    };
    match encoding.as_str() {
        "utf8" => text.map(String::into_bytes),
        "base64" => {
            let bytes = STANDARD.decode(text?).ok();
            if bytes.is_none() {
                fields.violations().add_hidden("stdin", Code::InvalidValue, "is not base64");
            }
            bytes
        }
        other => {
            let message = "has to be utf8 or base64";
            fields.violations().add("stdin_encoding", Code::InvalidValue, message, other.into());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_run_by_a_shell_and_the_rest_has_defaults() {
        let request =
            ExecRequest::parse(json!({"cmd": "ls | wc", "stdin": "aGk=", "stdin_encoding": "base64"}));
        let request = request.unwrap();
        assert_eq!(request.cmd, ["/bin/sh", "-c", "ls | wc"]);
        assert_eq!((request.stdin.as_deref(), request.timeout.as_secs()), (Some(&b"hi"[..]), 60));
        assert_eq!(request.max_output, 1_048_576);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_secrets_are_not() {
        let body = json!({
            "cmd": [], "env": {"A=": "secret"}, "user": "a b", "working_dir": "x", "stdin": "secret!",
            "stdin_encoding": "base64", "timeout": 0, "max_output": 16_777_217, "unheard": 1,
        });
        let violations = ExecRequest::parse(body).unwrap_err();
        let fields: Vec<&str> = violations.as_slice().iter().map(|broken| broken.field.as_str()).collect();
        let all = ["cmd", "env.A=", "user", "working_dir", "stdin", "timeout", "max_output", "unheard"];
        assert_eq!(fields, all);
        assert!(!format!("{violations:?}").contains("secret"));
        assert_eq!(ExecRequest::parse(json!({})).unwrap_err().as_slice()[0].code, Code::MissingField);
    }
}
