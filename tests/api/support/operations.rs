//! Operations to break off, and what has to hold of each afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::RequestBuilder;

use super::engine::{env_of, inspect, try_inspect};
use super::*;

/// An operation to break off.
pub trait Operation {
    /// What it is done to: the cuid, or a mark where there is none yet.
    async fn prepare(&self, daemon: &Daemon) -> String;
    fn request(&self, daemon: &Daemon, of: &str) -> RequestBuilder;
    /// Whether it is done; nothing of it is, otherwise.
    async fn is_done(&self, daemon: &Daemon, of: &str) -> bool;
    /// What has to hold, whether it was done or broke off; done again it comes to its end. Leaves no container.
    async fn check(&self, daemon: &Daemon, of: &str);
}

/// Nothing that was being written, and of what is deleted nothing for long.
pub async fn no_half_written_file(data: &Path) {
    let is_half = |name: &str| {
        [".new-", ".compose-", ".compose.yaml.previous", ".deleting-"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let half = || async {
        let all = tree(data);
        let half = all
            .into_keys()
            .filter(|path| path.split('/').any(is_half) || path.starts_with("mounts/.staging/"));
        let half: Vec<String> = half.collect();
        if half.is_empty() { Ok(()) } else { Err(half) }
    };
    let end = Instant::now() + Duration::from_secs(20);
    while let Err(left) = half().await {
        assert!(Instant::now() < end, "half-written files are left: {left:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn deleted(daemon: &Daemon, cuid: &str) {
    daemon.delete(&format!("/containers/{cuid}?force=true")).await.expect(200);
    is_gone(daemon, cuid).await;
}

/// Nothing of it is left, on the disk or in the engine.
async fn is_gone(daemon: &Daemon, cuid: &str) {
    eventually("nothing is left of it", 30.0, || async {
        let left = tree(&daemon.data()).into_keys().find(|path| path.contains(cuid));
        (left.is_none() && try_inspect(cuid).await.is_none()).then_some(())
    })
    .await;
}

pub struct Create;

impl Operation for Create {
    async fn prepare(&self, _: &Daemon) -> String {
        unique("made")
    }

    fn request(&self, daemon: &Daemon, of: &str) -> RequestBuilder {
        let body = json!({"image": BUSYBOX, "command": IDLE, "name": of, "state": "running", "labels": {"test.mark": of}});
        daemon.request("POST", "/containers").json(&body)
    }

    async fn is_done(&self, daemon: &Daemon, of: &str) -> bool {
        daemon.get(&format!("/containers/{of}")).await.status == 200
    }

    async fn check(&self, daemon: &Daemon, of: &str) {
        let list = daemon.get("/containers").await.expect(200);
        let mut known = Vec::new();
        for container in list["containers"].as_array().unwrap() {
            let cuid = container["cuid"].as_str().unwrap();
            assert_eq!(container["name"], of, "what is listed is whole: {container}");
            assert_eq!(daemon.act(cuid, "start").await["status"], "running", "and startable");
            let labels = inspect(cuid).await["Config"]["Labels"].clone();
            assert_eq!(labels["test.mark"], of, "{labels}");
            known.push(cuid.to_owned());
        }
        let filter = format!("label=test.mark={of}");
        eventually("the engine has no other", 30.0, || async {
            let made = docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]).await;
            (made.lines().count() == known.len()).then_some(())
        })
        .await;
        for cuid in known {
            deleted(daemon, &cuid).await;
        }
        assert!(
            !tree(&daemon.data()).into_keys().any(|path| path.starts_with("mounts/c")),
            "a mount of nothing"
        );
        let again = daemon.send(self.request(daemon, of)).await.expect(201);
        deleted(daemon, again["cuid"].as_str().unwrap()).await;
    }
}

/// A PATCH of env, or of ports.
pub struct Patch {
    pub ports: Option<[u16; 2]>,
}

impl Patch {
    fn body(&self, new: usize) -> Value {
        match self.ports {
            Some(ports) => json!({"ports": [{"host": (ports[new]), "container": 80}]}),
            None => json!({"env": {"WHICH": (["old", "new"][new])}}),
        }
    }

    /// Which of the two configurations is told, and which one the engine's container has.
    async fn told_and_true(&self, daemon: &Daemon, of: &str) -> (Option<usize>, Option<usize>) {
        let (told, real) = (daemon.container(of).await, inspect(of).await);
        if let Some(ports) = self.ports {
            let bound = real["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"].clone();
            let at = |port: &Value| {
                ports.iter().position(|one| port.to_string().trim_matches('"') == one.to_string())
            };
            (at(&told["ports"][0]["host"]), at(&bound))
        } else {
            let at = |value: Option<&str>| ["old", "new"].iter().position(|one| Some(*one) == value);
            (at(told["env"]["WHICH"].as_str()), at(env_of(&real, "WHICH").as_deref()))
        }
    }

    async fn becomes_one(&self, daemon: &Daemon, of: &str) -> usize {
        eventually("what is told is what runs", 30.0, || async {
            let (told, real) = self.told_and_true(daemon, of).await;
            told.filter(|told| Some(*told) == real)
        })
        .await
    }
}

impl Operation for Patch {
    async fn prepare(&self, daemon: &Daemon) -> String {
        daemon.running(self.body(0)).await
    }

    fn request(&self, daemon: &Daemon, of: &str) -> RequestBuilder {
        let path = if self.ports.is_some() { "/ports" } else { "" };
        daemon.request("PATCH", &format!("/containers/{of}{path}")).json(&self.body(1))
    }

    async fn is_done(&self, daemon: &Daemon, of: &str) -> bool {
        let (told, real) = self.told_and_true(daemon, of).await;
        assert_eq!(told, real, "what is told is what runs");
        told == Some(1)
    }

    async fn check(&self, daemon: &Daemon, of: &str) {
        self.becomes_one(daemon, of).await;
        assert_eq!(daemon.act(of, "start").await["status"], "running");
        let again = daemon.send(self.request(daemon, of)).await;
        again.expect(200);
        assert_eq!(self.told_and_true(daemon, of).await, (Some(1), Some(1)), "done again it is done");
        assert_eq!(daemon.status(of).await, "running");
        deleted(daemon, of).await;
    }
}

pub struct Upload {
    pub mode: &'static str,
}

fn contents(word: &str) -> String {
    word.repeat(20_000)
}

impl Operation for Upload {
    async fn prepare(&self, daemon: &Daemon) -> String {
        let cuid = daemon.idle(json!({})).await;
        let zip = Zip::new().file("both", contents("old")).file("gone", contents("old"));
        daemon.upload(&cuid, "?path=t", zip.bytes()).await.expect(200);
        cuid
    }

    fn request(&self, daemon: &Daemon, of: &str) -> RequestBuilder {
        let zip = Zip::new().file("both", contents("new")).file("fresh/file", contents("new"));
        let path = format!("/containers/{of}/upload-zip?path=t&mode={}", self.mode);
        daemon.request("POST", &path).header("content-type", "application/zip").body(zip.bytes())
    }

    async fn is_done(&self, daemon: &Daemon, of: &str) -> bool {
        let seen = tree(&daemon.mount(of).join("t"));
        let is_new = seen["both"] == contents("new");
        assert_eq!(seen.contains_key("fresh/file"), is_new, "all of it or nothing");
        assert!(is_new || seen.contains_key("gone"), "all of it or nothing");
        is_new
    }

    async fn check(&self, daemon: &Daemon, of: &str) {
        let found = || {
            let files = tree(&daemon.mount(of).join("t")).into_iter().filter(|(_, text)| text != "/");
            files.collect::<BTreeMap<_, _>>()
        };
        let is = |found: &BTreeMap<String, String>, name: &str, word: &str| {
            found.get(name) == Some(&contents(word))
        };
        let seen = found();
        let names: Vec<&String> = seen.keys().collect();
        for (name, text) in &seen {
            assert!([contents("old"), contents("new")].contains(text), "{name} is half-written");
        }
        match self.mode {
            "merge" => assert!(seen.contains_key("both") && is(&seen, "gone", "old"), "{names:?}"),
            _ if is(&seen, "both", "old") => assert_eq!(names, ["both", "gone"], "the old folder whole"),
            _ => assert!(
                is(&seen, "both", "new") && names == ["both", "fresh/file"],
                "the new folder whole: {names:?}"
            ),
        }
        daemon.send(self.request(daemon, of)).await.expect(200);
        let seen = found();
        assert!(is(&seen, "both", "new") && is(&seen, "fresh/file", "new"), "done again it is done");
        assert_eq!(seen.contains_key("gone"), self.mode == "merge");
        assert_eq!(daemon.act(of, "start").await["status"], "running");
        deleted(daemon, of).await;
    }
}

pub struct Delete;

impl Operation for Delete {
    async fn prepare(&self, daemon: &Daemon) -> String {
        let cuid = daemon.running(json!({})).await;
        let zip = Zip::new().file("a", contents("kept")).file("d/e", contents("kept"));
        daemon.upload(&cuid, "", zip.bytes()).await.expect(200);
        cuid
    }

    fn request(&self, daemon: &Daemon, of: &str) -> RequestBuilder {
        daemon.request("DELETE", &format!("/containers/{of}?force=true"))
    }

    async fn is_done(&self, daemon: &Daemon, of: &str) -> bool {
        daemon.get(&format!("/containers/{of}")).await.status == 404
    }

    async fn check(&self, daemon: &Daemon, of: &str) {
        let answer = daemon.get(&format!("/containers/{of}")).await;
        if answer.status == 404 {
            return is_gone(daemon, of).await;
        }
        answer.expect(200);
        for file in ["a", "d/e"] {
            assert_eq!(
                std::fs::read_to_string(daemon.mount(of).join(file)).unwrap(),
                contents("kept"),
                "{file}"
            );
        }
        assert_eq!(daemon.act(of, "start").await["status"], "running", "listed, so startable");
        deleted(daemon, of).await;
    }
}

pub struct PutFile;

impl Operation for PutFile {
    async fn prepare(&self, daemon: &Daemon) -> String {
        let cuid = daemon.idle(json!({})).await;
        daemon.upload(&cuid, "", Zip::new().file("f", contents("old")).bytes()).await.expect(200);
        cuid
    }

    fn request(&self, daemon: &Daemon, of: &str) -> RequestBuilder {
        let path = format!("/containers/{of}/files?path=f");
        daemon.request("PUT", &path).header("content-type", "application/octet-stream").body(contents("new"))
    }

    async fn is_done(&self, daemon: &Daemon, of: &str) -> bool {
        let seen = std::fs::read_to_string(daemon.mount(of).join("f")).unwrap();
        assert!([contents("old"), contents("new")].contains(&seen), "half-written");
        seen == contents("new")
    }

    async fn check(&self, daemon: &Daemon, of: &str) {
        self.is_done(daemon, of).await;
        daemon.send(self.request(daemon, of)).await.expect(200);
        assert!(self.is_done(daemon, of).await, "done again it is done");
        assert_eq!(tree(&daemon.mount(of)).len(), 1, "nothing else is there");
        deleted(daemon, of).await;
    }
}
