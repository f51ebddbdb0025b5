//! Who may do what: permissions, roles, tokens; kept in `access/`, open to the daemon's user alone.
//!
//! The files are the truth; memory is a copy that answers without a look at the disk. Another process that changes
//! the files (the command line, an administrator's hand) is noticed: see [`Access::refresh`].

mod change;
mod file;
mod follow;
mod known;
mod owner;
pub mod password;
pub mod permission;
mod principal;
pub mod request;
pub mod role;
pub mod scope;
pub mod secret;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod token_id;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;

pub use change::{Creator, RoleRemoval};
pub use owner::{AS_DAEMON, act_as_owner};
pub use permission::{Permission, Permissions};
pub use principal::Principal;
pub use role::{Role, Roles};
pub use scope::{Scope, Selector};
pub use token::{LastUse, TokenRecord};
pub use token_id::TokenId;

use known::Known;
use store::{Stamp, Store};
use token::Token;

/// Roles and tokens.
pub struct Access {
    store: Store,
    tokens: RwLock<Known>,
    roles: RwLock<Roles>,
    /// What the files were when they were last read. Held while something is changed or read anew.
    seen: Mutex<Seen>,
    /// When the folder of tokens that was last read had been changed, in nanoseconds since 1970; 0: not settled.
    tokens_as_of: AtomicI64,
    /// The files that cannot be read, and why.
    unread: Mutex<BTreeSet<String>>,
    are_uses_new: AtomicBool,
}

#[derive(Default)]
struct Seen {
    roles: Option<Stamp>,
    files: BTreeMap<TokenId, Stamp>,
}

/// A token as it is told of: never with its secret or its hash.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// What it was made with, and what it has created since.
    pub record: TokenRecord,
    /// What it may do in all.
    pub granted: Permissions,
    /// When it was last used.
    pub last_use: Option<LastUse>,
    /// Whether its time is over.
    pub is_expired: bool,
}

/// Why a secret is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No token has this secret, or none has it any more.
    Unknown,
    /// The token's time is over.
    Expired,
}

impl Access {
    /// Opens the folder and reads what is there.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        let store = Store::open(folder)?;
        let roles = store.roles()?;
        let access = Self {
            store,
            tokens: RwLock::default(),
            roles: RwLock::new(roles),
            seen: Mutex::default(),
            tokens_as_of: AtomicI64::new(0),
            unread: Mutex::default(),
            are_uses_new: AtomicBool::new(false),
        };
        access.refresh()?;
        for (id, last_use) in access.store.uses() {
            if let Some(token) = access.find(id) {
                token.used(last_use);
            }
        }
        Ok(access)
    }

    /// Who has this secret. Looks at memory alone.
    pub fn authenticate(&self, secret: &str, from: Option<IpAddr>) -> Result<Principal, Refused> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.of_secret(secret).cloned().ok_or(Refused::Unknown)?;
        drop(tokens);
        let now = Timestamp::now();
        if token.is_expired(now) {
            return Err(Refused::Expired);
        }
        token.used(LastUse { at: now, from });
        self.are_uses_new.store(true, Ordering::Relaxed);
        Ok(Principal::of_token(token))
    }

    /// Whether a principal may go on: its token was neither revoked nor weakened, and its time is not over.
    #[must_use]
    pub fn is_good(principal: &Principal) -> bool {
        let is_expired = principal.token().is_some_and(|token| token.is_expired(Timestamp::now()));
        !is_expired && !principal.ended().is_cancelled()
    }

    /// Every token, by creation time.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenView> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut views: Vec<_> = tokens.all().map(|token| view(token)).collect();
        drop(tokens);
        views.sort_by_key(|view| (view.record.created_at, view.record.id));
        views
    }

    /// One token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<TokenView> {
        self.find(id).map(|token| view(&token))
    }

    /// Every role.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.roles.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is wrong with the files, if anything.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn find(&self, id: TokenId) -> Option<Arc<Token>> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

fn view(token: &Token) -> TokenView {
    TokenView {
        record: token.record_now(),
        granted: token.permissions(),
        last_use: token.last_use(),
        is_expired: token.is_expired(Timestamp::now()),
    }
}

/// What a record's roles and permissions come to. Whoever knows of some containers only does not manage access.
fn granted(roles: &Roles, record: &TokenRecord) -> Permissions {
    let granted = roles.permissions(&record.roles, &record.permissions);
    match record.scope {
        Scope::All => granted,
        Scope::Only(_) => granted.without(Permissions::of(&[Permission::AccessAdmin])),
    }
}
