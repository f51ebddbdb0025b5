//! One token: what its file says, and what is known of it while the daemon runs.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::scope::Scope;
use super::secret::SecretHash;
use super::{Permission, Permissions, TokenId};
use crate::container::{Cuid, Spec};

/// What a token was made with; only `scope` grows, by what the token creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// Who it is for: the user in the audit log, and the user of Basic credentials.
    pub name: String,
    /// What its secret is known by.
    pub hash: SecretHash,
    /// The roles whose permissions it has.
    pub roles: Vec<String>,
    /// Permissions beside those of its roles.
    pub permissions: Vec<Permission>,
    /// The containers it knows of.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it ends; none: never.
    pub expires_at: Option<Timestamp>,
}

/// When and from where a token was last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub from: Option<IpAddr>,
}

/// What a token may do and see at the moment.
#[derive(Clone, Debug)]
struct Rights {
    permissions: Permissions,
    scope: Arc<Scope>,
    /// Ends what was begun with these rights, when they become fewer.
    ended: CancellationToken,
}

/// A token that is known.
pub struct Token {
    /// What its file says; of the scope only what it was when the file was read.
    pub(super) record: TokenRecord,
    rights: RwLock<Rights>,
    last_use: Mutex<Option<LastUse>>,
}

impl Token {
    /// A token whose roles give it these permissions in all.
    pub(super) fn new(record: TokenRecord, permissions: Permissions, last_use: Option<LastUse>) -> Self {
        let scope = Arc::new(record.scope.clone());
        let rights = Rights { permissions, scope, ended: CancellationToken::new() };
        Self { record, rights: RwLock::new(rights), last_use: Mutex::new(last_use) }
    }

    fn rights(&self) -> Rights {
        self.rights.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it may do.
    pub(super) fn permissions(&self) -> Permissions {
        self.rights.read().unwrap_or_else(PoisonError::into_inner).permissions
    }

    /// The containers it knows of.
    pub(super) fn scope(&self) -> Arc<Scope> {
        self.rights().scope
    }

    pub(super) fn is_limited(&self) -> bool {
        *self.scope() != Scope::All
    }

    pub(super) fn sees(&self, cuid: Cuid, spec: Option<&Spec>) -> bool {
        self.scope().holds(cuid, spec)
    }

    /// Cancelled when what was begun with the present rights has to end.
    pub(super) fn ended(&self) -> CancellationToken {
        self.rights().ended
    }

    /// Ends all that was begun with it: it is no longer good.
    pub(super) fn end(&self) {
        self.rights().ended.cancel();
    }

    /// Whether its time is over.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.record.expires_at.is_some_and(|end| end <= now)
    }

    /// Gives it these permissions; where they are fewer than before, what was begun with it ends.
    pub(super) fn permit(&self, permissions: Permissions) {
        let mut rights = self.rights.write().unwrap_or_else(PoisonError::into_inner);
        if !rights.permissions.without(permissions).is_empty() {
            rights.ended.cancel();
            rights.ended = CancellationToken::new();
        }
        rights.permissions = permissions;
    }

    /// Lets it know of these containers.
    pub(super) fn rescope(&self, scope: Scope) {
        self.rights.write().unwrap_or_else(PoisonError::into_inner).scope = Arc::new(scope);
    }

    /// Its record as it is now.
    pub(super) fn record_now(&self) -> TokenRecord {
        TokenRecord { scope: (*self.scope()).clone(), ..self.record.clone() }
    }

    /// Notes that it was used.
    pub(super) fn used(&self, last_use: LastUse) {
        *self.last_use.lock().unwrap_or_else(PoisonError::into_inner) = Some(last_use);
    }

    /// When it was last used.
    pub(super) fn last_use(&self) -> Option<LastUse> {
        *self.last_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
