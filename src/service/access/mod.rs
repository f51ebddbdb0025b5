//! Who may do what: tokens, roles, tickets, and the end of what they began.

mod roles;
mod tickets;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use tickets::{TICKET_LIFE, Tickets};
pub use tokens::TokenPage;

pub use crate::access::Refused as TokenRefusal;

use super::{Error, Result, Service};
use crate::access::{Access, Permissions, Principal, secret};
use crate::codes::Code;

/// How often it is looked whether the files of tokens and roles have changed, and whose time is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how many looks all files are looked at, whatever their folder tells, and uses are written down.
const THOROUGH_EVERY: u32 = 15;

impl Service {
    /// Roles and tokens.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.parts.access
    }

    /// Who has this token. One that memory does not know may have been made by another process a moment ago.
    pub async fn token_principal(
        &self,
        token: &str,
        from: Option<IpAddr>,
    ) -> std::result::Result<Principal, TokenRefusal> {
        let access = &self.parts.access;
        match access.authenticate(token, from) {
            Err(TokenRefusal::Unknown) if is_token(token) && access.is_behind() => {
                // Where it cannot be read it is not known.
                let _ = self.refresh_access().await;
                access.authenticate(token, from)
            }
            known => known,
        }
    }

    /// Reads the files of roles and tokens anew.
    pub async fn refresh_access(&self) -> Result<()> {
        self.with_access(Access::refresh).await
    }

    /// Notices what other processes change, ends what tokens have begun whose time is over, and writes down when
    /// they were used.
    pub async fn follow_access(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count: u32 = 0;
        loop {
            looks.tick().await;
            count = count.wrapping_add(1);
            let is_thorough = count.is_multiple_of(THOROUGH_EVERY);
            let looked = self.with_access(move |access| look(access, is_thorough)).await;
            if let Err(error) = looked {
                tracing::warn!(message = error.message, "the tokens cannot be looked at");
            }
        }
    }

    /// Writes down when tokens were last used: the daemon ends.
    pub async fn settle_access(&self) {
        if let Err(error) = self.with_access(Access::write_uses).await {
            tracing::warn!(message = error.message, "when tokens were last used is not written down");
        }
    }

    /// Work on the files of roles and tokens, on a thread that may wait for the disk. It goes on when whoever asked
    /// for it has left.
    pub(super) async fn with_access<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Access) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let access = Arc::clone(&self.parts.access);
        let done = tokio::task::spawn_blocking(move || work(&access)).await;
        Ok(done.map_err(std::io::Error::other)??)
    }
}

fn look(access: &Access, is_thorough: bool) -> std::io::Result<()> {
    let is_due = is_thorough || access.is_behind() || access.has_other_roles();
    let refreshed = if is_due { access.refresh() } else { Ok(()) };
    access.end_expired();
    refreshed?;
    if is_thorough { access.write_uses() } else { Ok(()) }
}

/// Refuses to grant what the one who grants may not do itself.
fn may_grant(principal: &Principal, granted: Permissions) -> Result<()> {
    let beyond = granted.without(principal.permissions());
    let Some(first) = beyond.iter().next() else { return Ok(()) };
    let message = format!("nobody grants more than they may do: you lack {}", beyond.words().join(", "));
    Err(Error::new(Code::PermissionMissing, message)
        .with("required", first.as_str())
        .with("missing", beyond.words()))
}

/// The error of a change whose caller may no longer be good.
fn still_good(principal: &Principal, error: Error) -> Error {
    if Access::is_good(principal) { error } else { Error::revoked() }
}

/// Whether a text has the form of a token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    secret::is_secret(text)
}
