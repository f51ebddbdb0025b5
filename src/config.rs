//! The configuration: the only reader of `.env` and of the environment.

mod host;
mod sources;
mod values;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

pub use self::host::{Host, os_user};
use self::sources::Values;
use crate::access::password::Password;
use crate::audit;
use crate::container::options::Allowed;
use crate::container::rules;
use crate::container::spec::Owner;
use crate::tls::TlsFiles;

/// The password that `.env.example` and the guide show.
pub const PLACEHOLDER: &str = "your_secure_password_here";
/// What is said of a hash whose parts were taken for the names of variables.
const LOST_HASH: &str = "is what is left of an argon2id hash in which $argon2id, $v and the rest were replaced as \
                         variables: put the hash between single quotes, as in APP_PASS='$argon2id$v=19$...'";

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable has to be set.
    #[error("{0} is not set: put it into .env or the environment")]
    Missing(&'static str),
    /// A variable has a value that cannot be.
    #[error("{name} {problem}")]
    Invalid {
        /// Which variable.
        name: &'static str,
        /// What is wrong with its value, and what would be right.
        problem: String,
    },
    /// `.env` cannot be read.
    #[error(".env cannot be read: {0}")]
    File(String),
}

/// Who may log in as the administrator.
#[derive(Clone)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password, or its hash.
    pub password: Password,
}

/// The limits of uploads and downloads.
#[derive(Clone, Copy, Debug)]
pub struct TransferLimits {
    /// The most bytes of a body; none: no limit.
    pub body: Option<u64>,
    /// The most entries of an archive.
    pub entries: u64,
    /// The most bytes that come out of an archive; none: no limit.
    pub unpacked: Option<u64>,
    /// The most bytes that come out of one byte of an archive.
    pub ratio: u64,
    /// How many bytes stay free on the disk.
    pub min_free: u64,
}

/// The limits of terminals.
#[derive(Clone, Copy, Debug)]
pub struct TerminalLimits {
    /// How many are open at a time.
    pub in_all: usize,
    /// How many are open at a time for one container.
    pub per_container: usize,
}

/// How the daemon writes its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The whole configuration, checked.
#[derive(Clone)]
pub struct Config {
    /// The administrator.
    pub credentials: Credentials,
    /// Who the containers' own programs run as.
    pub owner: Owner,
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0: any.
    pub port: u16,
    /// The certificate and its key; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The folder of `compose/`, `mounts/`, `logs/`, `registries/`, `access/`.
    pub data_dir: PathBuf,
    /// Whether errors carry a stack trace.
    pub development: bool,
    /// The engine's socket, where it is not to be looked for.
    pub socket: Option<PathBuf>,
    /// Where this user's own engine has its socket.
    pub runtime_dir: Option<PathBuf>,
    /// The Compose binary, where it is not to be looked for.
    pub compose_binary: Option<PathBuf>,
    /// `HOME`, `PATH` and the like for Compose.
    pub compose_env: Vec<(OsString, OsString)>,
    /// How long the engine may take to answer.
    pub engine_timeout: Duration,
    /// How long one command of Compose may take.
    pub change_timeout: Duration,
    /// How long a pull or push may take.
    pub pull_timeout: Duration,
    /// How long a pull or push may go without anything moving.
    pub pull_idle_timeout: Duration,
    /// How long a build of an image may take.
    pub build_timeout: Duration,
    /// How many images are built at a time.
    pub max_builds: usize,
    /// How many images are pulled and pushed at a time.
    pub max_transfers: usize,
    /// How many commands of Compose run side by side.
    pub parallel_changes: usize,
    /// The network that the containers share.
    pub network: String,
    /// What of all that leads to the host containers may have.
    pub allowed: Allowed,
    /// The limits of terminals.
    pub terminals: TerminalLimits,
    /// How many streams are open at a time.
    pub max_streams: usize,
    /// How much of a container's earlier output is kept, in bytes.
    pub kept_logs_max_bytes: u64,
    /// The limits of uploads.
    pub transfers: TransferLimits,
    /// The most bytes of an archive of images or of an image's files; none: no limit.
    pub image_max_bytes: Option<u64>,
    /// The most bytes of a JSON body.
    pub json_max_bytes: usize,
    /// How long the next piece of a body may take.
    pub body_idle_timeout: Duration,
    /// How long a whole body may take.
    pub body_timeout: Duration,
    /// How many connections are open at a time.
    pub max_connections: usize,
    /// How long a connection may be held while nothing is asked on it.
    pub idle_timeout: Duration,
    /// How long it may be held while its client takes nothing of an answer.
    pub answer_idle_timeout: Duration,
    /// Origins of other sites whose pages may open sockets and change things.
    pub allowed_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// How long the changes in flight have at a shutdown.
    pub shutdown_timeout: Duration,
    /// When the audit log's file is full, and how many full ones are kept.
    pub audit: audit::Rotation,
    /// Which lines the daemon's own log has.
    pub log_filter: String,
    /// How they are written.
    pub log_format: LogFormat,
}

