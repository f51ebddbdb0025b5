//! From when until when a certificate is good.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};

use super::CERTIFICATE;

/// Long after the last time that a certificate can name.
const FAR: Duration = Duration::from_secs(1 << 40);

/// Says until when the certificate is good, and warns when it is not: clients will refuse it.
pub(super) fn tell(pair: &CertifiedKey, provider: &Arc<CryptoProvider>) {
    let now = UnixTime::now();
    let begin = match judged(pair, provider, UnixTime::since_unix_epoch(Duration::ZERO)) {
        Some(CertificateError::NotValidYetContext { not_before, .. }) => Some(not_before),
        _ => None,
    };
    let end = match judged(pair, provider, UnixTime::since_unix_epoch(FAR)) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => Some(not_after),
        _ => None,
    };
    if let Some(end) = end.filter(|end| *end < now) {
        tracing::warn!("{CERTIFICATE}: the certificate expired at {}: clients will refuse it", shown(end));
    } else if let Some(begin) = begin.filter(|begin| *begin > now) {
        tracing::warn!(
            "{CERTIFICATE}: the certificate is good from {} on: clients will refuse it",
            shown(begin)
        );
    } else if let Some(end) = end {
        tracing::info!("{CERTIFICATE}: the certificate is good until {}", shown(end));
    }
}

/// What a client would say of the certificate at some time. The times are looked at before the authority is,
/// so any authority will do: the certificate stands in for it.
fn judged(pair: &CertifiedKey, provider: &Arc<CryptoProvider>, at: UnixTime) -> Option<CertificateError> {
    let certificate = pair.end_entity_cert().ok()?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).ok()?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok()?;
    let host = ServerName::try_from("localhost").ok()?;
    match verifier.verify_server_cert(certificate, &[], &host, &[], at) {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}

fn shown(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .map_or_else(|_| format!("{seconds} s after 1970"), |time| time.to_string())
}
