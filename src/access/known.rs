//! The tokens that are known, by id and by the hash of their secret.

use std::collections::HashMap;
use std::sync::Arc;

use super::TokenId;
use super::secret::{self, SecretHash};
use super::token::Token;

/// The tokens in memory.
#[derive(Default)]
pub(super) struct Known {
    tokens: HashMap<TokenId, Arc<Token>>,
    ids: HashMap<SecretHash, TokenId>,
}

impl Known {
    pub(super) fn get(&self, id: TokenId) -> Option<&Arc<Token>> {
        self.tokens.get(&id)
    }

    /// The token of this secret. The look-up goes by the hash: how long it takes tells nothing of the secrets that
    /// there are.
    pub(super) fn of_secret(&self, text: &str) -> Option<&Arc<Token>> {
        if !secret::is_secret(text) {
            return None;
        }
        self.ids.get(&SecretHash::of(text)).and_then(|id| self.get(*id))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.tokens.values()
    }

    pub(super) fn insert(&mut self, token: Arc<Token>) {
        self.remove(token.record.id);
        self.ids.insert(token.record.hash, token.record.id);
        self.tokens.insert(token.record.id, token);
    }

    pub(super) fn remove(&mut self, id: TokenId) -> Option<Arc<Token>> {
        let token = self.tokens.remove(&id)?;
        if self.ids.get(&token.record.hash) == Some(&id) {
            self.ids.remove(&token.record.hash);
        }
        Some(token)
    }
}
