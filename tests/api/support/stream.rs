//! An answer that goes on, read line by line.

use std::collections::HashSet;

use serde_json::Value;

use super::api::Api;
use super::wait::patience;

/// A stream of lines.
pub struct Stream {
    response: reqwest::Response,
    buffer: Vec<u8>,
    /// What was read so far.
    pub lines: Vec<String>,
}

impl Stream {
    /// Opens one that has to be there, in the form of `Accept`.
    pub async fn open_as(api: &Api, path: &str, accept: &str) -> Self {
        Self::of(api.request("GET", path).header("accept", accept)).await
    }

    /// Begins what a JSON body asks for, to be told as it goes on.
    pub async fn begin(api: &Api, method: &str, path: &str, body: &Value) -> Self {
        let request = api.request(method, path).header("accept", "application/x-ndjson");
        Self::of(request.json(body)).await
    }

    /// The answer to a request, which has to be there.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        if status != 200 {
            let url = response.url().clone();
            let text = response.text().await.unwrap_or_default();
            panic!("{url} answered {status}: {text}");
        }
        Self { response, buffer: Vec::new(), lines: Vec::new() }
    }

    /// Opens one of JSON lines.
    pub async fn open(api: &Api, path: &str) -> Self {
        Self::open_as(api, path, "application/x-ndjson").await
    }

    pub fn header(&self, name: &str) -> String {
        let value = self.response.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// The next line, within `seconds`; nothing at the end.
    pub async fn line(&mut self, seconds: f64) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                self.lines.push(line.clone());
                return Some(line);
            }
            let chunk = tokio::time::timeout(patience(seconds), self.response.chunk()).await;
            let tail = || self.lines.iter().rev().take(5).cloned().collect::<Vec<_>>().join(" | ");
            match chunk.unwrap_or_else(|_| panic!("nothing came within {seconds} s, after: {}", tail())) {
                Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                Ok(None) => {
                    assert!(self.buffer.is_empty(), "the last line has an end");
                    return None;
                }
                Err(error) => panic!("the stream broke off: {error:?}, after {}", tail()),
            }
        }
    }

    /// The next record.
    pub async fn next(&mut self) -> Option<Value> {
        let line = self.line(20.0).await?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
    }

    /// Reads until a record that has this; answers it.
    pub async fn until(&mut self, what: impl Fn(&Value) -> bool) -> Value {
        loop {
            let record = self.next().await.unwrap_or_else(|| panic!("it ended before: {:?}", self.lines));
            if what(&record) {
                return record;
            }
        }
    }

    /// Everything to the end: the data of all records, and the `end` of the last.
    pub async fn rest(&mut self) -> (String, Value) {
        let (mut data, mut end) = (String::new(), Value::Null);
        while let Some(record) = self.next().await {
            assert!(end.is_null(), "nothing comes after the end: {record}");
            match record.get("end") {
                Some(last) => end = last.clone(),
                None => data.push_str(record["data"].as_str().unwrap()),
            }
        }
        assert!(end["reason"].is_string(), "the last record says how it ended: {:?}", self.lines.last());
        (data, end)
    }
}

/// How many connections to unix sockets a process has.
pub fn unix_sockets(pid: u32) -> usize {
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    let known: HashSet<&str> = table.lines().filter_map(|line| line.split_whitespace().nth(6)).collect();
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = folder.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    // One for each socket, not for each descriptor: every runtime that starts has one more of the signals' pair.
    let inodes: HashSet<String> = links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            known.contains(inode.as_str()).then_some(inode)
        })
        .collect();
    inodes.len()
}

/// The memory of a process, in bytes.
pub fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Reads a body to its end, and says whether that was an error: a clean end would say that it is whole.
pub async fn breaks_off<T, E>(mut body: impl futures_util::Stream<Item = Result<T, E>> + Unpin) -> bool {
    use futures_util::StreamExt;
    let end = async {
        loop {
            match body.next().await {
                Some(Ok(_)) => {}
                end => return end,
            }
        }
    };
    super::within("the end", 15.0, end).await.is_some_and(|piece| piece.is_err())
}
