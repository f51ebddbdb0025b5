//! What happens at the engine, as it tells it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hyper::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};

use super::socket::escaped;
use super::stream::Reader;
use super::{EngineError, EngineSocket};
use crate::container::{EngineKind, image};

/// How long before a stream of events that has ended is opened anew.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// One event.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EngineEvent {
    /// The kind of thing.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened to it.
    pub action: String,
    /// The thing.
    pub actor: Actor,
    /// When, in nanoseconds since 1970.
    #[serde(rename = "timeNano", default)]
    pub nanos: i64,
}

/// The thing that something happened to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Actor {
    /// The engine's id of it; an image's may be its name.
    #[serde(rename = "ID")]
    pub id: String,
    /// What the engine says of it: its labels too.
    pub attributes: BTreeMap<String, String>,
}

impl EngineEvent {
    /// The same as Docker tells it: Podman's words for two actions, and its names of images, are others.
    fn in_dockers_words(mut self) -> Self {
        let word = match (self.kind.as_str(), self.action.as_str()) {
            ("container", "died") => Some("die"),
            ("container", "remove") => Some("destroy"),
            _ => None,
        };
        if let Some(word) = word {
            word.clone_into(&mut self.action);
        }
        let name = if self.kind == "image" { "name" } else { "image" };
        if let Some(image) = self.actor.attributes.get_mut(name) {
            *image = image::podmans_name(image).to_owned();
        }
        self
    }
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// `container`, `image`.
    pub kinds: Vec<&'static str>,
    /// What happened; empty: anything.
    pub actions: &'static [&'static str],
    /// A label that the thing has to bear.
    pub label: Option<String>,
    /// The engine's id of the container that it happens to.
    pub container: Option<String>,
    /// Also what has been since, as far as the engine remembers.
    pub since: Option<Timestamp>,
    /// Nothing later.
    pub until: Option<Timestamp>,
}

/// Events as they happen.
pub struct Events {
    socket: EngineSocket,
    path: String,
    kind: EngineKind,
    /// What is later is passed over.
    until: Option<Timestamp>,
    /// None until it is open: Podman answers with the first event only, however late.
    lines: Option<Lines<BufReader<Reader>>>,
}

impl Events {
    /// The next one, or nothing at the end. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<EngineEvent>, EngineError> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            none => {
                let reader = self.socket.streamed_whenever(Method::GET, &self.path).await?;
                none.insert(BufReader::new(reader).lines())
            }
        };
        while let Some(line) = lines.next_line().await.map_err(EngineError::Unavailable)? {
            let event: EngineEvent = serde_json::from_str(&line)?;
            let event = if self.kind == EngineKind::Podman { event.in_dockers_words() } else { event };
            if self.until.is_none_or(|until| i128::from(event.nanos) <= until.as_nanosecond()) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

impl EngineSocket {
    /// Listens to the engine. With Docker the events are subscribed to when this answers; Podman answers with
    /// the first event only.
    pub async fn events(&self, kind: EngineKind, query: &EventQuery) -> Result<Events, EngineError> {
        let path = path(kind, query);
        let lines = match kind {
            EngineKind::Docker => Some(BufReader::new(self.streamed(Method::GET, &path).await?).lines()),
            EngineKind::Podman => None,
        };
        Ok(Events { socket: self.clone(), path, kind, until: query.until, lines })
    }
}

impl EngineSocket {
    /// The exit code of a container's run that began then, as soon as Podman notes its end.
    pub async fn podmans_end(&self, container: &str, begun: Timestamp) -> Result<i64, EngineError> {
        self.noted_end(&end_of(container, begun, None)).await
    }

    /// The same for a run that has ended: by what was noted, as often looked at as it takes.
    pub async fn podmans_past_end(&self, container: &str, begun: Timestamp) -> Result<i64, EngineError> {
        self.noted_end(&end_of(container, begun, Some(Timestamp::now()))).await
    }

    async fn noted_end(&self, query: &EventQuery) -> Result<i64, EngineError> {
        let begun = query.since.map_or(0, Timestamp::as_nanosecond);
        loop {
            let mut events = self.events(EngineKind::Podman, query).await?;
            // A note may be made a moment after the end that was asked for.
            events.until = None;
            while let Some(event) = events.next().await? {
                let code = event.actor.attributes.get("exitCode").and_then(|code| code.parse().ok());
                if let (Some(code), true) = (code, i128::from(event.nanos) > begun) {
                    return Ok(code);
                }
            }
            // It ends its stream when it begins another event log.
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// The events that are ends of a container since then.
fn end_of(container: &str, since: Timestamp, until: Option<Timestamp>) -> EventQuery {
    EventQuery {
        kinds: vec!["container"],
        actions: &["died"],
        container: Some(container.to_owned()),
        since: Some(since),
        until,
        ..EventQuery::default()
    }
}

fn path(kind: EngineKind, query: &EventQuery) -> String {
    let mut filters = json!({"type": query.kinds});
    // Podman finds no label by its name alone: who reads the events leaves those of others out.
    let label = query.label.as_ref().filter(|label| kind == EngineKind::Docker || label.contains('='));
    if let Some(label) = label {
        filters["label"] = json!([label]);
    }
    if let Some(container) = &query.container {
        filters["container"] = json!([container]);
    }
    if !query.actions.is_empty() {
        filters["event"] = json!(query.actions);
    }
    let mut path = format!("/events?filters={}", escaped(&filters.to_string()));
    // Podman ceases to read when that time has come: of one that is over it would read nothing.
    let is_over = kind == EngineKind::Podman && query.until.is_some_and(|until| until <= Timestamp::now());
    if is_over {
        path.push_str("&stream=false");
    }
    for (name, time) in [("since", query.since), ("until", query.until.filter(|_| !is_over))] {
        if let Some(time) = time {
            let seconds = time.as_second().max(0);
            // Writing to a String does not fail.
            let _ = write!(path, "&{name}={seconds}.{:09}", time.subsec_nanosecond().max(0));
        }
    }
    path
}
