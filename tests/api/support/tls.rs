//! Certificates, and clients that trust them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SerialNumber, SigningKey,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Api;

/// Where a daemon's certificate and its key lie in its data folder.
pub const CERTIFICATE: &str = "tls.crt";
pub const KEY: &str = "tls.key";
/// All that clients speak.
pub const ALL: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// An authority of a test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Issued {
    pub certificate: String,
    pub key: String,
    pub der: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, super::unique("authority"));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the loopback address.
    pub fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let pem = key.serialize_pem();
        self.issue_for(&key, pem, |_| ())
    }

    pub fn issue_for(
        &self,
        key: &impl SigningKey,
        pem: String,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&uuid::Uuid::new_v4().as_bytes()[..8]));
        change(&mut params);
        let made = params.signed_by(key, &self.0).unwrap();
        Issued { certificate: made.pem(), key: pem, der: made.der().clone() }
    }

    /// How a client speaks these versions that trusts this authority alone.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        client(roots, versions)
    }
}

impl Issued {
    /// Puts both files in place.
    pub fn write(&self, folder: &Path) {
        std::fs::write(folder.join(CERTIFICATE), &self.certificate).unwrap();
        let key = folder.join(KEY);
        std::fs::write(&key, &self.key).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// For clients of plain HTTP.
pub fn trusting_nobody() -> Arc<ClientConfig> {
    client(RootCertStore::empty(), ALL)
}

fn client(roots: RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A connection with TLS on it that nothing else uses.
pub async fn connect(api: &Api) -> std::io::Result<TlsStream<TcpStream>> {
    let address = api.base.strip_prefix("https://").expect("it speaks TLS");
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::clone(&api.tls)).connect(name, socket).await
}

/// One request on it, as far as the head of the answer.
pub async fn ask(socket: &mut TlsStream<TcpStream>, api: &Api, path: &str) -> std::io::Result<String> {
    let login = api.authorization().unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The certificate that the other side showed.
pub fn shown(socket: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    socket.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}
