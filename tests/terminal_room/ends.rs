//! What is left of a session, and what is not.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_background_child_that_holds_the_output_does_not_hold_the_session() {
    let container = Container::idle();
    let begun = Instant::now();
    let seen = whole(script(&container, "sleep 321 & echo over; exit 5")).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(seen.out(), "over\n");
    is_ended(&seen, 5);
    assert_eq!(container.processes(), Vec::<String>::new());
}

/// Everything that tries to outlive its session: a job, a new session, an orphan without a hangup, a stopped
/// one, one that ignores all it can, an orphan with an empty environment.
const ESCAPEES: &str = "sleep 401 & setsid sleep 402 & nohup sleep 403 >/dev/null 2>&1 & \
    (setsid sh -c 'trap \"\" HUP TERM INT; sleep 404; sleep 405' >/dev/null 2>&1 &) ; \
    (env -i sleep 408 >/dev/null 2>&1 &) ; sleep 406 & kill -STOP $!; echo be''gun; ";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_when_the_client_goes() {
    for tty in [false, true] {
        for way in ["lost", "closed", "shutdown"] {
            let container = Container::idle();
            let shell = SessionOptions { tty, ..command(&container, &["sh"]) };
            let (mut client, mut seen) = (Client::open(shell).await, Seen::default());
            client.type_in(&format!("{ESCAPEES} sleep 407\n")).await;
            client.until(&mut seen, "begun").await;
            let run = container.processes_when(|all| all.len() >= 8).await;
            assert!(run.len() >= 8, "{run:?}");
            match way {
                "lost" => client.to.send(ClientEvent::Closed).await.unwrap(),
                "closed" => client.send(json!({ "type": "close" })).await,
                _ => client.shutdown.cancel(),
            }
            client.rest(&mut seen).await;
            assert_eq!(client.task.await.unwrap().reason, way);
            assert_eq!(container.processes(), Vec::<String>::new(), "tty {tty}, {way}");
            let code = match way {
                "lost" => None,
                "closed" => Some(1000),
                _ => Some(1001),
            };
            assert_eq!(seen.close, code, "{way}");
        }
    }
}

/// What can be told apart no more: a session of its own, no parent, no environment. The rest of the session is ended
/// all the same; of this, there is no more than the container's limit of processes, and it ends with the container.
#[tokio::test(flavor = "multi_thread")]
async fn what_escapes_every_mark_is_held_by_the_limit_of_processes_and_ends_with_the_container() {
    let container = Container::with(&["--pids-limit", "24"], "exec sleep 1000");
    let orphans =
        "(env -i setsid sleep 411 >/dev/null 2>&1 &) ; (env -i setsid sleep 411 >/dev/null 2>&1 &) ;";
    let bomb = "(env -i setsid sh -c 'while :; do sleep 412 & done' >/dev/null 2>&1 &) ;";
    let (mut client, mut seen) = (Client::open(command(&container, &["sh"])).await, Seen::default());
    client.type_in(&format!("{ESCAPEES} {orphans} {bomb} sleep 407\n")).await;
    client.until(&mut seen, "begun").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    client.send(json!({ "type": "close" })).await;
    client.rest(&mut seen).await;
    assert_eq!(client.task.await.unwrap().reason, "closed");
    let left = container.processes();
    let known = left.iter().filter(|line| !line.contains("sleep 411") && !line.contains("sleep 412"));
    assert_eq!(known.collect::<Vec<_>>(), Vec::<&String>::new(), "what can be told apart is ended");
    assert!(left.iter().filter(|line| *line == "sleep 411").count() <= 2 && left.len() <= 24, "{left:?}");
    docker(&["stop", "-t", "0", &container.0]);
    let all =
        procfs::process::all_processes().unwrap().flatten().filter_map(|process| process.cmdline().ok());
    let escaped = all.filter(|line| line.starts_with(&["sleep".into(), "411".into()])).count();
    assert_eq!(escaped, 0, "nothing outlives the container");
}

/// Each of its processes makes the next two and ends: no look at them sees all.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_forks_without_end_is_ended() {
    let container = Container::with(&["--pids-limit", "60"], "exec sleep 1000");
    let bomb = "b() { trap '' HUP; (b) & (b) & sleep 413; }; echo begun; b";
    let (mut client, mut seen) = (Client::open(script(&container, bomb)).await, Seen::default());
    client.until(&mut seen, "begun").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.send(json!({ "type": "close" })).await;
    client.rest(&mut seen).await;
    assert_eq!(client.task.await.unwrap().reason, "closed");
    assert_eq!(container.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_still_hears_the_hangup() {
    let container = Container::idle();
    let stopped = "trap 'echo heard > /tmp/heard; exit' HUP; echo begun; kill -STOP $$; sleep 5";
    let (mut client, mut seen) = (Client::open(script(&container, stopped)).await, Seen::default());
    client.until(&mut seen, "begun").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.send(json!({ "type": "close" })).await;
    client.rest(&mut seen).await;
    assert_eq!(docker(&["exec", &container.0, "cat", "/tmp/heard"]), "heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_when_the_client_goes_without_reading() {
    let container = Container::idle();
    let client = Client::open(script(&container, "yes")).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop((client.from, client.to));
    assert_eq!(client.task.await.unwrap().reason, "lost");
    assert_eq!(container.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_read_cannot_keep_the_client_from_closing() {
    let container = Container::idle();
    let client = Client::open(command(&container, &["sleep", "300"])).await;
    let typed = json!({ "type": "stdin", "data": "x".repeat(900_000) }).to_string();
    while tokio::time::timeout(Duration::from_secs(1), client.to.send(ClientEvent::Text(typed.clone())))
        .await
        .is_ok()
    {}
    drop(client.from);
    assert_eq!(client.task.await.unwrap().reason, "lost");
    assert_eq!(container.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_ends_what_an_earlier_daemon_left_and_nothing_else() {
    let container = Container::idle();
    let mark = |cuid: &str| format!("WHARFINGER_SESSION={cuid}.1");
    docker(&["exec", "-d", "-e", &mark("cours"), &container.0, "sleep", "501"]);
    docker(&["exec", "-d", "-e", &mark("cother"), &container.0, "sleep", "502"]);
    container.processes_when(|all| all.iter().filter(|line| line.starts_with("sleep 50")).count() == 2).await;
    assert_eq!(wharfinger::terminal::sweep(|cuid| cuid == "cours"), 1);
    assert_eq!(container.processes_when(|all| all.len() == 1).await, ["sleep 502"]);
}
