//! A build: what is asked for, checked, and the files that tell Compose of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::compose_file::for_each_string;
use super::image::Reference;
use super::violation::Violations;
use super::{EngineKind, rules};
use crate::codes::Code;

/// The project that all builds are, and their one service. No cuid is written so.
pub const PROJECT: &str = "wharfinger-build";
/// See [`PROJECT`].
pub const SERVICE: &str = "image";
/// The file of a context that is built when none is named.
pub const DOCKERFILE: &str = "Dockerfile";

/// The longest path of a Dockerfile, name of a stage, and name of an argument, in bytes.
const LONGEST_PATH: usize = 1024;
const LONGEST_NAME: usize = 128;
/// The newest API without BuildKit in the engine, as major and minor number.
const WITHOUT_BUILDKIT: (u32, u32) = (1, 38);

/// What a request asks for.
#[derive(Clone, Debug, Default)]
pub struct AskedBuild {
    /// The name of the image to be.
    pub image: Option<String>,
    /// The Dockerfile's path within the context.
    pub dockerfile: Option<String>,
    /// `KEY=VALUE` each.
    pub args: Vec<String>,
    /// The stage to build.
    pub target: Option<String>,
    /// Whether nothing that was built before is used.
    pub no_cache: bool,
    /// Whether the images that it builds on are pulled also where they are here.
    pub pull: bool,
}

/// A build, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The name of the image to be, with its tag.
    pub image: Reference,
    /// The Dockerfile's path within the context.
    pub dockerfile: String,
    /// The build's arguments; their values may be secrets.
    pub args: BTreeMap<String, String>,
    /// The stage to build.
    pub target: Option<String>,
    /// Whether nothing that was built before is used.
    pub no_cache: bool,
    /// Whether the images that it builds on are pulled also where they are here.
    pub pull: bool,
}

impl std::fmt::Debug for BuildRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.args.keys().collect();
        formatter
            .debug_struct("BuildRequest")
            .field("image", &self.image)
            .field("args", &names)
            .finish_non_exhaustive()
    }
}

/// Who builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builder {
    /// The one within Docker since 18.09.
    BuildKit,
    /// The older one; Podman's service has it alone.
    Classic,
}

impl Builder {
    /// The builder of an engine.
    #[must_use]
    pub fn of(kind: EngineKind, api_version: &str) -> Self {
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut numbers = api_version.split('.');
        let version: (u32, u32) = (number(numbers.next()), number(numbers.next()));
        if kind == EngineKind::Docker && version > WITHOUT_BUILDKIT { Self::BuildKit } else { Self::Classic }
    }
}

impl BuildRequest {
    /// Checks what is asked for.
    pub fn parse(asked: AskedBuild) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let image = read_image(asked.image, &mut violations);
        let dockerfile = asked.dockerfile.unwrap_or_else(|| DOCKERFILE.to_owned());
        if let Some(problem) = path_problem(&dockerfile) {
            violations.add("dockerfile", Code::PathNotAllowed, problem, dockerfile.as_str().into());
        }
        if let Some(target) = asked.target.as_ref().filter(|target| !is_stage(target)) {
            let rule =
                "has to be the name or number of a stage: 1 to 128 of the characters a-z A-Z 0-9 _ . -";
            violations.add("target", Code::InvalidQuery, rule, target.as_str().into());
        }
        let args = read_args(&asked.args, &mut violations);
        let (no_cache, pull) = (asked.no_cache, asked.pull);
        let request =
            image.map(|image| Self { image, dockerfile, args, target: asked.target, no_cache, pull });
        match request {
            Some(request) => violations.into_result(request),
            None => Err(violations),
        }
    }

    /// The compose file of the build: the one place where the arguments are written.
    pub fn render(&self, context: &Path, dockerfile: &Path) -> Result<String, String> {
        let args: Vec<String> = self.args.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut build = Map::new();
        build.insert("context".to_owned(), text(context)?.into());
        build.insert("dockerfile".to_owned(), text(dockerfile)?.into());
        if !args.is_empty() {
            build.insert("args".to_owned(), args.into());
        }
        if let Some(target) = &self.target {
            build.insert("target".to_owned(), target.as_str().into());
        }
        let mut tree = json!({"name": PROJECT, "services": {SERVICE: {"image": self.image.to_string(), "build": build}}});
        for_each_string(&mut tree, &|text| text.replace('$', "$$"));
        let options = serde_yaml::ser_options! { quote_all: true, prefer_block_scalars: false };
        serde_yaml::to_string_with_options(&tree, options).map_err(|error| error.to_string())
    }
}

