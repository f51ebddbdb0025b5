//! Who asks: the administrator, or a token; what they may do and see.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::token::Token;
use super::{Permission, Permissions, TokenId};
use crate::container::{Cuid, Spec};

/// Who a request was authenticated as.
#[derive(Clone)]
pub struct Principal {
    who: Who,
    /// From before anyone looked at what it may do: what is taken away after that look is not missed.
    ended: CancellationToken,
}

#[derive(Clone)]
enum Who {
    Administrator(Arc<str>),
    Token(Arc<Token>),
}

impl Principal {
    /// The administrator of the configuration, who may do everything.
    #[must_use]
    pub fn administrator(name: &str) -> Self {
        Self { who: Who::Administrator(name.into()), ended: CancellationToken::new() }
    }

    pub(super) fn of_token(token: Arc<Token>) -> Self {
        Self { ended: token.ended(), who: Who::Token(token) }
    }

    /// The administrator's user, or the token's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.who {
            Who::Administrator(name) => name,
            Who::Token(token) => &token.record.name,
        }
    }

    /// The token, if it is one.
    #[must_use]
    pub fn token_id(&self) -> Option<TokenId> {
        self.token().map(|token| token.record.id)
    }

    /// When its token ends; none: never by itself.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.token().and_then(|token| token.record.expires_at)
    }

    pub(super) fn token(&self) -> Option<&Arc<Token>> {
        match &self.who {
            Who::Administrator(_) => None,
            Who::Token(token) => Some(token),
        }
    }

    /// What it may do at this moment.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        self.token().map_or(Permissions::ALL, |token| token.permissions())
    }

    /// Whether it may do this at this moment.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions().has(permission)
    }

    /// Whether it knows of some containers only.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.token().is_some_and(|token| token.is_limited())
    }

    /// Whether it knows of this container, at this moment. `spec` is none where the container's file cannot be read.
    #[must_use]
    pub fn sees(&self, cuid: Cuid, spec: Option<&Spec>) -> bool {
        self.token().is_none_or(|token| token.sees(cuid, spec))
    }

    /// Cancelled when it may not go on with what it has begun: its token was revoked, has expired, or may do less
    /// than before.
    #[must_use]
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Principal").field(&self.name()).field(&self.token_id()).finish()
    }
}
