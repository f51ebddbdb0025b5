//! Archives of images made by hand, and images that are gone when a test ends.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Api;

/// A name for images of one test; all its tags are gone when it is dropped.
pub struct Images {
    pub repository: String,
}

impl Images {
    pub fn new() -> Self {
        Self { repository: super::unique("wharfinger-test/images") }
    }

    /// A name with this tag.
    pub fn tag(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository)
    }

    /// A label that images of this test alone have.
    pub fn label(&self) -> String {
        format!("test={}", self.repository)
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let run = |args: &[&str]| std::process::Command::new("docker").args(args).output().unwrap().stdout;
        let mut ids = run(&["images", "-q", "--no-trunc", &self.repository]);
        ids.extend(run(&["images", "-aq", "--no-trunc", "--filter", &format!("label={}", self.label())]));
        let ids = String::from_utf8(ids).unwrap();
        for id in ids.split_whitespace() {
            // Of another's image only this test's names may go.
            let names = run(&["image", "inspect", "-f", "{{range .RepoTags}}{{.}} {{end}}", id]);
            let names = String::from_utf8(names).unwrap();
            let mine = names.split_whitespace().filter(|name| name.starts_with(&self.repository));
            let is_shared = names.split_whitespace().any(|name| !name.starts_with(&self.repository));
            for target in mine.chain((!is_shared).then_some(id)) {
                run(&["rmi", "-f", target]);
            }
        }
    }
}

/// One entry of a tar.
pub struct Entry<'a> {
    pub name: &'a str,
    pub kind: u8,
    pub link: &'a str,
    pub bytes: &'a [u8],
}

/// A regular file.
pub fn file<'a>(name: &'a str, bytes: &'a [u8]) -> Entry<'a> {
    Entry { name, kind: b'0', link: "", bytes }
}

/// A symbolic link.
pub fn link<'a>(name: &'a str, to: &'a str) -> Entry<'a> {
    Entry { name, kind: b'2', link: to, bytes: b"" }
}

/// A tar of these entries, as they are.
pub fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        let mut head = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, entry.name.as_bytes());
        put(100, b"0000755\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", entry.bytes.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[entry.kind]);
        put(157, entry.link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&head);
        tar.extend_from_slice(entry.bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// An archive as `docker save` writes it, with one image of one layer. `change` may make it another.
pub fn archive_with(
    tags: &[String],
    layer: &[u8],
    config: Value,
    change: impl FnOnce(&mut Value, &mut Value),
) -> Vec<u8> {
    let mut described = json!({
        "architecture": "amd64", "os": "linux", "created": "2024-05-06T07:08:09.123Z", "author": "a test",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(layer))]},
        "history": [{"created": "2024-05-06T07:08:09.123Z", "created_by": "by hand", "comment": "a layer"}],
    });
    let mut manifest = json!([{"Config": "config.json", "RepoTags": tags, "Layers": ["layer.tar"]}]);
    change(&mut described, &mut manifest);
    let (described, manifest) = (described.to_string(), manifest.to_string());
    tar(&[
        file("config.json", described.as_bytes()),
        file("layer.tar", layer),
        file("manifest.json", manifest.as_bytes()),
    ])
}

/// An image of one file of so many bytes, with this configuration and a label of its test.
pub fn archive(images: &Images, tags: &[String], length: usize, config: Value) -> Vec<u8> {
    let (key, value) = images.label().split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap();
    let mut config = super::api::with(json!({"Cmd": ["/file"]}), config);
    config["Labels"][key] = value.into();
    let mut bytes = super::noise(length.max(32));
    bytes.truncate(length);
    archive_with(tags, &tar(&[file("file", &bytes)]), config, |_, _| {})
}

/// Sends an archive to be loaded.
pub async fn load(api: &Api, archive: Vec<u8>) -> super::Answer {
    let request = api.request("POST", "/images/load").header("content-type", "application/x-tar");
    api.send(request.body(archive)).await
}

/// Loads a small image of one test under these tags: its id.
pub async fn load_small(api: &Api, images: &Images, tags: &[&str]) -> String {
    let tags: Vec<String> = tags.iter().map(|tag| images.tag(tag)).collect();
    let loaded = load(api, archive(images, &tags, 1000, json!({}))).await.expect(200);
    loaded["images"][0]["id"].as_str().unwrap_or_else(|| panic!("{loaded}")).to_owned()
}

/// Whether the engine has an image.
pub async fn exists(image: &str) -> bool {
    super::engine::try_docker(&["image", "inspect", "-f", "{{.Id}}", image]).await.0
}

/// The most memory that a process has used, in KiB.
pub fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
