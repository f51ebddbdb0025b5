//! `kill -9` of Compose in the midst of each of its verbs: the same change again converges.

use crate::support::engine::{inspect, try_inspect};
use crate::support::operations::no_half_written_file;
use crate::support::*;

async fn with_stand_in() -> (Compose, Daemon) {
    let compose = Compose::new();
    let builder = Daemon::builder().env("APP_COMPOSE_BIN", &compose.bin());
    (compose, builder.start().await)
}

/// When Compose is killed: it takes up to a second for what it does.
fn moments() -> Vec<f64> {
    let count = rounds(2);
    let first = f64::from(u32::try_from(uuid::Uuid::new_v4().as_u128() % 1000).unwrap()) / 1000.0;
    let step = |at: usize| f64::from(u32::try_from(at).unwrap()) / f64::from(u32::try_from(count).unwrap());
    let moments: Vec<f64> = (0..count).map(|at| 0.02 + 0.6 * (first + step(at)).fract()).collect();
    eprintln!("killed after {moments:.3?} s");
    moments
}

/// Killed or, where it was quicker, done.
fn was_killed(answer: &Answer) -> bool {
    if answer.status < 300 {
        return false;
    }
    answer.refused("compose_error", "COMPOSE_FAILED");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_compose_is_killed_leaves_nothing_and_can_be_done_again() {
    let (compose, daemon) = with_stand_in().await;
    for moment in moments() {
        let mark = unique("killed");
        let labels = json!({"test.mark": mark});
        let body =
            json!({"image": BUSYBOX, "command": IDLE, "name": mark, "labels": labels, "state": "running"});
        compose.killed_after(moment);
        let answer = daemon.post_json("/containers", &body).await;
        compose.well();
        if was_killed(&answer) {
            daemon.get(&format!("/containers/{mark}")).await.refused("not_found", "");
            eventually("nothing of it is left", 30.0, || async {
                let left = docker(&["ps", "-aq", "--filter", &format!("label=test.mark={mark}")]).await;
                left.is_empty().then_some(())
            })
            .await;
            no_half_written_file(&daemon.data()).await;
            daemon.create(&body).await;
        }
        assert_eq!(daemon.status(&mark).await, "running");
        daemon.delete(&format!("/containers/{mark}?force=true")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_compose_is_killed_can_be_done_again() {
    let (compose, daemon) = with_stand_in().await;
    let cuid = daemon.idle(json!({})).await;
    for moment in moments() {
        compose.killed_after(moment);
        was_killed(&daemon.post(&format!("/containers/{cuid}/start")).await);
        compose.well();
        assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
        docker(&["rm", "-f", &cuid]).await;
        eventually("it is missing", 15.0, || async {
            (daemon.status(&cuid).await == "missing").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_whose_compose_is_killed_are_the_old_ones_and_can_be_changed_again() {
    let (compose, daemon) = with_stand_in().await;
    let ports = [free_port(), free_port()];
    let list = |at: usize| json!({"ports": [{"host": (ports[at]), "container": 80}]});
    let cuid = daemon.running(list(0)).await;
    let path = format!("/containers/{cuid}/ports");
    let mut now = 0;
    for moment in moments() {
        let wanted = 1 - now;
        compose.killed_after(moment);
        let answer = daemon.patch(&path, &list(wanted)).await;
        compose.well();
        let is_killed = was_killed(&answer);
        let told = daemon.container(&cuid).await["ports"][0]["host"].clone();
        assert_eq!(told, ports[if is_killed { now } else { wanted }], "{}", answer.text());
        daemon.patch(&path, &list(wanted)).await.expect(200);
        now = wanted;
        assert_eq!(daemon.act(&cuid, "start").await["status"], "running");
        let bound = inspect(&cuid).await["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"].clone();
        assert_eq!(bound, ports[now].to_string());
        no_half_written_file(&daemon.data()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_whose_compose_is_killed_can_be_done_again() {
    let (compose, daemon) = with_stand_in().await;
    for moment in moments() {
        let cuid = daemon.running(json!({})).await;
        let path = format!("/containers/{cuid}?force=true");
        compose.killed_after(moment);
        if was_killed(&daemon.delete(&path).await) {
            compose.well();
            daemon.get(&format!("/containers/{cuid}")).await.expect(200);
            assert!(daemon.mount(&cuid).exists(), "what is still there is whole");
            daemon.delete(&path).await.expect(200);
        }
        compose.well();
        assert!(try_inspect(&cuid).await.is_none() && !daemon.mount(&cuid).exists());
        no_half_written_file(&daemon.data()).await;
    }
}
