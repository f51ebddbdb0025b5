//! `PATCH /containers/{id}/ports`, and ports at create and at start.

use std::net::TcpListener;

use crate::support::engine::{inspect, is_podman};
use crate::support::*;

/// Whether something answers on this port of the host.
async fn serves(port: u64) -> bool {
    let Ok(answer) = api::client().build().unwrap().get(format!("http://127.0.0.1:{port}/")).send().await
    else {
        return false;
    };
    answer.text().await.is_ok_and(|text| text.contains("served"))
}

const SERVER: &str =
    "trap 'exit 0' TERM; mkdir -p /tmp/w; echo served > /tmp/w/index.html; httpd -f -p 8000 -h /tmp/w & wait";

async fn server(api: &Api, host: u16) -> String {
    let cuid = api.running(json!({"command": SERVER, "ports": [{"host": host, "container": 8000}]})).await;
    eventually("it serves", 10.0, || async { serves(host.into()).await.then_some(()) }).await;
    cuid
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_replaces_the_old_one() {
    let api = shared().await;
    let (one, two, udp) = (free_port(), free_port(), free_port());
    let cuid = server(&api, one).await;
    let body = json!({"ports": [{"host": two, "container": 8000, "protocol": "tcp"}, {"host": udp, "container": 9000, "protocol": "udp"}]});
    let got = api.patch(&format!("/containers/{cuid}/ports"), &body).await.expect(200);
    assert_eq!(got["status"], "running");
    let ports = got["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 2, "{got}");
    assert!(
        ports.iter().any(|p| p["host"] == two && p["container"] == 8000 && p["protocol"] == "tcp"),
        "{got}"
    );
    assert!(
        ports.iter().any(|p| p["host"] == udp && p["container"] == 9000 && p["protocol"] == "udp"),
        "{got}"
    );
    eventually("the new port serves", 10.0, || async { serves(two.into()).await.then_some(()) }).await;
    assert!(!serves(one.into()).await, "the old port is gone");
    let none = api.patch(&format!("/containers/{cuid}/ports"), &json!({"ports": []})).await.expect(200);
    assert_eq!(none["ports"], json!([]));
    assert!(!serves(two.into()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_host_port_the_engine_picks_and_the_answer_shows_which() {
    let api = shared().await;
    for port in [json!({"container": 8000}), json!({"container": 8000, "host": 0})] {
        let cuid = api.running(json!({"command": SERVER, "ports": [port]})).await;
        let shown = api.container(&cuid).await["ports"][0]["host"].as_u64().unwrap();
        let engine = inspect(&cuid).await["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"].clone();
        assert_eq!(engine, shown.to_string());
        eventually("it serves", 10.0, || async { serves(shown).await.then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ports_are_refused_before_anything_is_touched() {
    let api = shared().await;
    let port = free_port();
    let cuid = server(&api, port).await;
    let (file, id) = (api.compose_text(&cuid), inspect(&cuid).await["Id"].clone());
    let path = format!("/containers/{cuid}/ports");
    for (list, code) in [
        (json!([{"host": 1, "container": 0}]), "INVALID_PORT"),
        (json!([{"host": 65536, "container": 80}]), "INVALID_PORT"),
        (json!([{"host": -1, "container": 80}]), "INVALID_PORT"),
        (json!([{"host": 80, "container": 80, "protocol": "icmp"}]), "INVALID_PORT"),
        (json!([{"host": 80, "container": 80, "protocol": ""}]), "INVALID_PORT"),
        (json!([{"host": 5000, "container": 80}, {"host": 5000, "container": 81}]), "DUPLICATE_PORT"),
        (json!([{"host": 5000}]), ""),
        (json!([{"host": 5000, "container": 80, "colour": 1}]), "UNKNOWN_FIELD"),
        (json!("80:80"), "INVALID_TYPE"),
    ] {
        api.patch(&path, &json!({"ports": list})).await.refused("validation_error", code);
    }
    api.patch(&path, &json!({})).await.refused("validation_error", "");
    api.patch(&path, &json!({"ports": [], "image": "x"})).await.refused("validation_error", "UNKNOWN_FIELD");
    assert_eq!(api.compose_text(&cuid), file);
    assert_eq!(inspect(&cuid).await["Id"], id);
    assert!(serves(port.into()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_for_tcp_and_udp_is_no_duplicate() {
    let api = shared().await;
    let cuid = api.idle(json!({})).await;
    let port = free_port();
    let list = json!([{"host": port, "container": 53, "protocol": "tcp"}, {"host": port, "container": 53, "protocol": "udp"}]);
    assert_eq!(
        api.patch(&format!("/containers/{cuid}/ports"), &json!({"ports": list})).await.expect(200)["ports"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let got = api
        .patch(
            &format!("/containers/{cuid}/ports"),
            &json!({"ports": [{"host": port, "container": 1, "protocol": "sctp"}]}),
        )
        .await;
    if is_podman().await {
        // It opens none for Compose, whatever the kernel.
        assert_eq!(got.refused("not_supported", "NOT_SUPPORTED")["details"]["feature"], "sctp");
    } else {
        assert_eq!(got.expect(200)["ports"][0]["protocol"], "sctp");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_another_container_holds_is_a_conflict_and_the_old_ports_still_serve() {
    let api = shared().await;
    let (mine, taken) = (free_port(), free_port());
    let holder = server(&api, taken).await;
    let cuid = server(&api, mine).await;
    let file = api.compose_text(&cuid);
    let body = json!({"ports": [{"host": taken, "container": 8000}]});
    let error =
        api.patch(&format!("/containers/{cuid}/ports"), &body).await.refused("conflict", "PORT_IN_USE");
    assert_eq!(error["details"]["host"], taken, "{error}");
    assert_eq!(error["details"]["protocol"], "tcp", "{error}");
    assert_eq!(error["details"]["held_by"], holder, "{error}");
    eventually("the old port serves", 5.0, || async { serves(mine.into()).await.then_some(()) }).await;
    assert_eq!(api.compose_text(&cuid), file);
    assert_eq!(api.container(&cuid).await["ports"][0]["host"], mine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_the_host_holds_is_a_conflict_and_the_old_ports_still_serve() {
    let api = shared().await;
    let mine = free_port();
    let cuid = server(&api, mine).await;
    let held = TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = held.local_addr().unwrap().port();
    let body = json!({"ports": [{"host": taken, "container": 8000}]});
    let error =
        api.patch(&format!("/containers/{cuid}/ports"), &body).await.refused("conflict", "PORT_IN_USE");
    assert_eq!(error["details"]["held_by"], "host", "{error}");
    assert_eq!(error["details"]["host"], taken, "{error}");
    eventually("the old port serves", 5.0, || async { serves(mine.into()).await.then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_no_error_at_create_but_at_start() {
    let api = shared().await;
    let held = TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = held.local_addr().unwrap().port();
    let cuid = api.idle(json!({"ports": [{"host": taken, "container": 8000}]})).await;
    let error = api.post(&format!("/containers/{cuid}/start")).await.refused("conflict", "PORT_IN_USE");
    assert_eq!(error["details"]["held_by"], "host", "{error}");
    assert_ne!(api.status(&cuid).await, "running");
    drop(held);
    assert_eq!(api.act(&cuid, "start").await["status"], "running", "with the port free it starts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_may_change_what_it_maps_its_own_port_to() {
    let api = shared().await;
    let port = free_port();
    let cuid = server(&api, port).await;
    let body = json!({"ports": [{"host": port, "container": 8000, "host_ip": "127.0.0.1"}]});
    let got = api.patch(&format!("/containers/{cuid}/ports"), &body).await.expect(200);
    assert_eq!(got["ports"][0]["host_ip"], "127.0.0.1");
    eventually("it serves", 10.0, || async { serves(port.into()).await.then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_host_is_a_400_at_start() {
    let api = shared().await;
    let cuid =
        api.idle(json!({"ports": [{"container": 80, "host": free_port(), "host_ip": "192.0.2.77"}]})).await;
    api.post(&format!("/containers/{cuid}/start")).await.refused("validation_error", "INVALID_PORT");
    api.patch(&format!("/containers/{cuid}/ports"), &json!({"ports": []})).await.expect(200);
    api.act(&cuid, "start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_of_the_container_on_two_of_the_host_shows_both_as_they_are() {
    let api = shared().await;
    let fixed = free_port();
    let list = json!([{"host": 0, "container": 80}, {"host": fixed, "container": 80}]);
    let cuid = api.running(json!({"ports": list})).await;
    let got = api.container(&cuid).await;
    let list = got["ports"].as_array().unwrap();
    let mut shown: Vec<u64> = list.iter().map(|port| port["host"].as_u64().unwrap_or(0)).collect();
    let engine = inspect(&cuid).await["NetworkSettings"]["Ports"]["80/tcp"].clone();
    let port = |binding: &Value| binding["HostPort"].as_str().unwrap().parse::<u64>().unwrap();
    // The engine may give its own choice of a port another number for IPv6; what is shown is IPv4's.
    let is_ipv4 = |binding: &&Value| !binding["HostIp"].as_str().unwrap().contains(':');
    let mut real: Vec<u64> = engine.as_array().unwrap().iter().filter(is_ipv4).map(port).collect();
    shown.sort_unstable();
    real.sort_unstable();
    real.dedup();
    assert_eq!(shown, real, "{got}");
    assert_eq!(shown.len(), 2);
    assert!(shown.contains(&fixed.into()), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_starts_at_once_on_one_port_one_wins_and_the_other_is_told_who() {
    let api = shared().await;
    for _ in 0..3 {
        let ports = json!({"ports": [{"host": free_port(), "container": 8000}]});
        let (a, b) = (api.idle(ports.clone()).await, api.idle(ports).await);
        let (path_a, path_b) = (format!("/containers/{a}/start"), format!("/containers/{b}/start"));
        let answers = futures_util::future::join(api.post(&path_a), api.post(&path_b)).await;
        let (winner, won, lost) =
            if answers.0.status == 200 { (&a, answers.0, answers.1) } else { (&b, answers.1, answers.0) };
        won.expect(200);
        let error = lost.refused("conflict", "PORT_IN_USE");
        assert_eq!(error["details"]["held_by"], **winner, "{error}");
        assert_eq!(api.status(winner).await, "running");
        api.post(&format!("/containers/{winner}/stop?timeout=0")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sctp_on_a_kernel_without_it_is_not_supported_and_the_old_ports_stay() {
    let api = shared().await;
    let port = free_port();
    let cuid = server(&api, port).await;
    let body = json!({"ports": [{"host": free_port(), "container": 8000, "protocol": "sctp"}]});
    let answer = api.patch(&format!("/containers/{cuid}/ports"), &body).await;
    let sctp = rustix::net::ipproto::SCTP;
    let (family, kind) = (rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM);
    if rustix::net::socket(family, kind, Some(sctp)).is_ok() {
        assert_eq!(answer.expect(200)["ports"][0]["protocol"], "sctp");
        return;
    }
    assert_eq!(answer.refused("not_supported", "NOT_SUPPORTED")["details"]["feature"], "sctp");
    assert_eq!(api.container(&cuid).await["ports"][0]["protocol"], "tcp");
    eventually("the old port serves again", 10.0, || async { serves(port.into()).await.then_some(()) }).await;
}
