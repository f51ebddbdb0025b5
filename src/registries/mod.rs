//! `registries/config.json`: the credentials of registries, in the form that Docker itself keeps them in.
//!
//! The file is the truth and is read at each use, so that `docker --config registries login` works beside the
//! API. Folder and file are open to the daemon's user alone.
#![expect(clippy::disallowed_methods, reason = "the room of the credentials")]

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::container::image::DOCKER_HUB;

const FILE: &str = "config.json";
/// How a file is called that is being written.
const NEW: &str = ".config-";
/// What Docker calls its own registry in this file.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

/// Who is known to a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password, or a token in its place.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// The file as a whole; what the daemon does not know in it stays.
#[derive(Default, Serialize, Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// One registry of the file.
#[derive(Default, Serialize, Deserialize)]
struct Login {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Login {
    fn new(credentials: &Credentials) -> Self {
        let Credentials { username, password } = credentials;
        Self { auth: Some(STANDARD.encode(format!("{username}:{password}"))), rest: Map::new() }
    }

    fn credentials(&self) -> Option<Credentials> {
        let text = String::from_utf8(STANDARD.decode(self.auth.as_ref()?).ok()?).ok()?;
        let (username, password) = text.split_once(':')?;
        Some(Credentials { username: username.to_owned(), password: password.to_owned() })
    }
}

/// The credentials of all registries.
#[derive(Clone, Debug)]
pub struct Registries {
    folder: PathBuf,
    /// Held while the file is changed.
    changing: Arc<Mutex<()>>,
}

impl Registries {
    /// Opens the folder, makes it when it is missing, and closes both to everyone else.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(NEW)) {
                fs::remove_file(entry.path())?;
            }
        }
        match fs::set_permissions(folder.join(FILE), Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        read(&folder)?;
        Ok(Self { folder, changing: Arc::default() })
    }

    /// Whom a registry knows, if anyone was named.
    pub async fn find(&self, registry: &str) -> io::Result<Option<Credentials>> {
        let host = host_of(registry);
        self.blocking(move |folder| {
            let config = read(folder)?;
            let login =
                config.auths.iter().find(|(server, login)| host_of(server) == host && login.auth.is_some());
            Ok(login.and_then(|(_, login)| login.credentials()))
        })
        .await
    }

    /// The hosts for which there are credentials, in order.
    pub async fn hosts(&self) -> io::Result<Vec<String>> {
        self.blocking(|folder| {
            let config = read(folder)?;
            let known = config.auths.iter().filter(|(_, login)| login.credentials().is_some());
            let mut hosts: Vec<String> = known.map(|(server, _)| host_of(server)).collect();
            hosts.sort_unstable();
            hosts.dedup();
            Ok(hosts)
        })
        .await
    }

    /// Puts credentials in the place of those that are there; says whether there were any.
    pub async fn set(&self, registry: &str, credentials: Credentials) -> io::Result<bool> {
        let host = host_of(registry);
        self.change(move |config| {
            let before = config.auths.len();
            config.auths.retain(|server, _| host_of(server) != host);
            let had = config.auths.len() < before;
            let server = if host == DOCKER_HUB { DOCKER_HUB_SERVER.to_owned() } else { host };
            config.auths.insert(server, Login::new(&credentials));
            had
        })
        .await
    }

    /// Forgets the credentials of a registry; says whether there were any.
    pub async fn remove(&self, registry: &str) -> io::Result<bool> {
        let host = host_of(registry);
        self.change(move |config| {
            let before = config.auths.len();
            config.auths.retain(|server, _| host_of(server) != host);
            config.auths.len() < before
        })
        .await
    }

    /// The file as it is, for a program that reads Docker's configuration; nothing where there is none.
    pub async fn file(&self) -> io::Result<Option<Vec<u8>>> {
        self.blocking(|folder| match fs::read(folder.join(FILE)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn change(&self, change: impl FnOnce(&mut Config) -> bool + Send + 'static) -> io::Result<bool> {
        // Its own copy: the change goes on when whoever asked for it has left.
        let changing = Arc::clone(&self.changing).lock_owned().await;
        self.blocking(move |folder| {
            let _changing = changing;
            let mut config = read(folder)?;
            let had = change(&mut config);
            write(folder, &config)?;
            Ok(had)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || work(&folder)).await.map_err(io::Error::other)?
    }
}

/// A registry's host as references write it, of any of the forms that Docker knows it by.
#[must_use]
pub fn host_of(server: &str) -> String {
    let server = server.strip_prefix("https://").or_else(|| server.strip_prefix("http://")).unwrap_or(server);
    let host = server.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        _ => host,
    }
}

fn read(folder: &Path) -> io::Result<Config> {
    match fs::read(folder.join(FILE)) {
        // What the parser says could show a part of a password.
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
            io::Error::new(
                ErrorKind::InvalidData,
                "registries/config.json is not what Docker keeps there: mend it or remove it",
            )
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(error),
    }
}

/// Writes the file beside its place, syncs it, moves it into place, and syncs the folder.
fn write(folder: &Path, config: &Config) -> io::Result<()> {
    // A temporary file is open to its owner alone from the beginning.
    let mut file = tempfile::Builder::new().prefix(NEW).tempfile_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(config)?)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(FILE)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(password: &str) -> Credentials {
        Credentials { username: "me".into(), password: password.into() }
    }

    #[tokio::test]
    async fn credentials_are_kept_by_host_and_open_to_no_one_else() {
        let folder = tempfile::tempdir().unwrap();
        let registries = Registries::open(folder.path().join("registries")).unwrap();
        assert!(!registries.set("Registry.example:5000", credentials("a:b:ü")).await.unwrap());
        assert!(registries.set("registry.example:5000", credentials("second:x")).await.unwrap());
        let found = registries.find("registry.example:5000").await.unwrap();
        assert_eq!(found.map(|found| found.password).as_deref(), Some("second:x"));
        assert_eq!(registries.find("registry.example").await.unwrap(), None);
        assert_eq!(registries.hosts().await.unwrap(), ["registry.example:5000"]);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path().join("registries")), 0o700);
        assert_eq!(mode(folder.path().join("registries/config.json")), 0o600);
        assert!(registries.remove("registry.example:5000").await.unwrap());
        assert!(!registries.remove("registry.example:5000").await.unwrap());
        assert!(registries.hosts().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn docker_hub_has_one_name_and_what_docker_wrote_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(
            &path,
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6b2xk"},"h.example":{"email":"x"}},"proxies":{"a":1}}"#,
        )
        .unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let registries = Registries::open(folder.path().to_owned()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(registries.find("docker.io").await.unwrap(), Some(credentials("old")));
        assert_eq!(registries.hosts().await.unwrap(), ["docker.io"]);
        assert!(registries.set("docker.io", credentials("new")).await.unwrap());
        let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(written["auths"]["https://index.docker.io/v1/"]["auth"], "bWU6bmV3");
        assert_eq!(
            (&written["proxies"]["a"], &written["auths"]["h.example"]["email"]),
            (&1.into(), &"x".into())
        );
    }

    #[test]
    fn a_file_that_is_no_configuration_stops_the_start_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "secret").unwrap();
        let error = Registries::open(folder.path().to_owned()).unwrap_err().to_string();
        assert!(error.contains("mend it") && !error.contains("secret"), "{error}");
    }
}
