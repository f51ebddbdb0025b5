//! What changes by itself: files that someone else writes, time that runs out, uses that are written down.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::store::Stamp;
use super::token::Token;
use super::{Access, Seen, TokenId, granted};

/// Within this time, in nanoseconds, a second change of a folder may leave it with the same time stamp.
const TICK: i128 = 50_000_000;

impl Access {
    /// Whether the tokens on the disk may be others than those in memory. One look at the folder.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let as_of = self.tokens_as_of.load(Ordering::Acquire);
        self.store.tokens_stamp().is_ok_and(|stamp| as_of == 0 || nanos(stamp) != as_of)
    }

    /// Whether the file of roles is another one than in memory. One look at the file.
    #[must_use]
    pub fn has_other_roles(&self) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.store.roles_stamp().is_ok_and(|stamp| stamp != seen.roles)
    }

    /// Reads anew what is on the disk. Of what did not change only the names are looked at.
    pub fn refresh(&self) -> io::Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unread = Vec::new();
        let read = self.read_anew(&mut seen, &mut unread);
        if let Err(error) = &read {
            unread.push(format!("access/ cannot be read: {error}"));
        }
        self.note_unread(unread);
        read
    }

    fn read_anew(&self, seen: &mut Seen, unread: &mut Vec<String>) -> io::Result<()> {
        if self.store.roles_stamp()? != seen.roles
            && let Err(error) = self.read_roles(seen)
        {
            unread.push(format!("access/{error}"));
        }
        let stamp = self.store.tokens_stamp()?;
        let now = Timestamp::now().as_nanosecond();
        self.read_tokens(seen, unread)?;
        // A folder that was changed a moment ago may change once more without a new time.
        let is_settled = stamp.is_some_and(|stamp| now - stamp.modified() > TICK);
        self.tokens_as_of.store(if is_settled { nanos(stamp) } else { 0 }, Ordering::Release);
        Ok(())
    }

    pub(super) fn read_roles(&self, seen: &mut Seen) -> io::Result<()> {
        let stamp = self.store.roles_stamp()?;
        let roles = self.store.roles()?;
        seen.roles = stamp;
        *self.roles.write().unwrap_or_else(PoisonError::into_inner) = roles;
        self.permit_all();
        Ok(())
    }

    /// Gives every token what its roles permit now.
    pub(super) fn permit_all(&self) {
        let roles = self.roles();
        for token in self.tokens.read().unwrap_or_else(PoisonError::into_inner).all() {
            token.permit(granted(&roles, &token.record));
        }
    }

    pub(super) fn read_tokens(&self, seen: &mut Seen, unread: &mut Vec<String>) -> io::Result<()> {
        let files = self.store.token_files()?;
        for (id, stamp) in &files {
            if seen.files.get(id) == Some(stamp) {
                continue;
            }
            match self.store.token(*id) {
                Ok(Some(record)) => self.take_in(record),
                Ok(None) => {}
                Err(error) => {
                    self.drop_token(*id);
                    unread.push(format!("access/tokens/{error}"));
                }
            }
        }
        for id in self.ids().into_iter().filter(|id| !files.contains_key(id)) {
            self.drop_token(id);
        }
        // What could not be read is tried again.
        seen.files = files.into_iter().filter(|(id, _)| self.find(*id).is_some()).collect();
        Ok(())
    }

    fn ids(&self) -> Vec<TokenId> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens.all().map(|token| token.record.id).collect()
    }

    /// Puts a token in whose file was read. What was begun with an older version of it ends, unless the versions
    /// differ in what the token has created alone.
    pub(super) fn take_in(&self, record: super::TokenRecord) {
        let known = self.find(record.id);
        if let Some(known) = &known {
            let same_but_scope = super::TokenRecord { scope: known.record.scope.clone(), ..record.clone() };
            let is_wider = record.scope.holds_all_of(&known.scope());
            if same_but_scope == known.record && is_wider {
                return known.rescope(record.scope);
            }
            known.end();
        }
        let permissions = granted(&self.roles(), &record);
        let last_use = known.and_then(|known| known.last_use());
        let token = Arc::new(Token::new(record, permissions, last_use));
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token);
    }

    /// Forgets a token and ends what was begun with it.
    pub(super) fn drop_token(&self, id: TokenId) {
        let token = self.tokens.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(token) = token {
            token.end();
        }
    }

    /// Ends what was begun with tokens whose time is over.
    pub fn end_expired(&self) {
        let now = Timestamp::now();
        for token in self.tokens.read().unwrap_or_else(PoisonError::into_inner).all() {
            if token.is_expired(now) {
                token.end();
            }
        }
    }

    /// Writes down when tokens were last used, if any was since.
    pub fn write_uses(&self) -> io::Result<()> {
        if !self.are_uses_new.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let uses: BTreeMap<_, _> =
            tokens.all().filter_map(|token| Some((token.record.id, token.last_use()?))).collect();
        drop(tokens);
        let written = self.store.lock().and_then(|lock| self.store.write_uses(&lock, &uses));
        self.are_uses_new.fetch_or(written.is_err(), Ordering::Relaxed);
        written
    }

    fn note_unread(&self, unread: Vec<String>) {
        let unread = unread.into_iter().collect();
        let mut known = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        for problem in &unread {
            if !known.contains(problem) {
                tracing::error!("{problem}");
            }
        }
        *known = unread;
    }
}

fn nanos(stamp: Option<Stamp>) -> i64 {
    stamp.and_then(|stamp| i64::try_from(stamp.modified()).ok()).unwrap_or(0)
}
