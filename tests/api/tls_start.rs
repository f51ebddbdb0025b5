//! TLS at the daemon's start: what it refuses, and what it says of the certificate and its key.

use std::os::unix::fs::PermissionsExt;

use crate::support::tls::{self, Issued};
use crate::support::*;

/// A start that is refused, and says why without a word of the key.
async fn refused(builder: &daemon::Builder, name: &str, says: &str) {
    let key = std::fs::read_to_string(builder.data().join(tls::KEY)).unwrap_or_default();
    let begun = Instant::now();
    let ended = builder.refuses().await;
    assert!(begun.elapsed() < wait::patience(5.0), "{name} {says}: {:?}", begun.elapsed());
    let said = ended.output.trim_end();
    assert!(said.starts_with(&format!("wharfinger: cannot start: {name} ")), "{name} {says}: {said}");
    assert!(said.contains(says), "{name} {says}: {said}");
    for line in key.lines().filter(|line| line.len() > 8 && !line.starts_with("-----")) {
        assert!(!said.contains(line), "it shows the key: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_variables_is_refused_and_the_other_is_named() {
    let builder = Daemon::builder().tls(&Authority::new());
    refused(&builder.clone().without("APP_TLS_KEY"), "APP_TLS_KEY", "APP_TLS_CERT").await;
    refused(&builder.clone().without("APP_TLS_CERT"), "APP_TLS_CERT", "APP_TLS_KEY").await;
    refused(&builder.env("APP_TLS_CERT", ""), "APP_TLS_CERT", "not set").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_refused_by_the_variables_name() {
    let builder = Daemon::builder().tls(&Authority::new());
    let data = builder.data();
    let pipe = data.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for name in ["APP_TLS_CERT", "APP_TLS_KEY"] {
        let with = |path: &str| builder.clone().env(name, path);
        refused(&with("/no/such/file.pem"), name, "/no/such/file.pem").await;
        refused(&with(data.to_str().unwrap()), name, "cannot be read").await;
        refused(&with(pipe.to_str().unwrap()), name, "cannot be read").await;
        refused(&with("/dev/zero"), name, "cannot be read").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_hold_something_else_are_refused_by_the_variables_name() {
    let authority = Authority::new();
    let builder = Daemon::builder().tls(&authority);
    let (mine, other) = (authority.issue(), authority.issue());
    let body: String = mine.key.lines().filter(|line| !line.starts_with("-----")).collect();
    let encrypted = mine.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let chain = format!("{}{}", authority.pem(), mine.certificate);
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
    for (certificate, key, name, says) in [
        (&mine.certificate, &other.key, "APP_TLS_KEY", "is not the key of the first certificate"),
        (&chain, &mine.key, "APP_TLS_KEY", "is not the key of the first certificate"),
        (&mine.key, &mine.key, "APP_TLS_CERT", "certificates in PEM"),
        (&mine.certificate, &mine.certificate, "APP_TLS_KEY", "a private key in PEM"),
        (&String::new(), &mine.key, "APP_TLS_CERT", "certificates in PEM"),
        (&mine.certificate, &String::new(), "APP_TLS_KEY", "a private key in PEM"),
        (&"nonsense".to_owned(), &mine.key, "APP_TLS_CERT", "certificates in PEM"),
        (&mine.certificate, &body, "APP_TLS_KEY", "a private key in PEM"),
        (&mine.certificate, &mine.key.replace("-----END", "-----"), "APP_TLS_KEY", "a private key in PEM"),
        (&mine.certificate, &encrypted, "APP_TLS_KEY", "openssl pkey"),
        (&pem("CERTIFICATE"), &mine.key, "APP_TLS_CERT", "X.509"),
        (&mine.certificate, &pem("PRIVATE KEY"), "APP_TLS_KEY", "RSA, ECDSA"),
        (&mine.certificate.replace("-----END", "-----"), &mine.key, "APP_TLS_CERT", "certificates in PEM"),
    ] {
        let pair = Issued { certificate: certificate.clone(), key: key.clone(), der: mine.der.clone() };
        pair.write(&builder.data());
        refused(&builder, name, says).await;
    }
    mine.write(&builder.data());
    builder.start().await.get("/healthz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_everybody_may_read_is_warned_of() {
    let builder = Daemon::builder().tls(&Authority::new());
    let key = builder.data().join(tls::KEY);
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let daemon = builder.clone().start().await;
        let said = daemon.output();
        let warning = said.lines().find(|line| line.contains("WARN") && line.contains("APP_TLS_KEY"));
        assert_eq!(warning.is_some_and(|line| line.contains("chmod")), warned, "{mode:o}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn until_when_the_certificate_is_good_is_said_and_its_end_is_warned_of() {
    let authority = Authority::new();
    let builder = Daemon::builder().tls(&authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let (past, now, future) = ((2001, 2020), (2001, 2077), (2066, 2077));
    for ((from, until), level, says) in [
        (past, "WARN", "expired at 2020-01-02T00:00:00Z"),
        (now, "INFO", "good until 2077-01-02T00:00:00Z"),
        (future, "WARN", "good from 2066-01-02T00:00:00Z on"),
    ] {
        let pair = authority.issue_for(&key, key.serialize_pem(), |params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 2);
            params.not_after = rcgen::date_time_ymd(until, 1, 2);
        });
        pair.write(&builder.data());
        let daemon = builder.clone().start().await;
        let said = daemon.output();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("APP_TLS_CERT")).collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].contains(level) && lines[0].contains(says), "{}", lines[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_an_address_that_others_reach_is_warned_of() {
    for (host, tls, warned) in
        [("0.0.0.0", false, true), ("127.0.0.1", false, false), ("0.0.0.0", true, false)]
    {
        let builder = Daemon::builder().env("APP_HOST", host);
        let builder = if tls { builder.tls(&Authority::new()) } else { builder };
        let daemon = builder.start_in_background();
        let scheme = if tls { "https" } else { "http" };
        eventually("it listens", 30.0, || async {
            daemon.output().contains(&format!("listening on {scheme}://{host}:")).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let said = daemon.output();
        let warning = said.lines().find(|line| line.contains("in the clear"));
        assert_eq!(warning.is_some(), warned, "{host}: {said}");
        if let Some(line) = warning {
            assert!(line.contains("APP_TLS_CERT") && line.contains("APP_TLS_KEY"), "{line}");
        }
    }
}