impl Config {
    /// Reads `.env` in `folder`, then the environment, which wins.
    pub fn load(folder: &Path) -> Result<Self, ConfigError> {
        Self::from_values(&Values::read(folder)?)
    }

    fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            credentials: credentials(values)?,
            owner: owner(values)?,
            host: values.parsed("APP_HOST", "0.0.0.0", "has to be an IP address, for instance 127.0.0.1")?,
            port: values.parsed("APP_PORT", "8080", "has to be a port from 0 to 65535")?,
            tls: tls(values)?,
            data_dir: data_dir(values)?,
            development: environment(values)?,
            socket: socket(values)?,
            runtime_dir: values.text("XDG_RUNTIME_DIR").map(PathBuf::from),
            compose_binary: values.text("APP_COMPOSE_BIN").map(PathBuf::from),
            compose_env: compose_env(values),
            engine_timeout: values.seconds("APP_ENGINE_TIMEOUT", "10")?,
            change_timeout: values.seconds("APP_CHANGE_TIMEOUT", "120")?,
            pull_timeout: values.seconds("APP_PULL_TIMEOUT", "1800")?,
            pull_idle_timeout: values.seconds("APP_PULL_IDLE_TIMEOUT", "120")?,
            build_timeout: values.seconds("APP_BUILD_TIMEOUT", "3600")?,
            max_builds: values.count("APP_MAX_BUILDS", "2")?,
            max_transfers: values.count("APP_MAX_TRANSFERS", "64")?,
            parallel_changes: values.count("APP_PARALLEL_CHANGES", "8")?,
            network: network(values)?,
            allowed: allowed(values)?,
            terminals: TerminalLimits {
                in_all: values.count("APP_MAX_TERMINALS", "256")?,
                per_container: values.count("APP_MAX_TERMINALS_PER_CONTAINER", "64")?,
            },
            max_streams: values.count("APP_MAX_STREAMS", "1000")?,
            kept_logs_max_bytes: values.parsed(
                "APP_KEPT_LOGS_MAX_BYTES",
                "31457280",
                "has to be a whole number of bytes; 0 keeps nothing",
            )?,
            transfers: transfers(values)?,
            image_max_bytes: values.limit("APP_IMAGE_MAX_BYTES", "0")?,
            json_max_bytes: values.count("APP_JSON_MAX_BYTES", "1048576")?,
            body_idle_timeout: values.seconds("APP_BODY_IDLE_TIMEOUT", "30")?,
            body_timeout: values.seconds("APP_BODY_TIMEOUT", "3600")?,
            max_connections: values.count("APP_MAX_CONNECTIONS", "1024")?,
            idle_timeout: values.seconds("APP_IDLE_TIMEOUT", "75")?,
            answer_idle_timeout: values.seconds("APP_ANSWER_IDLE_TIMEOUT", "300")?,
            allowed_origins: allowed_origins(values)?,
            trusted_proxies: trusted_proxies(values)?,
            shutdown_timeout: values.seconds("APP_SHUTDOWN_TIMEOUT", "10")?,
            audit: audit::Rotation {
                max_bytes: values.limit("APP_LOG_MAX_BYTES", "104857600")?,
                keep: values.count("APP_LOG_KEEP", "5")?,
            },
            log_filter: log_filter(values)?,
            log_format: log_format(values)?,
        })
    }
}

fn invalid(name: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { name, problem: problem.into() }
}

fn credentials(values: &Values) -> Result<Credentials, ConfigError> {
    let user = values.text("APP_USER").ok_or(ConfigError::Missing("APP_USER"))?;
    let password = values.text("APP_PASS").ok_or(ConfigError::Missing("APP_PASS"))?;
    if user.contains(':') || user.chars().any(char::is_control) {
        return Err(invalid("APP_USER", "must not hold a colon or a control character"));
    }
    if password == PLACEHOLDER {
        return Err(invalid("APP_PASS", "is still the placeholder: choose a password of your own"));
    }
    if values.has_lost_hash() {
        return Err(invalid("APP_PASS", LOST_HASH));
    }
    let password = Password::parse(password).map_err(|problem| invalid("APP_PASS", problem))?;
    Ok(Credentials { user: user.to_owned(), password })
}

fn tls(values: &Values) -> Result<Option<TlsFiles>, ConfigError> {
    let missing =
        |name, other| invalid(name, format!("is not set, but {other} is: TLS needs both, or neither"));
    match (values.path("APP_TLS_CERT")?, values.path("APP_TLS_KEY")?) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("APP_TLS_KEY", "APP_TLS_CERT")),
        (None, Some(_)) => Err(missing("APP_TLS_CERT", "APP_TLS_KEY")),
    }
}

fn data_dir(values: &Values) -> Result<PathBuf, ConfigError> {
    let folder = values.text("APP_DATA_DIR").unwrap_or(".");
    std::path::absolute(folder).map_err(|error| invalid("APP_DATA_DIR", error.to_string()))
}

