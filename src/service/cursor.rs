//! Where a page of a list begins: after a time and an id, which comings and goings do not confuse.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::{Error, Result};
use crate::codes::Code;

/// The cursor of the page after this time and id.
pub(super) fn write((created, id): (Timestamp, impl Display)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{id}", created.as_nanosecond()))
}

/// What a cursor stands for.
pub(super) fn read<T: FromStr>(text: &str) -> Result<(Timestamp, T)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let place = plain.as_deref().and_then(|plain| plain.split_once('/')).and_then(|(created, id)| {
        let created = Timestamp::from_nanosecond(created.parse().ok()?).ok()?;
        Some((created, id.parse().ok()?))
    });
    place.ok_or_else(|| invalid(text))
}

/// The cursor for a place that is told as text.
pub(super) fn hide(place: impl Display) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// The place that a cursor stands for.
pub(super) fn show<T: FromStr>(text: &str) -> Result<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let place = bytes.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    place.ok_or_else(|| invalid(text))
}

fn invalid(text: &str) -> Error {
    let message = "cursor is not one that this API gave out: take next_cursor of a page";
    Error::new(Code::InvalidCursor, message).with("field", "cursor").with("provided", text)
}
