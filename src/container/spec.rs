//! What was asked of a container: validated, complete, independent of the engine.

use std::collections::BTreeMap;

use super::options::Options;
use super::port::Port;
pub use super::resources::Resources;

/// A command line, in the form it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// A string, which `/bin/sh -c` runs.
    Shell(String),
    /// A list: the program and its arguments.
    Argv(Vec<String>),
}

impl CommandLine {
    /// The program and its arguments.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
            Self::Argv(argv) => argv.clone(),
        }
    }
}

/// Who a container's own programs run as, and who owns uploaded files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.uid, self.gid)
    }
}

/// A validated container.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The image, as it was named.
    pub image: String,
    /// The unique name, if it has one.
    pub name: Option<String>,
    /// What to run in place of the image's own command.
    pub command: Option<CommandLine>,
    /// What to run in place of the image's own entrypoint.
    pub entrypoint: Option<CommandLine>,
    /// The environment that was asked for.
    pub env: BTreeMap<String, String>,
    /// The tags, in the order given.
    pub tags: Vec<String>,
    /// The labels that were asked for.
    pub labels: BTreeMap<String, String>,
    /// The limits.
    pub resources: Resources,
    /// The port mappings, in the order given.
    pub ports: Vec<Port>,
    /// The user to run as, if one was asked for.
    pub user: Option<String>,
    /// The folder to run in, if one was asked for.
    pub working_dir: Option<String>,
    /// Where the mount appears in the container; none: it has no mount.
    pub mount_path: Option<String>,
    /// When the engine starts it again by itself, in Compose's words.
    pub restart: String,
    /// Everything else that was asked for.
    pub options: Options,
}

/// Where the mount appears when the request does not say.
pub const DEFAULT_MOUNT_PATH: &str = "/app";

/// The program that is run from the mount when no command is given.
pub const BOOT_FILE: &str = "boot.py";

impl Spec {
    /// A container of `image` with everything else at its default.
    #[must_use]
    pub fn of_image(image: String) -> Self {
        Self {
            image,
            name: None,
            command: None,
            entrypoint: None,
            env: BTreeMap::new(),
            tags: Vec::new(),
            labels: BTreeMap::new(),
            resources: Resources::default(),
            ports: Vec::new(),
            user: None,
            working_dir: None,
            mount_path: Some(DEFAULT_MOUNT_PATH.to_owned()),
            restart: "no".to_owned(),
            options: Options::default(),
        }
    }

    /// Whether `boot.py` in the mount would be run: nothing else was asked for.
    #[must_use]
    pub fn would_boot(&self) -> bool {
        let is_asked = self.command.is_some() || self.entrypoint.is_some() || self.options.is_on("systemd");
        !is_asked && self.mount_path.is_some()
    }

    /// Shows the size of /dev/shm among the options too: the API has it in two places.
    pub(super) fn mirror_shm_size(&mut self) {
        self.options.set("shm_size", self.resources.shm_size.clone().into());
    }
}
