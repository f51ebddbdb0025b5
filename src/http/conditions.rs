//! The conditions of a request that changes a file (RFC 9110, section 13).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use crate::service::{Conditions, Tags};

/// Reads the conditions of a request. A date that cannot be read is as none, as the RFC asks (13.1.4).
pub fn conditions(request: &HttpRequest) -> Conditions {
    let date = request.headers().get(IF_UNMODIFIED_SINCE).and_then(|value| value.to_str().ok());
    Conditions {
        if_match: tags(request, &IF_MATCH),
        if_none_match: tags(request, &IF_NONE_MATCH),
        if_unmodified_since: date.and_then(|text| httpdate::parse_http_date(text).ok()),
    }
}

/// The tags of a header that may stand several times. What is no tag matches nothing.
fn tags(request: &HttpRequest, name: &HeaderName) -> Option<Tags> {
    let mut tags = Vec::new();
    for value in request.headers().get_all(name) {
        let text = String::from_utf8_lossy(value.as_bytes());
        tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    match tags.as_slice() {
        [] => None,
        _ if tags.iter().any(|tag| tag == "*") => Some(Tags::Any),
        _ => Some(Tags::These(tags)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{Tags, conditions};

    #[test]
    fn lists_and_repeated_headers_are_one_list() {
        let request = TestRequest::default();
        let request =
            request.append_header(("if-match", "\"a\", W/\"b\"")).append_header(("if-match", "\"c\""));
        let request = request.append_header(("if-none-match", "*")).to_http_request();
        let read = conditions(&request);
        let tags = ["\"a\"", "W/\"b\"", "\"c\""].map(str::to_owned).to_vec();
        assert_eq!(read.if_match, Some(Tags::These(tags)));
        assert_eq!(read.if_none_match, Some(Tags::Any));
        assert_eq!(conditions(&TestRequest::default().to_http_request()).if_match, None);
    }

    #[test]
    fn what_is_no_tag_is_a_condition_that_fails_and_what_is_no_date_is_none() {
        let request =
            |name, value: &str| TestRequest::default().append_header((name, value)).to_http_request();
        let read = conditions(&request("if-match", "caf\u{e9}"));
        assert!(matches!(read.if_match, Some(Tags::These(_))), "{read:?}");
        assert_eq!(conditions(&request("if-unmodified-since", "yesterday")).if_unmodified_since, None);
    }
}
