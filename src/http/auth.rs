//! Who asks: the administrator by Basic credentials, a token as Bearer or as Basic's password, or a ticket; failures
//! of one address are limited.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;

use super::error::ApiError;
use super::query;
use super::routes::Route;
use crate::access::password::PasswordCheck;
use crate::codes::Code;
use crate::config::Credentials;
use crate::service::{Error, Principal, Service, TokenRefusal, is_token};

/// How many failures of one address within a minute are answered with 401; further ones with 429.
const FAILURES_A_MINUTE: NonZeroU32 = match NonZeroU32::new(10) {
    Some(number) => number,
    None => NonZeroU32::MIN,
};
/// How many addresses are remembered before those that have been quiet are forgotten.
const ADDRESSES: usize = 10_000;
/// How many are remembered at most. Beyond that the others are counted together with their neighbours.
const MOST_ADDRESSES: usize = 100_000;
const FORGET_EVERY: Duration = Duration::from_secs(1);
/// The parameter of a query that stands for credentials.
pub const TICKET: &str = "ticket";

/// Knows the administrator, and counts the failures of each address.
pub struct Authenticator {
    administrator: Principal,
    check: PasswordCheck,
    failures: DefaultKeyedRateLimiter<IpAddr>,
    /// When addresses that have been quiet were last forgotten.
    forgotten: Mutex<Instant>,
    /// The slow hash for whoever has failed too often: one at a time.
    last_chance: Semaphore,
}

/// What a request shows.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nothing. It is how a browser starts, and does not count as a failure.
    Nothing,
    /// A user and a password, which may be a token.
    Basic(Vec<u8>, Vec<u8>),
    /// A token.
    Bearer(String),
    /// A ticket for the container of this id or name.
    Ticket(String, Option<String>),
    /// A header that cannot be understood.
    Other,
}

impl Shown {
    /// What a request to a route shows: its header, or where it has none and asks for a terminal, a ticket.
    #[must_use]
    pub fn by(request: &ServiceRequest, route: Option<&Route>) -> Self {
        let mut headers = request.headers().get_all(AUTHORIZATION);
        if let Some(header) = headers.next() {
            // Of two headers a proxy in front may have looked at the other one.
            if headers.next().is_some() {
                return Self::Other;
            }
            return header.to_str().ok().and_then(Self::in_header).unwrap_or(Self::Other);
        }
        let Some(route) = route.filter(|route| route.action == "terminal.open") else { return Self::Nothing };
        match query::first(request.query_string(), TICKET) {
            Some(ticket) => Self::Ticket(ticket, route.id(request.path())),
            None => Self::Nothing,
        }
    }

    fn in_header(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ')?;
        let rest = rest.trim();
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => basic(rest).map(|(user, password)| Self::Basic(user, password)),
            "bearer" => Some(Self::Bearer(rest.to_owned())),
            _ => None,
        }
    }
}

impl Authenticator {
    /// An authenticator for the administrator.
    #[must_use]
    pub fn new(credentials: &Credentials) -> Self {
        Self {
            administrator: Principal::administrator(&credentials.user),
            check: PasswordCheck::new(&credentials.user, &credentials.password),
            failures: RateLimiter::keyed(Quota::per_minute(FAILURES_A_MINUTE)),
            forgotten: Mutex::new(Instant::now()),
            last_chance: Semaphore::new(1),
        }
    }

    /// Who shows this. What is right always works, whatever came before; only a password that has to be compared
    /// with a slow hash waits for nobody where its address has failed too often: it is tried if no other such is.
    pub async fn authenticate(
        &self,
        service: &Service,
        shown: Shown,
        remote: Option<IpAddr>,
    ) -> Result<Principal, Error> {
        match shown {
            Shown::Nothing => Err(Error::new(Code::Unauthorized, WANTED)),
            Shown::Basic(user, password) => match as_token(&password) {
                Some(token) => self.token(service, token, Some(&user), remote).await,
                None => self.administrator(&user, &password, remote).await,
            },
            Shown::Bearer(token) => self.token(service, &token, None, remote).await,
            Shown::Ticket(ticket, id) => {
                let cuid = id.and_then(|id| service.resolve(&id).ok());
                service.take_ticket(&ticket, cuid).ok_or_else(|| self.refuse(BAD_TICKET, remote))
            }
            Shown::Other => Err(self.refuse(UNREADABLE, remote)),
        }
    }

    async fn administrator(
        &self,
        user: &[u8],
        password: &[u8],
        remote: Option<IpAddr>,
    ) -> Result<Principal, Error> {
        let Some(is_right) = self.check.quick(user, password) else {
            // Counted before the work: else whoever guesses could have any amount of it done.
            let counted = self.count(remote);
            let turn = counted.is_err().then(|| self.last_chance.try_acquire());
            if let (Err(too_many), Some(Err(_))) = (&counted, &turn) {
                return Err(too_many.clone());
            }
            let is_right = self.check.slow(user, password).await;
            return match (is_right, counted) {
                (true, _) => Ok(self.administrator.clone()),
                (false, Ok(())) => Err(Error::new(Code::Unauthorized, WRONG)),
                (false, Err(too_many)) => Err(too_many),
            };
        };
        if is_right { Ok(self.administrator.clone()) } else { Err(self.refuse(WRONG, remote)) }
    }

    /// The principal of a token; of one that came as a password only for its own name.
    async fn token(
        &self,
        service: &Service,
        token: &str,
        user: Option<&[u8]>,
        remote: Option<IpAddr>,
    ) -> Result<Principal, Error> {
        match service.token_principal(token, remote).await {
            Ok(principal) if user.is_none_or(|user| user == principal.name().as_bytes()) => Ok(principal),
            Ok(_) => Err(self.refuse(WRONG, remote)),
            Err(TokenRefusal::Unknown) => Err(self.refuse(BAD_TOKEN, remote)),
            // Whoever shows it has had it: that is no guess.
            Err(TokenRefusal::Expired) => Err(Error::new(Code::TokenExpired, EXPIRED)),
        }
    }

