//! Tickets: one terminal each, for clients that cannot send a header.

use crate::support::*;

async fn ticket(api: &Api, id: &str) -> String {
    let answer = api.post_json("/ws-tickets", &json!({"id": id})).await;
    let made = answer.expect(201);
    assert_eq!(made["expires_in"], 30);
    assert!(answer.header("location").unwrap().starts_with("/ws/c"), "{answer:?}");
    made["ticket"].as_str().unwrap().to_owned()
}

async fn refused(api: &Api, id: &str, ticket: &str) {
    let answer = api.upgrade(&format!("/ws/{id}?ticket={ticket}"), &[]).await;
    answer.refused("auth_error", "UNAUTHORIZED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_terminal_of_its_container_without_any_header() {
    let daemon = Daemon::start().await;
    let name = unique("box");
    let cuid = daemon.running(json!({"name": name})).await;
    let token = daemon.make_token(json!({"name": "browser", "permissions": ["docker:execute"]})).await;
    let nobody = daemon.with_login(None);
    let mut tickets = Vec::new();
    for (named, opened) in [(&cuid, &cuid), (&name, &name), (&cuid, &name), (&name, &cuid)] {
        let ticket = ticket(&token.api, named).await;
        let mut terminal =
            Terminal::open(&nobody, opened, &format!("tty=true&ticket={ticket}&cols=90")).await;
        terminal.type_in("echo seen-$((6*7)); exit 3\n").await;
        assert_eq!(terminal.end().await, Some(3));
        refused(&nobody, opened, &ticket).await;
        tickets.push(ticket);
    }
    assert_eq!(tickets.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    let administrators = ticket(&daemon, &cuid).await;
    drop(Terminal::open(&nobody, &cuid, &format!("ticket={administrators}")).await);
    tickets.push(administrators);

    eventually("all lines", 5.0, || async {
        (daemon.audit().iter().filter(|line| line["action"] == "terminal.close").count() == 5).then_some(())
    })
    .await;
    let lines = daemon.audit();
    let of = |action: &str| lines.iter().filter(|line| line["action"] == action).collect::<Vec<_>>();
    let opened: Vec<_> = of("terminal.open").into_iter().filter(|line| line["status"] == 101).collect();
    assert_eq!((opened.len(), of("ticket.create").len()), (5, 5));
    for line in opened[..4].iter().chain(&of("terminal.close")[..4]).chain(&of("ticket.create")[..4]) {
        assert_eq!((&line["user"], &line["token"]), (&json!("browser"), &json!(token.id)), "{line}");
        assert_eq!((&line["permission"], &line["cuid"]), (&json!("docker:execute"), &json!(cuid)), "{line}");
    }
    assert_eq!(opened[4]["user"], "admin");
    let log = std::fs::read_to_string(daemon.data().join("logs/actions.jsonl")).unwrap();
    for ticket in &tickets {
        assert!(ticket.len() > 40 && !log.contains(ticket) && !daemon.output().contains(ticket));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_for_one_container_and_for_terminals_alone() {
    let daemon = Daemon::start().await;
    let (one, other) = (daemon.running(json!({})).await, daemon.running(json!({})).await);
    let nobody = daemon.with_login(None);
    for wrong in [other.as_str(), "c00000000-0000-4000-8000-000000000000", "nobody"] {
        let ticket = ticket(&daemon, &one).await;
        refused(&nobody.from([127, 0, 5, 1]), wrong, &ticket).await;
        // Whoever tried it elsewhere has used it.
        refused(&nobody.from([127, 0, 5, 2]), &one, &ticket).await;
    }
    let good = ticket(&daemon, &one).await;
    for (method, path) in [
        ("GET", "/containers"),
        ("GET", &*format!("/containers/{one}")),
        ("POST", &*format!("/containers/{one}/exec")),
    ] {
        let answer = nobody.send(nobody.request(method, &format!("{path}?ticket={good}"))).await;
        answer.refused("auth_error", "UNAUTHORIZED");
    }
    for header in [format!("Bearer {good}"), "Basic x".to_owned()] {
        let answer = nobody.upgrade(&format!("/ws/{one}?ticket={good}"), &[("authorization", &header)]).await;
        answer.refused("auth_error", "UNAUTHORIZED");
    }
    drop(Terminal::open(&nobody, &one, &format!("ticket={good}")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_needs_the_right_to_execute_and_dies_with_its_token() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let nobody = daemon.with_login(None);
    let reader = daemon.token(json!({"roles": ["write"]})).await;
    let error = reader
        .post_json("/ws-tickets", &json!({"id": cuid}))
        .await
        .refused("forbidden", "PERMISSION_MISSING");
    assert_eq!(error["details"]["required"], "docker:execute");

    let token = daemon.make_token(json!({"permissions": ["docker:execute"]})).await;
    let dead = ticket(&token.api, &cuid).await;
    daemon.revoke(&token.id).await;
    refused(&nobody, &cuid, &dead).await;

    daemon.role("ops", &["docker:execute", "docker:read"]).await;
    let token = daemon.make_token(json!({"roles": ["ops"]})).await;
    let weakened = ticket(&token.api, &cuid).await;
    daemon.role("ops", &["docker:execute"]).await;
    // Whatever was taken away: what was begun with it ends.
    refused(&nobody, &cuid, &weakened).await;

    let mut open =
        Terminal::open(&nobody, &cuid, &format!("ticket={}", ticket(&token.api, &cuid).await)).await;
    daemon.revoke(&token.id).await;
    within("the terminal ends with the token of its ticket", 5.0, open.end()).await;
    assert_eq!(open.close_code, Some(1008));

    let brief = daemon.make_token(json!({"permissions": ["docker:execute"], "expires_in": 2})).await;
    let expired = ticket(&brief.api, &cuid).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    refused(&nobody, &cuid, &expired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tickets_count_as_failures_and_a_good_one_always_works() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let nobody = daemon.with_login(None);
    let good = ticket(&daemon, &cuid).await;
    for wrong in ["", "x", &"A".repeat(43)] {
        refused(&nobody, &cuid, wrong).await;
    }
    for _ in 0..7 {
        refused(&nobody, "nobody", "x").await;
    }
    let answer = nobody.upgrade(&format!("/ws/{cuid}?ticket=x"), &[]).await;
    answer.refused("rate_limited", "TOO_MANY_FAILURES");
    drop(Terminal::open(&nobody, &cuid, &format!("ticket={good}")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_a_ticket_badly_gets_none() {
    let daemon = Daemon::start().await;
    for body in [json!({}), json!({"id": null}), json!({"id": 1}), json!({"id": "a", "cmd": "x"}), json!([])]
    {
        daemon.post_json("/ws-tickets", &body).await.refused("validation_error", "");
    }
    for id in ["nobody", "", "c00000000-0000-4000-8000-000000000000", "../x"] {
        daemon.post_json("/ws-tickets", &json!({"id": id})).await.refused("not_found", "CONTAINER_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_use_a_ticket() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let nobody = daemon.with_login(None);
    let good = ticket(&daemon, &cuid).await;
    let path = format!("/ws/{cuid}?ticket={good}");
    nobody.upgrade(&path, &[("origin", "http://evil.example")]).await.refused("forbidden", "CROSS_SITE");
    let own = daemon.base.clone();
    let query = format!("ticket={}", ticket(&daemon, &cuid).await);
    drop(Terminal::open_with(&nobody, &cuid, &query, &[("origin", &own)]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_for_thirty_seconds() {
    let daemon = Daemon::start().await;
    let cuid = daemon.running(json!({})).await;
    let nobody = daemon.with_login(None);
    let (good, late) = (ticket(&daemon, &cuid).await, ticket(&daemon, &cuid).await);
    tokio::time::sleep(Duration::from_secs(27)).await;
    drop(Terminal::open(&nobody, &cuid, &format!("ticket={good}")).await);
    tokio::time::sleep(Duration::from_millis(3500)).await;
    refused(&nobody, &cuid, &late).await;
}
