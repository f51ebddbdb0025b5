//! Changes of roles and tokens: each on the disk before it is true.

use std::io::{self, ErrorKind};
use std::sync::{MutexGuard, PoisonError};

use jiff::Timestamp;

use super::request::AskedToken;
use super::secret::{self, SecretHash};
use super::store::Lock;
use super::{Access, Permissions, Principal, Seen, TokenId, TokenView, view};
use crate::container::Cuid;

/// What came of the removal of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleRemoval {
    /// It is gone.
    Removed,
    /// There was none.
    Unknown,
    /// These tokens have it.
    InUse(Vec<TokenId>),
}

/// Who makes a token or a role.
#[derive(Clone, Copy)]
pub enum Creator<'a> {
    /// A caller of the API.
    Principal(&'a Principal),
    /// Someone on the host, by this name.
    Host(&'a str),
}

impl Creator<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Principal(principal) => principal.name(),
            Self::Host(name) => name,
        }
    }

    /// Fails where a token asks that is no longer good: asked under the lock under which it would be taken away.
    fn must_be_good(self) -> io::Result<()> {
        match self {
            Self::Principal(principal) if !Access::is_good(principal) => {
                Err(ErrorKind::PermissionDenied.into())
            }
            Self::Principal(_) | Self::Host(_) => Ok(()),
        }
    }
}

impl Access {
    /// Makes a token. The secret is told here and nowhere else.
    pub fn create_token(&self, asked: AskedToken, creator: Creator<'_>) -> io::Result<(TokenView, String)> {
        let (mut seen, lock) = self.begin()?;
        creator.must_be_good()?;
        self.read_roles(&mut seen)?;
        let roles = self.roles();
        if asked.roles.iter().any(|role| roles.get(role).is_none()) {
            // It was there when the request was read. Whoever made it again would give the token what it permits.
            return Err(io::Error::new(ErrorKind::NotFound, "a role of the token is gone"));
        }
        let id = TokenId::random();
        let secret = secret::generate().map_err(io::Error::other)?;
        let created_at = Timestamp::now();
        let expires_at = asked.expires_in.and_then(|time| created_at.checked_add(time).ok());
        let record = super::TokenRecord {
            id,
            name: asked.name,
            hash: SecretHash::of(&secret),
            roles: asked.roles,
            permissions: asked.permissions,
            scope: asked.scope,
            created_at,
            created_by: creator.name().to_owned(),
            expires_at,
        };
        self.store.write_token(&lock, &record)?;
        self.take_in(record);
        let token = self.find(id).ok_or(ErrorKind::NotFound)?;
        Ok((view(&token), secret))
    }

    /// Takes a token away and ends what was begun with it; says whether there was one.
    pub fn revoke(&self, id: TokenId) -> io::Result<bool> {
        let (_seen, lock) = self.begin()?;
        let was_there = self.store.remove_token(&lock, id)?;
        self.drop_token(id);
        Ok(was_there)
    }

    /// Gives a role these permissions, now and in all tokens that have it; says whether there was one of this name.
    pub fn set_role(&self, creator: Creator<'_>, name: &str, permissions: Permissions) -> io::Result<bool> {
        let (mut seen, lock) = self.begin()?;
        creator.must_be_good()?;
        self.read_roles(&mut seen)?;
        let mut own = self.roles().own().clone();
        let had = own.insert(name.to_owned(), permissions).is_some();
        self.store.write_roles(&lock, &super::Roles::with(own))?;
        self.read_roles(&mut seen)?;
        Ok(had)
    }

    /// Removes a role that no token has.
    pub fn remove_role(&self, name: &str) -> io::Result<RoleRemoval> {
        let (mut seen, lock) = self.begin()?;
        self.read_roles(&mut seen)?;
        // Another process may just have made one that has it.
        self.read_tokens(&mut seen, &mut Vec::new())?;
        let mut own = self.roles().own().clone();
        if own.remove(name).is_none() {
            return Ok(RoleRemoval::Unknown);
        }
        let has = |view: &TokenView| view.record.roles.iter().any(|role| role == name);
        let holders: Vec<_> = self.tokens().into_iter().filter(has).map(|view| view.record.id).collect();
        if !holders.is_empty() {
            return Ok(RoleRemoval::InUse(holders));
        }
        self.store.write_roles(&lock, &super::Roles::with(own))?;
        self.read_roles(&mut seen)?;
        Ok(RoleRemoval::Removed)
    }

    /// Lets the token that makes a container know of it. Nothing to do for whoever knows of all.
    pub fn adopt(&self, principal: &Principal, cuid: Cuid) -> io::Result<()> {
        let Some(token) = principal.token().filter(|token| token.is_limited()) else { return Ok(()) };
        self.rescope(token.record.id, |scope| scope.with(cuid))
    }

    /// Takes a container that is gone out of the tokens that were to know of it.
    pub fn disown(&self, cuid: Cuid) -> io::Result<()> {
        let lists_it = |view: &TokenView| view.record.scope != view.record.scope.without(cuid);
        for view in self.tokens().into_iter().filter(lists_it) {
            match self.rescope(view.record.id, |scope| scope.without(cuid)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn rescope(&self, id: TokenId, change: impl Fn(&super::Scope) -> super::Scope) -> io::Result<()> {
        let (mut seen, lock) = self.begin()?;
        // The file decides: someone may have revoked the token meanwhile.
        let mut record = self.store.token(id)?.ok_or(ErrorKind::NotFound)?;
        record.scope = change(&record.scope);
        self.store.write_token(&lock, &record)?;
        if let Some(token) = self.find(id) {
            token.rescope(record.scope);
        }
        if let Some(stamp) = self.store.token_stamp(id)? {
            seen.files.insert(id, stamp);
        }
        Ok(())
    }

    /// One change at a time, in this process and beside others.
    fn begin(&self) -> io::Result<(MutexGuard<'_, Seen>, Lock)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = self.store.lock()?;
        Ok((seen, lock))
    }
}
