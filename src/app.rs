//! The composition root: the only place that knows every room. Bind first, then run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::{Server, ServerHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::access::Access;
use crate::audit::Audit;
use crate::compose::{Compose, ComposeError, ComposeSettings, Projects, leftover};
use crate::config::Config;
use crate::container::EngineKind;
use crate::container::compose_file::Surroundings;
use crate::engine::{self, Engine, EngineHealth, Live};
use crate::files::{ArchiveLimits, Files, FilesError, STAGING};
use crate::http::{self, Authenticator, HoldLimits, Listener, Metrics, OriginRules, ServerSettings};
use crate::kept_logs::KeptLogs;
use crate::registries::Registries;
use crate::service::{
    self, BodyDeadlines, Builds, HealthSettings, Parts, Places, Redactor, Service, Settings, Streams,
    Terminals,
};
use crate::terminal;
use crate::tls::{Tls, TlsError};

/// How long a start waits for the engine before it serves without it.
const ENGINE_PATIENCE: Duration = Duration::from_secs(3);
/// How much longer for one that has taken the connection and is slow to answer: a host that has just started is busy.
const SLOW_ENGINE_PATIENCE: Duration = Duration::from_secs(7);

/// Where engines keep what is theirs.
const ENGINES_PATHS: [&str; 6] = [
    "/var/lib/docker",
    "/var/lib/containerd",
    "/run/containerd",
    "/var/run/docker",
    "/var/lib/containers",
    "/run/containers",
];

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another daemon has the data folder.
    #[error("another wharfinger uses the data folder {0}: stop it, or set APP_DATA_DIR to another folder")]
    DataFolderTaken(String),
    /// A folder cannot be used.
    #[error("the folder {0} cannot be used: {1} (APP_DATA_DIR)")]
    Folder(String, io::Error),
    /// The mounts cannot be used.
    #[error("the mounts cannot be used: {0} (APP_DATA_DIR)")]
    Mounts(#[from] FilesError),
    /// Compose cannot be used.
    #[error("{0}")]
    Compose(#[from] ComposeError),
    /// What the last run left cannot be read.
    #[error("the containers cannot be read back: {0}")]
    Recovery(String),
    /// The certificate or its key cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The counters cannot be made: a fault of the daemon.
    #[error("the counters of GET /metrics cannot be made: {0}")]
    Metrics(prometheus::Error),
    /// The address is taken, or not of this host.
    #[error("cannot listen on {0}: {1} (APP_HOST, APP_PORT)")]
    Bind(String, io::Error),
}

/// A daemon that is bound and about to serve.
pub struct App {
    service: Arc<Service>,
    audit: Arc<Audit>,
    server: Server,
    handle: ServerHandle,
    shutdown_timeout: Duration,
    signals: Signals,
    reloaded: Reloaded,
}

/// What SIGHUP reads again.
struct Reloaded {
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
}

impl App {
    /// Builds everything once, reads back what is on the disk, and binds the address.
    pub async fn build(config: Config, signals: Signals) -> Result<Self, StartError> {
        let tls = config.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
        let projects = open_projects(&config)?;
        let logs = config.data_dir.join("logs");
        let audit = Audit::open(&logs, config.audit)
            .map_err(|error| StartError::Folder(logs.display().to_string(), error))?;
        let audit = Arc::new(audit);
        let kept_logs = logs.join("containers");
        let shown = kept_logs.display().to_string();
        let kept_logs = KeptLogs::open(kept_logs, config.kept_logs_max_bytes)
            .map_err(|error| StartError::Folder(shown, error))?;
        let folder = config.data_dir.join("registries");
        let shown = folder.display().to_string();
        let registries = Registries::open(folder).map_err(|error| StartError::Folder(shown, error))?;
        let folder = config.data_dir.join("access");
        let shown = folder.display().to_string();
        let access = Access::open(folder).map_err(|error| StartError::Folder(shown, error))?;
        let mounts = config.data_dir.join("mounts");
        end_leftover_builders(&mounts.join(STAGING)).await;
        let files = Files::open(&mounts, config.owner, archive_limits(&config))?;
        let socket = engine_socket(&config).await;
        let compose = Compose::find(compose_settings(&config, &socket))?;
        let compose_version = compose.version().await?;
        let engine = Arc::new(Engine::at(socket.clone(), config.engine_timeout));
        let live = Arc::new(Live::new(Arc::clone(&engine)));
        let redactor = redactor(&config, &socket, &compose);
        let health = HealthSettings { compose_version, started: Instant::now(), audit: Arc::clone(&audit) };
        let service = Arc::new(Service::new(Parts {
            projects: Arc::new(projects),
            compose,
            engine,
            live: Arc::clone(&live),
            files,
            kept_logs,
            registries,
            access: Arc::new(access),
            streams: Streams::new(config.max_streams),
            builds: Builds::new(config.max_builds, config.build_timeout),
            terminals: Terminals::new(Places {
                in_all: config.terminals.in_all,
                per_container: config.terminals.per_container,
            }),
            redactor,
            health,
            settings: settings(&config),
        }));
        let count = service.recover().await.map_err(|error| StartError::Recovery(error.message))?;
        sweep_terminals(&service).await;
        tokio::spawn(Arc::clone(&live).follow(config.network.clone()));
        tokio::spawn(Arc::clone(&service).follow_edits());
        tokio::spawn(Arc::clone(&service).reap());
        tokio::spawn(Arc::clone(&service).follow_access());
        wait_for_engine(&live).await;
        let shutdown_timeout = config.shutdown_timeout;
        let listener = bind(&config, Arc::clone(&service), Arc::clone(&audit), tls.as_ref())?;
        begin(&audit).await;
        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!("{count} containers known, listening on {scheme}://{}", listener.address);
        warn_of_plain_http(&config);
        let Listener { server, handle, .. } = listener;
        let reloaded = Reloaded { service: Arc::clone(&service), tls };
        Ok(Self { service, audit, server, handle, shutdown_timeout, signals, reloaded })
    }

    /// Serves until SIGTERM or SIGINT, then drains: no new work, what is in flight ends. SIGHUP reads again
    /// what may change meanwhile.
    pub async fn run(self) -> io::Result<()> {
        let Self { service, audit, server, handle, shutdown_timeout, signals, reloaded } = self;
        let Signals { mut terminate, mut interrupt, mut hangup } = signals;
        let serving = tokio::spawn(server);
        // A task of its own: a file that is slow to read does not hold the end.
        let reloading = tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                reload(&reloaded).await;
            }
        });
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        reloading.abort();
        tracing::info!("{name}: the daemon drains");
        if !service.drain(shutdown_timeout.saturating_sub(http::LAST_ANSWERS)).await {
            tracing::warn!("some work is still under way: Compose finishes it without the daemon");
        }
        handle.stop(true).await;
        service.settle_access().await;
        let _ = serving.await;
        let _ = tokio::task::spawn_blocking(move || audit.end()).await;
        tracing::info!("the daemon has ended; the containers go on");
        Ok(())
    }
}

