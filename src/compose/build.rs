//! Builds: the builder that Compose has within itself, in a world of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::cli::{Compose, ComposeError, outcome};
use super::command::{Invocation, Told, run_told};
use crate::container::build::{Builder, SERVICE};

/// What of our environment says where the operator keeps things.
const PERSONAL: [&str; 4] = ["PATH", "HOME", "DOCKER_CONFIG", "TMPDIR"];
const VERB: &str = "build";

/// One build.
#[derive(Clone, Debug)]
pub struct Build {
    /// The folder of the compose file.
    pub folder: PathBuf,
    /// The compose file's name in it.
    pub file: &'static str,
    /// A folder for what the builder keeps for itself, with Docker's configuration.
    pub home: PathBuf,
    /// Who builds.
    pub builder: Builder,
    /// Whether nothing that was built before is used.
    pub no_cache: bool,
    /// Whether the images that it builds on are pulled also where they are here.
    pub pull: bool,
    /// How long it may take.
    pub limit: Duration,
}

impl Compose {
    /// Builds the image of a compose file, and answers the end of what was printed. Each line goes to `lines` as
    /// it comes. When it is `unwanted`, builder and build are ended.
    pub async fn build(
        &self,
        build: &Build,
        lines: Option<mpsc::Sender<Vec<String>>>,
        unwanted: impl Future<Output = ()>,
    ) -> Result<String, ComposeError> {
        let invocation = Invocation {
            program: self.program.clone(),
            args: self.build_args(build),
            env: self.build_env(build),
            folder: build.folder.clone(),
        };
        let ended = run_told(&invocation, None, build.limit, Told { lines, unwanted }).await;
        outcome(VERB, build.limit, ended)
    }

    /// Folders with plugins that a build would not find, since its home is another one; none where the plugin
    /// itself is run.
    #[must_use]
    pub fn plugin_folders(&self) -> Vec<String> {
        if self.leading.is_empty() {
            return Vec::new();
        }
        let value = |wanted: &str| self.env.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let own = value("DOCKER_CONFIG").map(PathBuf::from);
        let own = own.or_else(|| value("HOME").map(|home| PathBuf::from(home).join(".docker")));
        own.iter().filter_map(|own| own.join("cli-plugins").to_str().map(str::to_owned)).collect()
    }

    fn build_args(&self, build: &Build) -> Vec<OsString> {
        let mut args = self.leading.clone();
        let leading =
            ["--ansi", "never", "--progress", "plain", "--env-file", "/dev/null", "--file", build.file];
        args.extend(leading.map(OsString::from));
        args.push("--project-directory".into());
        args.push(build.folder.clone().into());
        args.push(VERB.into());
        args.extend(build.no_cache.then(|| "--no-cache".into()));
        args.extend(build.pull.then(|| "--pull".into()));
        args.push(SERVICE.into());
        args
    }

    /// What stands here is all that the builder knows of us. In its `PATH` there is no program: it would run `git`
    /// in the context, as us and with the configuration that stands there.
    fn build_env(&self, build: &Build) -> Vec<(OsString, OsString)> {
        let is_personal = |name: &OsString| PERSONAL.iter().any(|personal| name == personal);
        let mut env: Vec<_> = self.env.iter().filter(|(name, _)| !is_personal(name)).cloned().collect();
        let buildkit = if build.builder == Builder::BuildKit { "1" } else { "0" };
        env.extend([
            ("PATH".into(), build.home.clone().into()),
            ("HOME".into(), build.home.clone().into()),
            ("DOCKER_CONFIG".into(), build.home.clone().into()),
            ("TMPDIR".into(), build.home.join("tmp").into()),
            ("DOCKER_BUILDKIT".into(), buildkit.into()),
            // Later versions would hand the build to a plugin of their own choice.
            ("COMPOSE_BAKE".into(), "false".into()),
            ("BUILDX_GIT_INFO".into(), "false".into()),
        ]);
        env
    }
}

#[cfg(test)]
mod tests {
    use super::super::cli::ComposeSettings;
    use super::*;

    fn compose(env: &[(&str, &str)], leading: Vec<OsString>) -> Compose {
        let settings = ComposeSettings {
            binary: Some("/bin/sh".into()),
            socket: "/run/x.sock".into(),
            env: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            limit: Duration::from_secs(1),
            side_by_side: 1,
        };
        let mut compose = Compose::find(settings).unwrap();
        compose.leading = leading;
        compose
    }

    fn build() -> Build {
        Build {
            folder: "/s".into(),
            file: "compose.yaml",
            home: "/s/home".into(),
            builder: Builder::Classic,
            no_cache: true,
            pull: false,
            limit: Duration::from_secs(1),
        }
    }

    #[test]
    fn nothing_of_the_operators_own_reaches_the_builder() {
        let operators =
            [("PATH", "/usr/bin"), ("HOME", "/root"), ("DOCKER_CONFIG", "/root/d"), ("TMPDIR", "/t")];
        let env = compose(&operators, Vec::new()).build_env(&build());
        let value = |wanted: &str| {
            let found: Vec<_> = env.iter().filter(|(name, _)| name == wanted).collect();
            assert_eq!(found.len(), 1, "{wanted}");
            found[0].1.to_str().unwrap().to_owned()
        };
        for name in ["PATH", "HOME", "DOCKER_CONFIG"] {
            assert_eq!(value(name), "/s/home", "{name}");
        }
        assert_eq!((value("TMPDIR").as_str(), value("DOCKER_BUILDKIT").as_str()), ("/s/home/tmp", "0"));
    }

    #[test]
    fn a_plugin_that_is_the_operators_own_is_found_all_the_same() {
        let home = [("HOME", "/root")];
        assert!(compose(&home, Vec::new()).plugin_folders().is_empty());
        assert_eq!(compose(&home, vec!["compose".into()]).plugin_folders(), ["/root/.docker/cli-plugins"]);
        let both = [("HOME", "/root"), ("DOCKER_CONFIG", "/etc/d")];
        assert_eq!(compose(&both, vec!["compose".into()]).plugin_folders(), ["/etc/d/cli-plugins"]);
    }

    #[test]
    fn the_arguments_of_a_build_are_in_the_file_and_not_on_the_command_line() {
        let args = compose(&[], vec!["compose".into()]).build_args(&build());
        let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
        assert_eq!(
            args.join(" "),
            "compose --ansi never --progress plain --env-file /dev/null --file compose.yaml \
            --project-directory /s build --no-cache image"
        );
    }
}
