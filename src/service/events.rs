//! What happens to containers and images, as the engine tells it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::catalog::Known;
use super::streams::{End, Source};
use super::{Error, Result, Service, scope};
use crate::access::{Permission, Principal};
use crate::container::Cuid;
use crate::container::compose_file::{self, CUID_LABEL};
use crate::engine::events::{EngineEvent, EventQuery};

/// Where Compose notes the folder of a project.
const FOLDER_LABEL: &str = "com.docker.compose.project.working_dir";

/// A kind of thing that something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A container of ours.
    Container,
    /// An image.
    Image,
}

impl EventKind {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
        }
    }
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct EventsQuery {
    /// Also those since then that the engine remembers.
    pub since: Option<Timestamp>,
    /// Nothing later.
    pub until: Option<Timestamp>,
    /// One kind; none: both.
    pub kind: Option<EventKind>,
    /// One container, by cuid or name.
    pub container: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// What it happened to.
    pub kind: EventKind,
    /// The engine's word for what happened.
    pub action: String,
    /// The container.
    pub cuid: Option<Cuid>,
    /// Its name now, if it has one.
    pub name: Option<String>,
    /// The container's image, or the image itself by its name or id.
    pub image: Option<String>,
    /// When.
    pub at: Timestamp,
    /// The exit code, when a container ended.
    pub exit_code: Option<i64>,
    /// The number of the signal, when one was sent.
    pub signal: Option<i64>,
    /// How the health check judges, when that has changed.
    pub health: Option<String>,
}

/// What a caller sees of the containers that things happen to.
struct Sight {
    principal: Principal,
    /// Those that it knew of: what happens at their end is told when they are gone.
    known: HashSet<Cuid>,
}

impl Sight {
    fn new(service: &Service, principal: &Principal) -> Self {
        let seen = if principal.is_limited() { service.seen_by(principal) } else { Vec::new() };
        Self { principal: principal.clone(), known: seen.iter().map(|known| known.cuid).collect() }
    }

    fn has(&mut self, service: &Service, record: &EventRecord) -> bool {
        let Some(cuid) = record.cuid.filter(|_| self.principal.is_limited()) else { return true };
        let Some(is_seen) = service.sees_now(&self.principal, cuid) else {
            return self.known.contains(&cuid) || self.principal.sees(cuid, None);
        };
        if is_seen {
            self.known.insert(cuid);
        } else {
            self.known.remove(&cuid);
        }
        is_seen
    }
}

/// The kinds of events that a caller is told of; those of images only where it may know of images.
fn kinds(principal: &Principal, asked: Option<EventKind>, only: Option<Cuid>) -> Result<Vec<&'static str>> {
    let sees_images = principal.may(Permission::ImageRead);
    match (asked, only) {
        (Some(EventKind::Image), _) if !sees_images => {
            Err(scope::lacks(Permission::ImageRead, "the events of images need the permission image:read"))
        }
        (Some(EventKind::Image), _) => Ok(vec!["image"]),
        (None, None) if sees_images => Ok(vec!["container", "image"]),
        (Some(EventKind::Container) | None, _) => Ok(vec!["container"]),
    }
}

