//! The audit log, as its caller may see it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{Error, Result, Service, cursor};
use crate::access::Principal;
use crate::audit::{Line, Phase, Search};
use crate::codes::Code;

/// How many read the log at a time: a page may take the disk and a processor for a while.
const READERS: usize = 2;

/// Which lines are asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// Nothing younger.
    pub until: Option<Timestamp>,
    /// One container, by cuid or name; by cuid also one that is gone.
    pub container: Option<String>,
    /// Actions, each the whole word or its beginning up to a dot; none: all.
    pub actions: Vec<String>,
    /// One user.
    pub user: Option<String>,
    /// One phase.
    pub phase: Option<Phase>,
    /// The most lines of a page.
    pub limit: usize,
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// One page of the log.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The lines, the youngest first.
    pub lines: Vec<Line>,
    /// Where the next page begins; none: this is the last.
    pub next_cursor: Option<String>,
}

pub(super) fn readers() -> Semaphore {
    Semaphore::new(READERS)
}

impl Service {
    /// One page of the audit log. A caller who is limited to some containers sees the lines of those alone.
    pub async fn audit(self: &Arc<Self>, principal: &Principal, query: AuditQuery) -> Result<AuditPage> {
        let search = Search {
            since: query.since,
            until: query.until,
            cuid: query.container.as_deref().map(|id| self.known_or_gone(principal, id)).transpose()?,
            actions: query.actions,
            user: query.user,
            phase: query.phase,
            limit: query.limit,
            before: query.cursor.as_deref().map(cursor::show).transpose()?,
        };
        let _reader = self.audit_readers.acquire().await;
        let (service, principal) = (Arc::clone(self), principal.clone());
        let read = move || {
            let sees = |cuid: Option<&str>| service.sees_line(&principal, cuid);
            service.parts.health.audit.page(&search, &sees)
        };
        let found = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)?;
        let found = found.map_err(|error| unreadable(&error))?;
        Ok(AuditPage { lines: found.lines, next_cursor: found.next.map(cursor::hide) })
    }

    fn known_or_gone(&self, principal: &Principal, id: &str) -> Result<String> {
        let gone = id.parse().ok().filter(|cuid| self.sees_cuid(principal, *cuid));
        gone.map_or_else(|| self.resolve_for(principal, id), Ok).map(|cuid| cuid.to_string())
    }

    fn sees_line(&self, principal: &Principal, cuid: Option<&str>) -> bool {
        let cuid = cuid.and_then(|cuid| cuid.parse().ok());
        !principal.is_limited() || cuid.is_some_and(|cuid| self.sees_cuid(principal, cuid))
    }
}

fn unreadable(error: &std::io::Error) -> Error {
    tracing::error!(%error, "the audit log cannot be read");
    Error::new(Code::InternalError, "the audit log cannot be read: see the daemon's own log")
}