    fn refuse(&self, message: &str, remote: Option<IpAddr>) -> Error {
        self.count(remote).err().unwrap_or_else(|| Error::new(Code::Unauthorized, message))
    }

    /// At most once a second: it looks at all of them.
    fn forget_the_quiet(&self) {
        let Ok(mut last) = self.forgotten.try_lock() else { return };
        if last.elapsed() >= FORGET_EVERY {
            self.failures.retain_recent();
            *last = Instant::now();
        }
    }

    /// Counts a failure; fails when there were too many.
    fn count(&self, remote: Option<IpAddr>) -> Result<(), Error> {
        let Some(address) = remote else { return Ok(()) };
        if self.failures.len() > ADDRESSES {
            self.forget_the_quiet();
        }
        let is_full = self.failures.len() >= MOST_ADDRESSES;
        let key = if is_full { neighbours_of(address) } else { network_of(address) };
        self.failures.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            let mut error = Error::new(Code::TooManyFailures, TOO_MANY);
            error.retry_after = Some(wait);
            error
        })
    }
}

const WANTED: &str =
    "credentials are needed: send them by HTTP Basic authentication, or a token as Authorization: Bearer";
const WRONG: &str = "the user or the password is wrong";
const BAD_TOKEN: &str = "the token is wrong, or was revoked";
const BAD_TICKET: &str = "the ticket is wrong, used, too old, or for another container: get a new one";
const UNREADABLE: &str =
    "the Authorization header cannot be read: send Basic with user and password, or Bearer";
const EXPIRED: &str = "the token has expired: get a new one";
const TOO_MANY: &str = "too many failed logins from this address: wait, or use the right password";

/// A password that has the form of a token.
fn as_token(password: &[u8]) -> Option<&str> {
    std::str::from_utf8(password).ok().filter(|text| is_token(text))
}

/// A handler that depends on who asks takes it as an argument.
impl FromRequest for Principal {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Self>().cloned();
        ready(principal.ok_or_else(|| ApiError::new(Code::InternalError, "the gate has let in nobody")))
    }
}

/// User and password of Basic credentials.
fn basic(encoded: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let plain = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    Some((plain[..colon].to_vec(), plain[colon + 1..].to_vec()))
}

/// Whoever has one IPv6 address has the /64 around it.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        },
    }
}

/// One of a few networks that an address lies in: a 256th of all, or of IPv6 a 65,536th.
fn neighbours_of(address: IpAddr) -> IpAddr {
    match network_of(address) {
        IpAddr::V4(v4) => IpAddr::V4([v4.octets()[0], 0, 0, 0].into()),
        IpAddr::V6(v6) => IpAddr::V6([v6.segments()[0], 0, 0, 0, 0, 0, 0, 1].into()),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::{Authenticator, Code, Credentials, IpAddr, MOST_ADDRESSES, STANDARD, Shown};
    use crate::access::password::Password;

    #[test]
    fn what_a_header_shows_is_taken_apart() {
        let basic = |text: &str| Shown::in_header(&format!("Basic {}", STANDARD.encode(text)));
        assert!(basic("admin:a:b ü") == Some(Shown::Basic(b"admin".into(), "a:b ü".into())));
        assert!(Shown::in_header("bEARER  x ") == Some(Shown::Bearer("x".to_owned())));
        for wrong in ["", "Basic", "Basic !", "Digest x"] {
            assert!(Shown::in_header(wrong).is_none(), "{wrong}");
        }
        assert!(basic("admin").is_none());
    }

    #[test]
    fn guesses_from_any_number_of_addresses_take_bounded_memory_and_are_slowed() {
        let password = Password::parse("right").unwrap();
        let authenticator = Authenticator::new(&Credentials { user: "admin".to_owned(), password });
        for number in 0..150_000_u32 {
            let v4 = IpAddr::V4((0x0a00_0000 + number).into());
            let v6 = IpAddr::V6((0x2001_0db8_u128 << 96 | u128::from(number) << 64).into());
            let _ = authenticator.count(Some(if number % 2 == 0 { v4 } else { v6 }));
        }
        let known = authenticator.failures.len();
        assert!(known <= MOST_ADDRESSES + 256 + 65_536, "{known} addresses are remembered");
        assert!(known <= MOST_ADDRESSES + 2, "{known} addresses are remembered of two networks");
        let stranger = "10.200.0.1".parse().ok();
        assert!(authenticator.count(stranger).is_err(), "the others share their network's failures");
    }

    #[tokio::test]
    async fn the_right_password_works_after_any_number_of_failures() {
        let password = Password::parse("a:b ü").unwrap();
        let authenticator = Authenticator::new(&Credentials { user: "admin".to_owned(), password });
        let address = "192.0.2.1".parse().ok();
        let mut codes = Vec::new();
        for _ in 0..12 {
            codes.push(authenticator.administrator(b"admin", b"no", address).await.unwrap_err().code);
        }
        assert_eq!(codes[..10], [Code::Unauthorized; 10]);
        assert_eq!(codes[10..], [Code::TooManyFailures; 2]);
        let right = authenticator.administrator(b"admin", "a:b ü".as_bytes(), address).await;
        assert_eq!(right.unwrap().name(), "admin");
        assert!(authenticator.administrator(b"Admin", "a:b ü".as_bytes(), None).await.is_err());
    }
}
