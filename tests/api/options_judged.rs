//! Options that are well-formed each by itself: what can be together, and what only the engine can judge.

use crate::support::engine::inspect;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_drivers_take_together_is_taken() {
    let api = shared().await;
    for options in [
        json!({"driver": "json-file", "options": {"mode": "non-blocking", "max-buffer-size": "1m"}}),
        json!({"driver": "json-file", "options": {"max-file": 1}}),
        json!({"driver": "local", "options": {"max-file": 1, "compress": false}}),
        json!({"driver": "gelf", "options": {"gelf-address": "udp://127.0.0.1:9", "gelf-compression-type": "zlib"}}),
    ] {
        let cuid = api.running(json!({"logging": options})).await;
        assert_eq!(inspect(&cuid).await["HostConfig"]["LogConfig"]["Type"], options["driver"], "{options}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_engine_can_judge_is_a_refusal_that_names_the_field() {
    let api = shared().await;
    for (body, field) in [
        (json!({"image": BUSYBOX, "working_dir": "/bin/busybox"}), "working_dir"),
        (json!({"image": BUSYBOX, "working_dir": "/bin/busybox/below"}), "working_dir"),
        (json!({"image": BUSYBOX, "mounts": [{"type": "volume", "target": "/bin/busybox"}]}), "mounts"),
    ] {
        let answer = api.post_json("/containers", &body).await;
        let error = answer.refused("validation_error", "INVALID_VALUE");
        assert_eq!(error["details"]["field"], field, "{error}");
    }
}
