//! What one line of the log tells.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which part of an action a line tells of. Lines of one action have one `id`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// A change is about to begin.
    Intent,
    /// It has ended: what came of it. The only line of what is no change.
    #[default]
    Outcome,
    /// The daemon that began it ended before it wrote an outcome; written by the next one.
    Interrupted,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Intent, Self::Outcome, Self::Interrupted];

    /// As the log writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The end of a terminal: its line has the id of the terminal's opening.
pub(super) const CLOSE: &str = "terminal.close";

/// One action: a request, or the opening or close of a terminal.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Action {
    /// When the line was written (RFC 3339 with the local offset).
    pub timestamp: String,
    /// The action's id, made by the daemon.
    pub id: String,
    /// Which part of the action this is.
    pub phase: Phase,
    /// The request's id.
    pub request_id: String,
    /// What was done, for instance `container.create`.
    pub action: &'static str,
    /// Who: the user that was authenticated, or none.
    pub user: Option<String>,
    /// The id of the token that was used; none: the administrator's password.
    pub token: Option<String>,
    /// The permission that the action needs.
    pub permission: Option<&'static str>,
    /// The client's address.
    pub remote: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The container it was about.
    pub cuid: Option<String>,
    /// The HTTP status of the answer. An intent has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, in milliseconds. An intent has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The error's word, or none.
    pub error: Option<&'static str>,
    /// The error's code, or none.
    pub code: Option<&'static str>,
    /// The error's message, or none.
    pub message: Option<String>,
    /// What the action adds, for instance `bytes`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Action {
    /// A line of the daemon about itself.
    pub(super) fn of_daemon(action: &'static str, more: Map<String, Value>) -> Self {
        let id = new_id();
        Self {
            timestamp: now(),
            request_id: id.clone(),
            id,
            action,
            method: "DAEMON".to_owned(),
            path: "wharfinger serve".to_owned(),
            status: Some(0),
            duration_ms: Some(0),
            more,
            ..Self::default()
        }
    }

    /// Whether it is the end of something that an earlier line of its id has opened.
    pub(super) fn closes(&self) -> bool {
        self.action == CLOSE
    }
}

/// A new id of an action. Ids are in the order in which they were made.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The present time, as every answer and every line of the log writes it.
#[must_use]
pub fn now() -> String {
    jiff::Zoned::now().strftime("%FT%T%.3f%:z").to_string()
}