/// The signals that the daemon takes. From the moment they are caught, one that comes during the start ends it
/// in order as well, or is heeded when it serves.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Reads again what SIGHUP is for. What cannot be used changes nothing.
async fn reload(reloaded: &Reloaded) {
    match reloaded.service.refresh_access().await {
        Ok(()) => tracing::info!("SIGHUP: tokens and roles were read again"),
        Err(error) => {
            tracing::error!(message = error.message, "SIGHUP: tokens and roles stay as they were");
        }
    }
    reload_tls(reloaded.tls.as_ref()).await;
}

async fn reload_tls(tls: Option<&Arc<Tls>>) {
    let Some(tls) = tls.map(Arc::clone) else {
        return tracing::info!("SIGHUP: no certificate to read again, since TLS is off");
    };
    let done = tokio::task::spawn_blocking(move || tls.reload()).await;
    match done.map_err(|error| error.to_string()).and_then(|done| done.map_err(|error| error.to_string())) {
        Ok(()) => tracing::info!("SIGHUP: new connections get the certificate that was read again"),
        Err(error) => tracing::error!("SIGHUP: the certificate stays the one that was in use: {error}"),
    }
}

fn open_projects(config: &Config) -> Result<Projects, StartError> {
    let folder = config.data_dir.join("compose");
    let shown = folder.display().to_string();
    Projects::open(folder).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StartError::DataFolderTaken(config.data_dir.display().to_string()),
        _ => StartError::Folder(shown, error),
    })
}

fn archive_limits(config: &Config) -> ArchiveLimits {
    ArchiveLimits {
        archive_bytes: config.transfers.body.unwrap_or(u64::MAX),
        entries: config.transfers.entries,
        unpacked_bytes: config.transfers.unpacked.unwrap_or(u64::MAX),
        ratio: config.transfers.ratio,
        min_free_bytes: config.transfers.min_free,
        ..ArchiveLimits::default()
    }
}

/// The socket of the engine that is found.
async fn engine_socket(config: &Config) -> PathBuf {
    let socket = match &config.socket {
        Some(named) => named.clone(),
        None => engine::found::socket(config.runtime_dir.as_deref()).await,
    };
    tracing::info!(socket = %socket.display(), "the engine's socket");
    socket
}

fn compose_settings(config: &Config, socket: &Path) -> ComposeSettings {
    ComposeSettings {
        binary: config.compose_binary.clone(),
        socket: socket.to_owned(),
        env: config.compose_env.clone(),
        limit: config.change_timeout,
        side_by_side: config.parallel_changes,
    }
}

