//! The use cases: one file an action, one error for `http` to see.

mod access;
mod adoption;
mod audit;
pub mod catalog;
mod change;
mod claims;
mod commit;
mod copies;
mod create;
mod cursor;
mod delete;
mod error;
mod events;
mod exec;
mod export;
mod figures;
mod file_manager;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod host;
mod images;
mod inspection;
mod keep;
mod kill;
mod lifecycle;
mod limits;
mod list;
mod log_position;
mod log_text;
mod logs;
mod ports;
mod prune;
mod recovery;
mod recreate;
mod redact;
mod refusals;
mod registries;
mod scope;
mod settle;
mod shared;
mod stats;
mod streams;
mod system;
mod tar;
mod terminals;
mod transfers;
mod turns;
mod update;
mod wait;
mod way_back;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::access::Access;
use crate::compose::{Compose, Projects};
use crate::container::compose_file::{self, Definition, ReadError, Surroundings};
use crate::container::options::Allowed;
use crate::container::request::HostLimits;
use crate::container::status::State;
use crate::container::{Cuid, EngineKind};
use crate::engine::{Engine, EngineHealth, Live};
use crate::files::Files;
use crate::kept_logs::KeptLogs;
use crate::registries::Registries;

pub use crate::access::{Permission, Principal, Role, TokenView};
pub use crate::container::build::AskedBuild;
pub use crate::files::ContextKind;
pub use crate::files::{Conditions, Entry, EntryKind, Tags, WHOLE_PAGE};
pub use access::{TICKET_LIFE, TokenPage, TokenRefusal, is_token};
pub use audit::{AuditPage, AuditQuery};
pub use catalog::Known;
pub use commit::Committed;
pub use delete::DeleteOptions;
pub use error::{Error, Result};
pub use events::{EventKind, EventRecord, EventsQuery};
pub use exec::{Ran, encoding};
pub use figures::Figures;
pub use file_manager::{Changed, Folder, Moved, Put, PutOptions, RemoveOptions};
pub use health::{Health, HealthSettings};
pub use images::build::{BuildPart, Builds, Built};
pub use images::{
    Direction, FoundRepository, HistoryStep, ImageConfig, ImageFilter, ImageHealthcheck, ImagePrune,
    Imported, InspectedImage, Listed, ListedImage, LoadPart, LoadedImage, Overall, Progress, Pulled, Pushed,
    RemovedImages, Report, Reported, Saved, TaggedImage,
};
pub use inspection::{Changes, Processes};
pub use list::{ListQuery, Page};
pub use logs::{LogRecord, LogsQuery};
pub use prune::{PruneQuery, Pruned};
pub use redact::Redactor;
pub use scope::Sight;
pub use stats::Sample;
pub use streams::{End, Part, Source, Streams};
pub use system::{Info, Versions};
pub use terminals::{
    ClientEvent, OpenTerminal, Places, ServerEvent, SessionSummary, TerminalQuery, Terminals,
};
pub use transfers::{BodyDeadlines, Download, UploadOptions, Uploaded};

use access::Tickets;
use catalog::Catalog;
use copies::Copies;
use images::Transfers;
use stats::Hubs;
use turns::Turns;

/// What the use cases are told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The administrator's user, which no token may have for a name.
    pub administrator: String,
    /// What is written into every compose file.
    pub surroundings: Surroundings,
    /// What of all that leads to the host the administrator allows.
    pub allowed: Allowed,
    /// How long one command of Compose may take.
    pub change_timeout: Duration,
    /// How long a pull or push may take.
    pub pull_timeout: Duration,
    /// How long a pull or push may go without anything moving.
    pub pull_idle_timeout: Duration,
    /// How many images are pulled and pushed at a time.
    pub max_transfers: usize,
    /// How long the body of an upload may take.
    pub body: BodyDeadlines,
}

/// What the use cases are made of; built once by `app`.
pub struct Parts {
    /// The compose folders.
    pub projects: Arc<Projects>,
    /// The Compose command line.
    pub compose: Compose,
    /// The engine.
    pub engine: Arc<Engine>,
    /// The live view.
    pub live: Arc<Live>,
    /// The mounts.
    pub files: Files,
    /// What earlier incarnations printed.
    pub kept_logs: KeptLogs,
    /// The credentials of registries.
    pub registries: Registries,
    /// Roles and tokens.
    pub access: Arc<Access>,
    /// The terminals.
    pub terminals: Terminals,
    /// The answers that go on.
    pub streams: Streams,
    /// The images that are being built.
    pub builds: Builds,
    /// What may be shown of an output.
    pub redactor: Redactor,
    /// How health is told.
    pub health: HealthSettings,
    /// The rest.
    pub settings: Settings,
}

