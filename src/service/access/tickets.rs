//! Tickets: one terminal each, for browsers, which cannot send a header with a WebSocket.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Error, Result, Service};
use crate::access::request::parse_ticket;
use crate::access::{Access, Principal, TokenId};
use crate::codes::Code;
use crate::container::Cuid;

/// How long a ticket is good.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// The most tickets that wait to be used: of all, and of one token.
const MOST: usize = 10_000;
const MOST_OF_A_TOKEN: usize = 100;

/// The tickets that wait to be used, by the hash of each. They live in memory: a restart forgets them.
#[derive(Default)]
pub struct Tickets(HashMap<[u8; 32], Ticket>);

struct Ticket {
    principal: Principal,
    cuid: Cuid,
    until: Instant,
}

impl Tickets {
    fn add(&mut self, hash: [u8; 32], ticket: Ticket) -> bool {
        let now = Instant::now();
        self.0.retain(|_, waiting| waiting.until > now);
        let token = ticket.principal.token_id();
        let is_of_it = |waiting: &&Ticket| token.is_some() && waiting.principal.token_id() == token;
        let has_room = self.0.len() < MOST && self.0.values().filter(is_of_it).count() < MOST_OF_A_TOKEN;
        if has_room {
            self.0.insert(hash, ticket);
        }
        has_room
    }

    /// Forgets the tickets that a token has got.
    pub(super) fn forget(&mut self, id: TokenId) {
        self.0.retain(|_, ticket| ticket.principal.token_id() != Some(id));
    }
}

impl Service {
    /// Makes a ticket for a terminal of a container that the principal sees. The body names the container.
    pub fn create_ticket(&self, principal: &Principal, body: Value) -> Result<(Cuid, String)> {
        let id = parse_ticket(body)?;
        let known = self.catalog.find(&id).filter(|known| principal.sees(known.cuid, known.spec()));
        let cuid = known.ok_or_else(|| Error::no_container(&id))?.cuid;
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::new(Code::InternalError, error.to_string()))?;
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        let ticket = Ticket { principal: principal.clone(), cuid, until: Instant::now() + TICKET_LIFE };
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.add(hash(&secret), ticket) {
            return Ok((cuid, secret));
        }
        let message = "too many tickets wait to be used: use one, or try again when they are old";
        let mut error = Error::new(Code::TooManyTickets, message);
        error.retry_after = Some(TICKET_LIFE.as_secs());
        Err(error)
    }

    /// Who a ticket was made for, if it is good for this container. However that is, it is used up.
    #[must_use]
    pub fn take_ticket(&self, secret: &str, cuid: Option<Cuid>) -> Option<Principal> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = tickets.0.remove(&hash(secret))?;
        drop(tickets);
        let is_good = ticket.until > Instant::now() && Some(ticket.cuid) == cuid;
        (is_good && Access::is_good(&ticket.principal)).then_some(ticket.principal)
    }
}

/// The look-up goes by the hash: how long it takes tells nothing of the tickets that there are.
fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}