fn settings(config: &Config) -> Settings {
    Settings {
        administrator: config.credentials.user.clone(),
        surroundings: Surroundings {
            owner: config.owner,
            network: config.network.clone(),
            // Until the engine has said what it is.
            engine: EngineKind::Docker,
        },
        allowed: config.allowed.clone(),
        change_timeout: config.change_timeout,
        pull_timeout: config.pull_timeout,
        pull_idle_timeout: config.pull_idle_timeout,
        max_transfers: config.max_transfers,
        body: BodyDeadlines { piece: config.body_idle_timeout, whole: config.body_timeout },
    }
}

/// The paths of this host that no client is to see.
fn redactor(config: &Config, socket: &Path, compose: &Compose) -> Redactor {
    let paths = [config.data_dir.as_path(), socket, compose.program()];
    let mut paths: Vec<String> = paths.into_iter().map(|path| path.display().to_string()).collect();
    paths.extend(ENGINES_PATHS.map(str::to_owned));
    Redactor::new(paths)
}

/// Ends what the builds of a daemon that was killed left behind.
async fn end_leftover_builders(staging: &Path) {
    let staging = staging.to_owned();
    let killed = tokio::task::spawn_blocking(move || leftover::kill_builders(&staging)).await;
    if let Ok(count) = killed
        && count > 0
    {
        tracing::warn!(count, "processes of builds of an earlier run were ended");
    }
}

/// Says in the audit log what an earlier daemon did not live to say, and that this one starts.
async fn begin(audit: &Arc<Audit>) {
    let audit = Arc::clone(audit);
    let version = [("version".to_owned(), env!("CARGO_PKG_VERSION").into())].into_iter().collect();
    let begun = tokio::task::spawn_blocking(move || audit.begin(version)).await;
    if let Ok(count) = begun
        && count > 0
    {
        tracing::warn!(
            count,
            "changes of an earlier run have no outcome: the audit log calls them interrupted"
        );
    }
}

/// Ends what the terminals of a daemon that was killed left behind.
async fn sweep_terminals(service: &Arc<Service>) {
    let service = Arc::clone(service);
    let swept =
        tokio::task::spawn_blocking(move || terminal::sweep(|cuid| service.resolve(cuid).is_ok())).await;
    if let Ok(count) = swept
        && count > 0
    {
        tracing::warn!(count, "processes of terminals of an earlier run were ended");
    }
}

/// Gives the engine a moment, so that the first answer is already true; a daemon serves without it too.
async fn wait_for_engine(live: &Live) {
    let mut health = live.health_changes();
    let is_up = health.wait_for(|health| matches!(health, EngineHealth::Up(_)));
    let patience = async {
        tokio::time::sleep(ENGINE_PATIENCE).await;
        let _ = tokio::time::timeout(SLOW_ENGINE_PATIENCE, live.tried()).await;
    };
    let is_up = tokio::select! {
        biased;
        is_up = is_up => is_up.is_ok(),
        () = patience => matches!(live.health(), EngineHealth::Up(_)),
    };
    if !is_up {
        tracing::warn!("the engine does not answer yet: the daemon serves what it knows and goes on trying");
    }
}

fn bind(
    config: &Config,
    service: Arc<service::Service>,
    audit: Arc<Audit>,
    tls: Option<&Arc<Tls>>,
) -> Result<Listener, StartError> {
    let state = http::State {
        service,
        audit,
        metrics: Metrics::new().map_err(StartError::Metrics)?,
        authenticator: Authenticator::new(&config.credentials),
        origins: OriginRules {
            allowed: config.allowed_origins.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
        },
        development: config.development,
        json_max_bytes: config.json_max_bytes,
        json_deadline: config.body_idle_timeout,
        upload_deadlines: BodyDeadlines { piece: config.body_idle_timeout, whole: config.body_timeout },
        upload_max_bytes: config.transfers.body,
        image_max_bytes: config.image_max_bytes,
        document: http::docs::Document::default(),
        rendered: http::Rendered::default(),
    };
    let settings = ServerSettings {
        host: config.host,
        port: config.port,
        max_connections: config.max_connections,
        hold: HoldLimits { idle: config.idle_timeout, answer: config.answer_idle_timeout },
        tls: tls.map(Tls::server_config).transpose()?,
    };
    let shown = format!("{}:{}", config.host, config.port);
    http::listen(state, settings).map_err(|error| StartError::Bind(shown, error))
}

fn warn_of_plain_http(config: &Config) {
    if config.tls.is_none() && !config.host.is_loopback() {
        tracing::warn!(
            "passwords cross the network in the clear: set APP_TLS_CERT and APP_TLS_KEY, or put a reverse proxy \
             with TLS in front, see README"
        );
    }
}