/// The daemon's use cases.
pub struct Service {
    parts: Parts,
    catalog: Catalog,
    turns: Turns,
    /// Held while networks and volumes that containers share are made or removed.
    sharing: tokio::sync::Mutex<()>,
    /// What changes in flight are about to share.
    claims: claims::Claims,
    /// The images that changes in flight need.
    held_images: images::HeldImages,
    copies: Copies,
    hubs: Hubs,
    transfers: Transfers,
    tickets: Mutex<Tickets>,
    /// Held while the audit log is read.
    audit_readers: tokio::sync::Semaphore,
    /// Since when no change has succeeded after one that Compose did not end in time.
    stuck_since: Mutex<Option<Instant>>,
    /// The containers that a broken-off change may have left as another than their files say.
    unsettled: settle::Unsettled,
}

/// One container: what its file says, and what the engine says.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its id.
    pub cuid: Cuid,
    /// What its compose file says, or why it cannot be read.
    pub definition: std::result::Result<Definition, ReadError>,
    /// What the engine says.
    pub state: State,
}

impl Service {
    /// The use cases over their parts. Nothing is read yet: see [`Service::recover`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            catalog: Catalog::default(),
            turns: Turns::default(),
            transfers: Transfers::new(parts.settings.max_transfers),
            parts,
            sharing: tokio::sync::Mutex::default(),
            claims: claims::Claims::default(),
            held_images: images::HeldImages::default(),
            copies: Copies::default(),
            hubs: Hubs::default(),
            tickets: Mutex::default(),
            audit_readers: audit::readers(),
            stuck_since: Mutex::default(),
            unsettled: settle::Unsettled::default(),
        }
    }

    /// One container, from memory, as its caller may see it.
    pub fn get(&self, principal: &Principal, id: &str) -> Result<Sight> {
        let known = self.catalog.find(id).ok_or_else(|| Error::no_container(id))?;
        Ok(self.sight(principal, known))
    }

    /// The id of a container.
    pub fn resolve(&self, id: &str) -> Result<Cuid> {
        self.catalog.find(id).map(|known| known.cuid).ok_or_else(|| Error::no_container(id))
    }

    /// The id of a container that a principal sees; for all others there is none.
    pub fn resolve_for(&self, principal: &Principal, id: &str) -> Result<Cuid> {
        let known = self.catalog.find(id).filter(|known| principal.sees(known.cuid, known.spec()));
        known.map(|known| known.cuid).ok_or_else(|| Error::no_container(id))
    }

    /// Why the states in memory may be old, if they may: the engine does not answer.
    #[must_use]
    pub fn stale_because(&self) -> Option<String> {
        match self.parts.live.health() {
            EngineHealth::Up(_) => None,
            EngineHealth::Down { reason, .. } => Some(reason),
        }
    }

    /// Takes no new changes, terminals and streams, ends those that are open, and waits for the changes in
    /// flight; says whether all ended within `limit`.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.parts.streams.close_all();
        self.parts.builds.end_all();
        self.parts.terminals.close_all();
        let terminals = tokio::time::timeout(limit, self.parts.terminals.wait());
        let changes = async {
            let begun = Instant::now();
            let ended = self.turns.drain(limit).await;
            // What a change has left to copy is lost when it is not copied now.
            let left = limit.saturating_sub(begun.elapsed());
            ended && tokio::time::timeout(left, self.copies.all_settled()).await.is_ok()
        };
        let transfers = self.transfers.drain(limit);
        let builds = self.parts.builds.drain(limit);
        let (changes, terminals, transfers, builds) = tokio::join!(changes, terminals, transfers, builds);
        self.parts.streams.close_results();
        changes && transfers && builds && terminals.is_ok()
    }

    /// A container with all that is known of it; a caller is shown [`Service::view`].
    fn whole(&self, known: &Known) -> Container {
        Container {
            cuid: known.cuid,
            definition: known.definition.clone(),
            state: State::clone(&self.parts.live.state(known.cuid)),
        }
    }

    /// What the engine's host can give.
    #[must_use]
    pub fn host_limits(&self) -> HostLimits<'_> {
        let facts = match self.parts.live.health() {
            EngineHealth::Up(facts) => Some(facts),
            EngineHealth::Down { last, .. } => last,
        };
        let lacks = facts.as_ref().map(|facts| facts.lacks).unwrap_or_default();
        let allowed = &self.parts.settings.allowed;
        HostLimits { cpus: facts.and_then(|facts| facts.cpus), lacks, allowed }
    }

    /// Which engine it is, as far as it has ever answered.
    fn engine_kind(&self) -> EngineKind {
        self.parts.live.engine_kind().unwrap_or(self.parts.settings.surroundings.engine)
    }

    fn is_podman(&self) -> bool {
        self.engine_kind() == EngineKind::Podman
    }

    /// What the engine's kind and the configuration add to every compose file.
    fn surroundings(&self) -> Surroundings {
        Surroundings { engine: self.engine_kind(), ..self.parts.settings.surroundings.clone() }
    }

    fn render(&self, cuid: Cuid, definition: &Definition) -> Result<String> {
        let text = compose_file::render(cuid, definition, &self.surroundings());
        text.map_err(|error| Error::new(crate::codes::Code::InternalError, error.to_string()))
    }
}
