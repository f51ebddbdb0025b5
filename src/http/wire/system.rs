//! The bodies of `/ping`, `/version` and `/info`, in the words of podman's service.

use serde::Serialize;
use utoipa::ToSchema;

use crate::service::{Info, Versions};

/// A sign of life.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ping)]
pub struct PingBody {
    /// `OK`.
    #[schema(example = "OK")]
    pub message: &'static str,
}

/// The daemon's version, and those of what it stands on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub struct VersionBody {
    /// The daemon's version.
    pub version: &'static str,
    /// The commit that the daemon was built from, where the build was told.
    pub git_commit: Option<&'static str>,
    /// When the daemon was built, in seconds since 1970, where the build was told.
    pub built: Option<i64>,
    /// The daemon's system and architecture, in Go's words.
    #[schema(example = "linux/amd64")]
    pub os_arch: String,
    /// The Go that built the engine: the daemon itself is not made of Go. `null` while the engine is away.
    pub go_version: Option<String>,
    /// The engine; `null` while it does not answer.
    pub engine: Option<EngineVersionBody>,
    /// Docker Compose.
    pub compose: ComposeBody,
}

/// The engine's version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EngineVersion)]
pub struct EngineVersionBody {
    /// Which engine it is.
    #[schema(example = "docker")]
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api_version: String,
    /// The Go that built it.
    pub go_version: String,
    /// The commit it was built from.
    pub git_commit: String,
    /// When it was built, in seconds since 1970, where it says so.
    pub built: Option<i64>,
    /// Its system and architecture.
    pub os_arch: String,
}

/// Docker Compose.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Compose)]
pub struct ComposeBody {
    /// Its version.
    pub version: String,
}

/// The place that the daemon runs at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Info)]
pub struct InfoBody {
    /// The host.
    pub host: HostBody,
    /// The engine.
    pub engine: EngineBody,
    /// Docker Compose.
    pub compose: ComposeBody,
    /// The engine's store.
    pub store: StoreBody,
    /// Registries that the engine speaks to by TLS alone.
    pub registries: Vec<String>,
    /// Registries and networks of such that the engine also speaks to in the clear.
    pub insecure_registries: Vec<String>,
}

/// The host.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Host)]
pub struct HostBody {
    /// Its architecture, in the kernel's words.
    pub arch: String,
    /// Its processors.
    pub cpus: u32,
    /// Its name.
    pub hostname: String,
    /// Its kernel.
    pub kernel: String,
    /// Its system.
    pub os: String,
    /// How long it has been up, for people.
    #[schema(example = "27h 3m 12s")]
    pub uptime: String,
    /// How long it has been up, in seconds.
    pub uptime_s: u64,
    /// Memory that no one uses, in bytes.
    pub mem_free: u64,
    /// All memory, in bytes.
    pub mem_total: u64,
    /// Swap that no one uses, in bytes.
    pub swap_free: u64,
    /// All swap, in bytes.
    pub swap_total: u64,
}

/// The engine.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Engine)]
pub struct EngineBody {
    /// Which engine it is.
    #[schema(example = "docker")]
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api_version: String,
    /// Whether it runs without the rights of root.
    pub rootless: bool,
}

/// The engine's store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Store)]
pub struct StoreBody {
    /// All containers of the engine, whoever made them; to one who is limited, those that it knows of.
    pub containers: u64,
    /// All images of the engine.
    pub images: u64,
    /// The storage driver.
    pub graph_driver_name: String,
    /// Its options; `null`: the engine does not tell.
    pub graph_driver_options: Option<String>,
    /// Its folder on the host.
    pub graph_root: String,
    /// What it says of itself.
    pub graph_status: GraphStatusBody,
    /// Its folder for what lasts until the next boot; `null`: the engine does not tell.
    pub run_root: Option<String>,
}

/// What the storage driver says of itself; `null`: it does not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GraphStatus)]
pub struct GraphStatusBody {
    /// The file system beneath.
    pub backing_filesystem: Option<String>,
    /// Whether differences are made by the kernel.
    pub native_overlay_diff: Option<String>,
    /// Whether the file system beneath tells the kinds of entries.
    pub supports_d_type: Option<String>,
}

impl From<Versions> for VersionBody {
    fn from(versions: Versions) -> Self {
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            git_commit: option_env!("WHARFINGER_GIT_COMMIT"),
            built: option_env!("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse().ok()),
            os_arch: format!("{}/{arch}", std::env::consts::OS),
            go_version: versions.engine.as_ref().map(|engine| engine.go_version.clone()),
            engine: versions.engine.map(|engine| EngineVersionBody {
                name: versions.kind.as_str(),
                built: seconds(&engine.build_time),
                os_arch: format!("{}/{}", engine.os, engine.arch),
                version: engine.version,
                api_version: engine.api_version,
                go_version: engine.go_version,
                git_commit: engine.git_commit,
            }),
            compose: ComposeBody { version: versions.compose },
        }
    }
}

impl From<Info> for InfoBody {
    fn from(info: Info) -> Self {
        let Info { kind, engine, told, host, compose } = info;
        let config = told.registry_config.unwrap_or_default();
        let (secure, insecure): (Vec<_>, Vec<_>) =
            config.index_configs.unwrap_or_default().into_iter().partition(|(_, registry)| registry.secure);
        let names = |list: Vec<(String, _)>| list.into_iter().map(|(name, _)| name);
        let status = told.driver_status.unwrap_or_default();
        let says =
            |wanted: &str| status.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let rootless = told.security_options.iter().flatten().any(|option| option == "name=rootless");
        Self {
            host: HostBody {
                arch: told.architecture,
                cpus: told.cpus,
                hostname: told.name,
                kernel: told.kernel_version,
                os: told.os_type,
                uptime: age(host.uptime.as_secs()),
                uptime_s: host.uptime.as_secs(),
                mem_free: host.mem_free,
                mem_total: host.mem_total,
                swap_free: host.swap_free,
                swap_total: host.swap_total,
            },
            engine: EngineBody {
                name: kind.as_str(),
                version: engine.version,
                api_version: engine.api_version,
                rootless,
            },
            compose: ComposeBody { version: compose },
            store: StoreBody {
                containers: told.containers,
                images: told.images,
                graph_driver_name: told.driver,
                graph_driver_options: None,
                graph_root: told.docker_root_dir,
                graph_status: GraphStatusBody {
                    backing_filesystem: says("Backing Filesystem"),
                    native_overlay_diff: says("Native Overlay Diff"),
                    supports_d_type: says("Supports d_type"),
                },
                run_root: None,
            },
            registries: names(secure).collect(),
            insecure_registries: names(insecure)
                .chain(config.insecure_networks.unwrap_or_default())
                .collect(),
        }
    }
}

/// A time of the engine in seconds since 1970: RFC 3339, or as C's `asctime` writes it.
fn seconds(time: &str) -> Option<i64> {
    let by_rfc = time.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    let by_c = || {
        let time = jiff::civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", time).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
    };
    by_rfc.ok().or_else(by_c)
}

fn age(seconds: u64) -> String {
    format!("{}h {}m {}s", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::{age, seconds};

    #[test]
    fn times_of_the_engine_are_read_in_both_ways_that_it_writes_them() {
        assert_eq!(seconds("2026-05-07T21:09:36.000000000+00:00"), Some(1_778_188_176));
        assert_eq!(seconds("Thu May  7 21:09:36 2026"), Some(1_778_188_176));
        assert_eq!(seconds(""), None);
        assert_eq!(age(100_000), "27h 46m 40s");
    }
}