impl Service {
    /// What happens from now on, or since then, to what the caller knows of.
    pub async fn events(
        self: &Arc<Self>,
        principal: &Principal,
        query: EventsQuery,
    ) -> Result<Source<EventRecord>> {
        let past_or_present = |id: &str| self.past_or_present(principal, id, &query);
        let only = query.container.as_deref().map(past_or_present).transpose()?;
        let kinds = kinds(principal, query.kind, only)?;
        let place = self.parts.streams.take_place()?;
        let label = match only {
            Some(cuid) => Some(format!("{CUID_LABEL}={cuid}")),
            None if kinds == ["container"] => Some(CUID_LABEL.to_owned()),
            None => None,
        };
        if query.since.zip(query.until).is_some_and(|(since, until)| since > until) {
            return Ok(self.parts.streams.begin(place, |_| async { Ok(End::Complete) }));
        }
        let asked = EventQuery {
            kinds,
            actions: &[],
            label,
            container: None,
            since: query.since,
            until: query.until,
        };
        let mut events = self.parts.engine.socket().events(self.engine_kind(), &asked).await?;
        let service = Arc::clone(self);
        let mut sight = Sight::new(self, principal);
        Ok(self.parts.streams.begin(place, move |sink| async move {
            while let Some(event) = events.next().await? {
                let record = service.event(&event).filter(|record| sight.has(&service, record));
                sink.send(record.into_iter().collect()).await;
            }
            if query.until.is_some_and(|until| until <= Timestamp::now()) {
                return Ok(End::Complete);
            }
            Err(Error::engine_away("it closed its stream of events"))
        }))
    }

    /// The container that events are asked for: where the past is asked for, it may be gone.
    fn past_or_present(&self, principal: &Principal, id: &str, query: &EventsQuery) -> Result<Cuid> {
        let of_the_past = id.parse().ok().filter(|cuid| {
            (query.since.is_some() || query.until.is_some()) && self.sees_cuid(principal, *cuid)
        });
        of_the_past.map_or_else(|| self.resolve_for(principal, id), Ok)
    }

    /// An event in our words; nothing when it is none of our business. What runs beside a container's own
    /// program (`exec_…`) is left out: its command line may hold secrets.
    fn event(&self, event: &EngineEvent) -> Option<EventRecord> {
        let attributes = &event.actor.attributes;
        let (kind, cuid) = match event.kind.as_str() {
            "container" => (EventKind::Container, Some(self.ours(attributes)?)),
            "image" => (EventKind::Image, None),
            _ => return None,
        };
        if event.action.starts_with("exec_") {
            return None;
        }
        let (action, health) = match event.action.split_once(": ") {
            Some((action, rest)) if action == "health_status" => (action, Some(rest.to_owned())),
            Some((action, _)) => (action, None),
            None => (event.action.as_str(), None),
        };
        let known = cuid.and_then(|cuid| self.catalog.get(cuid));
        let number = |name: &str| attributes.get(name).and_then(|text| text.parse().ok());
        let image = match kind {
            EventKind::Container => attributes.get("image").cloned(),
            EventKind::Image => attributes.get("name").cloned().or_else(|| Some(event.actor.id.clone())),
        };
        Some(EventRecord {
            kind,
            action: action.to_owned(),
            cuid,
            name: known.and_then(|known| known.definition.as_ref().ok()?.spec.name.clone()),
            image: image.filter(|image| !image.is_empty()),
            at: Timestamp::from_nanosecond(event.nanos.into()).ok()?,
            exit_code: number("exitCode").filter(|_| action == "die"),
            signal: number("signal"),
            health,
        })
    }

    /// Whether a caller knows of a container, also while it is being made; none: it is gone.
    fn sees_now(&self, principal: &Principal, cuid: Cuid) -> Option<bool> {
        if let Some(known) = self.catalog.get(cuid) {
            return Some(Self::sees(principal, &known));
        }
        let text = self.parts.projects.read(cuid).ok()?;
        Some(Self::sees(principal, &Known::new(cuid, compose_file::read(cuid, &text))))
    }

    /// Whose container it is: another daemon may have its own at the same engine. One that was deleted is
    /// known by the folder that its project had.
    fn ours(&self, attributes: &BTreeMap<String, String>) -> Option<Cuid> {
        let cuid: Cuid = attributes.get(CUID_LABEL)?.parse().ok()?;
        let folder = self.parts.projects.project(cuid).folder;
        let had_folder =
            attributes.get(FOLDER_LABEL).is_some_and(|label| folder.as_os_str() == label.as_str());
        (had_folder || self.catalog.get(cuid).is_some()).then_some(cuid)
    }
}
