//! SIGTERM and SIGINT.

use rustix::process::Signal;

use crate::support::engine::inspect;
use crate::support::raw::known;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_end_it_well_and_containers_run_on() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::start().await;
        let cuid = daemon.running(json!({})).await;
        let begin = Instant::now();
        daemon.signal(signal);
        assert_eq!(daemon.wait_end(10.0).await, Some(0));
        assert!(begin.elapsed() < Duration::from_secs(9), "an idle daemon took {:?}", begin.elapsed());
        assert_eq!(inspect(&cuid).await["State"]["Running"], true);
        daemon.audit();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_flight_finishes_and_new_work_is_refused() {
    let compose = Compose::new();
    let mut daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    // Longer than answers that are on their way have without it.
    compose.slow(3.5);
    let flight = tokio::spawn(daemon.request("POST", &format!("/containers/{cuid}/start")).send());
    compose.is_in_it().await;
    daemon.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(500)).await;
    daemon.post(&format!("/containers/{cuid}/stop")).await.refused("service_unavailable", "SHUTTING_DOWN");
    let answer = flight.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200, "the change in flight is answered");
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "running");
    assert_eq!(daemon.wait_end(10.0).await, Some(0));
    assert_eq!(inspect(&cuid).await["State"]["Running"], true);
    assert!(daemon.audit().iter().any(|l| l["action"] == "container.start" && l["status"] == 200), "audited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_flight_whose_client_is_gone_finishes_too() {
    let compose = Compose::new();
    let mut daemon = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin()).start().await;
    let cuid = daemon.idle(json!({})).await;
    compose.slow(3.5);
    let mut client = Raw::to(&daemon).await;
    client.send(format!("POST /containers/{cuid}/start HTTP/1.1\r\n{}\r\n", known(&daemon))).await;
    compose.is_in_it().await;
    // By a reset: a client that only says that it sends no more is still answered, and waited for.
    rustix::net::sockopt::set_socket_linger(&client.socket, Some(Duration::ZERO)).unwrap();
    drop(client);
    // The server has to have seen it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait_end(10.0).await, Some(0));
    assert_eq!(inspect(&cuid).await["State"]["Running"], true);
    let is_outcome = |line: &&Value| line["action"] == "container.start" && line["phase"] == "outcome";
    let lines = daemon.audit();
    let outcome = lines.iter().find(is_outcome).expect("an outcome");
    assert_eq!(outcome["status"], 200, "{outcome}");
    assert!(outcome["duration_ms"].as_u64() > Some(3000), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_are_closed_with_1001_and_leave_nothing_behind() {
    let mut daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let mut shell = Terminal::open(&daemon, &cuid, "").await;
    shell.type_in("echo on; sleep 88881\n").await;
    shell.until("on\n", 0).await;
    let mut tty = Terminal::open(&daemon, &cuid, "cols=80&rows=24").await;
    let mut listener = Terminal::open(&daemon, &cuid, "mode=attach").await;
    daemon.signal(Signal::TERM);
    for t in [&mut shell, &mut tty, &mut listener] {
        t.end().await;
        assert_eq!(t.close_code, Some(1001));
    }
    assert_eq!(daemon.wait_end(10.0).await, Some(0));
    assert!(!docker(&["top", &cuid]).await.contains("88881"), "a process of a session is left");
    let closes = daemon.audit().iter().filter(|l| l["action"] == "terminal.close").count();
    assert_eq!(closes, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_or_an_idle_connection_does_not_hold_it() {
    let mut daemon = Daemon::start().await;
    let _idle = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    daemon.get("/healthz").await.expect(200);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait_end(10.0).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_outlasts_the_daemon_is_finished_without_it() {
    let mut daemon = Daemon::start().await;
    let cuid = daemon.running(json!({"command": STUBBORN})).await;
    let sent = tokio::spawn(daemon.request("POST", &format!("/containers/{cuid}/stop?timeout=30")).send());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(inspect(&cuid).await["State"]["Running"], true, "the stop is under way");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait_end(11.0).await, Some(0));
    drop(sent.await);
    assert_eq!(inspect(&cuid).await["State"]["Running"], true, "it was given its 30 s");
    eventually("it is stopped in the end", 45.0, || async {
        (inspect(&cuid).await["State"]["Running"] == false).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_right_at_the_start_is_a_good_end_too() {
    for _ in 0..4 {
        let mut daemon = Daemon::builder().start_in_background();
        let status = format!("/proc/{}/status", daemon.pid());
        eventually("the daemon waits for SIGTERM", 10.0, || async {
            let status = std::fs::read_to_string(&status).ok()?;
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
            (u64::from_str_radix(&caught, 16).ok()? & (1 << 14) != 0).then_some(())
        })
        .await;
        assert!(!daemon.output().contains("listening"), "it waits for it before it serves");
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait_end(10.0).await, Some(0));
    }
}
