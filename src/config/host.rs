//! What commands on the host need to know of the configuration: less than the daemon.
#![expect(clippy::disallowed_methods, reason = "reads the names of the host's users")]

use std::path::{Path, PathBuf};

use super::sources::Values;
use super::{ConfigError, data_dir, invalid};

/// Where the daemon of this folder keeps what is its own, and who its administrator is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The folder of `access/`, `compose/`, `logs/`.
    pub data_dir: PathBuf,
    /// The administrator's user, where it is set: no token has its name.
    pub administrator: Option<String>,
}

impl Host {
    /// Reads `.env` in `folder`, then the environment, which wins. Where neither names the data folder, `folder` has
    /// to be one that a daemon has used: a grant in any other would never be seen.
    pub fn load(folder: &Path) -> Result<Self, ConfigError> {
        let values = Values::read(folder)?;
        let data_dir = data_dir(&values)?;
        let is_daemon_s = |name| folder.join(name).exists();
        if values.text("APP_DATA_DIR").is_none()
            && ![".env", "access", "compose"].into_iter().any(is_daemon_s)
        {
            let problem = "is not set, and this is not the working folder of a daemon: go there, or set it";
            return Err(invalid("APP_DATA_DIR", problem));
        }
        let administrator = values.text("APP_USER").map(str::to_owned);
        Ok(Self { data_dir, administrator })
    }
}

/// The name of the user that this process runs as, or the number of one that the host has no name for.
#[must_use]
pub fn os_user() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    name.unwrap_or(uid)
}
