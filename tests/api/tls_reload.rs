//! SIGHUP: the certificate and its key are read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;

use crate::support::tls::{self, Issued};
use crate::support::*;

const DONE: &str = "SIGHUP: new connections get the certificate that was read again";
const FAILED: &str = "SIGHUP: the certificate stays the one that was in use";

/// Sends SIGHUP and waits until one more line says what came of it.
async fn hang_up(daemon: &Daemon, line: &str) {
    let count = || daemon.output().matches(line).count();
    let before = count();
    daemon.signal(Signal::HUP);
    eventually(line, 5.0, || async { (count() > before).then_some(()) }).await;
}

/// The certificate that a new connection is shown, and whose request is answered.
async fn fresh(api: &Api) -> std::io::Result<CertificateDer<'static>> {
    let mut socket = tls::connect(api).await?;
    let head = tls::ask(&mut socket, api, "/healthz").await?;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(tls::shown(&socket))
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_no_connection_fails_over_many_reloads() {
    const RELOADS: usize = 8;
    let authority = Authority::new();
    let daemon = Daemon::builder().tls(&authority).start().await;
    let (first, second) = (authority.issue(), authority.issue());
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (api, stop, asked) = (Api::clone(&daemon), Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    seen.push(
                        fresh(&api).await.unwrap_or_else(|error| panic!("a connection failed: {error}")),
                    );
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for at in 0..RELOADS {
        let pair = if at % 2 == 0 { &first } else { &second };
        pair.write(&daemon.data());
        hang_up(&daemon, DONE).await;
        let so_far = asked.load(Ordering::Relaxed);
        eventually("some are served by it", 10.0, || async {
            (asked.load(Ordering::Relaxed) >= so_far + 8).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen = Vec::new();
    for client in clients {
        seen.extend(client.await.expect("every connection was served"));
    }
    for pair in [&first, &second] {
        assert!(seen.contains(&pair.der), "both were shown, over {} connections", seen.len());
    }
    assert!(seen.len() >= RELOADS * 8, "{} connections", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_goes_on_and_who_comes_back_sees_the_new_one() {
    let authority = Authority::new();
    let daemon = Daemon::builder().tls(&authority).start().await;
    let cuid = daemon.running(json!({})).await;
    let old = fresh(&daemon).await.unwrap();
    assert_eq!(fresh(&daemon).await.unwrap(), old, "it stays without a reload");
    let mut kept = tls::connect(&daemon).await.unwrap();
    let mut terminal = Terminal::open(&daemon, &cuid, "").await;
    terminal.type_in("echo be$((1+1))fore\n").await;
    terminal.until("be2fore", 0).await;
    let new = authority.issue();
    new.write(&daemon.data());
    assert_eq!(fresh(&daemon).await.unwrap(), old, "files alone change nothing");
    hang_up(&daemon, DONE).await;
    // The client still has tickets of the sessions before: they must not bring the old certificate back.
    assert_eq!(fresh(&daemon).await.unwrap(), new.der);
    assert!(tls::ask(&mut kept, &daemon, "/healthz").await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(tls::shown(&kept), old);
    terminal.type_in("echo af$((1+1))ter; exit\n").await;
    terminal.until("af2ter", 0).await;
    assert_eq!(terminal.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_leave_the_old_pair_in_place() {
    let authority = Authority::new();
    let mut daemon = Daemon::builder().tls(&authority).start().await;
    let old = fresh(&daemon).await.unwrap();
    let (one, two) = (authority.issue(), authority.issue());
    let broken = [
        (one.certificate.clone(), two.key.clone(), "APP_TLS_KEY"),
        ("nonsense".to_owned(), one.key.clone(), "APP_TLS_CERT"),
        (one.certificate.clone(), String::new(), "APP_TLS_KEY"),
    ];
    for (certificate, key, name) in broken {
        Issued { certificate, key, der: one.der.clone() }.write(&daemon.data());
        hang_up(&daemon, FAILED).await;
        let said = daemon.output();
        let line = said.lines().rev().find(|line| line.contains(FAILED)).unwrap();
        assert!(line.contains("ERROR") && line.contains(name), "{line}");
        assert_eq!(fresh(&daemon).await.unwrap(), old);
    }
    std::fs::remove_file(daemon.data().join(tls::CERTIFICATE)).unwrap();
    hang_up(&daemon, FAILED).await;
    assert_eq!(fresh(&daemon).await.unwrap(), old);
    two.write(&daemon.data());
    hang_up(&daemon, DONE).await;
    assert_eq!(fresh(&daemon).await.unwrap(), two.der);
    assert_eq!(daemon.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_the_signal_ends_nothing() {
    let mut daemon = Daemon::start().await;
    for _ in 0..2 {
        hang_up(&daemon, "SIGHUP: no certificate to read again").await;
        daemon.get("/healthz").await.expect(200);
    }
    assert_eq!(daemon.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_during_the_start_is_heeded_when_it_serves() {
    let mut daemon = Daemon::builder().tls(&Authority::new()).start_in_background();
    let status = format!("/proc/{}/status", daemon.pid());
    eventually("the daemon waits for SIGHUP", 10.0, || async {
        let status = std::fs::read_to_string(&status).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
        (u64::from_str_radix(&caught, 16).ok()? & 1 != 0).then_some(())
    })
    .await;
    daemon.signal(Signal::HUP);
    daemon.wait_listening(30.0).await;
    eventually("it is heeded", 5.0, || async { daemon.output().contains(DONE).then_some(()) }).await;
    daemon.get("/healthz").await.expect(200);
}
