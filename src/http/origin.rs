//! Where a request comes from: the client's address, and whether a web page of another site sent it.

use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{HOST, ORIGIN};

use crate::codes::Code;
use crate::service::Error;

/// What is believed of a request's origin.
#[derive(Clone, Debug, Default)]
pub struct OriginRules {
    /// Origins of other sites that are let in.
    pub allowed: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

impl OriginRules {
    /// The client's address: the peer's, or what a trusted proxy says of it.
    #[must_use]
    pub fn remote(&self, request: &ServiceRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip();
        if !self.trusted_proxies.contains(&peer) {
            return Some(peer);
        }
        let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
        // Proxies add to its end: what stands before the first hop that is no trusted proxy is the client's own word.
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        for hop in hops.into_iter().rev() {
            match hop.trim().parse() {
                Ok(hop) if self.trusted_proxies.contains(&hop) => {}
                Ok(hop) => return Some(hop),
                Err(_) => break,
            }
        }
        Some(peer)
    }

    /// Refuses what a page of another site sends with the login that the browser remembers: sockets, and
    /// everything that changes something.
    pub fn check(&self, request: &ServiceRequest) -> Result<(), Error> {
        let is_socket = request.headers().contains_key("sec-websocket-key");
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if is_safe && !is_socket {
            return Ok(());
        }
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = header(HOST.as_str()).unwrap_or_default();
        let mut origins = request.headers().get_all(ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
        let is_ours = match header(ORIGIN.as_str()) {
            Some(_) => origins.all(|origin| self.is_ours(origin, host)),
            None => !matches!(header("sec-fetch-site"), Some("cross-site" | "same-site")),
        };
        if is_ours {
            return Ok(());
        }
        let message =
            "web pages of other sites may not do this: add the origin to APP_ALLOWED_ORIGINS to let them";
        Err(Error::new(Code::CrossSite, message))
    }

    fn is_ours(&self, origin: &str, host: &str) -> bool {
        let without_scheme = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let is_this_host =
            without_scheme.is_some_and(|origin| !host.is_empty() && origin.eq_ignore_ascii_case(host));
        is_this_host || self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}