/// Docker's configuration for one build: whom the registries know, and where plugins are besides.
#[must_use]
pub fn client_config(registries: Option<&[u8]>, plugins: &[String]) -> Vec<u8> {
    let kept: Value = registries.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    let mut config = Map::new();
    // Nothing else: helpers would be programs to be run, and proxies arguments of the build.
    if let Some(auths) = kept.get("auths") {
        config.insert("auths".to_owned(), auths.clone());
    }
    if !plugins.is_empty() {
        config.insert("cliPluginsExtraDirs".to_owned(), plugins.into());
    }
    Value::Object(config).to_string().into_bytes()
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| "the data folder's path is not UTF-8 (APP_DATA_DIR)".to_owned())
}

fn read_image(image: Option<String>, violations: &mut Violations) -> Option<Reference> {
    let Some(image) = image.filter(|image| !image.is_empty()) else {
        let message = "is required: the name of the image to be built, for instance me/app:1";
        violations.add("image", Code::MissingImage, message, Value::Null);
        return None;
    };
    let problem = match Reference::parse(&image) {
        Ok(reference) if reference.digest.is_none() => return Some(reference),
        Ok(_) => "has a digest, which only the image itself can give: write name or name:tag",
        Err(problem) => problem,
    };
    violations.add("image", Code::InvalidImage, problem, image.into());
    None
}

/// What is wrong with the path of a Dockerfile, if anything.
fn path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > LONGEST_PATH {
        return Some("has to be the path of a file in the context, of at most 1024 bytes");
    }
    if path.chars().any(char::is_control) {
        return Some("must not hold a control character");
    }
    let leads_out = path.starts_with('/') || path.split('/').any(|part| part == "..");
    leads_out.then_some("has to be a path within the context: relative, without ..")
}

/// Docker takes them in small letters; it knows itself which there are.
fn is_stage(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= LONGEST_NAME
        && name.chars().all(is_word)
}

/// Values are not shown: they may be secrets.
fn read_args(args: &[String], violations: &mut Violations) -> BTreeMap<String, String> {
    const RULE: &str =
        "has to be KEY=VALUE, KEY being 1 to 128 of the characters a-z A-Z 0-9 _ . - and no digit first";
    let mut read = BTreeMap::new();
    for (index, arg) in args.iter().enumerate() {
        let field = format!("build_arg[{index}]");
        let Some((key, value)) = arg.split_once('=').filter(|(key, _)| is_key(key)) else {
            violations.add_hidden(field, Code::InvalidQuery, RULE);
            continue;
        };
        if let Some(problem) = rules::text_problem(value) {
            violations.add_hidden(field, Code::InvalidQuery, problem);
        }
        // As with `docker build`, the last of one key counts.
        read.insert(key.to_owned(), value.to_owned());
    }
    read
}

