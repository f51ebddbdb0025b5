//! HTTP: actix and JSON only. Handlers parse, make one call, and answer.

mod accept;
mod access;
mod actions;
mod asked;
mod asked_options;
mod audit;
mod auth;
mod body;
mod conditions;
mod containers;
mod descriptors;
pub mod docs;
mod document;
mod error;
mod events;
mod exec;
mod file_bodies;
mod file_manager;
mod files;
mod frame_lengths;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod head;
mod health;
mod held;
mod images;
mod inspection;
mod leaving;
mod lifecycle;
mod limits;
mod logs;
mod metrics;
mod origin;
mod prune;
mod query;
mod range;
mod registries;
mod rendered;
mod request_id;
pub mod routes;
mod schemas;
mod server;
mod stats;
mod streaming;
mod system;
mod taken;
mod terminal;
mod wait;
mod wire;
mod ws;

use std::sync::Arc;
use std::time::Duration;

pub use auth::Authenticator;
pub use held::HoldLimits;
pub use metrics::Metrics;
pub use origin::OriginRules;
pub use rendered::Rendered;
pub use server::{LAST_ANSWERS, Listener, ServerSettings, listen};

use crate::service::{BodyDeadlines, Service};

/// What every handler and the gate have at hand.
pub struct State {
    /// The use cases.
    pub service: Arc<Service>,
    /// The audit log.
    pub audit: Arc<crate::audit::Audit>,
    /// What is counted for whoever watches the daemon.
    pub metrics: Metrics,
    /// Who may log in.
    pub authenticator: Authenticator,
    /// Where requests may come from.
    pub origins: OriginRules,
    /// Whether errors carry a stack trace.
    pub development: bool,
    /// The most bytes of a JSON body.
    pub json_max_bytes: usize,
    /// How long a JSON body may take.
    pub json_deadline: Duration,
    /// How long an upload may take.
    pub upload_deadlines: BodyDeadlines,
    /// The most bytes of an upload; none: no limit.
    pub upload_max_bytes: Option<u64>,
    /// The most bytes of an archive of images or of an image's files; none: no limit.
    pub image_max_bytes: Option<u64>,
    /// The `OpenAPI` document.
    pub document: docs::Document,
    /// Containers as they were last sent.
    pub rendered: Rendered,
}
