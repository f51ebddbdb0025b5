//! Tokens: made, listed, taken away.

use std::sync::PoisonError;

use jiff::Timestamp;
use serde_json::Value;

use super::{Error, Result, Service, may_grant, still_good};
use crate::access::request::AskedToken;
use crate::access::{Access, Creator, Principal, TokenId, TokenView};
use crate::codes::Code;
use crate::service::cursor;

/// One page of tokens.
#[derive(Clone, Debug)]
pub struct TokenPage {
    /// The tokens.
    pub tokens: Vec<TokenView>,
    /// Where the next page begins; none: this is the last.
    pub next_cursor: Option<String>,
    /// How many tokens there are on all pages.
    pub total: usize,
}

impl Service {
    /// Makes a token; its secret is told this once.
    pub async fn create_token(&self, principal: &Principal, body: Value) -> Result<(TokenView, String)> {
        let asked = self.asked_token(principal, body.clone())?;
        let asks = principal.clone();
        let work = move |access: &Access| access.create_token(asked, Creator::Principal(&asks));
        let made = self.with_access(work).await;
        if made.is_err() {
            // A role that went while it was made is told as one that never was.
            self.asked_token(principal, body)?;
        }
        made.map_err(|error| still_good(principal, error))
    }

    fn asked_token(&self, principal: &Principal, body: Value) -> Result<AskedToken> {
        let roles = self.parts.access.roles();
        let asked = AskedToken::parse(body, &roles, Some(&self.parts.settings.administrator))?;
        may_grant(principal, asked.granted(&roles))?;
        match principal.expires_at() {
            Some(end) if asked.outlives(end) => Err(outlives(end)),
            _ => Ok(asked),
        }
    }

    /// Tokens by creation time, at most `limit` of them.
    pub fn tokens(&self, limit: usize, after: Option<&str>) -> Result<TokenPage> {
        let after = after.map(cursor::read::<TokenId>).transpose()?;
        let place = |view: &TokenView| (view.record.created_at, view.record.id);
        let all = self.parts.access.tokens();
        let total = all.len();
        let mut left = all.into_iter().filter(|view| after.is_none_or(|after| place(view) > after));
        let tokens: Vec<_> = left.by_ref().take(limit).collect();
        let has_more = left.next().is_some();
        let next_cursor = tokens.last().filter(|_| has_more).map(|last| cursor::write(place(last)));
        Ok(TokenPage { tokens, next_cursor, total })
    }

    /// One token.
    pub fn token(&self, id: &str) -> Result<TokenView> {
        let token = id.parse().ok().and_then(|id| self.parts.access.token(id));
        token.ok_or_else(|| no_token(id))
    }

    /// Takes a token away, and ends what was begun with it.
    pub async fn revoke_token(&self, id: &str) -> Result<TokenId> {
        let parsed: TokenId = id.parse().map_err(|_| no_token(id))?;
        if !self.with_access(move |access| access.revoke(parsed)).await? {
            return Err(no_token(id));
        }
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).forget(parsed);
        Ok(parsed)
    }
}

fn outlives(end: Timestamp) -> Error {
    let message = format!("expires_in has to end before the token that asks does, at {end}");
    Error::new(Code::InvalidValue, message).with("field", "expires_in")
}

fn no_token(id: &str) -> Error {
    // Whoever takes a secret for an id must not find it in a log.
    let shown = if id.parse::<TokenId>().is_ok() { id } else { "***" };
    Error::new(Code::TokenNotFound, "no token has this id: GET /tokens lists them").with("id", shown)
}
