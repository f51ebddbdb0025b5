//! The id of a request: the client's own where it is sane, else a new one.

use actix_web::dev::ServiceRequest;

/// The header that carries it, both ways.
pub const HEADER: &str = "x-request-id";

/// The id of a request, as the rest of the room finds it in the request's extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Reads the client's id, or makes one.
pub fn of(request: &ServiceRequest) -> RequestId {
    let sent = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    RequestId(sent.filter(is_plain).map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned))
}
