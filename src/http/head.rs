//! The answer to a `HEAD`: what a `GET` would say, and not one byte behind it.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};
use bytes::Bytes;
use futures_util::stream;

/// Takes the body off an answer; what made it is dropped before it made anything.
///
/// The server itself leaves a body out only while it has not read the next request of the connection, which
/// a client may send in the same packet. A stream that is not chunked and ends at once adds nothing to the
/// head whatever the server believes, and lets the `Content-Length` of a `GET` stand.
pub fn bodiless(mut response: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    match response.body().size() {
        BodySize::None | BodySize::Sized(0) => return response,
        BodySize::Sized(length) => {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        BodySize::Stream => {}
    }
    response.head_mut().no_chunking(true);
    let nothing = BodyStream::new(stream::empty::<Result<Bytes, Infallible>>());
    response.map_body(|_, _| BoxBody::new(nothing))
}