fn owner(values: &Values) -> Result<Owner, ConfigError> {
    let text = values.text("DEFAULT_USER_UID").unwrap_or("1000:1000");
    let ids = text.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    let (uid, gid) =
        ids.ok_or_else(|| invalid("DEFAULT_USER_UID", "has to be uid:gid, for instance 1000:1000"))?;
    Ok(Owner { uid, gid })
}

fn environment(values: &Values) -> Result<bool, ConfigError> {
    match values.text("APP_ENV").unwrap_or("production") {
        "production" => Ok(false),
        "development" => Ok(true),
        _ => Err(invalid("APP_ENV", "has to be production or development")),
    }
}

/// The engine's socket that `DOCKER_HOST` names, as the Docker CLI reads it.
fn socket(values: &Values) -> Result<Option<PathBuf>, ConfigError> {
    let Some(host) = values.text("DOCKER_HOST") else { return Ok(None) };
    let path = host.strip_prefix("unix://").filter(|path| path.starts_with('/'));
    path.map(|path| Some(PathBuf::from(path))).ok_or_else(|| {
        invalid("DOCKER_HOST", "has to be unix:///path/to/socket: an engine on another host is not supported")
    })
}

/// What of the environment Compose gets; nothing else, so that no secret of ours reaches a compose file.
fn compose_env(values: &Values) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> = Vec::new();
    for name in ["PATH", "HOME", "DOCKER_CONFIG", "TMPDIR"] {
        if let Some(value) = values.text(name) {
            env.push((name.into(), value.into()));
        }
    }
    env
}

fn network(values: &Values) -> Result<String, ConfigError> {
    let name = values.text("APP_NETWORK").unwrap_or("wharfinger");
    let is_id = rules::is_engine_id(name).then_some("must not be 64 hexadecimal digits: that is an id");
    match rules::name_problem(name).or(is_id) {
        None => Ok(name.to_owned()),
        Some(problem) => Err(invalid("APP_NETWORK", problem)),
    }
}

fn allowed(values: &Values) -> Result<Allowed, ConfigError> {
    Allowed::parse(values.list("APP_ALLOW")).map_err(|problem| invalid("APP_ALLOW", problem))
}

fn transfers(values: &Values) -> Result<TransferLimits, ConfigError> {
    Ok(TransferLimits {
        body: values.limit("APP_UPLOAD_MAX_BYTES", "0")?,
        entries: values.count("APP_UPLOAD_MAX_ENTRIES", "200000")? as u64,
        unpacked: values.limit("APP_UPLOAD_MAX_UNPACKED_BYTES", "21474836480")?,
        ratio: values.count("APP_UPLOAD_MAX_RATIO", "200")? as u64,
        min_free: values.parsed("APP_MIN_FREE_BYTES", "268435456", "has to be a whole number of bytes")?,
    })
}

fn trusted_proxies(values: &Values) -> Result<Vec<IpAddr>, ConfigError> {
    let addresses = values.list("APP_TRUSTED_PROXIES").into_iter().map(str::parse);
    let addresses: Result<_, _> = addresses.collect();
    addresses.map_err(|_| invalid("APP_TRUSTED_PROXIES", "has to be a comma list of IP addresses"))
}

/// Origins as browsers send them: scheme, host and perhaps a port, no path.
fn allowed_origins(values: &Values) -> Result<Vec<String>, ConfigError> {
    const RULE: &str = "has to be a comma list of origins, for instance https://panel.example.com";
    let is_origin = |origin: &str| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '*', '@', '?', '#']))
    };
    let origins = values.list("APP_ALLOWED_ORIGINS");
    if origins.iter().all(|origin| is_origin(origin)) {
        Ok(origins.into_iter().map(str::to_owned).collect())
    } else {
        Err(invalid("APP_ALLOWED_ORIGINS", RULE))
    }
}

/// Levels alone, or for a part of the program: what a filter would take for the name of a part, and then show
/// nothing, is refused.
fn log_filter(values: &Values) -> Result<String, ConfigError> {
    const RULE: &str = "has to be error, warn, info, debug, trace or off, or a comma list such as \
                        info,wharfinger::engine=debug";
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
    let is_directive = |directive: &str| {
        let (part, level) =
            directive.split_once('=').map_or((None, directive), |(part, level)| (Some(part), level));
        part.is_none_or(is_part) && LEVELS.contains(&level)
    };
    let filter = values.text("APP_LOG").unwrap_or("info").trim().to_ascii_lowercase();
    if filter.split(',').all(is_directive) && EnvFilter::try_new(&filter).is_ok() {
        Ok(filter)
    } else {
        Err(invalid("APP_LOG", RULE))
    }
}

fn log_format(values: &Values) -> Result<LogFormat, ConfigError> {
    match values.text("APP_LOG_FORMAT").unwrap_or("text") {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(invalid("APP_LOG_FORMAT", "has to be text or json")),
    }
}
