//! TLS: the certificate of `APP_TLS_CERT` with the key of `APP_TLS_KEY`, exchanged while connections go on.
#![expect(clippy::disallowed_methods, reason = "the room of the certificate and its key")]

mod pair;
mod validity;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

/// The variable that names the certificate.
const CERTIFICATE: &str = "APP_TLS_CERT";
/// The variable that names the key.
const KEY: &str = "APP_TLS_KEY";
/// How many sessions are remembered, so that a client that comes again need not be shown the certificate.
const SESSIONS: usize = 1024;

/// Where the certificate and its key stand.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and what leads from it to the authority's own, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// Why a certificate or its key cannot be used. Nothing of what stands in the files is part of it.
#[derive(Debug, thiserror::Error)]
#[error("{name} {problem}")]
pub struct TlsError {
    name: &'static str,
    problem: String,
}

impl TlsError {
    fn new(name: &'static str, problem: impl Into<String>) -> Self {
        Self { name, problem: problem.into() }
    }
}

/// What is shown to clients, and can be exchanged at any time.
pub struct Tls {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Shown>,
}

/// A certificate with its key, and the sessions that began with it. Those go with it: who comes back after an
/// exchange is shown the new one.
#[derive(Clone)]
struct Shown {
    pair: Arc<CertifiedKey>,
    sessions: Arc<ServerSessionMemoryCache>,
}

impl Tls {
    /// Reads both files.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let current = RwLock::new(Shown::read(&files, &provider)?);
        Ok(Self { files, provider, current })
    }

    /// Reads both files again. When they cannot be used, everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = Shown::read(&self.files, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// How a server speaks TLS with what is current at each handshake.
    pub fn server_config(self: &Arc<Self>) -> Result<rustls::ServerConfig, TlsError> {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| TlsError::new(CERTIFICATE, format!("cannot be used: {error}")))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::<Self>::clone(self));
        config.session_storage = Arc::<Self>::clone(self);
        Ok(config)
    }

    fn current(&self) -> Shown {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shown {
    fn read(files: &TlsFiles, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let pair = pair::read(files, provider)?;
        validity::tell(&pair, provider);
        Ok(Self { pair: Arc::new(pair), sessions: ServerSessionMemoryCache::new(SESSIONS) })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().pair)
    }
}

impl StoresServerSessions for Tls {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.current().sessions.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.current().sessions.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.current().sessions.take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}
