//! Reads a certificate and its key, and sees that they belong together.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::{CERTIFICATE, KEY, TlsError, TlsFiles};

/// The longest file that is read: chains have a few kilobytes.
const LONGEST: u64 = 1024 * 1024;
/// The bits of a file's mode that are about everybody.
const OTHERS: u32 = 0o007;

/// Reads both files as they are now.
pub(super) fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        wrong(KEY, &files.key, "a key of a kind that TLS takes: RSA, ECDSA (P-256, P-384) or Ed25519")
    })?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(Error::InconsistentKeys(_)) => Err(TlsError::new(
            KEY,
            format!(
                "({}) is not the key of the first certificate of {CERTIFICATE} ({}): name the two that were made \
                 together, the host's own certificate before those of its authority",
                files.key.display(),
                files.certificate.display()
            ),
        )),
        Err(error) => Err(TlsError::new(
            CERTIFICATE,
            format!(
                "({}) cannot be used: {error}; it has to begin with an X.509 certificate of version 3",
                files.certificate.display()
            ),
        )),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "certificates in PEM, each from -----BEGIN CERTIFICATE----- to its END line";
    let (_, text) = contents(CERTIFICATE, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    // What the reader of PEM has to say shows lines of the file.
    let chain = found.map_err(|_| wrong(CERTIFICATE, path, WHAT))?;
    if chain.is_empty() { Err(wrong(CERTIFICATE, path, WHAT)) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "a private key in PEM (PKCS#8, PKCS#1 or SEC1)";
    let (file, text) = contents(KEY, path)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound if is_encrypted(&text) => TlsError::new(
            KEY,
            format!(
                "({0}) is locked with a passphrase: unlock it with `openssl pkey -in {0} -out FILE` and name that FILE",
                path.display()
            ),
        ),
        _ => wrong(KEY, path, WHAT),
    })?;
    warn_of_readers(path, &file);
    Ok(key)
}

fn is_encrypted(text: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    text.windows(BEGIN.len()).any(|window| window == BEGIN)
}

fn wrong(name: &'static str, path: &Path, what: &str) -> TlsError {
    TlsError::new(name, format!("({}) has to hold {what}", path.display()))
}

/// All of a file. A pipe or a device in its place would hold the reader for ever.
fn contents(name: &'static str, path: &Path) -> Result<(File, Vec<u8>), TlsError> {
    let read = || {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.len() > LONGEST {
            return Err(io::Error::other("it is not a file of PEM"));
        }
        let mut bytes = Vec::new();
        (&file).take(LONGEST).read_to_end(&mut bytes)?;
        Ok((file, bytes))
    };
    read().map_err(|error| {
        let path = path.display();
        TlsError::new(
            name,
            format!("({path}) cannot be read: {error}; name a file that the daemon's user may read"),
        )
    })
}

/// A key that everybody may read is nobody's secret.
fn warn_of_readers(path: &Path, file: &File) {
    let Ok(found) = file.metadata() else { return };
    if found.mode() & OTHERS != 0 {
        let path = path.display();
        tracing::warn!("{KEY}: every user of this host has access to {path}: chmod o= {path}");
    }
}
