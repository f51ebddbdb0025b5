//! Values of variables in what is told of images: a commit puts those of its container there.

use serde_json::{Map, Value};

use super::{Error, HistoryStep, InspectedImage, Result, Service};
use crate::access::{Permission, Principal};
use crate::codes::Code;
use crate::container::compose_file::{CUID_LABEL, MADE_OF_LABEL};
use crate::service::scope::{HIDDEN, hide_variable, lacks, shows_env};

/// What stands in front of an instruction that runs nothing, as builders before BuildKit write it.
const RUNS_NOTHING: &str = "#(nop) ";
/// The instructions that set variables.
const SETTING: [&str; 2] = ["ENV ", "ARG "];
/// What follows the arguments of a build in a step that had some: `|2 A=b C=d /bin/sh -c make`.
const SHELL: &str = " /bin/sh -c ";

/// How the labels begin by which Compose knows what is its own.
const COMPOSES_LABELS: &str = "com.docker.compose.";

/// Whether a caller is shown values of an image's variables: they may be those of another's container.
fn shows(principal: &Principal) -> bool {
    shows_env(principal) && !principal.is_limited()
}

/// Takes out of the labels of an image what tells of the container that it was made of: a limited caller may not know
/// of that one.
pub(super) fn hide_container(principal: &Principal, labels: Option<&mut Map<String, Value>>) {
    if let Some(labels) = labels.filter(|_| principal.is_limited()) {
        labels.retain(|name, _| !name.starts_with(COMPOSES_LABELS) && name != MADE_OF_LABEL);
    }
}

/// Takes the values of variables out of an image.
pub(super) fn hide_env(principal: &Principal, image: &mut InspectedImage) {
    if !shows(principal)
        && let Some(env) = image.config.as_mut().and_then(|config| config.env.as_mut())
    {
        env.iter_mut().for_each(hide_variable);
    }
}

impl Service {
    /// Fails for an image that was made of a container, where its caller may not know the values of variables: it may
    /// change none, or does not know of that container.
    pub(super) fn must_be_shown_whole(&self, principal: &Principal, image: &InspectedImage) -> Result<()> {
        let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
        // A commit takes the cuid away, and leaves the label.
        let Some(labels) = labels.filter(|labels| labels.contains_key(CUID_LABEL)) else { return Ok(()) };
        if !shows_env(principal) {
            let message = "the image was made of a container, and the values of its variables are in it: this needs \
                           the permission docker:write";
            return Err(lacks(Permission::DockerWrite, message));
        }
        let made_of = labels.get(MADE_OF_LABEL).and_then(|cuid| cuid.as_str()?.parse().ok());
        if shows(principal) || made_of.is_some_and(|cuid| self.sees_cuid(principal, cuid)) {
            return Ok(());
        }
        let message = "the image was made of a container that is not one of yours, and the values of its variables \
                       are in it: ask the administrator";
        Err(Error::new(Code::NotYours, message).with("image", image.id.as_str()))
    }
}

/// Takes the values of variables out of an image's history.
pub(super) fn hide_env_of_steps(principal: &Principal, image: &InspectedImage, steps: &mut [HistoryStep]) {
    if shows(principal) {
        return;
    }
    let env = image.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
    let names: Vec<&str> = env.iter().filter_map(|variable| Some(variable.split_once('=')?.0)).collect();
    for step in steps {
        step.created_by = without_values(&step.created_by, &names);
    }
}

/// A step without values of variables. Where one ends cannot be told, since nothing is quoted; so what is left are
/// the first name, and those of the image's own names that stand behind it.
fn without_values(step: &str, names: &[&str]) -> String {
    let instruction = step.split_once(RUNS_NOTHING).map_or(step, |(_, instruction)| instruction).trim_start();
    if let Some(pairs) = SETTING.iter().find_map(|word| instruction.strip_prefix(word)) {
        let head = step.strip_suffix(pairs).unwrap_or_default();
        return format!("{head}{}", hidden_pairs(pairs, names));
    }
    let run = instruction.strip_prefix("RUN ").unwrap_or(instruction).trim_start();
    let Some((count, pairs)) = run.strip_prefix('|').and_then(|run| run.split_once(' ')) else {
        return step.to_owned();
    };
    let head = step.strip_suffix(run).unwrap_or_default();
    // The last one: what stands in front of it may be a part of a value.
    let (pairs, program) = pairs.rfind(SHELL).map_or((pairs, ""), |at| pairs.split_at(at));
    format!("{head}|{count} {}{program}", hidden_pairs(pairs, names))
}

fn hidden_pairs(pairs: &str, names: &[&str]) -> String {
    let pairs = pairs.trim_start();
    let first = pairs.split(['=', ' ', '\t']).next().unwrap_or_default();
    let is_set = |name: &&&str| **name != first && pairs.contains(&format!(" {name}="));
    let others = names.iter().filter(is_set).copied();
    let shown: Vec<String> =
        std::iter::once(first).chain(others).map(|name| format!("{name}={HIDDEN}")).collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn a_step_keeps_the_names_of_variables_and_loses_their_values() {
        for (step, hidden) in [
            ("ENV A=secret", "ENV A=***"),
            ("ENV A=s e c B=t X=u", "ENV A=*** B=***"),
            ("/bin/sh -c #(nop)  ENV A=secret B=t", "/bin/sh -c #(nop)  ENV A=*** B=***"),
            ("ENV A secret", "ENV A=***"),
            ("ARG TOKEN=secret", "ARG TOKEN=***"),
            ("/bin/sh -c #(nop)  ARG TOKEN=secret", "/bin/sh -c #(nop)  ARG TOKEN=***"),
            ("|2 A=x y B=z /bin/sh -c make it", "|2 A=*** B=*** /bin/sh -c make it"),
            ("RUN |1 A=secret /bin/sh -c make # buildkit", "RUN |1 A=*** /bin/sh -c make # buildkit"),
            ("RUN |1 A=x /bin/sh -c y /bin/sh -c make", "RUN |1 A=*** /bin/sh -c make"),
            ("RUN |1 A=secret make", "RUN |1 A=***"),
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "/bin/sh -c #(nop)  CMD [\"sh\"]"),
            ("RUN /bin/sh -c echo ENV A=b", "RUN /bin/sh -c echo ENV A=b"),
            ("sleep 1", "sleep 1"),
            ("", ""),
        ] {
            assert_eq!(without_values(step, &["A", "B"]), hidden, "{step}");
        }
    }
}