fn is_key(key: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.len() <= LONGEST_NAME
        && key.chars().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut AskedBuild)) -> Result<BuildRequest, Vec<(String, Code)>> {
        let mut asked = AskedBuild { image: Some("me/app:1".to_owned()), ..AskedBuild::default() };
        change(&mut asked);
        BuildRequest::parse(asked).map_err(|violations| {
            violations.as_slice().iter().map(|broken| (broken.field.clone(), broken.code)).collect()
        })
    }

    #[test]
    fn docker_since_18_09_builds_with_buildkit_and_all_others_with_the_classic_builder() {
        for (version, builder) in [
            ("1.41", Builder::BuildKit),
            ("1.39", Builder::BuildKit),
            ("2.0", Builder::BuildKit),
            ("1.38", Builder::Classic),
            ("1.9", Builder::Classic),
            ("", Builder::Classic),
        ] {
            assert_eq!(Builder::of(EngineKind::Docker, version), builder, "{version}");
            assert_eq!(Builder::of(EngineKind::Podman, version), Builder::Classic, "{version}");
        }
    }

    #[test]
    fn the_file_says_what_was_asked_for_and_nothing_in_it_is_interpolated() {
        let request = asked(|asked| {
            asked.args = vec!["A=$HOME ${APP_PASS}".into(), "B=a=b\nc: 'd'".into(), "C=".into()];
            asked.target = Some("base".into());
        });
        let text =
            request.unwrap().render(Path::new("/data/$x/context"), Path::new("/data/$x/context/D")).unwrap();
        let read: Value = serde_yaml::from_str(&text).unwrap();
        let service = &read["services"]["image"];
        assert_eq!((&read["name"], &service["image"]), (&json!("wharfinger-build"), &json!("me/app:1")));
        let expected = json!({"context": "/data/$$x/context", "dockerfile": "/data/$$x/context/D",
            "args": ["A=$$HOME $${APP_PASS}", "B=a=b\nc: 'd'", "C="], "target": "base"});
        assert_eq!(service["build"], expected);
    }

    #[test]
    fn what_cannot_be_is_named_and_no_value_of_an_argument_is_shown() {
        let broken = |change: fn(&mut AskedBuild)| asked(change).unwrap_err();
        assert_eq!(broken(|asked| asked.image = None), [("image".into(), Code::MissingImage)]);
        assert_eq!(broken(|asked| asked.image = Some("A".into())), [("image".into(), Code::InvalidImage)]);
        let pinned = format!("a@sha256:{}", "a".repeat(64));
        assert!(asked(|asked| asked.image = Some(pinned)).is_err());
        for path in ["", "../Dockerfile", "/etc/passwd", "a/../../b", "a\nb", ".."] {
            let broken = asked(|asked| asked.dockerfile = Some(path.into())).unwrap_err();
            assert_eq!(broken, [("dockerfile".into(), Code::PathNotAllowed)], "{path:?}");
        }
        for target in ["", "-x", "a b", "a/b", "$x"] {
            assert!(asked(|asked| asked.target = Some(target.into())).is_err(), "{target:?}");
        }
        let args = vec!["A".to_owned(), "=x".into(), "1=x".into(), "A B=x".into(), "K=s3cret\u{7f}".into()];
        let violations =
            BuildRequest::parse(AskedBuild { image: Some("a".into()), args, ..AskedBuild::default() });
        let violations = violations.unwrap_err();
        assert_eq!(violations.as_slice().len(), 5);
        assert!(!format!("{violations:?}").contains("s3cret"));
        let request = asked(|asked| asked.args = vec!["K=1".into(), "K=s3cret".into()]).unwrap();
        assert_eq!(request.args["K"], "s3cret");
        assert!(!format!("{request:?}").contains("s3cret"));
    }

    #[test]
    fn of_dockers_configuration_only_the_logins_are_taken() {
        let kept = br#"{"auths": {"r": {"auth": "eA=="}}, "credsStore": "evil", "proxies": {"default": {}}}"#;
        let config: Value = serde_json::from_slice(&client_config(Some(kept), &["/p".to_owned()])).unwrap();
        assert_eq!(config, json!({"auths": {"r": {"auth": "eA=="}}, "cliPluginsExtraDirs": ["/p"]}));
        assert_eq!(client_config(None, &[]), b"{}");
    }
}
