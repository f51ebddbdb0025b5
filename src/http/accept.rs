//! Which form of an answer a request accepts best.

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;

/// The form of an answer that does not go on.
const JSON: (&str, &str) = ("application", "json");

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line.
    Ndjson,
    /// Text as it was printed.
    Text,
    /// Server-sent events.
    Events,
}

impl Form {
    /// The forms of a stream of records.
    pub const RECORDS: &[Self] = &[Self::Ndjson, Self::Events];
    /// The forms of a stream of text.
    pub const TEXT: &[Self] = &[Self::Ndjson, Self::Text, Self::Events];

    const fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Ndjson => ("application", "x-ndjson"),
            Self::Text => ("text", "plain"),
            Self::Events => ("text", "event-stream"),
        }
    }

    /// What the answer says it is.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Text => "text/plain; charset=utf-8",
            Self::Events => "text/event-stream",
        }
    }

    /// The form in which a request wants to be shown how far its work is: one that it names itself, and likes no
    /// less than JSON. Nothing: one answer, when the work is done.
    pub fn progress(request: &HttpRequest) -> Option<Self> {
        let ranges = Range::all(request);
        let is_named = |form: &Self| ranges.iter().any(|range| range.names(form.media_type()) == Some(2));
        let json = quality(JSON, &ranges);
        let named = Self::RECORDS.iter().copied().filter(is_named);
        let liked = named.map(|form| (quality(form.media_type(), &ranges), form));
        // Of equals the first.
        let best = liked.rev().max_by_key(|(quality, _)| *quality)?;
        (best.0 > 0 && best.0 >= json).then_some(best.1)
    }

    /// The form that a request accepts best; the first where it says nothing of any.
    pub fn accepted(request: &HttpRequest, offered: &[Self]) -> Self {
        let ranges = Range::all(request);
        let mut best = (Self::Ndjson, 0);
        for form in offered {
            let quality = quality(form.media_type(), &ranges);
            if quality > best.1 {
                best = (*form, quality);
            }
        }
        best.0
    }
}

/// One part of an `Accept` header.
struct Range {
    kind: String,
    subkind: String,
    /// In thousandths.
    quality: u16,
}

impl Range {
    fn all(request: &HttpRequest) -> Vec<Self> {
        let values = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).filter_map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subkind) = parts.next()?.split_once('/')?;
        let mut quality = 1000;
        for part in parts {
            if let Some((name, value)) = part.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                quality = thousandths(value.trim())?;
            }
        }
        Some(Self { kind: kind.to_ascii_lowercase(), subkind: subkind.to_ascii_lowercase(), quality })
    }

    /// How closely it names a media type; nothing where it does not.
    fn names(&self, (kind, subkind): (&str, &str)) -> Option<u8> {
        match (self.kind.as_str(), self.subkind.as_str()) {
            ("*", "*") => Some(0),
            (own, "*") if own == kind => Some(1),
            (own, sub) if own == kind && sub == subkind => Some(2),
            _ => None,
        }
    }
}

/// A quality of `Accept`, 0 to 1 with at most three digits.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// The quality of a media type: what names it most closely decides.
fn quality(media_type: (&str, &str), ranges: &[Range]) -> u16 {
    let named = ranges.iter().filter_map(|range| Some((range.names(media_type)?, range.quality)));
    named.max().map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn accepted(accept: &[&str]) -> Form {
        let mut request = TestRequest::default();
        for value in accept {
            request = request.append_header((ACCEPT, *value));
        }
        Form::accepted(&request.to_http_request(), Form::TEXT)
    }

    #[test]
    fn progress_is_shown_to_who_names_a_form_of_it() {
        for (accept, form) in [
            (None, None),
            (Some("*/*"), None),
            (Some("application/*"), None),
            (Some("application/json"), None),
            (Some("text/event-stream;q=0"), None),
            (Some("application/json, application/x-ndjson;q=0.5"), None),
            (Some("*/*, application/x-ndjson;q=0.5"), None),
            (Some("application/x-ndjson"), Some(Form::Ndjson)),
            (Some("application/x-ndjson, application/json;q=0.9"), Some(Form::Ndjson)),
            (Some("text/event-stream, application/x-ndjson"), Some(Form::Ndjson)),
            (Some("Text/Event-Stream, */*;q=0.1"), Some(Form::Events)),
            (Some("text/event-stream, application/x-ndjson;q=0.8"), Some(Form::Events)),
        ] {
            let request = accept.into_iter().map(|accept| (ACCEPT, accept));
            let request = request.fold(TestRequest::default(), TestRequest::append_header);
            assert_eq!(Form::progress(&request.to_http_request()), form, "{accept:?}");
        }
    }

    #[test]
    fn the_form_is_the_one_accepted_best() {
        for (accept, form) in [
            (&[][..], Form::Ndjson),
            (&["*/*"], Form::Ndjson),
            (&["application/x-ndjson"], Form::Ndjson),
            (&["text/event-stream"], Form::Events),
            (&["TEXT/Plain; charset=utf-8"], Form::Text),
            (&["text/*"], Form::Text),
            (&["text/plain;q=0.5, text/event-stream;q=0.8"], Form::Events),
            (&["text/plain;q=0.5", "application/*;q=0.4"], Form::Text),
            (&["*/*;q=0.9, application/x-ndjson;q=0.1, text/plain;q=0"], Form::Events),
            (&["application/json"], Form::Ndjson),
            (&["image/png, nonsense, text/plain;q=2"], Form::Ndjson),
            (&["text/html, application/xhtml+xml, */*;q=0.8"], Form::Ndjson),
        ] {
            assert_eq!(accepted(accept), form, "{accept:?}");
        }
    }
}
